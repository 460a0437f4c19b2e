"""Several processes: started by ``accelerate launch`` (GPUs) or ``torchrun`` (GPUs, or CPUs alone)."""

from __future__ import annotations

import os

import numpy as np
import torch
import torch.distributed as dist
from accelerate import PartialState


def processes() -> PartialState:
    """This process and its fellows; a single process is its own main process.

    Accelerate takes CPUs for several processes only when told to; without an accelerator there is nothing else to take.
    """
    told = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes", "y")
    return PartialState(cpu=told or not torch.accelerator.is_available())


def place() -> tuple[int, int]:
    """This process's number and how many there are, as far as they are connected."""
    return (
        (dist.get_rank(), dist.get_world_size())
        if dist.is_available() and dist.is_initialized()
        else (0, 1)
    )


def add_up(values: np.ndarray) -> np.ndarray:
    """The sum over all processes of equally shaped arrays; where each row is zero in all but one, they are put together."""
    if place()[1] == 1:
        return values
    total = torch.from_numpy(values).to(processes().device)
    dist.all_reduce(total)
    return total.cpu().numpy()


def _processes() -> tuple[int, int]:
    """This process's number, and how many there are; connects those of ``accelerate launch`` if nobody has yet."""
    if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        processes()
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _wait() -> None:
    """Until all processes are here."""
    if dist.is_initialized():
        dist.barrier()
