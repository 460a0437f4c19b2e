"""A small corpus in a folder of the user: three queries, three passages, five judgments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from set_files import write_table

from hybridlib.data.folder import load_folder
from hybridlib.errors import InputError

QUERIES = [
    {"query_id": "01", "lang": "en", "question_id": "moon", "text": "How far is the Moon?"},
    {"query_id": "1", "lang": "de", "question_id": "moon", "text": "Wie weit ist der Mond?"},
    {"query_id": "q3", "lang": "en", "question_id": "", "text": "What do bees make?"},
]
PASSAGES = [
    {
        "passage_id": "007",
        "lang": "en",
        "group": "m",
        "title": "Moon",
        "text": "It is 384,400 km away.",
    },
    {"passage_id": "7", "lang": "de", "group": "m", "title": "", "text": "Er ist weit weg."},
    {"passage_id": "p3", "lang": "en", "group": "", "title": "", "text": "Honey."},
]
QRELS = [
    {"query_id": "01", "passage_id": "007", "grade": 3},
    {"query_id": "01", "passage_id": "7", "grade": 1},
    {"query_id": "01", "passage_id": "p3", "grade": 0},
    {"query_id": "1", "passage_id": "7", "grade": 2},
    {"query_id": "q3", "passage_id": "p3", "grade": 1},
]

Records = list[dict[str, Any]]


def make_folder(
    folder: Path,
    queries: Records = QUERIES,
    passages: Records = PASSAGES,
    qrels: Records = QRELS,
    ending: str = ".jsonl",
) -> Path:
    """Write the three files."""
    write_table(queries, folder / f"queries{ending}")
    write_table(passages, folder / f"passages{ending}")
    write_table(qrels, folder / f"qrels{ending}")
    return folder


def write_trec(file: Path, records: Iterable[dict[str, Any]], separator: str = " ") -> None:
    """Write judgments as TREC's qrels."""
    lines = []
    for record in records:
        fields = (record["query_id"], "0", record["passage_id"], str(record["grade"]))
        lines.append(separator.join(fields) + "\n")
    file.write_text("".join(lines), encoding="utf-8")


def make_trec_folder(folder: Path, queries: Records, passages: Records, qrels: Records) -> Path:
    """Write the three files, the judgments as TREC's qrels."""
    write_table(queries, folder / "queries.jsonl")
    write_table(passages, folder / "passages.jsonl")
    write_trec(folder / "qrels.txt", qrels)
    return folder


def changed(records: Records, row: int, **values: Any) -> Records:
    """Records with other values in one row."""
    return [*records[:row], {**records[row], **values}, *records[row + 1 :]]


def refused(folder: Path, *messages: str, languages: list[str] | None = None) -> None:
    """load_folder raises an InputError that holds all ``messages``."""
    with pytest.raises(InputError) as error:
        load_folder(folder, languages)
    assert all(message in str(error.value) for message in messages), error.value
