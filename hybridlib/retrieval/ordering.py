"""Scores as whole numbers, in whose order they rank."""

from __future__ import annotations

import numpy as np


def descending_bits(scores: np.ndarray) -> np.ndarray:
    """Return numbers from -2^31 to 2^31 - 1 (int64): the lower, the higher a score is."""
    # The bits of floats, read as whole numbers, ascend with them; those of negative ones descend.
    # Adding 0 makes -0 the 0 that it equals.
    bits = (scores + np.float32(0)).view(np.int32)
    ascending = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return ~ascending.astype(np.int64)


def from_descending_bits(numbers: np.ndarray) -> np.ndarray:
    """Return the scores (float32) of what :func:`descending_bits` returned."""
    ascending = (~numbers).astype(np.int32)
    return np.where(ascending < 0, ascending ^ 0x7FFFFFFF, ascending).view(np.float32)
