"""Figures of vectors: passages and their translations in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from sklearn.metrics.pairwise import euclidean_distances
from threadpoolctl import threadpool_limits

from hybridlib.errors import InputError
from hybridlib.figures.axes import headline, new_axes
from hybridlib.figures.style import GREY, LINE_STYLES, language_style, styled

NEIGHBOURS = 10  # of a passage that stay near (the perplexity of t-SNE)


@styled
def language_projection(
    vectors: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    title: str | None = None,
    connect: int = 3,
) -> Figure:
    """Draw parallel passages so that near neighbours stay near (t-SNE), coloured by language.

    Clumps of one colour are passages that lie by language, clumps of many colours passages that lie
    by content. The headline counts the same on the vectors themselves. Only who is near whom has a
    meaning: not directions, sizes of clumps, or distances between them.

    A projection on straight directions (principal components, or the differences between the
    languages' means) would not show it. Languages that each fill the whole space in an order of
    their own have equal means, and yet no passage lies beside its translations.

    Args:
        vectors: ``[passages, dimension]``.
        languages: language of each passage.
        groups: content of each passage; the same group means translation.
        title: whose vectors, for instance the strategy.
        connect: for so many groups lines run from their centre to each translation.

    Raises:
        InputError: fewer than two vectors, numbers that are not finite, or lengths that differ.
    """
    checked = _checked(vectors, languages, groups)
    by_language, by_content = nearest_shares(checked, languages, groups)
    finding = (
        f"{by_language:.0%} of passages lie beside one of their language, "
        f"{by_content:.0%} beside a translation"
    )
    return _draw_panels({"": checked}, languages, groups, connect, finding, title)


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

    Args:
        before: ``[passages, dimension]``.
        after: ``[passages, dimension]``, the same passages.
        languages: language of each passage.
        groups: content of each passage; the same group means translation.
        titles: of the two panels.
        connect: for so many groups lines run from their centre to each translation.

    Raises:
        InputError: as :func:`language_projection`.
    """
    parts = {}
    for vectors, title in zip((before, after), titles):
        checked = _checked(vectors, languages, groups)
        _, by_content = nearest_shares(checked, languages, groups)
        parts[f"{title}\n(translation: {by_content:.0%})"] = checked
    question = "How often is the nearest passage a translation?"
    return _draw_panels(parts, languages, groups, connect, question, None)


def _checked(vectors: np.ndarray, languages: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """Return vectors in double precision, once they are known to have a projection."""
    vectors = np.asarray(vectors, dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) < 2 or not len(vectors) == len(languages) == len(groups):
        raise InputError(
            "language_projection: needs at least two vectors, and a language and a group for "
            f"each; got {len(vectors)}, {len(languages)} and {len(groups)}"
        )
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise InputError(
            f"language_projection: {len(broken)} of {len(vectors)} vectors hold NaN or infinite "
            f"numbers, the first at position {broken[0]}; the encoder that made them is broken"
        )
    return vectors


def nearest_shares(
    vectors: np.ndarray, languages: Sequence[str], groups: Sequence[str]
) -> tuple[float, float]:
    """Return how often a vector's nearest other one has its language, and its content.

    Near means a small Euclidean distance, which for unit vectors is a high cosine. Of several
    nearest ones all count, with equal weights.

    Args:
        vectors: ``[passages, dimension]``.
        languages: language of each passage.
        groups: content of each passage; the same group means translation.

    Returns:
        Two shares, 0 to 1.
    """
    distances = euclidean_distances(vectors)
    np.fill_diagonal(distances, np.inf)
    nearest = distances <= distances.min(axis=1, keepdims=True)
    weights = nearest / nearest.sum(axis=1, keepdims=True)
    shares = []
    for labels in (np.asarray(languages), np.asarray(groups)):
        same = labels[:, None] == labels
        shares.append(float((weights * same).sum() / len(vectors)))
    return shares[0], shares[1]


def neighbour_map(vectors: np.ndarray) -> np.ndarray:
    """Place vectors in the plane so that near neighbours stay near, ``[passages, 2]`` (t-SNE).

    It starts at their principal components, and has no chance in it. Equal vectors all lie at zero.
    """
    centred = vectors - vectors.mean(0)
    if np.abs(centred).max() <= 1e-9 * np.abs(vectors).max():
        return np.zeros((len(vectors), 2))
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    start = np.zeros((len(vectors), 2))
    start[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    tsne = TSNE(
        perplexity=min(NEIGHBOURS, len(vectors) / 3),
        init=1e-4 * start / start[:, 0].std(),
        max_iter=500,
        random_state=0,
    )
    # One thread: sums in another order would move the points.
    with threadpool_limits(1):
        return tsne.fit_transform(centred)


def _draw_panels(
    parts: Mapping[str, np.ndarray],
    languages: Sequence[str],
    groups: Sequence[str],
    connect: int,
    question: str,
    of: str | None,
) -> Figure:
    """Draw a panel for each set of vectors, by its name, and a legend of the languages."""
    fig, axes = new_axes(5.8 if len(parts) == 1 else 4.6, 1, len(parts))
    for ax, (name, vectors) in zip(axes.flat, parts.items()):
        points = neighbour_map(vectors)
        _draw_passages(ax, points, np.asarray(languages), np.asarray(groups), connect)
        ax.set_title(name)
        ax.set_xlabel("near neighbours lie together (t-SNE)" if len(parts) == 1 else "")
        # Numbers along the axes would mean nothing.
        ax.set(xticks=[], yticks=[])
    headline(fig, question, of)
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
