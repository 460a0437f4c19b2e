"""The look of every figure: colours, markers and fonts, and how a figure is saved.

A strategy has the same colour and marker in every figure, and so has a language. The colours are
safe for colour-blind readers and never the only sign. Text has 12 pt on a width of 6.4 inches, so
that a figure can be read at half the width of a page, or on a phone.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Literal, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from hybridlib.config.params import Params

WIDTH = 6.4  # inches
FONT = 12  # points
GREY = "#595959"
FRAME = "#D55E00"  # of framed cells

_WANTED = "HYBRIDLIB_FIGURES"  # the environment variable that says what is drawn
_PNG = "png"  # its value for all figures

# Colour and marker of each known strategy, in the order in which figures show them.
STRATEGY_STYLES = {
    "untrained": ("#7F7F7F", "X"),
    "en-en": ("#56B4E9", "v"),
    "x-x": ("#E69F00", "s"),
    "x-x-mono": ("#0072B2", "o"),
    "x-y": ("#D55E00", "^"),
    "x-y-pair": ("#CC79A7", "D"),
    "hybrid": ("#009E73", "P"),
    "hybrid-0.25": ("#6C3113", ">"),
    "hybrid-0.75": ("#330099", "<"),
    "hybrid-averaged": ("#785EF0", "p"),
    "hybrid-averaged-half": ("#A65628", "H"),
    "x-y-averaged": ("#882255", "h"),
    "code-switched": ("#000000", "*"),
    "x-y-negatives": ("#4B3C2D", "v"),
    "hybrid-negatives": ("#0F4BC3", "8"),
    "hybrid-negatives-averaged": ("#F0005A", "d"),
    "soup": ("#8007ED", "d"),
    "soup-mean": ("#885C43", "d"),
    "soup-three-seeds": ("#C300A5", "h"),
    "bm25": ("#4E1868", "8"),
}

LANGUAGE_STYLES = {
    "ar": ("#0072B2", "o"),
    "de": ("#E69F00", "s"),
    "el": ("#009E73", "^"),
    "en": ("#000000", "*"),
    "es": ("#D55E00", "D"),
    "hi": ("#CC79A7", "v"),
    "ru": ("#56B4E9", "P"),
    "th": ("#882255", "X"),
    "tr": ("#999933", "<"),
    "vi": ("#332288", ">"),
    "zh": ("#F0E442", "h"),
}

LineStyle = Literal["-", "--", ":", "-."]
LINE_STYLES: tuple[LineStyle, ...] = ("-", "--", ":", "-.")

# Of any other strategy or language.
_OTHER_COLOURS = ("#882255", "#44AA99", "#999933", "#332288", "#AA4499")
_OTHER_MARKERS = ("p", "d", "8", "H")

# Of a strategy's variants. A prime number: values in equal steps then get different markers.
_VARIANT_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "h", "*")
_VARIANT_COUNT = 11

# Factors for the markers that look small at the size of the others.
_LARGER = {"*": 1.6, "P": 1.2, "X": 1.2}

# A parameter's name inside the label of a variant, such as ``-alpha-`` in ``hybrid-alpha-0.25``.
_PARAMETER = re.compile(f"-({'|'.join(sorted(Params.model_fields, key=len, reverse=True))})-")

_STYLE = {
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "legend.fontsize": FONT,
    "legend.title_fontsize": FONT,
    "legend.frameon": False,
    "figure.titlesize": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E0E0E0",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.markersize": 8,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "savefig.bbox": "standard",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.06,
}

_Arguments = ParamSpec("_Arguments")


def strategy_style(name: str) -> tuple[str, str]:
    """Return the colour and the marker of a strategy.

    They are fixed for the known strategies. A variant, such as ``hybrid-alpha-0.25``, has another
    shade of its base's colour and another marker. Any other strategy's style follows from its name
    alone.

    Args:
        name: a strategy, or several words of which the last is one (an encoder and a strategy).
    """
    word = name.rsplit(maxsplit=1)[-1] if name.strip() else name
    base, settings = split_variant(word)
    if settings:
        return _variant_style(base, settings)
    return STRATEGY_STYLES.get(word) or style_from_name(word)


def language_style(code: str) -> tuple[str, str]:
    """Return a language's colour and marker: fixed for XQuAD-R's eleven, else from the code."""
    return LANGUAGE_STYLES.get(code) or style_from_name(code)


def style_from_name(name: str) -> tuple[str, str]:
    """Return a colour and a marker that depend on the name alone."""
    number = zlib.crc32(name.encode())
    colour = _OTHER_COLOURS[number % len(_OTHER_COLOURS)]
    marker = _OTHER_MARKERS[number % len(_OTHER_MARKERS)]
    return colour, marker


def split_variant(label: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the base strategy of a run's label, and the parameters and values that follow it."""
    base, *rest = _PARAMETER.split(label)
    return base, list(zip(rest[::2], rest[1::2]))


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once: the known strategies in their order, then the others by name.

    Variants stand right behind their base, in the order of their values.
    """
    return sorted(set(names), key=_order)


def _order(name: str) -> tuple[int, str, list[tuple[str, float, str]]]:
    """Return what names are sorted by."""
    base, settings = split_variant(name)
    known = list(STRATEGY_STYLES)
    position = known.index(base) if base in known else len(known)
    values = [(key, _number(value, otherwise=float("inf")), value) for key, value in settings]
    return position, base, values


def _variant_style(base: str, settings: list[tuple[str, str]]) -> tuple[str, str]:
    """Return a shade of the base's colour, and a marker that the base does not have."""
    colour, base_marker = strategy_style(base)
    values = [_value_number(value) for _, value in settings]
    names = [zlib.crc32(key.encode()) for key, _ in settings]

    # The first value sets the shade, from dark (0) to light (1); all together set the marker.
    shade = values[0] % 101 / 100
    markers = [marker for marker in _VARIANT_MARKERS if marker != base_marker][:_VARIANT_COUNT]
    marker = markers[(sum(values) + sum(names)) % _VARIANT_COUNT]
    return _shaded(colour, shade), marker


