"""The forest plot: every row at its place, right of zero is better, verdicts told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figure_toys import claims, headline, lines, texts, tick_labels

from hybridlib import figures


def test_rows_stand_under_their_setting_with_their_number(drawn):
    fig = drawn("forest")
    assert tick_labels(fig) == [
        "monolingual",
        "against untrained",
        "against x-y",
        "against x-x-mono",
    ]
    assert texts(fig) == ["+.900", "+.020", "\N{MINUS SIGN}.010"]
    assert tick_labels(fig, panel=1) == ["rank distance", "against x-y", "against x-x-mono"]
    assert texts(fig, 1) == ["+5", "\N{MINUS SIGN}40"]
    assert headline(fig).endswith("is it shown?")
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ["shown (3)", "shown the other way (1)", "not shown (1)"]


def test_right_is_better_in_rank_distance_too(drawn):
    quality, distance = drawn("forest").axes
    assert quality.get_xlim()[0] < quality.get_xlim()[1]
    assert distance.get_xlim()[0] > distance.get_xlim()[1]
    for ax in (quality, distance):
        assert ax.get_title(loc="left") == "\N{LEFTWARDS ARROW} other better"
        assert ax.get_title(loc="right") == "hybrid better \N{RIGHTWARDS ARROW}"


def test_points_and_bars_stand_at_their_values_and_open_ones_are_hollow(drawn):
    fig = drawn("forest")
    (refuted,) = lines(fig, "shown the other way")
    np.testing.assert_allclose(refuted.get_xydata(), [[-0.01, 3]])
    (left_open,) = lines(fig, "not shown", panel=1)
    np.testing.assert_allclose(left_open.get_xydata(), [[5, 1]])
    assert left_open.get_markerfacecolor() == "white"
    assert refuted.get_markerfacecolor() == refuted.get_color()
    assert refuted.get_marker() != left_open.get_marker()
    bars = [bar.get_segments()[0][:, 0].tolist() for bar in fig.axes[1].collections]
    assert bars == [[-4, 13], [-60, -30]]


def test_an_untrained_encoder_far_away_is_an_arrow_at_the_edge(drawn):
    ax = drawn("forest").axes[0]
    high = ax.get_xlim()[1]
    assert high < 0.1
    far = ax.get_lines()[0]
    assert far.get_xdata()[0] == high
    assert far.get_marker() == ">"

    # In rank distance the right edge is the low one.
    away = claims().assign(setting="rank distance", difference=[-900, 20, -10, 5, -40])
    fig = figures.forest(away.assign(low=away["difference"] - 1, high=away["difference"] + 1))
    far = fig.axes[0].get_lines()[0]
    assert far.get_xdata()[0] == fig.axes[0].get_xlim()[1] < -40
    assert far.get_marker() == ">"


def test_single_studies_are_marks_above_their_row():
    parts = [claims().assign(study=name) for name in ("small", "large")]
    parts[1]["difference"] = parts[1]["difference"] + 0.001
    fig = figures.forest(claims(), studies=pd.concat(parts))
    marks = [line for line in fig.axes[0].get_lines() if line.get_ydata()[0] == 2 - 0.32]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([0.02, 0.021])
    assert marks[0].get_marker() != marks[1].get_marker()
    # Those of the untrained encoder, far away, are not drawn.
    assert not [line for line in fig.axes[0].get_lines() if line.get_ydata()[0] == 1 - 0.32]
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend[-2:] == ["small", "large"]


@pytest.mark.parametrize(
    ("over", "expected"),
    [(["questions"] * 5, "alone"), (["questions"] * 4 + ["questions and seeds"], "and seeds")],
)
def test_what_the_intervals_are_over_is_said(over, expected):
    fig = figures.forest(claims().assign(over=over))
    assert fig.axes[0].get_xlabel().endswith(f"over questions {expected}")


def test_other_verdicts_and_settings_are_drawn_too():
    table = claims().assign(verdict="likely", setting="of another kind")
    fig = figures.forest(table, title="Is it so?", note="range")
    assert headline(fig) == "Is it so?"
    assert len(lines(fig, "likely")) == 5
    assert "range" in fig.axes[0].get_xlabel()
    with pytest.raises(ValueError, match="forest: the table has no column verdict"):
        figures.forest(table.drop(columns="verdict"))
