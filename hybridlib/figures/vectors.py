"""Every figure of the notebooks.

Each function takes a table and returns a matplotlib Figure that pyplot does not hold: it appears once as the
last line of a cell, and nothing is left open. A strategy has the same colour and marker in every figure, a
language too. Colours are safe for colour-blind readers, and never the only sign. Text is 12 pt on 7.2 inches,
so that a figure can be set at half the width of a page. Figures name languages by their codes: no font of a figure has the
scripts of all of them, so texts stand in tables (:mod:`hybridlib.display`), which a browser sets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA

from hybridlib.errors import InputError
from hybridlib.figures.style import _LINES, GREY, WIDTH, _figure, _styled, language_style


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
