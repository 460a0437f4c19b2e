"""Figures of language bias: rank distance, and the languages of the top results."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hybridlib.figures.axes import (
    DISTANCE_LABEL,
    centred_colours,
    distance_axis,
    draw_point,
    heatmap,
    legend_above,
    log_ticks,
    name_rows,
    one_axes,
    short_number,
    strategy_legend,
)
from hybridlib.figures.reshape import check_columns, mean_and_bar
from hybridlib.figures.style import in_order, styled


@styled
def rank_distance_by_language(results: pd.DataFrame, log: bool | None = None) -> Figure:
    """Draw the rank distance of each strategy by query language, as means and ranges over seeds.

    Args:
        results: columns strategy, seed, lang, rank_distance.
        log: logarithmic axis; None: if the largest value is over ten times the smallest.
    """
    check_columns(
        results, ["strategy", "seed", "lang", "rank_distance"], "rank_distance_by_language"
    )
    table, note = mean_and_bar(results, ["strategy", "lang"], "rank_distance")
    names = in_order(table["strategy"])
    languages = sorted(table["lang"].unique())
    fig, ax = one_axes(2.3 + (0.22 + 0.06 * len(names)) * len(languages))

    # The strategies of a language lie a little apart, within its row.
    shifts = np.linspace(-0.3, 0.3, len(names)) if len(names) > 1 else np.zeros(1)
    for row in table.itertuples():
        y = languages.index(row.lang) + shifts[names.index(row.strategy)]
        draw_point(ax, row.mean, y, row.strategy, x_bar=(row.low, row.high))
    _lines_between_rows(ax, len(languages))
    name_rows(ax, languages)
    ax.set_ylabel("query language")
    distance_axis(ax, "x", table["mean"], log, note)
    if ax.get_xscale() == "linear":
        ax.set_xlim(0, 1.06 * np.nanmax([table["mean"], table["high"]]))
    strategy_legend(fig, names, "In which query languages do answers lie far apart?")
    return fig


def _lines_between_rows(ax: Axes, rows: int) -> None:
    """Draw grid lines between the rows, not through them."""
    ax.set_yticks(np.arange(rows - 1) + 0.5, minor=True)
    ax.grid(visible=False, axis="y", which="major")
    ax.grid(visible=True, axis="y", which="minor")
    ax.tick_params(axis="y", which="minor", length=0)


@styled
def language_share_matrix(share: pd.DataFrame, k: int, title: str | None = None) -> Figure:
    """Draw the share of each candidate language (column) in the top k of each query language.

    White is the even share, 1 / languages; red is over-represented, blue under-represented. Colours
    go from 0 to 1 in every figure, so that strategies can be compared.

    Args:
        share: ``[query languages, candidate languages]`` (evaluation.bias.language_share).
        k: depth of the lists.
        title: whose lists, for instance the strategy.
    """
    check_columns(share, [], "language_share_matrix")
    even = 1 / share.shape[1]
    colours = centred_colours("RdBu_r", even, 1.0)
    label = f"share of the top {k}\n(white: even share, {short_number(even, 3)})"
    question = f"Which languages fill the top {k}?"
    fig, ax = heatmap(share, colours, Normalize(0.0, 1.0), label, question, title)
    ax.set(xlabel="language of the result", ylabel="language of the query")
    return fig


@styled
def distance_by_quality(queries: pd.DataFrame, title: str | None = None) -> Figure:
    """Draw each query's rank distance (log scale) against its average precision in the pool.

    The line joins the medians.

    Args:
        queries: columns ap, rank_distance; a row per query.
        title: whose queries, for instance the strategy.
    """
    check_columns(queries, ["ap", "rank_distance"], "distance_by_quality")
    fig, ax = one_axes(4.4)
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
    medians = _medians_by_tenth(queries)
    ax.plot(
        medians["ap"],
        medians["rank_distance"],
        color="black",
        linewidth=2,
        marker="D",
        markersize=7,
        label="median of each tenth",
    )
    ax.set(xlim=(-0.03, 1.03), yscale="log")
    ax.set_xlabel("average precision of the query in the pool")
    ax.set_ylabel(f"{DISTANCE_LABEL}\nlog scale")
    log_ticks(ax.yaxis, (1, 2, 5))
    question = "Do answers lie further apart where the search is worse?"
    legend_above(fig, ax.get_legend_handles_labels()[0], 2, question, title)
    return fig


def _medians_by_tenth(queries: pd.DataFrame) -> pd.DataFrame:
    """Return the medians of ap and rank_distance in each tenth of the range of ap, 0 to 1."""
    tenths = pd.cut(queries["ap"], np.linspace(0, 1, 11), include_lowest=True)
    return queries.groupby(tenths, observed=True)[["ap", "rank_distance"]].median()
