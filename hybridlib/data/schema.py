"""Schemas: what the columns of a table are, and the records that keep to one.

A schema says of each column its kind, whether it is needed, and what stands for a missing value;
and which columns together may not stand twice. Every table is read through one, so that a wrong
value is an error with file and record, whatever the format of the file.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hybridlib.data.values import TEXT, BadValueError, Kind, Values, strings
from hybridlib.data.words import have_words
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

_AT_A_TIME = 65_536  # rows that are checked or hashed


@dataclass(frozen=True)
class Field:
    """A column of a table. Without a default, no value may be missing or blank.

    Attributes:
        name: its name.
        kind: of its values.
        default: what a missing or blank value stands for.
        default_from: the column before this one that a missing or blank value is taken from.
        optional: whether the whole column may be missing; None: if there is a default.
        gaps: whether single values may be missing where the column is there.
        other_names: that the column may have as well.
    """

    name: str
    kind: Kind
    default: str | int | None = None
    default_from: str = ""
    optional: bool | None = None
    gaps: bool = True
    other_names: tuple[str, ...] = ()

    @property
    def has_default(self) -> bool:
        """Return whether a missing value stands for another."""
        return self.default is not None or bool(self.default_from)

    @property
    def needed(self) -> bool:
        """Return whether a table without this column is refused."""
        return not (self.has_default if self.optional is None else self.optional)


@dataclass(frozen=True)
class Unique:
    """Columns in which no two records are equal; ``rule`` says why."""

    columns: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class Chunk:
    """Some records of a table, as they stand in a file.

    Attributes:
        source: the file.
        unit: what records are counted in: ``line``, ``record`` or ``row``.
        numbers: of each record, in that unit.
        names: the columns that the file has.
        columns: the values of those that are read.
    """

    source: str
    unit: str
    numbers: Sequence[int]
    names: Sequence[str]
    columns: Mapping[str, Values]

    def name(self, position: int) -> str:
        """Return file and number of one of the records, for an error message."""
        return f"{self.source}: {self.unit} {self.numbers[position]}"


@dataclass(frozen=True)
class Schema:
    """The columns of a table.

    Attributes:
        fields: the columns. The first is the id that messages name a record by.
        unique: what may not stand twice.
    """

    fields: tuple[Field, ...]
    unique: tuple[Unique, ...] = ()

    @property
    def names(self) -> set[str]:
        """Return all names that its columns may have."""
        return {name for field in self.fields for name in (field.name, *field.other_names)}

    def read(self, source: str, chunks: Iterable[Chunk]) -> Records:
        """Return the records of a table, each value checked.

        Args:
            source: what an error message about the whole table begins with.
            chunks: the table, in parts.

        Raises:
            InputError: no record, a missing column, a wrong value, or what stands twice.
        """
        columns: dict[str, list[pa.Array]] = {field.name: [] for field in self.fields}
        origins: list[Chunk] = []
        present: dict[str, None] = {}
        for chunk in chunks:
            for name, array in self._columns(chunk).items():
                columns[name].append(array)
            origins.append(replace(chunk, names=(), columns={}))
            present.update(dict.fromkeys(chunk.names))
        if not any(len(origin.numbers) for origin in origins):
            raise InputError(f"{source}: holds no record")
        # The parts stay as they are: put together, they would be in memory twice.
        arrays = {name: pa.chunked_array(parts) for name, parts in columns.items()}
        records = Records(pa.table(arrays), origins, tuple(present))
        for unique in self.unique:
            _check_unique(unique, records)
        return records

    def missing(self, chunk: Chunk) -> list[str]:
        """Return the needed columns that a file does not have."""
        needed = (field for field in self.fields if field.needed)
        return [field.name for field in needed if _name_in(field, chunk) is None]

    def _columns(self, chunk: Chunk) -> dict[str, pa.Array]:
        """Return the columns of some records, missing values replaced."""
        missing = self.missing(chunk)
        if missing:
            needed = ", ".join(field.name for field in self.fields if field.needed)
            optional = ", ".join(field.name for field in self.fields if not field.needed)
            raise InputError(
                f"{chunk.source}: no column {', '.join(missing)}; it has "
                f"{', '.join(map(str, chunk.names))} and needs {needed} (optional: {optional})"
            )
        columns: dict[str, pa.Array] = {}
        for field in self.fields:
            try:
                columns[field.name] = _column(field, chunk, columns)
            except BadValueError as error:
                raise InputError(self._message(field, chunk, columns, error)) from None
        return columns

    def _message(
        self, field: Field, chunk: Chunk, columns: dict[str, pa.Array], error: BadValueError
    ) -> str:
        """Return what is said of a wrong value."""
        what = f"{error.part} of {field.name}" if error.part else field.name
        key = self.fields[0].name
        if field.kind is TEXT and key in columns:
            what += f" of {key} {columns[key][error.position].as_py()!r}"
        return f"{chunk.name(error.position)}: {what} is {error.value}; {error.rule}"


@dataclass(frozen=True)
class Records:
    """The records of a table.

    Attributes:
        table: one row for each record, in the columns of the schema.
        chunks: where they come from; without their values.
        present: the columns that the files have.
    """

    table: pa.Table
    chunks: Sequence[Chunk]
    present: tuple[str, ...]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return the table; the parts of an object are columns ``object.part``."""
        return self.table.flatten().to_pandas()

    def name(self, row: int) -> str:
        """Return file and number of a record, for an error message."""
        ends = np.cumsum([len(chunk.numbers) for chunk in self.chunks])
        number = bisect_right(ends.tolist(), row)
        before = int(ends[number - 1]) if number else 0
        return self.chunks[number].name(row - before)

    def check_texts(self, column: str, texts: pd.Series) -> None:
        """Check that texts made of these records have words.

        Args:
            column: what an error message calls them.
            texts: one for each record; a missing one is no text.

        Raises:
            InputError: one has no words; with its record.
        """
        for start in range(0, len(texts), _AT_A_TIME):
            array = strings(texts.iloc[start : start + _AT_A_TIME])
            row = pc.index(pc.and_not(array.is_valid(), have_words(array)), True).as_py()
            if row >= 0:
                raise InputError(f"{self.name(start + row)}: {column} is empty; {TEXT.rule}")

    def check_known(self, column: str, known: pd.Series, holder: str) -> None:
        """Check that every id in a column stands in another table.

        Args:
            column: the ids.
            known: the ids of the other table.
            holder: its name.

        Raises:
            InputError: one does not; with its record.
        """
        unknown = ~self.frame[column].isin(known).to_numpy()
        if unknown.any():
            row = int(unknown.argmax())
            raise InputError(
                f"{self.name(row)} names {column} {self.frame[column].iloc[row]!r}, "
                f"which {holder} does not hold ({unknown.sum()} such)"
            )

    def warn_unused(self, schema: Schema) -> None:
        """Warn of the columns of the files that the schema does not name."""
        unused = [str(name) for name in self.present if name not in schema.names]
        if unused:
            source = self.chunks[0].source
            log.warning("%s: not used: column %s", source, ", ".join(unused))


