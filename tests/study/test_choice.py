"""Trials of a grid, judged on validation alone."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from studies import copied, miniature

from hybridlib import cli
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study import choice
from hybridlib.study.folder import Study

CHANGES = {
    "study": "smoke",
    "strategies": ["untrained", "x-y"],
    "grid": {"learning_rate": [1e-3, 0.99], "alpha": [0.25]},
    "seeds": [0],
    "validate_every": None,
}


@pytest.fixture(scope="module")
def trials(finished_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The grid of three trials, one of which fails, in a study whose data are prepared."""
    folder = tmp_path_factory.mktemp("choice")
    copied(finished_study, folder / "out")
    return miniature(folder / "out", **CHANGES)


@pytest.fixture(scope="module")
def chosen(trials: Params) -> tuple[pd.DataFrame, list[str]]:
    """The table of the trials, and what was reported of them."""
    lines: list[str] = []
    return choice.choose(trials, lines.append), lines


def test_a_row_for_each_trial(chosen, trials):
    table, lines = chosen
    assert table["strategy"].tolist() == ["untrained", "x-y", "x-y"]
    # untrained reads no learning rate, and x-y no alpha.
    assert table["learning_rate"].tolist() == ["", 1e-3, 0.99]
    assert set(table["alpha"]) == {""}
    assert len(lines) == 3
    settings = table[["monolingual", "cross-lingual", "multilingual"]]
    assert table["mean"].to_numpy() == pytest.approx(settings.mean(axis=1).to_numpy())
    assert table["mean"].nunique() == 3


def test_the_figures_are_those_of_the_last_validation(chosen, trials):
    table, _ = chosen
    folder = choice.folder_of(Study(trials))
    name = "built-in-x-y-learning_rate-0.001-s0"
    last = json.loads((folder / name / "training.jsonl").read_text().splitlines()[-1])
    assert last["step"] == trials.steps
    assert table["multilingual"][1] == pytest.approx(last["validation multilingual mAP"])
    # No model is kept, and the run itself is not trained.
    assert not list(folder.glob("*/model"))
    assert not (Study(trials).folder / name / "training.jsonl").exists()


def test_finished_trials_are_kept_and_changed_ones_repeated(chosen, trials):
    table, _ = chosen
    lines: list[str] = []
    again = choice.choose(trials, lines.append)
    pd.testing.assert_frame_equal(again, table)
    assert lines == []
    choice.choose(trials.but(grid={"learning_rate": [1e-3, 2e-3]}), lines.append)
    assert [line.split()[3] for line in lines] == ["built-in-x-y-learning_rate-0.002-s0:"]


def test_a_trial_that_fails_is_in_the_table(trials, monkeypatch, tmp_path):
    def diverge(*_: object) -> None:
        raise InputError("the loss became nan")

    monkeypatch.setattr("hybridlib.training.loop.train", diverge)
    trial = Study(trials.but(strategy="x-y", study="failed"))
    monkeypatch.setattr(pd, "read_parquet", lambda file: None)
    monkeypatch.setattr(Study, "validation_corpus", lambda study: None)
    monkeypatch.setattr(choice, "starting_encoder", lambda study: None)
    row = choice._row(trial.params, choice._try_one(trial.params))
    assert row["failed"] == "the loss became nan"
    assert "mean" not in row


def test_the_table_for_a_reader():
    table = pd.DataFrame(
        {
            "encoder": "e",
            "strategy": ["x-y", "x-y", "hybrid", "x-y", "x-y", "hybrid"],
            "seed": [0, 1, 0, 0, 1, 0],
            "temperature": [0.02, 0.02, 0.02, 0.05, 0.05, 0.05],
            "monolingual": [0.1, 0.3, 0.4, 0.5, 0.5, 0.5],
            "multilingual": [0.2, 0.4, 0.4, 0.2, 0.2, 0.1],
            "mean": [0.15, 0.35, 0.4, 0.35, 0.35, 0.3],
            "minutes": 1.0,
            "failed": "",
        }
    )
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in choice.as_markdown(table).splitlines()
    ]
    assert rows[0] == ["encoder", "temperature", "x-y", "hybrid"]
    assert rows[2] == ["e", "0.02", "0.200 / 0.300 (0.2500)", "0.400 / 0.400 (**0.4000**)"]
    assert rows[3] == ["e", "0.05", "0.500 / 0.200 (**0.3500**)", "0.500 / 0.100 (0.3000)"]


def test_systems_have_a_row_each():
    settings = {"monolingual": [0.1, 0.3], "multilingual": [0.2, 0.4], "mean": [0.15, 0.35]}
    names = {"encoder": "e", "strategy": ["mine", "yours"], "seed": 0}
    table = pd.DataFrame({**names, **settings, "minutes": 1.0, "failed": ""})
    lines = choice.as_markdown(table).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[2:-1]] == [
        "mine",
        "0.1000",
        "0.2000",
        "0.1500",
    ]
    assert len(lines) == 4


def test_the_command_and_its_record(chosen, trials, tmp_path, capsys):
    file = tmp_path / "trials.yaml"
    trials.save(file)
    assert cli.main(["choose", str(file)]) == 0
    assert "| built-in" in capsys.readouterr().out
    out = tmp_path / "reference"
    assert cli.main(["export", str(file), "--choice", "--out", str(out)]) == 0
    kept = pd.read_csv(out / "smoke" / "choice.csv")
    assert len(kept) == 3
    assert Params.load(out / "smoke" / "trials.yaml", {}).grid == trials.grid
    assert "versions" in json.loads((out / "smoke" / "run.json").read_text())


def test_a_record_that_is_not_there(tmp_path):
    study = Study(Params(output_dir=tmp_path))
    with pytest.raises(InputError, match="run `hybridlib choose`"):
        choice.export(study, Path(tmp_path))
