"""A translation of each question of a batch, drawn beside the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch


def with_translations(batch: Batch, pairs: PairTable, seed: int, step: int) -> Batch:
    """Return the batch with a translation of each question, in another language of its pair.

    The languages are drawn uniformly, from numbers of (seed, step) that no batch is drawn from: so
    the batch stays as it is. A question that has no translation stands for its own.

    Args:
        batch: that :func:`hybridlib.batching.strategies.draw_batch` has drawn.
        pairs: the whole training table.
        seed: that the batch was drawn with.
        step: see ``seed``.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, step]).jumped())
    choices = pairs.rows[pairs.pair_of_row[batch.questions]]

    # Sort random keys; the question itself and languages that its pair lacks come last.
    keys = rng.random(choices.shape)
    keys[choices == batch.questions[:, None]] = 2.0
    keys[choices < 0] = 3.0
    chosen = np.argsort(keys, axis=1)[:, 0]
    return replace(batch, translations=choices[np.arange(len(choices)), chosen])
