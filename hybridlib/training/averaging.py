"""The weights that a run hands on: the trained ones, or an average with those it began with.

Averaging keeps some of what the encoder knew before (WiSE-FT, arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hybridlib.model.adapter import is_first_factor


class WeightAverage:
    """The average of a model's weights and those it had when this was made.

    Args:
        model: whose trainable weights are averaged.
        trained_share: of the trained weights in the average; 1 leaves the model as it is. Of an
            adapter the second factors alone are averaged, so that merged it is the average, too.
    """

    def __init__(self, model: nn.Module, trained_share: float) -> None:
        self.model = model
        self.trained_share = trained_share
        self.start = {}
        if trained_share < 1:
            self.start = {
                name: weight.detach().clone()
                for name, weight in model.named_parameters()
                if weight.requires_grad and not is_first_factor(name)
            }

    @torch.no_grad()
    def apply(self) -> None:
        """Replace the model's weights by the average."""
        for name, weight in self.model.named_parameters():
            if name in self.start:
                weight.copy_(torch.lerp(self.start[name], weight, self.trained_share))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the average for a while, then its own weights again."""
        trained = {
            name: weight.detach().clone()
            for name, weight in self.model.named_parameters()
            if name in self.start
        }
        self.apply()
        try:
            yield
        finally:
            self.model.load_state_dict(trained, strict=False)
