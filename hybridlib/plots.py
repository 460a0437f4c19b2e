"""Every figure of the notebooks.

Each function takes a table and returns a matplotlib Figure that pyplot does not hold: it appears once as the
last line of a cell, and nothing is left open. A strategy has the same colour and marker in every figure, a
language too. Colours are safe for colour-blind readers, and never the only sign. Text is 12 pt on 7.2 inches,
so that a figure can be set at half the width of a page. Figures name languages by their codes: no font of a figure has the
scripts of all of them, so texts stand in tables (:mod:`hybridlib.display`), which a browser sets.
"""

from __future__ import annotations

import re
import textwrap
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
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression
from sklearn.decomposition import PCA

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
_PLACES += [
    ((far * ((dx > 0) - (dx < 0)), far * ((dy > 0) - (dy < 0)), ha, va), True)
    for far in (36, 72)
    for dx, dy, ha, va in _SIDES
]
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


# -------------------------------------------------------------------------------------------------- training


@_styled
def score_matrix(
    scores: np.ndarray,
    left_out: np.ndarray,
    question_langs: Sequence[str],
    passage_langs: Sequence[str],
    title: str | None = None,
) -> Figure:
    """What the loss sees of a batch: the score of every question (row) with every passage (column).

    Framed is the right passage of each question; every other passage of the row is its negative, but for those
    crossed out, which say the same as the right one.

    Args:
        scores: cosine ``[rows, rows]``; the right pairs on the diagonal.
        left_out: which passages are no negatives, ``[rows, rows]``.
        question_langs, passage_langs: language of each row's question and passage.
        title: for instance the strategy and the step.
    """
    if (
        not len(scores)
        or scores.shape != left_out.shape
        or not len(scores) == len(question_langs) == len(passage_langs)
    ):
        raise InputError(
            f"score_matrix: needs scores and left_out of equal shape, and a language of each question and passage; got {scores.shape}, {left_out.shape}, {len(question_langs)} and {len(passage_langs)}"
        )
    table = pd.DataFrame(np.where(left_out, np.nan, scores))
    fig, ax = _heatmap(
        table,
        plt.get_cmap("cividis"),
        Normalize(float(scores.min()), float(scores.max())),
        "cosine",
        title,
    )
    for row, column in np.argwhere(left_out):
        ax.plot(
            [column + 0.25, column + 0.75],
            [row + 0.25, row + 0.75],
            [column + 0.25, column + 0.75],
            [row + 0.75, row + 0.25],
            color=GREY,
            linewidth=2,
            label="_left out",
        )
    for row in range(len(scores)):
        ax.add_patch(
            Rectangle(
                (row, row), 1, 1, fill=False, edgecolor="#D55E00", linewidth=2.5, clip_on=False
            )
        )
    ax.set_xticks(np.arange(len(scores)) + 0.5, passage_langs)
    ax.set_yticks(np.arange(len(scores)) + 0.5, question_langs)
    ax.set(
        xlabel="passages, by language\n(framed: the right one; \u00d7: left out)",
        ylabel="questions, by language",
    )
    return fig


@_styled
def training_curves(logs: pd.DataFrame, smooth: int | None = None) -> Figure:
    """Loss (left) and validation mAP in each setting (right) by step; a line per strategy, its mean over seeds.

    Args:
        logs: columns strategy, seed, step, loss (NaN where none was logged) and any of
            ``validation <setting> mAP`` (NaN where not validated). Single seeds are drawn as thin lines.
        smooth: the loss is a running mean over so many logged steps; None: a tenth of them.
    """
    _check(logs, ["strategy", "seed", "step"], "training_curves")
    titles = {f"validation {setting} mAP": f"validation, {setting}" for setting in SETTINGS}
    measured = [column for column in titles if column in logs and logs[column].notna().any()]
    has_loss = "loss" in logs and bool(logs["loss"].notna().any())
    if not has_loss and not measured:
        raise InputError("training_curves: there is neither a loss nor a validation mAP in any row")
    layout = [["loss"] * has_loss + [column] * bool(column) for column in measured or [""]]
    fig, axes = _mosaic(layout, max(4.0, 1.9 * len(layout) + 0.8))
    if has_loss:
        window = smooth or _default_window(logs)
        _curves(axes["loss"], logs, "loss", window)
        axes["loss"].set(
            ylabel="loss (lower is better)",
            title="training" if window == 1 else f"training, mean of {window} steps",
        )
    for column in measured:
        _curves(axes[column], logs, column, 1)
        axes[column].set(ylabel="mAP\n(higher is better)", title=titles[column])
    last = max(1, int(logs["step"].max()))
    for name, ax in axes.items():
        ax.set_xlim(-0.04 * last, 1.04 * last)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.set_xlabel("step" if name in ("loss", *measured[-1:]) else "")
        ax.tick_params(labelbottom=name in ("loss", *measured[-1:]))
    _strategy_legend(fig, logs["strategy"])
    return fig


