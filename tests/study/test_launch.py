"""``accelerate launch`` and ``torchrun`` train a run that the study then finds finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clones import ROOT
from studies import copied

from hybridlib.config.params import Params
from hybridlib.study import launch
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study

# Accelerate starts several processes on GPUs; on CPUs alone torchrun does.
ACCELERATE = [
    *("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
PLUGIN = {"strategy": "x-en", "plugins": ["notebooks/solutions/my_strategies.py"]}

pytestmark = pytest.mark.usefixtures("strategies_as_before")


@pytest.fixture(scope="module")
def study(finished_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file; the data of its study are finished."""
    folder = tmp_path_factory.mktemp("launch")
    copied(finished_study, folder / "out", strategy="x-y").params.save(folder / "study.yaml")
    return folder / "study.yaml"


def options(values: dict[str, object]) -> list[str]:
    return [word for name, value in values.items() for word in ("-p", name, json.dumps(value))]


def check_trained(study: Path, values: dict[str, object], processes: int) -> None:
    run = Study.open(Params.load(study, values))
    assert is_done(run, "training")
    lines = [json.loads(line) for line in (run.run / "training.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(run.params.steps + 1))
    assert (run.model / "model.safetensors").exists()
    assert json.loads((run.run / "run.json").read_text())["processes"] == processes


@pytest.mark.parametrize(
    ("launcher", "processes", "values"),
    [
        pytest.param(ACCELERATE, 1, {"seed": 0, **PLUGIN}, id="accelerate"),
        pytest.param(TORCHRUN, 2, {"seed": 1}, id="torchrun"),
    ],
)
def test_a_launcher_trains_a_run_of_a_study(launcher, processes, values, study):
    module = ["-m", "hybridlib.study.launch", "--params", str(study)]
    done = subprocess.run(
        [sys.executable, *launcher, *module, *options(values)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    check_trained(study, values, processes)


def test_one_process_trains_in_the_same_way(study):
    values = {"seed": 2}
    assert launch.main(["--params", str(study), *options(values)]) == 0
    check_trained(study, values, 1)


def test_a_run_is_named_by_its_number_and_trained_once(study, monkeypatch):
    arguments = ["--params", str(study), "--only", "1"]
    assert launch.main(arguments) == 0
    run = Study.open(Params.load(study)).run_called("1")
    assert run.params.strategy == "untrained"
    assert is_done(run, "training")
    monkeypatch.setattr(launch, "train", None)
    assert launch.main(arguments) == 0


def test_bad_parameters_are_one_line(tmp_path, capsys):
    assert launch.main(["--params", str(tmp_path / "none.yaml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hybridlib: ")
    assert "no such parameter file" in error
    assert error.count("\n") == 1
