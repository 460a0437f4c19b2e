"""Exact ranks of the relevant candidates, and the exact top k, from one pass over blocks of scores.

A relevant candidate's rank is 1 + how many candidates score higher; at equal scores the lower document index
comes first. It is taken twice from the same scores: in the whole corpus (``rank_pool``) and among the candidates
of its own language (``rank_lang``). Every setting and every bias figure is made of these two numbers and the top k.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hybridlib.errors import InputError


def _finite(vectors: Tensor, name: str, rows: np.ndarray) -> Tensor:
    """The vectors themselves; scores of others would rank anyhow."""
    good = vectors.isfinite().all(1)
    if not good.all():
        raise InputError(
            f"the vector of {name} {rows[int(good.int().argmin())]} is not finite; encode in float32 or bfloat16, and look at what was trained"
        )
    return vectors


def columns_of(vectors: np.ndarray, rows: np.ndarray, width: int) -> Tensor:
    """These candidates as ``[d, width]`` float32, zeros behind the last; the width is filled up to a multiple of 64. A
    product's last columns may round differently where they are fewer, and equal vectors are to score equally wherever
    they stand."""
    part = torch.from_numpy(np.asarray(vectors[rows], dtype=np.float32))
    _finite(part, "candidate", rows)
    return nn.functional.pad(part, (0, 0, 0, -(-width // 64) * 64 - len(part))).T


def scores_of(queries: Tensor, candidates: Tensor) -> Tensor:
    """``queries @ candidates``, ``[rows, width]``, for candidates as :func:`columns_of` gives them. Rows are filled up
    to a multiple of 32, because a product of few rows may round differently: so a query's scores do not depend on how
    many others are scored with it."""
    fill = -len(queries) % 32
    return (nn.functional.pad(queries, (0, 0, 0, fill)) @ candidates)[: len(queries)]


def top_of(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best columns of each row, best first, equal scores by column; ``[rows, k]`` columns and scores."""
    values, columns = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    if values.shape[1] > k:
        cut = (
            values[:, k - 1] == values[:, k]
        )  # a tie across the cut: topk may have kept any of the equals
        for row in torch.nonzero(cut).flatten().tolist():
            order = torch.sort(scores[row], descending=True, stable=True)
            values[row], columns[row] = order.values[: k + 1], order.indices[: k + 1]
        values, columns = values[:, :k], columns[:, :k]
    columns, by_column = columns.sort(dim=1)
    values, by_score = values.gather(1, by_column).sort(dim=1, descending=True, stable=True)
    return columns.gather(1, by_score), values
