"""The forest plot: who is better at what, and how sure that is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hybridlib.config.names import NO_TRAINING
from hybridlib.figures.axes import legend_above, new_axes, signed
from hybridlib.figures.reshape import MEASURES, RANK_DISTANCE, bars, check_columns
from hybridlib.figures.style import GREY, styled

STUDY_COLUMNS = ["first", "second", "setting", "study", "difference"]
COLUMNS = ["first", "second", "setting", "difference", "low", "high", "verdict"]

# Colour, marker and whether it is filled, of each verdict.
VERDICT_STYLES = {
    "shown": ("#0072B2", "o", True),
    "shown the other way": ("#D55E00", "s", True),
    "not shown": (GREY, "o", False),
}
STUDY_MARKERS = ("^", "v", "<", ">", "P", "X", "d", "p", "*", "h")
_OTHER_VERDICT = ("black", "v", True)


@styled
def forest(
    table: pd.DataFrame,
    title: str | None = None,
    note: str | None = None,
    studies: pd.DataFrame | None = None,
) -> Figure:
    """Draw differences between strategies: a row each, by setting, with zero and intervals.

    Right of zero the first strategy is better, in rank distance too: its axis is turned. The axes
    hold the rows of trained encoders. A point outside becomes an arrow at the edge. The numbers
    stand at the right end.

    Args:
        table: columns first, second, setting (of retrieval, or ``rank distance``), difference
            (first - second), low, high, verdict. Optional: over, see ``reshape.bars``. Rows keep
            their order in a setting.
        title: the question; None: which of the two is better, and where.
        note: what the bars are; None: the 95 % intervals of the table.
        studies: single studies whose differences the table combines: columns first, second,
            setting, study, difference. Each is a mark above its row.
    """
    check_columns(table, COLUMNS, "forest")
    table = table.assign(row=_row_names(table))
    if studies is not None:
        check_columns(studies, STUDY_COLUMNS, "forest")
        studies = studies.assign(row=_row_names(studies))
    settings = [name for name in MEASURES if name in set(table["setting"])]
    settings += [name for name in dict.fromkeys(table["setting"]) if name not in settings]

    # Rank distance has a unit and an axis of its own, below the others.
    parts = [[name for name in settings if name != RANK_DISTANCE]]
    parts.append([name for name in settings if name == RANK_DISTANCE])
    parts = [part for part in parts if part]
    rows = [table["setting"].isin(part).sum() + len(part) for part in parts]
    height = 1.3 + 0.95 * len(parts) + 0.27 * sum(rows)
    fig, axes = new_axes(height, len(parts), 1, height_ratios=rows)
    for ax, part in zip(axes.flat, parts):
        _draw_part(ax, table[table["setting"].isin(part)], part, note or bars(table), studies)
    handles = _handles(table)
    if studies is not None:
        handles += [_mark(name, style) for name, style in _study_styles(studies).items()]
    legend_above(fig, handles, 2, title or _question(table))
    return fig


def _row_names(table: pd.DataFrame) -> list[str]:
    """Return what each row is called: what differs between the rows of a setting."""
    if table["first"].nunique() == 1:
        return [f"against {second}" for second in table["second"]]
    return [f"{row.first} against {row.second}" for row in table.itertuples()]


def _question(table: pd.DataFrame) -> str:
    """Return the question that a table answers."""
    firsts = table["first"].unique()
    seconds = table["second"].unique()
    first = firsts[0] if len(firsts) == 1 else "the first"
    second = seconds[0] if len(seconds) == 1 else "the others"
    claim = f"{first} is better than {second}"
    return f"\N{LEFT DOUBLE QUOTATION MARK}{claim}\N{RIGHT DOUBLE QUOTATION MARK}: is it shown?"


def _draw_part(
    ax: Axes,
    table: pd.DataFrame,
    settings: Sequence[str],
    note: str,
    studies: pd.DataFrame | None,
) -> None:
    """Draw the rows of some settings, each under its setting's name.

    Args:
        ax: the axes.
        table: the rows.
        settings: in order.
        note: what the bars are.
        studies: see :func:`forest`.
    """
    unit = "rank distance" if settings == [RANK_DISTANCE] else "mAP"
    limits = _limits(table, studies)
    heights = []
    names: list[str] = []
    for setting in settings:
        heights.append(len(names))
        names.append(setting)
        for row in table[table["setting"] == setting].itertuples():
            heights.append(len(names))
            _draw_row(ax, row, len(names), limits, digits=0 if unit == "rank distance" else 3)
            if studies is not None:
                _draw_studies(ax, studies, row, len(names), limits)
            names.append(row.row)
    ax.set_yticks(heights, names)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in settings else "normal")
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(*(limits[::-1] if unit == "rank distance" else limits))
    ax.axvline(0, color=GREY, linewidth=1.2, zorder=1)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter("{x:.6g}")
    ax.set_xlabel(f"difference in {unit}\n{note}")
    _name_sides(ax, table)


def _limits(table: pd.DataFrame, studies: pd.DataFrame | None) -> tuple[float, float]:
    """Return the limits of an axis: of the rows without untrained encoders, or else of all."""
    if studies is not None:
        of_settings = studies[studies["setting"].isin(table["setting"])]
        table = pd.concat([table, of_settings])
    untrained = table["first"].isin(NO_TRAINING) | table["second"].isin(NO_TRAINING)
    inside = table[~untrained] if not untrained.all() else table
    low = min(0.0, float(inside[["low", "difference"]].min(axis=None)))
    high = max(0.0, float(inside[["high", "difference"]].max(axis=None)))
    room = 0.12 * (high - low) or 1.0
    return low - room, high + room


def _draw_row(ax: Axes, row: Any, height: int, limits: tuple[float, float], digits: int) -> None:
    """Draw a difference with its bar, its number at the right end."""
    colour, marker, filled = VERDICT_STYLES.get(row.verdict, _OTHER_VERDICT)
    turned = row.setting == RANK_DISTANCE
    size = 8
    x = row.difference
    if not limits[0] <= x <= limits[1]:
        # Outside: an arrow at the edge.
        x = float(np.clip(x, *limits))
        marker = ">" if (x > 0) != turned else "<"
        size = 11
    ax.hlines(height, row.low, row.high, color=colour, linewidth=2, zorder=2)
    ax.plot(
        x,
        height,
        color=colour,
        marker=marker,
        markersize=size,
        markerfacecolor=colour if filled else "white",
        markeredgewidth=1.5,
        clip_on=False,
        zorder=3,
        label=row.verdict,
    )
    number = signed(row.difference, digits)
    ax.text(1.05, height, number, va="center", transform=ax.get_yaxis_transform())


def _draw_studies(
    ax: Axes, studies: pd.DataFrame, row: Any, height: int, limits: tuple[float, float]
) -> None:
    """Draw the marks of single studies above their row; those outside the axes are left out."""
    styles = _study_styles(studies)
    of_row = studies[(studies["setting"] == row.setting) & (studies["row"] == row.row)]
    for study in of_row[of_row["difference"].between(*limits)].itertuples():
        ax.plot(study.difference, height - 0.32, color=GREY, markersize=5, **styles[study.study])


def _study_styles(studies: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the marker of each study."""
    names = studies["study"].unique()
    markers = itertools.cycle(STUDY_MARKERS)
    return {name: {"marker": marker, "linestyle": ""} for name, marker in zip(names, markers)}


