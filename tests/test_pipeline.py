"""The whole way through: every notebook and strategy in miniature, and what is repeated when something changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from hybridlib.batching.strategies import known_strategies
from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.figures import style
from hybridlib.study import comparison, runner
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study, run_name

ROOT = Path(__file__).resolve().parent.parent
BUILT_IN = known_strategies()  # before a test registers one of its own
FIGURES = {
    "data": ["batches", "hybrid_steps", "expected_draws"],
    "training": ["score_matrix", "training", "score_matrix_after", "languages_before_after"],
    "evaluation": ["one_query", "map_by_setting", "cross_lingual_heatmap", "corrections"],
    "bias": [
        "answer_ranks",
        "rank_distance",
        "distance_by_quality",
        "language_share",
        "projection",
    ],
    "comparison": [
        "training",
        "map_by_setting",
        "gains",
        "alpha_curve",
        "map_by_language",
        "rank_distance",
        "bias_plane",
        "answer_ranks",
    ],
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, list[runner.Outcome]]:
    """The smoke study, run once, in a folder of its own."""
    params = Params.load(
        ROOT / "params" / "smoke.yaml", {"output_dir": str(tmp_path_factory.mktemp("outputs"))}
    )
    return Study(params), runner.run_study(params, progress=False)


def limit(notebook: Path) -> int:
    """Bytes that an executed notebook may take: the comparison draws every strategy, a dozen here."""
    return 1_500_000 if "05_comparison" in notebook.name else 1_000_000


def execute(
    study: Study, name: str, folder: Path, **parameters: object
) -> list[nbformat.NotebookNode]:
    """Run a notebook beside the study's own; the outputs of its code cells."""
    out = folder / name.replace("/", "-")
    papermill.execute_notebook(
        ROOT / "notebooks" / name,
        out,
        parameters={**study.params.plain(), **parameters},
        progress_bar=False,
        cwd=ROOT / "notebooks",
    )
    assert out.stat().st_size < limit(out)
    return [
        output
        for cell in nbformat.read(out, 4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


def done(outcomes: list[runner.Outcome]) -> set[tuple[str, str]]:
    return {(outcome.name, outcome.step) for outcome in outcomes if outcome.state == "done"}


def test_smoke_runs_every_notebook_and_strategy(smoke):
    study, outcomes = smoke
    assert [o for o in outcomes if o.state != "done"] == []
    assert {o.step for o in outcomes} == set(NOTEBOOKS)
    assert set(study.params.strategies) == set(BUILT_IN)
    assert len(outcomes) == 2 + len(study.cells()) * len(RUN_STEPS)


def test_runs_leave_their_artefacts(smoke):
    study, _ = smoke
    for run in study.cells():
        for name in (
            "params.yaml",
            "metrics.json",
            "per_query.parquet",
            "training.jsonl",
            "run.json",
            "model/model.safetensors",
            "model/modules.json",
        ):
            assert (run.run / name).stat().st_size > 0, name
        manifest = json.loads((run.run / "run.json").read_text())
        assert (
            set(manifest["steps"]) == set(RUN_STEPS)
            and manifest["seed"] == run.params.seed
            and manifest["versions"]["torch"]
        )
        assert Params.load(run.run / "params.yaml") == run.params
    for step, names in FIGURES.items():
        for name in names:
            for kind in ("png", "svg"):
                assert (
                    study.cells()[-1].place(step) / "figures" / f"{name}.{kind}"
                ).stat().st_size > 1000


def test_metrics_have_the_documented_shape(smoke):
    metrics = smoke[0].cells()[-1].metrics()
    assert metrics["corpus"] == "facts"
    assert {"map", "recall@1"} <= set(metrics["settings"]["monolingual"]) and "map" in metrics[
        "settings"
    ]["cross-lingual"]
    assert {"map", "map_micro", "recall@10"} <= set(metrics["settings"]["multilingual"])
    assert {"rank_distance", "same_language_share@10"} <= set(metrics["bias"])
    assert (
        set(metrics["per_language"]) == {"ar", "de", "en", "zh"} and len(metrics["per_pair"]) == 12
    )


def test_executed_notebooks_are_small_and_without_errors(smoke):
    study, _ = smoke
    files = sorted(study.folder.rglob("*.ipynb"))
    assert len(files) == 2 + 3 * len(study.cells())
    for file in files:
        assert file.stat().st_size < limit(file), file
        cells = [cell for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
        outputs = [output for cell in cells for output in cell.outputs]
        assert not [output for output in outputs if output.output_type == "error"]
        assert not [
            output for output in outputs if "missing from font" in output.get("text", "")
        ], "a figure has empty boxes for letters"


def test_comparison_shows_every_strategy(smoke):
    table = (smoke[0].comparison / "results.md").read_text()
    assert all(f"| {strategy} " in table for strategy in BUILT_IN)
    assert table.count("| centering ") == table.count("| lir ") == len(BUILT_IN)
    assert "\\toprule" in (smoke[0].comparison / "results.tex").read_text()
    assert "] |" in (smoke[0].comparison / "intervals.md").read_text()
    differences = pd.read_csv(smoke[0].comparison / "differences.csv")
    assert (
        len(differences) == 4 * len(BUILT_IN) * (len(BUILT_IN) - 1) / 2
        and differences["p"].between(0, 1).all()
        and set(differences["seeds"]) == {1}
    )
    assert (differences["low"] <= differences["difference"]).all() and (
        differences["difference"] <= differences["high"]
    ).all()


def test_intervals_hold_the_figures_of_metrics_json(smoke):
    runs = smoke[0].finished_runs()
    table = comparison.intervals(runs, draws=50).set_index(["strategy", "measure"])
    for run in runs:
        metrics = run.metrics()
        for setting in metrics["settings"]:
            assert table.loc[(run.params.strategy, setting), "mean"] == pytest.approx(
                metrics["settings"][setting]["map"]
            )
        assert table.loc[(run.params.strategy, "rank distance"), "mean"] == pytest.approx(
            metrics["bias"]["rank_distance"]
        )


def test_a_second_run_repeats_nothing(smoke):
    assert {o.state for o in runner.run_study(smoke[0].params, progress=False)} == {"kept"}


def test_the_tour_shows_a_search_without_training_anything(smoke, tmp_path):
    study, _ = smoke
    outputs = execute(study, "00_tour.ipynb", tmp_path)
    shown = [output.data for output in outputs if "data" in output]
    assert any("application/vnd.jupyter.widget-view+json" in data for data in shown) and any(
        "image/png" in data for data in shown
    )
    (results,) = [data["text/html"] for data in shown if "score" in data.get("text/html", "")]
    assert results.count("<tr>") == 1 + study.params.top_k
    assert {o.state for o in runner.run_study(study.params, progress=False)} == {"kept"}


@pytest.mark.parametrize(
    "name", ["01_data_prep", "03_evaluation", "04_bias_analysis", "05_comparison"]
)
def test_solutions_hold_and_leave_the_study_as_it_is(smoke, tmp_path, name):
    study, _ = smoke
    assert not [
        output
        for output in execute(study, f"solutions/{name}.ipynb", tmp_path)
        if output.output_type == "error"
    ]
    assert {o.state for o in runner.run_study(study.params, progress=False)} == {"kept"}


def test_a_strategy_of_ones_own_works_in_the_runner_and_in_every_figure(smoke, tmp_path):
    """The solution writes, trains and compares `x-en`; nothing of the built-in strategies is repeated."""
    study, _ = smoke
    execute(
        study,
        "solutions/02_hybrid_training.ipynb",
        tmp_path,
        plugins=["notebooks/solutions/my_strategies.py"],
    )
    grid = study.params.but(
        plugins=["notebooks/solutions/my_strategies.py"],
        strategies=[*study.params.strategies, "x-en"],
    )
    assert {o.state for o in runner.run_study(grid, progress=False)} == {"kept"}
    (own,) = [run for run in Study(grid).finished_runs() if run.params.strategy == "x-en"]
    assert set(pd.read_json(own.run / "training.jsonl", lines=True)["regime"].dropna()) == {"x-en"}
    assert "| x-en " in (own.comparison / "results.md").read_text()
    for name in set(FIGURES["comparison"]) - {"alpha_curve"}:  # which x-en is no point of
        assert (
            style.strategy_style("x-en")[0].lower()
            in (own.comparison / "figures" / f"{name}.svg").read_text()
        ), name
    assert done(runner.run_study(study.params, progress=False)) == {("smoke", "comparison")}


def test_a_changed_parameter_repeats_exactly_what_depends_on_it(smoke):
    study, _ = smoke
    outcomes = runner.run_study(study.params.but(alpha=0.9), progress=False)
    again = {
        (f"built-in-{strategy}-s0", step)
        for strategy in ("hybrid", "hybrid-averaged")
        for step in RUN_STEPS
    }
    assert done(outcomes) == again | {("smoke", "comparison")}


@pytest.mark.parametrize(
    ("change", "step", "same"),
    [
        ({"alpha": 0.1}, "training", set(BUILT_IN) - {"hybrid", "hybrid-averaged"}),
        ({"switch_probability": 0.1}, "training", set(BUILT_IN) - {"code-switched"}),
        (
            {"language_draw": "size"},
            "training",
            {"untrained", "x-y", "x-y-averaged", "x-x", "en-en", "x-y-pair"},
        ),
        ({"dataset_tau": 0.5}, "training", {"untrained"}),
        ({"learning_rate": 0.5}, "training", {"untrained"}),
        ({"eval_languages": ["de", "en"]}, "training", set(BUILT_IN)),
        ({"variants": 2}, "training", set()),
        ({"top_k": 5}, "training", set(BUILT_IN)),
        ({"seeds": [0, 1]}, "bias", set(BUILT_IN)),
        ({"eval_languages": ["de", "en"]}, "evaluation", set()),
        ({"vocab_size": 2000}, "bias", set()),
    ],
)
def test_which_runs_a_change_leaves_alone(smoke, change, step, same):
    study, _ = smoke
    changed = study.params.but(**change)
    pairs = [
        (Study(study.params.but(strategy=s)), Study(changed.but(strategy=s)), s) for s in BUILT_IN
    ]
    assert {
        s for before, after, s in pairs if before.fingerprint(step) == after.fingerprint(step)
    } == same


def test_a_changed_input_file_changes_the_fingerprint(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("pair_id,lang,question,passage\n1,de,a,b\n")
    study = Study(Params(train_corpus="pairs", train_corpus_path=table, output_dir=tmp_path))
    before = study.fingerprint("data"), study.fingerprint("training")
    table.write_text("pair_id,lang,question,passage\n1,de,a,c\n")
    after = study.fingerprint("data"), study.fingerprint("training")
    assert before[0] != after[0] and before[1] != after[1]


def test_a_missing_marker_repeats_that_step(smoke):
    study, _ = smoke
    study.marker("comparison").unlink()
    assert done(runner.run_study(study.params.but(alpha=0.9), progress=False)) == {
        ("smoke", "comparison")
    }


def test_a_failed_run_does_not_stop_the_others(tmp_path, capsys):
    overrides = [
        "-p",
        "output_dir",
        str(tmp_path),
        "-p",
        "encoders",
        "[built-in, ./nowhere]",
        "-p",
        "strategies",
        "[untrained]",
    ]
    status = main(["run", str(ROOT / "params" / "smoke.yaml"), *overrides])
    printed = capsys.readouterr().out
    assert status == 1
    assert (tmp_path / "smoke" / "built-in-untrained-s0" / "metrics.json").exists()
    assert (
        "failed: nowhere-untrained-s0 02_hybrid_training" in printed and "no such folder" in printed
    )
    assert (
        "left out: nowhere-untrained-s0 03_evaluation: needs 02_hybrid_training of nowhere-untrained-s0"
        in printed
    )
    assert "| built-in " in printed and str(tmp_path / "smoke") in printed


@pytest.mark.parametrize("ending", ["import os; os._exit(0)", "import sys; sys.exit(0)"])
def test_a_notebook_that_ends_without_its_marker_has_failed(tmp_path, monkeypatch, ending):
    source = tmp_path / "01_data_prep.ipynb"
    nbformat.write(
        new_notebook(
            cells=[new_code_cell(ending)],
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        ),
        source,
    )
    monkeypatch.setattr(runner, "_notebook", lambda step: source)
    outcome = runner.run_step(Study(Params(output_dir=tmp_path / "out")), "data")
    assert outcome.state == "failed" and outcome.reason


def test_plain_papermill_refuses_an_unknown_parameter(tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match="did you mean 'alpha'"):
        papermill.execute_notebook(
            ROOT / "notebooks" / "02_hybrid_training.ipynb",
            tmp_path / "out.ipynb",
            parameters={"alhpa": 0.4},
            progress_bar=False,
            cwd=ROOT / "notebooks",
        )


def test_a_notebook_opened_by_itself_runs_what_it_needs(tmp_path):
    values = Params.load(
        ROOT / "params" / "smoke.yaml", {"output_dir": str(tmp_path), "strategy": "untrained"}
    )
    papermill.execute_notebook(
        ROOT / "notebooks" / "03_evaluation.ipynb",
        tmp_path / "out.ipynb",
        parameters=values.plain(),
        progress_bar=False,
        cwd=ROOT / "notebooks",
    )
    study = Study(values)
    assert [step for step in NOTEBOOKS if study.is_done(step)] == ["data", "training", "evaluation"]


def test_two_encoders_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="write to 'e-hybrid-s0'"):
        Study(Params(encoders=["a/e", "b/e"], strategies=["hybrid"], output_dir=tmp_path)).cells()


def test_an_output_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        runner.run_study(Params(output_dir=tmp_path / "file"), progress=False)


def test_run_name_takes_the_folder_or_hub_name():
    assert (
        run_name(Params(encoder="org/some model@abc", strategy="x-y", seed=3))
        == "some-model-x-y-s3"
    )


def test_evaluate_writes_what_the_notebook_writes(smoke, tmp_path, capsys):
    run = smoke[0].cells()[-1]
    corpus = run.evaluation_corpus()
    asked = corpus.queries.merge(
        corpus.candidates.assign(question_id=corpus.candidates["group"] + "/0"),
        on=["lang", "question_id"],
    )
    pairs = pd.DataFrame(
        {
            "pair_id": asked["question_id"],
            "lang": asked["lang"],
            "question": asked["text_x"],
            "passage": asked["text_y"],
            "passage_id": asked["group"],
        }
    )
    pairs.to_json(tmp_path / "pairs.jsonl", orient="records", lines=True, force_ascii=False)
    options = [
        "--max-length",
        "64",
        "--corrections",
        "centering",
        "--trec",
        "--trec-depth",
        "5",
        "--out",
        str(tmp_path / "out"),
    ]
    assert (
        main(
            [
                "evaluate",
                str(run.run / "model"),
                "--corpus",
                "pairs",
                "--corpus-path",
                str(tmp_path / "pairs.jsonl"),
                *options,
            ]
        )
        == 0
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    expected = run.metrics()
    assert metrics["settings"]["multilingual"]["map"] == pytest.approx(
        expected["settings"]["multilingual"]["map"], abs=1e-6
    )
    corrected = [
        part["corrections"]["centering"]["settings"]["multilingual"]["map"]
        for part in (metrics, expected)
    ]
    assert corrected[0] == pytest.approx(corrected[1], abs=1e-6)
    assert len(list((tmp_path / "out" / "trec").glob("*.run"))) == 4 + 12 + 4
    assert set(expected) - {"strategy", "seed"} <= set(metrics)
    assert "multilingual mAP" in capsys.readouterr().out


def test_bad_input_on_the_command_line_is_one_line(tmp_path, capsys):
    assert (
        main(["evaluate", str(tmp_path), "--corpus", "facts", "--out", str(tmp_path / "out")]) == 2
    )
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "config.json" in error
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert main(["run", str(tmp_path / "none.yaml")]) == 2
