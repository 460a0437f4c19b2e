"""What a training step minimises: InfoNCE, and what some parameters add to it.

    loss = InfoNCE + anchor_weight * anchor + consistency_weight * consistency
                   + distill_weight * distillation

A weight of 0 leaves its part out, and so does ``distill: null``. With ``matryoshka_dims`` it is the
weighted sum of this over widths, as in arXiv 2205.13147.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from torch import Tensor

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch
from hybridlib.config.params import Params
from hybridlib.data.pairs import negatives_of
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.layers import check_widths, cut
from hybridlib.training.anchor import Anchor
from hybridlib.training.loss import (
    ContrastiveLoss,
    distillation,
    gather_with_gradient,
    score_divergence,
)
from hybridlib.training.setup import content_ids, teacher_scores


class Objective:
    """The loss of a batch, and the texts that it needs.

    Args:
        params: the weights, and which explicit negatives a batch has.
        encoder: as training begins with it.
        pairs: the training table.
        table: the same, as batches are drawn from it.
        contrastive: InfoNCE, with the temperature.
        accelerator: the run's.

    Raises:
        InputError: the training pairs lack what a parameter needs.
    """

    def __init__(
        self,
        params: Params,
        encoder: DualEncoder,
        pairs: pd.DataFrame,
        table: PairTable,
        contrastive: ContrastiveLoss,
        accelerator: Accelerator,
    ) -> None:
        _check_pairs(params, table)
        check_widths("matryoshka_dims", params.matryoshka_dims, encoder.dimension)
        self.params = params
        self.encoder = encoder
        self.pairs = pairs
        self.contrastive = contrastive
        self.accelerator = accelerator

        # A number for what each passage says, so that no passage with the right content serves as
        # a negative.
        self.contents, self.negative_contents = content_ids(pairs)

        # Explicit negatives serve InfoNCE, distillation, or both.
        self.negatives = negatives_of(pairs)
        self.teacher = None if params.distill is None else teacher_scores(pairs)
        if not params.explicit_negatives and self.teacher is None:
            self.negatives = [[] for _ in self.negatives]
        self.anchor = Anchor(params, encoder, table) if params.anchor_weight else None

    def tokenize(self, batch: Batch) -> dict[str, list[list[int]]]:
        """Tokenize this process's slice of a batch.

        Returns:
            Token ids of its queries and passages; of explicit negatives, where the batch has any;
            and of translations of the questions, where it has these.
        """
        part = self._slice(batch)
        questions, passages = part.texts(self.pairs)
        sides = {
            "queries": self.encoder.tokenize(questions, "query"),
            "passages": self.encoder.tokenize(passages, "passage"),
        }
        count = self._negatives_per_row(batch)
        if count:
            # As many in every row, and so in every process: empty texts fill the places.
            filled = []
            for row in self._negative_rows(part):
                texts = self.negatives[row]
                filled += texts + [""] * (count - len(texts))
            sides["negatives"] = self.encoder.tokenize(filled, "passage")
        if part.translations is not None:
            translations = self.pairs["question"].to_numpy()[part.translations]
            sides["translations"] = self.encoder.tokenize(translations, "query")
        return sides

    def __call__(self, batch: Batch, sides: dict[str, Tensor]) -> Tensor:
        """Return the loss of this process's slice; the mean over processes is the batch's.

        Args:
            batch: the whole batch.
            sides: unit vectors of what :meth:`tokenize` returned.
        """
        widths = self.params.matryoshka_dims
        if not widths:
            return self._at_one_width(batch, sides)
        losses = []
        for width in widths:
            shortened = {name: cut(vectors, width) for name, vectors in sides.items()}
            losses.append(self._at_one_width(batch, shortened))
        stacked = torch.stack(losses)
        weights = self.params.matryoshka_weights or [1.0] * len(widths)
        return stacked @ stacked.new_tensor(weights)

    def _at_one_width(self, batch: Batch, sides: dict[str, Tensor]) -> Tensor:
        """Return the loss of vectors as they are, whole or cut; see :meth:`__call__`."""
        device = self.accelerator.device
        queries = sides["queries"]
        passages = sides["passages"]

        # InfoNCE: every other passage of the whole batch is a negative of a query, unless it has
        # the content that the query asks for.
        negatives = sides.get("negatives")
        count = self._negatives_per_row(batch)
        negative_contents = self.negative_contents[self._negative_rows(batch), :count].flatten()
        loss = self.contrastive(
            queries,
            passages,
            self.contents[batch.questions].to(device),
            self.contents[batch.passages].to(device),
            negatives if self.params.explicit_negatives else None,
            negative_contents.to(device),
        )

        # Keep every text near the untrained encoder's mean over its translations.
        if self.anchor is not None:
            anchor = self.anchor.loss(self._slice(batch), queries, passages)
            loss = loss + self.params.anchor_weight * anchor

        # Score the passages alike whatever the question's language.
        if batch.translations is not None:
            consistency = self._consistency(batch, queries, sides["translations"], passages)
            loss = loss + self.params.consistency_weight * consistency

        # Score a question's own passage and negatives as a teacher does.
        if self.teacher is not None and negatives is not None:
            distilled = self._distillation(self.teacher, batch, queries, passages, negatives)
            loss = loss + self.params.distill_weight * distilled
        return loss

    def _consistency(
        self, batch: Batch, queries: Tensor, translations: Tensor, passages: Tensor
    ) -> Tensor:
        """Return the mean divergence over the questions of the batch that have a translation.

        A learned temperature learns nothing from it. Arguments as in :meth:`__call__`.
        """
        temperature = torch.as_tensor(self.contrastive.temperature).detach()
        divergence = score_divergence(
            queries, translations, gather_with_gradient(passages), temperature
        )
        has_one = _has_translation(self._slice(batch)).to(divergence.device)
        return (divergence * has_one).sum() * self._share(_has_translation(batch))

    def _distillation(
        self, teacher: Tensor, batch: Batch, queries: Tensor, passages: Tensor, negatives: Tensor
    ) -> Tensor:
        """Return the mean distance from the teacher's scores over the questions that have some.

        They are those of the row that the negatives are of, whose question or passage may be a
        translation of the batch's. A learned temperature learns nothing from it. Arguments as in
        :meth:`__call__`.
        """
        # The cosines of each question with its passage and with its negatives.
        own_negatives = negatives.view(len(queries), -1, negatives.shape[-1])
        own = torch.cat([passages[:, None], own_negatives], dim=1)
        scores = (own @ queries[:, :, None]).squeeze(-1)
        temperature = torch.as_tensor(self.contrastive.temperature).detach()

        # The teacher's scores of the same, and which questions have them.
        rows = self._negative_rows(self._slice(batch))
        wanted = teacher[rows, : own.shape[1]].to(scores.device)
        wanted = wanted / (self.params.distill_temperature or self.params.temperature)
        has_some = ~wanted[:, 0].isnan()

        kind = str(self.params.distill)
        distances = distillation(kind, scores[has_some] / temperature, wanted[has_some])
        return distances.sum() * self._share(~teacher[self._negative_rows(batch), 0].isnan())

    def _share(self, counted: Tensor) -> float:
        """Return what a process multiplies its sum over rows by, for a mean over the batch's.

        The processes' losses are averaged. ``counted`` are the batch's rows that count.
        """
        return self.accelerator.num_processes / max(1, int(counted.sum()))

    def _slice(self, batch: Batch) -> Batch:
        """Return this process's slice of a batch."""
        return batch.slice(self.accelerator.process_index, self.accelerator.num_processes)

    def _negatives_per_row(self, batch: Batch) -> int:
        """Return the most explicit negatives that a row of a batch has."""
        return max(len(self.negatives[row]) for row in self._negative_rows(batch))

    def _negative_rows(self, batch: Batch) -> np.ndarray:
        """Return the table's rows whose explicit negatives a batch takes."""
        language = self.params.negative_language
        if language is None:
            language = "question" if self.params.paragraph_negatives else "passage"
        return batch.questions if language == "question" else batch.passages


def _has_translation(batch: Batch) -> Tensor:
    """Return which questions of a batch have a translation beside them, ``[batch]``."""
    return torch.from_numpy(batch.translations != batch.questions)


def _check_pairs(params: Params, table: PairTable) -> None:
    """Check that the training pairs have what the parameters speak of."""
    columns = table.frame.columns
    if params.negative_language is not None and not {"negative", "negatives"} & set(columns):
        raise InputError(
            f"negative_language ({params.negative_language}): the training pairs have no column "
            "negative or negatives; leave it at null"
        )
    if params.distill is not None and "scores" not in columns:
        raise InputError(
            f"distill ({params.distill}): the training pairs have no column scores; write one "
            "(`hybridlib score` does), or leave it at null"
        )
    if params.consistency_weight and not table.capacity["x-y"]:
        raise InputError(
            f"consistency_weight ({params.consistency_weight}) compares translations of a "
            "question, and no training pair is in two languages; set it to 0"
        )
