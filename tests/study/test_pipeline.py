"""The whole way through: every notebook of a study in miniature, and what they leave behind."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
import torch
from clones import ROOT
from nbformat import NotebookNode
from safetensors.torch import load_file
from studies import copied

from hybridlib.batching.strategies import known_strategies
from hybridlib.config.names import BM25, SOUP
from hybridlib.config.params import Params
from hybridlib.figures.style import strategy_style
from hybridlib.files import read_json, write_json
from hybridlib.study.comparison import intervals
from hybridlib.study.fingerprint import finished_runs, is_done
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study, label
from hybridlib.study.free import by_cost
from hybridlib.study.grid import run_study
from hybridlib.study.runner import Outcome

BUILT_IN = known_strategies()  # before a test registers another
LARGEST = 1_000_000  # bytes of an executed notebook
FIGURES = {
    "data": ["batches", "hybrid_steps", "expected_draws"],
    "training": ["score_matrix", "training", "score_matrix_after", "languages_before_after"],
    "evaluation": ["one_query", "map_by_setting", "cross_lingual_heatmap", "corrections"],
    "bias": [
        "top_lists",
        "answer_ranks",
        "rank_distance",
        "distance_by_quality",
        "language_share",
        "projection",
        "filter_directions",
    ],
    "comparison": [
        "training",
        "map_by_setting",
        "map_by_language",
        "rank_distance",
        "bias_plane",
        "answer_ranks",
    ],
}


def execute(study: Study, name: str, folder: Path, **parameters: object) -> list[NotebookNode]:
    """Run a notebook beside the study's own; the outputs of its code cells."""
    out = folder / name.replace("/", "-")
    papermill.execute_notebook(
        ROOT / "notebooks" / name,
        out,
        parameters={**study.params.plain(), **parameters},
        progress_bar=False,
        cwd=ROOT / "notebooks",
    )
    assert out.stat().st_size < LARGEST
    return outputs_of(out)


