"""The studies that are kept in outputs/reference: their tables can be made again, and the README shows these."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from hybridlib.config.params import Params
from hybridlib.study import export
from hybridlib.study.folder import Study

ROOT = Path(__file__).resolve().parent.parent
KEPT = sorted(file.parent for file in (ROOT / "outputs" / "reference").glob("*/study.yaml"))
TABLES = ("results.md", "intervals.md", "verdict.md")


def rows(file: Path) -> list[list[str]]:
    """The rows of the Markdown tables in a file, as stripped cells."""
    lines = [
        line
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and not line.startswith("|:")
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("kept", KEPT, ids=lambda folder: folder.name)
def test_the_tables_of_a_kept_study_are_made_again(kept, tmp_path, strategies_as_before):
    shutil.copytree(kept, tmp_path / kept.name, ignore=shutil.ignore_patterns("comparison"))
    study = Study(Params.load(export.grid_of(tmp_path / kept.name), {"output_dir": str(tmp_path)}))
    assert not study.has_texts() and not list(study.folder.rglob("*.safetensors"))
    made = export.compare(study)
    for name in TABLES:
        assert (made / name).read_text(encoding="utf-8") == (kept / "comparison" / name).read_text(
            encoding="utf-8"
        ), name
    again, before = (
        pd.read_csv(folder / "differences.csv") for folder in (made, kept / "comparison")
    )
    pd.testing.assert_frame_equal(again, before, rtol=1e-6)
    assert (made / "figures" / "bias_plane.png").stat().st_size > 1000


@pytest.mark.parametrize("kept", KEPT, ids=lambda folder: folder.name)
def test_what_is_kept_is_small(kept):
    made_again = ("comparison", "figures")
    assert (
        sum(
            file.stat().st_size
            for file in kept.rglob("*")
            if file.is_file() and file.parent.name not in made_again
        )
        < 7_000_000
    )


MEASURED = re.compile(r"\d \[[-+]?\d")  # a figure with its interval


def is_kept(row: list[str], kept: list[list[str]]) -> bool:
    """Whether a row of a page stands so in a kept table, but for columns left out; or, where it holds a claim beside the verdicts of
    several studies (``holds: +0.017 [+0.012, +0.022]``), whether each of them stands in a kept table."""
    if any(set(row) <= set(other) for other in kept):
        return True
    verdicts = [cell.split(": ") for cell in row[1:]]
    return all(
        len(verdict) == 2 and any({row[0], *verdict} <= set(other) for other in kept)
        for verdict in verdicts
    )


@pytest.mark.parametrize("page", ["README.md", "docs/study.md"])
def test_the_tables_of_a_page_are_those_of_the_kept_studies(page):
    kept = [
        row
        for folder in KEPT
        for name in ("intervals.md", "verdict.md")
        for row in rows(folder / "comparison" / name)
    ]
    shown = [row for row in rows(ROOT / page) if any(MEASURED.search(cell) for cell in row)]
    assert shown, f"{page} shows no result"
    for row in shown:
        assert is_kept(row, kept), f"{page}: no kept table has the row {row}"


def test_a_row_that_was_not_measured_is_noticed():
    kept = [
        ["e", "hybrid is better", "+0.1 [+0.0, +0.2]", "holds"],
        ["e", "x-y", "0.5 [0.4, 0.6]", "0.7 [0.6, 0.8]"],
        ["e", "hybrid is better", "-0.2 [-0.3, -0.1]", "does not hold"],
    ]
    assert is_kept(["x-y", "0.7 [0.6, 0.8]"], kept) and is_kept(
        ["hybrid is better", "holds: +0.1 [+0.0, +0.2]", "does not hold: -0.2 [-0.3, -0.1]"], kept
    )
    assert not is_kept(["e", "0.7 [0.6, 0.8]", "holds"], kept), "figures of two studies in one row"
    assert not is_kept(["x-y", "0.7 [0.6, 0.9]"], kept) and not is_kept(
        ["hybrid is better", "holds: -0.2 [-0.3, -0.1]", "holds: +0.1 [+0.0, +0.2]"], kept
    )
