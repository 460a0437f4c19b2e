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
    heatmap,
    name_rows,
    new_axes,
    panels,
    short_number,
    strategy_legend,
)
from hybridlib.figures.reshape import (
    check_columns,
    mean_and_bar,
    measures_in,
    settings_in,
)
from hybridlib.figures.style import FONT, GREY, in_order, strategy_style, styled

BARS = "bars: 95 % interval"


@styled
def map_by_setting(results: pd.DataFrame) -> Figure:
    """Draw the mAP of each strategy, a panel per setting; the number stands above its point.

    Args:
        results: columns strategy, seed, setting, map, optional low and high. Points are means over
            seeds. Bars are the range over seeds if any strategy has several, else low to high.
    """
    check_columns(results, ["strategy", "seed", "setting", "map"], "map_by_setting")
    table, note = mean_and_bar(results, ["strategy", "setting"], "map", "low", "high")
    names = in_order(table["strategy"])
    settings = settings_in(table)
    fig, axes = new_axes(1.3 + 0.5 * len(names), 1, len(settings), sharex=True, sharey=True)
    for ax, setting, rows in panels(axes, table, "setting", settings):
        for row in rows.itertuples():
            _numbered_point(ax, row, names.index(row.strategy))
        ax.set_title(setting)
        ax.margins(x=0.25)
        name_rows(ax, names, top=-0.7)
    label = f"{MAP_LABEL}; {note}" if note else MAP_LABEL
    fig.supxlabel(label, fontsize=FONT)
    return fig


def _numbered_point(ax: Axes, row: Any, height: int) -> None:
    """Draw a mean with its bar, and the number above it."""
    draw_point(ax, row.mean, height, row.strategy, x_bar=(row.low, row.high))
    number = short_number(row.mean, 3)
    ax.annotate(number, (row.mean, height), (0, 7), textcoords="offset points", ha="center")


@styled
def cross_lingual_heatmap(
    metrics: dict[str, Any], vmin: float = 0.0, vmax: float = 1.0, title: str | None = None
) -> Figure:
    """Draw the mAP of each query language (row) in each candidate language (column).

    Monolingual cells are framed; pairs without a query stay blank.

    Args:
        metrics: the content of metrics.json: languages, per_pair, per_language.
        vmin: lower end of the colour scale; the same ends make strategies comparable.
        vmax: upper end of the colour scale.
        title: for instance the strategy.
    """
    table = _map_by_pair(metrics)
    fig, ax = heatmap(table, plt.get_cmap("viridis"), Normalize(vmin, vmax), MAP_LABEL, title)
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

    A bar that touches the line at zero proves nothing.

    Args:
        table: columns measure, other, difference, low, high, of one encoder (comparison.against).
        strategy: the one that the differences are of.
    """
    check_columns(table, ["measure", "other", "difference", "low", "high"], "gains")
    measures = measures_in(table)
    names = in_order(table["other"])
    height = 1.0 + len(measures) // 2 * (1.1 + 0.35 * len(names))
    fig, axes = new_axes(height, (len(measures) + 1) // 2, 2)
    for ax, measure, rows in panels(axes, table, "measure", measures):
        for row in rows.itertuples():
            bar = (row.low, row.high)
            draw_point(ax, row.difference, names.index(row.other), row.other, x_bar=bar)
        ax.axvline(0, color=GREY, linewidth=1)
        ax.set_title(measure if measure == "rank distance" else f"{measure} mAP")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.margins(x=0.1)
        name_rows(ax, names)
    for ax in axes.flat[len(measures) :]:
        ax.set_axis_off()
    fig.supxlabel(
        f"{strategy} minus the strategy named; {BARS}\n"
        f"{strategy} is better right of zero; in rank distance, left of it",
        fontsize=FONT,
    )
    return fig


@styled
def alpha_curve(table: pd.DataFrame) -> Figure:
    """Draw each measure against alpha, the share of monolingual batches.

    At 0 stands x-y, at 1 x-x-mono; hybrid lies between.

    Args:
        table: columns measure, strategy, alpha, mean, low, high (comparison.alpha_curve).
    """
    check_columns(table, ["measure", "strategy", "alpha", "mean", "low", "high"], "alpha_curve")
    fig, axes = new_axes(5.4, 2, 2, sharex=True)
    for ax, measure, rows in panels(axes, table, "measure", measures_in(table)):
        curve = rows.sort_values("alpha")
        ax.plot(curve["alpha"], curve["mean"], color=GREY, linewidth=1.5, zorder=1)
        for row in curve.itertuples():
            draw_point(ax, row.alpha, row.mean, row.strategy, y_bar=(row.low, row.high))
        unit = " (lower is better)" if measure == "rank distance" else " mAP"
        ax.set_title(measure + unit)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.margins(0.08, 0.15)
    fig.supxlabel(f"alpha: share of monolingual batches; {BARS}", fontsize=FONT)
    strategy_legend(fig, table["strategy"])
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
    fig.supxlabel(f"{MAP_LABEL}; {BARS}", fontsize=FONT)
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
    fig.legend(handles=handles, loc="outside upper center", ncols=2)


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
    fig.supxlabel(f"{MAP_LABEL}; {BARS}{star}", fontsize=FONT)
    strategy_legend(fig, table["strategy"])
    return fig
