"""The exact top k of a corpus that may be larger than memory, from one pass over its vectors.

It runs in one process or in all those that accelerate or torch.distributed has connected; then
every process must make the same call.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.retrieval.best import WIDTH, Best, quiet_sparse, rows_and_scores
from hybridlib.retrieval.exact import as_tensor, shared_threads, workers_for
from hybridlib.retrieval.rough import RoughScores
from hybridlib.retrieval.vector_store import VectorStore

_QUERIES = 1024  # queries scored at a time: bounds the block of scores


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
    ``8 * (block + queries) * d + queries * (32 * k + 2000)`` bytes and some MB, however many
    documents there are.

    Where products in bfloat16 are faster, they show which documents may be among the best; the
    scores of those are computed in float32. Equal vectors score equally wherever they stand.

    Args:
        query_vectors: ``[queries, d]`` float32.
        store: a store, or ``[documents, d]`` float16 or float32, such as a memory-mapped array.
        k: how many; all documents, if there are fewer.
        block: documents scored at a time.
        progress: show a progress bar.
        device: where rough scores are computed, such as the encoder's; the rest is on the CPU.

    Returns:
        Rows ``[queries, k]`` (int64) and scores ``[queries, k]`` (float32), best first; the same in
        every process.

    Raises:
        InputError: shapes that do not fit; queries or documents that are not finite, or longer than
            about 1e19; a k or block below 1.
    """
    documents = store.vectors if isinstance(store, VectorStore) else store
    queries = _checked_queries(query_vectors, documents, k, block)
    k = min(k, len(documents))

    # Every process searches a run of whole blocks.
    process, processes = connect()
    blocks = -(-len(documents) // block)
    first = blocks * process // processes * block
    end = min(blocks * (process + 1) // processes * block, len(documents))
    show = progress and process == 0
    block = min(block, len(documents))
    with torch.inference_mode(False):  # its threads write to its tensors, whatever the mode here
        work = _Search(queries, as_tensor(documents), k, block, torch.device(device))
    top = work.run(range(first, end), show)
    if processes > 1:
        top = _merge_processes(top, processes)
    return rows_and_scores(top)


class _Search:
    """A search of some queries, by threads that each take some of the queries.

    Rough scores show which documents may be among the best; the scores of those are computed
    exactly.

    Args:
        queries: ``[queries, d]`` float32.
        documents: ``[documents, d]``, all of them.
        k: how many are to be found.
        block: documents in memory at a time.
        device: where rough scores are computed.
    """

    def __init__(
        self, queries: Tensor, documents: Tensor, k: int, block: int, device: torch.device
    ) -> None:
        self.documents = documents
        self.block = block

        # Of w threads, each takes every w-th share of the queries.
        together = min(len(queries), _QUERIES)
        self.workers = workers_for(together)
        size = -(-together // self.workers)
        self.shares = [slice(first, first + size) for first in range(0, len(queries), size)]
        self.best = [Best(queries[share], k) for share in self.shares]

        # Memory for a block, used again.
        self.in_place = documents.dtype == torch.float32 and documents.is_contiguous()
        self.loaded = torch.empty(0 if self.in_place else block, queries.shape[1])
        self.rough = RoughScores(queries, documents[:WIDTH].float(), block, device)

    def run(self, rows: range, progress: bool) -> np.ndarray:
        """Search some rows; return the keys of the best, ``[queries, k]``, in order."""
        starts = range(rows.start, rows.stop, self.block)
        bar = tqdm(starts, "searching", unit="block", disable=not progress, mininterval=2)
        with shared_threads(self.workers) as threads, quiet_sparse():
            for start in bar:
                size = min(self.block, rows.stop - start)
                stored = self.documents[start : start + size]
                vectors = stored if self.in_place else self.loaded[:size]
                load = partial(self._load, stored=stored, vectors=vectors, start=start)
                longest = max(threads.map(load, range(self.workers)))
                add = partial(self._add, vectors=vectors, longest=longest, start=start)
                list(threads.map(add, range(self.workers)))
        return np.concatenate([best.in_order() for best in self.best])

    def _load(self, worker: int, stored: Tensor, vectors: Tensor, start: int) -> float:
        """Read a worker's parts of the block from row ``start`` on; return the longest length."""
        longest = 0.0
        for first in range(worker * WIDTH, len(stored), self.workers * WIDTH):
            part = vectors[first : first + WIDTH]
            if not self.in_place:
                part.copy_(stored[first : first + WIDTH])
            longest = max(longest, self.rough.load(part, first, start + first))
        return longest

    def _add(self, worker: int, vectors: Tensor, longest: float, start: int) -> None:
        """Add the block to the best of a worker's queries."""
        for number in range(worker, len(self.shares), self.workers):
            share = self.shares[number]
            excess = self.rough.excess(share, longest)[:, None].numpy()
            for first in range(0, len(vectors), WIDTH):
                part = vectors[first : first + WIDTH]
                scores = self.rough.between(share, slice(first, first + len(part))).numpy()
                self.best[number].add(scores, excess, part, start + first)


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
    return torch.from_numpy(np.ascontiguousarray(query_vectors, dtype=np.float32))
