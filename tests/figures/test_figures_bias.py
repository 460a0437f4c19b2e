"""Figures of bias hold the values that they were given."""

from __future__ import annotations

import numpy as np
from figure_toys import LANGUAGES, STRATEGIES, lines, results, share, texts, tick_labels

from hybridlib import figures


def test_share_matrix_is_white_at_the_even_share(drawn):
    fig = drawn("language_share_matrix")
    assert texts(fig) == [".80", ".10", ".10", ".20", ".50", ".30", ".33", ".33", ".33"]
    cells = fig.axes[0].collections[0]
    more, even, less = cells.to_rgba(np.array([0.8, 1 / 3, 0.1]))[:, :3]
    assert even.min() > 0.95
    assert more[0] - more[2] > 0.2
    assert less[2] - less[0] > 0.2
    assert "top 10" in fig.axes[1].get_ylabel()


def test_share_matrices_share_a_scale():
    colours = []
    for table in (share(), share() * 0 + 1 / 3):
        fig = figures.language_share_matrix(table, 10)
        colours.append(fig.axes[0].collections[0].to_rgba(np.array([0.5])))
    np.testing.assert_array_equal(*colours)


def test_rank_distance_has_a_point_per_strategy_and_language(drawn):
    fig = drawn("rank_distance_by_language")
    for i, strategy in enumerate(STRATEGIES):
        points = np.array([point.get_xydata()[0] for point in lines(fig, strategy)])
        np.testing.assert_allclose(points[:, 0], 100 * (i + 1) + 10 * np.arange(3) + 1)
        np.testing.assert_array_equal(np.round(points[:, 1]), range(3))
    assert tick_labels(fig) == LANGUAGES
    assert fig.axes[0].get_xscale() == "linear"
    assert fig.axes[0].get_xlim()[0] == 0


def test_rank_distance_turns_logarithmic_for_a_wide_range():
    wide = results()
    wide.loc[wide["strategy"] == "hybrid", "rank_distance"] = 9000
    ax = figures.rank_distance_by_language(wide).axes[0]
    assert ax.get_xscale() == "log"
    assert "log scale" in ax.get_xlabel()
    ax = figures.bias_plane(wide).axes[0]
    assert ax.get_yscale() == "log"
    assert "log scale" in ax.get_ylabel()
    assert figures.bias_plane(wide, log=False).axes[0].get_yscale() == "linear"


def test_distance_by_quality_joins_the_medians(drawn):
    fig = drawn("distance_by_quality")
    assert len(lines(fig, "a query")[0].get_xdata()) == 50
    (medians,) = lines(fig, "median of each tenth")
    assert len(medians.get_xdata()) == 10
    assert (np.diff(medians.get_ydata()) < 0).all()
