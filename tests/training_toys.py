"""Runs in miniature: a tiny encoder, some facts, a few steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hybridlib.batching.registry import Batch
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.evaluation import metrics
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.rank import encode_corpus, rank

SETTINGS = ("monolingual", "cross-lingual", "multilingual")
Data = tuple[pd.DataFrame, RetrievalCorpus]
Weights = dict[str, torch.Tensor]


def split(pairs: pd.DataFrame) -> Data:
    """Return training pairs, and a validation corpus of every sixth passage."""
    held_out = pairs["passage_id"].isin(pairs["passage_id"].unique()[::6])
    training = pairs[~held_out].reset_index(drop=True)
    return training, corpus_from_pairs("validation", pairs[held_out])


def tiny_params(**changes: object) -> Params:
    """Return the parameters of a short run that is validated at its end alone."""
    values = {
        "strategy": "hybrid",
        "steps": 3,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "validate_every": None,
        "max_length": 64,
    }
    return Params(**values | changes)


def fresh(folder: Path, dropout: float = 0.0) -> DualEncoder:
    """Load an encoder."""
    return DualEncoder.load(folder, max_length=64, dropout=dropout)


def weights(encoder: DualEncoder) -> Weights:
    """Return a copy of an encoder's weights."""
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def equal(one: Weights, other: Weights) -> bool:
    """Return whether two encoders have the same weights, to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def scored_pairs(pairs: pd.DataFrame, most: int = 3) -> pd.DataFrame:
    """Return the pairs with none to ``most`` negatives, and scores of two rows in three."""
    rng = np.random.default_rng(0)
    negatives = []
    scores = []
    for row, (lang, pair_id) in enumerate(zip(pairs["lang"], pairs["pair_id"])):
        count = row % (most + 1)
        negatives.append([f"no answer {lang} {pair_id} {number}" for number in range(count)])
        scores.append(rng.standard_normal(1 + count).round(3).tolist() if row % 3 else [])
    return pairs.assign(negatives=negatives, scores=scores)


def plain_loss(scores: np.ndarray) -> float:
    """Return InfoNCE of logits whose diagonal holds the positives; -inf masks a negative."""
    return float(np.mean(np.logaddexp.reduce(scores, axis=1) - np.diag(scores)))


def validation_map(encoder: DualEncoder, corpus: RetrievalCorpus) -> dict[str, float]:
    """Return the mAP of each setting."""
    queries, candidates = encode_corpus(encoder, corpus, progress=False)
    settings = metrics.summarise(rank(queries, candidates, corpus, 10), corpus, 10)["settings"]
    return {setting: settings[setting]["map"] for setting in SETTINGS}


def expected_loss(
    params: Params, encoder: DualEncoder, pairs: pd.DataFrame, batch: Batch, both: bool = False
) -> float:
    """Return InfoNCE of a batch from its texts, with passages of the same content masked."""
    questions, passages = batch.texts(pairs)
    scores = encoder.encode(questions, "query") @ encoder.encode(passages, "passage").T
    logits = scores.astype(float) / params.temperature

    contents = pairs["passage_id"].to_numpy()
    wanted = contents[batch.questions]
    same_content = wanted[:, None] == contents[batch.passages][None, :]
    np.fill_diagonal(same_content, False)
    logits[same_content] = -np.inf
    return np.mean([plain_loss(logits), plain_loss(logits.T)]) if both else plain_loss(logits)
