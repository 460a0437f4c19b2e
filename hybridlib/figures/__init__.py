"""Every figure and table of the notebooks.

Each figure function takes a table and returns a matplotlib Figure that pyplot does not hold: it
appears once, as the last line of a cell, and nothing is left open. Figures name languages by their
codes: no font has the scripts of all of them, so texts stand in tables, which a browser sets.

Example:
    >>> from hybridlib import figures
    >>> figure = figures.map_by_setting(figures.settings_table({"hybrid": metrics}))
    >>> figures.save(figure, "outputs", "map_by_setting")
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Imported when first used: matplotlib takes a second, and scikit-learn two.
_FUNCTIONS = {
    "answers": ("answer_ranks", "top_lists"),
    "bias": ("distance_by_quality", "language_share_matrix", "rank_distance_by_language"),
    "contrasts": ("forest",),
    "corrections": ("filter_directions",),
    "plane": ("bias_plane",),
    "quality": (
        "alpha_curve",
        "cross_lingual_heatmap",
        "gains",
        "map_by_language",
        "map_by_setting",
        "seen_unseen",
    ),
    "reshape": (
        "answers_of",
        "batch_languages",
        "settings_of_intervals",
        "settings_table",
        "some_groups",
        "two_languages",
    ),
    "style": ("language_style", "save", "strategy_style"),
    "tables": ("example_query", "relevant_of", "result_list", "texts", "top_of_query"),
    "training": ("batch_grid", "expected_draws", "score_matrix", "training_curves"),
    "vectors": ("language_projection", "language_projections"),
}
_MODULE_OF = {name: module for module, names in _FUNCTIONS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a function."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the functions."""
    return sorted(_MODULE_OF)
