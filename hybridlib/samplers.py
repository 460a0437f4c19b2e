"""Batch strategies: which question and which passage stand in each row of a training batch.

A batch is a pure function of (strategy, data, seed, step), drawn from a counter-based generator. Resuming is
starting at a later step, and every process of a distributed run computes the same global batch and takes its
slice, so that a batch keeps its strategy and language however many processes share it.

A strategy of one's own is one function, registered by name::

    @strategy("x-en", "questions in any language, English passages")
    def x_en(pairs, rng, batch_size, alpha):
        rows = pairs.with_language("en")
        ...
        return Batch(...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hybridlib.errors import InputError

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Batch:
    """Rows of the training table: question of ``questions[i]`` with passage of ``passages[i]``, ``[batch]`` each.

    ``regime`` is how the batch was drawn (``x-x-mono`` or ``x-y`` inside a hybrid run). A strategy that changes texts
    (code-switching) puts the changed ones into ``question_texts`` and ``passage_texts``; None leaves the table's.
    """

    regime: str
    questions: np.ndarray
    passages: np.ndarray
    question_texts: np.ndarray | None = None
    passage_texts: np.ndarray | None = None

    def slice(self, rank: int, world: int) -> Batch:
        """The rows of one of ``world`` processes; the processes' slices in order are the batch."""
        edges = np.linspace(0, len(self.questions), world + 1).astype(int)
        rows = np.s_[edges[rank] : edges[rank + 1]]
        texts = (None if part is None else part[rows] for part in (self.question_texts, self.passage_texts))
        return Batch(self.regime, self.questions[rows], self.passages[rows], *texts)

    def texts(self, pairs: pd.DataFrame) -> tuple[list[str], list[str]]:
        """The questions and the passages of the batch."""
        questions = pairs["question"].to_numpy()[self.questions] if self.question_texts is None else self.question_texts
        passages = pairs["passage"].to_numpy()[self.passages] if self.passage_texts is None else self.passage_texts
        return list(questions), list(passages)


class PairTable:
    """The training table as a matrix: ``rows[p, l]`` is the row of pair ``p`` in language ``l``, or -1.

    Args:
        frame: training pairs (columns pair_id, lang, ...); the same pair_id in two languages is a translation.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.reset_index(drop=True)
        self.languages: list[str] = sorted(frame["lang"].unique())
        pair, _ = pd.factorize(self.frame["pair_id"], sort=True)
        lang = pd.Categorical(self.frame["lang"], self.languages).codes
        self.rows = np.full((pair.max() + 1, len(self.languages)), -1, dtype=np.int64)
        self.rows[pair, lang] = np.arange(len(self.frame))

    @cached_property
    def _by_language(self) -> list[np.ndarray]:
        return [column[column >= 0] for column in self.rows.T]

    def with_language(self, language: str) -> np.ndarray:
        """Table rows in one language, ``[n]``."""
        if language not in self.languages:
            raise InputError(f"the training pairs have no {language!r}; they have {', '.join(self.languages)}")
        return self._by_language[self.languages.index(language)]

    @cached_property
    def languages_per_pair(self) -> np.ndarray:
        """How many languages each pair has, ``[pairs]``."""
        return (self.rows >= 0).sum(1)


Strategy = Callable[[PairTable, np.random.Generator, int, float], Batch]


@dataclass(frozen=True)
class Registered:
    """A strategy, what it does in one line, and the parameters (beyond batch size and seed) that it reads."""

    draw: Strategy
    meaning: str
    options: tuple[str, ...] = ()


STRATEGIES: dict[str, Registered] = {}


def strategy(name: str, meaning: str, options: tuple[str, ...] = ()) -> Callable[[Strategy], Strategy]:
    """Register a strategy under a name; it then works in params, in the runner and in every figure."""

    def register(draw: Strategy) -> Strategy:
        STRATEGIES[name] = Registered(draw, meaning, options)
        return draw

    return register


def known_strategies() -> list[str]:
    """All values that the parameter ``strategy`` may take."""
    return [UNTRAINED, *STRATEGIES]


def draw_batch(name: str, pairs: PairTable, seed: int, step: int, batch_size: int, alpha: float = 0.5) -> Batch:
    """The batch of one step: the same for the same arguments, whatever was drawn before.

    Args:
        name: a key of STRATEGIES.
        seed, step: together the counter of the generator (Philox).
        batch_size: rows; no question (pair_id) stands twice in a batch.
        alpha: probability of a monolingual batch, read by ``hybrid``.

    Raises:
        InputError: the data cannot fill such a batch.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)


