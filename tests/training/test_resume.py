"""A run that is killed, at any moment, ends as one that was not: to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from killed_run import finish
from training_toys import equal, fresh, tiny_params, weights

import hybridlib

STEPS = 60
PROGRAM = Path(__file__).resolve().parents[1] / "killed_run.py"
PACKAGE = str(Path(hybridlib.__file__).parents[1])
TIMING = ("pairs_per_second", "tokens_per_second")


@pytest.fixture(scope="module")
def inputs(data, tiny_encoder, tmp_path_factory) -> Path:
    """What every start of the run reads."""
    folder = tmp_path_factory.mktemp("inputs")
    data[0].to_parquet(folder / "pairs.parquet")
    data[1].save(folder / "validation")
    (folder / "encoder").symlink_to(tiny_encoder)
    # A learning rate so high that the encoder gets worse: the best weights are not the last.
    params = tiny_params(
        steps=STEPS,
        learning_rate=0.1,
        checkpoint_every=1,
        validate_every=20,
        keep_best=True,
        trained_share=0.75,
        learn_temperature=True,
        anchor_weight=4.0,
        anchor_filter_k=0.1,
        consistency_weight=1.0,
    )
    params.save(folder / "params.yaml")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute here as the killed processes do: sums depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(inputs, one_thread, tmp_path_factory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    finish(inputs, folder)
    return folder


def start(inputs: Path, folder: Path, *writes: str) -> subprocess.Popen:
    """Start the run, or go on with it; with ``writes`` it is killed while writing that file."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(inputs), str(folder), *writes],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PACKAGE},
    )


def kill_while_writing(inputs: Path, folder: Path, writes: int) -> None:
    """Start the run and let it be killed with half a checkpoint on the disk."""
    assert start(inputs, folder, str(writes)).wait(120) == -signal.SIGKILL
    assert list((folder / "checkpoints").glob("*.part"))


def kill_after(inputs: Path, folder: Path, steps: int, wait: float) -> None:
    """Start the run and kill it some seconds after it has taken so many further steps."""
    target = newest(folder) + steps
    process = start(inputs, folder)
    limit = time.time() + 120
    while process.poll() is None and newest(folder) < target and time.time() < limit:
        time.sleep(0.002)
    time.sleep(wait)
    assert process.poll() is None, "it ended before it was killed"
    process.kill()
    process.wait()


def newest(folder: Path) -> int:
    """Return the step of the newest checkpoint."""
    files = (folder / "checkpoints").glob("step-*.pt")
    return max((int(file.stem.removeprefix("step-")) for file in files), default=0)


def records(folder: Path) -> list[dict]:
    """Return training.jsonl without the speed."""
    lines = (folder / "training.jsonl").read_text(encoding="utf-8").splitlines()
    parsed = [json.loads(line) for line in lines]
    return [{name: row[name] for name in row if name not in TIMING} for row in parsed]


def check_same(killed: Path, whole: Path) -> None:
    """Check that two finished runs have the same weights and the same log."""
    assert equal(weights(fresh(killed / "model")), weights(fresh(whole / "model")))
    assert records(killed) == records(whole)
    assert len(records(whole)) == STEPS + 1
    assert not (killed / "checkpoints").exists()


def test_two_kills_change_nothing(inputs, whole, one_thread, tmp_path):
    """One in the middle of writing a checkpoint, one in the middle of a later step."""
    kill_while_writing(inputs, tmp_path, 4)
    assert newest(tmp_path) == 3
    kill_after(inputs, tmp_path, steps=3, wait=0)
    assert 6 <= newest(tmp_path) < STEPS
    assert not (tmp_path / "model").exists()
    finish(inputs, tmp_path)
    check_same(tmp_path, whole)


@pytest.mark.slow
def test_ten_kills_change_nothing(inputs, whole, rng, tmp_path):
    """At random moments, every other one in the middle of writing a checkpoint."""
    reached = [0]
    for number in range(10):
        further = int(rng.integers(2, 5))
        if number % 2:
            kill_while_writing(inputs, tmp_path, further)
        else:
            kill_after(inputs, tmp_path, further, wait=rng.uniform(0, 0.02))
        reached.append(newest(tmp_path))
        assert reached[-1] >= reached[-2]
        assert not (tmp_path / "model").exists()
    assert 0 < reached[1] < reached[-1] < STEPS
    assert start(inputs, tmp_path).wait(120) == 0
    check_same(tmp_path, whole)
