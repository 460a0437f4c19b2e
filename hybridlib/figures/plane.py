"""The figure of quality and bias together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, Transform

from hybridlib.config.names import NO_TRAINING
from hybridlib.figures.axes import (
    MAP_LABEL,
    distance_axis,
    draw_point,
    headline,
    legend_above,
    log_ticks,
    one_axes,
)
from hybridlib.figures.labels import label_points
from hybridlib.figures.reshape import check_columns, mean_and_bar
from hybridlib.figures.style import (
    GREY,
    LINE_STYLES,
    WIDTH,
    LineStyle,
    marker_size,
    settle,
    strategy_style,
    styled,
    text_on_white,
)

PLAIN = "none"  # the correction that changes nothing

# The room of an inset with its labels, at the upper left, in axes coordinates.
_INSET = Bbox([[0.0, 0.64], [0.55, 1.0]])


@styled
def bias_plane(results: pd.DataFrame, log: bool | None = None, corrections: bool = False) -> Figure:
    """Draw multilingual mAP against rank distance, a point per strategy.

    Good is to the right and low. The axes hold what was trained. Where an untrained encoder lies
    outside, an inset shows all points, and the axes as a grey frame.

    Args:
        results: columns strategy, seed, map, rank_distance; optional map_low, map_high,
            rank_distance_low, rank_distance_high. Points are means over seeds; bars as in
            ``map_by_setting``. An optional column correction: the rows of ``none`` are the points.
        log: logarithmic rank distance; None: if the largest value is over four times the smallest,
            untrained encoders aside.
        corrections: also draw each other correction, as a hollow point at the end of an arrow; the
            axes then hold the untrained encoders, too.
    """
    check_columns(results, ["strategy", "seed", "map", "rank_distance"], "bias_plane")
    table, note = _means(results)
    plain = table[table["correction"] == PLAIN]
    drawn = table["correction"] != PLAIN
    corrected = _with_starts(table[drawn & corrections], plain)
    lines = dict(zip(sorted(set(corrected["correction"])), LINE_STYLES))

    trained = _is_trained(plain) | corrections
    # Arrows need more room.
    fig, ax = one_axes(5.2, width=7.2 if corrections else WIDTH)
    for row in plain[trained].itertuples():
        _draw_strategy(ax, row)
    for row in corrected.itertuples():
        _draw_correction(ax, row, lines[row.correction])
    question = "Which strategy is good and unbiased? (right and low)"
    if corrections:
        question = "How far does a correction get without training?"
    _legend(fig, lines, question)
    ax.margins(0.18)
    ax.set_xlabel(f"multilingual {MAP_LABEL}")
    distance_axis(ax, "y", plain["distance"][trained], log, note, wide=4)

    # An untrained encoder that is near widens the limits a little; the others lie outside.
    ax.autoscale_view()
    near = trained | _is_near(ax, plain[["map", "distance"]].to_numpy())
    for row in plain[near & ~trained].itertuples():
        _draw_strategy(ax, row)
    ax.autoscale_view()
    ax.autoscale(enable=False)
    inside = plain[near]
    points = inside[["map", "distance"]].to_numpy()
    drawn_lines = _lines(inside, corrected)
    markers = np.concatenate([points, corrected[["map", "distance"]].to_numpy()])

    # The inset, then the names, off the inset and all marks.
    places = []
    if not near.all():
        place = _place_of_inset(ax, np.concatenate([markers, drawn_lines.reshape(-1, 2)]))
        _draw_inset(ax, plain, ~near, place)
        places.append(place)
    settle(fig)
    taken = [place.transformed(ax.transAxes) for place in places]
    label_points(ax, inside["strategy"].tolist(), points, markers, drawn_lines, taken)
    return fig


def _is_trained(plain: pd.DataFrame) -> np.ndarray:
    """Return which points set the limits: the trained ones, or all if less than two are."""
    trained = ~plain["strategy"].str.split().str[-1].isin(NO_TRAINING).to_numpy()
    return trained if trained.sum() > 1 else np.ones(len(plain), dtype=bool)


def _draw_strategy(ax: Axes, row: Any) -> None:
    """Draw a strategy's point with its bars."""
    x_bar = (row.map_low, row.map_high)
    y_bar = (row.distance_low, row.distance_high)
    draw_point(ax, row.map, row.distance, row.strategy, x_bar, y_bar)


def _is_near(ax: Axes, points: np.ndarray) -> np.ndarray:
    """Return which points, ``[points, 2]``, lie within the axes or less than a third outside."""
    places = _to_axes(ax).transform(points)
    return np.abs(places - 0.5).max(axis=1) < 0.83


