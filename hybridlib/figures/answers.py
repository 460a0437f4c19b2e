"""Figures of single queries: where their answers land, and the languages of their top results."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.optimize import isotonic_regression

from hybridlib.figures.axes import log_ticks, name_rows, new_axes, one_axes
from hybridlib.figures.reshape import check_columns
from hybridlib.figures.style import in_order, language_style, strategy_style, styled, text_on

STAR = "\N{BLACK STAR}"  # marks a right answer
LETTERS = 0.055  # room that a language code takes, as a share of the axis


@styled
def answer_ranks(ranks: pd.DataFrame, candidates: int | None = None) -> Figure:
    """Draw where the answers of a query land in the pooled ranking.

    Each query has a panel, each strategy a row. A tick marks the rank, letters name the answer's
    language (bold: the query's own, if query_lang is given).

    Args:
        ranks: columns strategy, query (its label), candidate_lang, rank_pool, optional query_lang.
        candidates: size of the pooled corpus, the right end of the axis; None: the worst rank.
    """
    check_columns(ranks, ["strategy", "query", "candidate_lang", "rank_pool"], "answer_ranks")
    queries = list(dict.fromkeys(ranks["query"]))
    names = in_order(ranks["strategy"])
    height = 0.9 + len(queries) * (0.4 + 0.75 * len(names))
    fig, axes = new_axes(height, len(queries), 1, sharex=True)
    last = max(candidates or 0, int(ranks["rank_pool"].max()), 10)
    for ax, query in zip(axes.flat, queries):
        ax.set(xscale="log", xlim=(last**-0.06, last**1.1))
        ax.set_title(textwrap.fill(str(query), 75), loc="left")
        of_query = ranks[ranks["query"] == query]
        for row, name in enumerate(names):
            _draw_answers(ax, of_query[of_query["strategy"] == name], row, name)
        name_rows(ax, names, top=-1.0)
        log_ticks(ax.xaxis, (1,))
    label = "rank in the pooled ranking (1 is best), log scale"
    if candidates:
        label = f"rank among {candidates:,} candidates (1 is best), log scale"
    axes.flat[-1].set_xlabel(label)
    return fig


def _draw_answers(ax: Axes, ranks: pd.DataFrame, row: int, strategy: str) -> None:
    """Draw a tick at each rank, the letters above it, and a line between the two."""
    colour, _ = strategy_style(strategy)
    low, high = np.log10(ax.get_xlim())
    for answer in _place_letters(ranks, low, high).itertuples():
        height = row - 0.26 - 0.24 * answer.level
        ax.plot(
            [answer.rank, answer.rank, answer.letters, answer.letters],
            [row + 0.15, row, row - 0.24, height],
            color=colour,
            linewidth=1.2,
            label="_answer",
        )
        ax.text(
            answer.letters,
            height - 0.02,
            answer.lang,
            ha="center",
            va="bottom",
            weight="bold" if answer.same else "normal",
        )


def _place_letters(ranks: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """Find where the letters of a row stand, so that they can be read.

    Args:
        ranks: columns rank_pool, candidate_lang, optional query_lang.
        low: left end of the axis (log10).
        high: right end of the axis (log10).

    Returns:
        Columns rank, letters (where on the axis), level (0, or 1 where every second one is raised),
        lang, same (whether the answer is in the query's language); ascending by rank.
    """
    ranks = ranks.sort_values("rank_pool")
    points = np.log10(ranks["rank_pool"].to_numpy())
    room = (high - low) * LETTERS

    # Where letters would overlap they stand on two levels, and need not be as far apart.
    crowded = len(points) > 1 and bool(np.diff(points).min() < room)
    distance = min(room * (0.62 if crowded else 1), (high - low - room) / max(1, len(points) - 1))
    letters = 10 ** _spread(points, distance, low + room / 2, high - room / 2)
    same = False
    if "query_lang" in ranks:
        same = ranks["query_lang"] == ranks["candidate_lang"]
    return pd.DataFrame(
        {
            "rank": ranks["rank_pool"],
            "letters": letters,
            "level": np.arange(len(ranks)) % 2 * crowded,
            "lang": ranks["candidate_lang"],
            "same": same,
        }
    )


def _spread(values: np.ndarray, distance: float, low: float, high: float) -> np.ndarray:
    """Move ascending values as little as possible to lie ``distance`` apart within the limits.

    As little as possible means least squares: with the distances taken off, it is the nearest
    ascending sequence (isotonic regression).
    """
    if not len(values):
        return values
    steps = np.arange(len(values)) * distance
    nearest = isotonic_regression(values - steps).x
    return np.clip(nearest, low, high - steps[-1]) + steps


@styled
def top_lists(results: pd.DataFrame) -> Figure:
    """Draw the languages of the best results: a row per strategy, a column per rank.

    A star and full colour mark a right answer.

    Args:
        results: columns strategy, rank (1 is best), lang, right (true or a mark where right, else
            false or "").
    """
    check_columns(results, ["strategy", "rank", "lang", "right"], "top_lists")
    names = in_order(results["strategy"])
    last = int(results["rank"].max())
    fig, ax = one_axes(1.3 + 0.55 * len(names))
    for result in results.itertuples():
        _draw_result(ax, result, names.index(result.strategy))
    name_rows(ax, names)
    ax.set_xlim(0.5, last + 0.5)
    ax.set_xlabel(f"rank in the pool (full colour and {STAR}: a right answer)")
    ax.set_xticks(range(1, last + 1))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return fig


def _draw_result(ax: Axes, result: Any, row: int) -> None:
    """Draw a cell in the colour of the result's language, with its code."""
    colour, _ = language_style(result.lang)
    right = bool(result.right)
    cell = Rectangle(
        (result.rank - 0.5, row - 0.46),
        1,
        0.92,
        facecolor=colour,
        edgecolor="white",
        linewidth=2,
        alpha=1.0 if right else 0.35,
    )
    ax.add_patch(cell)
    ax.text(
        result.rank,
        row,
        result.lang + STAR if right else result.lang,
        ha="center",
        va="center",
        color=text_on(colour) if right else "black",
        weight="bold" if right else "normal",
    )
