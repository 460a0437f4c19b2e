"""The entries of ``systems``: what a study compares, each a strategy with settings of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from hybridlib.config.names import NO_BATCHES, SOUP
from hybridlib.errors import did_you_mean

# What an entry says beside settings.
_OWN = ("name", "strategy", "seeds")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_systems(
    systems: Sequence[dict[str, Any]],
    allowed: Collection[str],
    check_value: Callable[[str, str, Any], Any],
    seeds: Sequence[int],
) -> None:
    """Refuse entries that name no run.

    Args:
        systems: the entries.
        allowed: parameters that a run may have for itself.
        check_value: from (source, name of a parameter, value); raises a ValueError.
        seeds: of entries that have none of their own.

    Raises:
        ValueError: an entry has no name or strategy, a name that is no part of a folder's or
            stands twice, or a setting that is none or has an impossible value; or a soup has
            nothing that it can be made of.
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
    _check_soups(systems, seeds)


def _check_soups(systems: Sequence[dict[str, Any]], seeds: Sequence[int]) -> None:
    """Refuse a soup of systems that are not there, not trained, or lack one of its seeds."""
    trained = {each["name"]: each for each in systems if each["strategy"] not in NO_BATCHES}
    for soup in systems:
        parts = soup.get("soup_of", [])
        source = f"systems, {soup['name']}"
        if soup["strategy"] != SOUP:
            if any(name.startswith("soup_") for name in soup):
                raise ValueError(f"{source}: what begins with soup_ needs the strategy {SOUP}")
            continue
        if not parts or len(set(parts)) < len(parts):
            raise ValueError(f"{source}: soup_of names what is averaged, each once; give names")
        needed = {
            each
            for seed in soup.get("seeds", seeds)
            for each in seeds_of_soup(seed, soup.get("soup_seeds", 1))
        }
        for name in parts:
            if name not in trained:
                raise ValueError(
                    f"{source}: soup_of: no trained entry is called {name!r}"
                    f"{did_you_mean(name, trained)}"
                )
            lacking = needed - set(trained[name].get("seeds", seeds))
            if lacking:
                raise ValueError(
                    f"{source}: {name} has no run of seed {min(lacking)}; name the soup's seeds"
                )


def seeds_of_soup(seed: int, number: int) -> range:
    """Return the seeds whose trainings the soup of a seed takes, so many of each of its parts."""
    return range(seed * number, (seed + 1) * number)


def settings_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an entry that differ from those of the study."""
    return {name: value for name, value in entry.items() if name not in _OWN}
