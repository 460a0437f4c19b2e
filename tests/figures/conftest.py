"""Figures that are drawn once and looked at by many tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from figure_toys import FIGURES
from matplotlib.figure import Figure


@pytest.fixture(scope="session")
def drawn() -> Callable[[str], Figure]:
    """Give a figure of FIGURES by its name. Tests may look at it, draw it and save it."""
    made: dict[str, Figure] = {}

    def figure(name: str) -> Figure:
        if name not in made:
            made[name] = FIGURES[name]()
        return made[name]

    return figure
