"""The figure of quality and bias together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridlib.figures.axes import MAP_LABEL, distance_axis, draw_point, one_axes
from hybridlib.figures.labels import label_points
from hybridlib.figures.reshape import check_columns, mean_and_bar
from hybridlib.figures.style import (
    GREY,
    LINE_STYLES,
    LineStyle,
    marker_size,
    strategy_style,
    styled,
)

PLAIN = "none"  # the correction that changes nothing


@styled
def bias_plane(results: pd.DataFrame, log: bool | None = None) -> Figure:
    """Draw multilingual mAP against rank distance, a point per strategy.

    Good is to the right and low.

    Args:
        results: columns strategy, seed, map, rank_distance; optional map_low, map_high,
            rank_distance_low, rank_distance_high. Points are means over seeds; bars as in
            ``map_by_setting``. An optional column correction: ``none`` is a point, every other
            correction a hollow one at the end of an arrow from it.
        log: logarithmic rank distance; None: if the largest value is over four times the smallest.
    """
    check_columns(results, ["strategy", "seed", "map", "rank_distance"], "bias_plane")
    table, note = _means(results)
    plain = table[table["correction"] == PLAIN]
    corrected = _with_starts(table[table["correction"] != PLAIN], plain)
    lines = dict(zip(sorted(set(corrected["correction"])), LINE_STYLES))

    fig, ax = one_axes(5.0)
    for row in plain.itertuples():
        x_bar = (row.map_low, row.map_high)
        y_bar = (row.distance_low, row.distance_high)
        draw_point(ax, row.map, row.distance, row.strategy, x_bar, y_bar)
    for row in corrected.itertuples():
        _draw_correction(ax, row, lines[row.correction])
    _correction_legend(fig, lines)
    ax.margins(0.18)
    ax.set_xlabel(f"multilingual {MAP_LABEL}")
    distance_axis(ax, "y", table["distance"], log, note, wide=4)

    points = plain[["map", "distance"]].to_numpy()
    markers = np.concatenate([points, corrected[["map", "distance"]].to_numpy()])
    label_points(fig, ax, plain["strategy"].tolist(), points, markers, _lines(plain, corrected))
    return fig


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


def _correction_legend(fig: Figure, lines: dict[str, LineStyle]) -> None:
    """Draw a legend of the corrections' line styles above the axes, if there are corrections."""
    handles = []
    for name, line in lines.items():
        handles.append(Line2D([], [], color=GREY, linestyle=line, label=f"with {name}"))
    if handles:
        fig.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def _lines(plain: pd.DataFrame, corrected: pd.DataFrame) -> np.ndarray:
    """Return the ends of all bars and arrows, ``[lines, 2, 2]``."""
    x_bars = plain[["map_low", "distance", "map_high", "distance"]].to_numpy()
    y_bars = plain[["map", "distance_low", "map", "distance_high"]].to_numpy()
    arrows = corrected[["from_map", "from_distance", "map", "distance"]].to_numpy()
    ends = np.concatenate([x_bars, y_bars, arrows])
    return ends[np.isfinite(ends).all(axis=1)].reshape(-1, 2, 2)
