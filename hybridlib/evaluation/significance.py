"""Are two encoders different? Intervals and tests from two components of variance.

A macro average would be another one with other questions, and with other seeds. Both components
have a closed form here:

- Questions. The language copies of a question are not independent, so a question id with all its
  copies is one cluster. The average is linearised: each question adds a known share to it, and the
  variance of the average is that of a sum of independent shares (Taylor linearisation; Wolter,
  Introduction to Variance Estimation, 2007, chapter 6). Two systems answer the same questions, so
  a difference has the shares of one minus those of the other.
- Seeds. The variance of a system's average between its seeds. With three seeds it is hardly known,
  so it is pooled over systems. It enters a difference as variance x (1 / n + 1 / m) for n and m
  seeds. Systems are not paired by seed.

The sum has degrees of freedom after Satterthwaite (Biometrics Bulletin 2, 1946), and the quantile
is that of t. A seed's average also varies by what its encoder does with single questions. Both
components hold that part, so intervals are a little too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit  # the t distribution; scipy.stats takes a second to load

from hybridlib.errors import InputError

Numbers = float | np.ndarray

ALL_CELLS = "all cells"  # the one cell of a mean that was taken over cells before

LEVEL = 0.95  # of intervals; a difference is shown where its p is below 1 - LEVEL
POWER = 0.8


@dataclass(frozen=True)
class SeedVariance:
    """How much a macro average varies between seeds.

    Attributes:
        variance: of one seed's average.
        degrees_of_freedom: of the variance.
        systems: how many it was pooled over.
    """

    variance: float
    degrees_of_freedom: int
    systems: int


@dataclass(frozen=True)
class Estimate:
    """A macro average, or the difference of two.

    Attributes:
        mean: the average, or first - second.
        standard_error: of the mean; NaN where there is one question.
        degrees_of_freedom: of the standard error.
        has_seeds: whether the standard error covers other seeds, not other questions alone.
    """

    mean: float
    standard_error: float
    degrees_of_freedom: float
    has_seeds: bool

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval."""
        return self.mean - self._half_width

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval."""
        return self.mean + self._half_width

    @property
    def p(self) -> float:
        """The two-sided p-value of the mean being 0; below 0.05 where the interval is without 0."""
        return float(p_value(self.mean, self.standard_error, self.degrees_of_freedom))

    @property
    def _half_width(self) -> float:
        """Half the width of the interval."""
        if self.standard_error == 0:
            return 0.0
        return float(self.standard_error * _quantile((1 + LEVEL) / 2, self.degrees_of_freedom))


@dataclass(frozen=True, eq=False)
class ClusteredMean:
    """The macro average of a per-query value under one system, by seed, question and cell.

    A cell is what the macro average runs over (a language, or an ordered pair of languages): values
    are averaged within cells, then over cells.

    Attributes:
        questions: ids.
        cells: names.
        counts: values of each question in each cell, ``[questions, cells]``.
        sums: of the values, ``[seeds, questions, cells]``.
        is_fixed: no seed would change the values, as with an encoder that was not trained.
    """

    questions: pd.Index
    cells: pd.Index
    counts: np.ndarray
    sums: np.ndarray
    is_fixed: bool = False

    @classmethod
    def of(cls, table: pd.DataFrame) -> ClusteredMean:
        """Return the macro average of one seed.

        Args:
            table: columns question_id, cell and value, a row per query and cell.

        Raises:
            InputError: there is no query, or a value is missing.
        """
        if table.empty:
            raise InputError("significance: a run has no queries, so there is nothing to compare")
        values = table["value"].to_numpy(float)
        if not np.isfinite(values).all():
            raise InputError("significance: a query has no value; evaluate its run anew")
        question, questions = pd.factorize(table["question_id"], sort=True)
        cell, cells = pd.factorize(table["cell"], sort=True)

        # Add up the values of each question in each cell.
        shape = (len(questions), len(cells))
        place = np.ravel_multi_index((question, cell), shape)
        size = len(questions) * len(cells)
        counts = np.bincount(place, minlength=size).reshape(shape)
        sums = np.bincount(place, weights=values, minlength=size).reshape(1, *shape)
        return cls(pd.Index(np.asarray(questions)), pd.Index(np.asarray(cells)), counts, sums)

    @classmethod
    def over_seeds(cls, seeds: Sequence[ClusteredMean]) -> ClusteredMean:
        """Return the macro average of several seeds of one system.

        Raises:
            InputError: there is no seed, or they do not have the same queries in the same cells.
        """
        if not seeds:
            raise InputError("significance: a run has no queries, so there is nothing to compare")
        for other in seeds[1:]:
            if not seeds[0].has_queries_of(other):
                raise InputError("significance: the runs were not evaluated on the same queries")
        return replace(seeds[0], sums=np.concatenate([seed.sums for seed in seeds]))

    def has_queries_of(self, other: ClusteredMean) -> bool:
        """Return whether both have the same queries in the same cells."""
        return (
            self.questions.equals(other.questions)
            and self.cells.equals(other.cells)
            and np.array_equal(self.counts, other.counts)
        )

    def mean(self) -> float:
        """Return the macro average, over all seeds."""
        return float(self.seed_means().mean())

    def seed_means(self) -> np.ndarray:
        """Return the macro average of each seed, ``[seeds]``."""
        return (self.sums.sum(1) / self.counts.sum(0)).mean(1)

    @cached_property
    def shares(self) -> np.ndarray:
        """What each question adds to the macro average, linearised, ``[questions]``.

        The share of question q is the mean over cells c of (s_qc - m_c n_qc) / n_c, with the sum
        s_qc of its n_qc values (mean over seeds), and the mean m_c of the n_c values of the cell.
        The shares add up to zero.
        """
        sums = self.sums.mean(0)
        of_cell = self.counts.sum(0)
        means = sums.sum(0) / of_cell
        return ((sums - means * self.counts) / of_cell).mean(1)

    def by_question(self) -> ClusteredMean:
        """Return the same average with one value for each question: one cell, ALL_CELLS.

        The value of question q is the average plus the number of questions times q's share. So
        average, shares and all that follows from them stay, in much less space.
        """
        of_cell = self.counts.sum(0)
        means = self.sums.sum(1, keepdims=True) / of_cell
        shares = ((self.sums - means * self.counts) / of_cell).mean(2)
        values = self.seed_means()[:, None] + len(self.questions) * shares
        counts = np.ones((len(self.questions), 1), dtype=self.counts.dtype)
        return replace(self, cells=pd.Index([ALL_CELLS]), counts=counts, sums=values[..., None])

    def within(self, cells: Collection[str]) -> ClusteredMean:
        """Return the same over some of the cells, and over the questions that are in them.

        Raises:
            InputError: there is none of these cells.
        """
        chosen = self.cells.isin(cells)
        if not chosen.any():
            raise InputError(f"significance: no query is in {', '.join(cells) or 'no cell'}")
        present = self.counts[:, chosen].any(1)
        return replace(
            self,
            questions=self.questions[present],
            cells=self.cells[chosen],
            counts=self.counts[present][:, chosen],
            sums=self.sums[:, present][:, :, chosen],
        )


def seed_variance(systems: Sequence[ClusteredMean]) -> SeedVariance | None:
    """Return the variance between seeds, pooled over the systems that have several.

    Args:
        systems: trained ones; those with one seed tell nothing.

    Returns:
        None where no system has two seeds: the variance is then unknown.
    """
    several = [system.seed_means() for system in systems if len(system.sums) > 1]
    if not several:
        return None
    degrees = sum(len(means) - 1 for means in several)
    squares = sum(float(((means - means.mean()) ** 2).sum()) for means in several)
    return SeedVariance(squares / degrees, degrees, len(several))


def interval(system: ClusteredMean, seeds: SeedVariance | None = None) -> Estimate:
    """Return a macro average with its standard error.

    Args:
        system: the macro average.
        seeds: how it varies between seeds; None: unknown, the interval is over questions alone.
    """
    return _estimate(system.mean(), system.shares, seeds, _per_seed(system))


def compare(
    first: ClusteredMean, second: ClusteredMean, seeds: SeedVariance | None = None
) -> Estimate:
    """Return the difference of two systems on the same questions, first - second.

    Args:
        first: one system.
        second: the other; the two may have different seeds, and different numbers of them.
        seeds: how a system varies between seeds; None: unknown, the difference is tested over
            questions alone.

    Raises:
        InputError: the two were not evaluated on the same queries.
    """
    # Of a system that is kept by question, the cells are not known any more.
    kept_by_question = [list(system.cells) == [ALL_CELLS] for system in (first, second)]
    if any(kept_by_question) and not all(kept_by_question):
        first = first.by_question()
        second = second.by_question()
    if not first.has_queries_of(second):
        raise InputError("significance: the two systems were not evaluated on the same queries")
    shares = first.shares - second.shares
    times = _per_seed(first) + _per_seed(second)
    return _estimate(first.mean() - second.mean(), shares, seeds, times)


def question_variance(shares: np.ndarray) -> np.ndarray:
    """Return the variance of a macro average, or of a difference, over questions.

    Args:
        shares: of the questions, which add up to zero, ``[..., questions]``.

    Returns:
        ``[...]``; NaN of one question.
    """
    questions = shares.shape[-1]
    if questions < 2:
        return np.full(shares.shape[:-1], np.nan)
    return (shares**2).sum(-1) * questions / (questions - 1)


def combined(
    variances: Sequence[Numbers], degrees_of_freedom: Sequence[Numbers]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error of a sum of variances, and Satterthwaite's degrees of freedom.

    Args:
        variances: of independent components; of each a number, or an array ``[...]``.
        degrees_of_freedom: of each of them.

    Returns:
        Both ``[...]``.
    """
    parts = np.stack(np.broadcast_arrays(*variances)).astype(float)
    degrees = np.stack(np.broadcast_arrays(*degrees_of_freedom, parts[0])[:-1]).astype(float)
    total = parts.sum(0)
    # Divided first: the square of a variance may be too small for a float.
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = 1 / ((parts / total) ** 2 / degrees).sum(0)
    return np.sqrt(total), np.where(total == 0, degrees[0], freedom)


