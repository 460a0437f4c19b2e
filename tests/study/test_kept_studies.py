"""The studies in outputs/reference: their tables are made again, and the pages show these."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from clones import ROOT

from hybridlib.config.params import Params
from hybridlib.study.combine import combine, study_claims
from hybridlib.study.export import compare, grid_of
from hybridlib.study.folder import Study

KEPT = sorted(file.parent for file in (ROOT / "outputs" / "reference").glob("*/study.yaml"))
TABLES = ("summary.md", "results.md", "intervals.md", "verdict.md")
MEASURED = re.compile(r"\d \[[-+]?\d")  # a figure with its interval
# The others take minutes.
REDRAWN = [
    pytest.param(
        folder, id=folder.name, marks=[] if folder.name == "quickstart" else pytest.mark.slow
    )
    for folder in KEPT
]


def rows_of(file: Path) -> list[list[str]]:
    """The rows of the Markdown tables in a file, as stripped cells."""
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|") and not line.startswith("|:")]
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("kept", REDRAWN)
def test_the_tables_of_a_kept_study_are_made_again(kept, tmp_path):
    shutil.copytree(kept, tmp_path / kept.name, ignore=shutil.ignore_patterns("comparison"))
    values = {"output_dir": str(tmp_path)}
    made = compare(Study(Params.load(grid_of(tmp_path / kept.name), values)))
    for name in TABLES:
        assert (made / name).read_text() == (kept / "comparison" / name).read_text(), name
    powers = [folder / "power.md" for folder in (made, kept / "comparison")]
    assert len({file.read_text() if file.exists() else "" for file in powers}) == 1
    before = pd.read_csv(kept / "comparison" / "differences.csv")
    pd.testing.assert_frame_equal(pd.read_csv(made / "differences.csv"), before, rtol=1e-6)
    assert (made / "figures" / "bias_plane.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_studies_are_combined_again():
    studies = []
    for folder in KEPT:
        if folder.name.startswith("study_"):
            values = {"output_dir": str(folder.parent), "study": folder.name}
            studies.append(Study(Params.load(grid_of(folder), values)))
    before = pd.read_csv(ROOT / "outputs" / "reference" / "combined" / "combined.csv")
    pd.testing.assert_frame_equal(combine(study_claims(studies)), before, rtol=1e-6)


@pytest.mark.parametrize("kept", KEPT, ids=lambda folder: folder.name)
def test_what_is_kept_is_small(kept):
    made_again = ("comparison", "figures")
    files = [file for file in kept.rglob("*") if file.is_file()]
    sizes = [file.stat().st_size for file in files if file.parent.name not in made_again]
    assert sum(sizes) < 7_000_000


# ------------------------------------------------------------------------------ tables of the pages


def is_kept(row: list[str], kept: list[list[str]]) -> bool:
    """Whether a row of a page stands in a kept table, but for columns that the page leaves out.

    Where a row has a claim beside the verdicts of several studies (``shown: +0.017 [+0.012,
    +0.022]``), each of them has to stand in a kept table.
    """
    if any(set(row) <= set(other) for other in kept):
        return True
    for cell in row[1:]:
        verdict = cell.split(": ")
        if len(verdict) != 2 or not any({row[0], *verdict} <= set(other) for other in kept):
            return False
    return True


@pytest.mark.parametrize("page", ["README.md", "docs/study.md", "docs/your_own.md"])
def test_the_tables_of_a_page_are_those_of_the_kept_studies(page):
    kept = []
    for folder in KEPT:
        kept += rows_of(folder / "comparison" / "intervals.md")
        kept += rows_of(folder / "comparison" / "verdict.md")
    shown = [row for row in rows_of(ROOT / page) if any(MEASURED.search(cell) for cell in row)]
    assert shown, f"{page} shows no result"
    for row in shown:
        assert is_kept(row, kept), f"{page}: no kept table has the row {row}"


CLAIM = "hybrid is better"
TABLE = [
    ["e", CLAIM, "+0.1 [+0.0, +0.2]", "shown"],
    ["e", "x-y", "0.5 [0.4, 0.6]", "0.7 [0.6, 0.8]"],
    ["e", CLAIM, "-0.2 [-0.3, -0.1]", "shown the other way"],
]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["x-y", "0.7 [0.6, 0.8]"], True),
        ([CLAIM, "shown: +0.1 [+0.0, +0.2]", "shown the other way: -0.2 [-0.3, -0.1]"], True),
        (["e", "0.7 [0.6, 0.8]", "shown"], False),  # figures of two studies
        (["x-y", "0.7 [0.6, 0.9]"], False),
        ([CLAIM, "shown: -0.2 [-0.3, -0.1]", "shown: +0.1 [+0.0, +0.2]"], False),
    ],
)
def test_a_row_that_was_not_measured_is_noticed(row, expected):
    assert is_kept(row, TABLE) is expected
