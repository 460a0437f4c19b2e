"""Notebooks without kernels, for tests of what is run and what is repeated."""

from __future__ import annotations

from pathlib import Path

import papermill
import pytest
from made_up import make_study

from hybridlib.config.params import Params
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study, run_name
from hybridlib.study.runner import begin, finish

STEPS = {notebook: step for step, notebook in NOTEBOOKS.items()}


class Notebooks:
    """Stand-ins for the notebooks: each begins and finishes its step in this process.

    Attributes:
        executed: name and step of all that ran, in order.
        errors: by name and step: what a notebook raises instead of finishing.
    """

    def __init__(self) -> None:
        self.executed: list[tuple[str, str]] = []
        self.errors: dict[tuple[str, str], Exception] = {}

    def execute(self, notebook: Path, out: Path, parameters: dict, **_: object) -> None:
        """Take the place of ``papermill.execute_notebook``."""
        step = STEPS[Path(notebook).stem]
        params = Params.check(parameters)
        name = run_name(params) if step in RUN_STEPS else params.study
        study = begin(params, step)
        self.executed.append((name, step))
        if (name, step) in self.errors:
            raise self.errors[name, step]
        if step == "comparison":
            for table in ("summary", "results", "intervals", "verdict"):
                (study.comparison / f"{table}.md").write_text(f"the table {table}\n")
        Path(out).write_text("{}")
        finish(study, step)


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> Notebooks:
    """Every notebook replaced by a stand-in."""
    stand_ins = Notebooks()
    monkeypatch.setattr(papermill, "execute_notebook", stand_ins.execute)
    return stand_ins


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished grid of made-up rankings; not to be changed."""
    return make_study(tmp_path_factory.mktemp("made-up"))
