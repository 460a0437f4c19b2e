"""Intervals and tests over questions and seeds: in closed form, and as often right as they say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hybridlib.errors import InputError
from hybridlib.evaluation.significance import (
    ClusteredMean,
    Estimate,
    SeedVariance,
    combined,
    compare,
    holm,
    interval,
    p_value,
    question_variance,
    seed_variance,
    smallest_difference,
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
    return ClusteredMean.over_seeds([ClusteredMean.of(table(values)) for values in seeds])


@pytest.fixture
def values() -> np.ndarray:
    """Values of 200 questions in four cells."""
    return np.random.default_rng(0).random((200, 4))


def test_mean_is_macro_over_cells_of_different_sizes():
    questions = ["a", "b", "c", "a"]
    cells = ["x", "x", "x", "y"]
    frame = pd.DataFrame({"question_id": questions, "cell": cells, "value": [1.0, 0.0, 0.5, 1.0]})
    assert ClusteredMean.of(frame).mean() == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("cells", [["c2"], ["c1", "c2"], ["c0", "c3"]])
def test_some_cells_are_as_if_there_were_no_others(cells):
    frames = []
    for seed in range(2):
        frame = table(np.random.default_rng(seed).random((30, 4)))
        # Few questions are in c2.
        frames.append(frame[(frame["cell"] != "c2") | (frame["question_id"] < "q2")])
    whole = ClusteredMean.over_seeds([ClusteredMean.of(frame) for frame in frames])
    part = whole.within(cells)
    chosen = [frame[frame["cell"].isin(cells)] for frame in frames]
    expected = ClusteredMean.over_seeds([ClusteredMean.of(frame) for frame in chosen])
    assert part.mean() == pytest.approx(expected.mean())
    assert interval(part).low == pytest.approx(interval(expected).low)
    assert compare(part, expected).p == 1


# --------------------------------------------------------------------------- questions, and seeds


def test_one_cell_is_the_t_interval_of_the_mean(values):
    """With one cell and one seed nothing is linearised: it is the textbook's."""
    estimate = interval(system(values[:, :1]))
    error = values[:, 0].std(ddof=1) / np.sqrt(200)
    assert estimate.standard_error == pytest.approx(error)
    assert estimate.degrees_of_freedom == pytest.approx(199)
    low, high = stats.t.interval(0.95, 199, values[:, 0].mean(), error)
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert not estimate.has_seeds


def test_a_difference_of_one_cell_is_the_paired_t_test(values):
    first = values[:, :1]
    second = values[:, 1:2]
    expected = stats.ttest_rel(first[:, 0], second[:, 0])
    assert compare(system(first), system(second)).p == pytest.approx(expected.pvalue)


def test_copies_of_a_question_count_as_one(values):
    """Four identical copies of each question tell no more than one of them."""
    single = interval(system(values[:, :1]))
    copied = interval(system(np.repeat(values[:, :1], 4, axis=1)))
    assert copied.standard_error == pytest.approx(single.standard_error)
    assert copied.degrees_of_freedom == single.degrees_of_freedom


