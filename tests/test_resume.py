"""A run that is killed, at any moment, ends with the weights of one that was not; and torn or foreign checkpoints."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hybridlib.config.params import Params
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.training import checkpoints
from hybridlib.training.loop import train

PROGRAM = """
import io
import os
import signal
import sys
from pathlib import Path
import pandas as pd
import torch
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.model.encoder import DualEncoder
from hybridlib.config.params import Params
from hybridlib.training.loop import train


def torn(state, stream):
    global left
    content = io.BytesIO()
    save(state, content)
    left -= 1
    stream.write(content.getvalue()[: len(content.getvalue()) // 2] if left == 0 else content.getvalue())
    if left == 0:  # killed with half a checkpoint on the disk
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)


torch.set_num_threads(1)
if len(sys.argv) > 3:
    left, save, torch.save = int(sys.argv[3]), torch.save, torn
inputs, folder = Path(sys.argv[1]), Path(sys.argv[2])
encoder = DualEncoder.load(inputs / "encoder", max_length=64, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.1)
train(Params.load(inputs / "params.yaml"), encoder, pd.read_parquet(inputs / "pairs.parquet"), RetrievalCorpus.load(inputs / "validation"), folder)
"""
STEPS = 60


def params(**changes: object) -> Params:
    values = {
        "strategy": "hybrid-averaged",
        "steps": STEPS,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "validate_every": 20,
        "max_length": 64,
        "checkpoint_every": 1,
        "keep_best": True,
        "learn_temperature": True,
    }
    return Params(**values | changes)


@pytest.fixture(scope="module")
def inputs(fact_pairs, tiny_encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    held = fact_pairs["passage_id"].isin(fact_pairs["passage_id"].unique()[::6])
    fact_pairs[~held].reset_index(drop=True).to_parquet(folder / "pairs.parquet")
    corpus_from_pairs("validation", fact_pairs[held]).save(folder / "validation")
    (folder / "encoder").symlink_to(tiny_encoder)
    params().save(folder / "params.yaml")
    (folder / "program.py").write_text(PROGRAM)
    return folder


def start(inputs: Path, folder: Path, *writes: str) -> subprocess.Popen:
    """A run; with ``writes``, one that is killed in the middle of writing that many files from now."""
    return subprocess.Popen(
        [sys.executable, str(inputs / "program.py"), str(inputs), str(folder), *writes],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return DualEncoder.load(folder / "model").state_dict()


def records(folder: Path) -> list[dict]:
    timing = ("pairs_per_second", "tokens_per_second")
    lines = (folder / "training.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in timing}
        for line in lines
    ]


def test_ten_kills_change_nothing(inputs, tmp_path):
    """At random moments, every other one in the middle of writing a checkpoint; each start goes on from where the last one came to."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(inputs, whole).wait(120) == 0
    rng, kills, reached = np.random.default_rng(int(time.time())), 0, []
    while kills < 10:
        before, further = reached[-1] if reached else 0, int(rng.integers(2, 6))
        if kills % 2:
            assert start(inputs, killed, str(further)).wait(120) == -signal.SIGKILL
            assert list((killed / "checkpoints").glob("*.part"))
        else:
            process, limit = start(inputs, killed), time.time() + 60
            while (
                process.poll() is None and newest(killed) < before + further and time.time() < limit
            ):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.05))
            assert process.poll() is None, "it ended before it was killed"
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills += 1
        reached.append(newest(killed))
        assert reached[-1] >= before and not (killed / "model").exists()
    assert start(inputs, killed).wait(120) == 0
    expected, found = weights(whole), weights(killed)
    assert 0 < reached[0] < reached[-1] < STEPS
    assert expected.keys() == found.keys() and all(
        torch.equal(expected[name], found[name]) for name in expected
    )
    assert records(whole) == records(killed) and len(records(whole)) == STEPS + 1
    assert not (killed / "checkpoints").exists()


def newest(folder: Path) -> int:
    return max(
        (
            int(file.stem.removeprefix("step-"))
            for file in (folder / "checkpoints").glob("step-*.pt")
        ),
        default=0,
    )


# ------------------------------------------------------------------------------------------- in this very process


class Killed(Exception):
    pass


@pytest.fixture
def interrupted(inputs, tmp_path, monkeypatch) -> Path:
    """A run that ended after step 7, with a checkpoint of every step, the last three kept."""
    interrupt(inputs, tmp_path, monkeypatch)
    return tmp_path


def interrupt(
    inputs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> None:
    from hybridlib.training import loop

    real = loop._Run._step

    def step(self: object, number: int) -> dict:
        if number == 8:
            raise Killed
        return real(self, number)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop._Run, "_step", step)
        run(inputs, folder, **changes)


def run(inputs: Path, folder: Path, **changes: object) -> pd.DataFrame:
    values = {"steps": 10, "keep_checkpoints": 3, "validate_every": 4, **changes}
    pairs = pd.read_parquet(inputs / "pairs.parquet")
    from hybridlib.data.corpus import RetrievalCorpus

    encoder = DualEncoder.load(
        inputs / "encoder", max_length=64, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.1
    )
    return train(
        params(**values), encoder, pairs, RetrievalCorpus.load(inputs / "validation"), folder
    )


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "checkpoints").iterdir())


