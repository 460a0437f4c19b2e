"""The exact top k of a corpus that may be larger than memory, from one pass over its vectors.

It runs in one process or in all those that accelerate or torch.distributed has connected; then
every process must make the same call.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.retrieval.exact import TopK, check_finite, top_of
from hybridlib.retrieval.vector_store import VectorStore

_QUERIES = 1024  # queries scored at a time: bounds the block of scores

_GROUP = 32  # documents whose best score is taken before any single one is looked at


def search(
    query_vectors: np.ndarray,
    store: VectorStore | np.ndarray,
    k: int,
    block: int = 16_384,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` documents of highest dot product for each query, equal scores by lower row.

    Documents pass through memory once, ``block`` at a time. Beside the queries and the result that
    takes about ``4 * block * (d + min(queries, 1024))`` bytes, however many documents there are.
    All products have the same shape, so that equal vectors score equally wherever they stand.

    Args:
        query_vectors: ``[queries, d]`` float32.
        store: a store, or ``[documents, d]`` float16 or float32, such as a memory-mapped array.
        k: how many; all documents, if there are fewer.
        block: documents scored at a time; more than 32 * k of them save time when k is large.
        progress: show a progress bar.

    Returns:
        Rows ``[queries, k]`` (int64) and scores ``[queries, k]`` (float32), best first; the same in
        every process.

    Raises:
        InputError: shapes that do not fit, queries or documents that are not finite, a k or block
            below 1.
    """
    documents = store.vectors if isinstance(store, VectorStore) else store
    queries = _checked_queries(query_vectors, documents, k, block)
    top = TopK(len(queries), min(k, len(documents)))

    # Every process searches a run of whole blocks.
    process, processes = connect()
    blocks = -(-len(documents) // block)
    first = blocks * process // processes * block
    end = min(blocks * (process + 1) // processes * block, len(documents))
    show = progress and process == 0
    _search_range(top, queries, documents, min(block, len(documents)), range(first, end), show)
    if processes > 1:
        top = _merge_processes(top, processes)
    return top.rows.numpy(), top.scores.numpy()


def _search_range(
    top: TopK, queries: Tensor, documents: np.ndarray, block: int, rows: range, progress: bool
) -> None:
    """Add the documents of some rows to the best so far."""
    stored = _as_tensor(documents)
    # Memory for one block of documents and of scores, padded to whole groups and used again.
    padded = -(-block // _GROUP) * _GROUP
    loaded = torch.zeros(padded, queries.shape[1])
    products = torch.empty(padded * min(_QUERIES, len(queries)))
    for start in tqdm(
        range(rows.start, rows.stop, block),
        desc="searching",
        unit="block",
        disable=not progress,
        mininterval=2,
    ):
        size = min(block, rows.stop - start)
        loaded[:size].copy_(stored[start : start + size])
        check_finite(loaded[:size], "document", range(start, start + size))
        for at in range(0, len(queries), _QUERIES):
            part = queries[at : at + _QUERIES]
            scores = products[: padded * len(part)].view(padded, len(part))
            torch.mm(loaded, part.T, out=scores)
            scores[size:] = -torch.inf
            _add_block(top, at, scores, start)


def _add_block(top: TopK, first_query: int, scores: Tensor, start: int) -> None:
    """Add a block of scores to the best so far.

    A document behind those so far must score higher than the k-th best of them to enter. Few do. So
    groups of documents are judged by their best score, and only groups that may hold one that
    enters are looked into.

    Args:
        top: the best so far.
        first_query: number of the block's first query.
        scores: ``[documents, queries]``; the documents are a multiple of the group size.
        start: row of the block's first document, behind all rows so far.
    """
    groups = scores.view(-1, _GROUP, scores.shape[1])
    maxima = groups.amax(1).T  # [queries, groups]
    kth_best = top.scores[first_query : first_query + scores.shape[1], -1:]
    promising = (maxima > kth_best).sum(1)  # groups of each query
    chosen = torch.nonzero(promising).flatten()
    if not len(chosen):
        return

    # The best groups of the queries that have a promising one: as many as are promising, or k, as k
    # groups hold k documents at least as good as any in another group.
    best_groups, _ = top_of(maxima[chosen], min(top.k, int(promising.max())))
    best_groups = best_groups.sort(1).values

    # All documents of these groups, in ascending order.
    rows = start + (best_groups[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1)
    candidates = groups[best_groups, :, chosen[:, None]].flatten(1)
    top.merge(chosen + first_query, rows, candidates)


def _merge_processes(top: TopK, processes: int) -> TopK:
    """Return the best of all processes; each searched later documents than the one before it."""
    parts: list[tuple[Tensor, Tensor] | None] = [None] * processes
    dist.all_gather_object(parts, (top.rows, top.scores))
    merged = TopK(*top.rows.shape)
    for part in parts:
        if part is not None:
            merged.merge(slice(None), *part)
    return merged


def _checked_queries(
    query_vectors: np.ndarray, documents: np.ndarray, k: int, block: int
) -> Tensor:
    """Return the queries as a tensor, after checking that all arguments fit together."""
    two_dimensional = query_vectors.ndim == documents.ndim == 2
    if not two_dimensional or query_vectors.shape[1] != documents.shape[1]:
        raise InputError(
            f"queries {query_vectors.shape} and documents {documents.shape} do not fit: "
            "both must be [rows, d], with one d; are they of the same encoder?"
        )
    if not len(documents) or not len(query_vectors):
        raise InputError(
            f"nothing to search: {len(query_vectors)} queries, {len(documents)} documents"
        )
    if documents.dtype not in (np.float16, np.float32):
        raise InputError(f"documents are {documents.dtype}; store them as float16 or float32")
    if k < 1 or block < 1:
        raise InputError(f"k is {k} and block {block}; both must be 1 or more")
    queries = torch.from_numpy(np.ascontiguousarray(query_vectors, dtype=np.float32))
    check_finite(queries, "query", range(len(queries)))
    return queries


def _as_tensor(vectors: np.ndarray) -> Tensor:
    """Return the array as a tensor on the same memory, which is only read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(vectors)
