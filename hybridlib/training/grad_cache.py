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

from hybridlib.model.encoder import DualEncoder, micro_batches


class TokenGradients:
    """The gradient of the token embeddings, row by row.

    A batch touches a few thousand rows of a vocabulary of 250,000, yet PyTorch fills a gradient as large as the whole
    table for every micro-batch. Here the rows of all micro-batches are added to one table, and cleared after the step.
    Several processes do without: DDP exchanges whole tables.

    Usage: ``collect()`` after every backward pass, ``hand_over()`` before the optimizer's step, ``clear()`` after it.
    """

    def __init__(self, encoder: DualEncoder, processes: int) -> None:
        self.weight: Tensor = encoder.backbone.get_input_embeddings().weight
        self.used = processes == 1 and self.weight.requires_grad
        self.tables = [
            module
            for module in encoder.modules()
            if isinstance(module, nn.Embedding) and module.weight is self.weight
        ]  # mT5 has two
        self.rows: list[Tensor] = []
        self.total: Tensor | None = None  # made when first needed: the encoder may stay untrained
        if self.used:
            self._sparse(True)

    def collect(self) -> None:
        """Add what the last backward pass left."""
        gradient = self.weight.grad if self.used else None
        if gradient is not None:
            self.total = torch.zeros_like(self.weight) if self.total is None else self.total
            self.rows.append(gradient._indices()[0])
            self.total.index_add_(0, self.rows[-1], gradient._values())
            self.weight.grad = None

    def hand_over(self) -> None:
        """Put the sum where the optimizer looks for it."""
        if self.used:
            self.weight.grad = self.total

    def clear(self) -> None:
        """Zero again what was touched."""
        if self.rows:
            self.total[torch.cat(self.rows)] = 0.0
            self.rows = []

    def end(self) -> None:
        """Leave the encoder as it came."""
        if self.used:
            self._sparse(False)
            self.weight.grad = None

    def _sparse(self, sparse: bool) -> None:
        for table in self.tables:
            table.sparse = sparse


class Embedding:
    """The vectors of a batch's texts, and how to send a gradient back through them.

    Usage: ``embedding.backward(f(embedding.vectors))``.

    Args:
        model: the (prepared) dual encoder.
        token_ids: of each text.
        token_budget: tokens of a micro-batch, padding included.
        seed: of dropout.
        cached: with cached gradients.
        token_gradients: of the model.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        token_ids: list[list[int]],
        token_budget: int,
        seed: int,
        cached: bool,
        token_gradients: TokenGradients,
    ) -> None:
        self.accelerator, self.model, self.token_ids, self.token_gradients = (
            accelerator,
            model,
            token_ids,
            token_gradients,
        )
        self.token_budget, self.seed, self.cached = token_budget, seed, cached
        if cached:
            with torch.no_grad(), accelerator.autocast():
                encoder = accelerator.unwrap_model(model)
                self.vectors: Tensor = (
                    encoder(token_ids, token_budget, seed).float().requires_grad_()
                )
        else:
            with accelerator.autocast():
                self.vectors = model(token_ids, token_budget, seed).float()

    def backward(self, loss: Tensor) -> None:
        """From the loss to the weights; processes exchange gradients with the last micro-batch only."""
        self.accelerator.backward(loss)
        self.token_gradients.collect()
        if not self.cached:
            return
        batches = micro_batches([len(ids) for ids in self.token_ids], self.token_budget)
        for number, rows in enumerate(batches):
            last = number == len(batches) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    again = self.model(
                        [self.token_ids[row] for row in rows], self.token_budget, self.seed + number
                    )
                again.float().backward(
                    self.vectors.grad[torch.from_numpy(rows).to(self.vectors.device)]
                )
            self.token_gradients.collect()
