"""The figure of quality and bias together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from hybridlib.config.names import NO_TRAINING
from hybridlib.figures.axes import (
    MAP_LABEL,
    distance_axis,
    draw_point,
    headline,
    legend_above,
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
)

PLAIN = "none"  # the correction that changes nothing


@styled
def bias_plane(results: pd.DataFrame, log: bool | None = None, corrections: bool = False) -> Figure:
    """Draw multilingual mAP against rank distance, a point per strategy.

    Good is to the right and low. The axes hold what was trained. An untrained encoder that lies
    outside has its values at an arrow that leaves towards it.

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
    settle(fig)
    notes, points, ways = _draw_ways_out(ax, plain, ~near)
    lines_drawn = np.concatenate([_lines(plain[near], corrected), ways])
    markers = np.concatenate([points, corrected[["map", "distance"]].to_numpy()])
    label_points(fig, ax, plain["strategy"].tolist(), notes, points, markers, lines_drawn)
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


def _draw_ways_out(
    ax: Axes, plain: pd.DataFrame, outside: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Draw an arrow towards each point outside the axes.

    Returns:
        A note for the name of each point in ``plain`` (the values of those outside, else empty);
        where the marks of all stand, ``[points, 2]``; and the arrows, ``[arrows, 2, 2]``.
    """
    notes = [""] * len(plain)
    points = plain[["map", "distance"]].to_numpy()
    ways = [np.empty((0, 2, 2))]
    for number, row in enumerate(plain.itertuples()):
        if not outside[number]:
            continue
        notes[number] = f"\n(mAP {row.map:.2f}, {row.distance:,.0f} ranks)"
        way = _draw_way_out(ax, row.strategy, points[number])
        points[number] = way[0]
        ways.append(way[None])
    return notes, points, np.concatenate(ways)


def _is_near(ax: Axes, points: np.ndarray) -> np.ndarray:
    """Return which points, ``[points, 2]``, lie within the axes or less than a third outside."""
    places = _to_axes(ax).transform(points)
    return np.abs(places - 0.5).max(axis=1) < 0.83


def _draw_way_out(ax: Axes, name: str, point: np.ndarray) -> np.ndarray:
    """Draw an arrow that leaves the axes towards a point outside.

    Returns:
        Its ends in data coordinates, ``[2, 2]``: where it starts, and where it leaves.
    """
    # From the middle of the axes the way is straight; only its last part is drawn.
    to_axes = _to_axes(ax)
    middle = np.array([0.5, 0.5])
    way = to_axes.transform(point) - middle
    edge = middle + 0.5 * way / np.abs(way).max()
    start = edge - 0.12 * way / np.linalg.norm(way)
    ends = to_axes.inverted().transform([start, edge])
    colour, _ = strategy_style(name)
    style = {"arrowstyle": "->", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", ends[1], ends[0], arrowprops=style)
    return ends


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
