"""Rough scores of queries and documents, and by how much the exact ones may be higher.

Where a device multiplies bfloat16 faster than float32, products of rounded vectors show which
documents may be among the best.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hybridlib.errors import InputError
from hybridlib.retrieval.exact import check_finite

_LEAST_LENGTH = 1e-13  # length that shorter vectors are taken to have: their products may vanish


class RoughScores:
    """Scores of queries with a block of documents, from rounded vectors.

    The vectors of an encoder share a direction, and rounding it would hide small differences. So
    the mean q0 of the queries and a mean p0 of documents are taken off before vectors are rounded::

        q p = (q - q0) (p - p0) + q0 p + (q - q0) p0

    The second product is computed once for each document, the third once for each query, in
    float32.

    Args:
        queries: ``[queries, d]`` float32.
        sample: documents to take p0 from, ``[any, d]`` float32.
        block: documents at a time.
        device: where rounded vectors are multiplied.

    Raises:
        InputError: a vector is not finite, or longer than about 1e19.
    """

    def __init__(self, queries: Tensor, sample: Tensor, block: int, device: torch.device) -> None:
        longest = _check_lengths(queries, "query", 0).max()
        _check_lengths(sample, "document", 0)
        form = product_format(device)
        dimension = queries.shape[1]

        # The parts of the queries.
        self.query_mean = queries.mean(0)
        self.sample_mean = sample.mean(0)
        centred = queries - self.query_mean
        self.queries = centred.to(device, form)
        self.of_queries = (centred * self.sample_mean).sum(1)  # float32, whatever @ is set to

        # Errors, over the lengths of p - p0 and of p.
        self.rounding_errors = _rounding_error(form) * _check_lengths(centred, "query", 0)
        self.sum_error = _sum_error(dimension) * longest

        # Memory for a block.
        self.documents = torch.empty(block, dimension, dtype=form, device=device)
        self.of_documents = torch.empty(block)

    def load(self, vectors: Tensor, at: int, start: int) -> float:
        """Take in documents ``[n, d]`` float32; return the length of the longest p - p0.

        Args:
            vectors: of the documents.
            at: number of the first within the block.
            start: row of the first among all documents, for messages.

        Raises:
            InputError: one is not finite, or longer than about 1e19.
        """
        centred = vectors - self.sample_mean
        end = at + len(vectors)
        self.documents[at:end] = centred
        self.of_documents[at:end] = vectors @ self.query_mean
        return float(_check_lengths(centred, "document", start).max())

    def between(self, queries: slice, documents: slice) -> Tensor:
        """Return scores ``[queries, documents]`` (float32, on the CPU) but for (q - q0) p0."""
        product = torch.mm(self.queries[queries], self.documents[documents].T)
        return product.to("cpu", torch.float32).add_(self.of_documents[documents])

    def excess(self, queries: slice, longest: float) -> Tensor:
        """Return by how much scores may be higher than those of :meth:`between`, ``[queries]``.

        That is the third product, which may be negative, and the largest error.

        Args:
            queries: which.
            longest: no p - p0 is longer.
        """
        whole = longest + self.sample_mean.norm()  # no document is longer
        error = self.rounding_errors[queries] * longest + self.sum_error * whole
        return self.of_queries[queries] + error


def product_format(device: torch.device) -> torch.dtype:
    """Return bfloat16 where a device multiplies it faster than float32, otherwise float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        fast = torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def _rounding_error(form: torch.dtype) -> float:
    """Return by how much rounding may change a score, over the lengths of both vectors.

    Rounding changes a vector by half of ``eps`` of its length at most, and a score by as much
    (Cauchy-Schwarz). Two vectors and their product are rounded.
    """
    eps = torch.finfo(form).eps
    return 1.5 * eps * (1 + eps)


def _sum_error(dimension: int) -> float:
    """Return by how much sums in float32 may be off together, over the largest lengths.

    Each is off by half of ``eps`` for every number added, at most. There are four: the three
    products of :class:`RoughScores`, of which two have q - q0, up to twice as long as a query, and
    the exact score. That is 3 times ``eps`` for every dimension. The rest is for single operations.
    """
    return 4 * (dimension + 8) * torch.finfo(torch.float32).eps


def _check_lengths(vectors: Tensor, name: str, start: int) -> Tensor:
    """Return the lengths ``[n]`` of vectors, after checking that scores can be computed.

    Args:
        vectors: ``[n, d]`` float32.
        name: what they are vectors of, for the message.
        start: number of the first, for the message.

    Raises:
        InputError: one is not finite, or so long that its square is not.
    """
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    if not lengths.isfinite().all():
        check_finite(vectors, name, range(start, start + len(vectors)))
        raise InputError(
            f"the vector of {name} {start + int(lengths.isfinite().int().argmin())} is too long "
            "for scores in float32; divide vectors by their length"
        )
    return lengths.clamp(min=_LEAST_LENGTH)
