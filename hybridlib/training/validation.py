"""Validation: mAP in the three settings on held-out passages."""

from __future__ import annotations

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation.metrics import summarise
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.rank import encode_corpus, rank
from hybridlib.training.averaging import WeightAverage


def validate(
    params: Params, encoder: DualEncoder, average: WeightAverage, corpus: RetrievalCorpus
) -> dict[str, float]:
    """Return ``validation <setting> mAP`` of the averaged weights for each setting.

    Every process computes the same.
    """
    with average.applied():
        queries, candidates = encode_corpus(encoder, corpus, params.encode_tokens, progress=False)
    ranking = rank(
        queries, candidates, corpus, params.top_k, params.score_block, device=encoder.device
    )
    settings = summarise(ranking, corpus, params.top_k)["settings"]
    return {f"validation {name} mAP": float(values["map"]) for name, values in settings.items()}


def score(measured: dict[str, float], accelerator: Accelerator) -> float:
    """Return the mean over the settings; all processes take the main one's."""
    mean = torch.tensor(
        np.mean(list(measured.values())), dtype=torch.float64, device=accelerator.device
    )
    return broadcast(mean).item()
