"""The exact top k of a corpus that may be larger than memory, from one pass over its vectors.

It runs in one process or in all those that accelerate or torch.distributed has connected; then
every process must make the same call.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm.auto import tqdm

from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.retrieval.exact import check_finite, whole_float32
from hybridlib.retrieval.kept import descending_bits, from_descending_bits
from hybridlib.retrieval.vector_store import VectorStore

_QUERIES = 1024  # queries scored at a time: bounds the block of scores

_ROW_BITS = 32  # of a key, behind the 32 bits of the score
_ROW_MASK = (1 << _ROW_BITS) - 1
_NONE = np.iinfo(np.int64).max  # a key behind all others

_MOST_KEPT = 1 / 16  # share of a block's scores that may enter at a time, which bounds the memory
_NARROW = 256  # documents that enter at a time in any case


def search(
    query_vectors: np.ndarray,
    store: VectorStore | np.ndarray,
    k: int,
    block: int = 4096,
    progress: bool = False,
    device: str | torch.device = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` documents of highest dot product for each query, equal scores by lower row.

    Documents pass through memory once, ``block`` at a time. Beside the queries and the result that
    takes about ``4 * block * (d + min(queries, 1024))`` bytes, however many documents there are.
    All products have the same shape, so that equal vectors score equally wherever they stand.

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
    top = np.full((len(queries), min(k, len(documents))), _NONE)

    # Every process searches a run of whole blocks.
    process, processes = connect()
    blocks = -(-len(documents) // block)
    first = blocks * process // processes * block
    end = min(blocks * (process + 1) // processes * block, len(documents))
    show = progress and process == 0
    _search_range(top, queries, documents, min(block, len(documents)), range(first, end), show)
    if processes > 1:
        top = _merge_processes(top, processes)
    if (top == _NONE).any():
        raise InputError("scores are not finite: the vectors are too long; divide by their length")
    return top & _ROW_MASK, from_descending_bits(top >> _ROW_BITS)


def _search_range(
    top: np.ndarray, queries: Tensor, documents: np.ndarray, block: int, rows: range, progress: bool
) -> None:
    """Add the documents of some rows to the best so far.

    Args:
        top: keys of the best so far, ``[queries, k]``: a key is a score, from the highest on, and
            behind it the document's row. So the order of the keys is that of the result.
        queries: ``[queries, d]``, on the device where scores are computed.
        documents: all of them.
        block: documents scored at a time.
        rows: of the documents to add.
        progress: show a progress bar.
    """
    stored = _as_tensor(documents)
    device = queries.device
    on_device = stored.device == device and stored.dtype == torch.float32
    in_place = on_device and stored.is_contiguous()
    threads = torch.get_num_threads()
    # Memory for one block of documents and of scores, used again. Both are padded, as few rows or
    # columns may round differently.
    padded = -(-block // 64) * 64
    loaded = torch.zeros(padded, queries.shape[1], device=device)
    parts = [
        nn.functional.pad(part, (0, 0, 0, -len(part) % 32)) for part in queries.split(_QUERIES)
    ]
    products = torch.empty(len(parts[0]), padded, device=device)
    starts = range(rows.start, rows.stop, block)
    bar = tqdm(starts, "searching", unit="block", disable=not progress, mininterval=2)
    with whole_float32(), ThreadPoolExecutor(threads) as pool:
        for start in bar:
            size = min(block, rows.stop - start)
            if in_place and size == padded:
                vectors = stored[start : start + size]
            else:
                loaded[:size].copy_(stored[start : start + size])
                vectors = loaded
            check_finite(vectors[:size], "document", range(start, start + size))
            for number, part in enumerate(parts):
                scores = torch.mm(part, vectors.T, out=products[: len(part)]).cpu().numpy()
                scores[:, size:] = -np.inf
                best = top[number * _QUERIES : (number + 1) * _QUERIES]
                # Every thread adds the scores of some queries.
                tops = np.array_split(best, threads)
                shares = np.array_split(scores[: len(best)], threads)
                list(pool.map(_add, tops, shares, [start] * threads))
    top.sort(axis=1)


def _add(top: np.ndarray, scores: np.ndarray, start: int) -> None:
    """Add scores to the best so far, in place.

    A document behind those so far must score higher than the k-th best of them to enter. Few do.
    Where many do, half of the documents are added first, so that fewer of the others enter.

    Args:
        top: keys of the best so far, ``[queries, k]``; the k-th best is the last, the others are in
            any order.
        scores: ``[queries, documents]``.
        start: row of the first document, behind all rows so far.
    """
    queries, documents = scores.shape
    if not queries:
        return
    last = top[:, -1:]
    kth_best = np.where(last == _NONE, -np.inf, from_descending_bits(last >> _ROW_BITS))
    most = max(_MOST_KEPT * documents, _NARROW, top.shape[1])
    if documents > most and (last == _NONE).any():
        _add_halves(top, scores, start)
        return
    entering = np.flatnonzero(scores > kth_best.astype(np.float32))
    firsts = np.arange(queries + 1) * documents
    counts = np.diff(np.searchsorted(entering, firsts))
    width = int(counts.max())
    if width > most:
        _add_halves(top, scores, start)
        return

    # Put the keys of each query side by side, behind those of its best.
    rows = entering + np.repeat(start - firsts[:-1], counts)
    keys = (descending_bits(scores.ravel()[entering]) << _ROW_BITS) + rows
    new = np.full((queries, width), _NONE)
    new[np.arange(width) < counts[:, None]] = keys
    both = np.concatenate([top, new], axis=1)
    both.partition(top.shape[1] - 1, axis=1)
    top[:] = both[:, : top.shape[1]]


def _add_halves(top: np.ndarray, scores: np.ndarray, start: int) -> None:
    """Add the first half of the documents, then the other."""
    half = scores.shape[1] // 2
    _add(top, np.ascontiguousarray(scores[:, :half]), start)
    _add(top, np.ascontiguousarray(scores[:, half:]), start + half)


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