def _default_window(logs: pd.DataFrame) -> int:
    logged = logs.dropna(subset="loss").groupby(["strategy", "seed"]).size()
    return max(1, int(logged.max()) // 10)


def _curves(ax: Axes, logs: pd.DataFrame, column: str, window: int) -> None:
    """One thick line per strategy (mean over seeds) and, with several seeds, a thin one for each.

    What was measured at one step only, as without training, becomes a dashed level.
    """
    logs = logs.dropna(subset=column)
    for name in _in_order(logs["strategy"]):
        colour, marker = strategy_style(name)
        by_seed = (
            logs[logs["strategy"] == name]
            .pivot_table(index="step", columns="seed", values=column)
            .rolling(window, min_periods=1)
            .mean()
        )
        every = max(1, len(by_seed) // 8)
        if by_seed.shape[1] > 1:
            for seed in by_seed:
                ax.plot(
                    by_seed.index,
                    by_seed[seed],
                    color=colour,
                    linewidth=0.7,
                    alpha=0.5,
                    label="_seed",
                )
        mean = by_seed.mean(axis=1)
        ax.plot(
            mean.index,
            mean,
            color=colour,
            marker=marker,
            markevery=every,
            markersize=6 * _LARGER.get(marker, 1),
            linewidth=2,
            label=name,
        )
        if len(mean) == 1:
            ax.axhline(
                mean.iloc[0], color=colour, linestyle="--", linewidth=1.2, zorder=1, label="_level"
            )


# ------------------------------------------------------------------------------------------ retrieval quality


@_styled
def map_by_setting(results: pd.DataFrame) -> Figure:
    """mAP of each strategy, a panel per setting; the number stands above its point.

    Args:
        results: columns strategy, seed, setting, map, optional low and high. Points are means over seeds; bars the
            range over seeds if any strategy has several, else low to high.
    """
    _check(results, ["strategy", "seed", "setting", "map"], "map_by_setting")
    table, note = _mean_and_bar(results, ["strategy", "setting"], "map", "low", "high")
    names, settings = (
        _in_order(table["strategy"]),
        [s for s in SETTINGS if s in set(table["setting"])],
    )
    fig, axes = _figure(WIDTH, 1.3 + 0.5 * len(names), 1, len(settings), sharex=True, sharey=True)
    for ax, setting in zip(axes.flat, settings):
        for row in table[table["setting"] == setting].itertuples():
            at = names.index(row.strategy)
            _point(ax, row.mean, at, row.strategy, x_bar=(row.low, row.high))
            ax.annotate(
                _short(row.mean, 3), (row.mean, at), (0, 7), textcoords="offset points", ha="center"
            )
        ax.set_title(setting)
        ax.margins(x=0.25)
        _rows(ax, names, top=-0.7)
    fig.supxlabel(MAP_LABEL + (f"; {note}" if note else ""), fontsize=FONT)
    return fig


@_styled
def cross_lingual_heatmap(
    metrics: dict[str, Any], vmin: float = 0.0, vmax: float = 1.0, title: str | None = None
) -> Figure:
    """mAP of each query language (row) in the candidates of each language (column); framed: monolingual.

    Args:
        metrics: the content of metrics.json: languages, per_pair, per_language. Pairs without a query stay blank.
        vmin, vmax: ends of the colour scale; the same ones make strategies comparable.
        title: for instance the strategy.
    """
    table = _map_by_pair(metrics)
    fig, ax = _heatmap(table, plt.get_cmap("viridis"), Normalize(vmin, vmax), MAP_LABEL, title)
    for row, language in enumerate(table.index):
        if language in table.columns:
            ax.add_patch(
                Rectangle(
                    (table.columns.get_loc(language), row),
                    1,
                    1,
                    fill=False,
                    edgecolor="#D55E00",
                    linewidth=2,
                    clip_on=False,
                )
            )
    ax.set(xlabel="candidate language (framed: monolingual)", ylabel="query language")
    return fig


def _map_by_pair(metrics: dict[str, Any]) -> pd.DataFrame:
    """``[query languages, candidate languages]``: cross-lingual mAP, and monolingual mAP on the diagonal."""
    if not metrics.get("per_language") or not metrics.get("languages"):
        raise InputError(
            "cross_lingual_heatmap: the metrics hold no languages; they need languages, per_pair and per_language, as metrics.json has them"
        )
    table = pd.DataFrame(
        np.nan, index=sorted(metrics["per_language"]), columns=metrics["languages"]
    )
    for query in table.index:
        for candidate in table.columns:
            cell = (
                metrics["per_language"][query].get("monolingual")
                if query == candidate
                else metrics["per_pair"].get(f"{query}-{candidate}")
            )
            table.loc[query, candidate] = cell["map"] if cell else np.nan
    return table


# ---------------------------------------------------------------------------------------------- language bias


@_styled
def rank_distance_by_language(results: pd.DataFrame, log: bool | None = None) -> Figure:
    """Rank distance of each strategy by query language; mean over seeds, thin lines: range over seeds.

    Args:
        results: columns strategy, seed, lang, rank_distance.
        log: logarithmic axis; None: when the largest value is over ten times the smallest.
    """
    _check(results, ["strategy", "seed", "lang", "rank_distance"], "rank_distance_by_language")
    table, note = _mean_and_bar(results, ["strategy", "lang"], "rank_distance")
    names, languages = _in_order(table["strategy"]), sorted(table["lang"].unique())
    fig, axes = _figure(WIDTH, 1.8 + (0.22 + 0.06 * len(names)) * len(languages))
    ax = axes.flat[0]
    shift = np.linspace(-0.3, 0.3, len(names)) if len(names) > 1 else [0.0]
    for row in table.itertuples():
        _point(
            ax,
            row.mean,
            languages.index(row.lang) + shift[names.index(row.strategy)],
            row.strategy,
            x_bar=(row.low, row.high),
        )
    ax.set_yticks(np.arange(len(languages) - 1) + 0.5, minor=True)
    ax.grid(visible=False, axis="y", which="major")
    ax.grid(visible=True, axis="y", which="minor")
    ax.tick_params(axis="y", which="minor", length=0)
    _rows(ax, languages)
    ax.set_ylabel("query language")
    _distance_axis(ax, "x", table["mean"], log, note)
    if ax.get_xscale() == "linear":
        ax.set_xlim(left=0)
    _strategy_legend(fig, names)
    return fig


@_styled
def language_share_matrix(
    share: pd.DataFrame, k: int, vmax: float | None = None, title: str | None = None
) -> Figure:
    """Share of each candidate language (column) in the top k of each query language (row).

    White is the even share, 1 / languages: red is over-represented, blue under-represented.

    Args:
        share: ``[query languages, candidate languages]`` as bias.language_share gives it.
        k: depth of the lists.
        vmax: red end of the colour scale; None: the largest share. The same one makes strategies comparable.
        title: for instance the strategy.
    """
    _check(share, [], "language_share_matrix")
    even = 1 / share.shape[1]
    top = vmax or max(float(share.max(axis=None)), 2 * even)
    fig, ax = _heatmap(
        share,
        _centred("RdBu_r", even, top),
        Normalize(0.0, top),
        f"share of the top {k}\n(white: even share, {_short(even, 3)})",
        title,
    )
    ax.set(xlabel="candidate language", ylabel="query language")
    return fig


def _centred(name: str, centre: float, top: float) -> Colormap:
    """A diverging colour map for 0 to ``top`` with its middle at ``centre`` and the same pace to both sides."""
    values = np.linspace(0.0, top, 512)
    return ListedColormap(
        plt.get_cmap(name)(0.5 + (values - centre) / (2 * max(centre, top - centre)))
    )


@_styled
def bias_plane(results: pd.DataFrame, log: bool | None = None) -> Figure:
    """Multilingual mAP against rank distance, one point per strategy: good is to the right and low.

    Args:
        results: columns strategy, seed, map, rank_distance; optional map_low, map_high, rank_distance_low,
            rank_distance_high. Points are means over seeds; bars as in :func:`map_by_setting`. An optional column
            correction: ``none`` is a point, every other correction a hollow one at the end of an arrow from it.
        log: logarithmic rank distance; None: when the largest value is over four times the smallest.
    """
    _check(results, ["strategy", "seed", "map", "rank_distance"], "bias_plane")
    by = ["strategy", "correction"]
    results = results if "correction" in results else results.assign(correction="none")
    quality, note = _mean_and_bar(results, by, "map", "map_low", "map_high")
    distance, _ = _mean_and_bar(
        results, by, "rank_distance", "rank_distance_low", "rank_distance_high"
    )
    everything = quality.merge(distance, on=by, suffixes=("", "_d"))
    table, corrected = (
        everything[(everything["correction"] == "none") == plain] for plain in (True, False)
    )
    fig, axes = _figure(WIDTH, 5.0)
    ax = axes.flat[0]
    for row in table.itertuples():
        _point(ax, row.mean, row.mean_d, row.strategy, (row.low, row.high), (row.low_d, row.high_d))
    _arrows(fig, ax, table, corrected)
    ax.margins(0.18)
    ax.set_xlabel("multilingual " + MAP_LABEL)
    distances = everything["mean_d"]
    _distance_axis(
        ax,
        "y",
        distances,
        bool(0 < 4 * distances.min() < distances.max()) if log is None else log,
        note,
    )
    _label_points(fig, ax, table, corrected)
    return fig


def _arrows(fig: Figure, ax: Axes, plain: pd.DataFrame, corrected: pd.DataFrame) -> None:
    """From each strategy's point to where a correction takes it; a line style per correction."""
    lines = dict(zip(sorted(set(corrected["correction"])), _LINES))
    start = plain.set_index("strategy")
    for row in corrected[corrected["strategy"].isin(start.index)].itertuples():
        colour, marker = strategy_style(row.strategy)
        ends = [
            (row.mean, row.mean_d),
            (start["mean"][row.strategy], start["mean_d"][row.strategy]),
        ]
        ax.annotate(
            "",
            *ends,
            arrowprops={
                "arrowstyle": "->",
                "color": colour,
                "linestyle": lines[row.correction],
                "shrinkA": 5,
                "shrinkB": 4,
                "alpha": 0.8,
            },
        )
        ax.plot(
            *ends[0],
            linestyle="",
            color=colour,
            marker=marker,
            markerfacecolor="white",
            markersize=5 * _LARGER.get(marker, 1),
            zorder=3,
        )
    if lines:
        handles = [
            Line2D([], [], color=GREY, linestyle=line, label=f"with {name}")
            for name, line in lines.items()
        ]
        fig.legend(handles=handles, loc="outside upper center", ncols=len(handles))


@_styled
def gains(table: pd.DataFrame, strategy: str) -> Figure:
    """What one strategy has over each other, with intervals: a panel per measure; a bar that touches the line proves nothing.

    Args:
        table: columns measure, other, difference, low, high, of one encoder (comparison.against).
        strategy: the one that the differences are of.
    """
    _check(table, ["measure", "other", "difference", "low", "high"], "gains")
    measures = [
        measure for measure in (*SETTINGS, "rank distance") if measure in set(table["measure"])
    ]
    names = _in_order(table["other"])
    fig, axes = _figure(
        WIDTH, 1.0 + len(measures) // 2 * (1.1 + 0.35 * len(names)), -(-len(measures) // 2), 2
    )
    for ax, measure in zip(axes.flat, measures):
        for row in table[table["measure"] == measure].itertuples():
            _point(ax, row.difference, names.index(row.other), row.other, x_bar=(row.low, row.high))
        ax.axvline(0, color=GREY, linewidth=1)
        ax.set_title(measure if measure == "rank distance" else f"{measure} mAP")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.margins(x=0.1)
        _rows(ax, names)
    for ax in axes.flat[len(measures) :]:
        ax.set_axis_off()
    fig.supxlabel(
        f"{strategy} minus the strategy named; bars: 95 % interval\n{strategy} is better right of zero; in rank distance, left of it",
        fontsize=FONT,
    )
    return fig


@_styled
def alpha_curve(table: pd.DataFrame) -> Figure:
    """Each measure against the share of monolingual batches: 0 is x-y, 1 is x-x-mono, hybrid lies between.

    Args:
        table: columns measure, strategy, alpha, mean, low, high (comparison.alpha_curve).
    """
    _check(table, ["measure", "strategy", "alpha", "mean", "low", "high"], "alpha_curve")
    measures = [
        measure for measure in (*SETTINGS, "rank distance") if measure in set(table["measure"])
    ]
    fig, axes = _figure(WIDTH, 5.4, 2, 2, sharex=True)
    for ax, measure in zip(axes.flat, measures):
        part = table[table["measure"] == measure].sort_values("alpha")
        ax.plot(part["alpha"], part["mean"], color=GREY, linewidth=1.5, zorder=1)
        for row in part.itertuples():
            _point(ax, row.alpha, row.mean, row.strategy, y_bar=(row.low, row.high))
        ax.set_title(f"{measure}{' (lower is better)' if measure == 'rank distance' else ' mAP'}")
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.margins(0.08, 0.15)
    fig.supxlabel("alpha: share of monolingual batches; bars: 95 % interval", fontsize=FONT)
    _strategy_legend(fig, table["strategy"])
    return fig


@_styled
def seen_unseen(table: pd.DataFrame) -> Figure:
    """mAP over the languages trained on (filled) and over the others (hollow), a panel per setting.

    Args:
        table: columns strategy, setting, languages (``seen`` or ``unseen``), mean, low, high (comparison.seen_unseen).
    """
    _check(table, ["strategy", "setting", "languages", "mean", "low", "high"], "seen_unseen")
    names, settings = (
        _in_order(table["strategy"]),
        [s for s in SETTINGS if s in set(table["setting"])],
    )
    fig, axes = _figure(WIDTH, 1.6 + 0.5 * len(names), 1, len(settings), sharey=True)
    for ax, setting in zip(axes.flat, settings):
        for row in table[table["setting"] == setting].itertuples():
            at = names.index(row.strategy) + (0.15 if row.languages == "unseen" else -0.15)
            colour, marker = strategy_style(row.strategy)
            ax.hlines(at, row.low, row.high, color=colour, linewidth=1.5)
            ax.plot(
                row.mean,
                at,
                color=colour,
                marker=marker,
                markerfacecolor="white" if row.languages == "unseen" else colour,
            )
        ax.set_title(setting)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        _rows(ax, names, top=-0.7)
    handles = [
        Line2D([], [], color=GREY, marker="o", linestyle="", markerfacecolor=face, label=label)
        for face, label in ((GREY, "languages trained on"), ("white", "others"))
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=2)
    fig.supxlabel(MAP_LABEL + "; bars: 95 % interval", fontsize=FONT)
    return fig


@_styled
def map_by_language(table: pd.DataFrame) -> Figure:
    """mAP of each query language under each strategy, a panel per setting; a star marks languages not trained on.

    Args:
        table: columns strategy, setting, lang, seen, mean, low, high (comparison.by_language).
    """
    _check(table, ["strategy", "setting", "lang", "seen", "mean", "low", "high"], "map_by_language")
    order = (
        table[["lang", "seen"]]
        .drop_duplicates()
        .sort_values(["seen", "lang"], ascending=[False, True])
    )
    languages, settings = (
        order["lang"].tolist(),
        [s for s in SETTINGS if s in set(table["setting"])],
    )
    fig, axes = _figure(WIDTH, 1.6 + 0.42 * len(languages), 1, len(settings), sharey=True)
    for ax, setting in zip(axes.flat, settings):
        for row in table[table["setting"] == setting].itertuples():
            _point(ax, row.mean, languages.index(row.lang), row.strategy, x_bar=(row.low, row.high))
        ax.set_title(setting)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        _rows(ax, [f"{lang}{'' if seen else ' *'}" for lang, seen in order.itertuples(index=False)])
    fig.supxlabel(
        MAP_LABEL + "; bars: 95 % interval" + ("" if order["seen"].all() else "; * not trained on"),
        fontsize=FONT,
    )
    _strategy_legend(fig, table["strategy"])
    return fig


@_styled
def answer_ranks(ranks: pd.DataFrame, candidates: int | None = None) -> Figure:
    """Where the answers of a query land in the pooled ranking: a panel per query, a row per strategy.

    A tick marks the rank, the letters tell the answer's language (bold: the query's own, if query_lang is given).

    Args:
        ranks: columns strategy, query (its label), candidate_lang, rank_pool, optional query_lang.
        candidates: size of the pooled corpus, the right end of the axis; None: the worst rank.
    """
    _check(ranks, ["strategy", "query", "candidate_lang", "rank_pool"], "answer_ranks")
    queries, names = list(dict.fromkeys(ranks["query"])), _in_order(ranks["strategy"])
    fig, axes = _figure(
        WIDTH, 0.9 + len(queries) * (0.4 + 0.75 * len(names)), len(queries), 1, sharex=True
    )
    last = max(candidates or 0, int(ranks["rank_pool"].max()), 10)
    for ax, query in zip(axes.flat, queries):
        ax.set(xscale="log", xlim=(last**-0.06, last**1.1))
        ax.set_title(textwrap.fill(str(query), 75), loc="left")
        for row, name in enumerate(names):
            _answers_row(
                ax,
                ranks[(ranks["query"] == query) & (ranks["strategy"] == name)],
                row,
                strategy_style(name)[0],
            )
        _rows(ax, names, top=-1.0)
        _log_ticks(ax.xaxis, (1,))
    axes.flat[-1].set_xlabel(
        f"rank among {candidates:,} candidates (1 is best), log scale"
        if candidates
        else "rank in the pooled ranking (1 is best), log scale"
    )
    return fig


def _answers_row(ax: Axes, ranks: pd.DataFrame, row: int, colour: str) -> None:
    """Ticks at the ranks; letters above, moved apart just so that they can be read (on two levels where they
    crowd), and a line from each to its tick."""
    ranks = ranks.sort_values("rank_pool")
    low, high = np.log10(ax.get_xlim())
    true = np.log10(ranks["rank_pool"].to_numpy())
    letters = (high - low) * 0.055  # room that two letters take
    crowded = len(true) > 1 and bool(np.diff(true).min() < letters)
    apart = min(letters * (0.62 if crowded else 1), (high - low - letters) / max(1, len(true) - 1))
    places = 10 ** _spread(true, apart, low + letters / 2, high - letters / 2)
    own = (
        ranks["query_lang"] == ranks["candidate_lang"]
        if "query_lang" in ranks
        else np.zeros(len(ranks), bool)
    )
    for number, (rank, place, language, bold) in enumerate(
        zip(ranks["rank_pool"], places, ranks["candidate_lang"], own)
    ):
        level = row - 0.26 - 0.24 * (crowded and number % 2)
        ax.plot(
            [rank, rank, place, place],
            [row + 0.15, row, row - 0.24, level],
            color=colour,
            linewidth=1.2,
            label="_answer",
        )
        ax.text(
            place,
            level - 0.02,
            language,
            ha="center",
            va="bottom",
            weight="bold" if bold else "normal",
        )


def _spread(values: np.ndarray, distance: float, low: float, high: float) -> np.ndarray:
    """Ascending values moved as little as possible (least squares) to lie ``distance`` apart within the limits."""
    steps = np.arange(len(values)) * distance
    return (
        np.clip(isotonic_regression(values - steps).x, low, high - steps[-1]) + steps
        if len(values)
        else values
    )


@_styled
def top_lists(found: pd.DataFrame) -> Figure:
    """The languages of the best results: a row per strategy, a column per rank; a star marks a right answer.

    Args:
        found: columns strategy, rank (1 is best), lang, right (true or a mark where right, else false or "").
    """
    _check(found, ["strategy", "rank", "lang", "right"], "top_lists")
    names, last = _in_order(found["strategy"]), int(found["rank"].max())
    fig, axes = _figure(WIDTH, 1.3 + 0.55 * len(names))
    ax = axes.flat[0]
    for row in found.itertuples():
        colour, at = language_style(row.lang)[0], names.index(row.strategy)
        ax.add_patch(
            Rectangle(
                (row.rank - 0.5, at - 0.46),
                1,
                0.92,
                facecolor=colour,
                edgecolor="white",
                linewidth=2,
                alpha=1.0 if row.right else 0.35,
            )
        )
        text = "black" if not row.right else _ink(colour)
        ax.text(
            row.rank,
            at,
            f"{row.lang}{chr(0x2605) if row.right else ''}",
            ha="center",
            va="center",
            color=text,
            weight="bold" if row.right else "normal",
        )
    _rows(ax, names)
    ax.set(
        xlim=(0.5, last + 0.5),
        xlabel=f"rank in the pool (full colour and {chr(0x2605)}: a right answer)",
    )
    ax.set_xticks(range(1, last + 1))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return fig


@_styled
def distance_by_quality(queries: pd.DataFrame, title: str | None = None) -> Figure:
    """Rank distance (log scale) of each query in the pool against its average precision; the line joins the medians.

    Args:
        queries: columns ap, rank_distance; a row per query.
        title: for instance the strategy.
    """
    _check(queries, ["ap", "rank_distance"], "distance_by_quality")
    fig, axes = _figure(WIDTH, 4.4)
    ax = axes.flat[0]
    ax.plot(
        queries["ap"],
        queries["rank_distance"],
        linestyle="",
        marker="o",
        markersize=4,
        color="#0072B2",
        alpha=0.25,
        label="a query",
    )
    bins = pd.cut(queries["ap"], np.linspace(0, 1, 11), include_lowest=True)
    middle = queries.groupby(bins, observed=True)[["ap", "rank_distance"]].median()
    ax.plot(
        middle["ap"],
        middle["rank_distance"],
        color="black",
        marker="D",
        markersize=7,
        linewidth=2,
        label="median of each tenth",
    )
    ax.set(
        xlim=(-0.03, 1.03),
        yscale="log",
        xlabel="average precision of the query in the pool",
        ylabel="rank distance, log scale",
        title=title or "",
    )
    _log_ticks(ax.yaxis, (1, 2, 5))
    fig.legend(loc="outside upper center", ncols=2)
    return fig


# ------------------------------------------------------------------------------------------- vectors and batches


@_styled
def language_projection(
    vectors: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    title: str | None = None,
    connect: int = 3,
) -> Figure:
    """Two principal components of parallel passages, coloured by language; translations of a few are joined.

    Args:
        vectors: ``[passages, dimension]``.
        languages, groups: language of each passage, and what it says: the same group means translation.
        title: for instance the strategy.
        connect: for so many groups lines run from their centre to each translation.
    """
    return _projections([vectors], languages, groups, [title or ""], connect)


@_styled
def language_projections(
    before: np.ndarray,
    after: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    titles: tuple[str, str] = ("before training", "after training"),
    connect: int = 3,
) -> Figure:
    """:func:`language_projection` of the same passages before and after, each with principal components of its own."""
    return _projections([before, after], languages, groups, titles, connect)


def _projections(
    panels: Sequence[np.ndarray],
    languages: Sequence[str],
    groups: Sequence[str],
    titles: Sequence[str],
    connect: int,
) -> Figure:
    for vectors in panels:
        if len(vectors) < 2 or not len(vectors) == len(languages) == len(groups):
            raise InputError(
                f"language_projection: needs at least two vectors, and a language and a group for each; got {len(vectors)}, {len(languages)} and {len(groups)}"
            )
    fig, axes = _figure(WIDTH, 5.8 if len(panels) == 1 else 4.9, 1, len(panels))
    language, group = np.asarray(languages), np.asarray(groups)
    for ax, vectors, title in zip(axes.flat, panels, titles):
        pca = PCA(2, svd_solver="full")
        _translations(
            ax, pca.fit_transform(np.asarray(vectors, dtype=np.float64)), language, group, connect
        )
        ax.set_title(title)
        ax.set(
            xlabel=f"component 1 ({pca.explained_variance_ratio_[0]:.0%} of variance)",
            ylabel=f"component 2 ({pca.explained_variance_ratio_[1]:.0%})",
        )
        ax.set_aspect("equal", adjustable="datalim")
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            color=colour,
            marker=marker,
            markeredgecolor=GREY,
            markeredgewidth=0.5,
            label=code,
        )
        for code in sorted(set(languages))
        for colour, marker in [language_style(code)]
    ]
    joined = [Line2D([], [], color="black", linewidth=1, label="translations")] if connect else []
    fig.legend(
        handles=handles + joined,
        loc="outside lower center",
        ncols=6,
        columnspacing=1.2,
        handletextpad=0.4,
    )
    return fig


