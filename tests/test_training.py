"""The training loop in miniature: it learns, it repeats itself, and two processes do what one does."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.multiprocessing as mp
from accelerate import Accelerator

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation import metrics
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval import rank as retrieval_rank
from hybridlib.training import loop, setup
from hybridlib.training.grad_cache import TokenGradients
from hybridlib.training.loop import train

STEPS = 12
SETTINGS = ("monolingual", "cross-lingual", "multilingual")
Data = tuple[pd.DataFrame, RetrievalCorpus]


@pytest.fixture(scope="module")
def data(fact_pairs) -> Data:
    """Training pairs and a validation corpus of other passages."""
    held = fact_pairs["passage_id"].isin(fact_pairs["passage_id"].unique()[::6])
    return fact_pairs[~held].reset_index(drop=True), corpus_from_pairs(
        "validation", fact_pairs[held]
    )


def tiny_params(**changes: object) -> Params:
    return Params(
        **{
            "strategy": "hybrid",
            "steps": STEPS,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "validate_every": 5,
            "max_length": 64,
            **changes,
        }
    )


def fresh(folder: Path, dropout: float = 0.0) -> DualEncoder:
    return DualEncoder.load(
        folder, max_length=64, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout
    )


def weights(encoder: DualEncoder) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def run(data, tiny_encoder, tmp_path_factory) -> tuple[DualEncoder, pd.DataFrame, Path]:
    """One run that several tests look at."""
    folder, encoder = tmp_path_factory.mktemp("run"), fresh(tiny_encoder)
    return encoder, train(tiny_params(), encoder, *data, folder), folder


def test_the_log_holds_one_row_per_step(run, data):
    _, log, folder = run
    assert log["step"].tolist() == list(range(STEPS + 1))
    assert set(log) == {
        "step",
        "loss",
        "regime",
        "learning_rate",
        "temperature",
        "pairs_per_second",
        "tokens_per_second",
        *(f"validation {setting} mAP" for setting in SETTINGS),
    }
    first, steps = log.iloc[0], log.iloc[1:]
    assert first[["loss", "regime", "learning_rate", "pairs_per_second"]].isna().all()
    assert np.isfinite(steps["loss"].astype(float)).all() and (steps["pairs_per_second"] > 0).all()
    table = PairTable(data[0])
    assert steps["regime"].tolist() == [
        draw_batch("hybrid", table, 0, step, 16).regime for step in range(1, STEPS + 1)
    ]
    assert set(steps["regime"]) == {"x-x-mono", "x-y"}
    for setting in SETTINGS:
        measured = log[f"validation {setting} mAP"].notna()
        assert log["step"][measured].tolist() == [0, 5, 10, STEPS]
        assert log[f"validation {setting} mAP"][measured].between(0, 1).all()


def test_training_jsonl_is_the_log(run):
    _, log, folder = run
    records = [
        json.loads(line)
        for line in (folder / "training.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    pd.testing.assert_frame_equal(pd.DataFrame(records), log, check_dtype=False)
    assert "loss" not in records[0] and set(records[1]) == {
        "step",
        "loss",
        "regime",
        "learning_rate",
        "temperature",
        "pairs_per_second",
        "tokens_per_second",
    }


def test_the_model_folder_holds_the_trained_encoder(run, tiny_encoder):
    encoder, _, folder = run
    loaded = fresh(folder / "model")
    assert equal(weights(loaded), weights(encoder)) and not equal(
        weights(loaded), weights(fresh(tiny_encoder))
    )
    assert (loaded.pooling, loaded.prefixes) == (encoder.pooling, encoder.prefixes)


def test_the_learning_rate_rises_and_falls(data, tiny_encoder, tmp_path):
    log = train(
        tiny_params(steps=10, warmup_fraction=0.4, learning_rate=1e-3, validate_every=100),
        fresh(tiny_encoder),
        *data,
        tmp_path,
    )
    rates = log["learning_rate"][1:].to_numpy() / 1e-3
    assert rates == pytest.approx(
        [1 / 5, 2 / 5, 3 / 5, 4 / 5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    )


def test_training_learns(data, tiny_encoder, tmp_path):
    log = train(
        tiny_params(steps=60, learning_rate=1e-2, validate_every=60),
        fresh(tiny_encoder),
        *data,
        tmp_path,
    )
    losses = log["loss"][1:].to_numpy(float)
    assert losses[-10:].mean() < 0.6 * losses[:3].mean()
    assert (
        log["validation multilingual mAP"].iloc[-1]
        > 1.2 * log["validation multilingual mAP"].iloc[0]
    )


def test_the_first_loss_is_that_of_the_first_batch(data, tiny_encoder, tmp_path):
    """Computed here from the vectors, with same-passage negatives left out (150 facts, so there are none to mask)."""
    params, pairs, encoder = tiny_params(steps=1, strategy="x-y"), data[0], fresh(tiny_encoder)
    batch = draw_batch("x-y", PairTable(pairs), params.seed, 1, params.batch_size)
    scores = (
        encoder.encode(pairs["question"].iloc[batch.questions], "query")
        @ encoder.encode(pairs["passage"].iloc[batch.passages], "passage").T
        / params.temperature
    )
    expected = np.mean(np.log(np.exp(scores).sum(1)) - np.diag(scores))
    assert train(params, encoder, *data, tmp_path)["loss"].iloc[1] == pytest.approx(
        expected, rel=1e-4
    )


def test_untrained_measures_and_writes_the_encoder_as_it_is(data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    log = train(tiny_params(strategy="untrained"), encoder, *data, tmp_path)
    assert log["step"].tolist() == [0] and set(log) == {
        "step",
        *(f"validation {setting} mAP" for setting in SETTINGS),
    }
    assert equal(weights(encoder), weights(fresh(tiny_encoder)))
    assert equal(weights(fresh(tmp_path / "model")), weights(fresh(tiny_encoder)))
    assert len((tmp_path / "training.jsonl").read_text().splitlines()) == 1


def test_the_same_seed_gives_the_same_weights(data, tiny_encoder, tmp_path):
    """Also with dropout, and whatever was drawn before."""
    trained = []
    for number, seed in enumerate((3, 3, 4)):
        torch.rand(number + 1)
        encoder = fresh(tiny_encoder, dropout=0.1)
        log = train(tiny_params(seed=seed, steps=4, validate_every=100), encoder, *data, tmp_path)
        trained.append((weights(encoder), log["loss"].tolist()[1:]))
    assert equal(trained[0][0], trained[1][0]) and trained[0][1] == trained[1][1]
    assert not equal(trained[0][0], trained[2][0]) and trained[0][1] != trained[2][1]


def test_validation_does_not_change_what_is_learned(data, tiny_encoder, tmp_path):
    trained = []
    for every, measured in ((1, [0, 1, 2, 3, 4]), (100, [0, 4]), (None, [4])):
        encoder = fresh(tiny_encoder, dropout=0.1)
        log = train(tiny_params(steps=4, validate_every=every), encoder, *data, tmp_path)
        trained.append(weights(encoder))
        assert log["step"][log["validation multilingual mAP"].notna()].tolist() == measured
    assert equal(*trained[:2]) and equal(*trained[1:])


def test_frozen_embeddings_stay_as_they_are(data, tiny_encoder, tmp_path):
    before = weights(fresh(tiny_encoder))
    changed = {}
    for freeze in (True, False):
        encoder = fresh(tiny_encoder)
        train(
            tiny_params(steps=2, freeze_embeddings=freeze, weight_decay=0.5),
            encoder,
            *data,
            tmp_path,
        )
        changed[freeze] = {
            name for name, value in weights(encoder).items() if not torch.equal(value, before[name])
        }
    assert (
        changed[False] - changed[True] == {name for name in before if ".embeddings." in name}
        and changed[True]
    )


def test_weight_decay_spares_biases_and_norms(data, tiny_encoder, tmp_path):
    """With a vanishing gradient only the decay is left: matrices shrink, vectors stay."""
    moved = {}
    for decay in (0.0, 0.9):
        encoder = fresh(tiny_encoder)
        train(
            tiny_params(steps=1, weight_decay=decay, learning_rate=0.1, warmup_fraction=0),
            encoder,
            *data,
            tmp_path,
        )
        moved[decay] = weights(encoder)
    before = weights(fresh(tiny_encoder))
    for name, value in before.items():
        difference = moved[0.0][name] - moved[0.9][name]
        expected = 0.1 * 0.9 * value if value.ndim >= 2 else torch.zeros_like(value)
        assert torch.allclose(difference, expected, atol=1e-6), name


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_not_finite_ends_the_run(data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    with torch.no_grad():
        encoder.backbone.get_input_embeddings().weight[:] = float("nan")
    with pytest.raises(
        FloatingPointError,
        match=r"the loss became nan: lower learning_rate \(0.005\) or raise temperature \(0.05\)",
    ):
        train(tiny_params(validate_every=None), encoder, *data, tmp_path)
    assert not (tmp_path / "model").exists()


def test_too_large_a_batch_is_refused(data, tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="lower batch_size"):
        train(tiny_params(batch_size=500), fresh(tiny_encoder), *data, tmp_path)


@pytest.mark.parametrize("strategy", ["en-en", "x-x", "x-x-mono", "x-y", "x-y-pair"])
def test_every_strategy_trains(strategy, data, tiny_encoder, tmp_path):
    log = train(tiny_params(strategy=strategy, steps=2), fresh(tiny_encoder), *data, tmp_path)
    assert log["regime"].tolist()[1:] == [strategy] * 2 and (log["loss"][1:] > 0).all()


def test_one_language_alone(fact_pairs, tiny_encoder, tmp_path):
    """English only: the settings that need another language are left out, of the validation too."""
    english = fact_pairs[fact_pairs["lang"] == "en"].reset_index(drop=True)
    log = train(
        tiny_params(
            strategy="en-en",
            languages=["en"],
            steps=4,
            validate_every=2,
            keep_best=True,
            patience=5,
        ),
        fresh(tiny_encoder),
        english[20:].reset_index(drop=True),
        corpus_from_pairs("en", english[:20]),
        tmp_path,
    )
    assert (
        log["validation monolingual mAP"].notna().sum() == 3
        and "validation cross-lingual mAP" not in log
    )
    with pytest.raises(
        InputError,
        match="a batch of 16 needs as many different pairs in two languages, the training pairs have 0",
    ):
        train(
            tiny_params(strategy="x-y", languages=["en"]),
            fresh(tiny_encoder),
            english,
            corpus_from_pairs("en", english[:20]),
            tmp_path,
        )


@pytest.mark.skipif(
    torch.accelerator.is_available(), reason="there is an accelerator, which has fp16"
)
def test_fp16_needs_an_accelerator(data, tiny_encoder, tmp_path):
    with pytest.raises(
        InputError, match=r"precision \(fp16\) cannot be had on cpu; use bf16 or fp32"
    ):
        train(tiny_params(precision="fp16"), fresh(tiny_encoder), *data, tmp_path)


# ------------------------------------------------------------------------------------------------- two processes


VARIANTS: dict[str, dict[str, object]] = {
    "plain": {},
    "everything": {
        "cached_gradients": True,
        "train_tokens": 128,
        "bidirectional": True,
        "learn_temperature": True,
        "checkpoint_every": 4,
    },
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def one_of_two(rank: int, port: int, source: str, inputs: str, folder: str) -> None:
    """What ``accelerate launch --cpu --num_processes 2`` starts."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true",
    )
    torch.set_num_threads(1)
    given, validation = (
        pd.read_parquet(Path(inputs) / "pairs.parquet"),
        RetrievalCorpus.load(Path(inputs) / "validation"),
    )
    with pytest.raises(InputError, match="batch_size"):
        train(tiny_params(batch_size=15), fresh(Path(source)), given, validation, Path(folder))
    for name, changes in VARIANTS.items():
        encoder = fresh(Path(source))
        log = train(tiny_params(**changes), encoder, given, validation, Path(folder) / name)
        log.to_parquet(Path(folder) / f"{name}-log{rank}.parquet")
        torch.save(weights(encoder), Path(folder) / f"{name}-weights{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(data, tiny_encoder, tmp_path_factory) -> Path:
    """The folder in which two processes have trained every variant."""
    folder = tmp_path_factory.mktemp("two")
    data[0].to_parquet(folder / "pairs.parquet")
    data[1].save(folder / "validation")
    mp.spawn(one_of_two, args=(free_port(), str(tiny_encoder), str(folder), str(folder)), nprocs=2)
    return folder


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_train_as_one_does(name, two_processes, data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    log = train(tiny_params(**VARIANTS[name]), encoder, *data, tmp_path)
    expected = weights(encoder)
    for rank in range(2):
        shared = pd.read_parquet(two_processes / f"{name}-log{rank}.parquet")
        assert shared["loss"][1:].tolist() == pytest.approx(log["loss"][1:].tolist(), abs=1e-5)
        assert shared["temperature"][1:].tolist() == pytest.approx(
            log["temperature"][1:].tolist(), abs=1e-6
        )
        assert shared["regime"].tolist()[1:] == log["regime"].tolist()[1:]
        for setting in SETTINGS:
            assert shared[f"validation {setting} mAP"].dropna().tolist() == pytest.approx(
                log[f"validation {setting} mAP"].dropna().tolist(), abs=1e-2
            )
        found = torch.load(two_processes / f"{name}-weights{rank}.pt")
        assert found.keys() == expected.keys()
        apart = torch.cat([(found[name] - expected[name]).abs().flatten() for name in expected])
        assert (
            apart.max() < 1e-3 and (apart < 1e-5).float().mean() > 0.999
        )  # of 3e-2 that they moved; Adam makes steps of the rounding of tiny gradients
    assert equal(
        weights(fresh(two_processes / name / "model")),
        torch.load(two_processes / f"{name}-weights0.pt"),
    )
    assert len((two_processes / name / "training.jsonl").read_text().splitlines()) == STEPS + 1


def test_the_variants_differ(two_processes):
    """Else the comparison above would say less than it seems to."""
    plain = torch.load(two_processes / "plain-weights0.pt")
    assert not equal(plain, torch.load(two_processes / "everything-weights0.pt"))


# ---------------------------------------------------------------------------------------------- cached gradients


def gradients(data, source: Path, **changes: object) -> tuple[dict[str, torch.Tensor], float]:
    """Gradients and loss of the first step, dropout on: what a step with learning rate 1 and plain SGD would move."""
    encoder, params = (
        fresh(source, dropout=0.2),
        tiny_params(strategy="x-y", batch_size=64, **changes),
    )
    run = loop._Run(params, Accelerator(), encoder, *data, Path("."))
    held: dict[str, torch.Tensor] = {}
    run.optimizer.step = lambda: held.update(
        {name: p.grad.clone() for name, p in encoder.named_parameters()}
    )
    return held, run._step(1)["loss"]


def test_cached_gradients_are_those_of_the_plain_batch(data, tiny_encoder):
    plain, loss = gradients(data, tiny_encoder, train_tokens=256, max_grad_norm=1e9)
    cached, same = gradients(
        data, tiny_encoder, train_tokens=256, max_grad_norm=1e9, cached_gradients=True
    )
    assert same == pytest.approx(loss, abs=1e-6) and plain.keys() == cached.keys()
    assert max(value.abs().max().item() for value in plain.values()) > 1e-3
    assert max((plain[name] - cached[name]).abs().max().item() for name in plain) < 1e-5


@pytest.mark.parametrize("cached", [False, True])
def test_token_gradients_row_by_row_are_those_of_the_whole_table(
    cached, data, tiny_encoder, monkeypatch
):
    changes = {"train_tokens": 256, "max_grad_norm": 1e9, "cached_gradients": cached}
    rows, _ = gradients(data, tiny_encoder, **changes)
    monkeypatch.setattr(
        "hybridlib.training.loop.TokenGradients",
        lambda encoder, processes: TokenGradients(encoder, 2),
    )
    table, _ = gradients(data, tiny_encoder, **changes)
    (name,) = (name for name in table if "word_embeddings" in name)
    untouched = table[name].abs().sum(1) == 0
    assert 0 < untouched.sum() < len(untouched) and rows[name].layout == torch.strided
    assert (
        all(torch.allclose(rows[key], table[key], atol=1e-6) for key in table)
        and (rows[name][untouched] == 0).all()
    )


def test_token_gradients_of_one_step_do_not_reach_the_next(data, tiny_encoder, tmp_path):
    """With the second step's rows alone in its gradient."""
    held, encoder = [], fresh(tiny_encoder)
    run = loop._Run(tiny_params(strategy="x-y"), Accelerator(), encoder, *data, tmp_path)
    run.optimizer.step = lambda: held.append(
        encoder.backbone.get_input_embeddings().weight.grad.abs().sum(1) > 0
    )
    used = []
    for step in (1, 2):
        run._step(step)
        texts = draw_batch("x-y", run.table, 0, step, 16).texts(data[0])
        used.append(
            {
                token
                for side, part in zip(("query", "passage"), texts)
                for ids in encoder.tokenize(part, side)
                for token in ids
            }
        )
    assert [set(rows.nonzero().flatten().tolist()) for rows in held] == used and used[0] - used[1]
    run.token_gradients.end()
    assert not encoder.backbone.get_input_embeddings().sparse


def test_micro_batches_leave_the_loss_as_it_is(data, tiny_encoder, tmp_path):
    losses = [
        train(
            tiny_params(strategy="x-y", steps=1, train_tokens=tokens),
            fresh(tiny_encoder),
            *data,
            tmp_path,
        )["loss"].iloc[1]
        for tokens in (64, 100_000)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_dropout_is_at_work(data, tiny_encoder, tmp_path):
    losses = [
        train(tiny_params(steps=1), fresh(tiny_encoder, dropout), *data, tmp_path)["loss"].iloc[1]
        for dropout in (0.0, 0.3)
    ]
    assert abs(losses[0] - losses[1]) > 1e-3


# ---------------------------------------------------------------------------------------------------- the options


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.5, 1, 0.75, 0.5]),
        ("cosine", [0.5, 1, (1 + 2**-0.5) / 2, 0.5]),
        ("constant", [0.5, 1, 1, 1]),
    ],
)
def test_schedules(schedule, expected):
    params = tiny_params(schedule=schedule, steps=5, warmup_fraction=0.2)
    assert [setup._rate_factor(params, step) for step in range(1, 5)] == pytest.approx(expected)


