"""Which of PyTorch's fused attentions a device computes with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def attention_on(device: torch.device) -> AbstractContextManager[None]:
    """Let attention suit batches of ever new shapes.

    On a GPU that supports it, bf16 attention would be cuDNN's. That makes a plan for every new
    shape, which takes several times as long as a step of a training.
    """
    if device.type != "cuda":
        return nullcontext()
    without_plans = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(without_plans)
