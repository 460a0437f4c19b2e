"""What an export keeps of a study gives the same tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from studies import copied

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.files import write_json
from hybridlib.study import comparison
from hybridlib.study import export as export_module
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
    before = comparison.intervals(runs)
    pd.testing.assert_frame_equal(before, comparison.intervals(copies), rtol=1e-3)
    options = ("centering", ["multilingual", "rank distance"])
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


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_several_studies_are_compared_by_one_command(notebooks, study, tmp_path, capsys, jobs):
    for name in ("first", "second", "third"):
        export(study, tmp_path)
        (tmp_path / "made-up").rename(tmp_path / name)
    folders = [str(tmp_path / name) for name in ("first", "second", "third")]
    assert main(["compare", *folders, "--jobs", jobs]) == 0
    lines = [f"Tables and figures of 9 of 10 runs: {folder}/comparison" for folder in folders]
    assert sorted(capsys.readouterr().out.splitlines()) == lines
    assert sorted(notebooks.executed) == [(Path(folder).name, "comparison") for folder in folders]


def test_of_several_studies_one_that_fails_is_named(notebooks, study, tmp_path, capsys):
    for name in ("first", "second"):
        export(study, tmp_path)
        (tmp_path / "made-up").rename(tmp_path / name)
    notebooks.errors["first", "comparison"] = ValueError("no such luck")
    folders = [str(tmp_path / name) for name in ("first", "second")]
    assert main(["compare", *folders, "--jobs", "2"]) == 2
    printed = capsys.readouterr()
    assert "05_comparison failed: ValueError: no such luck" in printed.err
    assert f"{tmp_path}/second/comparison" in printed.out
    assert main(["compare", *folders, "--jobs", "0"]) == 2
    assert "--jobs: 0" in capsys.readouterr().err


def test_the_command_exports_what_is_finished(study, tmp_path, capsys):
    file = tmp_path / "grid.yaml"
    study.params.save(file)
    assert main(["export", str(file), "--out", str(tmp_path / "kept")]) == 0
    assert f"exported 9 of 10 runs to {tmp_path / 'kept' / 'made-up'}" in capsys.readouterr().out
    run = Study(Params.load(grid_of(tmp_path / "kept" / "made-up"))).runs()[0]
    assert is_done(run, "bias")
    assert Path(run.run / "per_query.parquet").exists()


# ----------------------------------------------------------------------- over an earlier export


class Killed(BaseException):
    """Stands for a kill."""


def refuses(error: BaseException) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise error

    return refuse


def marked(study: Study, folder: Path, mark: str) -> Study:
    """Return a copy of a study whose metrics and results of each query say whose they are."""
    copy = copied(study, folder)
    for run in finished_runs(copy):
        write_json(run.run / "metrics.json", {**run.metrics(), "mark": mark})
        table = pd.read_parquet(run.run / "per_query.parquet")
        table.assign(ap=float(mark)).to_parquet(run.run / "per_query.parquet", index=False)
    return copy


def marks(run: Study) -> set[float]:
    table = pd.read_parquet(run.run / "per_query.parquet")
    return {float(run.metrics()["mark"]), *table["ap"].unique()}


@pytest.fixture
def old_and_new(study: Study, tmp_path: Path) -> tuple[Study, Study]:
    """An export, and a study that is to be exported over it."""
    export(marked(study, tmp_path / "old", "0"), tmp_path / "kept")
    kept = Study(study.params.but(output_dir=tmp_path / "kept"))
    return kept, marked(study, tmp_path / "new", "1")


@pytest.mark.parametrize("moves", [0, 1, 2, 5])
def test_a_kill_while_an_export_is_put_in_place_mixes_nothing(old_and_new, monkeypatch, moves):
    """It dies after some of the moves (grid, README, runs): no old run is left, none is half."""
    kept, new = old_and_new
    kept.comparison.mkdir()
    (kept.comparison / "results.md").touch()
    replace = Path.replace
    left = iter([True] * moves)

    def replace_some(file: Path, target: Path) -> Path:
        if target.parent == kept.folder and not next(left, False):
            raise Killed
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", replace_some)
    with pytest.raises(Killed):
        export(new, kept.params.output_dir)
    assert [marks(run) for run in finished_runs(kept)] == [{1.0}] * max(0, moves - 2)
    assert not (kept.comparison / "results.md").exists()
    monkeypatch.undo()
    export(new, kept.params.output_dir)
    assert [marks(run) for run in finished_runs(kept)] == [{1.0}] * 9


@pytest.mark.parametrize("name", ["_shorten_log", "_write_small", "write_json", "_readme"])
def test_an_export_that_fails_leaves_the_earlier_one(old_and_new, monkeypatch, name):
    kept, new = old_and_new
    monkeypatch.setattr(export_module, name, refuses(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        export(new, kept.params.output_dir)
    assert [marks(run) for run in finished_runs(kept)] == [{0.0}] * 9
    assert not list(kept.folder.glob(".*"))


def test_runs_and_results_that_are_gone_are_gone_from_the_export(old_and_new):
    kept, new = old_and_new
    first, second, *_ = finished_runs(new)
    first.marker("bias").unlink()
    write_json(second.run / "metrics.json", {**second.metrics(), "corrections": {}})
    export(new, kept.params.output_dir)
    assert len(finished_runs(kept)) == 8
    assert not (kept.folder / first.run.name).exists()
    assert (second.run / "corrected.parquet").exists(), "of an earlier evaluation"
    assert not (kept.folder / second.run.name / "corrected.parquet").exists()


def test_a_study_is_not_exported_over_results(study, tmp_path):
    message = "a study was run in this folder, and an export would replace its results"
    copy = copied(study, tmp_path / "here")
    with pytest.raises(InputError, match=message):
        export(copy, tmp_path / "here")
    (tmp_path / "there" / "made-up" / "data").mkdir(parents=True)
    with pytest.raises(InputError, match=message):
        export(copy, tmp_path / "there")
    assert len(finished_runs(copy)) == 9
