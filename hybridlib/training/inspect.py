"""The training loop: one function, the same under a notebook, the command line and ``accelerate launch``.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So resuming is starting at
a later step with the weights and the optimizer's state, and looking at the validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.training --params FILE``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.parameters import UNTRAINED
from hybridlib.config.params import Params
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loss import info_nce, left_out
from hybridlib.training.setup import _content_ids


@dataclass(frozen=True)
class BatchScores:
    """A training batch as the loss sees it.

    Attributes:
        scores: cosine of every question with every passage, ``[batch, batch]``; the diagonal holds the right pairs.
        left_out: where a passage says what the right one says, and is no negative, ``[batch, batch]``.
        question_langs, passage_langs: of each row.
        loss: InfoNCE of the batch (without explicit negatives).
    """

    scores: np.ndarray
    left_out: np.ndarray
    question_langs: list[str]
    passage_langs: list[str]
    loss: float

    def part(self, rows: int) -> BatchScores:
        """At most so many rows and their passages: those with something left out first, then the first others."""
        chosen = np.sort(np.argsort(~self.left_out.any(1), kind="stable")[:rows])
        langs = [
            [part[row] for row in chosen] for part in (self.question_langs, self.passage_langs)
        ]
        return BatchScores(
            self.scores[np.ix_(chosen, chosen)],
            self.left_out[np.ix_(chosen, chosen)],
            *langs,
            self.loss,
        )


def batch_scores(
    params: Params, encoder: DualEncoder, pairs: pd.DataFrame, step: int = 1
) -> BatchScores:
    """The batch of a step under ``encoder`` as it is; for ``untrained`` a batch of languages mixed row by row."""
    table, name = PairTable.from_params(pairs, params), params.strategy
    size = params.batch_size if name != UNTRAINED else min(params.batch_size, table.capacity["x-x"])
    batch = draw_batch(
        "x-x" if name == UNTRAINED else name, table, params.seed, step, size, params.alpha
    )
    texts, (groups, _) = batch.texts(pairs), _content_ids(pairs)
    questions, passages = (
        torch.from_numpy(encoder.encode(part, side, params.encode_tokens))
        for part, side in zip(texts, ("query", "passage"))
    )
    groups, own = (groups[batch.questions], groups[batch.passages]), torch.arange(size)
    langs = [pairs["lang"].iloc[rows].tolist() for rows in (batch.questions, batch.passages)]
    loss = info_nce(questions, passages, *groups, own, params.temperature).item()
    return BatchScores(
        (questions @ passages.T).numpy(), left_out(*groups, own).numpy(), *langs, loss
    )
