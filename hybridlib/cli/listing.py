"""Commands that print what there is: ``hybridlib params`` and ``hybridlib strategies``."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from hybridlib.batching.strategies import STRATEGIES
from hybridlib.config.describe import describe
from hybridlib.config.names import BM25, SOUP, UNTRAINED
from hybridlib.config.params import Params

_WIDTH = 110
_INDENT = "    "


def list_params(options: argparse.Namespace) -> int:
    """Print every parameter, or those that are named.

    Raises:
        InputError: a name is no parameter.
    """
    for name in options.names:
        if name not in Params.model_fields:
            Params.check({name: None}, "hybridlib params")  # the error names the nearest one
    table = describe()
    shown = table[table["name"].isin(options.names)] if options.names else table
    sections = []
    for section, rows in shown.groupby("section", sort=False):
        parameters = "\n".join(_written(row) for row in rows.itertuples())
        sections.append(f"# {section}\n{parameters}")
    print("\n\n".join(sections))
    return 0


def _written(row: Any) -> str:
    """Return a parameter with its default, type, unit, limits and meaning."""
    kind = row.type
    if row.unit:
        kind += f" ({row.unit})"
    if row.range:
        kind += f", {row.range}"
    meaning = textwrap.fill(row.meaning, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return f"\n{row.name}: {row.default}\n{_INDENT}{kind}\n{meaning}"


def list_strategies(options: argparse.Namespace) -> int:
    """Print the batch strategies, one line each."""
    print(f"{UNTRAINED:<14} the encoder as it is")
    print(f"{BM25:<14} a search by the encoder's subwords, without the encoder")
    print(f"{SOUP:<14} the mean of the weights of other systems (soup_of), in `systems` alone")
    for name, entry in STRATEGIES.items():
        print(f"{name:<14} {entry.meaning}")
    return 0