def _translations(
    ax: Axes, points: np.ndarray, language: np.ndarray, group: np.ndarray, connect: int
) -> None:
    """Points by language, small; those of the first ``connect`` widest groups large and joined to their centre."""
    widest = (
        pd.Series(language)
        .groupby(group, sort=False)
        .nunique()
        .sort_values(ascending=False, kind="stable")
        .index[:connect]
    )
    for name, line in zip(widest, np.resize(_LINES, len(widest))):
        own, centre = points[group == name], points[group == name].mean(0)
        path = np.stack(
            [np.broadcast_to(centre, own.shape), own, np.full_like(own, np.nan)], axis=1
        ).reshape(-1, 2)
        ax.plot(*path.T, color="black", linewidth=0.9, linestyle=line, zorder=2, label=f"_{name}")
    sizes = np.where(np.isin(group, widest), 70, 20)
    for code in sorted(set(language)):
        colour, marker = language_style(code)
        ours = language == code
        ax.scatter(
            *points[ours].T,
            s=sizes[ours],
            color=colour,
            marker=marker,
            edgecolor=GREY,
            linewidth=0.5,
            zorder=3,
            label=code,
        )


@_styled
def batch_grid(
    questions_lang: list[list[str]],
    passages_lang: list[list[str]],
    titles: list[str],
    rows: int = 16,
) -> Figure:
    """What batches look like: a grid for each, question language beside passage language, a line per row.

    Args:
        questions_lang, passages_lang: for each batch the language of every row's question and passage.
        titles: one for each batch.
        rows: only the first so many rows of a batch are drawn.
    """
    if (
        not titles
        or not len(questions_lang) == len(passages_lang) == len(titles)
        or not all(map(len, questions_lang))
    ):
        raise InputError(
            "batch_grid: there are no rows to draw, or not one list of question and passage languages for each title"
        )
    columns = min(len(titles), 6)
    lines = -(-len(titles) // columns)
    deep = min(rows, max(map(len, questions_lang)))
    fig, axes = _figure(WIDTH, 0.7 + lines * (1.3 + 0.25 * deep), lines, columns, squeeze=False)
    for ax, questions, passages, title in zip(axes.flat, questions_lang, passages_lang, titles):
        _batch(ax, np.array([questions[:rows], passages[:rows]]).T, deep, 0 if columns <= 3 else 90)
        ax.set_title(textwrap.fill(title, max(11, 66 // columns), break_on_hyphens=False))
    for ax in axes.flat[len(titles) :]:
        ax.set_axis_off()
    hidden = max(map(len, questions_lang)) - deep
    fig.supylabel(
        f"rows of the batch (first {deep} of {deep + hidden})" if hidden else "rows of the batch",
        fontsize=FONT,
    )
    shown = sorted({code for batch in [*questions_lang, *passages_lang] for code in batch[:rows]})
    fig.legend(
        handles=[Patch(color=language_style(code)[0], label=code) for code in shown],
        loc="outside lower center",
        ncols=min(len(shown), 6),
        columnspacing=1.2,
        handlelength=1,
    )
    return fig


@_styled
def expected_draws(draws: pd.DataFrame, title: str | None = None) -> Figure:
    """What a strategy trains on: share of the rows by language of question (row) and passage (column), in percent.

    Args:
        draws: columns question, passage, share, as samplers.expected_draws gives them; sets are added up. Pairs of
            languages that are never drawn stay blank.
        title: for instance the strategy.
    """
    _check(draws, ["question", "passage", "share"], "expected_draws")
    codes = sorted({*draws["question"], *draws["passage"]})
    table = 100 * draws.pivot_table(
        index="question", columns="passage", values="share", aggfunc="sum"
    ).reindex(index=codes, columns=codes)
    fig, ax = _heatmap(
        table,
        plt.get_cmap("Blues"),
        Normalize(0.0, float(table.max(axis=None))),
        "share of the training rows (%)",
        title,
        digits=1,
    )
    ax.set(xlabel="language of the passage", ylabel="language of the question")
    return fig


def _batch(ax: Axes, codes: np.ndarray, deep: int, rotation: int) -> None:
    """Coloured cells with their language code, ``[rows, 2]``."""
    colours = np.array([[to_rgb(language_style(code)[0]) for code in row] for row in codes])
    ax.imshow(colours, aspect="auto", interpolation="nearest")
    for (row, column), code in np.ndenumerate(codes):
        ax.text(column, row, code, ha="center", va="center", color=_ink(colours[row, column]))
    ax.hlines(np.arange(1, len(codes)) - 0.5, -0.5, 1.5, color="white", linewidth=1)
    ax.axvline(0.5, color="white", linewidth=3)
    ax.set_xticks([0, 1], ["question", "passage"], rotation=rotation)
    ax.set(yticks=[], ylim=(deep - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


# ------------------------------------------------------------------------------------------------------ parts


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
