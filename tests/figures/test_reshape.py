"""Tables that figures draw, from what a run gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figure_toys import results

from hybridlib import figures
from hybridlib.batching.registry import Batch
from hybridlib.errors import InputError
from hybridlib.figures.reshape import check_columns, mean_and_bar


def test_batches_become_the_languages_of_their_rows():
    pairs = pd.DataFrame({"lang": ["ar", "en", "zh"]}, index=[7, 8, 9])
    batches = [
        Batch("x-y", np.array([0, 2]), np.array([1, 0])),
        Batch("x-x-mono", np.array([1]), np.array([1])),
    ]
    questions, passages = figures.batch_languages(pairs, batches)
    assert questions == [["ar", "zh"], ["en"]]
    assert passages == [["en", "ar"], ["en"]]


def test_metrics_become_a_row_per_name_and_setting():
    plain = {"settings": {"monolingual": {"map": 0.5, "mrr": 0.6}, "multilingual": {"map": 0.4}}}
    centred = {"settings": {"monolingual": {"map": 0.7}}}
    table = figures.settings_table({"hybrid": plain, "centering": centred}, seed=3)
    assert list(table.columns) == ["strategy", "seed", "setting", "map"]
    assert table.values.tolist() == [
        ["hybrid", 3, "monolingual", 0.5],
        ["hybrid", 3, "multilingual", 0.4],
        ["centering", 3, "monolingual", 0.7],
    ]


def test_intervals_become_maps_without_the_rank_distance():
    columns = ["encoder", "strategy", "measure", "mean", "low", "high"]
    rows = [
        ("e", "x-y", "monolingual", 0.5, 0.4, 0.6),
        ("e", "x-y", "rank distance", 300.0, 200.0, 400.0),
    ]
    table = figures.settings_of_intervals(pd.DataFrame(rows, columns=columns))
    assert table.to_dict("records") == [
        {
            "strategy": "x-y",
            "seed": 0,
            "setting": "monolingual",
            "map": 0.5,
            "low": 0.4,
            "high": 0.6,
        }
    ]


def test_bars_are_the_range_over_seeds_else_given_intervals_else_nothing():
    means, note = mean_and_bar(results(3), ["strategy"], "rank_distance")
    assert means.values.tolist() == [
        ["x-x-mono", 111.0, 100.0, 122.0],
        ["x-y", 211.0, 200.0, 222.0],
        ["hybrid", 311.0, 300.0, 322.0],
    ]
    assert note == "bars: range over 3 seeds"
    given = results().assign(low=0.1, high=0.9)
    means, note = mean_and_bar(given, ["strategy"], "map", "low", "high")
    np.testing.assert_allclose(means[["low", "high"]], [[0.1, 0.9]] * 3)
    assert note == "bars: 95 % interval"
    means, note = mean_and_bar(results(), ["strategy"], "map", "low", "high")
    assert means[["low", "high"]].isna().all(axis=None)
    assert note == ""


def test_a_missing_column_is_named():
    missing = "rank_distance_by_language: the table has no column lang, rank_distance"
    with pytest.raises(ValueError, match=missing):
        figures.rank_distance_by_language(results().drop(columns=["lang", "rank_distance"]))
    with pytest.raises(InputError, match="pie: the table is empty"):
        check_columns(pd.DataFrame(columns=["share"]), ["share"], "pie")
