"""Columns of values of one kind: texts, ids, languages, grades. Each value is checked.

A column comes as a list of Python values (JSON, CSV, TREC) or as an Arrow array (parquet, the
hub). Both kinds of column obey the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hybridlib.config.names import LANGUAGE_RULE, can_be_language
from hybridlib.data.words import have_words

Values: TypeAlias = Sequence[Any] | pa.Array

_STRINGS = pa.large_string()
_MARK = "\ufeff[^\u200b\ufeff\\s]|[^\u200b\ufeff\\s]\ufeff"  # a mark beside a character
_DECIMAL = re.compile(r"-?[0-9]+\.0+")
_WHOLE_NUMBER = re.compile(r"\s*\+?[0-9]+(\.0*)?\s*")
_LARGEST_GRADE = 2**31 - 1
_LONGEST_SHOWN = 80
_JOINED = 65_536  # texts that are joined with their titles at a time


class BadValueError(Exception):
    """A value that its kind does not allow.

    Attributes:
        position: where it stands in the column.
        value: in words, as an error message shows it.
        rule: what the value should be.
        part: the key of an object within the value that is wrong; empty for the value itself.
    """

    def __init__(self, position: int, value: Any, rule: str) -> None:
        super().__init__(position, value, rule)
        self.position = position
        self.value = in_words(value)
        self.rule = rule
        self.part = ""


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        convert: makes an Arrow array of a column, missing values null; raises BadValueError.
        rule: what a message says where a value is missing or blank.
        may_be_empty: whether a missing value is a value, such as an empty list.
    """

    convert: Callable[[Values], pa.Array]
    rule: str
    may_be_empty: bool = False

    def filled(self, values: Values) -> pa.Array:
        """Return the column, in which no value may be missing or blank."""
        array = self.convert(values)
        if self.may_be_empty:
            return array
        blank = is_blank(array)
        if pc.any(blank, min_count=0).as_py():
            position = pc.index(blank, True).as_py()
            raise BadValueError(position, array[position].as_py(), self.rule)
        return array

    def or_default(self, values: Values, default: pa.Array | str | int) -> pa.Array:
        """Return the column, missing and blank values replaced by a default."""
        array = self.convert(values)
        if not isinstance(default, pa.Array):
            default = pa.scalar(default, array.type)
        return pc.if_else(is_blank(array), default, array)


def is_blank(array: pa.Array) -> pa.BooleanArray:
    """Return which values are missing, or strings without a character that can be seen."""
    if array.type == _STRINGS:
        return pc.invert(have_words(array))
    return array.is_null()


