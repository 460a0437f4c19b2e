"""Exact ranks of the relevant candidates, and the exact top k, from one pass over blocks of scores.

A relevant candidate's rank is 1 + how many candidates score higher; at equal scores the lower document index
comes first. It is taken twice from the same scores: in the whole corpus (``rank_pool``) and among the candidates
of its own language (``rank_lang``). Every setting and every bias figure is made of these two numbers and the top k.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from hybridlib.corpora import RetrievalCorpus
from hybridlib.corrections import Correction
from hybridlib.ranking import Ranking

if TYPE_CHECKING:  # importing transformers takes seconds that readers of ranks need not spend
    from hybridlib.encoder import DualEncoder


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
    for rows in tqdm(_blocks(len(queries), block), desc="ranking", unit="block", disable=not progress, mininterval=2, delay=2):
        scores = scores_of(queries[rows], candidates)
        above = _count_above(scores, columns[rows], edges)
        pool.append(1 + above.sum(2))
        own.append(1 + above.gather(2, _segment_of(columns[rows], edges).unsqueeze(2)).squeeze(2))
        best, best_scores = top_of(scores, top_k)
        tops.append(best)
        top_scores.append(best_scores)
    relevant = _relevant_frame(corpus, columns, torch.cat(pool), torch.cat(own))
    return Ranking(relevant, torch.cat(tops).numpy().astype(np.int32), torch.cat(top_scores).numpy())


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def scores_of(queries: Tensor, candidates: Tensor) -> Tensor:
    """``queries @ candidates``, ``[rows, candidates]``. Rows are filled up to a multiple of 32, because a product of
    few rows may round differently: so a query's scores do not depend on how many others are scored with it."""
    fill = -len(queries) % 32
    return (nn.functional.pad(queries, (0, 0, 0, fill)) @ candidates)[: len(queries)]


def rank_corrected(query_vectors: np.ndarray, candidate_vectors: np.ndarray, corpus: RetrievalCorpus, correction: Correction, top_k: int = 10, block: int = 256) -> Ranking:
    """:func:`rank` with corrected vectors; one pass, or one per query language where the correction asks for it."""
    query_langs, candidate_langs = corpus.queries["lang"].to_numpy(), corpus.candidates["lang"].to_numpy()
    queries = correction.queries(query_vectors, query_langs)
    if not correction.by_query_language:
        return rank(queries, correction.candidates(candidate_vectors, candidate_langs, ""), corpus, top_k, block)
    everything, parts, rows = np.ones(len(corpus.candidates), dtype=bool), [], []
    for language in np.unique(query_langs):
        asked = query_langs == language
        met = correction.candidates(candidate_vectors, candidate_langs, language)
        part = rank(queries[asked], met, corpus.keep(asked, everything), top_k, block)
        rows.append(np.flatnonzero(asked))
        part.relevant["query"] = rows[-1][part.relevant["query"]]
        parts.append(part)
    order = np.argsort(np.concatenate(rows))
    relevant = pd.concat([part.relevant for part in parts]).sort_values(["query", "candidate"], ignore_index=True)
    return Ranking(relevant, np.concatenate([part.top for part in parts])[order], np.concatenate([part.top_scores for part in parts])[order])


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

    Languages are contiguous column ranges. Each range is sorted once, then every relevant score is looked up in
    it. In a range wholly before the relevant column equal scores stand above it, in one wholly after they stand
    below, and in its own range the columns before it decide.
    """
    wanted = scores.gather(1, columns)
    above = torch.empty(*columns.shape, len(edges) - 1, dtype=torch.int64)
    ranges = list(zip(edges, edges[1:]))
    for language, part in enumerate(_sorted_parts(scores, ranges)):
        first, end = ranges[language]
        greater = (end - first) - torch.searchsorted(part, wanted, side="right")
        at_least = (end - first) - torch.searchsorted(part, wanted, side="left")
        above[:, :, language] = torch.where(columns >= end, at_least, greater)
        tied = (columns >= first) & (columns < end) & (at_least - greater > 1)
        for row, j in tied.nonzero().tolist():
            above[row, j, language] += (scores[row, first : columns[row, j]] == wanted[row, j]).sum()
    return above


def _sorted_parts(scores: Tensor, ranges: list[tuple[int, int]]) -> Iterator[Tensor]:
    """Each range of columns, its rows sorted upwards."""
    if scores.device.type != "cpu":
        yield from (scores[:, first:end].sort(dim=1).values for first, end in ranges)
        return
    values = scores.numpy()  # numpy's sort is several times faster than torch's, and runs beside itself in threads
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        yield from map(torch.from_numpy, threads.map(lambda limits: np.sort(values[:, slice(*limits)], axis=1), ranges))


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
