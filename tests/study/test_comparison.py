"""Tables over many runs, against the runs' own figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_up import LABELS
from toys import LANGUAGES

from hybridlib.config.params import Params
from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.study import comparison
from hybridlib.study.export import export, grid_of
from hybridlib.study.fingerprint import finished_runs, missing_runs
from hybridlib.study.folder import Study, label
from hybridlib.study.free import by_cost
from hybridlib.study.results import headlines

PARTLY_MISSING = LABELS[-1]  # has one of the two seeds


@pytest.fixture(scope="module")
def runs(study: Study) -> list[Study]:
    return finished_runs(study)


@pytest.fixture(scope="module")
def intervals(runs: list[Study]) -> pd.DataFrame:
    return comparison.intervals(runs)


def metrics_of(runs: list[Study], name: str) -> list[dict]:
    return [run.metrics() for run in runs if label(run.params) == name]


def mean(values: list[float], **tolerance: float) -> object:
    return pytest.approx(np.mean(values), **tolerance)


def test_what_is_missing_is_named(study, runs):
    assert missing_runs(study) == [f"built-in-{PARTLY_MISSING}-s1"]
    assert len(runs) == 9


def test_intervals_are_of_the_runs_figures(runs, intervals):
    table = intervals.set_index(["strategy", "measure"])
    assert list(dict.fromkeys(intervals["strategy"])) == LABELS
    for name in LABELS:
        metrics = metrics_of(runs, name)
        for setting in SETTINGS:
            expected = mean([part["settings"][setting]["map"] for part in metrics])
            assert table.loc[(name, setting), "mean"] == expected
        expected = mean([part["bias"]["rank_distance"] for part in metrics])
        assert table.loc[(name, "rank distance"), "mean"] == expected
        assert set(table.loc[name, "seeds"]) == {len(metrics)}
    assert (table["low"] <= table["mean"]).all()
    assert (table["mean"] <= table["high"]).all()


@pytest.mark.parametrize("exported", [False, True])
def test_the_arrows_of_the_plane_end_at_means_over_the_same_seeds(study, tmp_path, exported):
    if exported:
        export(study, tmp_path)
        study = Study(Params.load(grid_of(tmp_path / "made-up")))
    runs = finished_runs(study)
    table = comparison.intervals(runs)
    plane = comparison.plane(table, by_cost(runs)).set_index(["strategy", "correction"])
    metrics = metrics_of(runs, "hybrid")
    assert len(metrics) == 2
    centred = [part["corrections"]["centering"] for part in metrics]
    for correction, parts in (("none", metrics), ("centering", centred)):
        point = plane.loc[("hybrid", correction)]
        quality = [part["settings"]["multilingual"]["map"] for part in parts]
        assert point["map"] == mean(quality, rel=1e-3)
        distances = [part["bias"]["rank_distance"] for part in parts]
        assert point["rank_distance"] == mean(distances, rel=1e-3)
    assert set(plane.index.get_level_values("correction")) == {"none", "centering"}
    assert set(comparison.plane(table)["correction"]) == {"none"}


def test_there_is_no_plane_without_a_pool_of_languages(intervals):
    assert comparison.plane(intervals[intervals["measure"] != "multilingual"]).empty


# ------------------------------------------------------------------------------------- differences


def test_against_turns_the_differences_that_name_the_strategy_second(runs, intervals):
    turned = comparison.against(comparison.differences(runs), "x-y")
    turned = turned.set_index(["measure", "other"])
    assert set(turned.index.get_level_values("other")) == set(LABELS) - {"x-y"}
    means = intervals.set_index(["measure", "strategy"])["mean"]
    # All seeds count, also of a strategy that has one of the two.
    for (measure, other), row in turned.iterrows():
        assert row["difference"] == pytest.approx(means[measure, "x-y"] - means[measure, other])
        assert row["low"] <= row["difference"] <= row["high"]


def test_the_seeds_of_both_are_counted_and_said(runs):
    table = comparison.differences(runs)
    assert set(table["over"]) == {"questions and seeds"}
    of_missing = table[table["second"] == PARTLY_MISSING]
    assert set(of_missing["first_seeds"]) == {2}
    assert set(of_missing["second_seeds"]) == {1}
    one_seed = [run for run in runs if run.params.seed == 0]
    for part in (comparison.intervals(one_seed), comparison.differences(one_seed)):
        assert set(part["over"]) == {"questions"}


def test_an_interval_is_wider_with_one_seed_than_with_two(runs, intervals):
    """The variance between seeds is that of the strategies with two."""
    width = intervals["high"] - intervals["low"]
    part = intervals.assign(width=width).set_index(["strategy", "measure"])
    alone = comparison.intervals([run for run in runs if run.params.seed == 0])
    alone = alone.assign(width=alone["high"] - alone["low"]).set_index(["strategy", "measure"])
    for measure in SETTINGS:
        # Its interval over questions is the same in both tables.
        key = (PARTLY_MISSING, measure)
        assert part.loc[key, "mean"] == alone.loc[key, "mean"]
        assert part.loc[key, "width"] > alone.loc[key, "width"]


def test_what_the_table_of_differences_keeps_is_corrected_for_one_strategy(runs):
    table = comparison.differences(runs)
    kept = comparison.with_holm(table, "hybrid")
    of_strategy = kept["first"].eq("hybrid") | kept["second"].eq("hybrid")
    assert kept["p_holm"].notna().equals(of_strategy)
    corrected = kept["p_holm"][of_strategy]
    assert (corrected >= kept["p"][of_strategy]).all()
    assert sorted(comparison.against(table, "hybrid")["p_holm"]) == sorted(corrected)


def test_the_claims_of_the_paper_are_a_family_of_their_own():
    """Three claims and two further comparisons: p is multiplied by three, and by two."""
    others = ["untrained", "x-x-mono", "x-y", "hybrid-averaged", "x-x"]
    rows = [{"first": "hybrid", "second": name, "p": 0.01} for name in others]
    rows.append({"first": "x-y", "second": "x-x", "p": 0.01})
    corrected = comparison.with_holm(pd.DataFrame(rows), "hybrid")["p_holm"]
    assert corrected[:5].tolist() == pytest.approx([0.03, 0.03, 0.03, 0.02, 0.02])
    assert corrected[5:].isna().all()


def test_differences_of_corrected_encoders_and_of_some_measures(runs):
    table = comparison.differences(runs, "centering", ["multilingual"])
    results = headlines(runs)
    results = results[results["correction"] == "centering"]
    assert set(table["measure"]) == {"multilingual"}
    assert len(table) == 10
    means = results.groupby("strategy")["multilingual mAP"].mean()
    for row in table.itertuples():
        assert row.difference == pytest.approx(means[row.first] - means[row.second])


def test_gains_under_a_correction_are_those_of_the_pool(runs):
    gains = comparison.corrected_gains(runs, ["centering"], "hybrid")
    table = comparison.differences(runs, "centering", ["multilingual", "rank distance"])
    expected = comparison.against(table, "hybrid").assign(correction="centering")
    pd.testing.assert_frame_equal(gains, expected)
    assert set(gains["measure"]) == {"multilingual", "rank distance"}
    assert comparison.corrected_gains(runs, [], "hybrid").empty


def test_one_strategy_alone_has_no_differences(runs):
    table = comparison.differences(runs[:2])
    assert table.empty
    assert {"encoder", "measure", "first", "second", "p"} <= set(table)


def test_the_correction_is_over_the_comparisons_with_one_strategy():
    """The pairs of a dozen strategies leave room for a p below 0.05."""
    row = {"encoder": "e", "difference": 1.0, "low": 0.9, "high": 1.1, "p": 2 / 2001}
    row |= {"standard_error": 0.05, "over": "questions"}
    rows = [
        {**row, "measure": measure, "first": str(first), "second": str(second)}
        for measure in range(4)
        for first in range(12)
        for second in range(first)
    ]
    turned = comparison.against(pd.DataFrame(rows), "3")
    assert len(turned) == 44
    assert turned["p_holm"].tolist() == pytest.approx([44 * 2 / 2001] * 44)
    assert turned["p_holm"].max() < 0.05


# -------------------------------------------------------------------------------------- alpha curve


def test_the_alpha_curve_is_in_order_of_alpha(runs, intervals):
    curve = comparison.alpha_curve(runs, intervals)
    part = curve[curve["measure"] == "monolingual"]
    assert part["strategy"].tolist() == ["x-y", "hybrid-alpha-0.25", "hybrid", "x-x-mono"]
    assert part["alpha"].tolist() == [0, 0.25, 0.5, 1]
    ends = intervals[intervals["strategy"].isin(["x-y", "x-x-mono"])]
    assert comparison.alpha_curve(runs, ends).empty


@pytest.mark.parametrize(
    ("params", "points"),
    [
        (
            {"strategies": ["x-x-mono", "hybrid-0.75", "hybrid", "hybrid-0.25", "hybrid-averaged"]},
            {"x-x-mono": 1, "hybrid-0.75": 0.75, "hybrid": 0.5, "hybrid-0.25": 0.25},
        ),
        (
            {
                "strategies": ["x-y", "x-x", "hybrid"],
                "grid": {"alpha": [0.4, 0.7], "trained_share": [1, 0.5]},
            },
            {"x-y": 0, "hybrid-alpha-0.4": 0.4, "hybrid-alpha-0.7": 0.7},
        ),
        (
            {"strategies": ["x-y", "hybrid", "x-x-mono"], "alpha": 0.3},
            {"x-y": 0, "hybrid": 0.3, "x-x-mono": 1},
        ),
    ],
    ids=["names of an earlier version", "a grid of two parameters", "another alpha"],
)
def test_the_points_of_the_alpha_curve_differ_in_alpha_alone(params, points):
    runs = Study(Params(**params)).runs()
    table = pd.DataFrame({"strategy": [label(run.params) for run in runs], "mean": 0.5})
    curve = comparison.alpha_curve(runs, table)
    assert dict(zip(curve["strategy"], curve["alpha"])) == points
    assert curve["alpha"].is_monotonic_increasing


# ---------------------------------------------------------------------------------------- languages


def test_figures_of_a_language_are_its_own(runs):
    table = comparison.by_language(runs).set_index(["strategy", "setting", "lang"])
    metrics = [part["per_language"] for part in metrics_of(runs, "hybrid")]
    for lang in LANGUAGES:
        for setting in SETTINGS:
            expected = mean([part[lang][setting]["map"] for part in metrics])
            assert table.loc[("hybrid", setting, lang), "mean"] == expected
        assert table.loc[("hybrid", "monolingual", lang), "seen"] == (lang != "zh")


def test_unseen_cells_are_those_with_a_language_not_trained_on(runs):
    assert len(comparison.seen_unseen(runs)) == len(LABELS) * 3 * 2
    table = comparison.seen_unseen(runs[:1]).set_index(["setting", "languages"])["mean"]
    per_query = pd.read_parquet(runs[0].run / "per_query.parquet")
    cross_lingual = per_query[per_query["setting"] == "cross-lingual"]
    cells = cross_lingual.groupby(["query_lang", "target"])["ap"].mean()
    chinese = np.array(["zh" in cell for cell in cells.index])
    assert table["cross-lingual", "unseen"] == pytest.approx(cells[chinese].mean())
    assert table["cross-lingual", "seen"] == pytest.approx(cells[~chinese].mean())
    pool = per_query[(per_query["setting"] == "multilingual") & (per_query["query_lang"] == "zh")]
    assert table["multilingual", "unseen"] == pytest.approx(pool["ap"].mean())


def test_where_every_language_was_trained_on_there_is_no_other(runs):
    trained_on_all = Study(runs[0].params.but(languages=list(LANGUAGES)))
    assert comparison.seen_unseen([trained_on_all]).empty
