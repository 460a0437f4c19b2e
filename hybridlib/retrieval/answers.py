"""The answers of a ranking as columns of numbers, from which every figure is made."""

from __future__ import annotations

import numpy as np
import pandas as pd


class Groups:
    """Rows of which those of a group stand together.

    Args:
        keys: of the rows, equal within a group.

    Attributes:
        starts: the first row of each group.
        sizes: how many rows each group has.
    """

    def __init__(self, keys: np.ndarray) -> None:
        is_first = np.ones(len(keys), dtype=bool)
        is_first[1:] = keys[1:] != keys[:-1]
        self.starts = np.flatnonzero(is_first)
        self.sizes = np.diff(self.starts, append=len(keys))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of each group's values."""
        return np.add.reduceat(values.astype(np.float64, copy=False), self.starts)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of each group's values."""
        return self.sum(values) / self.sizes

    def first(self, values: np.ndarray) -> np.ndarray:
        """Return the first value of each group."""
        return values[self.starts]

    def last(self, values: np.ndarray) -> np.ndarray:
        """Return the last value of each group."""
        return values[self.starts + self.sizes - 1]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return for each row the value of its group."""
        return np.repeat(values, self.sizes)

    def descending(self, values: np.ndarray) -> np.ndarray:
        """Return the values, whole numbers from 0 on, with the largest of each group first."""
        number = self.spread(np.arange(len(self.sizes)))
        return values[order_of(number, values.max(initial=0) - values)]

    def positions(self) -> np.ndarray:
        """Return the place of each row in its group, from 1 on."""
        return np.arange(1, self.sizes.sum() + 1) - self.spread(self.starts)


class Answers:
    """What is relevant to the queries that have something relevant: their answers.

    Args:
        relevant: :attr:`Ranking.relevant`.

    Attributes:
        languages: names, sorted; all languages below are numbers of these.
        order: rows of ``relevant``, by query and then by rank; so are all columns of answers.
        query: row number of an answer's query.
        rank: of an answer in the whole corpus.
        rank_in_language: of an answer among the candidates of its language.
        grade: of an answer.
        language: of an answer.
        own: whether that is the query's language.
        of_query: the groups of answers of one query.
        query_language: of each of these queries.
        counts: how many answers each of these queries has in each language.
    """

    def __init__(self, relevant: pd.DataFrame) -> None:
        self.order = order_of(relevant["query"].to_numpy(), relevant["rank_pool"].to_numpy())
        self.query = relevant["query"].to_numpy()[self.order]
        self.rank = relevant["rank_pool"].to_numpy()[self.order]
        self.rank_in_language = relevant["rank_lang"].to_numpy()[self.order]
        self.grade = relevant["grade"].to_numpy()[self.order]

        both = pd.concat([relevant["query_lang"], relevant["candidate_lang"]])
        numbers, names = pd.factorize(both, sort=True)
        query_language = numbers[: len(relevant)][self.order]
        self.languages = np.asarray(names, dtype=object)
        self.language = numbers[len(relevant) :][self.order]
        self.own = query_language == self.language

        self.of_query = Groups(self.query)
        self.query_language = self.of_query.first(query_language)
        shape = (len(self.of_query.sizes), len(self.languages))
        cell = self.of_query.spread(np.arange(shape[0])) * shape[1] + self.language
        self.counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)

    @property
    def in_languages(self) -> np.ndarray:
        """In how many languages each query has answers."""
        return (self.counts > 0).sum(1)

    @property
    def with_own_and_other(self) -> np.ndarray:
        """Which queries have answers in their own language and in another one."""
        own = self.of_query.sum(self.own)
        return (own > 0) & (own < self.of_query.sizes)

    def mean_by_language(self, values: np.ndarray, counting: np.ndarray) -> pd.Series:
        """Return the mean over the queries of each language.

        Args:
            values: of the queries that count.
            counting: which of the queries with answers these are.
        """
        return mean_by(self.query_language[counting], values, self.languages)


def order_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the order of rows by one column, then by another; both are whole numbers from 0 on."""
    # One column of both sorts five times faster than np.lexsort.
    return np.argsort(first * (second.max(initial=0) + 1) + second, kind="stable")


def mean_by(numbers: np.ndarray, values: np.ndarray, names: np.ndarray) -> pd.Series:
    """Return the mean value of each name that occurs, in the order of the names.

    Args:
        numbers: of the name that each value belongs to.
        values: to take means of.
        names: all of them.
    """
    order = np.argsort(numbers, kind="stable")
    groups = Groups(numbers[order])
    occurring = groups.first(numbers[order])
    return pd.Series(groups.mean(values[order]), index=names[occurring])
