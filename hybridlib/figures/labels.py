"""Names beside the points of a figure, placed by adjustText."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from adjustText import adjust_text
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from hybridlib.figures.style import strategy_style, text_on_white

# In pixels.
MARKER = 9  # kept free around the middle of a marker
LINE = 2  # kept free around a line
PIECE = 10  # height of the boxes that cover a slanted line
START = 12  # from a point to where its name starts
FAR = 14  # a name as far from its point is tied to it by a line
TOLERANCE = 3  # by which a name may reach into what is kept free

RANDOM_STARTS = 6

ALIGNMENTS = {-1: ("right", "top"), 0: ("center", "center"), 1: ("left", "bottom")}


def label_points(
    ax: Axes,
    names: Sequence[str],
    points: np.ndarray,
    markers: np.ndarray,
    lines: np.ndarray,
    taken: Sequence[Bbox] = (),
) -> None:
    """Write the names of strategies beside their points, off the marks and off each other.

    Call it last, on a settled figure. Equal figures get equal places.

    Args:
        ax: the axes.
        names: one for each point.
        points: ``[points, 2]``, in data coordinates.
        markers: middles of all markers, ``[markers, 2]``.
        lines: ends of all bars and arrows, ``[lines, 2, 2]``.
        taken: what else no name may stand on, in pixels.
    """
    marks = [*_marks(ax, markers, lines), *taken]
    starts = _starts(ax.transData.transform(points))

    # A name that starts between two marks may stay there, pushed by both; another start then helps.
    # Where none does, the last one is kept.
    for number, sides in enumerate(starts, 1):
        texts, ties = _place(ax, names, points, sides, marks)
        if number == len(starts) or not _any_overlap(texts, marks):
            break
        for artist in [*texts, *ties]:
            artist.remove()


def _starts(points: np.ndarray) -> list[np.ndarray]:
    """Return the sides of their points where names start, to be tried in turn, ``[points, 2]``.

    A side is a step to the right (1) or left (-1), and one up or down.
    """
    outwards = np.where(points >= np.median(points, axis=0), 1, -1)
    right = np.tile([1, 0], (len(points), 1))
    up = np.tile([0, 1], (len(points), 1))
    starts = [outwards * [1, 0], outwards, right, -right, up, -up]

    # Then every name at a side of its own, the same ones at each call.
    rng = np.random.default_rng(0)
    sides = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    drawn = rng.integers(len(sides), size=(RANDOM_STARTS, len(points)))
    return [*starts, *sides[drawn]]


def _place(
    ax: Axes,
    names: Sequence[str],
    points: np.ndarray,
    sides: np.ndarray,
    marks: list[Bbox],
) -> tuple[list[Text], list[Artist]]:
    """Write the names at the given sides and move them off the marks; return texts and ties."""
    texts = [_write(ax, *row) for row in zip(names, points, sides)]
    _, ties = adjust_text(
        texts,
        objects=[mark.transformed(ax.transData.inverted()) for mark in marks],
        target_x=points[:, 0],
        target_y=points[:, 1],
        avoid_self=False,
        prevent_crossings=False,
        # Short steps, for a long one may jump over a gap; as many at most, whatever the time.
        max_move=2,
        iter_lim=150,
        force_text=(0.1, 0.2),
        force_static=(0.2, 0.3),
        expand=(1.02, 1.1),
        min_arrow_len=FAR,
        arrowprops={"arrowstyle": "-", "linewidth": 0.8, "shrinkB": 4},
        ax=ax,
    )
    for tie in ties:
        tie.set_color(tie.patchA.get_color())
    return texts, ties


def _write(ax: Axes, name: str, point: np.ndarray, side: np.ndarray) -> Text:
    """Write a strategy's name at a side of its point, in its colour."""
    colour, _ = strategy_style(name)
    step = START * side / np.linalg.norm(side)
    x, y = ax.transData.inverted().transform(ax.transData.transform(point) + step)
    horizontal, _ = ALIGNMENTS[side[0]]
    _, vertical = ALIGNMENTS[side[1]]
    return ax.text(x, y, name, ha=horizontal, va=vertical, color=text_on_white(colour))


def _any_overlap(texts: Sequence[Text], marks: Sequence[Bbox]) -> bool:
    """Return whether a text lies on another one, or on a mark."""
    boxes = [text.get_window_extent() for text in texts]
    on_text = any(box.count_overlaps(boxes) > 1 for box in boxes)  # each overlaps itself
    on_mark = any(box.padded(-TOLERANCE).count_overlaps(marks) for box in boxes)
    return on_text or on_mark


def _marks(ax: Axes, markers: np.ndarray, lines: np.ndarray) -> list[Bbox]:
    """Return boxes (pixels) that cover markers and lines (data coordinates)."""
    middles = ax.transData.transform(markers)
    boxes = [Bbox([middle, middle]).padded(MARKER) for middle in middles]
    for line in lines:
        start, end = ax.transData.transform(line)
        boxes.extend(_boxes_along(start, end))
    return boxes


def _boxes_along(start: np.ndarray, end: np.ndarray) -> Iterator[Bbox]:
    """Yield boxes that cover a line: one if it is level or upright, a chain if it is slanted."""
    pieces = 1 + int(np.abs(end - start).min() // PIECE)
    corners = np.linspace(start, end, pieces + 1)
    for ends in pairwise(corners):
        yield Bbox([np.min(ends, axis=0), np.max(ends, axis=0)]).padded(LINE)
