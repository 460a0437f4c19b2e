"""The logs of the first trials become tables: the last validation of each, the best in bold."""

from __future__ import annotations

import json
from pathlib import Path

import first_trials
import pytest
from clones import ROOT

KEPT = ROOT / "outputs" / "reference"
RATES = ("2e-5", "5e-5")


def write_log(file: Path, map_at_the_end: float) -> None:
    """Write two validations and a step without one; the last counts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    settings = ("monolingual", "cross-lingual", "multilingual")
    values = (0.9, None, map_at_the_end)
    lines = []
    for step, value in enumerate(values):
        measured = {} if value is None else {f"validation {name} mAP": value for name in settings}
        lines.append(json.dumps({"step": step, "loss": 1.0, **measured}) + "\n")
    file.write_text("".join(lines))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """x-x-mono and x-y at two rates, hybrid and its averages at the larger one."""
    folder = tmp_path / "choice_x_to_m_12_layers"
    for rate, value in zip(RATES, (0.2, 0.4), strict=True):
        write_log(folder / rate / "x-x-mono.jsonl", value)
        write_log(folder / rate / "x-y.jsonl", value + 0.1)
    for strategy, value in (("hybrid", 0.6), ("hybrid-averaged", 0.8)):
        write_log(folder / "5e-5" / f"{strategy}.jsonl", value)
    return tmp_path


def cells(table: str, row: int) -> list[str]:
    return [cell.strip() for cell in table.splitlines()[row].strip("|").split("|")]


def test_all_together_are_those_that_every_rate_was_tried_with(logs):
    table = first_trials.learning_rates(first_trials.trials(logs))
    columns = ["encoder", "learning_rate", "x-x-mono", "x-y", "all", "hybrid"]
    assert sorted(cells(table, 0)) == sorted(columns)
    small, large = (dict(zip(cells(table, 0), cells(table, row), strict=True)) for row in (2, 3))
    assert small["all"] == "0.250 / 0.250 / 0.250 (0.2500)"
    assert large["all"] == "0.450 / 0.450 / 0.450 (**0.4500**)"
    assert [small["hybrid"], large["hybrid"]] == ["", "0.600 / 0.600 / 0.600 (**0.6000**)"]


def test_the_share_of_an_average_is_a_column(logs):
    table = first_trials.shares(first_trials.trials(logs))
    assert cells(table, 0) == ["encoder", "trained_share", "hybrid"]
    assert [cells(table, row)[1] for row in (2, 3)] == ["0.75", "1.0"]
    assert cells(table, 2)[2] == "0.800 / 0.800 / 0.800 (**0.8000**)"


def test_every_kept_log_is_in_a_table():
    found = {file.stem for file in KEPT.glob("choice_*/*/*.jsonl")}
    assert found == {*first_trials.STRATEGIES, *first_trials.VARIANTS, *first_trials.SHARES}
    folders = {file.name for file in KEPT.glob("choice_*")}
    assert folders == set(first_trials.ENCODERS)


def test_the_kept_tables_are_made_again():
    table = first_trials.trials(KEPT)
    made = {
        "learning_rates.md": first_trials.learning_rates(table),
        "shares.md": first_trials.shares(table),
        "variants.md": first_trials.variants(table),
    }
    assert made == {name: (KEPT / "first_trials" / name).read_text() for name in made}
    rows = made["variants.md"].splitlines()[2:]
    assert {row.split("|")[1].strip() for row in rows} == set(first_trials.VARIANTS)
