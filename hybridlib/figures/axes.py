"""Figures, axes, and what several figures draw on them: points, legends, heat maps."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from hybridlib.figures.style import (
    FONT,
    FRAME,
    WIDTH,
    in_order,
    marker_size,
    strategy_style,
    text_on,
)

MAP_LABEL = "mAP (higher is better)"
DISTANCE_LABEL = "ranks between the first and the last\nright answer (fewer is better)"
LETTERS_PER_INCH = 8.8  # of a headline


def new_axes(
    height: float, rows: int = 1, columns: int = 1, *, width: float = WIDTH, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Make a figure that pyplot does not keep, and its axes.

    It is made by pyplot all the same: in Jupyter, pyplot is what makes figures appear as pictures.

    Args:
        height: of the figure, in inches.
        rows: of axes.
        columns: of axes.
        width: of the figure, in inches.
        options: further arguments of ``plt.subplots``.

    Returns:
        The figure and the axes, ``[rows, columns]``.
    """
    size = (width, height)
    fig, axes = plt.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, **options
    )
    plt.close(fig)
    return fig, axes


def one_axes(height: float, *, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Make a figure with a single axes; see :func:`new_axes`."""
    fig, axes = new_axes(height, width=width)
    return fig, axes[0, 0]


def named_axes(layout: list[list[str]], height: float) -> tuple[Figure, dict[str, Axes]]:
    """Make a figure with named axes that may span cells (``plt.subplot_mosaic``)."""
    size = (WIDTH, height)
    fig, axes = plt.subplot_mosaic(cast(Any, layout), figsize=size, layout="constrained")
    plt.close(fig)
    return fig, axes


def headline(fig: Figure, question: str, of: str | None = None) -> None:
    """Write the question that a figure answers above it, from the left.

    Args:
        fig: a figure without a legend above its axes; :func:`legend_above` writes one of both.
        question: in one sentence.
        of: whose figure it is, for instance a strategy; stands before the question.
    """
    text = wrapped(fig, asked(question, of))
    fig.suptitle(text, x=0.015, ha="left", weight="bold")


def legend_above(
    fig: Figure, handles: Sequence[Artist], columns: int, question: str, of: str | None = None
) -> None:
    """Draw a legend above the axes, under the question that the figure answers.

    Args:
        fig: the figure.
        handles: of the legend.
        columns: of the legend, at most.
        question: see :func:`headline`.
        of: see :func:`headline`.
    """
    fig.legend(
        handles=handles,
        title=wrapped(fig, asked(question, of)),
        title_fontproperties={"weight": "bold", "size": FONT},
        alignment="left",
        loc="outside upper left",
        borderaxespad=0.3,
        ncols=min(len(handles), columns),
        columnspacing=1.2,
        handletextpad=0.5,
    )


def asked(question: str, of: str | None) -> str:
    """Return a question, after whom it is asked of (``hybrid: which ...``) where that is given."""
    return f"{of}: {question[0].lower()}{question[1:]}" if of else question


def wrapped(fig: Figure, text: str) -> str:
    """Break a headline into lines that fit the width of a figure."""
    return textwrap.fill(text, int(fig.get_figwidth() * LETTERS_PER_INCH), break_on_hyphens=False)


def panels(
    axes: np.ndarray, table: pd.DataFrame, column: str, values: Sequence[str]
) -> Iterator[tuple[Axes, str, pd.DataFrame]]:
    """Yield an axes for each value of a column, with the value and its rows of the table."""
    for ax, value in zip(axes.flat, values):
        yield ax, value, table[table[column] == value]


def draw_point(
    ax: Axes,
    x: float,
    y: float,
    name: str,
    x_bar: tuple[float, float] | None = None,
    y_bar: tuple[float, float] | None = None,
) -> Line2D:
    """Draw a strategy's marker, with bars where their ends are known (finite); return the marker.

    It is drawn whole, even at the edge of the axes.
    """
    colour, marker = strategy_style(name)
    bar: dict[str, Any] = {"color": colour, "linewidth": 1.5, "zorder": 2}
    if x_bar is not None and np.isfinite(x_bar).all():
        ax.hlines(y, *x_bar, **bar)
    if y_bar is not None and np.isfinite(y_bar).all():
        ax.vlines(x, *y_bar, **bar)
    (point,) = ax.plot(
        x,
        y,
        linestyle="",
        color=colour,
        marker=marker,
        markersize=marker_size(marker, 8),
        markeredgecolor="white",
        markeredgewidth=0.5,
        clip_on=False,
        zorder=3,
        label=name,
    )
    return point


def name_rows(ax: Axes, names: Sequence[str], top: float = -0.5) -> None:
    """Write names down the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, top)
    ax.tick_params(axis="y", length=0)


