"""CSV files read strictly, as RFC 4180 has them: every record has the fields of the heading."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from hybridlib.data.text_files import iterate_lines
from hybridlib.errors import InputError

# What stands for a lone CR, which the csv module takes for the end of a line. No decoded text
# holds it.
_LONE_CR = "\udc0d"

# The lines of one record: each field is in double quotes, or has none.
_FIELD = r'(?:"[^"]*(?:""[^"]*)*"|[^",]*)'
_RECORD = re.compile(rf"{_FIELD}(?:,{_FIELD})*")


class CsvFile:
    """One CSV file: its heading, and its records one after the other.

    Attributes:
        names: the columns that the heading names.
    """

    def __init__(self, file: Path) -> None:
        """Read the heading.

        Raises:
            InputError: it has a column twice, a lone CR, or quotes that do not match.
        """
        self._file = file
        self._lines: list[str] = []
        self._first_line = 1
        # A text may be longer than the 131,072 characters that the module allows.
        csv.field_size_limit(2**31 - 1)
        self._records = self._parse()
        self.names = next(self._records, [])
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise self._error(f"its heading has the column {min(twice)!r} twice")
        if any("\r" in name for name in self.names):
            raise self._error("its heading holds a lone CR; a line ends at LF or CRLF")

    def records(self) -> Iterator[list[str]]:
        """Yield the fields of each record, as many as the heading has.

        Raises:
            InputError: another number of fields, quotes that do not match, or the heading again;
                with the line.
        """
        width = len(self.names)
        for fields in self._records:
            if len(fields) != width:
                amount = "more" if len(fields) > width else "fewer"
                raise self._error(
                    f"has {amount} fields ({len(fields)}) than the heading ({width}); "
                    "put texts that hold a comma in double quotes"
                )
            if fields == self.names:
                raise self._error("the heading stands again; files were joined, take it out")
            yield fields

    def _parse(self) -> Iterator[list[str]]:
        """Yield the fields of each record that is not a blank line."""
        reader = csv.reader(self._feed(), strict=True)
        try:
            for fields in reader:
                record = "".join(self._lines)
                if record.strip():
                    yield self._as_they_stand(fields, record)
                self._first_line += len(self._lines)
                self._lines.clear()
        except csv.Error as error:
            raise self._error(f"{error}; a quote is not closed, or not doubled") from None

    def _feed(self) -> Iterator[str]:
        """Yield the lines with their ends, and keep those of the current record."""
        for _, line in iterate_lines(self._file, keep_ends=True):
            if "\r" in line:
                text = line.removesuffix("\n").removesuffix("\r") if line[-1] == "\n" else line
                line = text.replace("\r", _LONE_CR) + line[len(text) :]
            self._lines.append(line)
            yield line

    def _as_they_stand(self, fields: list[str], record: str) -> list[str]:
        """Return fields with their lone CRs; only a field in double quotes may hold a quote."""
        holds_quotes = '"' in record and '"' in "".join(fields)
        if holds_quotes and not _RECORD.fullmatch(record.rstrip("\r\n")):
            raise self._error(
                "a double quote in a field without quotes around it; put the field in double "
                "quotes and double those within"
            )
        if _LONE_CR in record:
            return [field.replace(_LONE_CR, "\r") for field in fields]
        return fields

    def _error(self, problem: str) -> InputError:
        """Return an error that names the line at which the current record begins."""
        line = f"line {self._first_line}"
        return InputError(f"{self._file}: cannot be read as csv: {line}: {problem}")
