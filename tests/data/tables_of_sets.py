"""Every table that a reader reads: good records of it, its columns, and how its set is loaded."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hybridlib.data import training_sets
from hybridlib.data.belebele import load_belebele
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.folder import load_folder
from hybridlib.data.miracl import load_miracl
from hybridlib.data.pairs import load_pairs

Records = list[dict[str, Any]]

JSON_LINES = (".jsonl", ".jsonl.gz")
TABLES = (".jsonl", ".csv", ".parquet")
HUB = (*JSON_LINES, ".parquet")


@dataclass(frozen=True)
class Table:
    """A table of a set.

    Attributes:
        name: of the kind of set and the table.
        file: its path in the folder of the set, without the ending.
        endings: the formats that it may have.
        records: good ones.
        columns: of each what it holds: ``text``, ``body`` (a text that may be blank beside a
            title), ``id``, ``lang`` or ``grade``; a question mark behind means that a missing
            value has a default.
        load: reads the set.
        others: the other files of the set, and their records.
    """

    name: str
    file: str
    endings: Sequence[str]
    records: Records
    columns: dict[str, str]
    load: Callable[[Path], pd.DataFrame | RetrievalCorpus]
    others: dict[str, Records] = field(default_factory=dict)

    def write(self, folder: Path, records: Records, ending: str) -> Path:
        """Write the set with these records, and return the file that holds them."""
        for name, content in self.others.items():
            write_records(folder / name, content)
        return write_records(folder / f"{self.file}{ending}", records)

    def read(self, folder: Path) -> list[list[tuple[Any, ...]]]:
        """Return the rows of what the set is read as."""
        loaded = self.load(folder)
        if isinstance(loaded, pd.DataFrame):
            return [rows(loaded)]
        return [rows(loaded.queries), rows(loaded.candidates), rows(loaded.qrels)]


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows of a table."""
    return list(frame.itertuples(index=False, name=None))


