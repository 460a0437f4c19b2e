"""The training loop in miniature: what it logs, what it writes, and that it repeats itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from training_toys import (
    SETTINGS,
    equal,
    expected_loss,
    fresh,
    plain_loss,
    tiny_params,
    validation_map,
    weights,
)

from hybridlib.batching.strategies import draw_batch
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.data.facts import all_facts
from hybridlib.data.phrasings import phrase
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loop import train
from hybridlib.training.setup import pair_table

STEPS = 12
OF_EVERY_STEP = {
    "step",
    "loss",
    "regime",
    "learning_rate",
    "temperature",
    "pairs_per_second",
    "tokens_per_second",
}
VALIDATION = [f"validation {setting} mAP" for setting in SETTINGS]


@pytest.fixture(scope="module")
def run(data, tiny_encoder, tmp_path_factory) -> tuple[DualEncoder, pd.DataFrame, Path]:
    """One run that several tests look at."""
    folder = tmp_path_factory.mktemp("run")
    encoder = fresh(tiny_encoder)
    log = train(tiny_params(steps=STEPS, validate_every=5), encoder, *data, folder)
    return encoder, log, folder


# ------------------------------------------------------------------------------------ log and model


def test_the_log_holds_one_row_per_step(run, data):
    _, log, _ = run
    assert log["step"].tolist() == list(range(STEPS + 1))
    assert set(log) == {*OF_EVERY_STEP, *VALIDATION}
    first = log.iloc[0]
    assert first[list(OF_EVERY_STEP - {"step"})].isna().all()
    steps = log.iloc[1:]
    assert np.isfinite(steps["loss"].astype(float)).all()
    assert (steps["pairs_per_second"] > 0).all()
    assert (steps["tokens_per_second"] > steps["pairs_per_second"]).all()

    table = pair_table(tiny_params(), data[0])
    drawn = [draw_batch("hybrid", table, 0, step, 16).regime for step in range(1, STEPS + 1)]
    assert steps["regime"].tolist() == drawn
    assert set(drawn) == {"x-x-mono", "x-y"}


def test_the_log_has_the_validation_where_it_was_due(run):
    _, log, _ = run
    for column in VALIDATION:
        measured = log[column].notna()
        assert log["step"][measured].tolist() == [0, 5, 10, STEPS]
        assert log[column][measured].between(0, 1).all()


def test_the_last_validation_is_that_of_the_model(run, data):
    encoder, log, _ = run
    measured = validation_map(encoder, data[1])
    for setting, column in zip(SETTINGS, VALIDATION):
        assert log[column].iloc[-1] == pytest.approx(measured[setting], abs=1e-6)


def test_training_jsonl_is_the_log(run):
    _, log, folder = run
    lines = (folder / "training.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    pd.testing.assert_frame_equal(pd.DataFrame(records), log, check_dtype=False)
    assert set(records[0]) == {"step", *VALIDATION}
    assert set(records[1]) == OF_EVERY_STEP


def test_the_model_folder_holds_the_trained_encoder(run, tiny_encoder):
    encoder, _, folder = run
    loaded = fresh(folder / "model")
    assert equal(weights(loaded), weights(encoder))
    assert not equal(weights(loaded), weights(fresh(tiny_encoder)))
    assert loaded.pooling == encoder.pooling
    assert loaded.prefixes == encoder.prefixes
    assert not (folder / "checkpoints").exists()


def test_the_learning_rate_of_each_step_is_logged(data, tiny_encoder, tmp_path):
    params = tiny_params(steps=5, warmup_fraction=0.4, learning_rate=1e-3)
    log = train(params, fresh(tiny_encoder), *data, tmp_path)
    rates = log["learning_rate"][1:].to_numpy() / 1e-3
    assert rates == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])


def test_the_progress_bar_says_how_fast(data, tiny_encoder, tmp_path, capsys):
    train(tiny_params(steps=2), fresh(tiny_encoder), *data, tmp_path)
    elapsed_and_left = r"2/2 \[\d\d:\d\d<00:00"
    speed = r".*loss \d+\.\d+, \d+ pairs/s, \d+ tokens/s"
    assert re.search(elapsed_and_left + speed, capsys.readouterr().err)


# ----------------------------------------------------------------------------------------- learning


def test_training_learns(data, tiny_encoder, tmp_path):
    params = tiny_params(steps=60, learning_rate=1e-2, validate_every=60)
    log = train(params, fresh(tiny_encoder), *data, tmp_path)
    losses = log["loss"][1:].to_numpy(float)
    assert losses[-10:].mean() < 0.6 * losses[:3].mean()
    measured = log["validation multilingual mAP"]
    assert measured.iloc[-1] > 1.2 * measured.iloc[0]


def test_the_loss_masks_passages_of_the_same_content(data, tiny_encoder, tmp_path):
    """20 facts, each phrased twice: a batch of 32 of 40 pairs holds some facts twice."""
    pairs = phrase(all_facts()[:20], ("de", "en", "th"), seed=0, variants=2)
    params = tiny_params(steps=1, strategy="x-y", batch_size=32)
    encoder = fresh(tiny_encoder)
    batch = draw_batch("x-y", pair_table(params, pairs), params.seed, 1, 32)
    expected = expected_loss(params, encoder, pairs, batch)
    apart = pairs.assign(passage_id=[str(row) for row in range(len(pairs))])
    assert expected < expected_loss(params, encoder, apart, batch) - 0.01
    log = train(params, encoder, pairs, data[1], tmp_path)
    assert log["loss"].iloc[1] == pytest.approx(expected, rel=1e-4)


def test_both_directions(data, tiny_encoder, tmp_path):
    params = tiny_params(steps=1, strategy="x-y", bidirectional=True)
    encoder = fresh(tiny_encoder)
    batch = draw_batch("x-y", pair_table(params, data[0]), params.seed, 1, params.batch_size)
    expected = expected_loss(params, encoder, data[0], batch, both=True)
    log = train(params, encoder, *data, tmp_path)
    assert log["loss"].iloc[1] == pytest.approx(expected, rel=1e-4)


def test_explicit_negatives_join_the_batch(data, tiny_encoder, tmp_path):
    """Every other row has one; it counts for every query, but for those that ask for that text."""
    params = tiny_params(steps=1, strategy="x-x-mono")
    encoder = fresh(tiny_encoder)
    others = data[0]["passage"].to_numpy()[::-1]
    pairs = data[0].assign(negative=np.where(np.arange(len(others)) % 2, others, ""))
    batch = draw_batch("x-x-mono", pair_table(params, pairs), params.seed, 1, params.batch_size)
    negatives = [text for text in pairs["negative"].iloc[batch.passages] if text]
    assert 0 < len(negatives) < params.batch_size

    questions, passages = batch.texts(pairs)
    candidates = [*passages, *negatives]
    vectors = encoder.encode(candidates, "passage")
    logits = encoder.encode(questions, "query") @ vectors.T / params.temperature
    content = dict(zip(data[0]["passage"], data[0]["passage_id"]))
    wanted = pairs["passage_id"].iloc[batch.questions].tolist()
    for row, column in np.ndindex(logits.shape):
        if row != column and content[candidates[column]] == wanted[row]:
            logits[row, column] = -np.inf
    expected = plain_loss(logits)
    with_negatives = train(params, encoder, pairs, data[1], tmp_path)["loss"].iloc[1]
    assert with_negatives == pytest.approx(expected, rel=1e-4)
    without = train(params, fresh(tiny_encoder), *data, tmp_path)["loss"].iloc[1]
    assert without < expected - 0.01
    left_out = params.but(explicit_negatives=False)
    log = train(left_out, fresh(tiny_encoder), pairs, data[1], tmp_path)
    assert log["loss"].iloc[1] == without


@pytest.mark.parametrize("language", [None, "passage", "question"])
def test_the_language_of_explicit_negatives(language, data, tiny_encoder, tmp_path):
    """In a cross-lingual batch they are those of the passages' rows, or of the questions'."""
    params = tiny_params(steps=1, strategy="x-y", negative_language=language)
    encoder = fresh(tiny_encoder)
    pairs = data[0].assign(negative="no answer " + data[0]["lang"] + data[0]["pair_id"])
    batch = draw_batch("x-y", pair_table(params, pairs), params.seed, 1, params.batch_size)
    questions, passages = batch.texts(pairs)
    rows = batch.questions if language == "question" else batch.passages
    vectors = encoder.encode([*passages, *pairs["negative"].iloc[rows]], "passage")
    logits = encoder.encode(questions, "query") @ vectors.T / params.temperature
    contents = pairs["passage_id"].to_numpy()[batch.questions]
    same = contents[:, None] == contents[None, :]
    np.fill_diagonal(same, False)
    logits[:, : len(passages)][same] = -np.inf
    log = train(params, encoder, pairs, data[1], tmp_path)
    assert log["loss"].iloc[1] == pytest.approx(plain_loss(logits), rel=1e-5)


def test_paragraph_negatives_are_in_the_language_of_the_question(data, tiny_encoder, tmp_path):
    pairs = data[0].assign(negative="no answer " + data[0]["lang"] + data[0]["pair_id"])
    lareqa = {
        "train_corpus": "xquad-r",
        "train_corpus_path": tmp_path,
        "paragraph_negatives": True,
    }
    losses = []
    for changes in ({"negative_language": "question"}, lareqa, {}):
        params = tiny_params(steps=1, strategy="x-y", **changes)
        log = train(params, fresh(tiny_encoder), pairs, data[1], tmp_path)
        losses.append(log["loss"].iloc[1])
    assert losses[0] == losses[1] != losses[2]


def test_a_language_of_negatives_that_are_not_there_is_refused(data, tiny_encoder, tmp_path):
    params = tiny_params(negative_language="question")
    reason = r"negative_language \(question\): the training pairs have no column negative"
    with pytest.raises(InputError, match=reason):
        train(params, fresh(tiny_encoder), *data, tmp_path)


def test_micro_batches_leave_the_loss_as_it_is(data, tiny_encoder, tmp_path):
    losses = []
    for tokens in (64, 100_000):
        params = tiny_params(strategy="x-y", steps=1, train_tokens=tokens)
        losses.append(train(params, fresh(tiny_encoder), *data, tmp_path)["loss"].iloc[1])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_dropout_is_at_work(data, tiny_encoder, tmp_path):
    losses = []
    for dropout in (0.0, 0.3):
        log = train(tiny_params(steps=1), fresh(tiny_encoder, dropout), *data, tmp_path)
        losses.append(log["loss"].iloc[1])
    assert abs(losses[0] - losses[1]) > 1e-3


def test_the_temperature_can_be_learned(data, tiny_encoder, tmp_path):
    params = tiny_params(steps=STEPS, learn_temperature=True, learning_rate=2e-2)
    temperature = train(params, fresh(tiny_encoder), *data, tmp_path)["temperature"].dropna()
    assert temperature.iloc[0] != pytest.approx(temperature.iloc[-1], rel=1e-3)
    assert (temperature >= 0.0099).all()


# ----------------------------------------------------------------------------------- the same again


def test_the_same_seed_gives_the_same_weights(data, tiny_encoder, tmp_path):
    """Also with dropout, and whatever was drawn before."""
    trained = []
    losses = []
    for number, seed in enumerate((3, 3, 4)):
        torch.rand(number + 1)
        encoder = fresh(tiny_encoder, dropout=0.1)
        log = train(tiny_params(seed=seed), encoder, *data, tmp_path)
        trained.append(weights(encoder))
        losses.append(log["loss"].tolist()[1:])
    assert equal(trained[0], trained[1]) and losses[0] == losses[1]
    assert not equal(trained[0], trained[2]) and losses[0] != losses[2]


def test_validation_does_not_change_what_is_learned(data, tiny_encoder, tmp_path):
    trained = []
    for every, expected in ((1, [0, 1, 2, 3]), (100, [0, 3]), (None, [3])):
        encoder = fresh(tiny_encoder, dropout=0.1)
        log = train(tiny_params(validate_every=every), encoder, *data, tmp_path)
        trained.append(weights(encoder))
        assert log["step"][log["validation multilingual mAP"].notna()].tolist() == expected
    assert equal(trained[0], trained[1])
    assert equal(trained[0], trained[2])


# ---------------------------------------------------------------------------------- what is trained


def test_frozen_embeddings_stay_as_they_are(data, tiny_encoder, tmp_path):
    before = weights(fresh(tiny_encoder))
    changed = {}
    for freeze in (True, False):
        encoder = fresh(tiny_encoder)
        params = tiny_params(steps=2, freeze_embeddings=freeze, weight_decay=0.5)
        train(params, encoder, *data, tmp_path)
        after = weights(encoder)
        changed[freeze] = {name for name in after if not torch.equal(after[name], before[name])}
        first = json.loads((tmp_path / "training.jsonl").read_text().splitlines()[0])
        assert ("frozen" in first) == freeze
    embeddings = {name for name in before if ".embeddings." in name}
    assert changed[False] - changed[True] == embeddings
    assert changed[True]


def test_weight_decay_spares_biases_and_norms(data, tiny_encoder, tmp_path):
    """The gradient of the first step is the same with and without decay."""
    moved = {}
    for decay in (0.0, 0.9):
        encoder = fresh(tiny_encoder)
        params = tiny_params(steps=1, weight_decay=decay, learning_rate=0.1, warmup_fraction=0)
        train(params, encoder, *data, tmp_path)
        moved[decay] = weights(encoder)
    for name, value in weights(fresh(tiny_encoder)).items():
        difference = moved[0.0][name] - moved[0.9][name]
        expected = 0.1 * 0.9 * value if value.ndim >= 2 else torch.zeros_like(value)
        assert torch.allclose(difference, expected, atol=1e-6), name


def test_one_language_alone(fact_pairs, tiny_encoder, tmp_path):
    """English only: the validation leaves out the settings that need another language."""
    english = fact_pairs[fact_pairs["lang"] == "en"].reset_index(drop=True)
    validation = corpus_from_pairs("en", english[:20])
    options = {"steps": 4, "validate_every": 2, "keep_best": True, "patience": 5}
    params = tiny_params(strategy="en-en", languages=["en"], **options)
    training = english[20:].reset_index(drop=True)
    log = train(params, fresh(tiny_encoder), training, validation, tmp_path)
    assert log["validation monolingual mAP"].notna().sum() == 3
    assert "validation cross-lingual mAP" not in log


# --------------------------------------------------------------------------- what cannot be trained


@pytest.mark.filterwarnings("ignore")
def test_vectors_that_are_not_finite_end_the_run(data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    with torch.no_grad():
        encoder.backbone.get_input_embeddings().weight[:] = float("nan")
    reason = "vectors are zero or not finite.*; the first is that of '.+Look at the text"
    with pytest.raises(InputError, match=reason):
        train(tiny_params(), encoder, *data, tmp_path)
    assert not (tmp_path / "model").exists()


def test_too_little_memory_of_a_gpu_says_what_to_lower(data, tiny_encoder, tmp_path, monkeypatch):
    def refuse(*arguments: object, **named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    encoder = fresh(tiny_encoder)
    monkeypatch.setattr(encoder, "forward", refuse)
    with pytest.raises(InputError, match="memory of the GPU does not suffice; lower batch_size"):
        train(tiny_params(), encoder, *data, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_not_finite_ends_the_run(data, tiny_encoder, tmp_path, monkeypatch):
    infinite = torch.tensor(float("inf"))
    monkeypatch.setattr(
        torch.nn.functional, "cross_entropy", lambda logits, _: logits.sum() * infinite
    )
    reason = r"the loss became .*: lower learning_rate \(0.005\) or raise temperature \(0.05\)"
    with pytest.raises(InputError, match=reason):
        train(tiny_params(), fresh(tiny_encoder), *data, tmp_path)
    assert not (tmp_path / "model").exists()


def test_too_large_a_batch_is_refused(data, tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="lower batch_size"):
        train(tiny_params(batch_size=500), fresh(tiny_encoder), *data, tmp_path)


def test_cross_lingual_batches_need_two_languages(fact_pairs, tiny_encoder, data, tmp_path):
    english = fact_pairs[fact_pairs["lang"] == "en"].reset_index(drop=True)
    reason = (
        "a batch of 16 needs as many different pairs in two languages, the training pairs have 0"
    )
    with pytest.raises(InputError, match=reason):
        train(tiny_params(strategy="x-y"), fresh(tiny_encoder), english, data[1], tmp_path)
