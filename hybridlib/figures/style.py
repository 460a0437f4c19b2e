"""Every figure of the notebooks.

Each function takes a table and returns a matplotlib Figure that pyplot does not hold: it appears once as the
last line of a cell, and nothing is left open. A strategy has the same colour and marker in every figure, a
language too. Colours are safe for colour-blind readers, and never the only sign. Text is 12 pt on 7.2 inches,
so that a figure can be set at half the width of a page. Figures name languages by their codes: no font of a figure has the
scripts of all of them, so texts stand in tables (:mod:`hybridlib.display`), which a browser sets.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from hybridlib.errors import InputError

WIDTH = 7.2  # inches


FONT = 12  # points


GREY = "#595959"


SETTINGS = ("monolingual", "cross-lingual", "multilingual")


MAP_LABEL = "mAP (higher is better)"


DISTANCE_LABEL = "rank distance (lower is better)"


_STRATEGIES = {
    "untrained": ("#7F7F7F", "X"),
    "en-en": ("#56B4E9", "v"),
    "x-x": ("#E69F00", "s"),
    "x-x-mono": ("#0072B2", "o"),
    "x-y": ("#D55E00", "^"),
    "x-y-pair": ("#CC79A7", "D"),
    "hybrid": ("#009E73", "P"),
    "hybrid-0.25": ("#6C3113", ">"),
    "hybrid-0.75": ("#330099", "<"),
    "hybrid-averaged": ("#117733", "p"),
    "x-y-averaged": ("#882255", "h"),
    "code-switched": ("#000000", "*"),
}


_LANGUAGES = {
    "ar": ("#0072B2", "o"),
    "de": ("#E69F00", "s"),
    "el": ("#009E73", "^"),
    "en": ("#000000", "*"),
    "es": ("#D55E00", "D"),
    "hi": ("#CC79A7", "v"),
    "ru": ("#56B4E9", "P"),
    "th": ("#882255", "X"),
    "tr": ("#999933", "<"),
    "vi": ("#332288", ">"),
    "zh": ("#F0E442", "h"),
}


_OTHER_COLOURS = ("#882255", "#44AA99", "#999933", "#332288", "#AA4499")


_OTHER_MARKERS = ("p", "d", "8", "H")


_LARGER = {"*": 1.6, "P": 1.2, "X": 1.2}  # markers that look small at the size of the others


_STYLE = {
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "legend.fontsize": FONT,
    "legend.title_fontsize": FONT,
    "legend.frameon": False,
    "figure.titlesize": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E0E0E0",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.markersize": 8,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "savefig.bbox": "standard",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.06,
}


_SIDES = (  # where a point's name may stand: offset in points, alignment
    (9, 0, "left", "center"),
    (-9, 0, "right", "center"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
    (9, 9, "left", "bottom"),
    (-9, 9, "right", "bottom"),
    (9, -9, "left", "top"),
    (-9, -9, "right", "top"),
)


_PLACES = [
    (side, False) for side in _SIDES
]  # first beside the point, then further off and tied to it by a line


_LINES = ("-", "--", ":", "-.")


_Arguments = ParamSpec("_Arguments")


def strategy_style(name: str) -> tuple[str, str]:
    """Colour and marker of a strategy: fixed for the built-in ones, from its name alone for any other.

    A name of several words, such as an encoder and a strategy, has the style of the last.
    """
    word = name.rsplit(maxsplit=1)[-1] if name.strip() else name
    return _STRATEGIES.get(word) or _style_from_name(word)


def language_style(code: str) -> tuple[str, str]:
    """Colour and marker of a language: fixed for the eleven of XQuAD-R, from its code alone for any other."""
    return _LANGUAGES.get(code) or _style_from_name(code)


def save(fig: Figure, folder: str | Path, name: str) -> None:
    """Write ``folder/name.png`` (150 dpi) and ``folder/name.svg``; the same figure gives the same bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with plt.style.context(["default", _STYLE, {"svg.hashsalt": "hybridlib"}]):
        fig.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
        fig.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


def _style_from_name(name: str) -> tuple[str, str]:
    number = zlib.crc32(name.encode())
    return _OTHER_COLOURS[number % len(_OTHER_COLOURS)], _OTHER_MARKERS[
        number % len(_OTHER_MARKERS)
    ]