def distance_axis(
    ax: Axes, axis: str, values: pd.Series, log: bool | None, note: str, wide: float = 10
) -> None:
    """Set the label and the scale of a rank-distance axis.

    Args:
        ax: the axes.
        axis: ``x`` or ``y``.
        values: the rank distances.
        log: logarithmic scale; None: if the largest value is over ``wide`` times the smallest.
        note: a further line of the label; may be empty.
        wide: see ``log``.
    """
    if log is None:
        log = bool(0 < wide * values.min() < values.max())
    label = DISTANCE_LABEL
    notes = [text for text in ("log scale" if log else "", note) if text]
    if notes:
        label += "\n" + "; ".join(notes)
    ax.set(**{f"{axis}label": label, f"{axis}scale": "log" if log else "linear"})
    if log:
        log_ticks(ax.xaxis if axis == "x" else ax.yaxis, (1, 2, 5))


def log_ticks(axis: Axis, steps: tuple[int, ...]) -> None:
    """Label a logarithmic axis with plain numbers at ``steps`` times the powers of ten."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:,.0f}")
    axis.set_minor_formatter(NullFormatter())


def strategy_legend(fig: Figure, names: Iterable[str], question: str) -> None:
    """Draw a legend of strategies above the axes, under the question that the figure answers."""
    handles = []
    for name in in_order(names):
        colour, marker = strategy_style(name)
        handles.append(Line2D([], [], color=colour, marker=marker, linewidth=2, label=name))
    legend_above(fig, handles, 4, question)


def heatmap(
    table: pd.DataFrame,
    cmap: Colormap,
    norm: Normalize,
    label: str,
    question: str,
    of: str | None,
    digits: int = 2,
) -> tuple[Figure, Axes]:
    """Draw a table as coloured cells with their values; NaN stays blank.

    Args:
        table: its index names the rows, its columns the columns.
        cmap: colour map.
        norm: scale of the colours.
        label: of the colour bar.
        question: see :func:`headline`.
        of: see :func:`headline`.
        digits: decimals of the values.
    """
    side = 0.45 * max(table.shape)
    fig, ax = one_axes(max(3.5, side + 1.3), width=max(4.5, side + 2.2))
    values = table.to_numpy()
    _draw_cells(fig, ax, values, cmap, norm, label)
    _write_cells(ax, values, cmap, norm, digits)
    rows, columns = values.shape
    ax.set_xticks(np.arange(columns) + 0.5, table.columns)
    ax.set_yticks(np.arange(rows) + 0.5, table.index, va="center")
    ax.grid(visible=False)
    ax.tick_params(length=0, rotation=0)
    headline(fig, question, of)
    return fig, ax


def _draw_cells(
    fig: Figure, ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, label: str
) -> None:
    """Draw square cells, the first row on top, and a colour bar beside them."""
    rows, columns = values.shape
    ax.spines[:].set_visible(False)
    ax.set_aspect("equal")
    cells = ax.pcolormesh(
        np.ma.masked_invalid(values), cmap=cmap, norm=norm, linewidths=0.5, edgecolor="white"
    )
    ax.set(xlim=(0, columns), ylim=(rows, 0))
    bar = fig.colorbar(cells, ax=ax, label=label)
    bar.outline.set_linewidth(0)


def _write_cells(
    ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, digits: int
) -> None:
    """Write each value in the middle of its cell."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = text_on(cmap(norm(value)))
            text = short_number(value, digits)
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour)


def frame_cell(ax: Axes, row: int, column: int, linewidth: float) -> None:
    """Frame a cell of a heat map."""
    frame = Rectangle(
        (column, row), 1, 1, fill=False, edgecolor=FRAME, linewidth=linewidth, clip_on=False
    )
    ax.add_patch(frame)


def centred_colours(name: str, centre: float, top: float) -> Colormap:
    """Return a diverging colour map for 0 to ``top`` with its middle at ``centre``.

    It changes alike on both sides of the middle.
    """
    values = np.linspace(0.0, top, 512)
    reach = max(centre, top - centre)
    return ListedColormap(plt.get_cmap(name)(0.5 + (values - centre) / (2 * reach)))


def short_number(value: float, digits: int) -> str:
    """Return a number without the zero before the point (``.79``, ``-.05``); NaN as no text."""
    if np.isnan(value):
        return ""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign and without the zero before the point (``+.05``).

    What rounds to zero has no sign.
    """
    text = f"{value:+,.{digits}f}"
    if not text.strip("+-0."):
        text = text[1:]
    return re.sub(r"^([+-]?)0\.", r"\1.", text).replace("-", "\N{MINUS SIGN}")
