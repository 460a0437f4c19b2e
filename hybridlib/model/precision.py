"""The number formats of encoding: bf16 by autocast, and linear layers in int8 on a CPU.

In int8, weights are rounded once, with a scale for each output. What goes in is rounded anew each
time, with a scale for each token, so that a text's vector hardly depends on the batch. It is stored
without sign, because only few processors multiply two signed numbers of 8 bits. PyTorch's own
``quantize_dynamic`` is deprecated, and has one scale for a whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hybridlib.errors import InputError

_ZERO = 128  # what stands for 0 in 8 bits without sign


def in_precision(model: nn.Module, precision: str) -> AbstractContextManager[Any]:
    """Let a model compute in ``fp32``, ``bf16`` or ``int8``.

    Raises:
        InputError: int8 is not to be had where the model is.
    """
    if precision == "int8":
        return _linear_in_int8(model)
    device = next(model.parameters()).device.type
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def _linear_in_int8(model: nn.Module) -> Iterator[None]:
    """Let the linear layers of a model compute in int8; afterwards they are as they were."""
    device = next(model.parameters()).device.type
    if device != "cpu":
        raise InputError(f"encode_precision (int8) is for CPUs; on {device} use bf16")
    if "onednn" not in torch.backends.quantized.supported_engines:
        raise InputError("encode_precision (int8): this PyTorch is without oneDNN; use bf16")
    layers = [module for module in model.modules() if type(module) is nn.Linear]
    for layer in layers:
        layer.forward = _Int8Linear(layer)  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class _Int8Linear:
    """What a linear layer computes, with weights and inputs rounded to int8.

    Args:
        layer: whose weights are rounded.
    """

    def __init__(self, layer: nn.Linear) -> None:
        weight = layer.weight.detach()
        scale = _scale(weight)
        rounded = (weight / scale).round_().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.weight_scale = scale.flatten()
        self.zero_points = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the layer's outputs, float32."""
        rows = inputs.flatten(0, -2)
        scale = _scale(rows)
        rounded = (rows / scale).round_().add_(_ZERO).to(torch.uint8)
        products = torch.ops.onednn.qlinear_pointwise(
            rounded,
            *(1.0, _ZERO),  # scale and zero point of the inputs
            *(self.weight, self.weight_scale, self.zero_points),
            None,  # no bias yet
            *(1.0, 0, torch.float32),  # scale, zero point and kind of the outputs
            *("none", [], ""),  # nothing is done to them
        )
        outputs = torch.addcmul(self.bias, products, scale)
        return outputs.unflatten(0, inputs.shape[:-1])


def _scale(rows: Tensor) -> Tensor:
    """Return the scale of each row, ``[rows, 1]``: its largest value becomes 127."""
    return rows.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