def _styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Draw in this module's style, whatever the notebook has set, and leave the notebook's as it was."""

    @wraps(draw)
    def styled(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with plt.style.context(["default", _STYLE]):
            fig = draw(*args, **kwargs)
            for _ in range(2):  # a second pass settles the layout
                fig.draw_without_rendering()  # ticks are made when first drawn: make them in this style
            fig.set_layout_engine("none")  # every further drawing would move the axes by a hair
        return fig

    return styled


def _centred(name: str, centre: float, top: float) -> Colormap:
    """A diverging colour map for 0 to ``top`` with its middle at ``centre`` and the same pace to both sides."""
    values = np.linspace(0.0, top, 512)
    return ListedColormap(
        plt.get_cmap(name)(0.5 + (values - centre) / (2 * max(centre, top - centre)))
    )


def _check(frame: pd.DataFrame, columns: Sequence[str], figure: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing and len(frame.columns):
        raise InputError(
            f"{figure}: the table has no column {', '.join(missing)}; it needs {', '.join(columns)}"
        )
    if frame.empty:
        raise InputError(f"{figure}: the table is empty, there is nothing to draw")


def _figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure that pyplot does not keep, and its axes ``[rows, columns]``."""
    fig, axes = plt.subplots(
        rows,
        columns,
        figsize=(width, height),
        layout="constrained",
        **{**options, "squeeze": False},
    )
    plt.close(fig)
    return fig, axes


def _mosaic(layout: list[list[str]], height: float) -> tuple[Figure, dict[str, Axes]]:
    fig, axes = plt.subplot_mosaic(layout, figsize=(WIDTH, height), layout="constrained")
    plt.close(fig)
    return fig, axes


def _in_order(names: Iterable[str]) -> list[str]:
    """Built-in strategies in their usual order, then any others by name."""
    usual = {name: place for place, name in enumerate(_STRATEGIES)}
    return sorted(set(names), key=lambda name: (usual.get(name, len(usual)), name))


def _mean_and_bar(
    results: pd.DataFrame, by: list[str], value: str, low: str = "", high: str = ""
) -> tuple[pd.DataFrame, str]:
    """Columns ``by``, mean, low, high (NaN: no bar), and a note of what the bars show: see :func:`map_by_setting`."""
    results = results.dropna(subset=value)
    if results.empty:
        raise InputError(f"there is nothing to draw: no row has a {value}")
    groups = results.groupby(by, sort=False)
    table = groups[value].agg(mean="mean", low="min", high="max").reset_index()
    seeds = int(groups["seed"].nunique().max())
    if seeds > 1:
        return table, f"bars: range over {seeds} seeds"
    if {low, high} <= set(results):
        ends = groups[[low, high]].mean().reset_index()
        return table.assign(low=ends[low], high=ends[high]), "bars: interval"
    return table.assign(low=np.nan, high=np.nan), ""


def _point(
    ax: Axes,
    x: float,
    y: float,
    name: str,
    x_bar: tuple[float, float] | None = None,
    y_bar: tuple[float, float] | None = None,
) -> None:
    """A strategy's marker, with bars where their ends are known."""
    colour, marker = strategy_style(name)
    for ends, line in ((x_bar, ax.hlines), (y_bar, ax.vlines)):
        if ends is not None and np.isfinite(ends).all():
            line(y if line == ax.hlines else x, *ends, color=colour, linewidth=1.5, zorder=2)
    ax.plot(
        x,
        y,
        linestyle="",
        color=colour,
        marker=marker,
        markeredgecolor="white",
        markeredgewidth=0.5,
        zorder=3,
        label=name,
        markersize=8 * _LARGER.get(marker, 1),
    )


def _rows(ax: Axes, names: Sequence[str], top: float = -0.5) -> None:
    """Names down the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, top)
    ax.tick_params(axis="y", length=0)


def _distance_axis(ax: Axes, axis: str, values: pd.Series, log: bool | None, note: str) -> None:
    """Label and scale of a rank-distance axis."""
    log = bool(values.min() > 0 and values.max() > 10 * values.min()) if log is None else log
    label = "\n".join(filter(None, [DISTANCE_LABEL + (", log scale" if log else ""), note]))
    ax.set(**{f"{axis}label": label, f"{axis}scale": "log" if log else "linear"})
    if log:
        _log_ticks(ax.xaxis if axis == "x" else ax.yaxis, (1, 2, 5))


def _log_ticks(axis: Axis, steps: tuple[int, ...]) -> None:
    """Plain numbers at ``steps`` times the powers of ten."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:,.0f}")
    axis.set_minor_formatter(NullFormatter())


