"""Tables over many runs: against the runs' own figures, and made again from what an export keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import LANGUAGES, random_corpus, rank_scores

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import evaluate
from hybridlib.evaluation import metrics as evaluation_metrics
from hybridlib.files import write_json
from hybridlib.study import comparison, export
from hybridlib.study.folder import Study

STRATEGIES = ["untrained", "x-x-mono", "x-y", "hybrid", "hybrid-0.25"]


@pytest.fixture
def corpus(rng: np.random.Generator) -> RetrievalCorpus:
    return random_corpus(rng, questions=30, presence=0.9)


@pytest.fixture
def study(tmp_path: Path, rng: np.random.Generator, corpus: RetrievalCorpus) -> Study:
    """A finished grid of rankings that find the right answers more often from strategy to strategy; one run is missing."""
    grid = Study(
        Params(
            study="made-up",
            output_dir=tmp_path / "outputs",
            strategies=STRATEGIES,
            seeds=[0, 1],
            languages=["ar", "de", "en"],
        )
    )
    right = np.zeros((len(corpus.queries), len(corpus.candidates)), dtype=np.float32)
    right[corpus.qrels["query"], corpus.qrels["candidate"]] = 1
    for number, run in enumerate(grid.cells()[:-1]):
        ranking, centred = (
            rank_scores(rng.random(right.shape) + right * (number + more) / 20, corpus)
            for more in (0, 5)
        )
        run.run.mkdir(parents=True)
        metrics = evaluation_metrics.summarise(ranking, corpus)
        centering = evaluate.summarise_correction(centred, corpus, "candidates")
        metrics["corrections"] = {"centering": centering}
        evaluate.Evaluation(
            corpus, metrics, ranking, {"centering": centred}, np.empty((0, 0)), np.empty((0, 0))
        ).save(run.run)
        run.params.save(run.run / "params.yaml")
        manifest = {
            "seed": run.params.seed,
            "commit": "abc",
            "versions": {"torch": "2.13.0", "transformers": "5.0"},
            "hardware": {"cpus": 2, "machine": "x86_64", "gpus": []},
        }
        steps = (
            {}
            if run.params.strategy == "untrained"
            else {"training": {"seconds": 60.0 * (number + 1), "steps": 60}}
        )
        write_json(
            run.run / "run.json", {**manifest, "steps": {**steps, "evaluation": {"seconds": 30.0}}}
        )
        (run.run / "training.jsonl").write_text('{"step": 0}\n{"step": 1, "loss": 0.123456789}\n')
        write_json(run.marker("bias"), {"fingerprint": run.fingerprint("bias")})
    return grid


def test_what_is_missing_is_named(study):
    assert (
        study.missing_runs() == ["built-in-hybrid-0.25-s1"]
        and len(study.finished_runs()) == 9
        and not study.has_texts()
    )


def test_intervals_are_of_the_runs_figures(study):
    table = comparison.intervals(study.finished_runs(), 50).set_index(["strategy", "measure"])
    for strategy in STRATEGIES[:-1]:
        metrics = [
            run.metrics() for run in study.finished_runs() if run.params.strategy == strategy
        ]
        for setting in evaluation_metrics.SETTINGS:
            assert table.loc[(strategy, setting), "mean"] == pytest.approx(
                np.mean([part["settings"][setting]["map"] for part in metrics])
            )
        assert table.loc[(strategy, "rank distance"), "mean"] == pytest.approx(
            np.mean([part["bias"]["rank_distance"] for part in metrics])
        )
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()


def test_the_arrows_of_the_plane_end_at_means_over_the_same_seeds(study, tmp_path):
    """Of a study that was exported as well."""
    export.export(study, tmp_path)
    for runs in (
        study.finished_runs(),
        Study(Params.load(export.grid_of(tmp_path / "made-up"))).finished_runs(),
    ):
        plane = comparison.plane(
            comparison.intervals(runs, 50), comparison.headlines(runs)
        ).set_index(["strategy", "correction"])
        metrics = [run.metrics() for run in runs if run.params.strategy == "hybrid"]
        for correction, parts in {
            "none": metrics,
            "centering": [m["corrections"]["centering"] for m in metrics],
        }.items():
            assert plane.loc[("hybrid", correction), "map"] == pytest.approx(
                np.mean([part["settings"]["multilingual"]["map"] for part in parts]), rel=1e-3
            )
            assert plane.loc[("hybrid", correction), "rank_distance"] == pytest.approx(
                np.mean([part["bias"]["rank_distance"] for part in parts]), rel=1e-3
            )
        assert len(metrics) == 2 and set(plane.index.get_level_values("correction")) == {
            "none",
            "centering",
        }
        assert set(comparison.plane(comparison.intervals(runs, 50))["correction"]) == {"none"}


def test_against_turns_the_differences_that_name_the_strategy_second(study):
    table = comparison.differences(study.finished_runs(), 50)
    turned = comparison.against(table, "x-y").set_index(["measure", "other"])
    assert set(turned.index.get_level_values("other")) == set(STRATEGIES) - {"x-y"}
    runs = study.finished_runs()
    means, first_seeds = (
        comparison.intervals(part, 50).set_index(["measure", "strategy"])["mean"]
        for part in (runs, [run for run in runs if run.params.seed == 0])
    )
    for (measure, other), row in turned.iterrows():
        of = first_seeds if other == "hybrid-0.25" else means  # its second seed is missing
        assert row["difference"] == pytest.approx(of[measure, "x-y"] - of[measure, other]) and row[
            "seeds"
        ] == (1 if other == "hybrid-0.25" else 2)
        assert row["low"] <= row["difference"] <= row["high"]


def test_differences_of_corrected_encoders_and_of_some_measures(study):
    table = comparison.differences(study.finished_runs(), 50, "centering", ["multilingual"])
    headlines = comparison.headlines(study.finished_runs())
    headlines = headlines[headlines["correction"] == "centering"]
    assert set(table["measure"]) == {"multilingual"} and len(table) == 10
    for row in table.itertuples():
        both = (
            [0]
            if "hybrid-0.25" in (row.first, row.second)
            and "untrained" not in (row.first, row.second)
            else [0, 1]
        )
        means = (
            headlines[headlines["seed"].isin(both)].groupby("strategy")["multilingual mAP"].mean()
        )
        assert row.difference == pytest.approx(means[row.first] - means[row.second])


def test_the_correction_is_over_the_comparisons_with_one_strategy():
    """As many pairs as a dozen strategies make leave room for a p below 0.05 of a strategy that is better in everything."""
    pairs = [(first, second) for first in range(12) for second in range(first)]
    table = pd.DataFrame(
        [
            {
                "encoder": "e",
                "measure": m,
                "first": str(a),
                "second": str(b),
                "difference": 1.0,
                "low": 0.9,
                "high": 1.1,
                "p": 2 / 2001,
                "seeds": 3,
            }
            for m in range(4)
            for a, b in pairs
        ]
    )
    turned = comparison.against(table, "3")
    assert (
        len(turned) == 44
        and turned["p_holm"].tolist() == pytest.approx([44 * 2 / 2001] * 44)
        and turned["p_holm"].max() < 0.05
    )


@pytest.mark.parametrize(
    "measure, low, high, expected",
    [
        ("monolingual", 0.01, 0.02, "holds"),
        ("monolingual", -0.02, -0.01, "does not hold"),
        ("monolingual", -0.01, 0.01, "cannot be told"),
        ("rank distance", -20, -10, "holds"),
        ("rank distance", 10, 20, "does not hold"),
        ("rank distance", -10, 10, "cannot be told"),
    ],
)
@pytest.mark.parametrize("order", [("hybrid", "x-y"), ("x-y", "hybrid")])
def test_a_verdict_follows_the_interval(measure, low, high, expected, order):
    if order[1] == "hybrid":
        low, high = -high, -low
    row = {
        "encoder": "e",
        "measure": measure,
        "first": order[0],
        "second": order[1],
        "difference": (low + high) / 2,
        "low": low,
        "high": high,
        "p": 0.5,
        "seeds": 1,
    }
    assert comparison.verdict(pd.DataFrame([row]))["verdict"].tolist() == [expected]


def test_the_papers_figures_stand_beside_those_of_the_same_corpus(study):
    table = comparison.intervals(study.finished_runs(), 50)
    beside = comparison.beside_paper(table, "xquad-r").set_index(["measure", "strategy"])
    assert beside.loc[("multilingual", "hybrid"), "LaBSE, paper"] == "0.682"
    assert beside.loc[("rank distance", "x-y"), "XLM-R, paper"] == "295.4"
    assert (
        beside.loc[("monolingual", "untrained"), "XLM-R, paper"] == ""
        and "[" in beside.loc[("monolingual", "untrained"), "built-in, here"]
    )
    assert list(dict.fromkeys(beside.index.get_level_values("measure"))) == [
        *evaluation_metrics.SETTINGS,
        "rank distance",
    ]
    assert comparison.beside_paper(table, "facts").empty


def test_the_papers_figures_are_whole():
    table = comparison.paper_results()
    assert (
        len(table) == 2 * 3 * 2 * 4
        and not table.duplicated(["encoder", "strategy", "corpus", "measure"]).any()
    )
    assert table.loc[table["measure"] != "rank distance", "value"].between(
        0.45, 0.85
    ).all() and set(table["source"]) == {"arXiv 2408.10536"}


def test_the_alpha_curve_is_in_order_of_alpha(study):
    table = comparison.intervals(study.finished_runs(), 50)
    curve = comparison.alpha_curve(study.finished_runs(), table)
    part = curve[curve["measure"] == "monolingual"]
    assert part["strategy"].tolist() == ["x-y", "hybrid-0.25", "hybrid", "x-x-mono"] and part[
        "alpha"
    ].tolist() == [0, 0.25, 0.5, 1]
    assert comparison.alpha_curve(
        study.finished_runs(), table[table["strategy"].isin(["x-y", "x-x-mono"])]
    ).empty


def test_figures_of_a_language_are_its_own(study):
    table = comparison.by_language(study.finished_runs(), 20).set_index(
        ["strategy", "setting", "lang"]
    )
    runs = [
        run.metrics()["per_language"]
        for run in study.finished_runs()
        if run.params.strategy == "hybrid"
    ]
    for lang in LANGUAGES:
        for setting in evaluation_metrics.SETTINGS:
            assert table.loc[("hybrid", setting, lang), "mean"] == pytest.approx(
                np.mean([figures[lang][setting]["map"] for figures in runs])
            )
        assert table.loc[("hybrid", "monolingual", lang), "seen"] == (lang != "zh")


def test_unseen_cells_are_those_with_a_language_not_trained_on(study):
    table = comparison.seen_unseen(study.finished_runs(), 20).set_index(
        ["strategy", "setting", "languages"]
    )["mean"]
    run = study.finished_runs()[0]
    per_query = pd.read_parquet(run.run / "per_query.parquet")
    cells = (
        per_query[per_query["setting"] == "cross-lingual"]
        .groupby(["query_lang", "target"])["ap"]
        .mean()
    )
    chinese = [("zh" in cell) for cell in cells.index]
    one_seed = comparison.seen_unseen([run], 20).set_index(["setting", "languages"])["mean"]
    assert one_seed["cross-lingual", "unseen"] == pytest.approx(cells[chinese].mean())
    assert one_seed["cross-lingual", "seen"] == pytest.approx(
        cells[[not is_chinese for is_chinese in chinese]].mean()
    )
    pool = per_query[(per_query["setting"] == "multilingual") & (per_query["query_lang"] == "zh")]
    assert one_seed["multilingual", "unseen"] == pytest.approx(pool["ap"].mean())
    assert len(table) == len(STRATEGIES) * 3 * 2
    everything = [Study(run.params.but(languages=list(LANGUAGES)))]
    assert comparison.seen_unseen(everything, 20).empty


def test_an_export_gives_the_same_tables_from_less(study, tmp_path):
    exported = export.export(study, tmp_path / "kept")
    there = Study(Params.load(export.grid_of(tmp_path / "kept" / "made-up")))
    assert [run.run for run in there.finished_runs()] == [
        run.run for run in exported
    ] and there.missing_runs() == study.missing_runs()
    before, after = (comparison.intervals(place.finished_runs(), 50) for place in (study, there))
    pd.testing.assert_frame_equal(before, after, rtol=1e-3)
    before, after = (
        comparison.differences(
            place.finished_runs(), 50, "centering", ["multilingual", "rank distance"]
        )
        for place in (study, there)
    )
    pd.testing.assert_frame_equal(before, after, rtol=1e-2, atol=1e-4)
    pd.testing.assert_frame_equal(
        comparison.headlines(study.finished_runs()),
        comparison.headlines(there.finished_runs()),
        rtol=1e-6,
    )
    assert comparison.training_logs(there.finished_runs())["loss"].max() == pytest.approx(
        0.12346, abs=1e-9
    )
    names = {file.name for file in (tmp_path / "kept").rglob("*") if file.is_file()}
    assert names == {
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


def test_an_export_says_what_was_run_on_what_and_for_how_long(study, tmp_path):
    runs = study.finished_runs()
    export.export(study, tmp_path / "kept")
    said = (tmp_path / "kept" / "made-up" / "README.md").read_text()
    assert said.count("\n- ") == 5 and f"{len(runs)} of the {len(study.cells())} runs" in said
    assert (
        "hybridlib run" in said
        and "2 CPU cores (x86_64), no GPU. Software: torch 2.13.0" in said
        and "commit abc" in said
    )
    assert "training 3.0 to 9.0; evaluation 0.5 to 0.5" in said


def test_an_export_or_a_comparison_of_nothing_says_so(tmp_path):
    nothing = Study(Params(study="nothing", output_dir=tmp_path))
    with pytest.raises(InputError, match="no run is finished, so there is nothing to export"):
        export.export(nothing, tmp_path / "kept")
    with pytest.raises(InputError, match="no run is finished, so there is nothing to compare"):
        export.compare(nothing)
    with pytest.raises(InputError, match="study.yaml: no such file"):
        export.grid_of(tmp_path)


def test_an_export_is_found_wherever_it_was_put(study, tmp_path, monkeypatch):
    export.export(study, tmp_path / "kept")
    (tmp_path / "kept" / "made-up").rename(tmp_path / "moved")
    found = []
    monkeypatch.setattr(
        export, "compare", lambda there: found.extend(there.finished_runs()) or tmp_path
    )
    monkeypatch.setattr("hybridlib.cli._show_tables", lambda folder: None)
    assert main(["compare", str(tmp_path / "moved")]) == 0
    assert [run.run.parent for run in found] == [tmp_path / "moved"] * len(study.finished_runs())