def test_the_temperature_can_be_learned(data, tiny_encoder, tmp_path):
    log = train(
        tiny_params(learn_temperature=True, learning_rate=2e-2),
        fresh(tiny_encoder),
        *data,
        tmp_path,
    )
    assert log["temperature"].iloc[1] != pytest.approx(log["temperature"].iloc[-1], rel=1e-3)
    assert (log["temperature"].dropna() >= 0.0099).all()


def test_the_best_weights_are_kept_and_patience_ends_the_run(data, tiny_encoder, tmp_path):
    """With a learning rate that wrecks the encoder: it gets worse from the first validation on."""
    changes = {
        "learning_rate": 0.3,
        "steps": 40,
        "validate_every": 1,
        "keep_best": True,
        "patience": 3,
        "warmup_fraction": 0,
    }
    log = train(tiny_params(**changes), encoder := fresh(tiny_encoder), *data, tmp_path)
    means = log[[f"validation {setting} mAP" for setting in SETTINGS]].mean(axis=1)
    best = means.iloc[1:].idxmax()
    assert len(log) < 40 and log["step"].iloc[-1] == best + 3
    stopped = fresh(tiny_encoder)
    train(
        tiny_params(**changes | {"keep_best": False, "patience": None, "steps": 40}),
        stopped,
        *data,
        tmp_path / "other",
    )
    assert equal(weights(fresh(tmp_path / "model")), weights(encoder)) and not equal(
        weights(encoder), weights(stopped)
    )
    settings = metrics.summarise(
        retrieval_rank.rank(
            *retrieval_rank.encode_corpus(encoder, data[1], progress=False), data[1], 10
        ),
        data[1],
        10,
    )["settings"]
    assert np.mean([settings[setting]["map"] for setting in SETTINGS]) == pytest.approx(
        means[best], abs=1e-6
    )