def p_value(mean: Numbers, standard_error: Numbers, degrees_of_freedom: Numbers) -> np.ndarray:
    """Return the two-sided p-value of a mean being 0 (t test), ``[...]``.

    It is 1 where the standard error is unknown (NaN), or mean and error are both 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(mean) / np.asarray(standard_error, dtype=float)
    return np.nan_to_num(2 * stdtr(degrees_of_freedom, -t), nan=1.0)


def smallest_difference(
    questions: float, degrees_of_freedom: float, seeds: SeedVariance, number: int
) -> float:
    """Return the smallest difference that is shown with a probability of 80 %.

    It is the standard error times the sum of the two quantiles of t, of the test and of the power
    (Cohen, Statistical Power Analysis, 1988, in its usual approximation).

    Args:
        questions: the variance of a difference over questions.
        degrees_of_freedom: of that variance.
        seeds: how a system varies between seeds.
        number: seeds of each of the two systems. More of them than in the study make the variance
            between seeds better known, too: each of its systems is thought to have as many.
    """
    known = max(seeds.degrees_of_freedom, seeds.systems * (number - 1))
    error, degrees = combined([questions, 2 * seeds.variance / number], [degrees_of_freedom, known])
    return float(error) * (_quantile((1 + LEVEL) / 2, degrees) + _quantile(POWER, degrees))


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


def _estimate(
    mean: float, shares: np.ndarray, seeds: SeedVariance | None, times: float
) -> Estimate:
    """Return a mean with the standard error of both components.

    Args:
        mean: the average, or the difference.
        shares: of the questions.
        seeds: how a system varies between seeds.
        times: how often this enters: one over the number of seeds of each system that has any.
    """
    variances: list[Numbers] = [question_variance(shares)]
    degrees: list[Numbers] = [len(shares) - 1]
    has_seeds = seeds is not None and times > 0
    if seeds is not None and has_seeds:
        variances.append(seeds.variance * times)
        degrees.append(seeds.degrees_of_freedom)
    error, freedom = combined(variances, degrees)
    return Estimate(mean, float(error), float(freedom), has_seeds)


def _per_seed(system: ClusteredMean) -> float:
    """Return how much of the variance between seeds is in a system's average."""
    return 0.0 if system.is_fixed else 1 / len(system.sums)


def _quantile(probability: float, degrees_of_freedom: Numbers) -> float:
    """Return a quantile of t."""
    return float(stdtrit(degrees_of_freedom, probability))
