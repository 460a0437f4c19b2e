"""Every figure of the notebooks.

Each function takes a table and returns a matplotlib Figure that pyplot does not hold: it appears once as the
last line of a cell, and nothing is left open. A strategy has the same colour and marker in every figure, a
language too. Colours are safe for colour-blind readers, and never the only sign. Text is 12 pt on 7.2 inches,
so that a figure can be set at half the width of a page. Figures name languages by their codes: no font of a figure has the
scripts of all of them, so texts stand in tables (:mod:`hybridlib.display`), which a browser sets.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from hybridlib.errors import InputError
from hybridlib.figures.style import (
    FONT,
    GREY,
    MAP_LABEL,
    SETTINGS,
    WIDTH,
    _check,
    _figure,
    _heatmap,
    _in_order,
    _mean_and_bar,
    _point,
    _rows,
    _short,
    _strategy_legend,
    _styled,
    strategy_style,
)


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
