"""Exact ranks of the relevant candidates, and the exact top k, from one pass over the scores.

A relevant candidate's rank is 1 + how many candidates score higher; of equal scores the lower
document index comes first. It is counted twice from the same scores: in the whole corpus
(``rank_pool``) and among the candidates of its own language (``rank_lang``). Every setting and
every bias figure is made of these two numbers and the top k.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.distributed import all_sum, rank_and_world
from hybridlib.errors import InputError
from hybridlib.retrieval.corrections import Correction
from hybridlib.retrieval.exact import (
    TopK,
    check_encoded,
    check_finite,
    columns_of,
    scores_of,
    top_of,
)
from hybridlib.retrieval.ranking import Ranking
from hybridlib.retrieval.vector_store import VectorStore

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

CHUNK = 65_536  # candidates scored at a time


def encode_corpus(
    encoder: DualEncoder,
    corpus: RetrievalCorpus,
    token_budget: int = 8192,
    progress: bool = True,
    folder: Path | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the queries ``[queries, d]`` and candidates ``[candidates, d]``.

    Args:
        encoder: makes the vectors.
        corpus: whose texts they are of.
        token_budget: tokens of a micro-batch at most, padding included.
        progress: show progress bars.
        folder: keep the vectors of the candidates in this folder, as float16 on disk
            (:class:`VectorStore`): memory does not hold them, and after a kill only the missing
            ones are encoded. None: they are float32 in memory, as those of the queries always are.

    Raises:
        InputError: a vector is zero or not finite, or the folder holds other vectors.
    """
    texts = corpus.candidates["text"]
    candidates: np.ndarray
    if folder is None:
        candidates = encoder.encode(texts, "passage", token_budget, progress)
        check_encoded(candidates, "candidate", corpus.candidates["candidate_id"].to_numpy())
    else:
        # The store checks the folder before it encodes, and each block of vectors.
        store = VectorStore.build(
            folder, encoder, texts.tolist(), token_budget=token_budget, progress=progress
        )
        candidates = store.vectors
    queries = encoder.encode(corpus.queries["text"], "query", token_budget, progress)
    check_encoded(queries, "query", corpus.queries["query_id"].to_numpy())
    return queries, candidates


