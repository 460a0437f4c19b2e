"""A figure of corrections: which directions the language filter keeps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hybridlib.figures.axes import headline, one_axes
from hybridlib.figures.reshape import check_columns
from hybridlib.figures.style import GREY, styled


@styled
def filter_directions(directions: pd.DataFrame, k: float, title: str | None = None) -> Figure:
    """Draw what texts and translations vary by along each direction of the language filter.

    A point on the line is kept by half: along it texts vary as much as k times the translations of
    a text do. Above the line more is kept, below it less.

    Args:
        directions: columns between, within and kept; see ``LanguageFilter.directions``.
        k: of the filter.
        title: whose vectors, for instance the strategy.
    """
    check_columns(directions, ["between", "within", "kept"], "filter_directions")
    fig, ax = one_axes(4.6)
    points = ax.scatter(
        directions["within"],
        directions["between"],
        c=directions["kept"],
        cmap="viridis",
        vmin=0,
        vmax=1,
        s=22,
        edgecolor=GREY,
        linewidth=0.3,
    )

    # The range of the points, without variances that are none.
    ax.set(xscale="log", yscale="log")
    shown = directions[(directions["between"] > 0) & (directions["within"] > 0)]
    low = shown[["within", "between"]].quantile(0.01) / 2
    high = shown[["within", "between"]].max() * 2
    ax.set_xlim(low["within"], high["within"])
    ax.set_ylim(low["between"], high["between"])
    ends = np.array([low["within"], high["within"]])
    ax.plot(ends, k * ends, color="black", linewidth=1, zorder=1)

    ax.set_xlabel("variance among translations of a text")
    ax.set_ylabel("variance between texts")
    fig.colorbar(points, ax=ax, label="kept by the filter")
    headline(fig, "Along which directions do texts differ more than their translations?", title)
    return fig
