"""Which attention kernels PyTorch may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_cudnn_attention() -> Iterator[None]:
    """Turn off cuDNN's attention on a GPU; afterwards it is as it was.

    PyTorch takes it for bf16, where a GPU has it. It plans anew for every shape of a batch, and a
    plan takes several times as long as a step of a training.
    """
    was_enabled = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(was_enabled)
