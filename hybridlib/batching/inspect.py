"""What strategies draw: which can fill a batch, and what they train on in the long run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.batching.code_switching import Switching
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, draw_batch
from hybridlib.errors import InputError


def drawable(table: PairTable, batch_size: int) -> list[str]:
    """Return the strategies for which the table can fill a batch.

    Twenty batches of each are tried, at either end of alpha. Whether words can be switched is not.
    """
    plain = _without_switching(table)
    return [name for name in STRATEGIES if _fills(name, plain, batch_size)]


def largest_batch(name: str, table: PairTable, most: int, alpha: float = 0.5) -> int:
    """Return the largest batch that a strategy can draw from the table, at most ``most`` pairs.

    Args:
        name: of the strategy.
        table: the training pairs.
        most: the size that is wanted.
        alpha: of a strategy that reads it.

    Returns:
        ``most`` if it can be drawn; 0 if not even one pair can.
    """
    plain = _without_switching(table)
    # Only at its ends does alpha leave out one of the two kinds of batches.
    ends = (alpha,) if alpha in (0.0, 1.0) else (0.0, 1.0)
    if _fills(name, plain, most, ends):
        return most
    # Halve the sizes between one that works and one that does not.
    works = 0
    fails = most
    with _silent():
        while fails - works > 1:
            middle = (works + fails) // 2
            if _fills(name, plain, middle, ends):
                works = middle
            else:
                fails = middle
    return works


def expected_draws(
    name: str, table: PairTable, batch_size: int, alpha: float = 0.5, batches: int = 2000
) -> pd.DataFrame:
    """Return the share of rows of each set and pair of languages in the long run.

    The shares are drawn, not derived: ``batches`` batches of a fixed seed, so that a share p has a
    standard error of at most sqrt(p (1 - p) / batches). Code-switched rows count in the language
    that they had.

    Returns:
        Columns dataset, question, passage (languages) and share (of all rows; they add up to 1).

    Raises:
        InputError: the data cannot fill such a batch.
    """
    plain = _without_switching(table)
    steps = tqdm(range(batches), desc=f"drawing {name}", unit="batch", mininterval=2, delay=2)
    drawn = [draw_batch(name, plain, 0, step, batch_size, alpha) for step in steps]
    questions = np.concatenate([batch.questions for batch in drawn])
    passages = np.concatenate([batch.passages for batch in drawn])

    # A table without sets counts as one without a name.
    frame = plain.frame
    if "dataset" not in frame:
        frame = frame.assign(dataset="")
    rows = pd.DataFrame(
        {
            "dataset": frame["dataset"].to_numpy()[questions],
            "question": frame["lang"].to_numpy()[questions],
            "passage": frame["lang"].to_numpy()[passages],
        }
    )
    return rows.value_counts(normalize=True, sort=False).rename("share").reset_index()


def _without_switching(table: PairTable) -> PairTable:
    """Return the same table with words left as they are, which draws the same rows sooner."""
    switching = Switching(probability=0.0)
    return PairTable(table.frame, table.dataset_tau, table.language_draw, switching)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the table from warning of sizes that are only tried."""
    log = logging.getLogger(PairTable.__module__)
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _fills(
    name: str, table: PairTable, batch_size: int, alphas: tuple[float, ...] = (0.0, 1.0)
) -> bool:
    """Return whether twenty batches can be drawn with each alpha."""
    try:
        for alpha in alphas:
            for step in range(20):
                draw_batch(name, table, 0, step, batch_size, alpha)
    except InputError:
        return False
    return True
