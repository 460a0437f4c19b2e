"""Tables of queries, passages and judgments, read strictly: every value is checked.

A record keeps the number of its line or record in the file, so that an error message names it.
Ids stay exactly as they stand, and numbers keep their digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.data.tables import read_table
from hybridlib.errors import InputError

TREC_ENDINGS = (".txt", ".tsv", ".qrels")


@dataclass(frozen=True)
class Records:
    """The records of one file.

    Attributes:
        file: where they come from.
        frame: one row for each record. The index holds line numbers or record numbers, from 1,
            and is called ``line`` or ``record``.
    """

    file: Path
    frame: pd.DataFrame

    def name(self, index: Any) -> str:
        """Return file and number of the record at ``index``, for an error message."""
        return f"{self.file}: {self.frame.index.name} {index}"

    def select(self, needed: Sequence[str], optional: Sequence[str]) -> Records:
        """Return the records with the needed columns and those optional ones that are present.

        Raises:
            InputError: there is no record, or a needed column is missing.
        """
        if not len(self.frame):
            raise InputError(f"{self.file}: holds no record")
        missing = [column for column in needed if column not in self.frame]
        if missing:
            raise InputError(
                f"{self.file}: no column {', '.join(missing)}; "
                f"it has {', '.join(map(str, self.frame.columns))} and needs {', '.join(needed)} "
                f"(optional: {', '.join(optional)})"
            )
        present = [column for column in (*needed, *optional) if column in self.frame]
        return Records(self.file, self.frame[present])

    def ids(self, column: str, default: pd.Series | None = None) -> pd.Series:
        """Return a column of ids or languages as strings.

        Args:
            column: its name.
            default: the ids of records that have none, or of all if there is no such column; None
                makes ids obligatory.

        Raises:
            InputError: an id that is missing, or neither a string nor a whole number.
        """
        if default is not None and column not in self.frame:
            return default
        values = self.frame[column].astype(object)
        if default is not None:
            blank = values.isna() | (values.astype(str).str.strip() == "")
            values = values.mask(blank, default)
        for index, value in values.items():
            is_id = isinstance(value, str | Integral) and not isinstance(value, bool)
            if not is_id or not str(value).strip():
                raise InputError(
                    f"{self.name(index)}: {column} is {_in_words(value)}; "
                    "every record needs one, a string or a whole number"
                )
        return values.astype(str)

    def texts(self, key: str) -> pd.Series:
        """Return the column ``text``; an error message names a record by its ``key`` too.

        Raises:
            InputError: a value that is missing, empty or no string.
        """
        keys = self.frame[key].astype(object)
        for index, value in self.frame["text"].astype(object).items():
            if not isinstance(value, str) or not value.strip():
                raise InputError(
                    f"{self.name(index)}: text of {key} {str(keys[index])!r} is "
                    f"{_in_words(value)}; every text needs words"
                )
        return self.frame["text"].astype(str)

    def grades(self) -> pd.Series:
        """Return the column ``grade`` as whole numbers; 1 if there is no such column.

        Raises:
            InputError: a grade that is missing, negative or no whole number.
        """
        if "grade" not in self.frame:
            return pd.Series(1, index=self.frame.index)
        values = self.frame["grade"].astype(object)
        grades = pd.to_numeric(values.where(values.notna(), None), errors="coerce").astype(float)
        is_grade = grades.between(0, 2**31 - 1) & (grades % 1 == 0)
        if not is_grade.all():
            index = is_grade.idxmin()
            raise InputError(
                f"{self.name(index)}: grade is {_in_words(values[index])}; a grade is a whole "
                "number, 0 (judged not relevant) or more. Without the column every pair counts "
                "as 1"
            )
        return grades.astype("int64")


def read_records(file: Path) -> Records:
    """Read a table of records, or TREC's qrels, by the ending of the file.

    Raises:
        InputError: a file that cannot be read.
    """
    if file.suffix == ".jsonl":
        return _read_jsonl(file)
    if file.suffix == ".csv":
        return _read_csv(file)
    if file.suffix in TREC_ENDINGS:
        return _read_trec(file)
    return read_parquet(file)


def read_parquet(file: Path) -> Records:
    """Read a parquet file; whole numbers stay whole where some are missing."""
    try:
        return _numbered(file, pd.read_parquet(file, dtype_backend="numpy_nullable"))
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read as parquet: {error}") from None


def with_titles(texts: pd.Series, titles: pd.Series) -> pd.Series:
    """Return title, a space, and the text; the text alone where there is no title."""
    titles = titles.astype(object).where(titles.notna(), "").astype(str)
    return texts.where(titles.str.strip() == "", titles + " " + texts)


def _read_jsonl(file: Path) -> Records:
    """Read one JSON object a line; numbers keep their digits, which pandas does not promise."""
    records: dict[int, dict] = {}
    for number, line in _lines(file):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{file}: line {number} is not valid JSON: {error}") from None
        if not isinstance(record, dict):
            raise InputError(
                f"{file}: line {number} is not an object; "
                'a record is {"key": value, ...} on one line'
            )
        records[number] = record
    index = pd.Index(list(records), name="line")
    return Records(file, pd.DataFrame(list(records.values()), index=index, dtype=object))


def _read_csv(file: Path) -> Records:
    """Read a CSV file whose records have as many fields as its first line names."""
    frame = read_table(file)
    # pandas takes fields that the first line does not name for an index.
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(
            f"{file}: its records have more fields than its first line names; "
            "put texts that hold a comma in double quotes"
        )
    return _numbered(file, frame)


def _read_trec(file: Path) -> Records:
    """Read TREC's qrels: ``query 0 passage grade``, between spaces or tabs."""
    records: dict[int, list[str]] = {}
    for number, line in _lines(file):
        # Ids may hold other white space, such as a no-break space.
        fields = re.split(r"[ \t\r]+", line.strip(" \t\r"))
        if len(fields) != 4:
            raise InputError(
                f"{file}: line {number} has {len(fields)} fields; TREC's qrels have four, "
                "without a heading: query 0 passage grade"
            )
        records[number] = fields
    if not records:
        raise InputError(f"{file}: holds no record")
    index = pd.Index(list(records), name="line")
    columns = ["query_id", "unused", "passage_id", "grade"]
    frame = pd.DataFrame(list(records.values()), index=index, columns=columns)
    return Records(file, frame.drop(columns="unused"))


def _lines(file: Path) -> list[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers.

    Only a line feed ends a line: texts may hold other breaks.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: cannot be read as UTF-8 text: {error}") from None
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _numbered(file: Path, frame: pd.DataFrame) -> Records:
    """Return the rows of a table as records numbered from 1."""
    return Records(file, frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="record")))


def _in_words(value: Any) -> str:
    """Return a wrong value for an error message."""
    is_missing = value is None or value is pd.NA or value != value
    return "missing" if is_missing else repr(value)
