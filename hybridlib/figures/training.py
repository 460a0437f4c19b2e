"""Every figure of the notebooks.

Each function takes a table and returns a matplotlib Figure that pyplot does not hold: it appears once as the
last line of a cell, and nothing is left open. A strategy has the same colour and marker in every figure, a
language too. Colours are safe for colour-blind readers, and never the only sign. Text is 12 pt on 7.2 inches,
so that a figure can be set at half the width of a page. Figures name languages by their codes: no font of a figure has the
scripts of all of them, so texts stand in tables (:mod:`hybridlib.display`), which a browser sets.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from hybridlib.errors import InputError
from hybridlib.figures.style import (
    _LARGER,
    FONT,
    GREY,
    SETTINGS,
    WIDTH,
    _check,
    _figure,
    _heatmap,
    _in_order,
    _ink,
    _mosaic,
    _strategy_legend,
    _styled,
    language_style,
    strategy_style,
)


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
