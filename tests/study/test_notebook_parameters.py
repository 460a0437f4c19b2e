"""The parameters in the first cells of the notebooks: each exists and changes what it says."""

from __future__ import annotations

import ast

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner
from clones import ROOT
from papermill.cli import papermill
from studies import copied

from hybridlib.config.notebook import literal_names
from hybridlib.config.params import Params
from hybridlib.study.fingerprint import fingerprint, inputs, is_done
from hybridlib.study.folder import NOTEBOOKS, Study

FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))
STEPS = {notebook: step for step, notebook in NOTEBOOKS.items()}
# Another value of each parameter, and what has to come with it.
CHANGES = {
    "study": {"study": "another"},
    "train_corpus": {"train_corpus": "pairs", "train_corpus_path": "pairs.csv"},
    "eval_corpus": {"eval_corpus": "pairs", "eval_corpus_path": "pairs.csv"},
    "variants": {"variants": 1},
    "vocab_size": {"vocab_size": 900},
    "data_seed": {"data_seed": 1},
    "encoder": {"encoder": "org/encoder"},
    "strategy": {"strategy": "untrained"},
    "seed": {"seed": 1},
    "alpha": {"alpha": 0.1},
    "steps": {"steps": 4},
    "batch_size": {"batch_size": 12},
    "learning_rate": {"learning_rate": 1e-2},
    "temperature": {"temperature": 0.1},
    "top_k": {"top_k": 5},
    "encoders": {"encoders": ["built-in", "org/encoder"]},
    "strategies": {"strategies": ["x-y"]},
    "seeds": {"seeds": [0, 1]},
}
# Parameters of the study or the grid say where a step writes, or which runs there are.
PLACES = {"study", "encoder", "strategy", "seed", "encoders", "strategies", "seeds"}


def code_of(file) -> list[str]:
    cells = nbformat.read(file, 4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def shown_in(name: str) -> list[str]:
    """The parameters that a notebook's first cell shows."""
    source = code_of(ROOT / "notebooks" / f"{name}.ipynb")[0]
    return [line.targets[0].id for line in ast.parse(source).body]


CASES = [(name, parameter) for name in STEPS for parameter in shown_in(name)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_parameters_of_a_notebook_are_the_defaults(file):
    first, *others = code_of(file)
    shown: dict = {}
    exec(first, shown)
    shown.pop("__builtins__")
    assert Params.check(shown) == Params()
    assert [source for source in others if literal_names(source)] == []


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_parameter_changes_the_step_of_its_notebook(tmp_path, name, parameter):
    step = STEPS[name]
    before = Study(Params(output_dir=tmp_path))
    after = Study(before.params.but(**CHANGES[parameter]))
    if parameter in PLACES:
        runs = [{run.run for run in study.runs()} for study in (before, after)]
        is_moved = before.folder_of(step) != after.folder_of(step)
        assert is_moved or runs[0] != runs[1]
    else:
        assert before.folder_of(step) == after.folder_of(step)
        assert fingerprint(before, step) != fingerprint(after, step)


def test_papermill_takes_parameters_from_a_file_and_from_its_command_line(finished_study, tmp_path):
    study = copied(finished_study, tmp_path / "outputs")
    study.params.save(tmp_path / "base.yaml")
    command = [
        str(ROOT / "notebooks" / "01_data_prep.ipynb"),
        str(tmp_path / "out.ipynb"),
        *("-f", str(tmp_path / "base.yaml")),
        *("-p", "variants", "2"),
        *("-y", "{data_seed: 1, languages: [de, en]}"),
        *("--no-progress-bar", "--cwd", str(ROOT / "notebooks")),
    ]
    done = CliRunner().invoke(papermill, command)
    assert done.exit_code == 0, f"{done.output[-2000:]}\n{done.exception}"
    changed = Study(study.params.but(variants=2, data_seed=1, languages=["de", "en"]))
    assert is_done(changed, "data")
    assert not is_done(study, "data")
    assert inputs(changed, "data")["params"]["data_seed"] == 1
    rows = pd.read_parquet(study.data / "train.parquet")
    assert set(rows["lang"]) == {"de", "en"}
    assert rows.groupby(["passage_id", "lang"]).size().max() == 2
