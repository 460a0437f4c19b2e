"""Several processes, of ``accelerate launch`` (GPUs) or ``torchrun`` (GPUs or CPUs)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from accelerate import PartialState


def processes() -> PartialState:
    """Connect to the other processes, if there are any, and return their state.

    Accelerate uses CPUs for several processes only on request. Without an accelerator there is
    nothing else to use, so CPUs then need no request.
    """
    # accelerate takes long to import, and a single process rarely needs it.
    from accelerate import PartialState

    # With this, products on a GPU add up in one order; it is read when the GPU is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    cpu_requested = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes", "y")
    return PartialState(cpu=cpu_requested or not torch.accelerator.is_available())


def rank_and_world() -> tuple[int, int]:
    """Return this process's number and how many are connected; ``(0, 1)`` if none are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def connect() -> tuple[int, int]:
    """Connect the processes of a launcher that are not connected yet; then ``rank_and_world``."""
    _, world = rank_and_world()
    if world == 1 and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        processes()
    return rank_and_world()


def all_sum(values: np.ndarray) -> np.ndarray:
    """Return the sum of equally shaped arrays over all processes.

    Where every row is zero in all processes but one, the sum puts the rows together.
    """
    _, world = rank_and_world()
    if world == 1:
        return values
    total = torch.from_numpy(values).to(processes().device)
    dist.all_reduce(total)
    return total.cpu().numpy()


def barrier() -> None:
    """Wait until every connected process has reached this call."""
    _, world = rank_and_world()
    if world > 1:
        dist.barrier()
