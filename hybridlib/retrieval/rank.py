"""Exact ranks of the relevant candidates, and the exact top k, from one pass over blocks of scores.

A relevant candidate's rank is 1 + how many candidates score higher; at equal scores the lower document index
comes first. It is taken twice from the same scores: in the whole corpus (``rank_pool``) and among the candidates
of its own language (``rank_lang``). Every setting and every bias figure is made of these two numbers and the top k.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.distributed import all_sum, rank_and_world
from hybridlib.errors import InputError
from hybridlib.retrieval.corrections import Correction
from hybridlib.retrieval.exact import _finite, columns_of, scores_of, top_of
from hybridlib.retrieval.ranking import Ranking

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
    """Vectors of the queries ``[queries, d]`` and of the candidates ``[candidates, d]``, float32.

    With a ``folder`` the candidates' are kept there, as float16 on disk (:class:`index.VectorStore`): memory does not
    hold them, and after a kill only the missing ones are encoded.
    """
    queries = encoder.encode(corpus.queries["text"], "query", token_budget, progress)
    if folder is None:
        return queries, encoder.encode(corpus.candidates["text"], "passage", token_budget, progress)
    from hybridlib.retrieval.vector_store import VectorStore

    return queries, VectorStore.build(
        folder,
        encoder,
        corpus.candidates["text"].tolist(),
        token_budget=token_budget,
        progress=progress,
    ).vectors


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

    Beside the vectors and the result that takes about ``8 * block * chunk + 4 * chunk * d`` bytes, however many
    candidates there are.

    Args:
        query_vectors: ``[queries, d]`` float32, in the corpus's order.
        candidate_vectors: ``[candidates, d]`` float32 or float16, in the corpus's order; an array on disk (see
            :class:`index.VectorStore`) is gone through once, ``chunk`` rows at a time. Scores are float32 either way.
        corpus: says what is relevant, and in which languages.
        top_k: depth of the top list; all candidates, if there are fewer.
        block: queries scored at a time.
        chunk: candidates scored at a time.
        shared: several processes share the queries, and each has all ranks in the end: all must ask for the same.
            If false, each ranks its own.

    Raises:
        InputError: vectors that do not fit the corpus or each other, or are not finite.
    """
    queries = _checked_queries(query_vectors, candidate_vectors, corpus)
    edges, columns = _language_edges(corpus), _padded_relevant(corpus)
    own, width, k = (
        _segment_of(columns, edges),
        min(chunk, len(candidate_vectors)),
        min(top_k, len(candidate_vectors)),
    )
    number, world = rank_and_world() if shared else (0, 1)
    blocks = _blocks(len(queries), block)[number::world]
    wanted = (
        _relevant_scores(queries, candidate_vectors, columns, blocks, width)
        if width < len(candidate_vectors)
        else None
    )
    pool, alone = torch.zeros_like(columns), torch.zeros_like(columns)
    best, best_scores = torch.full((len(queries), k), -1), torch.full((len(queries), k), -torch.inf)
    with tqdm(
        total=len(blocks) * -(-len(candidate_vectors) // width),
        desc="ranking",
        unit="block",
        disable=not progress or number > 0,
        mininterval=2,
    ) as bar:
        for start in range(0, len(candidate_vectors), width):
            end = min(start + width, len(candidate_vectors))
            part = columns_of(candidate_vectors, np.arange(start, end), width)
            ranges = [
                (max(first, start) - start, min(last, end) - start, language)
                for language, (first, last) in enumerate(zip(edges, edges[1:]))
                if first < end and last > start
            ]
            for rows in blocks:
                scores, here = (
                    scores_of(queries[rows], part)[:, : end - start],
                    columns[rows] - start,
                )
                known = (
                    scores.gather(1, here) if wanted is None else _put(scores, here, wanted[rows])
                )
                above, above_alone = _count_above(scores, known, here, own[rows], ranges)
                pool[rows] += above
                alone[rows] += above_alone
                found, values = top_of(scores, k)
                pick, best_scores[rows] = top_of(torch.cat([best_scores[rows], values], 1), k)
                best[rows] = torch.cat([best[rows], found + start], 1).gather(1, pick)
                bar.update()
    if world > 1:
        pool, alone, best, best_scores = (
            torch.from_numpy(all_sum(_only(part, blocks).numpy()))
            for part in (pool, alone, best, best_scores)
        )
    return Ranking(
        _relevant_frame(corpus, columns, pool + 1, alone + 1),
        best.numpy().astype(np.int32),
        best_scores.numpy(),
    )


def _checked_queries(
    query_vectors: np.ndarray, candidate_vectors: np.ndarray, corpus: RetrievalCorpus
) -> Tensor:
    """The queries as a tensor, once they fit the corpus and the candidates."""
    for name, vectors, frame in (
        ("queries", query_vectors, corpus.queries),
        ("candidates", candidate_vectors, corpus.candidates),
    ):
        if vectors.ndim != 2 or len(vectors) != len(frame):
            raise InputError(
                f"{corpus.name}: has {len(frame):,} {name}, but the vectors are {vectors.shape}; encode this corpus"
            )
    if query_vectors.shape[1] != candidate_vectors.shape[1]:
        raise InputError(
            f"{corpus.name}: vectors of {query_vectors.shape[1]} for the queries and {candidate_vectors.shape[1]} for the candidates; encode both with one encoder"
        )
    return _finite(
        torch.from_numpy(np.ascontiguousarray(query_vectors, dtype=np.float32)),
        "query",
        np.arange(len(query_vectors)),
    )


def _relevant_scores(
    queries: Tensor, candidate_vectors: np.ndarray, columns: Tensor, blocks: list[slice], width: int
) -> Tensor:
    """The scores of ``columns``, ``[queries, relevant]``: of those candidates alone, before all others are gone through."""
    wanted = torch.zeros(columns.shape)
    numbers = torch.unique(columns)
    for start in range(0, len(numbers), width):
        chosen = numbers[start : start + width]
        part = columns_of(candidate_vectors, chosen.numpy(), width)
        for rows in blocks:
            place_of = torch.searchsorted(chosen, columns[rows]).clamp(max=len(chosen) - 1)
            scores = scores_of(queries[rows], part).gather(1, place_of)
            wanted[rows] = torch.where(chosen[place_of] == columns[rows], scores, wanted[rows])
    return wanted


def _put(scores: Tensor, columns: Tensor, wanted: Tensor) -> Tensor:
    """Writes ``wanted`` to those ``columns`` that are among ``scores``: none stands above itself by rounding."""
    row, place_of = ((columns >= 0) & (columns < scores.shape[1])).nonzero(as_tuple=True)
    scores[row, columns[row, place_of]] = wanted[row, place_of]
    return wanted


def _only(values: Tensor, blocks: list[slice]) -> Tensor:
    """Zeros outside these rows."""
    kept = torch.zeros_like(values)
    for rows in blocks:
        kept[rows] = values[rows]
    return kept


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def rank_corrected(
    query_vectors: np.ndarray,
    candidate_vectors: np.ndarray,
    corpus: RetrievalCorpus,
    correction: Correction,
    top_k: int = 10,
    block: int = 256,
) -> Ranking:
    """:func:`rank` with corrected vectors; one pass, or one per query language where the correction asks for it."""
    query_langs, candidate_langs = (
        corpus.queries["lang"].to_numpy(),
        corpus.candidates["lang"].to_numpy(),
    )
    queries = correction.queries(query_vectors, query_langs)
    if not correction.by_query_language:
        return rank(
            queries,
            correction.candidates(candidate_vectors, candidate_langs, ""),
            corpus,
            top_k,
            block,
        )
    everything, parts, rows = np.ones(len(corpus.candidates), dtype=bool), [], []
    for language in np.unique(query_langs):
        asked = query_langs == language
        met = correction.candidates(candidate_vectors, candidate_langs, language)
        part = rank(queries[asked], met, corpus.keep(asked, everything), top_k, block)
        rows.append(np.flatnonzero(asked))
        part.relevant["query"] = rows[-1][part.relevant["query"]]
        parts.append(part)
    order = np.argsort(np.concatenate(rows))
    relevant = pd.concat([part.relevant for part in parts]).sort_values(
        ["query", "candidate"], ignore_index=True
    )
    return Ranking(
        relevant,
        np.concatenate([part.top for part in parts])[order],
        np.concatenate([part.top_scores for part in parts])[order],
    )


def _count_above(
    scores: Tensor, wanted: Tensor, columns: Tensor, own: Tensor, ranges: list[tuple[int, int, int]]
) -> tuple[Tensor, Tensor]:
    """How many of these candidates stand above each relevant one: ``[rows, relevant]``, and how many of its language.

    Args:
        scores: ``[rows, candidates]``.
        wanted: scores of the relevant ones, ``[rows, relevant]``.
        columns: where they stand; below 0 if before these candidates, beyond the last if behind them.
        own: their languages.
        ranges: (first, end, language) of each language's columns.

    Each range is sorted once, then every relevant score is looked up in it. In a range wholly before the relevant
    column equal scores stand above it, in one wholly after they stand below, and in its own range the columns before
    it decide.
    """
    pool, alone = torch.zeros_like(columns), torch.zeros_like(columns)
    for (first, end, language), part in zip(ranges, _sorted_parts(scores, ranges)):
        greater = (end - first) - torch.searchsorted(part, wanted, side="right")
        at_least = (end - first) - torch.searchsorted(part, wanted, side="left")
        above = torch.where(columns >= end, at_least, greater)
        tied = (columns >= first) & (columns < end) & (at_least - greater > 1)
        for row, j in tied.nonzero().tolist():
            above[row, j] += (scores[row, first : columns[row, j]] == wanted[row, j]).sum()
        pool += above
        alone += torch.where(own == language, above, 0)
    return pool, alone


def _sorted_parts(scores: Tensor, ranges: list[tuple[int, int, int]]) -> Iterator[Tensor]:
    """Each range of columns, its rows sorted upwards: by numpy, which is several times faster than torch, in threads."""
    values = scores.numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        yield from map(
            torch.from_numpy,
            threads.map(lambda limits: np.sort(values[:, limits[0] : limits[1]], axis=1), ranges),
        )


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


def _relevant_frame(
    corpus: RetrievalCorpus, columns: Tensor, pool: Tensor, own: Tensor
) -> pd.DataFrame:
    """One row per qrel, in the qrels' order."""
    qrels = corpus.qrels
    place = (qrels["query"].to_numpy(), qrels.groupby("query").cumcount().to_numpy())
    return pd.DataFrame(
        {
            "query": qrels["query"],
            "candidate": qrels["candidate"],
            "grade": qrels["grade"],
            "query_lang": corpus.queries["lang"].to_numpy()[qrels["query"]],
            "candidate_lang": corpus.candidates["lang"].to_numpy()[qrels["candidate"]],
            "rank_pool": pool.numpy()[place],
            "rank_lang": own.numpy()[place],
        }
    )
