"""The average of trained and untrained weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training_toys import SETTINGS, equal, fresh, tiny_params, validation_map, weights

from hybridlib.training.averaging import WeightAverage
from hybridlib.training.loop import train


def test_an_average_lies_between_start_and_end():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    average = WeightAverage(model, 0.75)
    with torch.no_grad():
        model.weight += 4.0
        model.bias += 4.0
    with average.applied():
        torch.testing.assert_close(model.weight, start["weight"] + 3.0)
        assert torch.equal(model.bias, start["bias"] + 4.0)  # it is not trained
    assert torch.equal(model.weight, start["weight"] + 4.0)
    with pytest.raises(KeyboardInterrupt), average.applied():
        raise KeyboardInterrupt
    assert torch.equal(model.weight, start["weight"] + 4.0)
    average.apply()
    torch.testing.assert_close(model.weight, start["weight"] + 3.0)


def test_the_whole_share_leaves_the_model_as_it_is():
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 1.0)
    with torch.no_grad():
        model.weight += 4.0
    end = model.weight.clone()
    with average.applied():
        assert torch.equal(model.weight, end)
    average.apply()
    assert torch.equal(model.weight, end)


def test_a_run_ends_with_the_average_that_it_validates(data, tiny_encoder, tmp_path):
    """It trains as without the average, to the bit."""
    results = {}
    for share in (1.0, 0.75):
        encoder = fresh(tiny_encoder)
        params = tiny_params(trained_share=share, validate_every=1)
        log = train(params, encoder, *data, tmp_path)
        results[share] = log, weights(encoder)
    log, averaged = results[0.75]
    plain_log, trained = results[1.0]
    assert log["loss"].equals(plain_log["loss"])

    # The model is three quarters of the way from the start to the trained weights.
    start = weights(fresh(tiny_encoder))
    expected = {name: torch.lerp(start[name], trained[name], 0.75) for name in start}
    assert equal(averaged, expected)
    assert not equal(averaged, trained)
    assert equal(weights(fresh(tmp_path / "model")), averaged)

    # What was validated last is that model.
    measured = validation_map(fresh(tmp_path / "model"), data[1])
    for setting in SETTINGS:
        value = log[f"validation {setting} mAP"].iloc[-1]
        assert value == pytest.approx(measured[setting], abs=1e-6)
