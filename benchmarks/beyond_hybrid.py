"""Batch strategies that were tried against hybrid on held-out training articles; docs/study.md has the figures.

A plugin, not a benchmark of speed: name this file in the parameter ``plugins``. It also changes the loss: every passage of the batch
that says what the right one says, in whatever language, is a positive (multi-positive InfoNCE: the mean over a question's positives
of -log of its share against the negatives). For batches in which no content stands twice that is InfoNCE as it was. And a strategy may
give each batch a temperature of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, Batch, choose, languages_of, strategy
from hybridlib.training import loss


def multi_positive(
    queries: Tensor,
    passages: Tensor,
    query_groups: Tensor,
    passage_groups: Tensor,
    positives: Tensor,
    temperature: float | Tensor,
) -> Tensor:
    """Mean over queries of the mean over positives of ``-log( exp(s+/t) / (exp(s+/t) + sum of exp(s-/t)) )``; arguments as in info_nce."""
    scores = queries @ passages.T / (temperature * _of_batch["temperature"])
    positive = query_groups[:, None] == passage_groups[None, :]
    negatives = scores.masked_fill(
        positive | (passage_groups == loss.NOBODY)[None, :], float("-inf")
    ).logsumexp(1, keepdim=True)
    each = torch.logaddexp(scores, negatives) - scores
    return ((each * positive).sum(1) / positive.sum(1)).mean()


loss.info_nce = multi_positive
_of_batch = {"temperature": 1.0}  # of the batch that was drawn last, as a multiple of the parameter
STEPS = 60  # of every trial


def _few(pairs: PairTable, rng: np.random.Generator, batch_size: int, count: int) -> Batch:
    """All rows in ``count`` languages, question and passage each in any of them."""
    languages = rng.choice(len(pairs.languages), count, replace=False)
    chosen = choose(
        rng,
        np.flatnonzero((pairs.rows[:, languages] >= 0).all(1)),
        batch_size,
        f"pairs in {count} languages",
    )
    questions, passages = rng.choice(languages, (2, batch_size))
    return Batch(f"few-{count}", pairs.rows[chosen, questions], pairs.rows[chosen, passages])


@strategy("few-2", "two languages in a batch, question and passage in either")
def few_2(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """A small pool: half of a question's negatives are in its own language, and half of its positives are not."""
    return _few(pairs, rng, batch_size, 2)


@strategy("few-11", "eleven languages in a batch, question and passage in any of them")
def few_11(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """x-y in which one row in eleven stays in its language."""
    return _few(pairs, rng, batch_size, 11)


@strategy(
    "hybrid-pair",
    "each batch monolingual with probability alpha, else in one ordered pair of languages",
)
def hybrid_pair(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """All candidates of a batch in one language: nothing but content tells them apart."""
    return STRATEGIES["x-x-mono" if rng.random() < alpha else "x-y-pair"].draw(
        pairs, rng, batch_size, alpha
    )


@strategy(
    "multi-positive",
    "half as many questions, each in two languages of its own, every translation a positive",
)
def multi(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """As many texts as any other batch."""
    chosen = choose(
        rng,
        np.flatnonzero(pairs.languages_per_pair >= 2),
        batch_size // 2,
        "pairs in two languages",
    )
    rows = pairs.rows[chosen, languages_of(pairs, rng, chosen, 2).T].reshape(-1)
    return Batch("multi-positive", rows, rows)


@strategy("hybrid-multi", "each batch monolingual with probability alpha, else multi-positive")
def hybrid_multi(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Hybrid with multi-positive batches in the place of cross-lingual ones."""
    return STRATEGIES["x-x-mono" if rng.random() < alpha else "multi-positive"].draw(
        pairs, rng, batch_size, alpha
    )


def _alpha_of(rng: np.random.Generator, first: float, last: float) -> float:
    """A share of monolingual batches that changes evenly from the first step to the last; the generator's key holds the step."""
    step = int(rng.bit_generator.state["state"]["key"][1])
    return first + (last - first) * min(1.0, (step - 1) / (STEPS - 1))


@strategy("alpha-falling", "hybrid whose alpha falls from 1 to 0 over the run", ("language_draw",))
def alpha_falling(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """First the content, then the languages."""
    return STRATEGIES["hybrid"].draw(pairs, rng, batch_size, _alpha_of(rng, 1.0, 0.0))


@strategy("alpha-rising", "hybrid whose alpha rises from 0 to 1 over the run", ("language_draw",))
def alpha_rising(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """First the languages, then the content."""
    return STRATEGIES["hybrid"].draw(pairs, rng, batch_size, _alpha_of(rng, 0.0, 1.0))


@strategy(
    "sharp-mono", "hybrid, half the temperature for monolingual batches", ("alpha", "language_draw")
)
def sharp_mono(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """The nearest negatives of the same language count for more."""
    return _sharp(pairs, rng, batch_size, alpha, "x-x-mono")


@strategy(
    "sharp-cross",
    "hybrid, half the temperature for cross-lingual batches",
    ("alpha", "language_draw"),
)
def sharp_cross(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """The nearest negatives, in whatever language, count for more."""
    return _sharp(pairs, rng, batch_size, alpha, "x-y")


def _sharp(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float, regime: str
) -> Batch:
    batch = STRATEGIES["hybrid"].draw(pairs, rng, batch_size, alpha)
    _of_batch["temperature"] = 0.5 if batch.regime == regime else 1.0
    return batch
