"""Corpora and training pairs: their readers, the built-in facts, split and overlap."""
