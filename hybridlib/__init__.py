"""Hybrid batch training for multilingual retrieval (arXiv 2408.10536), and how to measure what it does."""

__version__ = "0.1.0"