def _strategy_legend(fig: Figure, names: Iterable[str]) -> None:
    styles = {name: strategy_style(name) for name in _in_order(names)}
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=2, label=name)
        for name, (colour, marker) in styles.items()
    ]
    fig.legend(
        handles=handles, loc="outside upper center", ncols=min(len(handles), 4), columnspacing=1.2
    )


def _heatmap(
    table: pd.DataFrame,
    cmap: Colormap,
    norm: Normalize,
    label: str,
    title: str | None,
    digits: int = 2,
) -> tuple[Figure, Axes]:
    """Annotated cells; NaN stays blank."""
    side = 0.45 * max(table.shape)
    fig, axes = _figure(max(4.5, side + 2.2), max(3.5, side + 1.3))
    ax = axes.flat[0]
    sns.heatmap(
        table,
        ax=ax,
        cmap=cmap,
        norm=norm,
        square=True,
        linewidths=0.5,
        cbar_kws={"label": label},
        mask=table.isna(),
    )
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if np.isfinite(value):
            ax.text(
                column + 0.5,
                row + 0.5,
                _short(value, digits),
                ha="center",
                va="center",
                color=_ink(cmap(norm(value))),
            )
    ax.grid(visible=False)
    ax.tick_params(length=0, rotation=0)
    ax.set_title(title or "")
    return fig, ax


def _label_points(fig: Figure, ax: Axes, table: pd.DataFrame, others: pd.DataFrame) -> None:
    """Each name beside its point, where it covers no point, bar, other name or edge and no other point is nearer; else further off, tied to it by a line."""
    fig.draw_without_rendering()
    ends = [((r.mean, r.mean_d),) * 2 for r in pd.concat([table, others]).itertuples()]
    ends += [
        ((r.low, r.mean_d), (r.high, r.mean_d)) for r in table.itertuples() if np.isfinite(r.low)
    ]
    ends += [
        ((r.mean, r.low_d), (r.mean, r.high_d)) for r in table.itertuples() if np.isfinite(r.low_d)
    ]
    taken = [
        Bbox(ax.transData.transform(pair)).padded(8 if pair[0] == pair[1] else 1) for pair in ends
    ]
    points = ax.transData.transform(table[["mean", "mean_d"]].to_numpy())
    for number, row in enumerate(table.itertuples()):
        colour, text = _dark(strategy_style(row.strategy)[0]), None
        for (dx, dy, ha, va), tied in _PLACES:
            if text is not None:
                text.remove()  # the place before was no good
            line = (
                {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4}
                if tied
                else None
            )
            text = ax.annotate(
                row.strategy,
                (row.mean, row.mean_d),
                (dx, dy),
                textcoords="offset points",
                ha=ha,
                va=va,
                color=colour,
                arrowprops=line,
            )
            text.set_in_layout(False)
            text.get_window_extent()  # finds its place; with the line in it, so only the text is asked next
            box = Text.get_window_extent(text)
            inside = (
                ax.bbox.x0 <= box.x0
                and box.x1 <= ax.bbox.x1
                and ax.bbox.y0 <= box.y0
                and box.y1 <= ax.bbox.y1
            )
            gaps = [_gap(box, point) for point in points]
            if inside and not box.count_overlaps(taken) and (tied or gaps[number] <= min(gaps)):
                break
        taken.append(box)


def _gap(box: Bbox, point: np.ndarray) -> float:
    """From a box to a point, in pixels; 0 inside."""
    return float(
        np.hypot(*np.maximum(0, np.maximum([box.x0, box.y0] - point, point - [box.x1, box.y1])))
    )


def _short(value: float, digits: int) -> str:
    """``0.79`` as ``.79``, ``-0.05`` as ``-.05``."""
    return "" if np.isnan(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def _luminance(colour: Any) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _ink(background: Any) -> str:
    """Black or white, whichever stands out more."""
    return "black" if _luminance(background) > 0.179 else "white"


def _dark(colour: str) -> tuple[float, ...]:
    """The colour, darkened until it can be read as text on white (contrast 4.5 : 1)."""
    rgb = np.array(to_rgb(colour))
    while 1.05 / (_luminance(rgb) + 0.05) < 4.5:
        rgb = rgb * 0.95
    return tuple(rgb)
