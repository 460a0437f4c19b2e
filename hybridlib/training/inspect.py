"""A training batch as the loss sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.names import NO_BATCHES
from hybridlib.config.params import Params
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loss import ignore_mask, info_nce
from hybridlib.training.setup import content_ids, pair_table


@dataclass(frozen=True)
class BatchScores:
    """The scores of a batch.

    Attributes:
        scores: cosine of every question with every passage, ``[batch, batch]``; the diagonal holds
            the right pairs.
        masked: where a passage has the content of the right one and is no negative,
            ``[batch, batch]``.
        question_langs: of each row.
        passage_langs: of each row.
        loss: InfoNCE of the batch (without explicit negatives).
    """

    scores: np.ndarray
    masked: np.ndarray
    question_langs: list[str]
    passage_langs: list[str]
    loss: float

    def part(self, rows: int) -> BatchScores:
        """Return at most so many rows and their passages, those with something masked first."""
        order = np.argsort(~self.masked.any(1), kind="stable")
        chosen = np.sort(order[:rows])
        square = np.ix_(chosen, chosen)
        return BatchScores(
            self.scores[square],
            self.masked[square],
            [self.question_langs[row] for row in chosen],
            [self.passage_langs[row] for row in chosen],
            self.loss,
        )


def batch_of_step(params: Params, pairs: pd.DataFrame, step: int = 1) -> Batch:
    """Return the batch that training draws from ``pairs`` at a step.

    A run that trains nothing draws none. To show one all the same, it gets languages mixed row by
    row, and at most as many rows as there are pairs.
    """
    table = pair_table(params, pairs)
    strategy = params.strategy
    size = params.batch_size
    if strategy in NO_BATCHES:
        strategy = "x-x"
        size = min(size, table.capacity["x-x"])
    return draw_batch(strategy, table, params.seed, step, size, params.alpha)


def batch_scores(
    params: Params, encoder: DualEncoder, pairs: pd.DataFrame, step: int = 1
) -> BatchScores:
    """Score the batch of a step (:func:`batch_of_step`) with ``encoder`` as it is, in float32."""
    batch = batch_of_step(params, pairs, step)

    # Encode both sides, and score every question against every passage.
    questions, passages = batch.texts(pairs)
    precision = encoder.encode_precision
    encoder.encode_precision = "fp32"
    query_vectors = torch.from_numpy(encoder.encode(questions, "query", params.encode_tokens))
    passage_vectors = torch.from_numpy(encoder.encode(passages, "passage", params.encode_tokens))
    encoder.encode_precision = precision
    scores = query_vectors @ passage_vectors.T

    # What the loss masks, and the loss itself.
    contents, _ = content_ids(pairs)
    query_contents = contents[batch.questions]
    passage_contents = contents[batch.passages]
    positives = torch.arange(len(batch.questions))
    masked = ignore_mask(query_contents, passage_contents, positives)
    loss = info_nce(
        query_vectors,
        passage_vectors,
        query_contents,
        passage_contents,
        positives,
        params.temperature,
    )
    return BatchScores(
        scores.numpy(),
        masked.numpy(),
        pairs["lang"].iloc[batch.questions].tolist(),
        pairs["lang"].iloc[batch.passages].tolist(),
        loss.item(),
    )
