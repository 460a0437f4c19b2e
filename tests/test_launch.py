"""``accelerate launch -m hybridlib.study.launch`` and ``torchrun``: they train a run that the study then finds finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hybridlib.config.params import Params
from hybridlib.study.folder import Study

ROOT = Path(__file__).resolve().parents[1]
LAUNCHERS = {  # accelerate starts several processes on GPUs; on CPUs alone that is torchrun's part
    "accelerate": (
        1,
        [
            "-m",
            "accelerate.commands.launch",
            "--cpu",
            "--num_processes",
            "1",
            "--num_machines",
            "1",
            "--mixed_precision",
            "no",
            "--dynamo_backend",
            "no",
        ],
    ),
    "torchrun": (2, ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study file of its own; the launchers share its data step."""
    folder = tmp_path_factory.mktemp("launch")
    params = Params.load(
        ROOT / "params" / "smoke.yaml",
        {
            "output_dir": str(folder / "out"),
            "study": "launched",
            "strategies": ["x-y"],
            "strategy": "x-y",
            "steps": 6,
            "batch_size": 16,
            "validate_every": 6,
        },
    )
    params.save(folder / "study.yaml")
    return folder / "study.yaml"


OWN = {
    "strategy": "x-en",
    "plugins": ["notebooks/solutions/my_strategies.py"],
}  # a strategy of one's own


@pytest.mark.parametrize(
    ("launcher", "seed", "more"), [("accelerate", 0, OWN), ("torchrun", 1, {})]
)
def test_a_launcher_trains_a_run_of_a_study(launcher, seed, more, study):
    processes, launch = LAUNCHERS[launcher]
    command = [
        sys.executable,
        *launch,
        "-m",
        "hybridlib.study.launch",
        "--params",
        str(study),
        *[
            word
            for name, value in {"seed": seed, **more}.items()
            for word in ("-p", name, json.dumps(value))
        ],
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = Study(Params.load(study, {"seed": seed, **more}))
    assert run.is_done("training")
    lines = [json.loads(line) for line in (run.run / "training.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(7)) and (
        run.run / "model" / "model.safetensors"
    ).exists()
    assert json.loads((run.run / "run.json").read_text())["processes"] == processes


def test_bad_params_are_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hybridlib.study.launch", "--params", str(tmp_path / "none.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (
        done.returncode == 2
        and done.stderr.startswith("hybridlib: ")
        and "no such parameter file" in done.stderr
    )
