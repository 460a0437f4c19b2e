"""The exact top k of a corpus that may be larger than memory, from one pass over its vectors.

It runs in one process or in all those that accelerate or torch.distributed has connected; then
every process must make the same call.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm.auto import tqdm

from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.retrieval.exact import (
    check_finite,
    check_scores,
    rows_and_columns,
    shared_threads,
    workers_for,
)
from hybridlib.retrieval.ordering import descending_bits, from_descending_bits
from hybridlib.retrieval.vector_store import VectorStore

_QUERIES = 1024  # queries scored at a time: bounds the block of scores
_WIDTH = 1024  # documents scored at a time: their scores are read before they leave the cache

_ROW_BITS = 32  # of a key, behind the 32 bits of the score
_ROW_MASK = (1 << _ROW_BITS) - 1
_NONE = np.iinfo(np.int64).max  # a key behind all others

_ROOM = 64  # documents that may enter at a time, if k is not more


def search(
    query_vectors: np.ndarray,
    store: VectorStore | np.ndarray,
    k: int,
    block: int = 16_384,
    progress: bool = False,
    device: str | torch.device = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` documents of highest dot product for each query, equal scores by lower row.

    Documents pass through memory once, ``block`` at a time. Beside the queries that takes about
    ``4 * block * d + queries * (32 * k + 2000)`` bytes and some MB, however many documents there
    are. All products have the same shape, so that equal vectors score equally wherever they stand.

    Args:
        query_vectors: ``[queries, d]`` float32.
        store: a store, or ``[documents, d]`` float16 or float32, such as a memory-mapped array.
        k: how many; all documents, if there are fewer.
        block: documents scored at a time.
        progress: show a progress bar.
        device: where scores are computed, such as the encoder's.

    Returns:
        Rows ``[queries, k]`` (int64) and scores ``[queries, k]`` (float32), best first; the same in
        every process.

    Raises:
        InputError: shapes that do not fit; queries, documents or scores that are not finite; a k or
            block below 1.
    """
    documents = store.vectors if isinstance(store, VectorStore) else store
    queries = _checked_queries(query_vectors, documents, k, block).to(device)
    k = min(k, len(documents))

    # Every process searches a run of whole blocks.
    process, processes = connect()
    blocks = -(-len(documents) // block)
    first = blocks * process // processes * block
    end = min(blocks * (process + 1) // processes * block, len(documents))
    show = progress and process == 0
    block = min(block, len(documents))
    top = _search_range(queries, documents, k, block, range(first, end), show)
    if processes > 1:
        top = _merge_processes(top, processes)
    return top & _ROW_MASK, from_descending_bits(top >> _ROW_BITS)


class _Best:
    """The best documents so far of some queries, as keys.

    A key is a whole number. Its high bits are the score, turned round so that high scores come
    first. Its low bits are the document's row. So keys in order are the result in order. Documents
    are added in the order of their rows.

    Args:
        queries: how many.
        k: documents to find for each.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.room = max(k, _ROOM)  # for keys behind the k best, so that few merges are needed
        self.keys = np.full((queries, k + self.room), _NONE)
        self.used = np.full(queries, k)  # of each row: columns that may hold keys
        self.least = np.full((queries, 1), -np.inf, dtype=np.float32)  # scores to be exceeded
        self.enters = np.empty((queries, _WIDTH), dtype=bool)

    def add(self, scores: np.ndarray, start: int) -> None:
        """Add scores ``[queries, documents]`` of the documents from ``start`` on, 1,024 at most.

        A document behind those so far must score higher than the k-th best of them to enter. Few
        do. Where many do, half of the documents are added first, so that fewer of the others enter.
        """
        # Find what enters, and make room for it.
        queries, documents = scores.shape
        enters = np.greater(scores, self.least, out=self.enters[:, :documents])
        entering = np.flatnonzero(enters)
        query, document = rows_and_columns(entering, documents)
        counts = np.bincount(query, minlength=queries)
        if (self.used + counts).max() > self.keys.shape[1]:
            self.merge()
        if counts.max() > self.room:
            half = documents // 2
            self.add(np.ascontiguousarray(scores[:, :half]), start)
            self.add(np.ascontiguousarray(scores[:, half:]), start + half)
            return

        # Put the keys of each query side by side, behind those it has.
        keys = (descending_bits(scores.take(entering)) << _ROW_BITS) + (start + document)
        before = counts.cumsum() - counts
        first = np.arange(queries) * self.keys.shape[1] + self.used
        places = np.arange(len(keys)) + np.repeat(first - before, counts)
        self.keys.reshape(-1)[places] = keys
        self.used += counts

    def merge(self) -> None:
        """Keep the k best keys, in any order."""
        self.keys[:, : self.used.max()].partition(self.k - 1, axis=1)
        self.keys[:, self.k :] = _NONE
        self.used[:] = self.k
        kth = self.keys[:, self.k - 1 : self.k]
        found = kth != _NONE
        self.least[found] = from_descending_bits(kth[found] >> _ROW_BITS)

    def in_order(self) -> np.ndarray:
        """Return the k best keys, ``[queries, k]``."""
        self.merge()
        return np.sort(self.keys[:, : self.k], axis=1)


def _search_range(
    queries: Tensor, documents: np.ndarray, k: int, block: int, rows: range, progress: bool
) -> np.ndarray:
    """Return the keys of the best of some rows, ``[queries, k]``, in order.

    Args:
        queries: ``[queries, d]``, on the device where scores are computed.
        documents: all of them.
        k: how many.
        block: documents scored at a time.
        rows: of the documents to look at.
        progress: show a progress bar.
    """
    stored = _as_tensor(documents)
    device = queries.device
    on_device = stored.device == device and stored.dtype == torch.float32
    in_place = on_device and stored.is_contiguous()

    # Every thread searches for some queries at a time.
    together = min(len(queries), _QUERIES)
    workers = workers_for(together)
    shares = queries.split(-(-together // workers))
    best = [_Best(len(share), k) for share in shares]

    # Memory for one block of documents and of scores, used again. Both are padded, as few rows or
    # columns may round differently.
    shares = [nn.functional.pad(share, (0, 0, 0, -len(share) % 32)) for share in shares]
    width = min(-(-block // 64) * 64, _WIDTH)
    padded = -(-block // width) * width
    loaded = torch.zeros(padded, queries.shape[1], device=device)
    products = torch.empty(workers, len(shares[0]), width, device=device)

    def load(worker: int, start: int, size: int) -> None:
        first = size * worker // workers
        end = size * (worker + 1) // workers
        loaded[first:end].copy_(stored[start + first : start + end])

    def add(worker: int, vectors: Tensor, start: int, size: int) -> None:
        for first in range(0, size, width):
            part = vectors[first : first + width]
            end = min(width, size - first)
            for number in range(worker, len(shares), workers):
                product = products[worker, : len(shares[number])]
                scores = torch.mm(shares[number], part.T, out=product).cpu()
                if not scores.sum().isfinite():
                    check_finite(part[:end], "document", range(start + first, start + first + end))
                    check_scores(scores)
                scores[:, end:] = -torch.inf
                best[number].add(scores[: len(best[number].keys)].numpy(), start + first)

    starts = range(rows.start, rows.stop, block)
    bar = tqdm(starts, "searching", unit="block", disable=not progress, mininterval=2)
    with shared_threads(workers) as threads:
        for start in bar:
            size = min(block, rows.stop - start)
            if in_place and size == padded:
                vectors = stored[start : start + size]
            else:
                list(threads.map(partial(load, start=start, size=size), range(workers)))
                vectors = loaded
            work = partial(add, vectors=vectors, start=start, size=size)
            list(threads.map(work, range(workers)))
    return np.concatenate([part.in_order() for part in best])


def _merge_processes(top: np.ndarray, processes: int) -> np.ndarray:
    """Return the best of all processes."""
    parts: list[np.ndarray | None] = [None] * processes
    dist.all_gather_object(parts, top)
    found = [part for part in parts if part is not None]
    return np.sort(np.concatenate(found, axis=1), axis=1)[:, : top.shape[1]]


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
