"""Every figure of the notebooks.

Each function takes a table and returns a matplotlib Figure that pyplot does not hold: it appears once as the
last line of a cell, and nothing is left open. A strategy has the same colour and marker in every figure, a
language too. Colours are safe for colour-blind readers, and never the only sign. Text is 12 pt on 7.2 inches,
so that a figure can be set at half the width of a page. Figures name languages by their codes: no font of a figure has the
scripts of all of them, so texts stand in tables (:mod:`hybridlib.display`), which a browser sets.
"""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy.optimize import isotonic_regression

from hybridlib.figures.style import (
    _LARGER,
    _LINES,
    GREY,
    MAP_LABEL,
    WIDTH,
    _centred,
    _check,
    _distance_axis,
    _figure,
    _heatmap,
    _in_order,
    _ink,
    _label_points,
    _log_ticks,
    _mean_and_bar,
    _point,
    _rows,
    _short,
    _strategy_legend,
    _styled,
    language_style,
    strategy_style,
)


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
