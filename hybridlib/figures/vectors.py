"""Figures of vectors: passages and their translations in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA

from hybridlib.errors import InputError
from hybridlib.figures.axes import new_axes
from hybridlib.figures.style import GREY, LINE_STYLES, language_style, styled


@styled
def language_projection(
    vectors: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    title: str | None = None,
    connect: int = 3,
) -> Figure:
    """Draw two principal components of parallel passages, coloured by language.

    Args:
        vectors: ``[passages, dimension]``.
        languages: language of each passage.
        groups: content of each passage; the same group means translation.
        title: for instance the strategy.
        connect: for so many groups lines run from their centre to each translation.
    """
    return _projections([vectors], languages, groups, [title or ""], connect)


@styled
def language_projections(
    before: np.ndarray,
    after: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    titles: tuple[str, str] = ("before training", "after training"),
    connect: int = 3,
) -> Figure:
    """Draw :func:`language_projection` of the same passages before and after training.

    Each panel has principal components of its own.

    Args:
        before: ``[passages, dimension]``.
        after: ``[passages, dimension]``, the same passages.
        languages: language of each passage.
        groups: content of each passage; the same group means translation.
        titles: of the two panels.
        connect: for so many groups lines run from their centre to each translation.
    """
    return _projections([before, after], languages, groups, titles, connect)


def _projections(
    vectors: Sequence[np.ndarray],
    languages: Sequence[str],
    groups: Sequence[str],
    titles: Sequence[str],
    connect: int,
) -> Figure:
    """Draw a panel for each set of vectors, and a legend of the languages."""
    for part in vectors:
        if len(part) < 2 or not len(part) == len(languages) == len(groups):
            raise InputError(
                "language_projection: needs at least two vectors, and a language and a group for "
                f"each; got {len(part)}, {len(languages)} and {len(groups)}"
            )
    fig, axes = new_axes(5.8 if len(vectors) == 1 else 4.9, 1, len(vectors))
    for ax, part, title in zip(axes.flat, vectors, titles):
        pca = PCA(2, svd_solver="full")
        points = pca.fit_transform(np.asarray(part, dtype=np.float64))
        _draw_passages(ax, points, np.asarray(languages), np.asarray(groups), connect)
        first, second = pca.explained_variance_ratio_
        ax.set_title(title)
        ax.set_xlabel(f"component 1 ({first:.0%} of variance)")
        ax.set_ylabel(f"component 2 ({second:.0%})")
        ax.set_aspect("equal", adjustable="datalim")
    _language_legend(fig, sorted(set(languages)), bool(connect))
    return fig


def _draw_passages(
    ax: Axes, points: np.ndarray, languages: np.ndarray, groups: np.ndarray, connect: int
) -> None:
    """Draw the points by language; those of the joined groups are larger."""
    joined = _widest_groups(languages, groups, connect)
    for name, line in zip(joined, np.resize(LINE_STYLES, len(joined))):
        _join_to_centre(ax, points[groups == name], line, name)
    sizes = np.where(np.isin(groups, joined), 70, 20)
    for code in sorted(set(languages)):
        colour, marker = language_style(code)
        rows = languages == code
        ax.scatter(
            points[rows, 0],
            points[rows, 1],
            s=sizes[rows],
            color=colour,
            marker=marker,
            edgecolor=GREY,
            linewidth=0.5,
            zorder=3,
            label=code,
        )


def _widest_groups(languages: np.ndarray, groups: np.ndarray, count: int) -> pd.Index:
    """Return the ``count`` groups in the most languages; of equal ones the first."""
    widths = pd.Series(languages).groupby(groups, sort=False).nunique()
    return widths.sort_values(ascending=False, kind="stable").index[:count]


def _join_to_centre(ax: Axes, points: np.ndarray, line: str, name: str) -> None:
    """Draw a line from the centre of some points to each of them."""
    # One path for all: centre, point, a gap, and so on.
    centres = np.broadcast_to(points.mean(0), points.shape)
    gaps = np.full_like(points, np.nan)
    path = np.stack([centres, points, gaps], axis=1).reshape(-1, 2)
    ax.plot(*path.T, color="black", linewidth=0.9, linestyle=line, zorder=2, label=f"_{name}")


def _language_legend(fig: Figure, codes: Sequence[str], joined: bool) -> None:
    """Draw a legend of the languages, and of the lines between translations."""
    handles = []
    for code in codes:
        colour, marker = language_style(code)
        point = Line2D(
            [],
            [],
            linestyle="",
            color=colour,
            marker=marker,
            markeredgecolor=GREY,
            markeredgewidth=0.5,
            label=code,
        )
        handles.append(point)
    if joined:
        handles.append(Line2D([], [], color="black", linewidth=1, label="translations"))
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=6,
        columnspacing=1.2,
        handletextpad=0.4,
    )
