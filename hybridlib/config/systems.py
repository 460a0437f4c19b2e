"""The entries of ``systems``: what a study compares, each a strategy with settings of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from hybridlib.errors import did_you_mean

# What an entry says beside settings.
_OWN = ("name", "strategy", "seeds")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_systems(
    systems: Sequence[dict[str, Any]],
    allowed: Collection[str],
    check_value: Callable[[str, str, Any], Any],
) -> None:
    """Refuse entries that name no run.

    Args:
        systems: the entries.
        allowed: parameters that a run may have for itself.
        check_value: from (source, name of a parameter, value); raises a ValueError.

    Raises:
        ValueError: an entry has no name or strategy, a name that is no part of a folder's or
            stands twice, or a setting that is none or has an impossible value.
    """
    for number, entry in enumerate(systems, 1):
        source = f"systems, entry {number}"
        for key in ("name", "strategy"):
            if not isinstance(entry.get(key), str):
                raise ValueError(f"{source}: it has no {key}")
        if not _NAME.fullmatch(entry["name"]):
            raise ValueError(
                f"{source}: name {entry['name']!r}: use letters, digits, '.', '_' and '-', and "
                "begin with a letter or a digit"
            )
        for key, value in entry.items():
            if key in settings_of(entry) and key not in allowed:
                raise ValueError(
                    f"{source}: {key!r} is no parameter of training or evaluation"
                    f"{did_you_mean(key, allowed)}"
                )
            if key != "name":
                check_value(source, key, value)
    for name, count in Counter(entry["name"] for entry in systems).items():
        if count > 1:
            raise ValueError(f"systems: two entries are called {name!r}")


def settings_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an entry that differ from those of the study."""
    return {name: value for name, value in entry.items() if name not in _OWN}
