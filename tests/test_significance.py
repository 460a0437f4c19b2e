"""Resampling over question ids: it finds what is there, and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridlib.errors import InputError
from hybridlib.evaluation.significance import ClusteredMean, compare, holm, interval


def table(values: np.ndarray, cells: int = 4) -> pd.DataFrame:
    """``values`` [questions, cells]: the same questions in every cell."""
    questions = np.repeat([f"q{i}" for i in range(len(values))], cells)
    return pd.DataFrame(
        {
            "question_id": questions,
            "cell": np.tile([f"c{i}" for i in range(cells)], len(values)),
            "value": values.ravel(),
        }
    )


def test_mean_is_macro_over_cells_where_they_differ_in_size():
    frame = pd.DataFrame(
        {
            "question_id": ["a", "b", "c", "a"],
            "cell": ["x", "x", "x", "y"],
            "value": [1.0, 0.0, 0.5, 1.0],
        }
    )
    assert ClusteredMean([frame]).mean() == pytest.approx((0.5 + 1.0) / 2)


def test_some_cells_alone_are_as_if_there_were_no_others():
    frames = [table(np.random.default_rng(seed).random((30, 4))) for seed in range(2)]
    frames = [
        frame[(frame["cell"] != "c2") | (frame["question_id"] < "q2")] for frame in frames
    ]  # few questions in c2
    everywhere = ClusteredMean(frames)
    everywhere.resampled(2000, 0)
    for cells in (["c2"], ["c1", "c2"], ["c0", "c3"]):
        part, alone = (
            everywhere.within(cells),
            ClusteredMean([frame[frame["cell"].isin(cells)] for frame in frames]),
        )
        assert [part.mean(), *vars(interval(part)).values()] == pytest.approx(
            [alone.mean(), *vars(interval(alone)).values()]
        )
        assert part.index.equals(alone.index) and compare(part, alone).p == 1
    assert everywhere.mean() == ClusteredMean(frames).mean()


def test_interval_takes_copies_of_a_question_as_one():
    """Four identical copies of each question tell no more than one of them."""
    values = np.random.default_rng(0).random(200)
    alone, copied = (
        interval(ClusteredMean([table(np.repeat(values[:, None], n, axis=1), n)]), 4000)
        for n in (1, 4)
    )
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=1e-9)
    expected = 2 * 1.96 * values.std() / np.sqrt(200)
    assert alone.high - alone.low == pytest.approx(expected, rel=0.06)


def test_seeds_widen_the_interval():
    values = np.random.default_rng(0).random((50, 4))
    seeds = [table(values + shift) for shift in (-0.3, 0.0, 0.3)]
    one, three = (interval(ClusteredMean(tables)) for tables in (seeds[1:2], seeds))
    assert three.high - three.low > 2 * (one.high - one.low)
    assert three.mean == pytest.approx(one.mean)


def test_a_difference_that_seeds_do_not_agree_on_is_not_claimed():
    """Two systems of three seeds, apart by as much as seeds are: every question agrees, yet another seed may not."""
    values = np.random.default_rng(0).random((200, 4))
    first = ClusteredMean([table(values + shift) for shift in (-0.1, 0.1, 0.12)])
    second = ClusteredMean([table(values + shift) for shift in (0.05, -0.05, 0.0)])
    unsure = compare(first, second)
    assert unsure.low < 0 < unsure.high and unsure.p > 0.05
    sure = compare(ClusteredMean([table(values + shift) for shift in (0.3, 0.33, 0.36)]), second)
    assert sure.low > 0 and sure.p < 0.01


def test_a_real_difference_is_found_and_its_sign_kept():
    rng = np.random.default_rng(1)
    values = rng.random((300, 4))
    better = compare(
        ClusteredMean([table(values + 0.05 + 0.02 * rng.standard_normal((300, 4)))]),
        ClusteredMean([table(values)]),
    )
    assert better.low > 0.04 and better.high < 0.06 and better.p < 0.001
    assert better.mean == pytest.approx(0.05, abs=0.005)


def test_no_difference_is_claimed_about_as_often_as_promised():
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(200):
        first, second = (ClusteredMean([table(rng.random((40, 2)), 2)]) for _ in range(2))
        p_values.append(compare(first, second, draws=200).p)
    assert 0.005 < np.mean(np.array(p_values) < 0.05) < 0.11
    assert min(p_values) >= 1 / 201


def test_the_exact_randomisation_p_of_a_small_case():
    """Three questions, all better by the same: 2 of the 8 tosses are as extreme."""
    first, second = (
        ClusteredMean([table(np.ones((3, 1)), 1)]),
        ClusteredMean([table(np.zeros((3, 1)), 1)]),
    )
    assert compare(first, second, draws=20_000).p == pytest.approx(0.25, abs=0.02)


def test_resampling_is_reproducible_and_paired():
    system = ClusteredMean([table(np.random.default_rng(0).random((30, 4)))])
    assert (system.resampled(50, 7) == system.resampled(50, 7)).all()
    assert compare(system, system).low == compare(system, system).high == 0


def test_different_queries_are_refused():
    one, other = table(np.ones((3, 4))), table(np.ones((4, 4)))
    with pytest.raises(InputError, match="same queries"):
        compare(ClusteredMean([one]), ClusteredMean([other]))
    with pytest.raises(InputError, match="same queries"):
        ClusteredMean([one, other])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert len(holm([])) == 0