def test_the_linearised_error_is_that_of_many_samples():
    """Cells of different sizes, questions in some of them: as the spread over drawn corpora."""
    rng = np.random.default_rng(3)

    def drawn() -> ClusteredMean:
        frame = table(rng.random((150, 1)) + rng.random((150, 3)))
        in_cell = {"c0": 1.0, "c1": 0.5, "c2": 0.2}
        return ClusteredMean.of(frame[rng.random(len(frame)) < frame["cell"].map(in_cell)])

    means = []
    errors = []
    for _ in range(300):
        sample = drawn()
        means.append(sample.mean())
        errors.append(interval(sample).standard_error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_the_variance_between_seeds_is_pooled(values):
    two = system(values, values + 0.02)
    three = system(values - 0.03, values, values + 0.03)
    pooled = seed_variance([two, three, system(values)])
    assert pooled is not None
    assert pooled.degrees_of_freedom == 1 + 2
    assert pooled.systems == 2
    assert pooled.variance == pytest.approx((0.0002 + 2 * 0.0009) / 3)
    assert seed_variance([system(values), system(values + 1)]) is None
    assert seed_variance([]) is None


def test_seeds_enter_once_for_each_system(values):
    seeds = SeedVariance(0.0012, 6, 3)
    first = system(values, values + 0.1, values + 0.2)
    second = system(values)
    questions = question_variance(first.shares - second.shares)
    assert compare(first, second, seeds).standard_error == pytest.approx(
        np.sqrt(questions + 0.0012 * (1 / 3 + 1))
    )
    # An encoder that no seed changes has no such part.
    fixed = dataclasses.replace(second, is_fixed=True)
    of_fixed = compare(first, fixed, seeds)
    assert of_fixed.standard_error == pytest.approx(np.sqrt(questions + 0.0012 / 3))
    assert of_fixed.has_seeds
    assert not interval(fixed, seeds).has_seeds


def test_degrees_of_freedom_lie_between_those_of_the_components():
    error, degrees = combined([0.04, 0.05], [100, 4])
    assert error == pytest.approx(0.3)
    assert degrees == pytest.approx(0.09**2 / (0.04**2 / 100 + 0.05**2 / 4))
    assert combined([1e-200, 0.0], [9, 2])[1] == pytest.approx(9)
    assert combined([0.0, 0.0], [9, 2]) == (0.0, 9.0)


def test_a_real_difference_is_detected_with_its_sign():
    rng = np.random.default_rng(1)
    values = rng.random((300, 4))
    noise = 0.02 * rng.standard_normal((300, 4))
    better = compare(system(values + 0.05 + noise), system(values))
    assert 0.04 < better.low < better.high < 0.06
    assert better.p < 0.001
    assert better.mean == pytest.approx(0.05, abs=0.005)
    turned = compare(system(values), system(values + 0.05 + noise))
    assert (turned.low, turned.high) == pytest.approx((-better.high, -better.low))


def test_p_and_interval_agree():
    at_the_edge = stats.t.ppf(0.975, 7)
    for mean in (at_the_edge - 0.01, at_the_edge + 0.01):
        estimate = Estimate(mean, 1.0, 7, True)
        assert (estimate.p < 0.05) == (estimate.low > 0)


# ------------------------------------------------------------------- as often right as they say


@pytest.mark.parametrize("seed_sd", [0.002, 0.007])
@pytest.mark.parametrize("question_error", [0.001, 0.0025])
def test_false_verdicts_are_about_one_in_twenty(seed_sd, question_error):
    """Without any difference: three seeds of four strategies, one pair of each of many studies."""
    studies = 20_000
    strategies = 4
    seeds = 3
    questions = 60
    rng = np.random.default_rng(5)
    spread = question_error * np.sqrt(questions)
    shares = spread * rng.standard_normal((studies, questions)) / questions
    of_seeds = seed_sd * rng.standard_normal((studies, strategies, seeds))
    means = of_seeds.mean(2)
    difference = shares.sum(1) + means[:, 0] - means[:, 1]

    over_questions = question_variance(shares - shares.mean(1, keepdims=True))
    pooled = of_seeds.var(2, ddof=1).mean(1)
    degrees = [questions - 1, strategies * (seeds - 1)]
    p = p_value(difference, *combined([over_questions, pooled * 2 / seeds], degrees))
    assert 0.04 < (p < 0.05).mean() < 0.06


def test_the_smallest_difference_is_shown_in_four_of_five_studies():
    rng = np.random.default_rng(6)
    questions = 1e-6
    seeds = SeedVariance(9e-6, 8, 4)
    smallest = smallest_difference(questions, 400, seeds, 3)
    error = np.sqrt(questions + 2 * seeds.variance / 3)
    estimated = seeds.variance * rng.chisquare(8, 20_000) / 8
    means = smallest + error * rng.standard_normal(20_000)
    p = p_value(means, *combined([questions, 2 * estimated / 3], [400, 8]))
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    more = [smallest_difference(questions, 400, seeds, number) for number in (1, 2, 3, 5, 8, 16)]
    assert more == sorted(more, reverse=True)


# -------------------------------------------------------------------------------- what is refused


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
        ClusteredMean.over_seeds([ClusteredMean.of(once), ClusteredMean.of(twice)])
    with pytest.raises(InputError, match="same queries"):
        compare(ClusteredMean.of(once), ClusteredMean.of(twice))


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
    with pytest.raises(InputError, match="a run has no queries"):
        ClusteredMean.over_seeds([])
    with pytest.raises(InputError, match="a run has no queries"):
        ClusteredMean.of(table(np.zeros((0, 1))))


def test_cells_without_a_query_are_refused(values):
    with pytest.raises(InputError, match="no query is in c9, c10"):
        system(values).within(["c9", "c10"])
    with pytest.raises(InputError, match="no query is in no cell"):
        system(values).within([])


def test_of_one_question_nothing_is_shown():
    one = interval(system(np.array([[0.25]])))
    assert one.mean == 0.25
    assert np.isnan([one.low, one.high]).all()
    assert one.p == 1


def test_a_system_does_not_differ_from_itself(values):
    same = compare(system(values), system(values))
    assert (same.low, same.mean, same.high, same.p) == (0, 0, 0, 1)
