"""Every column of every table: values of another type, and missing ones."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables_of_sets import (
    ALL_TABLES,
    JUDGED,
    PAIRS,
    PASSAGES,
    QUERIES,
    Table,
    changed,
    without,
    write_records,
)

from hybridlib.data import training_sets
from hybridlib.data.folder import load_folder
from hybridlib.data.miracl import load_miracl
from hybridlib.data.pairs import load_pairs
from hybridlib.errors import InputError


def every_table(ending: str = "") -> pytest.MarkDecorator:
    """Run a test for every table, or for those that may have one format."""
    tables = [table for table in ALL_TABLES if not ending or ending in table.endings]
    return pytest.mark.parametrize("table", tables, ids=[table.name for table in tables])


BLANK: list[Any] = [None, "", " \n", "\u200b\ufeff", "\u2060"]
SURROGATE = "Fox \ud83d"
NO_TEXT: list[Any] = [5, 1.5, True, ["a"], {"a": "b"}, SURROGATE]
BAD: dict[str, list[Any]] = {
    "text": NO_TEXT,
    "body": NO_TEXT,
    "id": [1.0, 1.5, False, ["a"], {"a": 1}, SURROGATE],
    "lang": [*NO_TEXT, "all", "zh Hans", "zh/Hans"],
    "grade": [0.5, -1, "high", True, [1], {"a": 1}, "1e3", 2**40],
}
# Types that JSON does not have.
BAD_IN_PARQUET: dict[str, list[Any]] = {
    "text": [b"Fox", datetime.datetime(2020, 1, 1)],
    "body": [b"Fox", datetime.datetime(2020, 1, 1)],
    "id": [b"1", datetime.date(2020, 1, 1)],
    "lang": [b"en"],
    "grade": [b"1", datetime.datetime(2020, 1, 1)],
}


def refusal(table: Table, folder: Path, records: list[dict[str, Any]], ending: str) -> str:
    """Return what is said of a table, which names its file."""
    file = table.write(folder, records, ending)
    with pytest.raises(InputError) as error:
        table.read(folder)
    message = str(error.value)
    assert str(file) in message
    file.unlink()
    return message


def name_of(column: str) -> str:
    """Return how a message names a column."""
    outer, _, inner = column.partition(".")
    return f"{inner} of {outer}" if inner else outer


def bad_values(kind: str) -> list[Any]:
    """Return wrong values of a column of a kind."""
    bad = BAD[kind.removesuffix("?")]
    if kind.endswith("?") or kind == "body":
        return bad
    return [*bad, *(BLANK if kind != "grade" else [None, ""])]


@every_table(".jsonl")
def test_a_wrong_value_in_json_lines_is_named_with_its_line(table, tmp_path):
    for column, kind in table.columns.items():
        for value in bad_values(kind):
            message = refusal(table, tmp_path, changed(table.records, 1, column, value), ".jsonl")
            assert f"line 2: {name_of(column)} " in message, (column, value)


@every_table()
def test_a_column_of_another_type_in_parquet_is_named(table, tmp_path):
    for column, kind in table.columns.items():
        bad = BAD_IN_PARQUET[kind.removesuffix("?")]
        for value in [*bad, *(one for one in bad_values(kind) if one != SURROGATE)]:
            if isinstance(value, str) or value is None:
                continue
            if "." in column and isinstance(value, bytes | datetime.date):
                continue
            records = table.records
            for row in range(len(records)):
                if "." in column or not isinstance(value, bytes | datetime.date):
                    records = changed(records, row, column, value)
                else:
                    records = [{**record, column: value} for record in records]
            message = refusal(table, tmp_path, records, ".parquet")
            assert f"record 1: {name_of(column)} " in message, (column, value)


@every_table(".csv")
def test_a_missing_value_in_csv_is_named(table, tmp_path):
    for column, kind in table.columns.items():
        if kind.endswith("?"):
            continue
        for value in ("", " ") if kind != "grade" else ("", "x", "0.5"):
            message = refusal(table, tmp_path, changed(table.records, 1, column, value), ".csv")
            assert f"record 2: {name_of(column)} " in message, (column, value)


@every_table()
def test_a_missing_optional_value_means_the_default(table, tmp_path):
    """So a blank value is read like one that is not there, and each format alike."""
    for column, kind in table.columns.items():
        if not kind.endswith("?"):
            continue
        expected = None
        for ending in table.endings:
            for value in BLANK if ending != ".csv" else BLANK[1:]:
                file = table.write(tmp_path, changed(table.records, 1, column, value), ending)
                read = table.read(tmp_path)
                file.unlink()
                expected = expected or read
                assert read == expected, (column, value)


@every_table()
def test_a_missing_column(table, tmp_path):
    for column, kind in table.columns.items():
        if "." in column:
            continue
        for ending in table.endings:
            records = without(table.records, column)
            if (
                kind.endswith("?")
                or column == "grade"
                or (column, table.name)
                == (
                    "query_id",
                    "mmarco",
                )
            ):
                file = table.write(tmp_path, records, ending)
                table.read(tmp_path)
                file.unlink()
            else:
                assert f"no column {column}; it has " in refusal(table, tmp_path, records, ending)


@every_table()
def test_every_format_is_read_as_the_same_table(table, tmp_path):
    tables = []
    for ending in table.endings:
        file = table.write(tmp_path, table.records, ending)
        tables.append(table.read(tmp_path))
        file.unlink()
    assert all(one == tables[0] for one in tables)


# What the defaults are.


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_the_defaults_of_pairs(ending, tmp_path):
    records = PAIRS
    for column in ("dataset", "passage_id", "negative"):
        records = changed(records, 1, column, "")
    pairs = load_pairs(write_records(tmp_path / f"name{ending}", records))
    assert pairs["dataset"].tolist() == ["mine", "name", "mine"]
    assert pairs["passage_id"].tolist() == ["x", "b", "y"]
    assert pairs["negative"].tolist() == ["No.", "", "No."]


def test_the_defaults_of_a_corpus(tmp_path):
    write_records(tmp_path / "queries.jsonl", changed(QUERIES, 1, "question_id", None))
    passages = changed(PASSAGES, 1, "group", None)
    write_records(tmp_path / "passages.jsonl", changed(passages, 1, "title", " "))
    write_records(tmp_path / "qrels.csv", [{"query_id": "q2", "passage_id": "p2"}])
    corpus = load_folder(tmp_path)
    assert corpus.queries["question_id"].tolist() == ["q2"]
    assert corpus.candidates["group"].tolist() == ["p2", "2", "1"]
    assert corpus.candidates["text"].tolist() == ["Eins.", "Zahlen Zwei.", "Numbers One."]
    assert corpus.qrels["grade"].tolist() == [1]


@pytest.mark.parametrize("docid", [None, "", " ", "MISSING"])
def test_passages_without_an_id_are_not_one_passage(docid, tmp_path):
    records = JUDGED
    for row in range(len(records)):
        records = changed(records, row, "positive_passages.docid", docid)
        if docid == "MISSING":
            del records[row]["positive_passages"][0]["docid"]
    write_records(tmp_path / "en" / "train.jsonl", records)
    pairs = training_sets.find("miracl-train", tmp_path).load(["en"])
    assert pairs["passage_id"].tolist() == ["en:0", "en:1", "en:2"]


def test_a_passage_may_be_a_title_alone(tmp_path):
    records = changed(JUDGED, 1, "positive_passages.text", "")
    write_records(tmp_path / "en" / "train.parquet", records)
    pairs = training_sets.find("mr-tydi", tmp_path).load(["en"])
    assert pairs["passage"].tolist() == ["T Yes 0.", "T", "T Yes 2."]
    # A negative passage without words is one that is not known.
    records = changed(
        changed(records, 1, "negative_passages.text", ""), 1, "negative_passages.title", ""
    )
    write_records(tmp_path / "en" / "train.parquet", records)
    pairs = training_sets.find("mr-tydi", tmp_path).load(["en"])
    assert pairs["negative"].tolist() == ["T No 0.", "", "T No 2."]
    records = changed(records, 1, "positive_passages.title", "\u200b")
    write_records(tmp_path / "en" / "train.parquet", records)
    with pytest.raises(InputError, match="record 2: a passage of positive_passages is empty"):
        training_sets.find("mr-tydi", tmp_path).load(["en"])


# Ids.


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_whole_number_and_its_digits_are_one_id(ending, tmp_path):
    numbers = [{**pair, "pair_id": number} for pair, number in zip(PAIRS, (7, 8, 8))]
    digits = [{**pair, "pair_id": number} for pair, number in zip(PAIRS, ("7", "8", "8"))]
    one = load_pairs(write_records(tmp_path / f"one{ending}", numbers))
    other = load_pairs(write_records(tmp_path / f"other{ending}", digits))
    assert one["pair_id"].tolist() == other["pair_id"].tolist() == ["7", "8", "8"]


@pytest.mark.parametrize("column", ["pair_id", "passage_id"])
@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("value", [8.0, "8.0", "-8.00"])
def test_a_whole_number_as_a_decimal_is_no_id(value, ending, column, tmp_path):
    """Whether a program wrote it for 8, or 8 stands beside it, nothing shows."""
    records = [{**pair, column: value if ending == ".parquet" else "8"} for pair in PAIRS]
    records[2][column] = value
    file = write_records(tmp_path / f"mine{ending}", records)
    number = 1 if ending == ".parquet" else 3
    message = rf"(line|record) {number}: {column} is '?{float(value)}0?'?; an id .* whole number"
    with pytest.raises(InputError, match=message):
        load_pairs(file)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_names_with_points_are_ids_and_any_name_is_one_of_a_set(ending, tmp_path):
    records = [{**pair, "pair_id": name} for pair, name in zip(PAIRS, ("8.1", "8.10", "v8.0"))]
    records = [{**record, "dataset": "1.0"} for record in records]
    pairs = load_pairs(write_records(tmp_path / f"sections{ending}", records))
    assert pairs["pair_id"].tolist() == ["8.1", "8.10", "v8.0"]
    assert pairs["dataset"].tolist() == ["1.0"] * 3


def test_judgments_that_name_decimals(tmp_path):
    """MIRACL's judgments of other passages are dropped; these are meant, but written otherwise."""
    tables = {
        "corpus": [{"_id": 1, "text": "One."}],
        "queries": [{"_id": 1, "text": "One?"}],
        "qrels": [{"query-id": 1, "corpus-id": "1.0", "score": 1.0}],
    }
    for name, records in tables.items():
        write_records(tmp_path / f"en-{name}" / "dev.parquet", records)
    with pytest.raises(InputError, match=r"record 1: corpus-id is '1.0'; an id that is a whole"):
        load_miracl(tmp_path)


