"""Retrieval quality in three settings, language bias, and whether differences are significant."""
