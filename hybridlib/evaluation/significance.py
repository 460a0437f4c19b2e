"""Are two encoders different? Paired resampling over question ids.

The language copies of a question are not independent, so a question id with all its copies is drawn
as one unit (a cluster). When several seeds are compared, the seeds are drawn as a second level.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hybridlib.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A mean and its percentile bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The difference of two systems on the same questions.

    Attributes:
        mean: first - second.
        low: lower end of its interval.
        high: upper end.
        p: two-sided p-value, see :func:`compare`.
    """

    mean: float
    low: float
    high: float
    p: float


class ClusteredMean:
    """The macro average of a per-query value, ready to be resampled over question ids.

    Args:
        tables: per seed, a frame with columns question_id, cell and value. A cell is what the macro
            average runs over (a language, or an ordered pair of languages): values are averaged
            within cells, then over cells.

    Attributes:
        counts: values of each question in each cell, ``[questions, cells]``.
        sums: of the values, ``[seeds, questions, cells]``.

    Raises:
        InputError: there is no seed or no query, the seeds do not have the same queries in the same
            cells, or a value is missing.
    """

    def __init__(self, tables: Sequence[pd.DataFrame]) -> None:
        if not len(tables) or any(table.empty for table in tables):
            raise InputError("significance: a run has no queries, so there is nothing to compare")
        frames = []
        for table in tables:
            if not np.isfinite(table["value"]).all():
                raise InputError("significance: a query has no value; evaluate its run anew")
            groups = table.groupby(["question_id", "cell"])["value"]
            frames.append(groups.agg(["sum", "size"]))
        if any(not frame["size"].equals(frames[0]["size"]) for frame in frames):
            raise InputError("significance: the runs were not evaluated on the same queries")
        self.index = frames[0].index
        question, self.questions = pd.factorize(self.index.get_level_values(0), sort=True)
        cell, self.cells = pd.factorize(self.index.get_level_values(1), sort=True)
        shape = (len(self.questions), len(self.cells))
        self.counts = np.zeros(shape)
        self.counts[question, cell] = frames[0]["size"]
        self.sums = np.zeros((len(frames), *shape))
        for seed, frame in enumerate(frames):
            self.sums[seed, question, cell] = frame["sum"]
        # A system is compared with many others, so what was drawn is kept.
        self._resampled: dict[tuple[int, int], np.ndarray] = {}

    def mean(self) -> float:
        """Return the macro average, over all seeds."""
        return float(_macro(self.sums.mean(0).sum(0), self.counts.sum(0)))

    def within(self, cells: Collection[str]) -> ClusteredMean:
        """Return the same over some of the cells, and over the questions that are in them.

        Raises:
            InputError: there is none of these cells.
        """
        chosen = self.cells.isin(cells)
        if not chosen.any():
            raise InputError(f"significance: no query is in {', '.join(cells) or 'no cell'}")
        present = self.counts[:, chosen].any(1)
        part = copy.copy(self)
        part.index = self.index[self.index.get_level_values(1).isin(cells)]
        part.questions = self.questions[present]
        part.cells = self.cells[chosen]
        part.counts = self.counts[present][:, chosen]
        part.sums = self.sums[:, present][:, :, chosen]
        part._resampled = {}
        return part

    def resampled(self, draws: int, seed: int) -> np.ndarray:
        """Return the macro average of bootstrap samples, ``[draws]``.

        A sample draws questions, and seeds if there are several. The same ``seed`` draws the same
        questions for every system on the same corpus: differences are paired.
        """
        if draws < 1:
            raise InputError(f"significance: draws is {draws}; it must be 1 or more")
        if (draws, seed) not in self._resampled:
            self._resampled[draws, seed] = self._resample(draws, seed)
        return self._resampled[draws, seed]

    def _resample(self, draws: int, seed: int) -> np.ndarray:
        """Draw the samples of :meth:`resampled`."""
        seeds = len(self.sums)
        times_drawn = _times_drawn(len(self.questions), draws, seed)
        per_seed = np.stack([times_drawn @ sums for sums in self.sums], axis=1)

        # The weight of each seed in each sample, [draws, seeds].
        generator = np.random.default_rng([seed, 1])
        weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
        sums = np.einsum("ds,dsc->dc", weights, per_seed)
        return _macro(sums, times_drawn @ self.counts)