def _value_number(value: str) -> int:
    """Return a share (0 to 1) in percent; a number made from the text for any other value."""
    share = _number(value, otherwise=-1.0)
    if 0 <= share <= 1:
        return round(100 * share)
    return zlib.crc32(value.encode())


def _number(text: str, otherwise: float) -> float:
    """Return the number that a text holds, or another one where it holds none."""
    try:
        return float(text)
    except ValueError:
        return otherwise


def _shaded(colour: str, shade: float) -> str:
    """Return the colour between nearly half black (``shade`` 0) and half white (1)."""
    rgb = np.maximum(to_rgb(colour), 0.2)  # black, too, has darker and lighter shades
    dark = 0.55 * rgb
    light = 0.5 + 0.5 * rgb
    return to_hex(tuple(dark + shade * (light - dark)))


def marker_size(marker: str, size: float) -> float:
    """Return the size (points) at which a marker looks as large as a circle of ``size`` points."""
    return size * _LARGER.get(marker, 1)


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Make a figure function draw in the style of this module and leave the notebook's alone.

    It draws nothing where ``HYBRIDLIB_FIGURES`` names other functions alone (:func:`save`).
    """

    @wraps(draw)
    def in_style(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        wanted = os.environ.get(_WANTED) or _PNG
        if wanted != _PNG and draw.__name__ not in wanted.split(","):
            return Figure()
        with plt.style.context(["default", _STYLE]):
            fig = draw(*args, **kwargs)
            settle(fig)
        return fig

    return in_style


def settle(fig: Figure) -> None:
    """Lay a figure out and fix its layout: every further drawing would move the axes by a hair."""
    engine = fig.get_layout_engine()
    if engine is not None:
        # The first pass also makes the ticks, in the style of now. The second settles the layout.
        engine.execute(fig)
        engine.execute(fig)
    fig.set_layout_engine("none")


def save(fig: Figure, folder: str | Path, name: str) -> None:
    """Write a figure as PNG (150 dpi) and SVG; the same figure gives the same bytes.

    Drawing takes time. The environment variable ``HYBRIDLIB_FIGURES`` leaves some of it out: with
    ``png`` the SVG, with names of figure functions, such as ``bias_plane,forest`` or ``none``, also
    every other figure. What was not drawn is not written.

    Args:
        fig: the figure.
        folder: made if it does not exist.
        name: of the two files, without an ending.
    """
    if not fig.axes:
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with plt.style.context(["default", _STYLE, {"svg.hashsalt": "hybridlib"}]):
        fig.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
        if not os.environ.get(_WANTED):
            fig.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


def text_on(background: ColorType) -> str:
    """Return black or white, whichever stands out more from a background."""
    return "black" if _luminance(background) > 0.179 else "white"


def text_on_white(colour: ColorType) -> tuple[float, ...]:
    """Return the colour, darkened until it can be read as text on white (contrast 4.5 : 1)."""
    rgb = np.array(to_rgb(colour))
    while 1.05 / (_luminance(tuple(rgb)) + 0.05) < 4.5:
        rgb = rgb * 0.95
    return tuple(rgb)


def _luminance(colour: ColorType) -> float:
    """Return the relative luminance of a colour, from 0 (black) to 1 (white)."""
    linear = []
    for channel in to_rgb(colour):
        if channel <= 0.04045:
            linear.append(channel / 12.92)
        else:
            linear.append(((channel + 0.055) / 1.055) ** 2.4)
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
