"""Columns of lists: of texts, of numbers, of objects such as the judged passages of a query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hybridlib.data.schema import Field
from hybridlib.data.strict_json import parse_json
from hybridlib.data.values import TEXT, BadValueError, Kind, Values, is_blank, python_values


def first_of_list(parts: Sequence[Field]) -> Kind:
    """Return the kind of a list of objects of which the first is taken; null where it is empty.

    Args:
        parts: the keys of an object that are read.

    Returns:
        Its columns are Arrow structs.
    """
    rule = _rule(parts)

    def convert(values: Values) -> pa.Array:
        lists = _lists(values, rule, first=True)
        for position, items in enumerate(lists):
            if items and items[0] is None:
                raise BadValueError(position, items, rule)
        objects = [items[0] if items else None for items in lists]
        return _to_structs(objects, parts, range(len(objects)), rule)

    return Kind(convert, rule, may_be_empty=True)


def list_of(parts: Sequence[Field]) -> Kind:
    """Return the kind of a list of objects, all of which are taken; it may be empty.

    Args:
        parts: as in :func:`first_of_list`.

    Returns:
        Its columns are Arrow lists of structs.
    """
    rule = _rule(parts)

    def convert(values: Values) -> pa.Array:
        lists = _lists(values, rule, gaps=False)
        objects = [item for items in lists for item in items]
        positions = np.repeat(np.arange(len(lists)), [len(items) for items in lists]).tolist()
        return _to_arrow_lists(lists, _to_structs(objects, parts, positions, rule))

    return Kind(convert, rule, may_be_empty=True)


def _to_text_lists(values: Values) -> pa.Array:
    """Return lists of texts; a missing one is empty."""
    lists = _lists(_parsed(values, TEXTS_RULE), TEXTS_RULE)
    positions = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    try:
        texts = TEXT.filled([text for items in lists for text in items])
    except BadValueError as error:
        error.position = int(positions[error.position])
        error.part = "a text"
        raise
    return _to_arrow_lists(lists, texts)


def _to_number_lists(values: Values) -> pa.Array:
    """Return lists of finite numbers; a missing one is empty."""
    lists = _lists(_parsed(values, NUMBERS_RULE), NUMBERS_RULE)
    for position, items in enumerate(lists):
        for item in items:
            is_number = isinstance(item, int | float) and not isinstance(item, bool)
            if not is_number or not math.isfinite(item):
                raise BadValueError(position, items, NUMBERS_RULE)
    numbers = [float(item) for items in lists for item in items]
    return _to_arrow_lists(lists, pa.array(numbers, pa.float64()))


def _parsed(values: Values, rule: str) -> Values:
    """Return lists that a CSV file holds as JSON; others stay as they are."""
    if isinstance(values, pa.Array):
        return values
    parsed = []
    for position, value in enumerate(values):
        if isinstance(value, str):
            try:
                value = parse_json(value) if value.strip() else None
            except ValueError:
                raise BadValueError(position, value, rule) from None
        parsed.append(value)
    return parsed


def _to_arrow_lists(lists: Sequence[Sequence[Any]], items: pa.Array) -> pa.Array:
    """Return an Arrow array of lists, given all their items one after another."""
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), items)


TEXTS_RULE = "it is a list of texts; in CSV, a list as JSON writes it"
NUMBERS_RULE = "it is a list of finite numbers; in CSV, a list as JSON writes it"

TEXTS = Kind(_to_text_lists, TEXTS_RULE, may_be_empty=True)
NUMBERS = Kind(_to_number_lists, NUMBERS_RULE, may_be_empty=True)


def _rule(parts: Sequence[Field]) -> str:
    """Return what a message says where a value is no such list."""
    return f"it is a list of {{{', '.join(part.name for part in parts)}}}"


def _lists(values: Values, rule: str, first: bool = False, gaps: bool = True) -> list[list[Any]]:
    """Return lists, perhaps cut to their first item.

    Args:
        values: lists, or an Arrow array of them.
        rule: what a message says of a value that is no list.
        first: whether the first item is enough.
        gaps: whether a missing value stands for an empty list.
    """
    if isinstance(values, pa.Array):
        is_list = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
        lists = pc.list_slice(values, 0, 1) if first and is_list else values
        values = python_values(lists, rule)
    for position, value in enumerate(values):
        if not isinstance(value, list) and not (value is None and gaps):
            raise BadValueError(position, value, rule)
    return [value or [] for value in values]


def _to_structs(
    objects: Sequence[Any], parts: Sequence[Field], positions: Sequence[int], rule: str
) -> pa.StructArray:
    """Return objects as Arrow structs, each part checked.

    Args:
        objects: dictionaries; None makes a null.
        parts: the keys that are read.
        positions: the record that each object belongs to.
        rule: what a message says of a value that is no such object.
    """
    needed = {part.name for part in parts if part.needed}
    for position, value in zip(positions, objects):
        if value is not None and not (isinstance(value, dict) and needed <= value.keys()):
            raise BadValueError(position, value, rule)
    missing = pa.array([value is None for value in objects], pa.bool_())
    columns = []
    for part in parts:
        values = [None if value is None else value.get(part.name) for value in objects]
        try:
            columns.append(_part(part, values, missing))
        except BadValueError as error:
            error.position = positions[error.position]
            error.part = part.name
            raise
    return pa.StructArray.from_arrays(columns, [part.name for part in parts], mask=missing)


def _part(part: Field, values: Sequence[Any], missing: pa.BooleanArray) -> pa.Array:
    """Return one part of some objects; it may be blank only if it has a default."""
    if part.has_default:
        return part.kind.or_default(values, part.default)
    array = part.kind.convert(values)
    blank = pc.index(pc.and_not(is_blank(array), missing), True).as_py()
    if blank >= 0:
        raise BadValueError(blank, values[blank], part.kind.rule)
    return array
