"""Reading the records of tables: JSON lines, CSV, parquet, TREC's qrels, packed or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hybridlib.data.csv_files import CsvFile
from hybridlib.data.schema import Chunk, Records, Schema, read_chunks
from hybridlib.data.strict_json import parse_json
from hybridlib.data.text_files import filled_lines
from hybridlib.data.values import SURROGATE_RULE, is_whole
from hybridlib.errors import InputError

TABLE_ENDINGS = (".jsonl", ".csv", ".parquet")
TREC_ENDINGS = (".txt", ".tsv", ".qrels")
PACKED_ENDINGS = (".jsonl.gz", ".json.gz")

_CHUNK = 2_000  # records that are held as Python objects at a time
_BATCH = 50_000  # records of a parquet file that are held beside the result


def read_table(file: Path, schema: Schema) -> Records:
    """Read a table of the user by its schema; a warning names the columns that are not used.

    Raises:
        InputError: an ending other than TABLE_ENDINGS, and as :func:`read_records`.
    """
    if file.suffix not in TABLE_ENDINGS:
        raise InputError(f"{file}: a table ends in {', '.join(TABLE_ENDINGS)}")
    records = read_records(file, schema)
    records.warn_unused(schema)
    return records


def read_records(
    files: Path | Sequence[Path],
    *schemas: Schema,
    keep: Callable[[Chunk], Chunk] = lambda chunk: chunk,
) -> Records:
    """Read a table by its schema; the endings of its files say how.

    Args:
        files: the file of the table, or several that hold parts of it.
        schemas: what its columns are; of several the first that fits is taken.
        keep: takes some records and returns those that are wanted, before more are read.

    Raises:
        InputError: another ending, a file that cannot be read, or records that do not keep to
            the schema; with file and record.
    """
    files = [files] if isinstance(files, Path) else files
    wanted = set().union(*(schema.names for schema in schemas))
    chunks = (keep(chunk) for file in files for chunk in _reader(file)(file, wanted))
    source = str(files[0] if len(files) == 1 else files[0].parent)
    return read_chunks(source, chunks, schemas)


def read_arrow(source: str, table: pa.Table, *schemas: Schema) -> Records:
    """Read an Arrow table by its schema, as :func:`read_records` does with a file."""
    wanted = set().union(*(schema.names for schema in schemas))
    names = table.column_names
    chunks = []
    start = 1
    for batch in table.select([name for name in names if name in wanted]).to_batches():
        numbers = range(start, start + len(batch))
        start += len(batch)
        columns = dict(zip(batch.schema.names, batch.columns))
        chunks.append(Chunk(source, "record", numbers, names, columns))
    return read_chunks(source, chunks, schemas)


def _reader(file: Path) -> Callable[[Path, Collection[str]], Iterator[Chunk]]:
    """Return how to read a file."""
    if file.suffix == ".jsonl" or file.name.endswith(PACKED_ENDINGS):
        return _read_jsonl
    if file.suffix == ".csv":
        return _read_csv
    if file.suffix == ".parquet":
        return _read_parquet
    if file.suffix in TREC_ENDINGS:
        return _read_trec
    known = (*TABLE_ENDINGS, *PACKED_ENDINGS, *TREC_ENDINGS)
    raise InputError(f"{file}: a file of records ends in {', '.join(known)}")


def _read_jsonl(file: Path, wanted: Collection[str]) -> Iterator[Chunk]:
    """Yield the records of a file with one JSON object a line."""
    lines = filled_lines(file)
    while part := list(islice(lines, _CHUNK)):
        rows = [_json_object(file, number, line) for number, line in part]
        names: dict[str, None] = {}
        for (number, _), row in zip(part, rows):
            if row.keys() != names.keys():
                names.update(dict.fromkeys(row))
                _check_keys(file, number, row)
        columns = {name: [row.get(name) for row in rows] for name in names if name in wanted}
        numbers = [number for number, _ in part]
        yield Chunk(str(file), "line", numbers, list(names), columns)


def _json_object(file: Path, number: int, line: str) -> dict[str, Any]:
    """Return the object in a line."""
    try:
        value = parse_json(line)
    except ValueError as error:
        raise InputError(f"{file}: line {number} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(
            f'{file}: line {number} is not an object; a record is {{"key": value, ...}} on one line'
        )
    return value


def _check_keys(file: Path, number: int, record: dict[str, Any]) -> None:
    """Check the characters of the keys of an object."""
    for key in record:
        if not is_whole(key):
            raise InputError(f"{file}: line {number}: the key {key!r}: {SURROGATE_RULE}")


def _read_csv(file: Path, wanted: Collection[str]) -> Iterator[Chunk]:
    """Yield the records of a CSV file; its values are strings."""
    table = CsvFile(file)
    records = table.records()
    start = 1
    while part := list(islice(records, _CHUNK)):
        columns = dict(zip(table.names, zip(*part)))
        numbers = range(start, start + len(part))
        start += len(part)
        used = {name: columns[name] for name in table.names if name in wanted}
        yield Chunk(str(file), "record", numbers, table.names, used)


def _read_trec(file: Path, wanted: Collection[str]) -> Iterator[Chunk]:
    """Yield the records of TREC's qrels: ``query 0 passage grade``, between spaces or tabs."""
    lines = filled_lines(file)
    while part := list(islice(lines, _CHUNK)):
        rows = []
        for number, line in part:
            # Ids may hold other white space, such as a no-break space.
            fields = re.split(r"[ \t]+", line.strip(" \t"))
            if len(fields) != 4:
                raise InputError(
                    f"{file}: line {number} has {len(fields)} fields; TREC's qrels have four, "
                    "without a heading: query 0 passage grade"
                )
            rows.append(fields)
        query_ids, _, passage_ids, grades = zip(*rows)
        columns = {"query_id": query_ids, "passage_id": passage_ids, "grade": grades}
        yield Chunk(str(file), "line", [number for number, _ in part], list(columns), columns)


def _read_parquet(file: Path, wanted: Collection[str]) -> Iterator[Chunk]:
    """Yield the records of a parquet file."""
    start = 1
    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise InputError(f"{file}: has the column {min(twice)!r} twice")
            used = [name for name in names if name in wanted]
            for batch in table.iter_batches(_BATCH, columns=used):
                numbers = range(start, start + len(batch))
                start += len(batch)
                columns = dict(zip(batch.schema.names, batch.columns))
                yield Chunk(str(file), "record", numbers, names, columns)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    # A path with a NUL character is a ValueError.
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: cannot be read as parquet: {error}") from None
