"""Averages of trained and untrained weights that were tried beside ``hybrid-averaged``; docs/study.md has the figures.

A plugin, not a benchmark of speed: name this file in the parameter ``plugins``.
"""

from __future__ import annotations

import numpy as np

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, Batch, strategy


@strategy(
    "hybrid-averaged-half",
    "hybrid, its weights averaged with the untrained encoder's, 1 to 1",
    ("alpha", "language_draw"),
    trained_share=0.5,
)
def hybrid_averaged_half(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Beside ``hybrid-averaged``, to choose its share."""
    return STRATEGIES["hybrid"].draw(pairs, rng, batch_size, alpha)


@strategy(
    "x-x-mono-averaged",
    "x-x-mono, its weights averaged with the untrained encoder's, 3 to 1",
    ("language_draw",),
    trained_share=0.75,
)
def x_x_mono_averaged(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Beside ``hybrid-averaged``: what monolingual batches alone make of the same."""
    return STRATEGIES["x-x-mono"].draw(pairs, rng, batch_size, alpha)