def test_large_numbers_keep_their_digits(tmp_path):
    large = 2**70 + 1
    records = changed(PAIRS, 0, "pair_id", large)
    pairs = load_pairs(write_records(tmp_path / "mine.jsonl", records))
    assert pairs["pair_id"][0] == str(large)


def test_texts_that_are_encoded_by_a_dictionary_or_not_at_all(tmp_path):
    table = pa.Table.from_pylist(PAIRS)
    columns = {name: table[name].dictionary_encode() for name in table.column_names}
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    encoded = load_pairs(tmp_path / "mine.parquet")
    assert encoded.equals(load_pairs(write_records(tmp_path / "mine.jsonl", PAIRS)))

    broken = pa.array([b"One?", b"\xff", b"Zwei?"]).view(pa.string())
    pq.write_table(table.set_column(2, "question", broken), tmp_path / "mine.parquet")
    with pytest.raises(InputError, match=r"record 2: question .* a text is UTF-8"):
        load_pairs(tmp_path / "mine.parquet")


@pytest.mark.parametrize(
    ("column", "array", "message"),
    [
        ("question", pa.array([2**52, 1, 1], pa.timestamp("s")), "record 1: question of pair_id"),
        ("passage_id", pa.array([2**31 - 1] * 3, pa.date32()), "record 1: passage_id is "),
        ("question", pa.array([None, None, b"x"]), "record 3: question of pair_id 'b' is b'x'"),
        ("question", pa.array([["One?"]] * 3), "record 1: question of pair_id 'a' is ['One?']"),
        ("negative", pa.array([None, 1.5, None]), "record 2: negative of pair_id 'b' is 1.5"),
        ("lang", pa.array([1, 2, 3]), "record 1: lang is 1; the name of a language"),
    ],
)
def test_types_that_python_may_not_hold(column, array, message, tmp_path):
    table = pa.Table.from_pylist(PAIRS)
    number = table.column_names.index(column)
    pq.write_table(table.set_column(number, column, array), tmp_path / "mine.parquet")
    with pytest.raises(InputError) as error:
        load_pairs(tmp_path / "mine.parquet")
    assert f"{tmp_path / 'mine.parquet'}: {message}" in str(error.value)


