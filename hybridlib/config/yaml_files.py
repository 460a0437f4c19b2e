"""Parameter files and the values of ``-p NAME VALUE``, both read as YAML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from hybridlib.errors import InputError


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        InputError: the file is missing, is no YAML or holds something else.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such parameter file; params/ holds some to start from"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read as YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{file}: expected `key: value` lines, found {type(values).__name__}")
    return values


def parse_overrides(given: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Return what ``-p NAME VALUE`` sets, from pairs of name and text.

    A value is read as YAML reads it: ``0.3``, ``[de, en]``, ``null``.

    Raises:
        InputError: a text is no YAML.
    """
    values = {}
    for name, text in given:
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"-p {name}: {text!r} cannot be read as YAML: {reason}") from None
    return values
