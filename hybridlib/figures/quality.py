"""Figures of retrieval quality: mAP by setting, language pair and language, and differences."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import of_pair
from hybridlib.figures.axes import (
    MAP_LABEL,
    draw_point,
    frame_cell,
    headline,
    heatmap,
    legend_above,
    name_rows,
    new_axes,
    panels,
    short_number,
    signed,
    strategy_legend,
)
from hybridlib.figures.reshape import (
    RANK_DISTANCE,
    bars,
    check_columns,
    mean_and_bar,
    measures_in,
    settings_in,
)
from hybridlib.figures.style import FONT, GREY, in_order, strategy_style, styled


@styled
def map_by_setting(results: pd.DataFrame) -> Figure:
    """Draw the mAP of each strategy, a panel per setting; the number stands above its point.

    Args:
        results: columns strategy, seed, setting, map, optional low and high. Points are means over
            seeds. Bars are the range over seeds if any strategy has several, else low to high, the
            ends of a 95 % interval.
    """
    check_columns(results, ["strategy", "seed", "setting", "map"], "map_by_setting")
    table, note = mean_and_bar(results, ["strategy", "setting"], "map", "low", "high")
    names = in_order(table["strategy"])
    settings = settings_in(table)
    fig, axes = new_axes(1.6 + 0.5 * len(names), 1, len(settings), sharex=True, sharey=True)
    for ax, setting, rows in panels(axes, table, "setting", settings):
        for row in rows.itertuples():
            _numbered_point(ax, row, names.index(row.strategy))
        ax.set_title(setting)
        ax.margins(x=0.25)
        name_rows(ax, names, top=-0.7)
    label = f"{MAP_LABEL}; {note}" if note else MAP_LABEL
    fig.supxlabel(label, fontsize=FONT)
    headline(fig, "How good is each in which setting?")
    return fig


def _numbered_point(ax: Axes, row: Any, height: int) -> None:
    """Draw a mean with its bar, and the number above it."""
    draw_point(ax, row.mean, height, row.strategy, x_bar=(row.low, row.high))
    number = short_number(row.mean, 3)
    ax.annotate(number, (row.mean, height), (0, 7), textcoords="offset points", ha="center")


@styled
def cross_lingual_heatmap(metrics: dict[str, Any], title: str | None = None) -> Figure:
    """Draw the mAP of each query language (row) in each candidate language (column).

    Monolingual cells are framed; pairs without a query stay blank. Colours go from 0 to 1 in every
    figure, so that strategies can be compared.

    Args:
        metrics: the content of metrics.json: languages, per_pair, per_language.
        title: whose metrics, for instance the strategy.
    """
    table = _map_by_pair(metrics)
    question = "Who finds the answers written in which language?"
    scale = Normalize(0.0, 1.0)
    fig, ax = heatmap(table, plt.get_cmap("viridis"), scale, MAP_LABEL, question, title)
    for row, language in enumerate(table.index):
        if language in table.columns:
            frame_cell(ax, row, table.columns.get_loc(language), linewidth=2)
    ax.set(xlabel="candidate language (framed: monolingual)", ylabel="query language")
    return fig


def _map_by_pair(metrics: dict[str, Any]) -> pd.DataFrame:
    """Return mAP, ``[query languages, candidate languages]``; monolingual on the diagonal."""
    if not metrics.get("per_language") or not metrics.get("languages"):
        raise InputError(
            "cross_lingual_heatmap: the metrics hold no languages; they need languages, per_pair "
            "and per_language, as metrics.json has them"
        )
    queries = sorted(metrics["per_language"])
    table = pd.DataFrame(np.nan, index=queries, columns=metrics["languages"])
    for query in table.index:
        for candidate in table.columns:
            if query == candidate:
                values = metrics["per_language"][query].get("monolingual")
            else:
                values = of_pair(metrics, query, candidate)
            if values:
                table.loc[query, candidate] = values["map"]
    return table


@styled
def gains(table: pd.DataFrame, strategy: str) -> Figure:
    """Draw one strategy's differences to each other one, a panel per measure.

    The panels of mAP share their axis, so that their differences can be compared. A point is hollow
    where the difference is not shown: its corrected p is 0.05 or more.

    Args:
        table: columns measure, other, difference, low, high, p_holm, of one encoder
            (comparison.against).
        strategy: the one that the differences are of.
    """
    columns = ["measure", "other", "difference", "low", "high", "p_holm"]
    check_columns(table, columns, "gains")
    measures = measures_in(table)
    names = in_order(table["other"])
    height = 1.3 + (len(measures) + 1) // 2 * (1.0 + 0.42 * len(names))
    fig, axes = new_axes(height, (len(measures) + 1) // 2, 2, sharey=True)
    of_map = [ax for ax, measure in zip(axes.flat, measures) if measure != RANK_DISTANCE]
    for ax in of_map[1:]:
        ax.sharex(of_map[0])
    for ax, measure, rows in panels(axes, table, "measure", measures):
        for row in rows.itertuples():
            _draw_gain(ax, row, names.index(row.other), 0 if measure == RANK_DISTANCE else 3)
        _gain_axes(ax, measure)
        name_rows(ax, names, top=-0.7)
    for ax in axes.flat[len(measures) :]:
        ax.set_axis_off()
    fig.supxlabel(
        f"{strategy} minus the other; {bars(table)}\n"
        "hollow: not shown (p corrected for all comparisons)\n"
        f"{strategy} is better right of 0; in rank distance, left of it",
        fontsize=FONT,
    )
    headline(fig, f"Where is {strategy} better than the others?")
    return fig


def _draw_gain(ax: Axes, row: Any, height: int, digits: int) -> None:
    """Draw a difference with its bar, and the number above it."""
    point = draw_point(ax, row.difference, height, row.other, x_bar=(row.low, row.high))
    if not row.p_holm < 0.05:
        point.set(markerfacecolor="white", markeredgecolor=point.get_color(), markeredgewidth=1.2)
    number = signed(row.difference, digits)
    ax.annotate(number, (row.difference, height), (0, 7), textcoords="offset points", ha="center")


def _gain_axes(ax: Axes, measure: str) -> None:
    """Title a panel with its measure, and mark zero."""
    if measure == RANK_DISTANCE:
        ax.set_title(f"{measure} (ranks)")
    else:
        ax.set_title(f"{measure} mAP")
    ax.axvline(0, color=GREY, linewidth=1)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.xaxis.set_major_formatter("{x:.6g}")
    ax.margins(x=0.2)


@styled
def alpha_curve(table: pd.DataFrame) -> Figure:
    """Draw each measure against alpha, the share of monolingual batches.

    At 0 stands x-y, at 1 x-x-mono; hybrid lies between.

    Args:
        table: columns measure, strategy, alpha, mean, low, high (comparison.alpha_curve).
    """
    check_columns(table, ["measure", "strategy", "alpha", "mean", "low", "high"], "alpha_curve")
    fig, axes = new_axes(5.6, 2, 2, sharex=True)
    for ax, measure, rows in panels(axes, table, "measure", measures_in(table)):
        curve = rows.sort_values("alpha")
        ax.plot(curve["alpha"], curve["mean"], color=GREY, linewidth=1.5, zorder=1)
        for row in curve.itertuples():
            draw_point(ax, row.alpha, row.mean, row.strategy, y_bar=(row.low, row.high))
        unit = " (fewer is better)" if measure == RANK_DISTANCE else " mAP"
        ax.set_title(measure + unit)
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.set_xticks([0.25, 0.75], minor=True)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.margins(0.08, 0.15)
    fig.supxlabel(f"alpha: share of monolingual batches; {bars(table)}", fontsize=FONT)
    strategy_legend(fig, table["strategy"], "How many batches should be monolingual?")
    return fig


@styled
def seen_unseen(table: pd.DataFrame) -> Figure:
    """Draw mAP over the languages trained on (filled) and over the others (hollow), by setting.

    Args:
        table: columns strategy, setting, languages (``seen`` or ``unseen``), mean, low, high
            (comparison.seen_unseen).
    """
    check_columns(table, ["strategy", "setting", "languages", "mean", "low", "high"], "seen_unseen")
    names = in_order(table["strategy"])
    settings = settings_in(table)
    fig, axes = new_axes(1.6 + 0.5 * len(names), 1, len(settings), sharey=True)
    for ax, setting, rows in panels(axes, table, "setting", settings):
        for row in rows.itertuples():
            _seen_or_unseen_point(ax, row, names.index(row.strategy))
        ax.set_title(setting)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        name_rows(ax, names, top=-0.7)
    _seen_unseen_legend(fig)
    fig.supxlabel(f"{MAP_LABEL}; {bars(table)}", fontsize=FONT)
    return fig


def _seen_or_unseen_point(ax: Axes, row: Any, height: int) -> None:
    """Draw a mean with its bar: seen languages filled, unseen ones hollow and a little lower."""
    colour, marker = strategy_style(row.strategy)
    y = height - 0.15
    face = colour
    if row.languages == "unseen":
        y = height + 0.15
        face = "white"
    ax.hlines(y, row.low, row.high, color=colour, linewidth=1.5)
    ax.plot(row.mean, y, color=colour, marker=marker, markerfacecolor=face)


def _seen_unseen_legend(fig: Figure) -> None:
    """Draw a legend of filled and hollow points."""
    handles = []
    for face, label in ((GREY, "languages trained on"), ("white", "others")):
        point = Line2D(
            [], [], color=GREY, marker="o", linestyle="", markerfacecolor=face, label=label
        )
        handles.append(point)
    legend_above(fig, handles, 2, "Do languages gain that were not trained on?")


@styled
def map_by_language(table: pd.DataFrame) -> Figure:
    """Draw the mAP of each query language under each strategy, a panel per setting.

    A star marks the languages that were not trained on; they stand last.

    Args:
        table: columns strategy, setting, lang, seen, mean, low, high (comparison.by_language).
    """
    columns = ["strategy", "setting", "lang", "seen", "mean", "low", "high"]
    check_columns(table, columns, "map_by_language")
    order = table[["lang", "seen"]].drop_duplicates()
    order = order.sort_values(["seen", "lang"], ascending=[False, True])
    languages = order["lang"].tolist()
    labels = order["lang"].where(order["seen"].astype(bool), order["lang"] + " *").tolist()
    settings = settings_in(table)
    fig, axes = new_axes(1.6 + 0.42 * len(languages), 1, len(settings), sharey=True)
    for ax, setting, rows in panels(axes, table, "setting", settings):
        for row in rows.itertuples():
            bar = (row.low, row.high)
            draw_point(ax, row.mean, languages.index(row.lang), row.strategy, x_bar=bar)
        ax.set_title(setting)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        name_rows(ax, labels)
    star = "" if order["seen"].all() else "; * not trained on"
    fig.supxlabel(f"{MAP_LABEL}; {bars(table)}{star}", fontsize=FONT)
    strategy_legend(fig, table["strategy"], "How good is each in which query language?")
    return fig
