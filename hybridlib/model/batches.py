"""Tokenised texts in micro-batches of similar length."""

from __future__ import annotations

import numpy as np

# A micro-batch smaller than this costs more than the padding that it avoids: the gradients of all
# weights are added up once more. On two CPU cores 256 to 1,024 tokens took equally long.
_LEAST_TOKENS = 512


def micro_batches(
    lengths: list[int], token_budget: int, equal_lengths: bool = False
) -> list[np.ndarray]:
    """Return row numbers in batches of similar length, longest first.

    A batch holds at most ``token_budget`` tokens, padding included, or one text. From 512 tokens on
    it ends before padding becomes a twentieth of it; with ``equal_lengths`` it has no padding.
    """
    order = np.argsort(np.negative(lengths), kind="stable")
    batches = []
    start = 0  # of the current batch, in ``order``
    total = 0  # tokens of the current batch, without padding
    for end, row in enumerate(order):
        # Would this row make the batch too large, or waste too much of it on padding?
        size = end - start + 1
        longest = lengths[order[start]]
        is_worth_it = total >= _LEAST_TOKENS
        total += lengths[row]
        too_large = size * longest > token_budget
        too_padded = is_worth_it and total < 0.95 * size * longest
        padded = equal_lengths and lengths[row] < longest
        if size > 1 and (too_large or too_padded or padded):
            batches.append(order[start:end])
            start = end
            total = lengths[row]
    if start < len(order):
        batches.append(order[start:])
    return batches


def unique_rows(token_ids: list[list[int]]) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Return the distinct rows in order of appearance, and for each row the number of its copy."""
    first: dict[tuple[int, ...], int] = {}
    number = [first.setdefault(tuple(ids), len(first)) for ids in token_ids]
    return list(first), np.array(number, dtype=np.int64)
