"""Colours and markers: fixed for what is known, distinct, and told apart by every reader."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from hybridlib.batching.strategies import known_strategies
from hybridlib.figures import style
from hybridlib.figures.style import in_order, language_style, strategy_style

# The names of strategies in kept studies, which must look as they always did.
KEPT = {
    "hybrid-0.25": ("#6C3113", ">"),
    "hybrid-0.75": ("#330099", "<"),
    "hybrid-averaged": ("#785EF0", "p"),
    "hybrid-averaged-half": ("#A65628", "H"),
    "x-y-averaged": ("#882255", "h"),
}

# Linear RGB as seen with a missing kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
LINEAR_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def lab(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = LINEAR_TO_XYZ @ np.clip(vision @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("styles", ["STRATEGY_STYLES", "LANGUAGE_STYLES"])
def test_colours_differ_for_every_reader(styles, vision):
    """A difference of 2.3 is just noticeable; markers, names and letters tell them apart too."""
    colours = [colour for colour, _ in getattr(style, styles).values()]
    points = np.array([lab(colour, VISION[vision]) for colour in colours])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert distances[np.triu_indices(len(points), 1)].min() > 9


def test_built_in_strategies_differ_in_colour_and_in_marker():
    names = {*known_strategies(), "code-switched", "x-y-pair", "x-x", "en-en"}
    styles = [strategy_style(name) for name in names]
    assert len(styles) >= 8
    assert len({colour for colour, _ in styles}) == len(styles)
    assert len({marker for _, marker in styles}) == len(styles)


def test_languages_differ_in_colour_and_in_marker():
    codes = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
    styles = [language_style(code) for code in codes]
    assert len({colour for colour, _ in styles}) == 11
    assert len({marker for _, marker in styles}) == 11


def test_the_names_of_kept_studies_keep_their_styles():
    assert {name: strategy_style(name) for name in KEPT} == KEPT


def test_another_strategy_keeps_a_style_of_its_own():
    assert strategy_style("x-en") == strategy_style("x-en")
    fixed = {strategy_style(name) for name in style.STRATEGY_STYLES}
    others = {strategy_style(f"other-{i}") for i in range(50)}
    assert len(others) > 10
    assert not others & fixed


@pytest.mark.parametrize("base", ["hybrid", "x-y", "code-switched", "x-en"])
def test_a_variant_has_another_shade_and_another_marker_than_its_base(base):
    steps = [f"{base}-alpha-{value}" for value in np.arange(11) / 10]
    quarters = [f"{base}-trained_share-{value}" for value in (0.0, 0.25, 0.5, 0.75)]
    for variants in (steps, quarters):
        styles = [strategy_style(name) for name in [base, *variants]]
        assert len({colour for colour, _ in styles}) == len(styles)
        markers = [marker for _, marker in styles]
        assert len(set(markers[1:])) == len(variants)
        assert markers[0] not in markers[1:]

    # The shades go from dark to light.
    shades = [sum(to_rgb(strategy_style(name)[0])) for name in steps]
    assert shades == sorted(shades)


def test_variants_of_several_parameters_differ():
    labels = ["hybrid", "hybrid-alpha-0.25", "hybrid-trained_share-0.25", "hybrid-steps-700"]
    labels += ["hybrid-alpha-0.25-trained_share-0.25", "hybrid-alpha-0.75-trained_share-0.25"]
    assert len({strategy_style(label) for label in labels}) == len(labels)
    assert style.split_variant(labels[-1]) == (
        "hybrid",
        [("alpha", "0.75"), ("trained_share", "0.25")],
    )


def test_a_strategy_of_several_encoders_keeps_its_style():
    for name in ("hybrid", "hybrid-alpha-0.25"):
        assert strategy_style(f"e5-small {name}") == strategy_style(name)


def test_known_strategies_come_first_and_variants_right_behind_their_base():
    assert in_order(["b other", "hybrid", "x-y", "a other", "x-y"]) == [
        "x-y",
        "hybrid",
        "a other",
        "b other",
    ]
    ordered = [
        "x-y",
        "x-y-trained_share-0.5",
        "hybrid",
        "hybrid-alpha-0.25",
        "hybrid-alpha-0.75",
        "hybrid-steps-200",
        "hybrid-steps-1000",
        "hybrid-0.25",
        "code-switched",
        "own",
        "own-alpha-0.5",
        "own-more",
    ]
    assert in_order(reversed(ordered)) == ordered


def test_text_is_black_on_light_and_white_on_dark():
    assert style.text_on("#F0E442") == "black"
    assert style.text_on("#332288") == "white"
    assert style.text_on_white("#000000") == (0, 0, 0)
    yellow = style.text_on_white("#F0E442")
    assert sum(yellow) < sum(to_rgb("#F0E442"))
