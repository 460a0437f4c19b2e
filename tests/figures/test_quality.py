"""Figures of quality hold the values that they were given."""

from __future__ import annotations

import numpy as np
import pytest
from figure_toys import (
    LANGUAGES,
    STRATEGIES,
    gains,
    headline,
    lines,
    results,
    texts,
    tick_labels,
)

from hybridlib import figures
from hybridlib.evaluation.metrics import SETTINGS


def bar_ends(fig) -> np.ndarray:
    """Left and right ends of all horizontal bars, ``[bars, 2]``."""
    bars = [bar for ax in fig.axes for bar in ax.collections]
    return np.array([bar.get_segments()[0][:, 0] for bar in bars])


def test_map_by_setting_shows_means_and_ranges(drawn):
    fig = drawn("map_by_setting")
    assert [ax.get_title() for ax in fig.axes] == list(SETTINGS)
    for j in range(3):
        for i, strategy in enumerate(STRATEGIES):
            (point,) = lines(fig, strategy, j)
            np.testing.assert_allclose(point.get_xydata(), [[0.501 + i / 10 + j / 100, i]])
        assert texts(fig, j) == [f".{round(501 + 100 * i + 10 * j)}" for i in range(3)]
    lows = [0.5 + i / 10 + j / 100 for j in range(3) for i in range(3)]
    np.testing.assert_allclose(bar_ends(fig), np.transpose([lows, np.array(lows) + 0.002]))
    assert "range over 3 seeds" in fig.get_supxlabel()


def test_map_by_setting_shows_given_intervals():
    fig = figures.map_by_setting(results().assign(low=0.1, high=0.95))
    np.testing.assert_allclose(bar_ends(fig), [[0.1, 0.95]] * 9)
    assert "interval" in fig.get_supxlabel()


def test_map_by_setting_without_spread_has_no_bars():
    fig = figures.map_by_setting(results())
    assert [len(ax.collections) for ax in fig.axes] == [0, 0, 0]
    assert "bars" not in fig.get_supxlabel()


def test_the_colour_does_not_depend_on_the_other_strategies(drawn):
    single = figures.map_by_setting(results().query("strategy == 'hybrid'"))
    (point,) = lines(single, "hybrid")
    (among_others,) = lines(drawn("map_by_setting"), "hybrid")
    assert point.get_color() == among_others.get_color()


def test_heatmap_holds_pairs_and_monolingual_diagonal(drawn):
    fig = drawn("cross_lingual_heatmap")
    ax = fig.axes[0]
    # Chinese queries have no English answer.
    assert texts(fig) == [".90", ".11", ".22", ".33", ".91", ".44", ".55", ".92"]
    cells = ax.collections[0]
    values = np.ma.filled(cells.get_array(), np.nan).reshape(3, 3)
    expected = [[0.9, 0.11, 0.22], [0.33, 0.91, 0.44], [0.55, np.nan, 0.92]]
    np.testing.assert_allclose(values, expected)
    assert cells.get_clim() == (0, 1)
    assert [frame.get_xy() for frame in ax.patches] == [(0, 0), (1, 1), (2, 2)]
    assert tick_labels(fig, "y") == LANGUAGES
    assert tick_labels(fig, "x") == LANGUAGES
    assert headline(fig).startswith("hybrid: who finds")


def test_gains_stand_at_their_differences(drawn):
    fig = drawn("gains")
    titles = ["monolingual mAP", "cross-lingual mAP", "multilingual mAP", "rank distance (ranks)"]
    assert [ax.get_title() for ax in fig.axes] == titles
    others = ("untrained", "x-x-mono", "x-y")
    points = [lines(fig, other, panel=1)[0].get_xdata()[0] for other in others]
    expected = gains().query("measure == 'cross-lingual'")["difference"].tolist()
    assert points == pytest.approx(expected)


def test_gains_in_map_share_an_axis_and_those_that_may_be_zero_are_hollow(drawn):
    fig = drawn("gains")
    limits = [ax.get_xlim() for ax in fig.axes]
    assert limits[0] == limits[1] == limits[2] != limits[3]
    points = [lines(fig, other, panel=1)[0] for other in ("untrained", "x-x-mono", "x-y")]
    hollow = [point.get_markerfacecolor() == "white" for point in points]
    # -0.0125, 0.0075 and 0.0275, each plus or minus 0.02.
    assert hollow == [True, True, False]
    assert texts(fig, 1) == ["\N{MINUS SIGN}.013", "+.007", "+.028"]


def test_alpha_curve_joins_the_strategies_by_their_share(drawn):
    fig = drawn("alpha_curve")
    curve = fig.axes[0].get_lines()[0]
    np.testing.assert_allclose(curve.get_xdata(), [0, 0.25, 0.5, 1])
    np.testing.assert_allclose(curve.get_ydata(), [0.5, 0.525, 0.55, 0.6])
    (point,) = lines(fig, "hybrid-0.25", panel=3)
    np.testing.assert_allclose(point.get_xydata(), [[0.25, 0.525]])
    assert fig.axes[3].get_title() == "rank distance (fewer is better)"


def test_unseen_languages_are_hollow_and_stand_below_the_seen_ones(drawn):
    points = drawn("seen_unseen").axes[0].get_lines()
    faces = [point.get_markerfacecolor() for point in points]
    heights = [point.get_ydata()[0] for point in points]
    assert [face == "white" for face in faces] == [False, True] * 3
    np.testing.assert_allclose(heights, [-0.15, 0.15, 0.85, 1.15, 1.85, 2.15])


def test_languages_that_were_not_trained_on_stand_last_with_a_star(drawn):
    assert tick_labels(drawn("map_by_language")) == ["ar", "en", "zh *"]
