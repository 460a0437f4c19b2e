"""What a study could show: the smallest difference that so many seeds would find."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from hybridlib.config.names import NO_TRAINING
from hybridlib.evaluation import significance
from hybridlib.evaluation.significance import ClusteredMean
from hybridlib.study.folder import Study
from hybridlib.study.per_query import (
    RANK_DISTANCE,
    by_encoder,
    clustered_mean,
    measures_of,
    seed_variance,
    systems,
)

SEEDS = (1, 2, 3, 5, 8, 16)


def power(runs: Sequence[Study], numbers: Sequence[int] = SEEDS) -> pd.DataFrame:
    """Return the smallest difference of two trained strategies that is shown in 8 of 10 studies.

    It is of one comparison: where Holm's correction is over many, a difference must be larger. The
    variance over questions is the mean of all pairs of trained strategies.

    Args:
        runs: of one or several encoders.
        numbers: of seeds of each strategy.

    Returns:
        Columns encoder, measure, questions (standard error of a difference over questions), seeds
        (standard deviation between seeds), and a column for each number (``3 seeds``). An encoder
        without two seeds of any strategy, or with one trained strategy, has no row.
    """
    columns = ["encoder", "measure", "questions", "seeds", *map(_column, numbers)]
    rows = []
    for encoder, of_encoder in by_encoder(runs).items():
        trained = [
            seeds
            for (_, strategy), seeds in systems(of_encoder).items()
            if strategy not in NO_TRAINING
        ]
        for measure in measures_of(of_encoder):
            seeds = seed_variance(of_encoder, measure)
            if seeds is None or len(trained) < 2:
                continue
            means = [clustered_mean(of_strategy, measure) for of_strategy in trained]
            variance = _variance_over_questions(means)
            degrees = len(means[0].questions) - 1
            row = {"encoder": encoder, "measure": measure, "questions": np.sqrt(variance)}
            row["seeds"] = np.sqrt(seeds.variance)
            for number in numbers:
                smallest = significance.smallest_difference(variance, degrees, seeds, number)
                row[_column(number)] = smallest
            rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def power_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`power` for a reader: rank distance to 0.1, mAP to four decimals."""
    written = table.astype(object)
    for column in table.columns[2:]:
        texts = []
        for measure, value in zip(table["measure"], table[column]):
            texts.append(f"{value:.1f}" if measure == RANK_DISTANCE else f"{value:.4f}")
        written[column] = texts
    return written


def _variance_over_questions(means: Sequence[ClusteredMean]) -> float:
    """Return the variance of a difference over questions, as a mean over all pairs."""
    shares = [mean.shares for mean in means]
    pairs = combinations(shares, 2)
    return float(np.mean([significance.question_variance(one - two) for one, two in pairs]))


def _column(number: int) -> str:
    """Return the name of a number of seeds."""
    return "1 seed" if number == 1 else f"{number} seeds"
