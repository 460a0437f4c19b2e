"""The table of runs on two machines, from their run.json."""

from __future__ import annotations

import json
from pathlib import Path

import two_machines
from clones import ROOT


def write_run(folder: Path, name: str, value: float) -> None:
    """Write the run.json of a run with this value in every measure."""
    (folder / name).mkdir(parents=True)
    evaluated = dict.fromkeys(two_machines.MEASURES, value)
    (folder / name / "run.json").write_text(json.dumps({"steps": {"evaluation": evaluated}}))


def test_the_largest_difference_and_the_deviation_of_all_seeds(tmp_path):
    for seed, value in enumerate([0.1, 0.2, 0.3]):
        write_run(tmp_path / two_machines.STUDY, f"e5-hybrid-s{seed}", value)
    write_run(tmp_path / "two_machines", "e5-hybrid-s1", 0.21)
    write_run(tmp_path / "two_machines", "e5-hybrid-s2", 0.299)
    two_machines.write(tmp_path)
    table = (tmp_path / "two_machines" / "differences.md").read_text()
    assert "| largest difference of 2 runs between machines |" in table
    assert "| monolingual mAP | 0.0100 | 0.1000 |" in table
    assert "| rank distance | 0.01 | 0.10 |" in table


def test_the_kept_table_is_made_again(tmp_path):
    kept = ROOT / "outputs" / "reference"
    for name in ("two_machines", two_machines.STUDY):
        (tmp_path / name).mkdir()
        for run in kept.glob(f"{name}/*/run.json"):
            (tmp_path / name / run.parent.name).mkdir()
            (tmp_path / name / run.parent.name / "run.json").write_text(run.read_text())
    two_machines.write(tmp_path)
    made = tmp_path / "two_machines" / "differences.md"
    assert made.read_text() == (kept / "two_machines" / "differences.md").read_text()