def test_an_averaged_strategy_hands_on_what_it_validates(run, data, tiny_encoder, tmp_path):
    """It trains as hybrid does, to the bit; its model lies three quarters of the way from the untrained encoder to hybrid's."""
    hybrid, log, _ = run
    averaged_log = train(
        tiny_params(strategy="hybrid-averaged"), averaged := fresh(tiny_encoder), *data, tmp_path
    )
    assert averaged_log["loss"].equals(log["loss"])
    start, end, got = weights(fresh(tiny_encoder)), weights(hybrid), weights(averaged)
    assert not equal(got, end) and equal(weights(fresh(tmp_path / "model")), got)
    for name, value in got.items():
        torch.testing.assert_close(
            value, 0.25 * start[name] + 0.75 * end[name], rtol=1e-5, atol=1e-6
        )
    settings = metrics.summarise(
        retrieval_rank.rank(
            *retrieval_rank.encode_corpus(averaged, data[1], progress=False), data[1], 10
        ),
        data[1],
        10,
    )["settings"]
    assert {setting: settings[setting]["map"] for setting in SETTINGS} == {
        setting: pytest.approx(averaged_log[f"validation {setting} mAP"].iloc[-1], abs=1e-6)
        for setting in SETTINGS
    }


def test_tensorboard_gets_the_figures(data, tiny_encoder, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = train(
        tiny_params(steps=3, trackers=["tensorboard"]), fresh(tiny_encoder), *data, tmp_path
    )
    (events,) = {
        file.parent
        for file in (tmp_path / "trackers").rglob("events*")
        if EventAccumulator(str(file)).Reload().Tags()["scalars"]
    }
    read = EventAccumulator(str(events)).Reload()
    assert [event.value for event in read.Scalars("loss")] == pytest.approx(
        log["loss"].dropna().tolist(), rel=1e-6
    )


def test_an_unknown_tracker_is_refused(data, tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="trackers"):
        train(tiny_params(trackers=["no-such-tracker"]), fresh(tiny_encoder), *data, tmp_path)


def test_one_kernel_trains_in_one_precision_after_another(data, tiny_encoder, tmp_path):
    losses = {}
    for precision in ("fp32", "bf16", "fp32"):
        encoder = fresh(tiny_encoder)
        losses[precision] = train(
            tiny_params(steps=2, precision=precision), encoder, *data, tmp_path
        )["loss"].iloc[2]
        assert {value.dtype for value in weights(encoder).values()} == {torch.float32}
    assert losses["fp32"] != losses["bf16"] and losses["fp32"] == pytest.approx(
        losses["bf16"], rel=0.05
    )


def test_both_directions(data, tiny_encoder, tmp_path):
    """Computed here from the vectors (150 facts, so there are none to mask)."""
    params, pairs, encoder = (
        tiny_params(steps=1, strategy="x-y", bidirectional=True),
        data[0],
        fresh(tiny_encoder),
    )
    batch = draw_batch("x-y", PairTable(pairs), params.seed, 1, params.batch_size)
    scores = (
        encoder.encode(pairs["question"].iloc[batch.questions], "query")
        @ encoder.encode(pairs["passage"].iloc[batch.passages], "passage").T
        / params.temperature
    )
    expected = np.mean([np.mean(np.log(np.exp(s).sum(1)) - np.diag(s)) for s in (scores, scores.T)])
    assert train(params, encoder, *data, tmp_path)["loss"].iloc[1] == pytest.approx(
        expected, rel=1e-4
    )


def test_explicit_negatives_join_the_batch(data, tiny_encoder, tmp_path):
    """Every other row has one; it is in the sum of every query, but for those that ask for that very text."""
    params, encoder = tiny_params(steps=1, strategy="x-x-mono"), fresh(tiny_encoder)
    pairs = data[0].copy()
    pairs["negative"] = [
        text if row % 2 else "" for row, text in enumerate(pairs["passage"].to_numpy()[::-1])
    ]
    batch = draw_batch("x-x-mono", PairTable(pairs), params.seed, 1, params.batch_size)
    passages, texts = (
        pairs["passage"].iloc[batch.passages].tolist(),
        pairs["negative"].iloc[batch.passages].tolist(),
    )
    given = [text for text in texts if text]
    scores = (
        encoder.encode(pairs["question"].iloc[batch.questions], "query")
        @ encoder.encode(passages + given, "passage").T
        / params.temperature
    )
    content = dict(zip(data[0]["passage"], data[0]["passage_id"]))
    own = pairs["passage_id"].iloc[batch.questions].tolist()
    for row, column in np.ndindex(scores.shape):
        if row != column and content[(passages + given)[column]] == own[row]:
            scores[row, column] = -np.inf
    expected = np.mean(np.log(np.exp(scores).sum(1)) - np.diag(scores))
    assert 0 < len(given) < len(texts)
    assert train(params, encoder, pairs, data[1], tmp_path)["loss"].iloc[1] == pytest.approx(
        expected, rel=1e-4
    )
    assert train(params, fresh(tiny_encoder), *data, tmp_path)["loss"].iloc[1] < expected - 0.01


def test_the_progress_bar_says_how_fast(data, tiny_encoder, tmp_path, capsys):
    train(tiny_params(steps=2), fresh(tiny_encoder), *data, tmp_path)
    shown = capsys.readouterr().err
    assert re.search(
        r"2/2 \[\d\d:\d\d<00:00.*loss \d+\.\d+, \d+ pairs/s, \d+ tokens/s", shown
    )  # elapsed<left
