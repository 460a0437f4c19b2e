"""Retrieval over a corpus larger than memory: vectors on disk, and the exact top k from one pass over them.

A :class:`VectorStore` is a folder: ``vectors.npy`` (float16, memory-mapped), ``store.json`` (what they are vectors
of) and ``done-<process>.txt`` (``#`` for each block of texts whose vectors are on disk, ``.`` for the others).
Building can be killed at any moment and takes up where it stopped. Everything here runs in one process or in all
those that accelerate or torch.distributed has connected; then every process must make the same calls.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.retrieval.exact import top_of
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
    """The ``k`` documents of highest dot product for each query: exact, equal scores by lower row.

    Documents pass through memory once, ``block`` at a time. Beside the queries and the result that takes about
    ``4 * block * (d + min(queries, 1024))`` bytes, however many documents there are. All products have the same
    shape, so that equal vectors score equally wherever they stand.

    Args:
        query_vectors: ``[queries, d]`` float32.
        store: a store, or ``[documents, d]`` float16 or float32, such as a memory-mapped array.
        k: how many; all documents, if there are fewer.
        block: documents scored at a time; more than 32 * k of them save time when k is large.

    Returns:
        Rows ``[queries, k]`` (int64) and scores ``[queries, k]`` (float32), best first; the same in every process.

    Raises:
        InputError: shapes that do not fit, queries or documents that are not finite, a k or block below 1.
    """
    documents = store.vectors if isinstance(store, VectorStore) else store
    queries, k = _check_search(query_vectors, documents, k, block), min(k, len(documents))
    process, processes = connect()
    blocks = -(-len(documents) // block)
    first, end = (
        blocks * process // processes * block,
        min(blocks * (process + 1) // processes * block, len(documents)),
    )
    best = _search_range(
        queries, documents, k, min(block, len(documents)), first, end, progress and process == 0
    )
    if processes > 1:
        best = _merge_processes(best, k, processes)
    return best.rows.numpy(), best.scores.numpy()


@dataclass
class _Best:
    """The best so far, in descending order: scores (float32) and rows (int64) ``[queries, k]``; -inf and -1 stand
    for none yet."""

    scores: Tensor
    rows: Tensor

    def add_block(self, queries: slice, scores: Tensor, start: int) -> None:
        """Merge in scores ``[documents, queries]`` of rows ``start`` onwards, all later than the rows so far.

        A row so late must score higher than the k-th best to enter. Few do, so groups of _GROUP rows are judged by
        their maximum, and for the queries that have a promising one the best groups alone are looked into: as many
        as are promising, or k, for k groups hold k rows at least as good as any in another group. ``documents`` is
        a multiple of _GROUP.
        """
        groups = scores.view(-1, _GROUP, scores.shape[1])
        maxima = groups.amax(1).T
        promising = (maxima > self.scores[queries, -1:]).sum(1)
        line = torch.nonzero(promising).flatten()
        if not len(line):
            return
        group, _ = top_of(maxima[line], min(self.scores.shape[1], int(promising.max())))
        group = group.sort(1).values
        rows = start + (group[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1)
        self._merge(line + queries.start, rows, groups[group, :, line[:, None]].flatten(1))

    def _merge(self, query: Tensor, rows: Tensor, scores: Tensor) -> None:
        """Merge rows and scores ``[some queries, any]``, in ascending order of row and later than the rows so far:
        what comes first of equals stays first."""
        k = self.scores.shape[1]
        columns, self.scores[query] = top_of(torch.cat([self.scores[query], scores], 1), k)
        self.rows[query] = torch.cat([self.rows[query], rows], 1).gather(1, columns)


def _search_range(
    queries: Tensor, documents: np.ndarray, k: int, block: int, first: int, end: int, progress: bool
) -> _Best:
    """The best among the documents ``[first, end)``."""
    best = _Best(torch.full((len(queries), k), -torch.inf), torch.full((len(queries), k), -1))
    padded = -(-block // _GROUP) * _GROUP
    stored, loaded = _as_tensor(documents), torch.zeros(padded, queries.shape[1])
    products = torch.empty(padded * min(_QUERIES, len(queries)))
    for start in tqdm(
        range(first, end, block),
        desc="searching",
        unit="block",
        disable=not progress,
        mininterval=2,
    ):
        size = min(block, end - start)
        loaded[:size].copy_(stored[start : start + size])
        if not loaded[:size].sum().isfinite():
            _refuse_documents(loaded[:size], start)
        for at in range(0, len(queries), _QUERIES):
            part = queries[at : at + _QUERIES]
            scores = products[: padded * len(part)].view(padded, len(part))
            torch.mm(loaded, part.T, out=scores)
            scores[size:] = -torch.inf
            best.add_block(slice(at, at + len(part)), scores, start)
    return best


def _merge_processes(best: _Best, k: int, processes: int) -> _Best:
    """The best of all processes, in each of them; each searched later documents than the one before it."""
    found: list[tuple[np.ndarray, np.ndarray]] = [None] * processes
    dist.all_gather_object(found, (best.rows.numpy(), best.scores.numpy()))
    rows, scores = (
        torch.cat([torch.from_numpy(part) for part in parts], 1) for parts in zip(*found)
    )
    columns, values = top_of(scores, k)
    return _Best(values, rows.gather(1, columns))


def _check_search(query_vectors: np.ndarray, documents: np.ndarray, k: int, block: int) -> Tensor:
    """The queries as a tensor, once everything fits together."""
    if (
        query_vectors.ndim != 2
        or documents.ndim != 2
        or query_vectors.shape[1] != documents.shape[1]
    ):
        raise InputError(
            f"queries {query_vectors.shape} and documents {documents.shape} do not fit: both must be [rows, d], with one d; are they of the same encoder?"
        )
    if not len(documents) or not len(query_vectors):
        raise InputError(
            f"nothing to search: {len(query_vectors)} queries, {len(documents)} documents"
        )
    if documents.dtype not in (np.float16, np.float32):
        raise InputError(f"documents are {documents.dtype}; store them as float16 or float32")
    if k < 1 or block < 1:
        raise InputError(f"k is {k} and block {block}; both must be 1 or more")
    queries = np.ascontiguousarray(query_vectors, dtype=np.float32)
    if not np.isfinite(queries).all():
        raise InputError(
            f"query {int(np.argmin(np.isfinite(queries).all(1)))} is not finite; encode it again"
        )
    return torch.from_numpy(queries)


def _refuse_documents(loaded: Tensor, start: int) -> None:
    """An error where a vector is not of numbers; a sum can also overflow without one."""
    good = loaded.isfinite().all(1)
    if not good.all():
        raise InputError(
            f"document {start + int(good.int().argmin())} is not finite; encode it again"
        )


def _as_tensor(vectors: np.ndarray) -> Tensor:
    """The array itself as a tensor, that nobody writes to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(vectors)
