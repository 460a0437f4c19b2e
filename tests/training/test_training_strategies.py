"""Every strategy through the training loop, for three steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_toys import SETTINGS, equal, expected_loss, fresh, tiny_params, weights

from hybridlib.batching import plugins
from hybridlib.batching.strategies import STRATEGIES, draw_batch
from hybridlib.training.loop import train
from hybridlib.training.setup import pair_table

BUILT_IN = ["en-en", "x-x", "x-x-mono", "x-y", "x-y-pair", "hybrid", "code-switched"]
PLUGIN = """from hybridlib import strategy
from hybridlib.batching.registry import STRATEGIES

@strategy("half-en", "English or cross-lingual", options=("alpha",))
def half_en(pairs, rng, batch_size, alpha):
    name = "en-en" if rng.random() < alpha else "x-y"
    return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)
"""


def check_run(params, data, source: Path, folder: Path) -> list[str]:
    """Train, check losses and model, and return the regime of each step."""
    encoder = fresh(source)
    pairs = data[0]
    table = pair_table(params, pairs)
    size = params.batch_size
    batch = draw_batch(params.strategy, table, params.seed, 1, size, params.alpha)
    first_loss = expected_loss(params, encoder, pairs, batch)
    log = train(params, encoder, *data, folder)
    steps = log.iloc[1:]
    assert steps["step"].tolist() == [1, 2, 3]
    assert np.isfinite(steps["loss"].astype(float)).all()
    assert steps["loss"].iloc[0] == pytest.approx(first_loss, rel=1e-4)
    assert steps[f"validation {SETTINGS[0]} mAP"].notna().tolist() == [False, False, True]

    trained = weights(encoder)
    assert equal(weights(fresh(folder / "model")), trained)
    assert not equal(trained, weights(fresh(source)))
    return steps["regime"].tolist()


def test_the_list_is_complete():
    assert [name for name, entry in STRATEGIES.items() if entry.built_in] == BUILT_IN


@pytest.mark.parametrize("strategy", BUILT_IN)
def test_a_built_in_strategy_trains(strategy, data, tiny_encoder, tmp_path):
    regimes = check_run(tiny_params(strategy=strategy, seed=1), data, tiny_encoder, tmp_path)
    if strategy == "hybrid":
        assert set(regimes) == {"x-x-mono", "x-y"}
    else:
        assert set(regimes) == {strategy}


def test_code_switching_changes_what_is_encoded(data, tiny_encoder, tmp_path):
    """Else the loss above could be that of the texts as they are."""
    losses = []
    for probability in (0.0, 1.0):
        params = tiny_params(strategy="code-switched", steps=1, switch_probability=probability)
        losses.append(train(params, fresh(tiny_encoder), *data, tmp_path)["loss"].iloc[1])
    assert abs(losses[0] - losses[1]) > 1e-3


@pytest.mark.usefixtures("strategies_as_before")
def test_a_plugins_strategy_trains(data, tiny_encoder, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(PLUGIN)
    plugins.load([file])
    params = tiny_params(strategy="half-en", plugins=[str(file)], seed=1)
    regimes = check_run(params, data, tiny_encoder, tmp_path)
    assert set(regimes) == {"en-en", "x-y"}


def test_untrained_measures_and_writes_the_encoder_as_it_is(data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    params = tiny_params(strategy="untrained", trained_share=0.75, freeze_embeddings=True)
    log = train(params, encoder, *data, tmp_path)
    assert log["step"].tolist() == [0]
    assert set(log) == {"step", *(f"validation {setting} mAP" for setting in SETTINGS)}
    assert equal(weights(encoder), weights(fresh(tiny_encoder)))
    assert equal(weights(fresh(tmp_path / "model")), weights(fresh(tiny_encoder)))
    assert len((tmp_path / "training.jsonl").read_text().splitlines()) == 1
