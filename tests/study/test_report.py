"""Tables as a reader gets them."""

from __future__ import annotations

import pandas as pd

from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.report import as_text, interval_table, stacked, write_tables
from hybridlib.study.results import headlines, over_seeds, rank_distances

INTERVALS = pd.DataFrame(
    [
        ("b", "x-y", "monolingual", 0.12345, 0.1, 0.2, 3, "questions"),
        ("b", "x-y", "rank distance", 12.345, 10, 20, 3, "questions"),
        ("a", "untrained", "monolingual", 0.5, 0.4, 0.6, 1, "questions"),
    ],
    columns=["encoder", "strategy", "measure", "mean", "low", "high", "seeds", "over"],
)


def test_intervals_are_a_row_for_each_system_in_the_order_given():
    table = interval_table(INTERVALS)
    keys = ["encoder", "strategy", "seeds", "over"]
    assert list(table) == [*keys, "monolingual mAP", "rank distance"]
    assert table.drop(columns="over").to_numpy().tolist() == [
        ["b", "x-y", 3, "0.123 [0.100, 0.200]", "12.3 [10.0, 20.0]"],
        ["a", "untrained", 1, "0.500 [0.400, 0.600]", ""],
    ]


def test_results_are_means_over_seeds_in_the_order_of_the_grid(study):
    results = headlines(finished_runs(study))
    means = over_seeds(results)
    assert means["strategy"].tolist()[::2] == list(dict.fromkeys(results["strategy"]))
    assert means["seeds"].tolist() == [2] * 8 + [1] * 2
    plain = means[means["correction"] == "none"].set_index("strategy")["multilingual mAP"]
    hybrid = results[(results["strategy"] == "hybrid") & (results["correction"] == "none")]
    assert plain["hybrid"] == hybrid["multilingual mAP"].mean()


def test_figures_become_texts_with_the_digits_that_a_reader_wants():
    values = {"map": [0.123456], "rank distance": [12.36], "minutes of training": [0.54]}
    table = pd.DataFrame({"strategy": ["x-y"], **values})
    assert as_text(table).to_numpy().tolist() == [["x-y", "0.1235", "12.4", "0.5"]]
    assert table["map"].tolist() == [0.123456]


def test_tables_are_written_as_markdown_and_latex(tmp_path):
    write_tables(pd.DataFrame({"a_b": ["1.0", "x_y"]}), tmp_path, "table")
    assert (tmp_path / "table.md").read_text() == "| a_b   |\n|:------|\n| 1.0   |\n| x_y   |\n"
    latex = (tmp_path / "table.tex").read_text()
    assert "\\toprule" in latex
    assert "x\\_y \\\\" in latex


def test_no_tables_stacked_are_an_empty_one():
    assert stacked([]).empty
    assert stacked([INTERVALS, INTERVALS]).index.tolist() == list(range(6))


def test_rank_distances_have_a_row_for_each_query_language(study):
    runs = finished_runs(study)
    table = rank_distances(runs)
    expected = runs[0].metrics()["bias"]["rank_distance_per_language"]
    first = table[(table["strategy"] == "untrained") & (table["seed"] == 0)]
    assert dict(zip(first["lang"], first["rank_distance"])) == expected