def read_chunks(source: str, chunks: Iterable[Chunk], schemas: Sequence[Schema]) -> Records:
    """Read a table by the first of several schemas whose columns it has.

    Args:
        source: what an error message about the whole table begins with.
        chunks: the table, in parts.
        schemas: the last is taken where none fits.

    Raises:
        InputError: as :meth:`Schema.read`.
    """
    chunks = iter(chunks)
    first = list(islice(chunks, 1))
    schema = _first_that_fits(schemas, first[0]) if first else schemas[-1]
    return schema.read(source, _of_one_schema(schema, schemas, chain(first, chunks)))


def _first_that_fits(schemas: Sequence[Schema], chunk: Chunk) -> Schema:
    """Return the first schema whose columns some records have, else the last."""
    fitting = [schema for schema in schemas if not schema.missing(chunk)]
    return fitting[0] if fitting else schemas[-1]


def _of_one_schema(
    schema: Schema, schemas: Sequence[Schema], chunks: Iterable[Chunk]
) -> Iterator[Chunk]:
    """Yield the parts of a table; an InputError if one would be read by a schema before this."""
    for chunk in chunks:
        better = _first_that_fits(schemas, chunk)
        if schemas.index(better) < schemas.index(schema):
            names = sorted(better.names - schema.names)
            raise InputError(
                f"{chunk.source}: has the column {', '.join(names)}, which the parts of the table "
                "before it lack; all parts have the same columns"
            )
        yield chunk


def check_frame(schema: Schema, source: str, frame: pd.DataFrame) -> None:
    """Check that a table in memory keeps to a schema.

    Raises:
        InputError: as :meth:`Schema.read`; records are named by their row, from 0.
    """
    names = [str(name) for name in frame]
    used = [name for name in frame if str(name) in schema.names]
    chunks = []
    for start in range(0, max(1, len(frame)), _AT_A_TIME):
        rows = frame.iloc[start : start + _AT_A_TIME]
        columns = {str(name): _series_values(rows[name]) for name in used}
        numbers = range(start, start + len(rows))
        chunks.append(Chunk(source, "row", numbers, names, columns))
    schema.read(source, chunks)


def _check_unique(unique: Unique, records: Records) -> None:
    """Check that no two records are equal in some columns."""
    frame = records.frame[list(unique.columns)]
    # Exact comparison takes gigabytes for ten million records; records without a hash in common
    # differ.
    hashes = np.sort(row_hashes(frame))
    if not (hashes[1:] == hashes[:-1]).any():
        return
    repeated = frame.duplicated().to_numpy()
    if repeated.any():
        row = int(repeated.argmax())
        values = [f"{column} {frame[column].iloc[row]!r}" for column in unique.columns]
        raise InputError(
            f"{records.name(row)}: {' with '.join(values)} stands twice; {unique.rule}"
        )


def row_hashes(frame: pd.DataFrame) -> np.ndarray:
    """Return a hash of each row, ``[rows]`` uint64, in the memory of a few rows at a time."""
    parts = []
    for start in range(0, max(1, len(frame)), _AT_A_TIME):
        rows = frame.iloc[start : start + _AT_A_TIME]
        parts.append(pd.util.hash_pandas_object(rows, index=False).to_numpy())
    return np.concatenate(parts)


def _name_in(field: Field, chunk: Chunk) -> str | None:
    """Return what a column is called in a file; None if the file does not have it."""
    for name in (field.name, *field.other_names):
        if name in chunk.columns:
            return name
    return None


def _column(field: Field, chunk: Chunk, columns: Mapping[str, pa.Array]) -> pa.Array:
    """Return one column of some records, given the columns before it."""
    name = _name_in(field, chunk)
    values = [None] * len(chunk.numbers) if name is None else chunk.columns[name]
    if not field.has_default or (name is not None and not field.gaps):
        return field.kind.filled(values)
    default = columns[field.default_from] if field.default_from else field.default
    return field.kind.or_default(values, default)


def _series_values(series: pd.Series) -> Values:
    """Return the values of a column in memory; a missing one is null."""
    if series.dtype == object:
        return series.where(series.notna(), None).tolist()
    if series.dtype == "str":
        return strings(series)
    return pa.array(series, from_pandas=True)
