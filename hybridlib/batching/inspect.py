"""Batch strategies: which question and which passage stand in each row of a training batch.

A batch is a pure function of (strategy, data, seed, step), drawn from a counter-based generator. Resuming is
starting at a later step, and every process of a distributed run computes the same global batch and takes its
slice, so that a batch keeps its strategy and language however many processes share it.

A table may hold several sets (column ``dataset``). Each batch is then drawn from one of those that can fill it: set d
with probability proportional to N_d^tau (N_d: its pairs, tau: ``dataset_tau``).

A strategy of one's own is one function, registered by name, in a file that the parameter ``plugins`` names::

    from hybridlib.batching.strategies import STRATEGIES, strategy

    @strategy("half-en", "hybrid of English and cross-lingual batches")
    def half_en(pairs, rng, batch_size, alpha):
        name = "en-en" if rng.random() < alpha else "x-y"
        return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.batching.code_switching import Switching
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, draw_batch
from hybridlib.errors import InputError


def drawable(table: PairTable, batch_size: int) -> list[str]:
    """The strategies for which the table can fill a batch; of code-switched texts nothing is said."""
    plain = PairTable(
        table.frame, table.dataset_tau, table.language_draw, Switching(probability=0.0)
    )

    def fills(name: str) -> bool:
        try:
            return all(
                draw_batch(name, plain, 0, step, batch_size, alpha)
                for alpha in (0.0, 1.0)
                for step in range(20)
            )
        except InputError:
            return False

    return [name for name in STRATEGIES if fills(name)]


def expected_draws(
    name: str, table: PairTable, batch_size: int, alpha: float = 0.5, batches: int = 2000
) -> pd.DataFrame:
    """What a strategy trains on in the long run: the share of rows of each set and pair of languages.

    Drawn, not derived: ``batches`` batches of a fixed seed, so a share p has a standard error of at most
    sqrt(p (1 - p) / batches). Code-switched rows count in the language they had.

    Returns:
        Columns dataset, question, passage (languages) and share (of all rows; they add up to 1), in that order.

    Raises:
        InputError: the data cannot fill such a batch.
    """
    plain = PairTable(
        table.frame, table.dataset_tau, table.language_draw, Switching(probability=0.0)
    )
    drawn = [
        draw_batch(name, plain, 0, step, batch_size, alpha)
        for step in tqdm(
            range(batches), desc=f"drawing {name}", unit="batch", mininterval=2, delay=2
        )
    ]
    questions, passages = (
        np.concatenate([getattr(batch, side) for batch in drawn])
        for side in ("questions", "passages")
    )
    frame = plain.frame.assign(dataset=plain.frame["dataset"] if "dataset" in plain.frame else "")
    rows = pd.DataFrame(
        {
            "dataset": frame["dataset"].to_numpy()[questions],
            "question": frame["lang"].to_numpy()[questions],
            "passage": frame["lang"].to_numpy()[passages],
        }
    )
    return rows.value_counts(normalize=True, sort=False).rename("share").reset_index()
