"""What an export keeps of a study gives the same tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study import comparison
from hybridlib.study.export import compare, export, grid_of
from hybridlib.study.fingerprint import finished_runs, is_done, missing_runs
from hybridlib.study.folder import Study
from hybridlib.study.results import headlines, training_logs


@pytest.fixture(scope="module")
def exported(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("kept")
    export(study, folder)
    return Study(Params.load(grid_of(folder / "made-up")))


def test_the_same_runs_are_finished_and_missing(study, exported):
    before = [run.run.name for run in finished_runs(study)]
    assert [run.run.name for run in finished_runs(exported)] == before
    assert missing_runs(exported) == missing_runs(study)
    assert {run.run.parent for run in finished_runs(exported)} == {exported.folder}


def test_the_tables_are_the_same(study, exported):
    runs = finished_runs(study)
    copies = finished_runs(exported)
    before = comparison.intervals(runs, 50)
    pd.testing.assert_frame_equal(before, comparison.intervals(copies, 50), rtol=1e-3)
    options = (50, "centering", ["multilingual", "rank distance"])
    before = comparison.differences(runs, *options)
    after = comparison.differences(copies, *options)
    pd.testing.assert_frame_equal(before, after, rtol=1e-2, atol=1e-4)
    pd.testing.assert_frame_equal(headlines(runs), headlines(copies), rtol=1e-6)
    assert training_logs(copies)["loss"].max() == pytest.approx(0.12346, abs=1e-9)


def test_nothing_else_is_kept(exported):
    assert {file.name for file in exported.folder.rglob("*") if file.is_file()} == {
        "README.md",
        "study.yaml",
        "params.yaml",
        "run.json",
        "training.jsonl",
        "metrics.json",
        "per_query.parquet",
        "corrected.parquet",
        "04_bias_analysis.done.json",
    }


def test_an_export_says_what_was_run_on_what_and_for_how_long(study, exported):
    written = (exported.folder / "README.md").read_text()
    assert written.count("\n- ") == 5
    assert f"9 of the {len(study.runs())} runs" in written
    assert "hybridlib run" in written
    assert "2 CPU cores (x86_64), no GPU. Software: torch 2.13.0" in written
    assert "commit abc" in written
    assert "training 3.0 to 9.0; evaluation 0.5 to 0.5" in written


def test_an_export_or_a_comparison_of_nothing_says_so(tmp_path):
    nothing = Study(Params(study="nothing", output_dir=tmp_path))
    with pytest.raises(InputError, match="no run is finished, so there is nothing to export"):
        export(nothing, tmp_path / "kept")
    with pytest.raises(InputError, match="no run is finished, so there is nothing to compare"):
        compare(nothing)
    with pytest.raises(InputError, match=r"study\.yaml: no such file"):
        grid_of(tmp_path)


def test_an_export_is_compared_wherever_it_was_moved(notebooks, study, tmp_path, capsys):
    export(study, tmp_path / "kept")
    moved = tmp_path / "moved"
    (tmp_path / "kept" / "made-up").rename(moved)
    for _ in range(2):
        assert main(["compare", str(moved)]) == 0
    printed = capsys.readouterr().out
    assert printed.count(f"Tables and figures of 9 of 10 runs: {moved / 'comparison'}") == 2
    assert notebooks.executed == [("moved", "comparison")] * 2, "it is made anew each time"


def test_the_command_exports_what_is_finished(study, tmp_path, capsys):
    file = tmp_path / "grid.yaml"
    study.params.save(file)
    assert main(["export", str(file), "--out", str(tmp_path / "kept")]) == 0
    assert f"exported 9 of 10 runs to {tmp_path / 'kept' / 'made-up'}" in capsys.readouterr().out
    run = Study(Params.load(grid_of(tmp_path / "kept" / "made-up"))).runs()[0]
    assert is_done(run, "bias")
    assert Path(run.run / "per_query.parquet").exists()
