"""Resampling over question ids: it detects real differences, and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridlib.errors import InputError
from hybridlib.evaluation.significance import (
    ClusteredMean,
    Interval,
    compare,
    holm,
    interval,
)


def table(values: np.ndarray) -> pd.DataFrame:
    """Return values ``[questions, cells]`` as a frame: the same questions in every cell."""
    questions, cells = values.shape
    return pd.DataFrame(
        {
            "question_id": np.repeat([f"q{number}" for number in range(questions)], cells),
            "cell": np.tile([f"c{number}" for number in range(cells)], questions),
            "value": values.ravel(),
        }
    )


def system(*seeds: np.ndarray) -> ClusteredMean:
    """Return a system with these values ``[questions, cells]``, one array for each seed."""
    return ClusteredMean([table(values) for values in seeds])


@pytest.fixture
def values() -> np.ndarray:
    """Values of 200 questions in four cells."""
    return np.random.default_rng(0).random((200, 4))


def test_mean_is_macro_over_cells_of_different_sizes():
    questions = ["a", "b", "c", "a"]
    cells = ["x", "x", "x", "y"]
    frame = pd.DataFrame({"question_id": questions, "cell": cells, "value": [1.0, 0.0, 0.5, 1.0]})
    assert ClusteredMean([frame]).mean() == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("cells", [["c2"], ["c1", "c2"], ["c0", "c3"]])
def test_some_cells_are_as_if_there_were_no_others(cells):
    frames = []
    for seed in range(2):
        frame = table(np.random.default_rng(seed).random((30, 4)))
        # Few questions are in c2.
        frames.append(frame[(frame["cell"] != "c2") | (frame["question_id"] < "q2")])
    whole = ClusteredMean(frames)
    whole.resampled(2000, 0)
    part = whole.within(cells)
    expected = ClusteredMean([frame[frame["cell"].isin(cells)] for frame in frames])
    assert part.mean() == pytest.approx(expected.mean())
    assert vars(interval(part)) == pytest.approx(vars(interval(expected)))
    assert part.index.equals(expected.index)
    assert compare(part, expected).p == 1
    assert whole.mean() == ClusteredMean(frames).mean()


def test_interval_takes_copies_of_a_question_as_one(values):
    """Four identical copies of each question tell no more than one of them."""
    single = interval(system(values[:, :1]), 4000)
    copied = interval(system(np.repeat(values[:, :1], 4, axis=1)), 4000)
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=1e-9)
    expected = 2 * 1.96 * values[:, 0].std() / np.sqrt(200)
    assert single.high - single.low == pytest.approx(expected, rel=0.06)


def test_seeds_widen_the_interval(values):
    one = interval(system(values[:50]))
    three = interval(system(values[:50] - 0.3, values[:50], values[:50] + 0.3))
    assert three.high - three.low > 2 * (one.high - one.low)
    assert three.mean == pytest.approx(one.mean)


def test_a_difference_that_seeds_do_not_agree_on_is_not_claimed(values):
    """Two systems of three seeds, apart by as much as seeds are: another seed may reverse it."""
    first = system(values - 0.1, values + 0.1, values + 0.12)
    second = system(values + 0.05, values - 0.05, values)
    unsure = compare(first, second)
    assert unsure.low < 0 < unsure.high
    assert unsure.p > 0.05
    sure = compare(system(values + 0.3, values + 0.33, values + 0.36), second)
    assert sure.low > 0
    assert sure.p < 0.01


def test_a_real_difference_is_detected_with_its_sign():
    rng = np.random.default_rng(1)
    values = rng.random((300, 4))
    noise = 0.02 * rng.standard_normal((300, 4))
    better = compare(system(values + 0.05 + noise), system(values))
    assert better.low > 0.04
    assert better.high < 0.06
    assert better.p < 0.001
    assert better.mean == pytest.approx(0.05, abs=0.005)


def test_no_difference_is_claimed_about_as_often_as_promised():
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(200):
        first = system(rng.random((40, 2)))
        second = system(rng.random((40, 2)))
        p_values.append(compare(first, second, draws=200).p)
    assert 0.005 < np.mean(np.array(p_values) < 0.05) < 0.11
    assert min(p_values) >= 1 / 201


def test_the_exact_randomisation_p_of_a_small_case():
    """Three questions, all better by the same: 2 of the 8 tosses are as extreme."""
    difference = compare(system(np.ones((3, 1))), system(np.zeros((3, 1))), draws=20_000)
    assert difference.p == pytest.approx(0.25, abs=0.02)


def test_resampling_is_reproducible_and_paired(values):
    first = system(values[:30])
    again = system(values[:30])
    assert (first.resampled(50, 7) == again.resampled(50, 7)).all()
    assert (first.resampled(50, 7) != first.resampled(50, 8)).any()
    assert compare(first, again).low == compare(first, again).high == 0


def test_different_queries_are_refused():
    three = np.ones((3, 4))
    four = np.ones((4, 4))
    with pytest.raises(InputError, match="same queries"):
        compare(system(three), system(four))
    with pytest.raises(InputError, match="same queries"):
        system(three, four)


def test_a_query_that_one_seed_has_twice_is_refused():
    once = table(np.array([[0.25], [0.5]]))
    twice = pd.concat([once, once.tail(1)])
    with pytest.raises(InputError, match="same queries"):
        ClusteredMean([once, twice])
    with pytest.raises(InputError, match="same queries"):
        compare(ClusteredMean([once]), ClusteredMean([twice]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_query_without_a_value_is_refused(value):
    """A sum would pass over it, and a mean still count it."""
    with pytest.raises(InputError, match="a query has no value"):
        system(np.array([[0.25], [value]]))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert len(holm([])) == 0


# ------------------------------------------------------------------------ nothing left to compute


def test_no_seeds_and_no_queries_are_refused():
    for tables in ([], [table(np.zeros((0, 1)))], [table(np.ones((2, 1))), table(np.ones((0, 1)))]):
        with pytest.raises(InputError, match="a run has no queries"):
            ClusteredMean(tables)


def test_cells_without_a_query_are_refused(values):
    with pytest.raises(InputError, match="no query is in c9, c10"):
        system(values).within(["c9", "c10"])
    with pytest.raises(InputError, match="no query is in no cell"):
        system(values).within([])


def test_draws_and_levels_out_of_range_are_refused(values):
    for level in (0, 1, 2, -0.5, float("nan")):
        with pytest.raises(InputError, match=r"level is .* between 0 and 1"):
            interval(system(values), draws=10, level=level)
    with pytest.raises(InputError, match="draws is 0; it must be 1 or more"):
        compare(system(values), system(values), draws=0)


def test_one_question_has_an_interval_of_one_point():
    one = system(np.array([[0.25]]))
    assert interval(one, draws=10) == Interval(0.25, 0.25, 0.25)
    assert compare(one, one, draws=10).p == 1
