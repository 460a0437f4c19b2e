"""Batch strategies: which question and which passage stand in each row of a training batch.

A batch is a pure function of (strategy, data, seed, step), drawn from a counter-based generator.
Resuming is starting at a later step. Every process of a distributed run computes the same global
batch and takes its slice, so that a batch keeps its strategy and its language however many
processes share it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hybridlib.batching.code_switching import switch
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import STRATEGIES, Batch, strategy
from hybridlib.config.names import NO_BATCHES
from hybridlib.errors import InputError, did_you_mean

# Strategies of earlier versions: what to write instead.
_RETIRED = {
    "hybrid-0.25": "hybrid, with alpha 0.25 (grid: {alpha: [0.25]})",
    "hybrid-0.75": "hybrid, with alpha 0.75 (grid: {alpha: [0.75]})",
    "hybrid-averaged": "hybrid, with trained_share 0.75 (grid: {trained_share: [0.75]})",
    "x-y-averaged": "x-y, with trained_share 0.75 (grid: {trained_share: [0.75]})",
}


@strategy("en-en", "English question, English passage (LAReQA En-En)")
def en_en(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Draw English pairs. Source: arXiv 2004.05484."""
    pairs = pairs.one_set(rng, "en-en", batch_size)
    rows = choose(rng, pairs.with_language("en"), batch_size, "English pairs")
    return Batch("en-en", rows, rows)


