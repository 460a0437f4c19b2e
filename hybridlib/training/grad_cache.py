"""The embeddings of a batch and the way back from them: in one piece, or with cached gradients.

Cached gradients (GradCache, arXiv 2101.06983): encode everything without a graph, take the loss's
gradient with respect to the embeddings, then encode each micro-batch again, with a graph, and send
its share of that gradient back. The memory is that of one micro-batch whatever the batch size; the
price is a second forward pass.

Dropout is a function of a seed and the number of the micro-batch. So both passes drop the same
units, and the gradients are those of the plain batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from hybridlib.model.batches import unique_rows
from hybridlib.model.encoder import DualEncoder


class TokenGradients:
    """The gradient of the token embeddings, row by row.

    A batch touches a few thousand rows of a vocabulary of 250,000, yet PyTorch fills a gradient as
    large as the whole table for every micro-batch. Here the rows of all micro-batches are added to
    one table, and cleared after the step. Several processes do without: DDP exchanges whole
    tables.

    Usage: ``collect()`` after every backward pass, ``to_optimizer()`` before the optimizer's step,
    ``clear()`` after it, ``close()`` at the end.
    """

    def __init__(self, encoder: DualEncoder, processes: int) -> None:
        backbone: Any = encoder.backbone
        self.weight: Tensor = backbone.get_input_embeddings().weight
        self.used = processes == 1 and self.weight.requires_grad

        # mT5 has two embedding modules with one weight.
        self.tables = [
            module
            for module in encoder.modules()
            if isinstance(module, nn.Embedding) and module.weight is self.weight
        ]
        self.rows: list[Tensor] = []
        self.total: Tensor | None = None
        self._set_sparse(True)

    def collect(self) -> None:
        """Add what the last backward pass left."""
        gradient = self.weight.grad
        if not self.used or gradient is None:
            return
        if self.total is None:
            self.total = torch.zeros_like(self.weight)
        self.rows.append(gradient._indices()[0])
        self.total.index_add_(0, self.rows[-1], gradient._values())
        self.weight.grad = None

    def to_optimizer(self) -> None:
        """Put the sum where the optimizer looks for it."""
        if self.used:
            self.weight.grad = self.total

    def clear(self) -> None:
        """Set to zero again what was touched."""
        if self.rows and self.total is not None:
            self.total[torch.cat(self.rows)] = 0.0
            self.rows = []

    def close(self) -> None:
        """Leave the encoder as it came."""
        self._set_sparse(False)
        if self.used:
            self.weight.grad = None

    def _set_sparse(self, sparse: bool) -> None:
        if self.used:
            for table in self.tables:
                table.sparse = sparse


class BatchEmbeddings:
    """The embeddings of a batch's texts, and how to send a gradient back through them.

    Usage: ``embeddings.backward(f(embeddings.sides))``.

    A text that stands several times on one side is encoded once, so that its copies drop the same
    units. Equal texts of two sides, as a question and its passage may be, drop different ones.

    Args:
        accelerator: the run's.
        model: the (prepared) dual encoder.
        sides: token ids of each text of each side: ``queries``, ``passages`` and others, in order.
        token_budget: as in :meth:`DualEncoder.forward`.
        seed: of dropout.
        cached: use cached gradients.
        token_gradients: of the model.

    Attributes:
        vectors: unit vectors of the distinct texts of each side, ``[distinct texts, d]`` float32.
        sides: unit vectors of all texts of each side, by name, ``[texts, d]``.
        tokens: how many tokens the texts have, copies included.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        sides: dict[str, list[list[int]]],
        token_budget: int | None,
        seed: int,
        cached: bool,
        token_gradients: TokenGradients,
    ) -> None:
        self.accelerator = accelerator
        self.model = model
        self.token_budget = token_budget
        self.seed = seed
        self.cached = cached
        self.token_gradients = token_gradients
        self.tokens = sum(len(ids) for side in sides.values() for ids in side)

        # Put the distinct texts of all sides into one list, and note the place of every text.
        self.token_ids: list[Sequence[int]] = []
        places = {}
        for name, side in sides.items():
            unique, number = unique_rows(side)
            places[name] = torch.from_numpy(number + len(self.token_ids)).to(accelerator.device)
            self.token_ids += unique

        if cached:
            self.vectors = self._embed_without_graph()
        else:
            self.vectors = self._embed(self.token_ids, seed)

        # The gradient of index_select adds copies in a fixed order; that of [] does not on a CPU.
        self.sides = {}
        for name, place in places.items():
            self.sides[name] = self.vectors.index_select(0, place)

    def backward(self, loss: Tensor) -> None:
        """Send the gradient of the loss to the weights."""
        self.accelerator.backward(loss)
        self.token_gradients.collect()
        if self.cached:
            self._backward_from_cache()

    def _embed(self, token_ids: list[Sequence[int]], seed: int) -> Tensor:
        """Encode with a graph."""
        with self.accelerator.autocast():
            return self.model(token_ids, self.token_budget, seed).float()

    def _embed_without_graph(self) -> Tensor:
        """Encode without a graph; the result collects the loss's gradient."""
        encoder = self.accelerator.unwrap_model(self.model)
        with torch.no_grad(), self.accelerator.autocast():
            vectors = encoder(self.token_ids, self.token_budget, self.seed).float()
        return vectors.requires_grad_()

    def _backward_from_cache(self) -> None:
        """Encode each micro-batch again and send its share of the cached gradient back.

        Processes exchange gradients with the last micro-batch only.
        """
        cached_gradient = self.vectors.grad
        if cached_gradient is None:
            raise RuntimeError("the loss does not depend on the embeddings")
        encoder = self.accelerator.unwrap_model(self.model)
        batches = encoder.micro_batches(self.token_ids, self.token_budget)
        for number, rows in enumerate(batches):
            is_last = number == len(batches) - 1
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                vectors = self._embed([self.token_ids[row] for row in rows], self.seed + number)
                index = torch.from_numpy(rows).to(self.vectors.device)
                vectors.backward(cached_gradient[index])
            self.token_gradients.collect()
