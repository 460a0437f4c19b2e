"""Vectors on disk, exact ranks and top k, corrections of language bias, TREC files."""