def write_records(file: Path, records: Records) -> Path:
    """Write records in the format of the file's ending, as another program would."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), file)
    elif file.suffix == ".csv":
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    else:
        lines = "".join(json.dumps(record) + "\n" for record in records)
        content = lines.encode()
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def changed(records: Records, row: int, column: str, value: Any) -> Records:
    """Return the records with another value in one place; ``a.b`` is b of the first item of a."""
    copies: Records = json.loads(json.dumps(records))
    outer, _, inner = column.partition(".")
    if inner:
        copies[row][outer][0][inner] = value
    else:
        copies[row][outer] = value
    return copies


def without(records: Records, column: str) -> Records:
    """Return the records without one column."""
    return [{key: value for key, value in one.items() if key != column} for one in records]


def _training(kind: str, languages: Iterable[str] = ("en",)) -> Callable[[Path], pd.DataFrame]:
    """Return how to load a training set."""
    return lambda folder: training_sets.find(kind, folder).load(languages)


PAIRS = [
    {"pair_id": "a", "lang": "en", "question": "One?", "passage": "1.", "passage_id": "x"},
    {"pair_id": "b", "lang": "en", "question": "Two?", "passage": "2.", "passage_id": "y"},
    {"pair_id": "b", "lang": "de", "question": "Zwei?", "passage": "Zwei.", "passage_id": "y"},
]
PAIRS = [{**pair, "dataset": "mine", "negative": "No."} for pair in PAIRS]
QUERIES = [
    {"query_id": "q1", "lang": "en", "question_id": "one", "text": "One?"},
    {"query_id": "q2", "lang": "de", "question_id": "one", "text": "Eins?"},
    {"query_id": "q3", "lang": "de", "question_id": "two", "text": "Zwei?"},
]
PASSAGES = [
    {"passage_id": "p1", "lang": "en", "group": "1", "title": "Numbers", "text": "One."},
    {"passage_id": "p2", "lang": "de", "group": "1", "title": "Zahlen", "text": "Eins."},
    {"passage_id": "p3", "lang": "de", "group": "2", "title": "Zahlen", "text": "Zwei."},
]
QRELS = [
    {"query_id": "q1", "passage_id": "p1", "grade": 2},
    {"query_id": "q2", "passage_id": "p2", "grade": 1},
    {"query_id": "q3", "passage_id": "p3", "grade": 1},
    {"query_id": "q3", "passage_id": "p2", "grade": 0},
]
FOLDER = {"queries": QUERIES, "passages": PASSAGES, "qrels": QRELS}

TRIPLES = [
    {"query_id": str(number), "query": f"Query {number}?", "positive": f"Yes {number}."}
    for number in range(3)
]
TRIPLES = [{**triple, "negative": "No."} for triple in TRIPLES]
JUDGED = [
    {
        "query_id": str(number),
        "query": f"Query {number}?",
        "positive_passages": [{"docid": f"{number}#1", "title": "T", "text": f"Yes {number}."}],
        "negative_passages": [{"docid": f"{number}#2", "title": "T", "text": f"No {number}."}],
    }
    for number in range(3)
]
PAGES = [
    {"qa_pairs": [{"question": f"Why {number}?", "answer": f"Because {number}."}]}
    for number in range(3)
]
ANSWERED = [page["qa_pairs"][0] for page in PAGES]

CORPUS = [
    {"_id": "1#0", "title": "One", "text": "The first."},
    {"_id": "2#0", "title": "Two", "text": "The second."},
]
QUESTIONS = [{"_id": "1", "text": "First?"}, {"_id": "2", "text": "Second?"}]
SCORES = [
    {"query-id": "1", "corpus-id": "1#0", "score": 1},
    {"query-id": "2", "corpus-id": "2#0", "score": 1},
]
MIRACL = {"corpus": CORPUS, "queries": QUESTIONS, "qrels": SCORES}


def _folder_table(name: str, columns: dict[str, str]) -> Table:
    """Return a table of a corpus in a folder."""
    others = {f"{other}.jsonl": records for other, records in FOLDER.items() if other != name}
    return Table(f"folder {name}", name, TABLES, FOLDER[name], columns, load_folder, others)


def _miracl_table(name: str, columns: dict[str, str]) -> Table:
    """Return a table of MIRACL."""
    others = {
        f"en-{other}/dev-0.parquet": records for other, records in MIRACL.items() if other != name
    }
    file = f"en-{name}/dev-0"
    return Table(f"miracl {name}", file, [".parquet"], MIRACL[name], columns, load_miracl, others)


BELEBELE = [
    {
        "link": f"https://example.org/{number}",
        "split": "dev",
        "question_number": str(1 + number % 2),
        "question": f"Question {number}?",
        "flores_passage": f"Passage {number}.",
    }
    for number in range(4)
]

ALL_TABLES = [
    Table(
        "pairs",
        "mine",
        TABLES,
        PAIRS,
        {
            "pair_id": "id",
            "lang": "lang",
            "question": "text",
            "passage": "text",
            "passage_id": "id?",
            "dataset": "id?",
            "negative": "text?",
        },
        lambda folder: load_pairs(next(folder.glob("mine.*"))),
    ),
    _folder_table(
        "queries", {"query_id": "id", "lang": "lang", "question_id": "id?", "text": "text"}
    ),
    _folder_table(
        "passages",
        {"passage_id": "id", "lang": "lang", "group": "id?", "title": "text?", "text": "text"},
    ),
    _folder_table("qrels", {"query_id": "id", "passage_id": "id", "grade": "grade"}),
    Table(
        "mmarco",
        "en/train",
        HUB,
        TRIPLES,
        {"query_id": "id", "query": "text", "positive": "text", "negative": "text?"},
        _training("mmarco"),
    ),
    Table(
        "mmarco without ids",
        "english/train-00000-of-00001",
        HUB,
        without(TRIPLES, "query_id"),
        {"query": "text", "positive": "text", "negative": "text?"},
        _training("mmarco"),
    ),
    Table(
        "mr-tydi",
        "mrtydi-v1.1-english/train",
        HUB,
        JUDGED,
        {
            "query_id": "id",
            "query": "text",
            "positive_passages.docid": "id?",
            "positive_passages.title": "text?",
            "positive_passages.text": "body",
            "negative_passages.title": "text?",
            "negative_passages.text": "body",
        },
        _training("mr-tydi"),
    ),
    Table(
        "mfaq",
        "en/train",
        HUB,
        PAGES,
        {"qa_pairs.question": "text", "qa_pairs.answer": "text"},
        _training("mfaq"),
    ),
    Table(
        "mfaq, flat",
        "en_flat/train",
        HUB,
        ANSWERED,
        {"question": "text", "answer": "text"},
        _training("mfaq"),
    ),
    _miracl_table("corpus", {"_id": "id", "title": "text?", "text": "body"}),
    _miracl_table("queries", {"_id": "id", "text": "text"}),
    _miracl_table("qrels", {"query-id": "id", "corpus-id": "id", "score": "grade"}),
    Table(
        "belebele",
        "deu_Latn",
        [".jsonl", ".parquet"],
        BELEBELE,
        {
            "link": "id",
            "split": "id?",
            "question_number": "id",
            "question": "text",
            "flores_passage": "text",
        },
        load_belebele,
    ),
]