def _mark(label: str, style: dict[str, Any]) -> Line2D:
    """Return an entry of the legend for a study."""
    return Line2D([], [], color=GREY, markersize=6, label=label, **style)


def _name_sides(ax: Axes, table: pd.DataFrame) -> None:
    """Write above an axes who is better on which side of zero."""
    firsts = table["first"].unique()
    seconds = table["second"].unique()
    first = firsts[0] if len(firsts) == 1 else "first"
    second = seconds[0] if len(seconds) == 1 else "other"
    ax.set_title(f"\N{LEFTWARDS ARROW} {second} better", loc="left")
    ax.set_title(f"{first} better \N{RIGHTWARDS ARROW}", loc="right")


def _handles(table: pd.DataFrame) -> list[Line2D]:
    """Return a legend of the verdicts, with how many rows each has."""
    counts = table["verdict"].value_counts()
    order = [*VERDICT_STYLES, *sorted(set(counts.index) - set(VERDICT_STYLES))]
    handles = []
    for verdict in order:
        if verdict in counts.index:
            style = VERDICT_STYLES.get(verdict, _OTHER_VERDICT)
            handles.append(_handle(f"{verdict} ({counts[verdict]})", *style))
    return handles


def _handle(label: str, colour: str, marker: str, filled: bool) -> Line2D:
    """Return an entry of the legend."""
    return Line2D(
        [],
        [],
        color=colour,
        marker=marker,
        linewidth=2,
        markerfacecolor=colour if filled else "white",
        markeredgewidth=1.5,
        label=label,
    )
