"""Counts of a pass over score blocks: what stands above each relevant candidate, and the top k."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.distributed import all_sum
from hybridlib.retrieval.above import count_above
from hybridlib.retrieval.exact import TopK, columns_of, scores_of, shared_threads, top_of
from hybridlib.retrieval.ranking import Ranking


class Counts:
    """The state of a pass over the scores: counts above each relevant candidate, and the top k.

    Args:
        corpus: has the languages and what is relevant.
        blocks: the queries of this process.
        k: depth of the top list.
        device: where scores are computed; the counting is on the CPU.
        workers: blocks that are scored and counted at a time, each in a thread.
    """

    def __init__(
        self,
        corpus: RetrievalCorpus,
        blocks: list[slice],
        k: int,
        device: str | torch.device = "cpu",
        workers: int = 1,
    ) -> None:
        self.blocks = blocks
        self.device = device
        self.workers = workers
        self.relevant = _padded_relevant(corpus)  # [queries, most relevant]
        self.edges = _language_edges(corpus)
        inner_edges = torch.from_numpy(self.edges[1:-1])
        sizes = np.bincount(corpus.qrels["query"], minlength=len(corpus.queries))
        self.judged = torch.from_numpy(sizes > 0)
        self.language = torch.bucketize(self.relevant, inner_edges, right=True)
        self.scores: Tensor | None = None  # of the relevant candidates, if known before the pass
        self.above_in_pool = torch.zeros_like(self.relevant)
        self.above_in_language = torch.zeros_like(self.relevant)
        self.top = TopK(len(corpus.queries), k)

    def score_relevant(self, queries: Tensor, candidate_vectors: np.ndarray, width: int) -> None:
        """Score the relevant candidates first, so that every chunk can be counted against them."""
        self.scores = torch.zeros(self.relevant.shape)
        numbers = torch.unique(self.relevant)
        for start in range(0, len(numbers), width):
            chosen = numbers[start : start + width]
            part = columns_of(candidate_vectors, chosen.numpy(), width, self.device)
            for rows in self.blocks:
                relevant = self.relevant[rows]
                columns = torch.searchsorted(chosen, relevant).clamp(max=len(chosen) - 1)
                scores = scores_of(queries[rows], part).gather(1, columns)
                among_chosen = chosen[columns] == relevant
                self.scores[rows] = torch.where(among_chosen, scores, self.scores[rows])

    def add_chunk(
        self, queries: Tensor, candidate_vectors: np.ndarray, start: int, width: int, bar: tqdm
    ) -> None:
        """Score candidates from ``start`` on, and add them to the counts and to the top k."""
        end = min(start + width, len(candidate_vectors))
        part = columns_of(candidate_vectors, np.arange(start, end), width, self.device)

        def add(rows: slice) -> None:
            scores = scores_of(queries[rows], part)[:, : end - start]
            self.add_scores(rows, scores, start)

        with shared_threads(self.workers) as threads:
            for _ in threads.map(add, self.blocks):
                bar.update()

    def add_scores(self, rows: slice, scores: Tensor, start: int = 0) -> None:
        """Add the scores of some queries and of the candidates from ``start`` on.

        Args:
            rows: of the queries.
            scores: ``[rows, candidates]``; of all candidates, unless :meth:`score_relevant` was
                called before. Then those of relevant candidates are overwritten.
            start: row of the first candidate.
        """
        columns = self.relevant[rows] - start
        if self.scores is None:
            relevant_scores = scores.gather(1, columns)
        else:
            relevant_scores = self.scores[rows]
            _overwrite(scores, columns, relevant_scores)

        # What is below every relevant candidate of a query has no part in its counts.
        lowest = relevant_scores.amin(1).masked_fill(~self.judged[rows], torch.inf)
        firsts, languages = self._ranges(start, start + scores.shape[1])
        above = count_above(
            scores.numpy(), relevant_scores.numpy(), columns.numpy(), lowest.numpy(), firsts
        )
        self.above_in_pool[rows] += torch.from_numpy(above.sum(2))
        same_language = self.language[rows].numpy()[:, :, None] == languages
        self.above_in_language[rows] += torch.from_numpy((above * same_language).sum(2))
        best, best_scores = top_of(scores, self.top.k)
        self.top.merge(rows, start + best, best_scores)

    def _ranges(self, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first column, counted from ``start``, and the language of each range.

        A range holds the candidates of one language among those from ``start`` to ``end``.
        """
        languages = np.flatnonzero((self.edges[:-1] < end) & (self.edges[1:] > start))
        return np.maximum(self.edges[languages] - start, 0), languages

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
                "query_lang": corpus.queries["lang"].array[qrels["query"]],
                "candidate_lang": corpus.candidates["lang"].array[qrels["candidate"]],
                "rank_pool": (self.above_in_pool + 1).numpy()[position],
                "rank_lang": (self.above_in_language + 1).numpy()[position],
            }
        )
        return Ranking(relevant, self.top.rows.numpy().astype(np.int32), self.top.scores.numpy())


def _overwrite(scores: Tensor, columns: Tensor, relevant_scores: Tensor) -> None:
    """Set the scores of relevant columns, if they are in the block, to those known before.

    So rounding cannot make a candidate stand above itself.
    """
    inside = (columns >= 0) & (columns < scores.shape[1])
    row, j = inside.nonzero(as_tuple=True)
    scores[row, columns[row, j]] = relevant_scores[row, j]


def _language_edges(corpus: RetrievalCorpus) -> np.ndarray:
    """Return where each language's candidates begin, and the end; they are sorted by language."""
    counts = corpus.candidates["lang"].value_counts().sort_index()
    return np.concatenate([[0], np.cumsum(counts.to_numpy())])


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
