"""Hard negatives for training pairs, and an encoder's scores of them.

A hard negative is a passage of the table that the encoder scores high for a question and that does
not answer it. Passages that say the same as a right one are left out in every language. Those that
score nearly as high as the right one may answer it, too: margins leave them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from hybridlib.batching.pair_table import PairTable
from hybridlib.data.grouping import connected_groups
from hybridlib.data.pairs import negatives_of
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.search import search
from hybridlib.retrieval.vector_store import VectorStore

# What is held in memory at a time: questions, and candidates of all of them together.
_ROWS = 4096
_FOUND = 1_000_000
_RANGE_FACTOR = 10  # ranks looked at for each negative, where range_max does not say
_DECIMALS = 6  # of a score


@dataclass(frozen=True)
class MiningOptions:
    """Which passages are taken as negatives.

    Attributes:
        candidates: passages in the question's language (``own``), in the others (``other``), or
            in all together (``pool``).
        per_query: negatives of a question at most.
        range_min: leave out the first so many of those that are allowed.
        range_max: look at the first so many candidates; None: range_min, and 10 for each negative.
        absolute_margin: a negative scores at least so much below the right passage.
        relative_margin: at least this share of the right passage's score below it.

    Raises:
        InputError: values that leave no negative, or a margin that is not finite.
    """

    candidates: Literal["own", "other", "pool"] = "own"
    per_query: int = 5
    range_min: int = 0
    range_max: int | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None

    def __post_init__(self) -> None:
        if self.per_query < 1 or self.range_min < 0:
            raise InputError(
                f"per_query is {self.per_query} and range_min {self.range_min}; they must be at "
                "least 1 and 0"
            )
        if self.last_rank < self.range_min + self.per_query:
            raise InputError(
                f"range_max ({self.range_max}) leaves fewer than per_query ({self.per_query}) "
                f"ranks behind range_min ({self.range_min}); raise it"
            )
        for name in ("absolute_margin", "relative_margin"):
            margin = getattr(self, name)
            if margin is not None and not np.isfinite(margin):
                raise InputError(f"{name} ({margin}) is not finite; give a number such as 0.05")

    @property
    def last_rank(self) -> int:
        """How many candidates are looked at."""
        if self.range_max is not None:
            return self.range_max
        return self.range_min + _RANGE_FACTOR * self.per_query

    @property
    def has_margin(self) -> bool:
        """Whether a negative must score lower than the right passage."""
        return self.absolute_margin is not None or self.relative_margin is not None


def mine(
    encoder: DualEncoder,
    pairs: pd.DataFrame,
    options: MiningOptions,
    vectors_folder: Path | None = None,
    token_budget: int | None = None,
) -> list[list[str]]:
    """Return hard negatives of each pair, the hardest first.

    A candidate is a passage that answers the question in no row: rows of one pair_id have the same
    question, and so have rows of equal questions; rows of one pair_id, of one passage_id or of
    equal passages have the same content. Of the ``range_max`` best candidates, those within a
    margin of the right passage are dropped, then the first ``range_min``. A margin is that to the
    right passage in the candidate's language where the table has it, because scores of different
    languages cannot be compared; else to the row's own.

    Args:
        encoder: what searches.
        pairs: training pairs; all their passages are candidates.
        options: which are taken.
        vectors_folder: keep the passages' vectors there, as float16 on disk, instead of in memory.
        token_budget: as in :meth:`DualEncoder.encode`.

    Raises:
        InputError: there are no candidates in other languages, or the folder holds other vectors.

    Example:
        >>> from hybridlib.data.facts import all_facts
        >>> from hybridlib.data.phrasings import phrase
        >>> pairs = phrase(all_facts()[:10], ["de", "en"], seed=0, variants=1)
        >>> encoder = DualEncoder.load(tiny)
        >>> negatives = mine(encoder, pairs, MiningOptions(candidates="other", per_query=2))
        >>> {len(texts) for texts in negatives}
        {2}
    """
    pool = _Pool(pairs)
    if options.candidates == "other" and len(pool.table.languages) < 2:
        raise InputError(
            f"candidates are passages in other languages, and all pairs are in "
            f"{pool.table.languages[0]!r}; take own"
        )
    vectors = _vectors(encoder, pool.texts.tolist(), vectors_folder, token_budget)
    negatives: list[list[str]] = [[] for _ in range(len(pairs))]
    for language in pool.table.languages:
        of_language = pool.table.with_language(language)
        widths = options.last_rank + pool.answer_counts[of_language]
        for rows in _parts(of_language, widths):
            questions = pool.table.frame["question"].iloc[rows]
            queries = encoder.encode(questions, "query", token_budget)
            found, chosen = _choose(pool, vectors, queries, rows, language, options)
            for row, candidates, is_chosen in zip(rows, found, chosen, strict=True):
                negatives[row] = pool.texts[candidates[is_chosen]].tolist()
    return negatives


def score(
    encoder: DualEncoder,
    pairs: pd.DataFrame,
    vectors_folder: Path | None = None,
    token_budget: int | None = None,
) -> list[list[float]]:
    """Return the cosines of each question with its passage and with each of its negatives.

    Arguments as in :func:`mine`.
    """
    negatives = negatives_of(pairs)
    passages = pairs["passage"].tolist()

    # Number all texts; equal ones are encoded once.
    numbers: dict[str, int] = {}
    for text in passages:
        numbers.setdefault(text, len(numbers))
    for texts in negatives:
        for text in texts:
            numbers.setdefault(text, len(numbers))
    vectors = _vectors(encoder, list(numbers), vectors_folder, token_budget)

    scores = []
    for start in range(0, len(pairs), _ROWS):
        rows = range(start, min(start + _ROWS, len(pairs)))
        queries = encoder.encode(pairs["question"].iloc[rows], "query", token_budget)
        for row, query in zip(rows, queries, strict=True):
            own = [numbers[text] for text in (passages[row], *negatives[row])]
            cosines = vectors[own].astype(np.float32) @ query
            scores.append(cosines.astype(np.float64).round(_DECIMALS).tolist())
    return scores


class _Pool:
    """The different passages of a table, and which of them answer which question.

    Args:
        pairs: training pairs.

    Attributes:
        table: the same, by pair and language.
        texts: the passages, language by language, ``[candidates]``.
        language: the number of each one's language in ``table``, ``[candidates]``.
        candidate: of each row's passage, ``[rows]``.
        content: a number for what each passage says, in any language, ``[candidates]``.
        question: a number for what each row asks, in any language, ``[rows]``.
    """

    def __init__(self, pairs: pd.DataFrame) -> None:
        self.table = PairTable(pairs)
        frame = self.table.frame

        # Number the passages in the order of their languages.
        by_language = frame.sort_values("lang", kind="stable")
        numbers = by_language.groupby(["lang", "passage"], sort=False).ngroup()
        firsts = by_language[~numbers.duplicated()]
        self.texts = firsts["passage"].to_numpy(dtype=object)
        self.language = np.searchsorted(self.table.languages, firsts["lang"])
        self.candidate = numbers.sort_index().to_numpy()

        # What is tied together by ids or equal texts is one content, or one question.
        same_passage = connected_groups(frame["passage_id"], frame["passage"])
        content = connected_groups(pd.Series(same_passage), frame["pair_id"])
        self.content = content[firsts.index]
        self.question = connected_groups(frame["pair_id"], frame["question"])

        # The contents that answer each question, as question x contents + content.
        self._contents = int(content.max()) + 1
        self._answers = np.unique(self.question.astype(np.int64) * self._contents + content)

    def answers(self, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Return which candidates ``[rows, any]`` answer the questions of some rows."""
        asked = self.question[rows].astype(np.int64)[:, None] * self._contents
        return np.isin(asked + self.content[candidates], self._answers)

    @cached_property
    def answer_counts(self) -> np.ndarray:
        """How many candidates answer the question of each row, ``[rows]``."""
        sizes = np.bincount(self.content, minlength=self._contents)
        of_question = np.bincount(
            self._answers // self._contents, sizes[self._answers % self._contents]
        )
        return of_question[self.question].astype(int)

    def ranges(self, language: str, which: str) -> list[slice]:
        """Return the candidates that questions of a language are searched among."""
        number = self.table.languages.index(language)
        start, end = np.searchsorted(self.language, [number, number + 1]).tolist()
        if which == "pool":
            return [slice(0, len(self.texts))]
        if which == "own":
            return [slice(start, end)]
        others = [slice(0, start), slice(end, len(self.texts))]
        return [part for part in others if part.stop > part.start]


