"""Counts and top k from the few scores of a block that matter.

A trained encoder leaves few candidates at or above a query's lowest relevant one (3 % of XQuAD-R).
Only these are kept and sorted, all rows at once, as keys of 64 bits: first the row, then the score
from the highest on, then the column. The order of the keys is that of the ranking, ties included.
So a place among the keys is a count of what stands above.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hybridlib.retrieval.exact import top_of

# The bits of a key: 11 of the row, 32 of the score, 20 of the column + 1.
_ROW_SHIFT = 52
_SCORE_SHIFT = 20
_COLUMN_MASK = (1 << _SCORE_SHIFT) - 1
_MOST_ROWS = 1 << 11
_MOST_COLUMNS = _COLUMN_MASK - 1

_MOST_KEPT = 3 / 20  # share of a block; with more, other ways are quicker and need less memory


def kept_keys(scores: Tensor, lowest: Tensor) -> np.ndarray | None:
    """Return the sorted keys of a block's scores from a lowest one on.

    Args:
        scores: ``[rows, candidates]``.
        lowest: of each row, ``[rows]``.

    Returns:
        ``[kept]`` int64; None where these are too many, or the block is too large for keys.
    """
    values = scores.numpy()
    if len(values) > _MOST_ROWS or values.shape[1] > _MOST_COLUMNS:
        return None
    kept = np.flatnonzero(values >= lowest.numpy()[:, None])
    if len(kept) > _MOST_KEPT * values.size:
        return None
    rows, columns = rows_and_columns(kept, values.shape[1])
    return np.sort(_keys(rows, values.take(kept), columns))


def rows_and_columns(places: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of places in a flattened array of so many columns."""
    rows = places // width
    return rows, places - rows * width  # several times faster than np.divmod


def _keys(rows: np.ndarray, scores: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the keys of scores; a column may be -1, before all others, or one behind the last."""
    from_zero = descending_bits(scores) + (1 << 31)
    return (rows << _ROW_SHIFT) + (from_zero << _SCORE_SHIFT) + (columns + 1)


def descending_bits(scores: np.ndarray) -> np.ndarray:
    """Return numbers from -2^31 to 2^31 - 1 (int64): the lower, the higher a score is."""
    # The bits of floats, read as whole numbers, ascend with them; those of negative ones descend.
    # Adding 0 makes -0 the 0 that it equals.
    bits = (scores + np.float32(0)).view(np.int32)
    ascending = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return ~ascending.astype(np.int64)


def from_descending_bits(numbers: np.ndarray) -> np.ndarray:
    """Return the scores (float32) of what :func:`descending_bits` returned."""
    ascending = (~numbers).astype(np.int32)
    return np.where(ascending < 0, ascending ^ 0x7FFFFFFF, ascending).view(np.float32)


def count_above_kept(
    keys: np.ndarray,
    relevant_scores: Tensor,
    columns: Tensor,
    relevant_language: Tensor,
    column_language: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return how many kept candidates stand above each relevant one: of all, of its language.

    Args:
        keys: of the kept scores.
        relevant_scores: of the relevant candidates, ``[rows, relevant]``.
        columns: theirs: below 0 if they stand before these candidates, beyond the last if behind.
        relevant_language: theirs, as numbers from 0 on.
        column_language: of the columns, likewise.
    """
    rows = np.arange(len(columns))[:, None]
    relevant_columns = columns.clamp(-1, len(column_language)).numpy()
    places = np.searchsorted(keys, _keys(rows, relevant_scores.numpy(), relevant_columns))
    in_pool = places - np.searchsorted(keys, rows << _ROW_SHIFT)

    # Put the kept ones in groups of row and language, in which they stay in the order of the keys.
    languages = 1 + max(int(column_language.max()), int(relevant_language.max()))
    key_language = column_language.numpy()[_columns_of(keys)]
    group = (keys >> _ROW_SHIFT) * languages + key_language
    size = len(keys) + 1
    by_group = np.sort(group * size + np.arange(len(keys)))

    # Above a relevant one are those of its group between the group's first place and its own.
    first = (rows * languages + relevant_language.numpy()) * size
    in_language = np.searchsorted(by_group, first + places) - np.searchsorted(by_group, first)
    return torch.from_numpy(in_pool), torch.from_numpy(in_language)


def top_of_kept(keys: np.ndarray, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best columns of each row and their scores, as :func:`top_of` does.

    Args:
        keys: of the kept scores; rows of which fewer than k are kept are looked at as a whole.
        scores: ``[rows, candidates]``.
        k: how many.
    """
    k = min(k, scores.shape[1])
    starts = np.searchsorted(keys, np.arange(len(scores) + 1) << _ROW_SHIFT)
    enough = np.diff(starts) >= k
    best = np.empty((len(scores), k), dtype=np.int64)
    best[enough] = _columns_of(keys[starts[:-1][enough, None] + np.arange(k)])
    if not enough.all():
        best[~enough] = top_of(scores[torch.from_numpy(~enough)], k)[0].numpy()
    columns = torch.from_numpy(best)
    return columns, scores.gather(1, columns)


def _columns_of(keys: np.ndarray) -> np.ndarray:
    """Return the columns that keys hold."""
    return (keys & _COLUMN_MASK) - 1
