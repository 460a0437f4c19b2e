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

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hybridlib.batching.pair_table import PairTable
from hybridlib.config.parameters import UNTRAINED
from hybridlib.errors import InputError


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
        texts = (
            None if part is None else part[rows]
            for part in (self.question_texts, self.passage_texts)
        )
        return Batch(self.regime, self.questions[rows], self.passages[rows], *texts)

    def texts(self, pairs: pd.DataFrame) -> tuple[list[str], list[str]]:
        """The questions and the passages of the batch."""
        questions = (
            pairs["question"].to_numpy()[self.questions]
            if self.question_texts is None
            else self.question_texts
        )
        passages = (
            pairs["passage"].to_numpy()[self.passages]
            if self.passage_texts is None
            else self.passage_texts
        )
        return list(questions), list(passages)


Strategy = Callable[[PairTable, np.random.Generator, int, float], Batch]


@dataclass(frozen=True)
class Registered:
    """A strategy, what it does in one line, the parameters (beyond batch size and seed) that it reads, and how much of the
    trained weights it hands on."""

    draw: Strategy
    meaning: str
    options: tuple[str, ...] = ()
    trained_share: float = 1.0

    @property
    def built_in(self) -> bool:
        return self.draw.__module__ == __name__


STRATEGIES: dict[str, Registered] = {}


