"""Tokenised texts in micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from hybridlib.errors import InputError

# What a micro-batch takes beside its tokens, in tokens: operations are called once more, and the
# gradients of all weights added up. Measured with the 12 layers of multilingual-e5-small on a CPU.
CALL = 56

# Tokens of a micro-batch, with padding where there is any. More would leave a CPU's cache. With
# fewer, a GPU would mostly wait for the CPU to start its operations.
CPU_TOKENS = 2048
GPU_TRAINING_TOKENS = 16_384
GPU_ENCODING_TOKENS = 65_536


def limits_on(device: torch.device, training: bool, token_budget: int | None) -> tuple[int, int]:
    """Return the token_budget and the call of :func:`micro_batches` that suit a device.

    A GPU waits for calls rather than for tokens, so there each takes as long as a full batch.

    Args:
        device: that computes.
        training: or encoding.
        token_budget: what is asked for; None: what suits the device.
    """
    if device.type == "cpu":
        return token_budget or CPU_TOKENS, CALL
    budget = token_budget or (GPU_TRAINING_TOKENS if training else GPU_ENCODING_TOKENS)
    return budget, budget


@contextmanager
def advised_on_memory(advice: str) -> Iterator[None]:
    """Say what to do where the memory of a GPU does not suffice.

    Args:
        advice: what to do.

    Raises:
        InputError: it does not.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(f"the memory of the GPU does not suffice; {advice}") from error


def micro_batches(
    lengths: list[int],
    token_budget: int,
    equal_lengths: bool = False,
    call: int = CALL,
    padded: bool = True,
) -> list[np.ndarray]:
    """Return row numbers in batches of similar length, longest first, that take the least time.

    Their time is taken as all their tokens, with padding, and ``call`` more for each batch.

    Args:
        lengths: tokens of each row.
        token_budget: of a batch, with its padding; a longer row has a batch of its own.
        equal_lengths: rows of a batch are equally long.
        call: see above; a higher value makes fewer batches with more padding.
        padded: rows are padded to the longest of their batch.
    """
    order = np.argsort(np.negative(lengths), kind="stable")
    tokens = np.asarray(lengths, dtype=np.int64)[order]
    before = np.concatenate([[0], tokens.cumsum()])  # of each row: tokens of all rows before it

    def size(first: Any, end: int) -> Any:
        """Return the tokens of a batch of the rows from ``first`` up to ``end``."""
        return (end - first) * tokens[first] if padded else before[end] - before[first]

    # least[end] is the least time of the first `end` rows, their last batch begins at begin[end].
    least = np.zeros(len(order) + 1, dtype=np.int64)
    begin = np.zeros(len(order) + 1, dtype=np.int64)
    first = 0  # the first row that the last batch can begin at
    for end in range(1, len(order) + 1):
        while first < end - 1 and (
            size(first, end) > token_budget or (equal_lengths and tokens[first] > tokens[end - 1])
        ):
            first += 1
        times = least[first:end] + size(np.arange(first, end), end) + call
        best = times.argmin()
        least[end] = times[best]
        begin[end] = first + best

    # From the end, go back from each batch to the one before.
    batches = []
    end = len(order)
    while end > 0:
        batches.append(order[begin[end] : end])
        end = begin[end]
    return batches[::-1]


def unique_rows(token_ids: list[list[int]]) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Return the distinct rows in order of appearance, and for each row the number of its copy."""
    first: dict[tuple[int, ...], int] = {}
    number = [first.setdefault(tuple(ids), len(first)) for ids in token_ids]
    return list(first), np.array(number, dtype=np.int64)
