"""Scores of vectors and their exact top k, and what ranking and search share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from hybridlib.errors import InputError

_COLUMN_MULTIPLE = 64  # what the widths of score blocks are padded to, for equal rounding
_ROW_MULTIPLE = 32  # and their heights
_COPIED = 4096  # vectors copied at a time
_GROUP = 64  # columns looked at together where the highest are searched
_SHORTEST = 1e-6  # an encoder's vectors have length 1; shorter than this is nothing but rounding


class TopK:
    """The k best candidates of each query so far; of equal scores the lower row comes first.

    Args:
        queries: how many.
        k: candidates kept for each.

    Attributes:
        rows: of the candidates, ``[queries, k]`` int64, best first; -1 stands for none yet.
        scores: theirs, ``[queries, k]`` float32; -inf where there is none yet.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.rows = torch.full((queries, k), -1)
        self.scores = torch.full((queries, k), -torch.inf)

    def merge(self, queries: slice | Tensor, rows: Tensor, scores: Tensor) -> None:
        """Merge in further candidates of some queries.

        Args:
            queries: which; a slice or their numbers.
            rows: of the candidates, ``[these queries, any]``: all behind the rows so far, those of
                equal scores in ascending order. So the first of equals stays the first.
            scores: theirs.
        """
        all_rows = torch.cat([self.rows[queries], rows], dim=1)
        all_scores = torch.cat([self.scores[queries], scores], dim=1)
        columns, best = top_of(all_scores, self.k)
        self.scores[queries] = best
        self.rows[queries] = all_rows.gather(1, columns)


