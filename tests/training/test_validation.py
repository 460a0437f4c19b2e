"""Keeping the best weights, and stopping when they are long past."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from training_toys import SETTINGS, equal, fresh, tiny_params, validation_map, weights

from hybridlib.errors import InputError
from hybridlib.training.averaging import WeightAverage
from hybridlib.training.checkpoints import TrainingState
from hybridlib.training.loop import train
from hybridlib.training.validation import score, validate

# A learning rate that wrecks the encoder: it gets worse from the first validation on.
WRECKED = {"learning_rate": 0.3, "warmup_fraction": 0, "steps": 40, "validate_every": 1}


def test_validation_is_of_the_averaged_weights_and_leaves_the_trained_ones(data, tiny_encoder):
    encoder = fresh(tiny_encoder)
    average = WeightAverage(encoder, 0.0)
    start = validation_map(encoder, data[1])
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(1.5)
    trained = weights(encoder)
    measured = validate(tiny_params(), encoder, average, data[1])
    expected = {f"validation {setting} mAP": start[setting] for setting in SETTINGS}
    assert measured == pytest.approx(expected, abs=1e-6)
    assert equal(weights(encoder), trained)


def test_the_score_is_the_mean_over_the_settings():
    assert score({"one": 0.25, "other": 0.5}, Accelerator()) == 0.375


def test_validation_data_without_a_relevant_passage_is_refused(data, tiny_encoder, tmp_path):
    pairs, corpus = data
    unjudged = replace(corpus, qrels=corpus.qrels.iloc[:0])
    with pytest.raises(InputError, match="no query has a relevant passage"):
        train(tiny_params(), fresh(tiny_encoder), pairs, unjudged, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_state_knows_its_best_validation():
    state = TrainingState()
    assert state.best == -math.inf
    assert [state.take_score(value) for value in (0.3, 0.2, 0.3, 0.4)] == [True, False, False, True]
    assert state.best == 0.4
    assert state.without_better == 0
    assert not state.take_score(0.1)
    assert state.without_better == 1


def test_the_best_weights_are_kept_and_patience_ends_the_run(data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    params = tiny_params(**WRECKED, keep_best=True, patience=3)
    log = train(params, encoder, *data, tmp_path)
    means = log[[f"validation {setting} mAP" for setting in SETTINGS]].mean(axis=1)
    best = means.iloc[1:].idxmax()
    assert len(log) < 40
    assert log["step"].iloc[-1] == best + 3
    measured = validation_map(encoder, data[1])
    assert np.mean(list(measured.values())) == pytest.approx(means[best], abs=1e-6)
    assert equal(weights(fresh(tmp_path / "model")), weights(encoder))

    # Without keep_best the same run ends with its last weights.
    last = fresh(tiny_encoder)
    last_log = train(tiny_params(**WRECKED, patience=3), last, *data, tmp_path / "last")
    assert last_log["loss"].equals(log["loss"])
    assert not equal(weights(last), weights(encoder))