def _place_of_inset(ax: Axes, marks: np.ndarray) -> Bbox:
    """Make room above the marks at one side of the axes; return it, in axes coordinates.

    Args:
        ax: its upper limit rises where it must.
        marks: what the room may not hold, ``[marks, 2]``, in data coordinates.
    """
    # The side whose highest mark is lower; what is free above it may not be enough.
    marks = _to_axes(ax).transform(marks)
    highest = [marks[marks[:, 0] < _INSET.width, 1].max(initial=0)]
    highest.append(marks[marks[:, 0] > 1 - _INSET.width, 1].max(initial=0))
    side = int(np.argmin(highest))
    scale = max(1.0, highest[side] / _INSET.y0)
    to_data = _to_axes(ax).inverted()
    ax.set_ylim(top=to_data.transform((0.5, scale))[1])
    return _INSET.translated(side * (1 - _INSET.width), 0)


def _draw_inset(ax: Axes, plain: pd.DataFrame, outside: np.ndarray, place: Bbox) -> None:
    """Draw all points in small, with the names of those outside the axes.

    Args:
        ax: the axes; the inset has a frame at their limits.
        plain: the points.
        outside: which of them are outside.
        place: of the inset with its labels, in axes coordinates.
    """
    # Its labels stand to the left and below.
    corner = (place.x0 + 0.16, place.y0 + 0.09)
    inset = ax.inset_axes((*corner, place.width - 0.19, place.height - 0.12))
    for row in plain.itertuples():
        colour, marker = strategy_style(row.strategy)
        size = marker_size(marker, 6)
        inset.plot(row.map, row.distance, color=colour, marker=marker, markersize=size)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    frame = Rectangle((left, low), right - left, high - low, fill=False, edgecolor=GREY)
    inset.add_patch(frame)

    # Room for the names, which stand towards the middle.
    inset.margins(0.15)
    is_wide = plain["distance"].max() > 4 * plain["distance"].min() > 0
    inset.set_yscale("log" if is_wide else "linear")
    if is_wide:
        log_ticks(inset.yaxis, (1,))
    inset.autoscale_view()
    inset.xaxis.set_major_locator(MaxNLocator(3))
    middle = np.mean(inset.get_xlim())
    for row in plain[outside].itertuples():
        colour, _ = strategy_style(row.strategy)
        is_left = row.map < middle
        inset.annotate(
            row.strategy,
            (row.map, row.distance),
            (7 if is_left else -7, 0),
            textcoords="offset points",
            color=text_on_white(colour),
            ha="left" if is_left else "right",
            va="center",
        )


def _to_axes(ax: Axes) -> Transform:
    """Return the transform from data to axes coordinates (0 to 1)."""
    return ax.transData - ax.transAxes


def _means(results: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Average over seeds; a note says what the bars are.

    Returns:
        Columns strategy, correction, map, map_low, map_high, distance, distance_low, distance_high.
    """
    if "correction" not in results:
        results = results.assign(correction=PLAIN)
    by = ["strategy", "correction"]
    quality, note = mean_and_bar(results, by, "map", "map_low", "map_high")
    distance, _ = mean_and_bar(
        results, by, "rank_distance", "rank_distance_low", "rank_distance_high"
    )
    quality.columns = [*by, "map", "map_low", "map_high"]
    distance.columns = [*by, "distance", "distance_low", "distance_high"]
    return quality.merge(distance, on=by), note


def _with_starts(corrected: pd.DataFrame, plain: pd.DataFrame) -> pd.DataFrame:
    """Add where each correction starts (from_map, from_distance); drop those that start nowhere."""
    starts = plain[["strategy", "map", "distance"]]
    starts.columns = ["strategy", "from_map", "from_distance"]
    return corrected.merge(starts, on="strategy")


def _draw_correction(ax: Axes, row: Any, line: LineStyle) -> None:
    """Draw an arrow from a strategy's point to where a correction takes it: a hollow marker."""
    colour, marker = strategy_style(row.strategy)
    arrow = {
        "arrowstyle": "->",
        "color": colour,
        "linestyle": line,
        "shrinkA": 5,
        "shrinkB": 4,
        "alpha": 0.8,
    }
    end = (row.map, row.distance)
    ax.annotate("", end, (row.from_map, row.from_distance), arrowprops=arrow)
    ax.plot(
        *end,
        linestyle="",
        color=colour,
        marker=marker,
        markersize=marker_size(marker, 5),
        markerfacecolor="white",
        zorder=3,
    )


def _legend(fig: Figure, lines: dict[str, LineStyle], question: str) -> None:
    """Write the question, and a legend of the corrections' line styles if there are corrections."""
    handles = []
    for name, line in lines.items():
        handles.append(Line2D([], [], color=GREY, linestyle=line, label=f"with {name}"))
    if handles:
        legend_above(fig, handles, 3, question)
    else:
        headline(fig, question)


def _lines(plain: pd.DataFrame, corrected: pd.DataFrame) -> np.ndarray:
    """Return the ends of all bars and arrows, ``[lines, 2, 2]``."""
    x_bars = plain[["map_low", "distance", "map_high", "distance"]].to_numpy()
    y_bars = plain[["map", "distance_low", "map", "distance_high"]].to_numpy()
    arrows = corrected[["from_map", "from_distance", "map", "distance"]].to_numpy()
    ends = np.concatenate([x_bars, y_bars, arrows])
    return ends[np.isfinite(ends).all(axis=1)].reshape(-1, 2, 2)