def _choose(rng: np.random.Generator, rows: np.ndarray, count: int, what: str) -> np.ndarray:
    """``count`` different entries of ``rows``."""
    if len(rows) < count:
        raise InputError(f"a batch of {count} needs as many different {what}, the training pairs have {len(rows)}: lower batch_size")
    return rows[rng.choice(len(rows), count, replace=False)]


@strategy("en-en", "English question, English passage (LAReQA En-En)")
def en_en(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Source: arXiv 2004.05484."""
    rows = _choose(rng, pairs.with_language("en"), batch_size, "English pairs")
    return Batch("en-en", rows, rows)


@strategy("x-x", "same-language pairs, languages mixed row by row (LAReQA X-X)")
def x_x(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair, then one of its languages. Source: arXiv 2004.05484."""
    chosen = _choose(rng, np.arange(len(pairs.rows)), batch_size, "pairs")
    rows = pairs.rows[chosen, _languages_of(pairs, rng, chosen, 1)[:, 0]]
    return Batch("x-x", rows, rows)


@strategy("x-x-mono", "monolingual: the whole batch in one language, languages drawn uniformly")
def x_x_mono(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Sources: arXiv 2004.05484, arXiv 2408.10536."""
    language = pairs.languages[rng.integers(len(pairs.languages))]
    rows = _choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")
    return Batch("x-x-mono", rows, rows)


@strategy("x-y", "cross-lingual: every row its own ordered pair of different languages")
def x_y(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair, then two of its languages in order. Sources: arXiv 2004.05484, arXiv 2408.10536."""
    chosen = _choose(rng, np.flatnonzero(pairs.languages_per_pair >= 2), batch_size, "pairs in two languages")
    languages = _languages_of(pairs, rng, chosen, 2)
    return Batch("x-y", pairs.rows[chosen, languages[:, 0]], pairs.rows[chosen, languages[:, 1]])


@strategy("x-y-pair", "cross-lingual, one ordered pair of languages for the whole batch")
def x_y_pair(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Ordered pairs of languages that share at least a batch of questions are drawn uniformly."""
    shared = (pairs.rows >= 0).T.astype(np.int64) @ (pairs.rows >= 0)
    np.fill_diagonal(shared, 0)
    usable = np.argwhere(shared >= batch_size)
    if not len(usable):
        raise InputError(f"no two languages share the {batch_size} questions of an x-y-pair batch (most: {shared.max()}): lower batch_size")
    x, y = usable[rng.integers(len(usable))]
    chosen = _choose(rng, np.flatnonzero((pairs.rows[:, [x, y]] >= 0).all(1)), batch_size, "shared questions")
    return Batch("x-y-pair", pairs.rows[chosen, x], pairs.rows[chosen, y])


@strategy("hybrid", "each batch monolingual with probability alpha, else cross-lingual", options=("alpha",))
def hybrid(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """The paper's strategy (arXiv 2408.10536)."""
    return (x_x_mono if rng.random() < alpha else x_y)(pairs, rng, batch_size, alpha)


def _languages_of(pairs: PairTable, rng: np.random.Generator, chosen: np.ndarray, count: int) -> np.ndarray:
    """For each chosen pair ``count`` different languages that it has, in random order, ``[chosen, count]``."""
    keys = rng.random((len(chosen), len(pairs.languages)))
    keys[pairs.rows[chosen] < 0] = 2.0
    return np.argsort(keys, axis=1)[:, :count]
