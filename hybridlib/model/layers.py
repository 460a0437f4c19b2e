"""The layers behind the pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hybridlib.errors import InputError


class UnitLength(nn.Module):
    """Scales vectors to unit length."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return ``[texts, d]`` vectors of unit length."""
        return nn.functional.normalize(vectors, dim=-1)


class Truncate(nn.Module):
    """Keeps the first components of a vector (Matryoshka, arXiv 2205.13147).

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def extra_repr(self) -> str:
        """Return what its printed form shows."""
        return str(self.size)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return ``[texts, size]``."""
        return vectors[:, : self.size]


def cut(vectors: Tensor, size: int) -> Tensor:
    """Return the first ``size`` components of each vector, at length 1."""
    return nn.functional.normalize(vectors[..., :size], dim=-1)


def check_widths(option: str, widths: Sequence[int], dimension: int) -> None:
    """Refuse widths that vectors cannot be cut to.

    Args:
        option: that gives the widths, for the message.
        widths: how many first components of a vector are kept.
        dimension: of the whole vectors.

    Raises:
        InputError: one of them is not between 1 and the dimension.
    """
    for width in widths:
        if not 1 <= width <= dimension:
            raise InputError(
                f"{option} ({width}): the encoder's vectors have {dimension} dimensions; give a "
                f"number from 1 to {dimension}"
            )


def output_width(layers: nn.Sequential | None, width: int) -> int:
    """Return the width of the vectors that leave the layers.

    Args:
        layers: behind the pooling; None: none.
        width: of the vectors that enter.
    """
    for layer in layers or ():
        if isinstance(layer, nn.Linear):
            width = layer.out_features
        elif isinstance(layer, Truncate):
            width = min(width, layer.size)
    return width


def projection_layer(width: int, projection: int | None, seed: int) -> nn.Sequential | None:
    """Return a linear layer with orthogonal weights and no activation.

    Args:
        width: of the vectors that come in.
        projection: width of the vectors that go out; None: no layer.
        seed: of the weights.
    """
    if projection is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(width, projection, bias=False)
        nn.init.orthogonal_(layer.weight)
    return nn.Sequential(layer, nn.Identity())
