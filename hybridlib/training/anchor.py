"""The consensus anchor: training keeps each text near what all its translations meant before.

The target of a text is the unit mean of the untrained encoder's vectors of its translations, the
text itself among them. It has no language of its own, so staying near it removes language bias
while it keeps what the encoder knew.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.model.encoder import DualEncoder, Side


class Anchor:
    """The targets of the questions and passages that a run draws.

    All translations of these are encoded once, here. A text that a strategy has changed
    (``code-switched``) has the target of the text that it was.

    Args:
        params: what the run draws: strategy, seed, steps, batch_size.
        encoder: as training begins with it.
        table: that the run draws from; the same pair in two languages means translation.
    """

    def __init__(self, params: Params, encoder: DualEncoder, table: PairTable) -> None:
        self.pair_of_row = table.pair_of_row

        # The pairs that are drawn at some step, and their rows in all languages.
        drawn = np.unique(self.pair_of_row[_drawn_rows(params, table)])
        self.place_of_pair = np.full(len(table.rows), -1)
        self.place_of_pair[drawn] = np.arange(len(drawn))
        places, languages = np.nonzero(table.rows[drawn] >= 0)
        rows = table.rows[drawn][places, languages]

        def targets(column: str, side: Side) -> Tensor:
            """Return the unit mean of each drawn pair's translations, ``[pairs, d]``."""
            texts = table.frame[column].to_numpy()[rows]
            vectors = encoder.encode(texts, side, params.encode_tokens, progress=True)
            sums = np.zeros((len(drawn), vectors.shape[1]))
            np.add.at(sums, places, vectors)
            means = nn.functional.normalize(torch.from_numpy(sums), dim=-1)
            return means.float().to(encoder.device)

        self.questions = targets("question", "query")
        self.passages = targets("passage", "passage")

    def loss(self, batch: Batch, queries: Tensor, passages: Tensor) -> Tensor:
        """Return the mean of 1 - cosine with the target over a batch's questions and passages.

        Args:
            batch: or a process's slice of it.
            queries: unit vectors of its questions, ``[rows, d]``.
            passages: unit vectors of its passages, ``[rows, d]``.
        """
        question_places = self.place_of_pair[self.pair_of_row[batch.questions]]
        passage_places = self.place_of_pair[self.pair_of_row[batch.passages]]
        of_queries = (queries * self.questions[question_places]).sum(-1)
        of_passages = (passages * self.passages[passage_places]).sum(-1)
        return 1 - torch.cat([of_queries, of_passages]).mean()


def _drawn_rows(params: Params, table: PairTable) -> np.ndarray:
    """Return the rows of the table that any step of the run draws."""
    rows = []
    for step in range(1, params.steps + 1):
        batch = draw_batch(
            params.strategy, table, params.seed, step, params.batch_size, params.alpha
        )
        rows += [batch.questions, batch.passages]
    return np.unique(np.concatenate(rows))
