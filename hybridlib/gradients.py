"""Vectors of a batch and the way back from them: in one piece, or with cached gradients.

Cached gradients (GradCache, arXiv 2101.06983): encode everything without a graph, take the loss's gradient with
respect to the vectors, then encode each micro-batch again, with a graph, and send its share of that gradient back.
The memory is that of one micro-batch whatever the batch size; the price is a second forward pass.

Dropout is a function of a seed and the number of the micro-batch, so both passes drop the same units, and the
gradients are those of the plain batch.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from hybridlib.encoder import micro_batches


class Embedding:
    """The vectors of a batch's texts, and how to send a gradient back through them.

    Usage: ``loss = f(embedding.vectors); accelerator.backward(loss); embedding.backward()``.

    Args:
        model: the (prepared) dual encoder.
        token_ids: of each text.
        token_budget: tokens of a micro-batch, padding included.
        seed: of dropout.
        cached: with cached gradients.
    """

    def __init__(self, accelerator: Accelerator, model: nn.Module, token_ids: list[list[int]], token_budget: int, seed: int, cached: bool) -> None:
        self.accelerator, self.model, self.token_ids = accelerator, model, token_ids
        self.token_budget, self.seed, self.cached = token_budget, seed, cached
        if cached:
            with torch.no_grad(), accelerator.autocast():
                encoder = accelerator.unwrap_model(model)
                self.vectors: Tensor = encoder(token_ids, token_budget, seed).float().requires_grad_()
        else:
            with accelerator.autocast():
                self.vectors = model(token_ids, token_budget, seed).float()

    def backward(self) -> None:
        """Call after the loss's own backward pass; processes exchange gradients with the last micro-batch only."""
        if not self.cached:
            return
        batches = micro_batches([len(ids) for ids in self.token_ids], self.token_budget)
        for number, rows in enumerate(batches):
            last = number == len(batches) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    again = self.model([self.token_ids[row] for row in rows], self.token_budget, self.seed + number)
                again.float().backward(self.vectors.grad[torch.from_numpy(rows).to(self.vectors.device)])
