"""The picture of a batch holds what the loss computes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridlib.config.params import Params
from hybridlib.data.facts import all_facts
from hybridlib.data.phrasings import phrase
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.inspect import BatchScores, batch_scores


@pytest.fixture(scope="module")
def encoder(tiny_encoder) -> DualEncoder:
    return DualEncoder.load(str(tiny_encoder))


@pytest.fixture(scope="module")
def twice() -> pd.DataFrame:
    """20 facts in three languages, each phrased twice: the same content under two pair_ids."""
    return phrase(all_facts()[:20], ("de", "en", "th"), seed=0, variants=2)


@pytest.mark.parametrize("strategy", ["hybrid", "x-x-mono", "x-y", "untrained"])
def test_the_loss_is_that_of_the_scores_shown(encoder, twice, strategy):
    params = Params(strategy=strategy, batch_size=32, temperature=0.1)
    batch = batch_scores(params, encoder, twice)
    logits = np.where(batch.left_out, -np.inf, batch.scores.astype(float) / 0.1)
    assert batch.loss == pytest.approx(
        np.mean(np.logaddexp.reduce(logits, axis=1) - np.diag(logits)), abs=1e-4
    )
    assert (
        batch.scores.shape == (32, 32)
        and len(batch.question_langs) == len(batch.passage_langs) == 32
    )
    assert (
        not np.diag(batch.left_out).any() and batch.left_out.any()
    )  # 32 of 40 pairs: some facts stand there twice
    same = [q == p for q, p in zip(batch.question_langs, batch.passage_langs)]
    assert (
        all(same)
        if strategy in ("x-x-mono", "untrained")
        else strategy == "hybrid" or not any(same)
    )


def test_an_untrained_run_needs_no_full_batch(encoder, twice):
    assert batch_scores(
        Params(strategy="untrained", batch_size=1000), encoder, twice
    ).scores.shape == (40, 40)


def test_a_part_shows_masked_rows_first_and_keeps_their_passages(encoder):
    left_out = np.zeros((6, 6), dtype=bool)
    left_out[[2, 5], [5, 2]] = True
    batch = BatchScores(
        np.arange(36.0).reshape(6, 6), left_out, list("abcdef"), list("ABCDEF"), 1.0
    )
    part = batch.part(3)
    assert (
        part.question_langs == ["a", "c", "f"]
        and part.passage_langs == ["A", "C", "F"]
        and part.loss == 1.0
    )
    assert (
        part.scores.tolist() == [[0, 2, 5], [12, 14, 17], [30, 32, 35]] and part.left_out.sum() == 2
    )
    assert batch.part(100).scores.shape == (6, 6)