def top_of(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best columns of each row and their scores, ``[rows, k]`` each.

    The best come first, equal scores by column.
    """
    values, columns = _highest(scores, min(k + 1, scores.shape[1]))
    if values.shape[1] > k:
        # Where the k-th best ties with the next one, topk may have kept any of the equals.
        tied = values[:, k - 1] == values[:, k]
        for row in torch.nonzero(tied).flatten().tolist():
            order = torch.sort(scores[row], descending=True, stable=True)
            values[row] = order.values[: k + 1]
            columns[row] = order.indices[: k + 1]
        values = values[:, :k]
        columns = columns[:, :k]
    # Sort by column, then stably by score: equal scores stay in the order of their columns.
    columns, by_column = columns.sort(dim=1)
    values, by_score = values.gather(1, by_column).sort(dim=1, descending=True, stable=True)
    return columns.gather(1, by_score), values


def _highest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row, best first, and their columns.

    Which of equal scores are taken is open.
    """
    groups = scores.shape[1] // _GROUP
    if groups < 4 * k:
        return scores.topk(k, dim=1)

    # The k groups of highest maximum hold k scores that no other group exceeds. So the best are
    # there, or behind the last group.
    maxima = scores[:, : groups * _GROUP].unflatten(1, (groups, _GROUP)).amax(2)
    best = maxima.topk(k, dim=1).indices
    within = best[:, :, None] * _GROUP + torch.arange(_GROUP, device=scores.device)
    behind = torch.arange(groups * _GROUP, scores.shape[1], device=scores.device)
    columns = torch.cat([within.flatten(1), behind.expand(len(scores), -1)], dim=1)

    values, chosen = scores.gather(1, columns).topk(k, dim=1)
    return values, columns.gather(1, chosen)


def as_tensor(vectors: np.ndarray) -> Tensor:
    """Return the array as a tensor on the same memory, which is only read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(vectors)


def rows_and_columns(places: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of places in a flattened array of so many columns."""
    rows = places // width
    return rows, places - rows * width  # several times faster than np.divmod


def columns_of(
    vectors: np.ndarray, rows: np.ndarray, width: int, device: str | torch.device = "cpu"
) -> Tensor:
    """Return some candidates as ``[d, width]`` float32, with zeros behind the last.

    The width is padded to a multiple of 64: the last columns of a product may round differently
    where they are fewer, and equal vectors must score equally wherever they stand.

    Args:
        vectors: of all candidates, ``[candidates, d]``.
        rows: which of them.
        width: of the result before padding, at least ``len(rows)``.
        device: where the result is, and so where scores are computed.

    Raises:
        InputError: a vector is not finite.
    """
    padded = -(-width // _COLUMN_MULTIPLE) * _COLUMN_MULTIPLE
    columns = torch.zeros(padded, vectors.shape[1], device=device)
    # Some at a time, so that memory holds no second copy of all.
    for first in range(0, len(rows), _COPIED):
        some = rows[first : first + _COPIED]
        part = torch.from_numpy(np.asarray(vectors[some], dtype=np.float32))
        check_finite(part, "candidate", some)
        columns[first : first + len(some)] = part
    return columns.T


def scores_of(queries: Tensor, candidates: Tensor) -> Tensor:
    """Return ``queries @ candidates``, ``[rows, width]``.

    Rows are padded to a multiple of 32, because a product of few rows may round differently. So the
    scores of a query do not depend on how many others are scored with it.

    Args:
        queries: ``[rows, d]``.
        candidates: what :func:`columns_of` returns.

    Raises:
        InputError: a score is not finite.
    """
    padding = -len(queries) % _ROW_MULTIPLE
    padded = nn.functional.pad(queries, (0, 0, 0, padding)).to(candidates.device)
    with whole_float32():
        scores = (padded @ candidates)[: len(queries)].cpu()
    _check_scores(scores)
    return scores


def _check_scores(scores: Tensor) -> None:
    """Refuse scores that are not finite, those of finite but very long vectors.

    Raises:
        InputError: there is one.
    """
    # The sum is quick to look at; it can overflow although every score is finite.
    if not scores.sum().isfinite() and not scores.isfinite().all():
        raise InputError("scores are not finite: the vectors are too long; divide by their length")


@contextmanager
def whole_float32() -> Iterator[None]:
    """Multiply and add up in float32 throughout, without TF32 or bfloat16, whatever is set.

    Products of bfloat16 matrices are added up in float32 too.
    """
    before = torch.get_float32_matmul_precision()
    cuda = torch.backends.cuda.matmul
    cuda_before = cuda.allow_bf16_reduced_precision_reduction
    torch.set_float32_matmul_precision("highest")
    cuda.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        cuda.allow_bf16_reduced_precision_reduction = cuda_before


def workers_for(rows: int) -> int:
    """Return how many threads share a block of so many rows: each takes 32 of them or more."""
    return max(1, min(torch.get_num_threads(), rows // _ROW_MULTIPLE))


@contextmanager
def shared_threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads that share the threads of torch among them.

    So a thread does products and the work of numpy between them without waiting for the others.

    Args:
        workers: how many.
    """
    threads = torch.get_num_threads()
    share = max(1, threads // workers)
    try:
        # The precision of products is set for all threads, so outside of them.
        with (
            whole_float32(),
            ThreadPoolExecutor(workers, "", torch.set_num_threads, (share,)) as pool,
        ):
            yield pool
    finally:
        # What a thread sets is also the default of threads that begin later.
        torch.set_num_threads(threads)


def check_finite(vectors: Tensor, name: str, rows: Sequence[int | str] | np.ndarray) -> None:
    """Refuse vectors that are not finite; their scores would rank without an error.

    Args:
        vectors: ``[n, d]``.
        name: what they are vectors of, for the message.
        rows: their numbers, for the message.

    Raises:
        InputError: the first such vector.
    """
    # The sum is quick to look at; it can overflow although every vector is finite.
    if vectors.sum().isfinite():
        return
    finite = vectors.isfinite().all(1)
    if not finite.all():
        raise InputError(
            f"the vector of {name} {rows[int(finite.int().argmin())]} is not finite; "
            "encode in float32 or bfloat16, and look at what was trained"
        )


def check_encoded(vectors: np.ndarray, name: str, ids: Sequence[int | str] | np.ndarray) -> None:
    """Refuse vectors of an encoder that are not finite, or zero: they have no cosine.

    Args:
        vectors: ``[n, d]``.
        name: what they are vectors of, for the message.
        ids: theirs, for the message.

    Raises:
        InputError: the first such vector.
    """
    tensor = torch.from_numpy(np.asarray(vectors, dtype=np.float32))
    check_finite(tensor, name, ids)
    zero = tensor.norm(dim=1) < _SHORTEST
    if zero.any():
        raise InputError(
            f"the vector of {name} {ids[int(zero.int().argmax())]} is zero, so it has no cosine; "
            "look at its text, and at what was trained"
        )
