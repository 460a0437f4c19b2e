"""Exact ranks of the relevant candidates, and the exact top k, from one pass over blocks of scores.

A relevant candidate's rank is 1 + how many candidates score higher; at equal scores the lower document index
comes first. It is taken twice from the same scores: in the whole corpus (``rank_pool``) and among the candidates
of its own language (``rank_lang``). Every setting and every bias figure is made of these two numbers and the top k.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.corpora import RetrievalCorpus
from hybridlib.encoder import DualEncoder


@dataclass(frozen=True)
class Ranking:
    """What one pass over the scores leaves.

    Attributes:
        relevant: one row per query and relevant candidate: query, candidate (row numbers), grade, query_lang,
            candidate_lang, rank_pool, rank_lang (1 is best).
        top: candidate row numbers of each query's best k in the whole corpus, best first, ``[queries, k]``.
        top_scores: their scores, ``[queries, k]``.
    """

    relevant: pd.DataFrame
    top: np.ndarray
    top_scores: np.ndarray

    def save(self, folder: Path) -> None:
        """Write ranks.parquet and top.npz."""
        self.relevant.to_parquet(folder / "ranks.parquet", index=False)
        np.savez(folder / "top.npz", top=self.top, top_scores=self.top_scores)

    @classmethod
    def load(cls, folder: Path) -> Ranking:
        """Read what :meth:`save` wrote."""
        top = np.load(folder / "top.npz")
        return cls(pd.read_parquet(folder / "ranks.parquet"), top["top"], top["top_scores"])


def encode_corpus(encoder: DualEncoder, corpus: RetrievalCorpus, token_budget: int = 8192, progress: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the queries ``[queries, d]`` and of the candidates ``[candidates, d]``."""
    queries = encoder.encode(corpus.queries["text"], "query", token_budget, progress)
    return queries, encoder.encode(corpus.candidates["text"], "passage", token_budget, progress)


def rank(query_vectors: np.ndarray, candidate_vectors: np.ndarray, corpus: RetrievalCorpus, top_k: int = 10, block: int = 256, progress: bool = False) -> Ranking:
    """Rank every relevant candidate of every query.

    Args:
        query_vectors: ``[queries, d]`` float32, in the corpus's order.
        candidate_vectors: ``[candidates, d]`` float32, in the corpus's order.
        corpus: says what is relevant, and in which languages.
        top_k: depth of the top list.
        block: queries scored at a time.
    """
    edges = _language_edges(corpus)
    columns = _padded_relevant(corpus)
    queries, candidates = torch.from_numpy(query_vectors), torch.from_numpy(candidate_vectors).T
    top_k = min(top_k, len(corpus.candidates))
    pool, own, tops, top_scores = [], [], [], []
    for start in tqdm(range(0, len(queries), block), desc="ranking", unit="block", disable=not progress, mininterval=2):
        rows = slice(start, start + block)
        scores = queries[rows] @ candidates
        above = _count_above(scores, columns[rows], edges)
        pool.append(1 + above.sum(2))
        own.append(1 + above.gather(2, _segment_of(columns[rows], edges).unsqueeze(2)).squeeze(2))
        best, best_scores = top_of(scores, top_k)
        tops.append(best)
        top_scores.append(best_scores)
    relevant = _relevant_frame(corpus, columns, torch.cat(pool), torch.cat(own))
    return Ranking(relevant, torch.cat(tops).numpy().astype(np.int32), torch.cat(top_scores).numpy())


def top_of(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best columns of each row, best first, equal scores by column; ``[rows, k]`` columns and scores."""
    values, columns = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    if values.shape[1] > k:
        cut = values[:, k - 1] == values[:, k]  # a tie across the cut: topk may have kept any of the equals
        for row in torch.nonzero(cut).flatten().tolist():
            order = torch.sort(scores[row], descending=True, stable=True)
            values[row], columns[row] = order.values[: k + 1], order.indices[: k + 1]
        values, columns = values[:, :k], columns[:, :k]
    columns, by_column = columns.sort(dim=1)
    values, by_score = values.gather(1, by_column).sort(dim=1, descending=True, stable=True)
    return columns.gather(1, by_score), values


def _count_above(scores: Tensor, columns: Tensor, edges: list[int]) -> Tensor:
    """How many candidates of each language stand above each relevant one: ``[rows, relevant, languages]``.

    Languages are contiguous column ranges. In a range wholly before the relevant column equal scores stand
    above it, in one wholly after they stand below, and in its own range the columns before it decide.
    """
    above = torch.zeros(*columns.shape, len(edges) - 1, dtype=torch.int64)
    for j in range(columns.shape[1]):
        column = columns[:, j : j + 1]
        score = scores.gather(1, column)
        below = torch.nextafter(score, torch.full_like(score, -torch.inf))
        for language, (first, end) in enumerate(zip(edges, edges[1:])):
            part = scores[:, first:end]
            above[:, j, language] = (part > torch.where(column >= end, below, score)).sum(1)
            here = ((column >= first) & (column < end)).flatten()
            if here.any():
                ties = (part[here] == score[here]) & (torch.arange(first, end) < column[here])
                above[here, j, language] += ties.sum(1)
    return above


def _language_edges(corpus: RetrievalCorpus) -> list[int]:
    """Where each language's candidates begin, and the end: candidates are sorted by language."""
    counts = corpus.candidates["lang"].value_counts().sort_index()
    return [0, *np.cumsum(counts.to_numpy()).tolist()]


def _segment_of(columns: Tensor, edges: list[int]) -> Tensor:
    return torch.bucketize(columns, torch.tensor(edges[1:-1]), right=True)


def _padded_relevant(corpus: RetrievalCorpus) -> Tensor:
    """Columns of each query's relevant candidates ``[queries, most]``; shorter rows repeat their last, queries
    without any hold 0 (both are dropped again in the frame)."""
    sizes = np.bincount(corpus.qrels["query"], minlength=len(corpus.queries))
    padded = np.zeros((len(sizes), max(1, sizes.max(initial=0))), dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values = corpus.qrels["candidate"].to_numpy()
    for j in range(padded.shape[1]):
        at = starts + np.minimum(j, sizes - 1)
        padded[sizes > 0, j] = values[at[sizes > 0]]
    return torch.from_numpy(padded)


def _relevant_frame(corpus: RetrievalCorpus, columns: Tensor, pool: Tensor, own: Tensor) -> pd.DataFrame:
    """One row per qrel, in the qrels' order."""
    qrels = corpus.qrels
    place = (qrels["query"].to_numpy(), qrels.groupby("query").cumcount().to_numpy())
    return pd.DataFrame({
        "query": qrels["query"],
        "candidate": qrels["candidate"],
        "grade": qrels["grade"],
        "query_lang": corpus.queries["lang"].to_numpy()[qrels["query"]],
        "candidate_lang": corpus.candidates["lang"].to_numpy()[qrels["candidate"]],
        "rank_pool": pool.numpy()[place],
        "rank_lang": own.numpy()[place],
    })
