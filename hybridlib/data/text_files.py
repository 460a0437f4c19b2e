"""Text files: UTF-8 with or without a byte-order mark, lines that end at LF or CRLF.

Nothing else ends a line: a lone CR, U+2028 and U+0085 are part of the text.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from hybridlib.errors import InputError

# How Latin letters in UTF-16 look if they are read as UTF-8.
_UTF_16 = re.compile(r"\0?(?:[^\0]\0){8}")


def read_text(file: Path) -> str:
    """Return the text of a file, its line ends as they stand.

    Raises:
        InputError: the file cannot be read, or is not UTF-8; with the line.
    """
    return "".join(line for _, line in iterate_lines(file, keep_ends=True))


def read_lines(file: Path) -> list[str]:
    """Return the lines of a text file, without their ends.

    The last line may end in a line end or not. An empty line is a line.

    Raises:
        InputError: as :func:`read_text`.
    """
    return [line for _, line in iterate_lines(file)]


def iterate_lines(file: Path, keep_ends: bool = False) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line, one after the other.

    Args:
        file: packed if its name ends in ``.gz``.
        keep_ends: whether the lines keep their LF or CRLF.

    Raises:
        InputError: as :func:`read_text`.
    """
    try:
        with _open(file) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n")
            for number, line in enumerate(text, 1):
                if number == 1 and _UTF_16.match(line):
                    raise InputError(f"{file}: seems to be UTF-16; save it as UTF-8")
                if not keep_ends and line[-1] == "\n":
                    line = line[:-2] if line[-2:] == "\r\n" else line[:-1]
                yield number, line
    except UnicodeDecodeError:
        raise InputError(
            f"{file}: cannot be read as UTF-8 text: {_undecodable_line(file)}; save it as UTF-8"
        ) from None
    # A path with a NUL character is a ValueError.
    except (OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise InputError(f"{file}: cannot be read as UTF-8 text: {reason}") from None


def read_aligned_lines(folder: Path, languages: Iterable[str]) -> dict[str, list[str]]:
    """Return the lines of the ``<lang>.txt`` of each language; line n translates line n.

    Raises:
        InputError: a file that cannot be read, or files of different lengths.
    """
    lines = {lang: read_lines(folder / f"{lang}.txt") for lang in languages}
    lengths = {lang: len(texts) for lang, texts in lines.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{folder}: the files are not aligned, they have different numbers of lines: {lengths}"
        )
    return lines


def filled_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank: a blank line holds no record."""
    for number, line in iterate_lines(file):
        if line.strip():
            yield number, line


def _open(file: Path) -> BinaryIO:
    """Open a file, packed or not, to read its bytes."""
    if file.suffix == ".gz":
        return cast(BinaryIO, gzip.open(file, "rb"))
    return file.open("rb")


def _undecodable_line(file: Path) -> str:
    """Return the number of the first line that is not UTF-8, and why it is not."""
    with _open(file) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"line {number}: {error}"
    return "it ends within a character"