def test_the_last_ones_are_kept(interrupted):
    assert names(interrupted) == [
        "best.pt",
        "step-00000005.pt",
        "step-00000006.pt",
        "step-00000007.pt",
    ]


def test_it_goes_on_where_it_was(interrupted, inputs, caplog):
    with caplog.at_level(logging.INFO, "hybridlib"):
        log = run(inputs, interrupted)
    assert "step-00000007.pt" in caplog.text and log["step"].tolist() == list(range(11))
    assert [record["step"] for record in records(interrupted)] == list(range(11))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_torn_checkpoint_is_skipped_with_a_warning(damage, interrupted, inputs, tmp_path, caplog):
    file = interrupted / "checkpoints" / "step-00000007.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(
        {"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage]
    )
    with caplog.at_level(logging.INFO, "hybridlib"):
        run(inputs, interrupted)
    assert (
        "step-00000007.pt: skipped, it is not whole" in caplog.text
        and "going on from" in caplog.text
        and "step-00000006.pt" in caplog.text
    )
    run(inputs, tmp_path / "whole")
    expected, found = weights(tmp_path / "whole"), weights(interrupted)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_other_params_are_refused_unless_asked_for(interrupted, inputs):
    with pytest.raises(
        InputError,
        match=r"step-00000007.pt: is of a run with other learning_rate \(0.005 then, 0.001 now\); set resume to `changed`",
    ):
        run(inputs, interrupted, learning_rate=1e-3)
    assert names(interrupted)[-1] == "step-00000007.pt"
    log = run(inputs, interrupted, learning_rate=1e-3, resume="changed")
    assert log["learning_rate"].iloc[7] > 2e-3 > log["learning_rate"].iloc[8]


def test_other_data_is_refused(interrupted, inputs):
    pairs = pd.read_parquet(inputs / "pairs.parquet")
    pairs.loc[0, "question"] += "?"
    encoder = DualEncoder.load(inputs / "encoder", max_length=64)
    with pytest.raises(InputError, match="other training pairs"):
        train(
            params(steps=10, validate_every=4),
            encoder,
            pairs,
            corpus_from_pairs("validation", pairs[:20]),
            interrupted,
        )


def test_it_begins_anew_when_asked(interrupted, inputs, caplog):
    with caplog.at_level(logging.INFO, "hybridlib"):
        log = run(inputs, interrupted, resume="never", learning_rate=1e-3)
    assert "going on" not in caplog.text and log["learning_rate"].max() < 2e-3


def test_best_weights_of_steps_that_come_again_with_other_params_are_forgotten(
    inputs, tmp_path, monkeypatch
):
    """From step 3 on again, whose state knows a validation that no later one surpasses; the best weights on disk are of step 4."""
    interrupt(inputs, tmp_path, monkeypatch, keep_checkpoints=10)
    folder = tmp_path / "checkpoints"
    best, third = (
        checkpoints.load(folder / "best.pt"),
        checkpoints.load(folder / "step-00000003.pt"),
    )
    assert best["step"] == 4
    for step in range(4, 8):
        (folder / f"step-{step:08d}.pt").unlink()
    third["state"]["best"] = 2.0
    checkpoints.save(folder / "step-00000003.pt", third)
    run(inputs, tmp_path, learning_rate=1e-3, resume="changed")
    found = weights(tmp_path)
    assert not any(
        torch.equal(found[name], best["model"][name]) for name in found if found[name].ndim > 1
    )


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_best_weights_that_are_lost(damage, inputs, tmp_path, monkeypatch, caplog):
    """The run goes on and ends with the best of the steps that are left, and says what was lost."""
    interrupt(inputs, tmp_path, monkeypatch)
    best = tmp_path / "checkpoints" / "best.pt"
    best.write_bytes(best.read_bytes()[:1000]) if damage == "torn" else best.unlink()
    assert run(inputs, tmp_path)["step"].iloc[-1] == 10 and (tmp_path / "model").is_dir()
    assert ("best.pt: the best weights so far are lost" in caplog.text) == (damage == "torn")


def test_a_kill_while_the_checkpoints_are_removed(interrupted, inputs, tmp_path, monkeypatch):
    """Of a finished run with ``keep_best``: started again, it still has its best weights."""
    real, removed = checkpoints.shutil.rmtree, []

    def half(folder: Path, **options: object) -> None:
        if not removed and list(folder.glob("*.pt")):
            removed.append(folder)
            (folder / "best.pt").unlink()
            raise Killed
        real(folder, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints.shutil, "rmtree", half)
        run(inputs, interrupted)
    again, whole = run(inputs, interrupted), run(inputs, tmp_path / "whole")
    assert removed and again["loss"].equals(whole["loss"])
    expected, found = weights(tmp_path / "whole"), weights(interrupted)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert (
        not (interrupted / "checkpoints").exists()
        and not (interrupted / "checkpoints.part").exists()
    )


def test_a_kill_while_writing_leaves_the_old_one(tmp_path, monkeypatch):
    checkpoints.save_step(tmp_path, 1, {"step": 1}, keep=2)
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(
            os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("no space left"))
        )
        checkpoints.save_step(tmp_path, 2, {"step": 2}, keep=2)
    assert checkpoints.latest(tmp_path)[1] == {"step": 1}
