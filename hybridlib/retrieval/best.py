"""The best documents of each query, found from rough scores and computed exactly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from hybridlib.retrieval.exact import rows_and_columns
from hybridlib.retrieval.ordering import descending_bits, from_descending_bits

WIDTH = 1024  # documents added at a time, at most

_ROW_BITS = 32  # of a key, behind the 32 bits of the score
_ROW_MASK = (1 << _ROW_BITS) - 1
_NONE = np.iinfo(np.int64).max  # a key behind all others

_ROOM = 64  # columns for new keys, or k if that is more


class Best:
    """The best documents so far of some queries, as keys.

    A key is a whole number. Its high bits are the score, turned round so that high scores come
    first. Its low bits are the document's row. So keys in order are the result in order. Documents
    are added in the order of their rows.

    Args:
        queries: ``[queries, d]`` float32.
        k: documents to find for each.
    """

    def __init__(self, queries: Tensor, k: int) -> None:
        self.queries = queries
        self.k = k
        self.room = max(k, _ROOM)  # for keys behind the k best, so that few merges are needed
        self.keys = np.full((len(queries), k + self.room), _NONE)
        self.used = np.full(len(queries), k)  # of each row: columns that may hold keys
        self.least = np.full((len(queries), 1), -np.inf, dtype=np.float32)  # scores to be exceeded
        self.enters = np.empty((len(queries), WIDTH), dtype=bool)

    def add(self, rough: np.ndarray, excess: np.ndarray, documents: Tensor, start: int) -> None:
        """Add the documents from row ``start`` on.

        A document behind those so far must score higher than the k-th best of them to enter. Few
        do. Where many may, half of them are added first, so that fewer of the others may.

        Args:
            rough: scores as far as they are known, ``[queries, documents]`` float32.
            excess: by how much scores may be higher at most, ``[queries, 1]`` float32.
            documents: ``[documents, d]`` float32, 1,024 at most.
            start: row of the first.
        """
        # Find what may enter, and make room for it.
        queries, size = rough.shape
        bounds = self.least - excess
        enters = np.greater_equal(rough, bounds, out=self.enters[:, :size])
        query, document = rows_and_columns(np.flatnonzero(enters), size)
        counts = np.bincount(query, minlength=queries)
        if (self.used + counts).max() > self.keys.shape[1]:
            self.merge()
        if counts.max() > self.room:
            half = size // 2
            self.add(rough[:, :half], excess, documents[:half], start)
            self.add(rough[:, half:], excess, documents[half:], start + half)
            return

        # Compute those scores, and find what enters.
        scores = scores_of_pairs(self.queries, documents, counts, document)
        better = scores > self.least[query, 0]
        query = query[better]
        keys = (descending_bits(scores[better]) << _ROW_BITS) + (start + document[better])

        # Put the keys of each query side by side, behind those it has.
        counts = np.bincount(query, minlength=queries)
        before = counts.cumsum() - counts
        columns = np.arange(len(keys)) + (self.used - before)[query]
        self.keys[query, columns] = keys
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


def rows_and_scores(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (int64) and scores (float32) of keys."""
    return keys & _ROW_MASK, from_descending_bits(keys >> _ROW_BITS)


def scores_of_pairs(
    queries: Tensor, documents: Tensor, counts: np.ndarray, document: np.ndarray
) -> np.ndarray:
    """Return the dot products (float32) of some pairs of a query and a document.

    Each is added up alone, so equal vectors score equally wherever they stand.

    Args:
        queries: ``[queries, d]`` float32.
        documents: ``[documents, d]`` float32.
        counts: how many pairs each query has; those of a query are side by side.
        document: of each pair.
    """
    ends = torch.from_numpy(counts.cumsum())
    pairs = torch.sparse_csr_tensor(
        torch.cat([ends.new_zeros(1), ends]),
        torch.from_numpy(document),
        torch.zeros(len(document)),
        (len(queries), len(documents)),
        check_invariants=False,
    )
    return torch.sparse.sampled_addmm(pairs, queries, documents.T, beta=0).values().numpy()


@contextmanager
def quiet_sparse() -> Iterator[None]:
    """Keep PyTorch from warning that its sparse tensors are in beta state, in every thread."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        yield
