"""Figures of single queries: where their answers land, and the languages of their top results."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.optimize import isotonic_regression

from hybridlib.figures.axes import headline, log_ticks, name_rows, new_axes, one_axes
from hybridlib.figures.reshape import check_columns
from hybridlib.figures.style import (
    FONT,
    in_order,
    language_style,
    strategy_style,
    styled,
    text_on,
)

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
    height = 1.2 + len(queries) * (0.4 + 0.75 * len(names))
    fig, axes = new_axes(height, len(queries), 1, sharex=True)
    last = max(candidates or 0, int(ranks["rank_pool"].max()), 10)
    for ax, query in zip(axes.flat, queries):
        ax.set(xscale="log", xlim=(last**-0.06, last**1.1))
        ax.set_title(textwrap.fill(str(query), 66), loc="left")
        of_query = ranks[ranks["query"] == query]
        for row, name in enumerate(names):
            _draw_answers(ax, of_query[of_query["strategy"] == name], row, name)
        name_rows(ax, names, top=-1.0)
        log_ticks(ax.xaxis, (1,))
    label = "rank in the pooled ranking (1 is best), log scale"
    if candidates:
        label = f"rank among {candidates:,} candidates (1 is best), log scale"
    axes.flat[-1].set_xlabel(label)
    headline(fig, "Where do the right answers stand, and in which language?")
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
def top_lists(results: pd.DataFrame, title: str | None = None) -> Figure:
    """Draw the languages of the best results: a row per strategy, a tile per rank.

    A tile has the code of its result's language. Full colour and a star mark a right answer. At the
    right end stand how many are right, and how many languages the list has.

    Args:
        results: columns strategy, rank (1 is best), lang, right (true or a mark where right, else
            false or "").
        title: above the tiles, for instance the question asked; None: what to look at.
    """
    check_columns(results, ["strategy", "rank", "lang", "right"], "top_lists")
    names = in_order(results["strategy"])
    last = int(results["rank"].max())
    fig, ax = one_axes(1.3 + 0.62 * len(names))
    for row, name in enumerate(names):
        of_name = results[results["strategy"] == name]
        for result in of_name.itertuples():
            _draw_result(ax, result, row)
        _count_results(ax, of_name, row, last)
    name_rows(ax, names)
    ax.set_xlim(0.5, last + 0.5)
    ax.set_xlabel(f"rank, the best result first ({STAR}: a right answer)")
    ax.set_xticks(range(1, last + 1))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    headline(fig, title or "More stars and colours: right answers in every language")
    return fig


def _draw_result(ax: Axes, result: Any, row: int) -> None:
    """Draw a tile in the colour of the result's language, with its code and perhaps a star."""
    colour, _ = language_style(result.lang)
    right = bool(result.right)
    tile = Rectangle(
        (result.rank - 0.47, row - 0.46),
        0.94,
        0.92,
        facecolor=colour if right else to_rgba(colour, 0.22),
        edgecolor=colour if right else "none",
        label="right" if right else "wrong",
    )
    ax.add_patch(tile)
    style: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "color": text_on(colour) if right else "black",
    }
    if right:
        ax.text(result.rank, row - 0.18, result.lang, weight="bold", **style)
        ax.text(result.rank, row + 0.2, STAR, size=1.3 * FONT, **style)
    else:
        ax.text(result.rank, row, result.lang, **style)


def _count_results(ax: Axes, results: pd.DataFrame, row: int, last: int) -> None:
    """Write at the end of a row how many results are right, and how many languages they have."""
    right = int(results["right"].astype(bool).sum())
    languages = results["lang"].nunique()
    plural = "" if languages == 1 else "s"
    text = f"{right} {STAR}\n{languages} language{plural}"
    ax.text(last + 0.6, row, text, ha="left", va="center")
