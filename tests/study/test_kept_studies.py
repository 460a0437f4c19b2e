"""The studies in outputs/reference: their tables are made again, and the pages show these."""

from __future__ import annotations

import re
import shutil

import fill_pages
import make_figures
import pandas as pd
import pytest
from clones import ROOT

from hybridlib.config.params import Params
from hybridlib.study.combine import combine, study_claims
from hybridlib.study.export import compare, grid_of
from hybridlib.study.folder import Study

KEPT = sorted(file.parent for file in (ROOT / "outputs" / "reference").glob("*/study.yaml"))
TABLES = ("summary.md", "systems.md", "results.md", "intervals.md", "verdict.md")
MEASURED = re.compile(r"\d \[[-+]?\d")  # a figure with its interval
# The others take minutes.
REDRAWN = [
    pytest.param(
        folder, id=folder.name, marks=[] if folder.name == "quickstart" else pytest.mark.slow
    )
    for folder in KEPT
]


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
    for name in make_figures.COMBINED:
        folder = ROOT / "outputs" / "reference" / name
        values = {"output_dir": str(folder.parent), "study": name}
        studies.append(Study(Params.load(grid_of(folder), values)))
    before = pd.read_csv(ROOT / "outputs" / "reference" / "combined" / "combined.csv")
    pd.testing.assert_frame_equal(combine(study_claims(studies)), before, rtol=1e-6)


@pytest.mark.parametrize("kept", KEPT, ids=lambda folder: folder.name)
def test_what_is_kept_is_small(kept):
    made_again = ("comparison", "figures")
    files = [file for file in kept.rglob("*") if file.is_file()]
    sizes = [file.stat().st_size for file in files if file.parent.name not in made_again]
    runs = len(list(kept.glob("*/metrics.json")))
    assert sum(sizes) < 450_000 * runs


# ------------------------------------------------------------------------------ tables of the pages


@pytest.mark.parametrize("page", fill_pages.pages(ROOT), ids=lambda page: page.name)
def test_a_page_shows_what_the_kept_studies_say(page):
    text = page.read_text(encoding="utf-8")
    assert fill_pages.filled(text, ROOT) == text, "run tools/fill_pages.py"


@pytest.mark.parametrize("page", fill_pages.pages(ROOT), ids=lambda page: page.name)
def test_a_table_of_figures_with_intervals_is_filled(page):
    text = re.sub(r"<!-- made:.*?<!-- end -->", "", page.read_text(encoding="utf-8"), flags=re.S)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if MEASURED.search(row)] == []
