"""Random unit vectors, in memory and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CHUNK = 20_000  # vectors made or copied at a time


def make_passages(
    file: Path, count: int, dimension: int, dtype: type[np.floating] = np.float16
) -> np.memmap:
    """Write unit vectors ``[count, dimension]``, and open them for reading."""
    vectors = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(count, dimension))
    for start in range(0, count, CHUNK):
        rng = np.random.default_rng([1, start])
        size = min(CHUNK, count - start)
        vectors[start : start + size] = unit_vectors(rng, size, dimension)
    vectors.flush()
    return np.load(file, mmap_mode="r")


def unit_vectors(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Draw unit vectors ``[count, dimension]`` (float32)."""
    vectors = rng.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
