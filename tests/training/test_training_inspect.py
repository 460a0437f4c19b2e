"""A training batch as the loss sees it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from training_toys import plain_loss

from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.data.facts import all_facts
from hybridlib.data.phrasings import phrase
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.inspect import BatchScores, batch_of_step, batch_scores
from hybridlib.training.setup import pair_table


@pytest.fixture(scope="module")
def encoder(tiny_encoder) -> DualEncoder:
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(scope="module")
def twice() -> pd.DataFrame:
    """20 facts in three languages, each phrased twice: the same content under two pair_ids."""
    return phrase(all_facts()[:20], ("de", "en", "th"), seed=0, variants=2)


@pytest.mark.parametrize("strategy", ["hybrid", "x-x-mono", "x-y", "untrained"])
def test_the_loss_is_that_of_the_scores_shown(encoder, twice, strategy):
    params = Params(strategy=strategy, batch_size=32, temperature=0.1)
    batch = batch_scores(params, encoder, twice)
    logits = np.where(batch.masked, -np.inf, batch.scores.astype(float) / 0.1)
    assert batch.loss == pytest.approx(plain_loss(logits), abs=1e-4)
    assert batch.scores.shape == (32, 32)
    assert len(batch.question_langs) == len(batch.passage_langs) == 32

    # 32 of 40 pairs: some facts stand there twice.
    assert batch.masked.any()
    assert not np.diag(batch.masked).any()

    same = [q == p for q, p in zip(batch.question_langs, batch.passage_langs)]
    if strategy in ("x-x-mono", "untrained"):
        assert all(same)
    elif strategy == "x-y":
        assert not any(same)
    else:
        assert all(same) or not any(same)


def test_the_batch_of_a_step_is_the_one_that_training_draws(twice):
    params = Params(strategy="hybrid", batch_size=12, alpha=0.3, seed=4)
    table = pair_table(params, twice)
    for step in (1, 2, 3):
        batch = batch_of_step(params, twice, step)
        drawn = draw_batch("hybrid", table, 4, step, 12, 0.3)
        assert batch.regime == drawn.regime
        assert (batch.questions == drawn.questions).all()
        assert (batch.passages == drawn.passages).all()


def test_scores_are_in_full_precision(tiny_encoder, twice):
    """So that a loss by hand agrees with them."""
    params = Params(strategy="x-y", batch_size=8)
    encoder = DualEncoder.load(tiny_encoder)
    exact = batch_scores(params, encoder, twice)
    encoder.encode_precision = "bf16"
    assert (batch_scores(params, encoder, twice).scores == exact.scores).all()
    assert encoder.encode_precision == "bf16"


def test_an_untrained_run_needs_no_full_batch(encoder, twice):
    batch = batch_scores(Params(strategy="untrained", batch_size=1000), encoder, twice)
    assert batch.scores.shape == (40, 40)


def test_a_part_shows_masked_rows_first_and_keeps_their_passages():
    masked = np.zeros((6, 6), dtype=bool)
    masked[[2, 5], [5, 2]] = True
    scores = np.arange(36.0).reshape(6, 6)
    batch = BatchScores(scores, masked, list("abcdef"), list("ABCDEF"), 1.0)
    part = batch.part(3)
    assert part.question_langs == ["a", "c", "f"]
    assert part.passage_langs == ["A", "C", "F"]
    assert part.loss == 1.0
    assert part.scores.tolist() == [[0, 2, 5], [12, 14, 17], [30, 32, 35]]
    assert part.masked.tolist() == [[False] * 3, [False, False, True], [False, True, False]]
    assert batch.part(100).scores.shape == (6, 6)
