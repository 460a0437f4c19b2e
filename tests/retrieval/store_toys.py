"""Stores of vectors in miniature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.vector_store import VectorStore

BLOCK = 32


def build(
    folder: Path,
    encoder: Any,
    texts: Iterable[str],
    side: str = "passage",
    block: int = BLOCK,
) -> VectorStore:
    """Build a store in small blocks, without a progress bar."""
    return VectorStore.build(folder, encoder, texts, side, block, progress=False)


class Counting:
    """An encoder that counts the texts it encodes, and is interrupted after so many calls."""

    def __init__(self, encoder: DualEncoder, calls: int = 10_000) -> None:
        self.encoder = encoder
        self.calls = calls
        self.texts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def encode(self, texts: list[str], *args: Any, **options: Any) -> np.ndarray:
        """Count and encode."""
        if not self.calls:
            raise KeyboardInterrupt
        self.calls -= 1
        self.texts += len(texts)
        return self.encoder.encode(texts, *args, **options)


@dataclass
class Streamed:
    """Texts without a length or an index, as a file of lines has them."""

    texts: list[str]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)