def rank(
    query_vectors: np.ndarray,
    candidate_vectors: np.ndarray,
    corpus: RetrievalCorpus,
    top_k: int = 10,
    block: int = 256,
    progress: bool = False,
    chunk: int = CHUNK,
    shared: bool = True,
) -> Ranking:
    """Rank every relevant candidate of every query.

    Beside the vectors and the result that takes about ``8 * block * chunk + 4 * chunk * d`` bytes,
    however many candidates there are.

    Args:
        query_vectors: ``[queries, d]`` float32, in the corpus's order.
        candidate_vectors: ``[candidates, d]`` float32 or float16, in the corpus's order. An array
            on disk (see :class:`VectorStore`) is read once, ``chunk`` rows at a time. Scores are
            float32 either way.
        corpus: has the languages and what is relevant.
        top_k: depth of the top list; all candidates, if there are fewer.
        block: queries scored at a time.
        progress: show a progress bar.
        chunk: candidates scored at a time.
        shared: several processes share the queries, and each has all ranks in the end; all must
            rank the same. If false, each process ranks its own.

    Raises:
        InputError: vectors that do not fit the corpus or each other, or are not finite.
    """
    queries = _checked_queries(query_vectors, candidate_vectors, corpus)
    count = len(candidate_vectors)
    width = min(chunk, count)

    # The processes take the blocks of queries in turn.
    process, processes = rank_and_world() if shared else (0, 1)
    starts = range(0, len(queries), block)
    blocks = [slice(start, start + block) for start in starts][process::processes]

    counts = _Counts(queries, corpus, blocks, min(top_k, count))
    if width < count:
        counts.score_relevant(candidate_vectors, width)
    with tqdm(
        total=len(blocks) * -(-count // width),
        desc="ranking",
        unit="block",
        disable=not progress or process > 0,
        mininterval=2,
    ) as bar:
        for start in range(0, count, width):
            counts.add_chunk(candidate_vectors, start, width, bar)
    if processes > 1:
        counts.sum_processes()
    return counts.ranking(corpus)


def rank_corrected(
    query_vectors: np.ndarray,
    candidate_vectors: np.ndarray,
    corpus: RetrievalCorpus,
    correction: Correction,
    top_k: int = 10,
    block: int = 256,
) -> Ranking:
    """Rank with corrected vectors, in one pass or in one for each query language.

    Args:
        query_vectors: as in :func:`rank`, as they were before the correction.
        candidate_vectors: likewise.
        corpus: as in :func:`rank`.
        correction: has ``by_query_language`` if it needs a pass for each query language.
        top_k: as in :func:`rank`.
        block: as in :func:`rank`.
    """
    query_langs = corpus.queries["lang"].to_numpy()
    candidate_langs = corpus.candidates["lang"].to_numpy()
    queries = correction.queries(query_vectors, query_langs)
    if not correction.by_query_language:
        candidates = correction.candidates(candidate_vectors, candidate_langs, "")
        return rank(queries, candidates, corpus, top_k, block)

    # Rank the queries of each language against the candidates as corrected for that language.
    all_candidates = np.ones(len(corpus.candidates), dtype=bool)
    parts = []
    query_rows = []
    for language in np.unique(query_langs):
        in_language = query_langs == language
        candidates = correction.candidates(candidate_vectors, candidate_langs, language)
        part_corpus = corpus.keep(in_language, all_candidates)
        part = rank(queries[in_language], candidates, part_corpus, top_k, block)
        rows = np.flatnonzero(in_language)
        part.relevant["query"] = rows[part.relevant["query"]]
        parts.append(part)
        query_rows.append(rows)

    # Put the languages together in the order of the queries.
    order = np.argsort(np.concatenate(query_rows))
    relevant = pd.concat([part.relevant for part in parts])
    return Ranking(
        relevant.sort_values(["query", "candidate"], ignore_index=True),
        np.concatenate([part.top for part in parts])[order],
        np.concatenate([part.top_scores for part in parts])[order],
    )


class _Range(NamedTuple):
    """Columns ``[first, end)`` of a score block, which hold candidates of one language."""

    first: int
    end: int
    language: int


class _Counts:
    """The state of a pass over the scores: counts above each relevant candidate, and the top k.

    Args:
        queries: ``[queries, d]``.
        corpus: has the languages and what is relevant.
        blocks: the queries of this process.
        k: depth of the top list.
    """

    def __init__(
        self, queries: Tensor, corpus: RetrievalCorpus, blocks: list[slice], k: int
    ) -> None:
        self.queries = queries
        self.blocks = blocks
        self.relevant = _padded_relevant(corpus)  # [queries, most relevant]
        self.edges = _language_edges(corpus)
        inner_edges = torch.tensor(self.edges[1:-1])
        self.language = torch.bucketize(self.relevant, inner_edges, right=True)
        self.scores: Tensor | None = None  # of the relevant candidates, if known before the pass
        self.above_in_pool = torch.zeros_like(self.relevant)
        self.above_in_language = torch.zeros_like(self.relevant)
        self.top = TopK(len(queries), k)

    def score_relevant(self, candidate_vectors: np.ndarray, width: int) -> None:
        """Score the relevant candidates first, so that every chunk can be counted against them."""
        self.scores = torch.zeros(self.relevant.shape)
        numbers = torch.unique(self.relevant)
        for start in range(0, len(numbers), width):
            chosen = numbers[start : start + width]
            part = columns_of(candidate_vectors, chosen.numpy(), width)
            for rows in self.blocks:
                relevant = self.relevant[rows]
                columns = torch.searchsorted(chosen, relevant).clamp(max=len(chosen) - 1)
                scores = scores_of(self.queries[rows], part).gather(1, columns)
                among_chosen = chosen[columns] == relevant
                self.scores[rows] = torch.where(among_chosen, scores, self.scores[rows])

    def add_chunk(self, candidate_vectors: np.ndarray, start: int, width: int, bar: tqdm) -> None:
        """Score candidates from ``start`` on, and add them to the counts and to the top k."""
        end = min(start + width, len(candidate_vectors))
        part = columns_of(candidate_vectors, np.arange(start, end), width)
        ranges = _ranges_within(self.edges, start, end)
        for rows in self.blocks:
            scores = scores_of(self.queries[rows], part)[:, : end - start]
            columns = self.relevant[rows] - start
            if self.scores is None:
                relevant_scores = scores.gather(1, columns)
            else:
                relevant_scores = self.scores[rows]
                _overwrite(scores, columns, relevant_scores)

            above = _count_above(scores, relevant_scores, columns, ranges)
            for language_range, count in zip(ranges, above):
                own = self.language[rows] == language_range.language
                self.above_in_pool[rows] += count
                self.above_in_language[rows] += torch.where(own, count, 0)

            best, best_scores = top_of(scores, self.top.k)
            self.top.merge(rows, start + best, best_scores)
            bar.update()

    def sum_processes(self) -> None:
        """Put together what the processes counted for their blocks."""
        self.above_in_pool = self._sum(self.above_in_pool)
        self.above_in_language = self._sum(self.above_in_language)
        self.top.rows = self._sum(self.top.rows)
        self.top.scores = self._sum(self.top.scores)

    def _sum(self, values: Tensor) -> Tensor:
        """Sum over the processes, after zeroing the queries of other processes."""
        kept = torch.zeros_like(values)
        for rows in self.blocks:
            kept[rows] = values[rows]
        return torch.from_numpy(all_sum(kept.numpy()))

    def ranking(self, corpus: RetrievalCorpus) -> Ranking:
        """Return the result: one row per qrel, in the qrels' order, and the top k."""
        qrels = corpus.qrels
        position = (qrels["query"].to_numpy(), qrels.groupby("query").cumcount().to_numpy())
        relevant = pd.DataFrame(
            {
                "query": qrels["query"],
                "candidate": qrels["candidate"],
                "grade": qrels["grade"],
                "query_lang": corpus.queries["lang"].to_numpy()[qrels["query"]],
                "candidate_lang": corpus.candidates["lang"].to_numpy()[qrels["candidate"]],
                "rank_pool": (self.above_in_pool + 1).numpy()[position],
                "rank_lang": (self.above_in_language + 1).numpy()[position],
            }
        )
        return Ranking(relevant, self.top.rows.numpy().astype(np.int32), self.top.scores.numpy())


def _count_above(
    scores: Tensor, relevant_scores: Tensor, columns: Tensor, ranges: list[_Range]
) -> Iterator[Tensor]:
    """Yield for each range how many of its candidates stand above each relevant one.

    A range is sorted once, then every relevant score is looked up in it. What scores equally stands
    above if its range is wholly before the relevant column, and below if it is wholly behind. In
    the range of the relevant column itself, the columns before it decide.

    Args:
        scores: ``[rows, candidates]``.
        relevant_scores: of the relevant candidates, ``[rows, relevant]``.
        columns: of the relevant candidates: below 0 if they stand before these candidates, beyond
            the last if behind them.
        ranges: of the languages.

    Yields:
        ``[rows, relevant]`` for each range.
    """
    for (first, end, _), ascending in zip(ranges, _sorted_ranges(scores, ranges)):
        size = end - first
        greater = size - torch.searchsorted(ascending, relevant_scores, side="right")
        at_least = size - torch.searchsorted(ascending, relevant_scores, side="left")
        above = torch.where(columns >= end, at_least, greater)
        # Other candidates of the range tie with a relevant one that is among them.
        inside = (columns >= first) & (columns < end)
        tied = inside & (at_least - greater > 1)
        for row, j in tied.nonzero().tolist():
            before = scores[row, first : columns[row, j]]
            above[row, j] += (before == relevant_scores[row, j]).sum()
        yield above


def _sorted_ranges(scores: Tensor, ranges: list[_Range]) -> Iterator[Tensor]:
    """Yield the columns of each range with every row sorted upwards."""
    values = scores.numpy()

    def sort(part: _Range) -> np.ndarray:
        return np.sort(values[:, part.first : part.end], axis=1)

    # numpy sorts rows several times faster than torch, and lets other threads run meanwhile.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        yield from map(torch.from_numpy, threads.map(sort, ranges))


def _overwrite(scores: Tensor, columns: Tensor, relevant_scores: Tensor) -> None:
    """Set the scores of relevant columns, if they are in the block, to those known before.

    So rounding cannot make a candidate stand above itself.
    """
    inside = (columns >= 0) & (columns < scores.shape[1])
    row, j = inside.nonzero(as_tuple=True)
    scores[row, columns[row, j]] = relevant_scores[row, j]


def _checked_queries(
    query_vectors: np.ndarray, candidate_vectors: np.ndarray, corpus: RetrievalCorpus
) -> Tensor:
    """Return the queries as a tensor, after checking that they fit corpus and candidates."""
    for name, vectors, frame in (
        ("queries", query_vectors, corpus.queries),
        ("candidates", candidate_vectors, corpus.candidates),
    ):
        if vectors.ndim != 2 or len(vectors) != len(frame):
            raise InputError(
                f"{corpus.name}: has {len(frame):,} {name}, but the vectors are {vectors.shape}; "
                "encode this corpus"
            )
    if query_vectors.shape[1] != candidate_vectors.shape[1]:
        raise InputError(
            f"{corpus.name}: vectors of {query_vectors.shape[1]} for the queries and "
            f"{candidate_vectors.shape[1]} for the candidates; encode both with one encoder"
        )
    queries = torch.from_numpy(np.ascontiguousarray(query_vectors, dtype=np.float32))
    check_finite(queries, "query", range(len(queries)))
    return queries


def _language_edges(corpus: RetrievalCorpus) -> list[int]:
    """Return where each language's candidates begin, and the end; they are sorted by language."""
    counts = corpus.candidates["lang"].value_counts().sort_index()
    return [0, *np.cumsum(counts.to_numpy()).tolist()]


def _ranges_within(edges: list[int], start: int, end: int) -> list[_Range]:
    """Return the languages' columns in a block of candidates ``[start, end)``."""
    ranges = []
    for language, (first, last) in enumerate(pairwise(edges)):
        if first < end and last > start:
            ranges.append(_Range(max(first, start) - start, min(last, end) - start, language))
    return ranges


def _padded_relevant(corpus: RetrievalCorpus) -> Tensor:
    """Return the columns of each query's relevant candidates, ``[queries, most]``.

    Shorter rows repeat their last, and queries without any hold 0. Neither reaches the result.
    """
    sizes = np.bincount(corpus.qrels["query"], minlength=len(corpus.queries))
    padded = np.zeros((len(sizes), max(1, sizes.max(initial=0))), dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values = corpus.qrels["candidate"].to_numpy()
    some = sizes > 0
    for j in range(padded.shape[1]):
        at = starts + np.minimum(j, sizes - 1)
        padded[some, j] = values[at[some]]
    return torch.from_numpy(padded)