def outputs_of(file: Path) -> list[NotebookNode]:
    cells = [cell for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


def states(study: Study, **changes: object) -> set[str]:
    """Run a study again; how its steps ended."""
    outcomes = run_study(study.params.but(**changes))
    return {outcome.state for outcome in outcomes}


def done(outcomes: list[Outcome]) -> set[tuple[str, str]]:
    return {(outcome.name, outcome.step) for outcome in outcomes if outcome.state == "done"}


# ------------------------------------------------------------------------------------- what is left


def test_every_step_is_finished_and_nothing_is_repeated(finished_study):
    assert [label(run.params) for run in finished_runs(finished_study)] == [
        "untrained",
        "hybrid-alpha-0.25",
    ]
    assert all(is_done(run, step) for run in finished_study.runs() for step in NOTEBOOKS)
    assert states(finished_study) == {"kept"}


def test_a_copy_elsewhere_is_finished_too(finished_study, tmp_path):
    copy = copied(finished_study, tmp_path)
    assert states(copy) == {"kept"}
    copy.marker("comparison").unlink()
    assert not is_done(copy, "comparison")


def test_runs_leave_their_artefacts(finished_study):
    files = (
        "params.yaml",
        "metrics.json",
        "per_query.parquet",
        "training.jsonl",
        "run.json",
        "model/model.safetensors",
        "model/modules.json",
    )
    for run in finished_study.runs():
        for name in files:
            assert (run.run / name).stat().st_size > 0, name
        manifest = json.loads((run.run / "run.json").read_text())
        assert set(manifest["steps"]) == set(RUN_STEPS)
        assert manifest["seed"] == run.params.seed
        assert manifest["versions"]["torch"]
        assert Params.load(run.run / "params.yaml") == run.params


def test_every_figure_is_saved_twice(finished_study):
    run = finished_study.runs()[-1]
    for step, names in FIGURES.items():
        for name in names:
            for kind in ("png", "svg"):
                file = run.figures(step) / f"{name}.{kind}"
                assert file.stat().st_size > 1000, file


def test_metrics_have_the_documented_shape(finished_study):
    metrics = finished_study.runs()[-1].metrics()
    settings = metrics["settings"]
    assert metrics["corpus"] == "facts"
    assert {"map", "recall@1"} <= set(settings["monolingual"])
    assert "map" in settings["cross-lingual"]
    assert {"map", "map_micro", "recall@10"} <= set(settings["multilingual"])
    assert {"rank_distance", "same_language_share@10"} <= set(metrics["bias"])
    assert set(metrics["per_language"]) == {"de", "en"}
    assert set(metrics["per_pair"]) == {"de-en", "en-de"}


def test_executed_notebooks_are_small_and_without_errors(finished_study):
    files = sorted(finished_study.folder.rglob("*.ipynb"))
    assert len(files) == 2 + 3 * len(finished_study.runs())
    for file in files:
        assert file.stat().st_size < LARGEST, file
        cells = [cell for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
        outputs = outputs_of(file)
        assert not [output for output in outputs if output.output_type == "error"]
        texts = [output.get("text", "") for output in outputs]
        # A figure has empty boxes where the font lacks a letter.
        assert not [text for text in texts if "missing from font" in text]


def test_the_comparison_shows_every_run(finished_study):
    folder = finished_study.comparison
    table = (folder / "results.md").read_text()
    names = re.findall(r"^\| built-in +\| (\S+)", table, re.M)
    assert names == ["untrained"] * 3 + ["hybrid-alpha-0.25"] * 3
    assert table.count("| centering ") == table.count("| centering@candidates ") == 2
    assert "\\toprule" in (folder / "results.tex").read_text()
    assert "] |" in (folder / "intervals.md").read_text()
    differences = pd.read_csv(folder / "differences.csv")
    assert len(differences) == 4
    assert (differences["p_holm"] >= differences["p"]).all()
    assert set(differences["first_seeds"]) == set(differences["second_seeds"]) == {1}
    assert set(differences["over"]) == {"questions"}
    # One seed leaves nothing to say of the power.
    assert not (folder / "power.md").exists()
    assert (differences["low"] <= differences["difference"]).all()
    assert (differences["difference"] <= differences["high"]).all()


def test_intervals_contain_the_figures_of_metrics_json(finished_study):
    runs = finished_runs(finished_study)
    table = intervals(runs).set_index(["strategy", "measure"])["mean"]
    for run in runs:
        metrics = run.metrics()
        name = label(run.params)
        for setting, values in metrics["settings"].items():
            assert table[name, setting] == pytest.approx(values["map"])
        assert table[name, "rank distance"] == pytest.approx(metrics["bias"]["rank_distance"])


# ------------------------------------------------------------------------------ tour and solutions


def test_the_tour_shows_a_search_without_training_anything(finished_study, tmp_path):
    outputs = execute(finished_study, "00_tour.ipynb", tmp_path)
    shown = [output.data for output in outputs if "data" in output]
    assert any("application/vnd.jupyter.widget-view+json" in data for data in shown)
    assert any("image/png" in data for data in shown)
    (results,) = [data["text/html"] for data in shown if "score" in data.get("text/html", "")]
    assert results.count("<tr>") == 1 + finished_study.params.top_k
    assert states(finished_study) == {"kept"}


@pytest.mark.parametrize("name", ["01_data_prep", "03_evaluation", "04_bias_analysis"])
def test_solutions_hold_and_leave_the_study_as_it_is(finished_study, tmp_path, name):
    outputs = execute(finished_study, f"solutions/{name}.ipynb", tmp_path)
    assert not [output for output in outputs if output.output_type == "error"]
    assert states(finished_study) == {"kept"}


def test_the_solutions_of_the_comparison_hold_for_the_kept_quickstart(tmp_path):
    kept = ROOT / "outputs" / "reference" / "quickstart"
    study = copied(Study(Params.load(kept / "study.yaml")), tmp_path)
    outputs = execute(study, "solutions/05_comparison.ipynb", tmp_path)
    assert not [output for output in outputs if output.output_type == "error"]
    assert len(finished_runs(study)) == 12


@pytest.mark.slow
def test_a_strategy_of_ones_own_works_in_the_runner_and_in_every_figure(finished_study, tmp_path):
    """The solution writes, trains and compares `x-en`; nothing else is repeated."""
    study = copied(finished_study, tmp_path)
    plugins = ["notebooks/solutions/my_strategies.py"]
    execute(study, "solutions/02_hybrid_training.ipynb", tmp_path, plugins=plugins)
    strategies = [*study.params.strategies, "x-en"]
    changes = {"plugins": plugins, "strategies": strategies}
    assert states(study, **changes) == {"kept"}

    grid = Study.open(study.params.but(**changes))
    (added,) = [run for run in finished_runs(grid) if run.params.strategy == "x-en"]
    log = pd.read_json(added.run / "training.jsonl", lines=True)
    assert set(log["regime"].dropna()) == {"x-en"}
    assert "| x-en " in (grid.comparison / "results.md").read_text()
    colour = strategy_style("x-en")[0].lower()
    for name in FIGURES["comparison"]:
        assert colour in (grid.comparison / "figures" / f"{name}.svg").read_text(), name
    outcomes = run_study(study.params)
    assert done(outcomes) == {("smoke", "comparison")}


# -------------------------------------------------------------------------------------------- slow


@pytest.mark.slow
def test_the_smoke_study_runs_every_strategy(tmp_path):
    file = ROOT / "params" / "smoke.yaml"
    params = Params.load(file, {"output_dir": str(tmp_path)})
    # test_study_lexical.py runs BM25.
    assert set(params.strategies) == set(BUILT_IN) - {BM25, SOUP}
    outcomes = run_study(params)
    assert [outcome for outcome in outcomes if outcome.state != "done"] == []
    study = Study(params)
    assert len(outcomes) == 2 + len(study.runs()) * len(RUN_STEPS)
    for name in ("gains", "alpha_curve"):
        assert (study.comparison / "figures" / f"{name}.png").stat().st_size > 1000
    table = (study.comparison / "results.md").read_text()
    assert all(f"| {label(run.params)} " in table for run in study.runs())
    # It draws every strategy.
    assert (study.comparison / "05_comparison.ipynb").stat().st_size < 1.5 * LARGEST


@pytest.mark.slow
def test_a_notebook_opened_by_itself_runs_what_it_needs(finished_study, tmp_path):
    study = copied(finished_study, tmp_path, strategy="hybrid")
    shutil.rmtree(study.run)
    assert not is_done(study, "training")
    execute(study, "03_evaluation.ipynb", tmp_path)
    assert [step for step in NOTEBOOKS if is_done(study, step)] == [
        "data",
        "training",
        "evaluation",
    ]


@pytest.mark.slow
def test_a_further_evaluation_takes_the_trained_models(finished_study, tmp_path):
    """Here with vectors on disk."""
    entry = {"eval_corpus": "facts", "eval_languages": ["en", "th"], "vectors": "disk"}
    also = [{**entry, "corrections": ["centering"]}]
    study = copied(finished_study, tmp_path, also_evaluate=also)
    outcomes = run_study(study.params)
    assert {outcome.state for outcome in outcomes} == {"done", "kept"}
    further = tmp_path / "smoke-facts" / study.runs()[-1].run.name
    assert (further / "metrics.json").exists()
    assert not (further / "model").exists()
    assert (further / "vectors" / "vectors.npy").exists()
    assert not (further / "candidates.npy").exists()
    assert (tmp_path / "smoke-facts" / "comparison" / "verdict.md").exists()


@pytest.mark.slow
def test_a_soup_is_made_of_its_study_s_runs_and_compared_with_them(finished_study, tmp_path):
    trained = {"name": "hybrid-alpha-0.25", "strategy": "hybrid", "alpha": 0.25}
    soup = {"name": "soup", "strategy": "soup", "soup_of": [trained["name"]], "soup_share": 0.5}
    systems = [{"name": "untrained", "strategy": "untrained"}, soup, trained]
    study = copied(finished_study, tmp_path, systems=systems, grid={}, alpha=0.5)
    outcomes = run_study(study.params)
    made = {("built-in-soup-s0", step) for step in RUN_STEPS}
    assert done(outcomes) == {*made, ("smoke", "comparison")}
    assert states(study) == {"kept"}

    start, end, mixed = (
        load_file(study.folder / folder / "model.safetensors")
        for folder in (
            "built-in-hybrid-alpha-0.25-s0/initial",
            "built-in-hybrid-alpha-0.25-s0/model",
            "built-in-soup-s0/model",
        )
    )
    for name, weight in mixed.items():
        assert torch.allclose(weight, (start[name] + end[name]) / 2, atol=1e-6), name

    # It takes as long as its parts, and is made again when one of them is trained again.
    costs = by_cost(finished_runs(study)).groupby("strategy")["minutes of training"].max()
    assert costs["soup"] == costs["hybrid-alpha-0.25"] > 0
    marker = study.run_called("built-in-hybrid-alpha-0.25-s0").marker("training")
    write_json(marker, {**read_json(marker), "fingerprint": "another"})
    assert not is_done(study.run_called("built-in-soup-s0"), "training")
