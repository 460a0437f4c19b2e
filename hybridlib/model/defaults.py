"""What an encoder is used with where its folder names nothing else."""

from __future__ import annotations

DEFAULT_LENGTH = 128  # tokens kept of a text

PAPER_PREFIXES = {"query": "Query: ", "passage": "Passage: "}  # arXiv 2408.10536
