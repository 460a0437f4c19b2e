"""Parameter files and the values of ``-p NAME VALUE``, both read as YAML 1.2.

In YAML 1.2 ``2e-5`` is a number, ``010`` is ten, and ``1:30``, ``no`` and ``on`` are texts; earlier
versions read them otherwise. A key that stands twice is refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from hybridlib.errors import InputError

_NULLS = ("null", "Null", "NULL", "~")


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        InputError: the file is missing, is no YAML, holds something else than a mapping, or has a
            key that is no text or stands twice.
    """
    try:
        values = _load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such parameter file; params/ holds some to start from"
        ) from None
    except (OSError, ValueError, RecursionError, YAMLError) as error:
        raise InputError(f"{file}: cannot be read as YAML: {_in_one_line(error)}") from None
    if not isinstance(values, dict):
        raise InputError(f"{file}: expected `key: value` lines, found {type(values).__name__}")
    for key in values:
        if not isinstance(key, str):
            raise InputError(
                f"{file}: the key {key!r} is no text; a key is the name of a parameter"
            )
    return values


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add ``-p NAME VALUE`` to a command line; :func:`parse_overrides` reads what it was given."""
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter, read as YAML",
    )


def parse_overrides(given: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Return what ``-p NAME VALUE`` sets, from pairs of name and text.

    A value is read as YAML reads it: ``0.3``, ``[de, en]``, ``null``. An empty or blank text is
    that text.

    Raises:
        InputError: a text is no YAML, or a name stands twice.
    """
    values: dict[str, Any] = {}
    for name, text in given:
        if name in values:
            raise InputError(f"-p {name} stands twice; give it once")
        try:
            value = _load(text) if text.strip() else text
        except (ValueError, RecursionError, YAMLError) as error:
            raise InputError(
                f"-p {name}: {text!r} cannot be read as YAML: {_in_one_line(error)}"
            ) from None
        is_blank = value is None and text not in _NULLS
        values[name] = text if is_blank else value
    return values


class _Constructor(SafeConstructor):
    """Makes values of YAML, integers as YAML 1.2 writes them."""

    def construct_yaml_int(self, node: Any) -> Any:
        """Return an integer; digits with ``_`` between are a text in YAML 1.2."""
        text = self.construct_scalar(node)
        return text if "_" in text else super().construct_yaml_int(node)


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)


def _load(text: str) -> Any:
    """Return the value of a YAML text."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml.load(text)


def _in_one_line(error: Exception) -> str:
    """Return the message of an error without line breaks and without ruamel's advice."""
    message = str(error).partition("\n\nTo suppress")[0].partition("\nDuplicate keys")[0]
    return " ".join(message.split())
