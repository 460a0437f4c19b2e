"""Several processes: started by ``accelerate launch`` (GPUs) or ``torchrun`` (GPUs, or CPUs alone)."""

from __future__ import annotations

import os

import torch
from accelerate import PartialState


def processes() -> PartialState:
    """This process and its fellows; a single process is its own main process.

    Accelerate takes CPUs for several processes only when told to; without an accelerator there is nothing else to take.
    """
    told = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes", "y")
    return PartialState(cpu=told or not torch.accelerator.is_available())