def _choose(
    pool: _Pool,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    language: str,
    options: MiningOptions,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best candidates of some rows, and which of them are their negatives.

    Returns:
        Candidates, best first, and booleans; ``[rows, any]`` each.
    """
    # As many as must be looked at, and as many more as may answer the question.
    k = options.last_rank + int(pool.answer_counts[rows].max())
    found, scores = _search(queries, vectors, pool.ranges(language, options.candidates), k)

    # The first range_max that do not answer it, but for those within a margin.
    allowed = ~pool.answers(rows, found)
    allowed &= allowed.cumsum(1) <= options.last_rank
    if options.has_margin:
        allowed &= scores <= _limits(pool, vectors, queries, rows, found, options)

    # Of these, skip the first range_min and take the next ones.
    place = allowed.cumsum(1)
    last = options.range_min + options.per_query
    return found, allowed & (place > options.range_min) & (place <= last)


def _search(
    queries: np.ndarray, vectors: np.ndarray, ranges: Sequence[slice], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best candidates in some ranges and their scores, best first."""
    parts = [search(queries, vectors[part], k) for part in ranges]
    found = np.concatenate([rows + part.start for (rows, _), part in zip(parts, ranges)], axis=1)
    scores = np.concatenate([part for _, part in parts], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, 1), np.take_along_axis(scores, order, 1)


def _limits(
    pool: _Pool,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    found: np.ndarray,
    options: MiningOptions,
) -> np.ndarray:
    """Return the highest score that each found candidate may have as a negative."""
    limits = np.empty(found.shape, dtype=np.float32)
    translations = pool.table.rows[pool.table.pair_of_row[rows]]
    for number in range(len(pool.table.languages)):
        # The right passage in this language; the row's own where there is none.
        right = translations[:, number]
        right = pool.candidate[np.where(right >= 0, right, rows)]
        positive = (queries * vectors[right]).sum(1)
        limit = positive - (options.absolute_margin or 0.0)
        if options.relative_margin is not None:
            limit = np.minimum(limit, positive - np.abs(positive) * options.relative_margin)
        limits = np.where(pool.language[found] == number, limit[:, None], limits)
    return limits


def _vectors(
    encoder: DualEncoder, texts: list[str], folder: Path | None, token_budget: int | None
) -> np.ndarray:
    """Return passages' vectors, ``[texts, d]``, in memory or on disk."""
    if folder is None:
        return encoder.encode(texts, "passage", token_budget, progress=True)
    return VectorStore.build(folder, encoder, texts, token_budget=token_budget).vectors


def _parts(rows: np.ndarray, widths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield some rows at a time, those of little width first, so that a part has a bounded area."""
    order = np.argsort(widths, kind="stable")
    start = 0
    while start < len(rows):
        widest = int(widths[order[start : start + _ROWS]].max())
        end = start + max(1, min(_ROWS, _FOUND // widest))
        yield rows[order[start:end]]
        start = end
