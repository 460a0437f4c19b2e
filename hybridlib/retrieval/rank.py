"""Exact ranks of the relevant candidates, and the exact top k, from one pass over the scores.

A relevant candidate's rank is 1 + how many candidates score higher; of equal scores the lower
document index comes first. It is counted twice from the same scores: in the whole corpus
(``rank_pool``) and among the candidates of its own language (``rank_lang``). Every setting and
every bias figure is made of these two numbers and the top k.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.distributed import rank_and_world
from hybridlib.errors import InputError
from hybridlib.retrieval.corrections import Correction
from hybridlib.retrieval.counts import Counts
from hybridlib.retrieval.exact import check_encoded, check_finite, workers_for
from hybridlib.retrieval.ranking import Ranking
from hybridlib.retrieval.unit import ChangedRows
from hybridlib.retrieval.vector_store import VectorStore

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

CHUNK = 65_536  # candidates scored at a time


def encode_corpus(
    encoder: DualEncoder,
    corpus: RetrievalCorpus,
    token_budget: int | None = None,
    progress: bool = True,
    folder: Path | None = None,
    replace: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the queries ``[queries, d]`` and candidates ``[candidates, d]``.

    Args:
        encoder: makes the vectors.
        corpus: whose texts they are of.
        token_budget: as in :meth:`DualEncoder.encode`.
        progress: show progress bars.
        folder: keep the vectors of the candidates in this folder, as float16 on disk
            (:class:`VectorStore`): memory does not hold them, and after a kill only the missing
            ones are encoded. None: they are float32 in memory, as those of the queries always are.
        replace: take the place of other vectors in the folder, instead of refusing it.

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
            folder,
            encoder,
            texts,
            token_budget=token_budget,
            progress=progress,
            replace=replace,
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
    device: str | torch.device = "cpu",
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
        device: where scores are computed, such as the encoder's. Ranks follow the same rules on
            all; scores differ by rounding.

    Raises:
        InputError: vectors that do not fit the corpus or each other, or are not finite.
    """
    queries = _checked_queries(query_vectors, candidate_vectors, corpus)
    count = len(candidate_vectors)
    width = min(chunk, count)

    # The threads of a process share a block. The processes take these shares in turn.
    process, processes = rank_and_world() if shared else (0, 1)
    block = max(1, min(block, len(queries)))
    workers = workers_for(block)
    share = -(-block // workers)
    starts = range(0, len(queries), share)
    blocks = [slice(start, start + share) for start in starts][process::processes]

    counts = Counts(corpus, blocks, min(top_k, count), device, workers)
    if width < count:
        counts.score_relevant(queries, candidate_vectors, width)
    with tqdm(
        total=len(blocks) * -(-count // width),
        desc="ranking",
        unit="block",
        disable=not progress or process > 0,
        mininterval=2,
    ) as bar:
        for start in range(0, count, width):
            counts.add_chunk(queries, candidate_vectors, start, width, bar)
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
    device: str | torch.device = "cpu",
) -> Ranking:
    """Rank with corrected vectors, in one pass or in one for each query language.

    Args:
        query_vectors: as in :func:`rank`, as they were before the correction.
        candidate_vectors: likewise. They are corrected when they are read, ``CHUNK`` at a time.
        corpus: as in :func:`rank`.
        correction: has ``by_query_language`` if it needs a pass for each query language.
        top_k: as in :func:`rank`.
        block: as in :func:`rank`.
        device: as in :func:`rank`.
    """
    query_langs = corpus.queries["lang"].to_numpy()
    candidate_langs = pd.Categorical(corpus.candidates["lang"])
    queries = correction.queries(query_vectors, query_langs)

    def corrected_for(query_language: str) -> Any:
        def correct(part: np.ndarray, rows: np.ndarray) -> np.ndarray:
            languages: Any = np.asarray(candidate_langs[rows])
            return correction.candidates(part, languages, query_language)

        return ChangedRows(candidate_vectors, candidate_vectors.shape[1], correct)

    if not correction.by_query_language:
        return rank(queries, corrected_for(""), corpus, top_k, block, device=device)

    # Rank the queries of each language against the candidates as corrected for that language.
    all_candidates = np.ones(len(corpus.candidates), dtype=bool)
    parts = []
    query_rows = []
    for language in np.unique(query_langs):
        in_language = query_langs == language
        part_corpus = corpus.keep(in_language, all_candidates)
        part_queries = queries[in_language]
        candidates = corrected_for(language)
        part = rank(part_queries, candidates, part_corpus, top_k, block, device=device)
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
