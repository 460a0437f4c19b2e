"""Figures of training: batches, what the loss sees of them, and how it falls."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.figures.axes import (
    frame_cell,
    headline,
    heatmap,
    named_axes,
    new_axes,
    strategy_legend,
)
from hybridlib.figures.reshape import check_columns
from hybridlib.figures.style import (
    FONT,
    GREY,
    in_order,
    language_style,
    marker_size,
    strategy_style,
    styled,
    text_on,
)


@styled
def score_matrix(
    scores: np.ndarray,
    masked: np.ndarray,
    question_langs: Sequence[str],
    passage_langs: Sequence[str],
    title: str | None = None,
) -> Figure:
    """Draw what the loss sees of a batch: the score of each question (row) with each passage.

    The right passage of each question is framed. Every other passage of the row is its negative,
    except those crossed out, which have the same content as the right one. Colours go from 0 to 1,
    so that figures can be compared.

    Args:
        scores: cosine ``[rows, rows]``; the right pairs on the diagonal.
        masked: which passages are no negatives, ``[rows, rows]``.
        question_langs: language of each row's question.
        passage_langs: language of each column's passage.
        title: whose scores, for instance the strategy and the step.
    """
    languages = len(question_langs) == len(passage_langs) == len(scores)
    if not len(scores) or scores.shape != masked.shape or not languages:
        raise InputError(
            "score_matrix: needs scores and a mask of equal shape, and a language of each "
            f"question and passage; got {scores.shape}, {masked.shape}, {len(question_langs)} "
            f"and {len(passage_langs)}"
        )
    table = pd.DataFrame(np.where(masked, np.nan, scores))
    question = "Does each question score highest with its own passage?"
    scale = Normalize(0.0, 1.0, clip=True)
    colours = plt.get_cmap("cividis")
    fig, ax = heatmap(table, colours, scale, "cosine (below 0 as 0)", question, title)
    for row, column in np.argwhere(masked):
        _cross_out(ax, row, column)
    for row in range(len(scores)):
        frame_cell(ax, row, row, linewidth=2.5)
    ax.set_xticks(np.arange(len(scores)) + 0.5, passage_langs)
    ax.set_yticks(np.arange(len(scores)) + 0.5, question_langs)
    ax.set_xlabel("passages, by language\n(framed: the right one; \u00d7: left out)")
    ax.set_ylabel("questions, by language")
    return fig


def _cross_out(ax: Axes, row: int, column: int) -> None:
    """Draw a cross in a cell of a heat map."""
    left = column + 0.25
    right = column + 0.75
    top = row + 0.25
    bottom = row + 0.75
    down = ([left, right], [top, bottom])
    up = ([left, right], [bottom, top])
    ax.plot(*down, *up, color=GREY, linewidth=2, label="_masked")


@styled
def training_curves(logs: pd.DataFrame, smooth: int | None = None) -> Figure:
    """Draw the loss (left) and the validation mAP in each setting (right) by step.

    Each strategy has a line, its mean over seeds; single seeds are thin lines.

    Args:
        logs: columns strategy, seed, step, loss (NaN where none was logged) and any of
            ``validation <setting> mAP`` (NaN where not validated).
        smooth: the loss is a running mean over so many logged steps; None: a tenth of them.
    """
    check_columns(logs, ["strategy", "seed", "step"], "training_curves")
    titles = {f"validation {setting} mAP": f"validation, {setting}" for setting in SETTINGS}
    measured = [column for column in titles if column in logs and logs[column].notna().any()]
    has_loss = "loss" in logs and bool(logs["loss"].notna().any())
    if not has_loss and not measured:
        raise InputError("training_curves: there is neither a loss nor a validation mAP in any row")

    # The loss spans the left side; the settings stand below each other on the right.
    fig, axes = _training_axes(has_loss, measured)
    if has_loss:
        window = smooth or _default_window(logs)
        _draw_curves(axes["loss"], logs, "loss", window)
        axes["loss"].set_ylabel("loss (lower is better)")
        axes["loss"].set_title("training" if window == 1 else f"training, mean of {window} steps")
    for column in measured:
        _draw_curves(axes[column], logs, column, 1)
        axes[column].set(ylabel="mAP", title=titles[column])
    _step_axes(axes, ["loss", *measured[-1:]], int(logs["step"].max()))
    strategy_legend(fig, logs["strategy"], "Does the loss fall, and does the search get better?")
    return fig


def _training_axes(has_loss: bool, measured: list[str]) -> tuple[Figure, dict[str, Axes]]:
    """Make an axes for the loss, if there is one, and one for each measured column."""
    layout = [[column] for column in measured]
    if has_loss:
        layout = [["loss", *row] for row in layout] or [["loss"]]
    return named_axes(layout, max(4.0, 1.9 * len(layout) + 0.8))


def _step_axes(axes: dict[str, Axes], labelled: list[str], last: int) -> None:
    """Give all axes the same steps, and those that are ``labelled`` a label and numbers."""
    last = max(1, last)
    for name, ax in axes.items():
        ax.set_xlim(-0.04 * last, 1.04 * last)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.set_xlabel("step" if name in labelled else "")
        ax.tick_params(labelbottom=name in labelled)


def _default_window(logs: pd.DataFrame) -> int:
    """Return a tenth of the logged steps of the longest run, at least 1."""
    logged = logs.dropna(subset="loss").groupby(["strategy", "seed"]).size()
    return max(1, int(logged.max()) // 10)


def _draw_curves(ax: Axes, logs: pd.DataFrame, column: str, window: int) -> None:
    """Draw each strategy's mean over seeds and, with several seeds, a thin line for each."""
    logs = logs.dropna(subset=column)
    for name in in_order(logs["strategy"]):
        part = logs[logs["strategy"] == name]
        by_seed = part.pivot_table(index="step", columns="seed", values=column)
        by_seed = by_seed.rolling(window, min_periods=1).mean()
        colour, _ = strategy_style(name)
        if by_seed.shape[1] > 1:
            for seed in by_seed:
                values = by_seed[seed]
                ax.plot(values.index, values, color=colour, linewidth=0.7, alpha=0.5, label="_seed")
        _draw_mean(ax, by_seed.mean(axis=1), name)


