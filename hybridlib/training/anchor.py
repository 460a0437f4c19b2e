"""The consensus anchor: training keeps each text near what all its translations meant before.

The target of a text is the unit mean of the untrained encoder's vectors of its translations, the
text itself among them. It has no language of its own: staying near it is meant to remove language
bias and to keep what the encoder knew. With ``anchor_filter_k`` the vectors are those that the
language filter (:mod:`hybridlib.retrieval.language_filter`) has corrected.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.layers import cut
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.language_filter import LanguageFilter
from hybridlib.retrieval.language_means import group_means
from hybridlib.retrieval.unit import corrected_to_unit, unit


class Anchor:
    """The targets of the questions and passages that a run draws.

    All translations of these are encoded once, here. A text that a strategy has changed
    (``code-switched``) has the target of the text that it was.

    Args:
        params: what the run draws (strategy, seed, steps, batch_size), and anchor_filter_k.
        encoder: as training begins with it.
        table: that the run draws from; the same pair in two languages means translation.

    Raises:
        CorrectionError: the filter cannot be fitted on what is drawn.
    """

    def __init__(self, params: Params, encoder: DualEncoder, table: PairTable) -> None:
        self.pair_of_row = table.pair_of_row

        # The pairs that are drawn at some step, and their rows in all languages.
        drawn = np.unique(self.pair_of_row[_drawn_rows(params, table)])
        self.place_of_pair = np.full(len(table.rows), -1)
        self.place_of_pair[drawn] = np.arange(len(drawn))
        places, _ = np.nonzero(table.rows[drawn] >= 0)
        texts = table.frame.iloc[table.rows[drawn][table.rows[drawn] >= 0]]

        # Their vectors, perhaps filtered, and the means of translations.
        queries = encoder.encode(texts["question"], "query", params.encode_tokens, progress=True)
        passages = encoder.encode(texts["passage"], "passage", params.encode_tokens, progress=True)
        if params.anchor_filter_k is not None:
            groups = [str(place) for place in places]
            languages = texts["lang"].tolist()
            queries, passages = _filtered(
                queries, passages, languages, groups, params.anchor_filter_k
            )
        self.questions = _unit_means(queries, places).to(encoder.device)
        self.passages = _unit_means(passages, places).to(encoder.device)

    def loss(self, batch: Batch, queries: Tensor, passages: Tensor) -> Tensor:
        """Return the mean of 1 - cosine with the target over a batch's questions and passages.

        Args:
            batch: or a process's slice of it.
            queries: unit vectors of its questions, ``[rows, d]``.
            passages: unit vectors of its passages, ``[rows, d]``. Where vectors are cut, so are
                the targets.
        """
        width = queries.shape[-1]
        question_places = self.place_of_pair[self.pair_of_row[batch.questions]]
        passage_places = self.place_of_pair[self.pair_of_row[batch.passages]]
        of_queries = (queries * cut(self.questions[question_places], width)).sum(-1)
        of_passages = (passages * cut(self.passages[passage_places], width)).sum(-1)
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


def _filtered(
    queries: np.ndarray, passages: np.ndarray, languages: list[str], groups: list[str], k: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors as the language filter corrects them, fitted on them, at length 1."""
    query_texts = FittingTexts(queries, languages, groups)
    passage_texts = FittingTexts(passages, languages, groups)
    language_filter = LanguageFilter(query_texts, passage_texts, k)
    of_queries = language_filter.apply(queries, languages, "query")
    of_passages = language_filter.apply(passages, languages, "passage")
    return (
        corrected_to_unit("filter", queries, of_queries, languages),
        corrected_to_unit("filter", passages, of_passages, languages),
    )


def _unit_means(vectors: np.ndarray, places: np.ndarray) -> Tensor:
    """Return the mean of the vectors of each place, at length 1, ``[places, d]``."""
    return torch.from_numpy(unit(group_means(vectors.astype(np.float64), places)))