def test_what_a_list_holds_is_checked_too(tmp_path):
    """Bytes that are no UTF-8 within a passage, and times as grades."""
    text = pa.array([b"Yes.", b"\xff", b"No."]).view(pa.string())
    passages = pa.StructArray.from_arrays([text], ["text"])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), passages)
    judged = {"query_id": ["1", "2", "3"], "query": ["a", "b", "c"], "positive_passages": lists}
    (tmp_path / "en").mkdir()
    pq.write_table(pa.table(judged), tmp_path / "en" / "train.parquet")
    with pytest.raises(InputError, match=r"record 2: positive_passages is b'\\xff'; a text is UTF"):
        training_sets.find("mr-tydi", tmp_path).load(["en"])

    for name, records in (("queries", QUERIES), ("passages", PASSAGES)):
        write_records(tmp_path / f"{name}.jsonl", records)
    times = pa.array([2**52], pa.timestamp("s"))
    judgments = pa.table({"query_id": ["q1"], "passage_id": ["p1"], "grade": times})
    pq.write_table(judgments, tmp_path / "qrels.parquet")
    with pytest.raises(InputError, match=r"qrels.parquet: record 1: grade is "):
        load_folder(tmp_path)


def test_a_column_of_nothing_is_one_that_is_missing(tmp_path):
    table = pa.Table.from_pylist(without(without(PAIRS, "negative"), "passage_id"))
    expected = load_pairs(write_records(tmp_path / "mine.jsonl", without(PAIRS, "passage_id")))
    for nothing in (pa.nulls(3), pa.nulls(3, pa.float64()), pa.array([float("nan")] * 3)):
        columns = table.append_column("negative", nothing).append_column("passage_id", nothing)
        pq.write_table(columns, tmp_path / "mine.parquet")
        pairs = load_pairs(tmp_path / "mine.parquet")
        assert pairs.assign(negative="No.").equals(expected)
        assert set(pairs["negative"]) == {""}


def test_a_column_that_stands_twice_in_parquet(tmp_path):
    table = pa.Table.from_pylist(PAIRS)
    twice = table.append_column("passage", table["question"])
    pq.write_table(twice, tmp_path / "mine.parquet")
    with pytest.raises(InputError, match=r"mine.parquet: has the column 'passage' twice"):
        load_pairs(tmp_path / "mine.parquet")
