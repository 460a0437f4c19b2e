"""JSON read strictly: no key twice in an object, no NaN, no number that Python cannot hold."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON, or an object has one key twice; with the reason.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a JSON text, whose keys are all different."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in {str(values)[:80]}")
    return values


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python writes but JSON does not have."""
    raise ValueError(f"{name} is no JSON; write null for a missing value")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