# Every system of a corpus is resampled with the same draws, so they are kept.
@functools.lru_cache(maxsize=12)
def _times_drawn(questions: int, draws: int, seed: int) -> np.ndarray:
    """Return how often each question is in each bootstrap sample, ``[draws, questions]``."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(questions, np.full(questions, 1 / questions), draws)
    drawn = drawn.astype(float)
    drawn.flags.writeable = False
    return drawn


@functools.lru_cache(maxsize=4)
def _tosses(questions: int, draws: int, seed: int) -> np.ndarray:
    """Return 1 or -1 for each question in each draw, ``[draws, questions]``."""
    signs = np.random.default_rng([seed, 2]).choice([-1.0, 1.0], (draws, questions))
    signs.flags.writeable = False
    return signs


def interval(
    system: ClusteredMean, draws: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of a macro average, over question ids (and seeds).

    Args:
        system: the macro average.
        draws: bootstrap samples.
        level: share of the samples inside the interval.
        seed: of the samples.
    """
    low, high = _percentiles(system.resampled(draws, seed), level)
    return Interval(system.mean(), low, high)


def compare(
    first: ClusteredMean,
    second: ClusteredMean,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare two systems: paired bootstrap interval, and p-value of a paired randomisation test.

    The test swaps the two systems' values of a question id, with all its language copies and seeds,
    by the toss of a coin: under the null hypothesis the names of the systems mean nothing. p = (1 +
    tosses at least as extreme) / (1 + draws). It holds for these very runs. Systems with several
    seeds must also differ under other seeds: p is then at least the two-sided p of the bootstrap,
    which draws question ids and seeds, so that no p is below 0.05 where the 95 % interval holds 0.

    Args:
        first: one system.
        second: the other.
        draws: bootstrap samples, and tosses.
        level: share of the samples inside the interval.
        seed: of the samples and tosses.

    Raises:
        InputError: the two were not evaluated on the same queries.
    """
    same_queries = first.index.equals(second.index) and np.array_equal(first.counts, second.counts)
    if not same_queries:
        raise InputError("significance: the two systems were not evaluated on the same queries")
    resampled = first.resampled(draws, seed) - second.resampled(draws, seed)
    low, high = _percentiles(resampled, level)
    observed = first.mean() - second.mean()

    # What each question adds to the difference of the macro averages, with random signs.
    gap = first.sums.mean(0) - second.sums.mean(0)  # [questions, cells]
    share = (gap / first.counts.sum(0)).mean(1)
    tossed = _tosses(len(gap), draws, seed) @ share
    p = (1 + (np.abs(tossed) >= abs(observed) - 1e-12).sum()) / (1 + draws)

    if max(len(first.sums), len(second.sums)) > 1:
        rarer_sign = min((resampled <= 0).sum(), (resampled >= 0).sum())
        p = max(p, min(1, 2 * (1 + rarer_sign) / (1 + draws)))
    return Difference(observed, low, high, float(p))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return Holm's adjusted p-values, in the order given.

    The chance of any false claim among all of them stays below the level that they are compared
    with.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def _macro(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean over cells of sums / counts; cells that a sample left empty do not count."""
    with np.errstate(invalid="ignore"):
        return np.nanmean(np.where(counts > 0, sums / counts, np.nan), axis=-1)


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    """Return the ends of the interval that holds the middle ``level`` of the values."""
    if not 0 < level < 1:
        raise InputError(f"significance: level is {level}; it must lie between 0 and 1")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
