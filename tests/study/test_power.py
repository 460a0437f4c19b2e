"""The smallest difference that a study would show, from its variance components."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridlib.study.comparison import differences
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study, label
from hybridlib.study.power import power, power_table


@pytest.fixture(scope="module")
def runs(study: Study) -> list[Study]:
    return finished_runs(study)


def test_every_measure_has_a_row_that_falls_with_the_seeds(runs):
    table = power(runs)
    measures = ["monolingual", "cross-lingual", "multilingual", "rank distance"]
    assert table["measure"].tolist() == measures
    numbers = table[[f"{number} seeds" for number in (2, 3, 5, 8, 16)]]
    assert (table["1 seed"] > numbers["2 seeds"]).all()
    assert (numbers.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)
    # Questions alone set a limit.
    assert (numbers["16 seeds"] > 2.8 * table["questions"]).all()


def test_its_components_are_those_of_the_differences(runs):
    trained = [run for run in runs if label(run.params) in ("x-y", "hybrid")]
    table = power(trained).set_index("measure")
    (row,) = differences(trained, measures=["multilingual"]).itertuples()
    parts = table.loc["multilingual"]
    assert row.standard_error**2 == pytest.approx(parts["questions"] ** 2 + parts["seeds"] ** 2)


def test_one_seed_or_one_strategy_has_no_table(runs):
    columns = power(runs).columns.tolist()
    for part in (
        [run for run in runs if run.params.seed == 0],
        [run for run in runs if label(run.params) in ("untrained", "x-y")],
    ):
        table = power(part)
        assert table.empty
        assert table.columns.tolist() == columns


def test_a_reader_sees_few_digits():
    rows = [("e", "multilingual", 0.00123456, 0.02), ("e", "rank distance", 12.345, 100.0)]
    table = pd.DataFrame(rows, columns=["encoder", "measure", "questions", "1 seed"])
    written = power_table(table)
    assert written["questions"].tolist() == ["0.0012", "12.3"]
    assert written["1 seed"].tolist() == ["0.0200", "100.0"]
    assert np.isfinite(table["1 seed"]).all()