@strategy("x-x", "same-language pairs, languages mixed row by row (LAReQA X-X)")
def x_x(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Draw pairs, then one language for each. Source: arXiv 2004.05484."""
    pairs = pairs.one_set(rng, "x-x", batch_size)
    chosen = choose(rng, np.arange(len(pairs.rows)), batch_size, "pairs")
    languages = languages_of(pairs, rng, chosen, 1)
    rows = pairs.rows[chosen, languages[:, 0]]
    return Batch("x-x", rows, rows)


@strategy(
    "x-x-mono",
    "monolingual: the whole batch in one language, languages drawn uniformly or by size",
    options=("language_draw",),
)
def x_x_mono(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Draw a language, then pairs in it. Sources: arXiv 2004.05484, arXiv 2408.10536."""
    pairs = pairs.one_set(rng, "mono", batch_size)
    language = pairs.draw_language(rng, batch_size)
    rows = choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")
    return Batch("x-x-mono", rows, rows)


@strategy("x-y", "cross-lingual: every row its own ordered pair of different languages")
def x_y(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Draw pairs, then two languages in order for each.

    Sources: arXiv 2004.05484, arXiv 2408.10536.
    """
    pairs = pairs.one_set(rng, "x-y", batch_size)
    able = np.flatnonzero(pairs.languages_per_pair >= 2)
    chosen = choose(rng, able, batch_size, "pairs in two languages")
    languages = languages_of(pairs, rng, chosen, 2)
    return Batch("x-y", pairs.rows[chosen, languages[:, 0]], pairs.rows[chosen, languages[:, 1]])


@strategy("x-y-pair", "cross-lingual, one ordered pair of languages for the whole batch")
def x_y_pair(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Draw one of the ordered pairs of languages that share a batch of questions, uniformly."""
    pairs = pairs.one_set(rng, "x-y-pair", batch_size)
    usable = np.argwhere(pairs.shared >= batch_size)
    if not len(usable):
        raise InputError(
            f"no two languages share the {batch_size} questions of an x-y-pair batch (most: "
            f"{pairs.shared.max()}): lower batch_size"
        )
    x, y = usable[rng.integers(len(usable))]
    able = np.flatnonzero((pairs.rows[:, [x, y]] >= 0).all(1))
    chosen = choose(rng, able, batch_size, "shared questions")
    return Batch("x-y-pair", pairs.rows[chosen, x], pairs.rows[chosen, y])


@strategy(
    "hybrid",
    "each batch monolingual with probability alpha, else cross-lingual",
    options=("alpha", "language_draw"),
)
def hybrid(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Toss a coin for each batch: the paper's strategy (arXiv 2408.10536)."""
    if rng.random() < alpha:
        return x_x_mono(pairs, rng, batch_size, alpha)
    return x_y(pairs, rng, batch_size, alpha)


@strategy(
    "code-switched",
    "monolingual English batches with words switched to other languages",
    options=("language_draw", "switch_probability", "switch_sides", "lexicon_path"),
)
def code_switched(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Draw a monolingual batch and replace words by translations.

    Each word goes with ``switch_probability``. The batch is English where a set holds enough of
    it, else drawn as for x-x-mono. Source: arXiv 2305.05295.
    """
    pairs = pairs.one_set(rng, "mono", batch_size)
    if "en" in pairs.languages and pairs.capacity["en-en"] >= batch_size:
        language = "en"
    else:
        language = pairs.draw_language(rng, batch_size)
    rows = choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")

    def switched(column: str, side: str) -> np.ndarray | None:
        """Return the texts of one side with words switched; None where that side stays."""
        switching = pairs.switching
        if switching.probability <= 0 or switching.sides not in ("both", side):
            return None
        lexicon = pairs.lexicon(language)
        texts = pairs.frame[column].to_numpy()[rows]
        changed = [switch(text, lexicon, rng, switching.probability) for text in texts]
        return np.array(changed, dtype=object)

    question_texts = switched("question", "query")
    passage_texts = switched("passage", "passage")
    return Batch("code-switched", rows, rows, question_texts, passage_texts)


def draw_batch(
    name: str, pairs: PairTable, seed: int, step: int, batch_size: int, alpha: float = 0.5
) -> Batch:
    """Draw the batch of one step: the same for the same arguments, whatever was drawn before.

    Args:
        name: a key of STRATEGIES.
        pairs: the training table.
        seed: with ``step`` the counter of the generator (Philox).
        step: see ``seed``.
        batch_size: rows; no question (pair_id) stands twice in a batch.
        alpha: probability of a monolingual batch, read by ``hybrid``.

    Raises:
        InputError: the data cannot fill such a batch, or the strategy trains nothing.
    """
    if name not in STRATEGIES:
        raise InputError(f"strategy {name!r} draws no batches: it trains nothing")
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)


def choose(rng: np.random.Generator, rows: np.ndarray, count: int, what: str) -> np.ndarray:
    """Choose ``count`` different entries of ``rows``; ``what`` they are is for the error.

    Raises:
        InputError: there are not as many.
    """
    if len(rows) < count:
        raise InputError(
            f"a batch of {count} needs as many different {what}, the training pairs have "
            f"{len(rows)}: lower batch_size"
        )
    return rows[rng.choice(len(rows), count, replace=False)]


def languages_of(
    pairs: PairTable, rng: np.random.Generator, chosen: np.ndarray, count: int
) -> np.ndarray:
    """Draw for each chosen pair ``count`` different languages that it has, ``[chosen, count]``."""
    # Sort random keys; languages that a pair lacks come last.
    keys = rng.random((len(chosen), len(pairs.languages)))
    keys[pairs.rows[chosen] < 0] = 2.0
    return np.argsort(keys, axis=1)[:, :count]


def known_strategies() -> list[str]:
    """Return all values that the parameter ``strategy`` may take."""
    return [*NO_BATCHES, *STRATEGIES]


def check_strategies(names: Iterable[str]) -> None:
    """Refuse a name that no strategy has.

    Raises:
        InputError: with the nearest name, or with what to write for one of an earlier version.
    """
    known = known_strategies()
    for name in names:
        if name in known:
            continue
        if name in _RETIRED:
            raise InputError(f"strategy {name!r} is now {_RETIRED[name]}")
        raise InputError(
            f"strategy: no strategy is called {name!r}{did_you_mean(name, known)}; there are "
            f"{', '.join(known)}; one's own needs its file in plugins"
        )