def strings(series: pd.Series) -> pa.Array:
    """Return a column of strings as one Arrow array; a missing one is null."""
    array = pa.array(series, _STRINGS, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def with_titles(texts: pd.Series, titles: pd.Series) -> pd.Series:
    """Return title, a space, and the text; the text alone where the title is empty."""
    # Part by part, because each step makes a copy.
    parts = []
    for start in range(0, max(1, len(texts)), _JOINED):
        rows = slice(start, start + _JOINED)
        text = texts.iloc[rows]
        title = titles.iloc[rows]
        parts.append(text.where(title == "", title + " " + text))
    return pd.concat(parts)


def in_words(value: Any) -> str:
    """Return a wrong value for an error message."""
    if value is None or value != value:
        return "missing"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."


# ---------------------------------------------------------------------------------------- strings


def _to_texts(values: Values) -> pa.Array:
    """Return texts: strings and nothing else."""
    return _to_strings(values, (str,), "a text is a string")


def _to_ids(values: Values) -> pa.Array:
    """Return ids as strings: strings as they stand, whole numbers by their digits."""
    ids = _to_strings(values, (str, Integral), "an id is a string or a whole number")
    for pattern, what in ((f"^{_DECIMAL.pattern}$", DECIMAL_RULE), (_MARK, MARK_RULE)):
        position = pc.index(pc.match_substring_regex(ids, pattern), True).as_py()
        if position >= 0:
            raise BadValueError(position, ids[position].as_py(), what)
    return ids


def is_decimal(text: str) -> bool:
    """Return whether a text is a whole number as a decimal, such as ``7.0``."""
    return _DECIMAL.fullmatch(text) is not None


def _to_names(values: Values) -> pa.Array:
    """Return names as strings, which may be whole numbers."""
    return _to_strings(values, (str, Integral), "a name is a string or a whole number")


def _to_keys(values: Values) -> pa.Array:
    """Return ids that have been read: strings and nothing else."""
    return _to_strings(values, (str,), "an id is a string")


def _to_languages(values: Values) -> pa.Array:
    """Return names of languages, which can be part of a file name."""
    languages = _to_strings(values, (str,), "the name of a language is a string")
    for name in pc.unique(languages).to_pylist():
        if name is None or can_be_language(name):
            continue
        if not pc.any(is_blank(pa.array([name], _STRINGS))).as_py():
            position = pc.index(languages, pa.scalar(name, _STRINGS)).as_py()
            raise BadValueError(position, name, LANGUAGE_RULE)
    return languages


def _to_strings(values: Values, types: tuple[type, ...], rule: str) -> pa.Array:
    """Return a column of strings; whole numbers become strings where ``types`` allow them."""
    if isinstance(values, pa.Array):
        return _arrow_to_strings(values, Integral in types, rule)
    kinds = set(map(type, values))
    allowed = {kind for kind in kinds if _is_allowed(kind, types)}
    if kinds != allowed:
        position = next(at for at, value in enumerate(values) if type(value) not in allowed)
        raise BadValueError(position, values[position], rule)
    if not allowed <= {str, type(None)}:
        values = [value if value is None else str(value) for value in values]
    try:
        return pa.array(values, _STRINGS)
    except UnicodeEncodeError:
        position = next(at for at, value in enumerate(values) if not is_whole(value or ""))
        raise BadValueError(position, values[position], SURROGATE_RULE) from None


def _is_allowed(kind: type, types: tuple[type, ...]) -> bool:
    """Return whether values of a Python type are allowed, or stand for a missing value."""
    return kind is type(None) or (issubclass(kind, types) and kind is not bool)


def is_whole(text: str) -> bool:
    """Return whether a text holds no lone surrogate, half of a character."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _arrow_to_strings(array: pa.Array, with_numbers: bool, rule: str) -> pa.Array:
    """Return a column of strings, by the type of an Arrow array."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        _check_encoding(array)
        return array.cast(_STRINGS)
    if with_numbers and pa.types.is_integer(kind):
        return array.cast(_STRINGS)
    # A column of another type says nothing where it has no value at all.
    position = pc.index(array.is_null(nan_is_null=True), False).as_py()
    if position >= 0:
        raise BadValueError(position, _python_value(array, position), rule)
    return pa.nulls(len(array), _STRINGS)


def python_values(array: pa.Array, rule: str) -> list[Any]:
    """Return an Arrow array as Python values; BadValueError for one that Python can not hold."""
    try:
        return array.to_pylist()
    # What fails depends on the type: UTF-8, times outside of the calendar.
    except (ValueError, OverflowError, TypeError):
        _check_encoding(array)
        raise BadValueError(0, array.type, rule) from None


def _python_value(array: pa.Array, position: int) -> Any:
    """Return a value of an Arrow array, or its type where Python can not hold it."""
    try:
        return array[position].as_py()
    except (ValueError, OverflowError, TypeError):
        return array.type


def _check_encoding(array: pa.Array) -> None:
    """Check that the strings of an Arrow array are UTF-8, which Arrow takes for granted."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        for position in range(len(array)):
            try:
                array[position].as_py()
            except UnicodeDecodeError as error:
                raise BadValueError(position, error.object, "a text is UTF-8") from None


# ----------------------------------------------------------------------------------------- numbers


def _to_grades(values: Values) -> pa.Array:
    """Return grades: whole numbers from 0, also as text."""
    if isinstance(values, pa.Array):
        values = python_values(values, GRADE_RULE)
    grades = []
    for position, value in enumerate(values):
        grade = _grade(value)
        if grade is None and value is not None:
            raise BadValueError(position, value, GRADE_RULE)
        grades.append(grade)
    return pa.array(grades, pa.int64())


def _grade(value: Any) -> int | None:
    """Return a grade as a whole number; None if it is none."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= _LARGEST_GRADE and value == int(value) else None


DECIMAL_RULE = (
    "an id that is a whole number is written without a decimal point (programs write 7.0 for 7 "
    "where a column has gaps)"
)
MARK_RULE = "it holds a byte-order mark; take it out (joined files have some in the middle)"
SURROGATE_RULE = "it holds half of a character (a lone surrogate); write the character whole"
GRADE_RULE = (
    "a grade is a whole number, 0 (judged not relevant) or more; "
    "without the column every pair counts as 1"
)

TEXT = Kind(_to_texts, "every text needs words")
ID = Kind(_to_ids, "every record needs one, a string or a whole number")
NAME = Kind(_to_names, "every record needs one, a string or a whole number")
KEY = Kind(_to_keys, "every row needs one")
LANGUAGE = Kind(_to_languages, "every record needs the name of its language")
GRADE = Kind(_to_grades, GRADE_RULE)