def strategy(
    name: str, meaning: str, options: tuple[str, ...] = (), trained_share: float = 1.0
) -> Callable[[Strategy], Strategy]:
    """Register a strategy under a name; it then works in params, in the runner and in every figure.

    Args:
        name: letters, digits, ``.``, ``_`` and ``-``: it becomes part of a run's folder.
        meaning: what it does, in one line.
        options: the parameters that it reads beyond batch size and seed; a change of one repeats its runs.
        trained_share: from 0 to 1; below 1 the run's model is an average of the trained weights, with this share, and of
            those that training began with (arXiv 2109.01903).

    Raises:
        InputError: the name is taken, or is no name of a folder; or the share is not between 0 and 1.
    """
    if not 0 <= trained_share <= 1:
        raise InputError(
            f"strategy {name!r}: trained_share ({trained_share}) must lie between 0 and 1"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(
            f"strategy {name!r}: a name is made of letters, digits, '.', '_' and '-', and begins with a letter or a digit"
        )
    known = STRATEGIES.get(name)

    def register(draw: Strategy) -> Strategy:
        if name == UNTRAINED or (known and known.draw.__module__ != draw.__module__):
            raise InputError(
                f"strategy {name!r}: there is one of that name already; choose another"
            )
        STRATEGIES[name] = Registered(draw, meaning, options, trained_share)
        return draw

    return register


def known_strategies() -> list[str]:
    """All values that the parameter ``strategy`` may take."""
    return [UNTRAINED, *STRATEGIES]


def draw_batch(
    name: str, pairs: PairTable, seed: int, step: int, batch_size: int, alpha: float = 0.5
) -> Batch:
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


def choose(rng: np.random.Generator, rows: np.ndarray, count: int, what: str) -> np.ndarray:
    """``count`` different entries of ``rows``.

    Args:
        what: what the rows are, for the error.

    Raises:
        InputError: there are not as many.
    """
    if len(rows) < count:
        raise InputError(
            f"a batch of {count} needs as many different {what}, the training pairs have {len(rows)}: lower batch_size"
        )
    return rows[rng.choice(len(rows), count, replace=False)]


@strategy("en-en", "English question, English passage (LAReQA En-En)")
def en_en(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Source: arXiv 2004.05484."""
    pairs = pairs.one_set(rng, "en-en", batch_size)
    rows = choose(rng, pairs.with_language("en"), batch_size, "English pairs")
    return Batch("en-en", rows, rows)


@strategy("x-x", "same-language pairs, languages mixed row by row (LAReQA X-X)")
def x_x(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair, then one of its languages. Source: arXiv 2004.05484."""
    pairs = pairs.one_set(rng, "x-x", batch_size)
    chosen = choose(rng, np.arange(len(pairs.rows)), batch_size, "pairs")
    rows = pairs.rows[chosen, languages_of(pairs, rng, chosen, 1)[:, 0]]
    return Batch("x-x", rows, rows)


@strategy(
    "x-x-mono",
    "monolingual: the whole batch in one language, languages drawn uniformly or by size",
    options=("language_draw",),
)
def x_x_mono(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Sources: arXiv 2004.05484, arXiv 2408.10536."""
    pairs = pairs.one_set(rng, "mono", batch_size)
    language = pairs.draw_language(rng, batch_size)
    rows = choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")
    return Batch("x-x-mono", rows, rows)


@strategy("x-y", "cross-lingual: every row its own ordered pair of different languages")
def x_y(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair, then two of its languages in order. Sources: arXiv 2004.05484, arXiv 2408.10536."""
    pairs = pairs.one_set(rng, "x-y", batch_size)
    chosen = choose(
        rng, np.flatnonzero(pairs.languages_per_pair >= 2), batch_size, "pairs in two languages"
    )
    languages = languages_of(pairs, rng, chosen, 2)
    return Batch("x-y", pairs.rows[chosen, languages[:, 0]], pairs.rows[chosen, languages[:, 1]])


@strategy("x-y-pair", "cross-lingual, one ordered pair of languages for the whole batch")
def x_y_pair(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Ordered pairs of languages that share at least a batch of questions are drawn uniformly."""
    pairs = pairs.one_set(rng, "x-y-pair", batch_size)
    usable = np.argwhere(pairs.shared >= batch_size)
    if not len(usable):
        raise InputError(
            f"no two languages share the {batch_size} questions of an x-y-pair batch (most: {pairs.shared.max()}): lower batch_size"
        )
    x, y = usable[rng.integers(len(usable))]
    chosen = choose(
        rng, np.flatnonzero((pairs.rows[:, [x, y]] >= 0).all(1)), batch_size, "shared questions"
    )
    return Batch("x-y-pair", pairs.rows[chosen, x], pairs.rows[chosen, y])


@strategy(
    "hybrid",
    "each batch monolingual with probability alpha, else cross-lingual",
    options=("alpha", "language_draw"),
)
def hybrid(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """The paper's strategy (arXiv 2408.10536)."""
    return (x_x_mono if rng.random() < alpha else x_y)(pairs, rng, batch_size, alpha)


@strategy(
    "hybrid-0.25",
    "hybrid with alpha 0.25, to stand beside it in one grid",
    options=("language_draw",),
)
def hybrid_quarter(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """A point of the alpha curve: x-y is its 0, x-x-mono its 1."""
    return hybrid(pairs, rng, batch_size, 0.25)


@strategy(
    "hybrid-0.75",
    "hybrid with alpha 0.75, to stand beside it in one grid",
    options=("language_draw",),
)
def hybrid_three_quarters(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """A point of the alpha curve: x-y is its 0, x-x-mono its 1."""
    return hybrid(pairs, rng, batch_size, 0.75)


@strategy(
    "hybrid-averaged",
    "hybrid, its weights averaged with the untrained encoder's, 3 to 1",
    options=("alpha", "language_draw"),
    trained_share=0.75,
)
def hybrid_averaged(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Hybrid that keeps something of what the encoder knew; the share was chosen on held-out articles (docs/study.md)."""
    return hybrid(pairs, rng, batch_size, alpha)


@strategy(
    "x-y-averaged",
    "x-y, its weights averaged with the untrained encoder's, 3 to 1",
    trained_share=0.75,
)
def x_y_averaged(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Beside ``hybrid-averaged``: what of its gain is the average's and what the batches'."""
    return x_y(pairs, rng, batch_size, alpha)


@strategy(
    "code-switched",
    "monolingual English batches with words switched to other languages",
    options=("language_draw", "switch_probability", "switch_sides", "lexicon_path"),
)
def code_switched(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Each word by a translation with ``switch_probability``; sets without English: as x-x-mono. Source: arXiv 2305.05295."""
    from hybridlib.batching.code_switching import switch

    pairs = pairs.one_set(rng, "mono", batch_size)
    language = (
        "en"
        if "en" in pairs.languages and pairs.capacity["en-en"] >= batch_size
        else pairs.draw_language(rng, batch_size)
    )
    rows = choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")
    how, texts = pairs.switching, {}
    for side, name in (("question", "query"), ("passage", "passage")):
        if how.probability > 0 and how.sides in ("both", name):
            words = pairs.lexicon(language)
            texts[f"{side}_texts"] = np.array(
                [
                    switch(text, words, rng, how.probability)
                    for text in pairs.frame[side].to_numpy()[rows]
                ],
                dtype=object,
            )
    return Batch("code-switched", rows, rows, **texts)


def languages_of(
    pairs: PairTable, rng: np.random.Generator, chosen: np.ndarray, count: int
) -> np.ndarray:
    """For each chosen pair ``count`` different languages that it has, in random order, ``[chosen, count]``."""
    keys = rng.random((len(chosen), len(pairs.languages)))
    keys[pairs.rows[chosen] < 0] = 2.0
    return np.argsort(keys, axis=1)[:, :count]
