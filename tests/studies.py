"""One study in miniature, finished once for all tests and all workers of pytest-xdist."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import ROOT
from filelock import FileLock

from hybridlib.config.params import Params
from hybridlib.study.folder import Study
from hybridlib.study.grid import run_study

# The run of the grid is named `hybrid-alpha-0.25`.
MINIATURE = {
    "strategies": ["untrained", "hybrid"],
    "grid": {"alpha": [0.25]},
    "alpha": 0.25,
    "languages": ["de", "en", "th"],
    "eval_languages": ["de", "en"],
    "corrections": ["centering", "centering@candidates"],
    "steps": 3,
    "batch_size": 8,
    "validate_every": 3,
    "jobs": 1,
}


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first worker to ask for it has filled."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the folder that the workers share
    folder = base / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "made").touch()
    return folder


def miniature(output_dir: Path, **changes: object) -> Params:
    """Return the parameters of the study in miniature."""
    values = {**MINIATURE, "output_dir": str(output_dir), **changes}
    return Params.load(ROOT / "params" / "smoke.yaml", values)


def run_miniature(folder: Path) -> None:
    """Run the study in miniature, and keep how each step ended."""
    outcomes = run_study(miniature(folder))
    states = [[outcome.name, outcome.step, outcome.state, outcome.reason] for outcome in outcomes]
    assert {state for _, _, state, _ in states} == {"done"}, states
    (folder / "outcomes.json").write_text(json.dumps(states))


def copied(study: Study, output_dir: Path, **changes: object) -> Study:
    """Return a copy of a finished study, to be changed."""
    shutil.copytree(study.folder, output_dir / study.params.study)
    return Study(study.params.but(output_dir=output_dir, **changes))
