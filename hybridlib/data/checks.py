"""Checks that every corpus and every table of training pairs must pass."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from hybridlib.errors import InputError


def check_texts(source: str, frame: pd.DataFrame, key: str, column: str) -> None:
    """Check that a table has records and that no text in ``column`` is empty.

    Args:
        source: what an error message begins with: the file or the corpus.
        frame: has the columns ``key``, ``column`` and ``lang``.
        key: the column of ids, which an error message names the record by.
        column: the column of texts.

    Raises:
        InputError: there is no record, or an empty text.
    """
    if not len(frame):
        raise InputError(f"{source}: holds no record")
    empty = frame[frame[column].isna() | (frame[column].str.strip() == "")]
    if len(empty):
        first = empty.iloc[0]
        raise InputError(
            f"{source}: {column} of {key} {first[key]!r} ({first['lang']}) is empty; "
            "every text needs words"
        )


def check_ids(source: str, ids: pd.Series) -> None:
    """Check that no id stands twice; the name of ``ids`` is what an error message calls it."""
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise InputError(
            f"{source}: {ids.name} {repeated.iloc[0]!r} stands twice; ids must be unique"
        )


def check_language_names(source: str, languages: pd.Series) -> None:
    """Check that every language can be part of a file name, and is not called ``all``."""
    for language in languages.unique():
        if language == "all" or not re.fullmatch(r"[\w.-]+", language):
            raise InputError(
                f"{source}: {language!r} cannot be a language: use letters, digits, '-', '_' and "
                "'.' (results name files by it), and not 'all', which means all languages pooled"
            )


def check_languages(source: str, wanted: Iterable[str], present: Iterable[str]) -> None:
    """Check that at least one language is wanted, and that ``present`` has all that are."""
    wanted = set(wanted)
    present = set(present)
    missing = sorted(wanted - present)
    if missing:
        problem = "has no " + ", ".join(missing)
    elif not wanted:
        problem = "no language was asked for"
    else:
        return
    raise InputError(f"{source}: {problem}; it has {', '.join(sorted(present))}")
