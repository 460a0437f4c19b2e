"""Counting what stands above each relevant candidate in a block of scores."""

from __future__ import annotations

import numpy as np

from hybridlib.retrieval.exact import rows_and_columns

_ROWS = 64  # counted at a time: more would not stay in the cache where many candidates matter


def count_above(
    scores: np.ndarray,
    relevant_scores: np.ndarray,
    columns: np.ndarray,
    lowest: np.ndarray,
    firsts: np.ndarray,
) -> np.ndarray:
    """Return how many candidates of each range of columns stand above each relevant one.

    Above stands what scores higher, or equally in a lower column.

    Args:
        scores: ``[rows, candidates]``.
        relevant_scores: of the relevant candidates, ``[rows, relevant]``.
        columns: theirs. One below 0 stands before this block, one beyond the last behind it.
        lowest: ``[rows]``: at most the lowest relevant score of the row, or infinite: nothing of
            the row is counted.
        firsts: first column of each range, ``[ranges]``, ascending; the first is 0.

    Returns:
        ``[rows, relevant, ranges]`` int64.
    """
    counts = []
    for first in range(0, len(scores), _ROWS):
        rows = slice(first, first + _ROWS)
        part = _count(scores[rows], relevant_scores[rows], columns[rows], lowest[rows], firsts)
        counts.append(part)
    return np.concatenate(counts)


def _count(
    scores: np.ndarray,
    relevant_scores: np.ndarray,
    columns: np.ndarray,
    lowest: np.ndarray,
    firsts: np.ndarray,
) -> np.ndarray:
    """Return the counts of a few rows; see :func:`count_above`."""
    # Few candidates matter. Take them row by row, in the order of their columns.
    rows, width = scores.shape
    places = np.flatnonzero(scores >= lowest[:, None])
    kept = scores.take(places)

    # A segment is what is kept of one row in one range.
    segments = np.searchsorted(places, (np.arange(rows)[:, None] * width + firsts).ravel())
    in_segment = np.diff(segments, append=len(places))
    in_row = in_segment.reshape(rows, -1).sum(1)

    counts = np.zeros((rows, relevant_scores.shape[1], len(firsts)), dtype=np.int64)
    higher = np.zeros(len(kept) + 1, dtype=bool)  # segments may begin behind the last one kept
    for number in range(relevant_scores.shape[1]):
        relevant = np.repeat(relevant_scores[:, number], in_row)
        np.greater(kept, relevant, out=higher[:-1])
        sums = np.add.reduceat(higher, segments, dtype=np.uint32)
        sums[in_segment == 0] = 0  # reduceat has none of an empty segment
        counts[:, number] = sums.reshape(rows, -1)

        # Of equal scores, the lower column stands above.
        row, column = rows_and_columns(places[kept == relevant], width)
        before = column < columns[row, number]
        ranges = np.searchsorted(firsts, column[before], side="right") - 1
        np.add.at(counts, (row[before], number, ranges), 1)
    return counts
