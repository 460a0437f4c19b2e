"""The plane of quality and bias: points and arrows where they belong, every name readable."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from figure_toys import STRATEGIES, corrected, lines, plane_of, texts, with_bars
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from hybridlib import figures
from hybridlib.figures.style import STRATEGY_STYLES

CLOSE = plane_of(
    {
        "untrained": (0.2, 420),
        "en-en": (0.4, 390),
        "x-x": (0.3, 400),
        "x-x-mono": (0.55, 320),
        "x-y": (0.585, 300),
        "x-y-pair": (0.59, 301),
        "hybrid": (0.592, 299),
        "hybrid-averaged": (0.6, 302),
        "x-y-averaged": (0.594, 285),
        "code-switched": (0.5, 350),
    }
)


def crowded(seed: int):
    """Ten strategies in one cloud, with wide bars."""
    rng = np.random.default_rng(seed)
    names = list(STRATEGY_STYLES)[:10]
    points = [0.5, 300] + rng.normal(size=(10, 2)) * [0.02, 20]
    return with_bars(plane_of(dict(zip(names, points))), 0.008, 8)


def corrected_crowd(seed: int):
    """Ten strategies in one cloud, and where two corrections take them."""
    plain = crowded(seed).assign(correction="none")
    bare = plain[["strategy", "seed", "map", "rank_distance"]]
    rows = [plain]
    for number, correction in enumerate(("centering", "lir"), 1):
        moved = bare.assign(correction=correction, map=bare["map"] + 0.02 * number)
        rows.append(moved.assign(rank_distance=bare["rank_distance"] - 30 * number))
    return pd.concat(rows, ignore_index=True)


def far_untrained() -> pd.DataFrame:
    """Two strategies, and an untrained encoder far away from them."""
    points = {"untrained": (0.1, 1573.0), "x-y": (0.5, 400.0), "hybrid": (0.52, 420.0)}
    return with_bars(plane_of(points), 0.01, 20)


SCENES = {
    "close": lambda: CLOSE,
    "corrected": corrected,
    "far untrained": far_untrained,
    "crowded": lambda: crowded(1),
    "corrected crowd": lambda: corrected_crowd(2),
}


@pytest.fixture(scope="module", params=SCENES)
def scene(request):
    """A plane, and the boxes of its names."""
    fig = figures.bias_plane(SCENES[request.param](), corrections=True)
    names = [text for text in fig.axes[0].texts if text.get_text()]
    return fig, [name.get_window_extent() for name in names]


def test_names_do_not_lie_on_each_other(scene):
    _, boxes = scene
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * len(boxes)  # itself


def test_names_lie_inside_the_axes(scene):
    fig, boxes = scene
    frame = fig.axes[0].bbox.padded(1)
    for box in boxes:
        assert Bbox.intersection(frame, box).bounds == pytest.approx(box.bounds)


def test_names_do_not_lie_on_marks(scene):
    """Letters are lower than their box by more than the tolerance."""
    fig, boxes = scene
    ax = fig.axes[0]
    marks = [Path(bar.get_segments()[0]) for bar in ax.collections]
    marks += [Path([text.xyann, text.xy]) for text in ax.texts if hasattr(text, "xyann")]
    for box in boxes:
        letters = box.padded(-3)
        markers = [line.get_window_extent() for line in ax.get_lines()]
        assert letters.count_overlaps(markers) == 0
        for mark in marks:
            assert not mark.transformed(ax.transData).intersects_bbox(letters, filled=False)


def test_the_same_table_gives_the_same_picture():
    pictures = []
    for _ in range(2):
        picture = BytesIO()
        figures.bias_plane(crowded(3)).savefig(picture, format="png", metadata={"Software": None})
        pictures.append(picture.getvalue())
    assert pictures[0] == pictures[1]


def test_a_name_far_from_its_point_is_tied_to_it_in_its_colour():
    fig = figures.bias_plane(CLOSE)
    ties = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert ties
    for tie in ties:
        name = tie.patchA
        assert tie.get_edgecolor()[:3] == pytest.approx(name.get_color()[:3])
        (point,) = lines(fig, name.get_text())
        np.testing.assert_allclose(tie._posA_posB[1], point.get_xydata()[0])


def test_bias_plane_names_each_point():
    points = {"x-x-mono": (0.5, 400.0), "x-y": (0.6, 300.0), "hybrid": (0.7, 280.0)}
    table = plane_of(points)
    table = table.assign(
        map_low=table["map"] - 0.02,
        map_high=table["map"] + 0.03,
        rank_distance_low=table["rank_distance"] - 20,
        rank_distance_high=table["rank_distance"] + 10,
    )
    fig = figures.bias_plane(table)
    assert texts(fig) == STRATEGIES
    for strategy, point in points.items():
        np.testing.assert_allclose(lines(fig, strategy)[0].get_xydata(), [point])
    bars = [bar.get_segments()[0] for bar in fig.axes[0].collections]
    np.testing.assert_allclose(bars[:2], [[[0.48, 400], [0.53, 400]], [[0.5, 380], [0.5, 410]]])
    assert len(bars) == 6


@pytest.mark.parametrize("mono", [None, (0.44, 600.0), (0.62, 600.0)])
def test_an_untrained_encoder_far_away_is_in_an_inset(mono):
    """It stands above all marks, at the side where they are lower."""
    table = far_untrained()
    if mono is not None:
        table = pd.concat([table, with_bars(plane_of({"x-x-mono": mono}), 0.01, 20)])
    ax = figures.bias_plane(table).axes[0]
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert left > 0.4
    assert high < 900
    assert "untrained" not in [text.get_text() for text in ax.texts]

    # The inset holds every point, and frames the axes.
    (inset,) = ax.child_axes
    points = [tuple(line.get_xydata()[0]) for line in inset.get_lines()]
    assert points == list(zip(table["map"], table["rank_distance"]))
    assert [text.get_text() for text in inset.texts] == ["untrained"]
    (frame,) = inset.patches
    assert frame.get_bbox().extents == pytest.approx([left, low, right, high])

    # Nothing lies below it or its labels.
    box = inset.get_tightbbox()
    assert Bbox.intersection(box, ax.bbox).bounds == pytest.approx(box.bounds)
    assert not [line for line in ax.get_lines() if box.overlaps(line.get_window_extent())]
    bars = [Path(bar.get_segments()[0]).transformed(ax.transData) for bar in ax.collections]
    assert not [bar for bar in bars if bar.intersects_bbox(box, filled=False)]
    names = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert box.count_overlaps(names) == 0
    is_right = box.x0 > ax.bbox.x0 + ax.bbox.width / 2.5
    assert is_right == (mono is not None and mono[0] < 0.5)


def test_an_untrained_encoder_that_is_near_or_alone_is_a_point():
    points = {"untrained": (0.47, 430.0), "x-y": (0.5, 400.0), "hybrid": (0.6, 320.0)}
    for table in (plane_of(points), far_untrained().iloc[:2]):
        fig = figures.bias_plane(table)
        (point,) = lines(fig, "untrained")
        expected = table[["map", "rank_distance"]].to_numpy()[:1]
        np.testing.assert_allclose(point.get_xydata(), expected)


def test_corrections_are_drawn_where_they_are_asked_for():
    ax = figures.bias_plane(corrected()).axes[0]
    assert not [text for text in ax.texts if hasattr(text, "xyann")]
    assert len(ax.get_lines()) == len(STRATEGIES)


def test_a_corrected_point_hangs_on_its_strategys_arrow(drawn):
    fig: Figure = drawn("bias_plane_corrected")
    arrows = [text for text in fig.axes[0].texts if hasattr(text, "xyann")]
    assert len(arrows) == 2 * len(STRATEGIES)
    starts = corrected().query("correction == 'none'")[["map", "rank_distance"]].to_numpy()
    ends = corrected().query("correction != 'none'")[["map", "rank_distance"]].to_numpy()
    for arrow in arrows:
        assert np.isclose(starts, arrow.xyann).all(1).sum() == 1
        assert np.isclose(ends, arrow.xy).all(1).sum() == 1
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ["with centering", "with lir"]
