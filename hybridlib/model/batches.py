"""Tokenised texts in micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from hybridlib.errors import InputError

# What a micro-batch takes beside its tokens, in tokens: operations are called once more, and the
# gradients of all weights added up. Measured with the 12 layers of multilingual-e5-small on a CPU.
CALL = 56

# Tokens of a micro-batch, padding included, on a CPU, and how many times as many on a GPU: with
# fewer, a GPU mostly waits for the CPU to start its operations.
TRAINING_TOKENS = 2048
ENCODING_TOKENS = 8192
GPU_TIMES = 8


def limits_on(device: torch.device, training: bool, token_budget: int | None) -> tuple[int, int]:
    """Return the token_budget and the call of :func:`micro_batches` that suit a device.

    A GPU waits for calls rather than for tokens, so there each takes as long as a full batch.

    Args:
        device: that computes.
        training: or encoding.
        token_budget: what is asked for; None: what suits the device.
    """
    is_cpu = device.type == "cpu"
    usual = (TRAINING_TOKENS if training else ENCODING_TOKENS) * (1 if is_cpu else GPU_TIMES)
    budget = token_budget or usual
    return budget, CALL if is_cpu else budget


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
    lengths: list[int], token_budget: int, equal_lengths: bool = False, call: int = CALL
) -> list[np.ndarray]:
    """Return row numbers in batches of similar length, longest first, that take the least time.

    Their time is taken as all their tokens, padding included, and ``call`` more for each batch.

    Args:
        lengths: tokens of each row.
        token_budget: of a batch, padding included; a longer row has a batch of its own.
        equal_lengths: no batch has padding.
        call: see above; a higher value makes fewer batches with more padding.
    """
    order = np.argsort(np.negative(lengths), kind="stable")
    tokens = np.asarray(lengths, dtype=np.int64)[order]

    # least[end] is the least time of the first `end` rows, their last batch begins at begin[end].
    least = np.zeros(len(order) + 1, dtype=np.int64)
    begin = np.zeros(len(order) + 1, dtype=np.int64)
    first = 0  # the first row that the last batch can begin at
    for end in range(1, len(order) + 1):
        while first < end - 1 and (
            (end - first) * tokens[first] > token_budget
            or (equal_lengths and tokens[first] > tokens[end - 1])
        ):
            first += 1
        sizes = end - np.arange(first, end)
        times = least[first:end] + sizes * tokens[first:end] + call
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
