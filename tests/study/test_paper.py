"""The paper's claims and figures beside what was measured."""

from __future__ import annotations

import pandas as pd
import pytest

from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.figures import forest
from hybridlib.study.comparison import intervals
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.paper import beside_paper, claims, conclusion, paper_results, verdict


def difference(**values: object) -> pd.DataFrame:
    """A row of comparison.differences."""
    row = {
        "encoder": "e",
        "measure": "monolingual",
        "first": "hybrid",
        "second": "x-y",
        "difference": 0.01,
        "low": -0.01,
        "high": 0.03,
        "standard_error": 0.01,
        "degrees_of_freedom": 9.0,
        "p": 0.5,
        "first_seeds": 3,
        "second_seeds": 3,
        "over": "questions and seeds",
    }
    return pd.DataFrame([{**row, **values}])


@pytest.mark.parametrize(
    ("measure", "low", "high", "expected"),
    [
        ("monolingual", 0.01, 0.02, "shown"),
        ("monolingual", -0.02, -0.01, "shown the other way"),
        ("monolingual", -0.01, 0.01, "not shown"),
        ("rank distance", -20, -10, "shown"),
        ("rank distance", 10, 20, "shown the other way"),
        ("rank distance", -10, 10, "not shown"),
    ],
)
@pytest.mark.parametrize("order", [("hybrid", "x-y"), ("x-y", "hybrid")])
def test_a_verdict_follows_sign_and_p(measure, low, high, expected, order):
    if order[1] == "hybrid":
        low, high = -high, -low
    row = difference(
        measure=measure,
        first=order[0],
        second=order[1],
        difference=(low + high) / 2,
        low=low,
        high=high,
        p=0.051 if expected == "not shown" else 0.049,
    )
    assert verdict(row)["verdict"].tolist() == [expected]


def test_a_verdict_takes_all_claims_into_account_and_nothing_else():
    """Two claims beside four further comparisons: p is multiplied by two."""
    others = ["x-y", "x-x-mono", "x-x", "code-switched", "x-y-pair", "hybrid-averaged"]
    for p, expected in ((0.024, "shown"), (0.026, "not shown")):
        rows = [difference(second=name, difference=0.1, p=p) for name in others]
        judged = claims(pd.concat(rows, ignore_index=True))
        assert judged["verdict"].tolist() == [expected] * 2
        assert judged["p_holm"].tolist() == pytest.approx([2 * p] * 2)


def test_a_claim_is_written_with_its_difference():
    rows = [
        ("monolingual", "x-x-mono", 0.0123, 0.004, 0.02),
        ("rank distance", "untrained", -12.34, -20.06, 3.0),
        ("multilingual", "x-x", 0.1, 0.1, 0.1),
    ]
    columns = ["measure", "second", "difference", "low", "high"]
    written = verdict(
        pd.concat([difference(**dict(zip(columns, row))) for row in rows], ignore_index=True)
    )
    assert written["claim"].tolist() == [
        "hybrid is better than x-x-mono in monolingual retrieval",
        "hybrid has a lower rank distance than untrained",
    ]
    assert written["difference"].tolist() == ["+0.012 [+0.004, +0.020]", "-12.3 [-20.1, +3.0]"]
    assert written["p_holm"].tolist() == ["1.000", "1.000"]
    assert set(written["over"]) == {"questions and seeds"}


def test_claims_are_rows_of_a_forest_plot():
    rows = [
        difference(second="x-x-mono", difference=-0.02, low=-0.03, high=-0.01, p=0.01),
        difference(measure="rank distance", difference=-20.0, low=-21.0, high=-19.0, p=0.01),
    ]
    judged = claims(pd.concat(rows, ignore_index=True))
    assert judged["first"].tolist() == ["hybrid", "hybrid"]
    assert judged["second"].tolist() == ["x-x-mono", "x-y"]
    assert judged["verdict"].tolist() == ["shown the other way", "shown"]
    assert len(forest(judged).axes) == 2


def test_the_conclusion_counts_the_verdicts():
    outcomes = ["shown", "not shown", "shown", "shown the other way"]
    assert conclusion(pd.DataFrame({"verdict": outcomes}), "hybrid", "facts") == (
        "On facts, 4 claims of the paper were tested for hybrid: 2 shown, 1 shown the other way, "
        "1 not shown."
    )
    nothing = verdict(difference().iloc[:0], "x-y")
    assert conclusion(nothing, "x-y", "facts").startswith("No claim of the paper was tested")


def test_the_papers_figures_stand_beside_those_of_the_same_corpus(study):
    table = intervals(finished_runs(study))
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
