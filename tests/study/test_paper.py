"""The paper's claims and figures beside what was measured."""

from __future__ import annotations

import pandas as pd
import pytest

from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.figures import forest
from hybridlib.study.comparison import intervals
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.paper import beside_paper, claims, conclusion, paper_results, verdict


@pytest.mark.parametrize(
    ("measure", "low", "high", "expected"),
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
    assert verdict(pd.DataFrame([row]))["verdict"].tolist() == [expected]


def test_a_claim_is_written_with_its_difference():
    rows = [
        ("monolingual", "x-x-mono", 0.0123, 0.004, 0.02),
        ("rank distance", "untrained", -12.34, -20.06, 3.0),
        ("multilingual", "x-x", 0.1, 0.1, 0.1),
    ]
    columns = ["measure", "second", "difference", "low", "high"]
    table = pd.DataFrame(rows, columns=columns).assign(encoder="e", first="hybrid", p=0.5, seeds=1)
    written = verdict(table)
    assert written["claim"].tolist() == [
        "hybrid is better than x-x-mono in monolingual retrieval",
        "hybrid has a lower rank distance than untrained",
    ]
    assert written["difference"].tolist() == ["+0.012 [+0.004, +0.020]", "-12.3 [-20.1, +3.0]"]


def test_claims_are_rows_of_a_forest_plot():
    rows = [("monolingual", "x-x-mono", -0.02), ("rank distance", "x-y", -20.0)]
    table = pd.DataFrame(rows, columns=["measure", "second", "difference"])
    table = table.assign(encoder="e", first="hybrid", p=0.5, seeds=1)
    table = table.assign(low=table["difference"] - 0.01, high=table["difference"] + 0.01)
    judged = claims(table)
    assert judged["first"].tolist() == ["hybrid", "hybrid"]
    assert judged["second"].tolist() == ["x-x-mono", "x-y"]
    assert judged["verdict"].tolist() == ["does not hold", "holds"]
    assert len(forest(judged).axes) == 2


def test_the_conclusion_counts_the_verdicts():
    outcomes = ["holds", "cannot be told", "holds", "does not hold"]
    assert conclusion(pd.DataFrame({"verdict": outcomes}), "hybrid", "facts") == (
        "On facts, 4 claims of the paper were tested for hybrid: 2 confirmed, 1 refuted, "
        "1 left open."
    )
    columns = ["measure", "first", "second", "difference", "low", "high", "p", "seeds"]
    nothing = verdict(pd.DataFrame(columns=["encoder", *columns]), "x-y")
    assert conclusion(nothing, "x-y", "facts").startswith("No claim of the paper was tested")


def test_the_papers_figures_stand_beside_those_of_the_same_corpus(study):
    table = intervals(finished_runs(study), 50)
    beside = beside_paper(table, "xquad-r").set_index(["measure", "strategy"])
    assert beside.loc[("multilingual", "hybrid"), "LaBSE, paper"] == "0.682"
    assert beside.loc[("rank distance", "x-y"), "XLM-R, paper"] == "295.4"
    assert beside.loc[("monolingual", "untrained"), "XLM-R, paper"] == ""
    assert "[" in beside.loc[("monolingual", "untrained"), "built-in, here"]
    measures = list(dict.fromkeys(beside.index.get_level_values("measure")))
    assert measures == [*SETTINGS, "rank distance"]
    assert beside_paper(table, "facts").empty


def test_the_papers_figures_are_whole():
    table = paper_results()
    assert len(table) == 2 * 3 * 2 * 4
    assert not table.duplicated(["encoder", "strategy", "corpus", "measure"]).any()
    quality = table.loc[table["measure"] != "rank distance", "value"]
    assert quality.between(0.45, 0.85).all()
    assert set(table["source"]) == {"arXiv 2408.10536"}