def _draw_mean(ax: Axes, mean: pd.Series, name: str) -> None:
    """Draw a strategy's line with about eight markers; a single step becomes a dashed level."""
    colour, marker = strategy_style(name)
    ax.plot(
        mean.index,
        mean,
        color=colour,
        linewidth=2,
        marker=marker,
        markersize=marker_size(marker, 6),
        markevery=max(1, len(mean) // 8),
        label=name,
    )
    if len(mean) == 1:
        level = mean.iloc[0]
        ax.axhline(level, color=colour, linestyle="--", linewidth=1.2, zorder=1, label="_level")


@styled
def batch_grid(
    question_langs: list[list[str]],
    passage_langs: list[list[str]],
    titles: list[str],
    rows: int = 16,
) -> Figure:
    """Draw batches as grids: a line per row, the question's language beside the passage's.

    Args:
        question_langs: for each batch the language of every row's question; see
            :func:`hybridlib.figures.batch_languages`.
        passage_langs: for each batch the language of every row's passage.
        titles: one for each batch.
        rows: only the first so many rows of a batch are drawn.
    """
    sizes = [len(batch) for batch in question_langs]
    if not titles or not len(sizes) == len(passage_langs) == len(titles) or not all(sizes):
        raise InputError(
            "batch_grid: there are no rows to draw, or not one list of question and passage "
            "languages for each title"
        )
    columns = min(len(titles), 6)
    lines = -(-len(titles) // columns)
    depth = min(rows, max(sizes))
    fig, axes = new_axes(1.0 + lines * (1.3 + 0.25 * depth), lines, columns)
    for ax, questions, passages, title in zip(axes.flat, question_langs, passage_langs, titles):
        _draw_batch(ax, np.array([questions[:rows], passages[:rows]]).T, depth)
        ax.set_xticks([0, 1], ["question", "passage"], rotation=0 if columns <= 3 else 90)
        ax.set_title(textwrap.fill(title, max(10, 60 // columns), break_on_hyphens=False))
    for ax in axes.flat[len(titles) :]:
        ax.set_axis_off()
    label = "rows of the batch"
    if max(sizes) > depth:
        label += f" (first {depth} of {max(sizes)})"
    fig.supylabel(label, fontsize=FONT)
    headline(fig, "Which languages meet in a batch?")
    drawn = {code for batch in [*question_langs, *passage_langs] for code in batch[:rows]}
    _language_legend(fig, sorted(drawn))
    return fig


def _draw_batch(ax: Axes, codes: np.ndarray, depth: int) -> None:
    """Draw cells in the colours of their language codes, ``[rows, 2]``, with room for more rows."""
    colours = np.array([[to_rgb(language_style(code)[0]) for code in row] for row in codes])
    ax.imshow(colours, aspect="auto", interpolation="nearest")
    for (row, column), code in np.ndenumerate(codes):
        colour = text_on(tuple(colours[row, column]))
        ax.text(column, row, code, ha="center", va="center", color=colour)
    ax.hlines(np.arange(1, len(codes)) - 0.5, -0.5, 1.5, color="white", linewidth=1)
    ax.axvline(0.5, color="white", linewidth=3)
    ax.set(yticks=[], ylim=(depth - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def _language_legend(fig: Figure, codes: list[str]) -> None:
    """Draw a legend of language colours below the axes."""
    handles = [Patch(color=language_style(code)[0], label=code) for code in codes]
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(codes), 6),
        columnspacing=1.2,
        handlelength=1,
    )


@styled
def expected_draws(draws: pd.DataFrame, title: str | None = None) -> Figure:
    """Draw what a strategy trains on: the share of the rows by language of question and passage.

    Shares are in percent; pairs of languages that are never drawn stay blank.

    Args:
        draws: columns question, passage, share (batching.inspect.expected_draws). The shares of
            several sets are added up.
        title: whose rows, for instance the strategy.
    """
    check_columns(draws, ["question", "passage", "share"], "expected_draws")
    codes = sorted({*draws["question"], *draws["passage"]})
    table = draws.pivot_table(index="question", columns="passage", values="share", aggfunc="sum")
    table = 100 * table.reindex(index=codes, columns=codes)
    scale = Normalize(0.0, float(table.max(axis=None)))
    label = "share of the training rows (%)"
    question = "How often is each pair of languages trained on?"
    fig, ax = heatmap(table, plt.get_cmap("Blues"), scale, label, question, title, digits=1)
    ax.set(xlabel="language of the passage", ylabel="language of the question")
    return fig
