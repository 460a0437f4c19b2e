"""Folders that are refused: each message names the file and the record."""

from __future__ import annotations

import pandas as pd
import pytest
from folder_files import PASSAGES, QRELS, QUERIES, changed, make_folder, refused, write_trec
from set_files import write_table

ENDINGS = pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])


def test_missing_folder_and_files(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder", "queries")
    for stem in ("queries", "passages", "qrels"):
        folder = make_folder(tmp_path / stem)
        (folder / f"{stem}.jsonl").unlink()
        names = f"{stem}.jsonl, {stem}.csv, {stem}.parquet"
        refused(folder, str(folder), f"no {stem} file", names)


def test_two_files_of_one_name(tmp_path):
    folder = make_folder(tmp_path / "mine")
    write_trec(folder / "qrels.txt", QRELS)
    refused(folder, "both qrels.jsonl and qrels.txt", "keep one")


@ENDINGS
def test_missing_columns(tmp_path, ending):
    needed = {
        "queries": (QUERIES, ("query_id", "lang", "text")),
        "passages": (PASSAGES, ("passage_id", "lang", "text")),
        "qrels": (QRELS, ("query_id", "passage_id")),
    }
    for stem, (records, columns) in needed.items():
        for column in columns:
            folder = make_folder(tmp_path / f"{stem}-{column}", ending=ending)
            table = pd.DataFrame(records).drop(columns=column)
            write_table(table, folder / f"{stem}{ending}")
            refused(folder, f"{stem}{ending}: no column {column}", "it has ", "needs ")


@ENDINGS
@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_texts(tmp_path, text, ending):
    unit = "line" if ending == ".jsonl" else "record"
    queries = changed(QUERIES, 1, text=text)
    folder = make_folder(tmp_path / "q", queries=queries, ending=ending)
    refused(folder, f"queries{ending}: {unit} 2: text of query_id '1'", "needs words")
    passages = changed(PASSAGES, 0, text=text)
    folder = make_folder(tmp_path / "p", passages=passages, ending=ending)
    refused(folder, f"passages{ending}: {unit} 1: text of passage_id '007'")


@pytest.mark.parametrize("text", [None, 5, ["a"], True])
def test_texts_of_another_type(tmp_path, text):
    folder = make_folder(tmp_path / "q", queries=changed(QUERIES, 1, text=text))
    value = "missing" if text is None else repr(text)
    refused(folder, "queries.jsonl: line 2: text of query_id '1' is", value)


@pytest.mark.parametrize("value", [None, "", " ", 1.5, True, ["a"], {"a": 1}])
def test_ids_and_languages_of_another_type(tmp_path, value):
    in_words = "missing" if value is None else repr(value)
    for column in ("query_id", "lang"):
        queries = changed(QUERIES, 2, **{column: value})
        folder = make_folder(tmp_path / column, queries=queries)
        refused(folder, f"queries.jsonl: line 3: {column} is", in_words)
    folder = make_folder(tmp_path / "p", passages=changed(PASSAGES, 0, passage_id=value))
    refused(folder, "passages.jsonl: line 1: passage_id is")
    folder = make_folder(tmp_path / "r", qrels=changed(QRELS, 4, passage_id=value))
    refused(folder, "qrels.jsonl: line 5: passage_id is")


def test_repeated_ids(tmp_path):
    folder = make_folder(tmp_path / "q", queries=changed(QUERIES, 2, query_id="1"))
    refused(folder, "queries.jsonl: line 3: query_id '1' stands twice", "over all languages")
    folder = make_folder(tmp_path / "p", passages=changed(PASSAGES, 1, passage_id="007"))
    refused(folder, "passages.jsonl: line 2: passage_id '007' stands twice")
    folder = make_folder(tmp_path / "r", qrels=[*QRELS, QRELS[1]])
    refused(folder, "qrels.jsonl: line 6: query_id '01' with passage_id '7' stands twice")
    folder = make_folder(tmp_path / "c", queries=changed(QUERIES, 2, question_id="moon"))
    refused(folder, "line 3: question_id 'moon' with lang 'en' stands twice", "one per language")


def test_judgments_of_unknown_ids(tmp_path):
    folder = make_folder(tmp_path / "q", qrels=changed(QRELS, 3, query_id="q9"))
    refused(folder, "qrels.jsonl: line 4 names query_id 'q9', which queries.jsonl does not hold")
    folder = make_folder(tmp_path / "p", qrels=changed(QRELS, 2, passage_id="p9"))
    refused(folder, "qrels.jsonl: line 3 names passage_id 'p9', which passages.jsonl does not hold")
    # 7 is the id '7'; '07' is another one.
    qrels = [{**QRELS[0], "passage_id": 7}, {"query_id": "1", "passage_id": "07", "grade": 1}]
    refused(make_folder(tmp_path / "z", qrels=qrels), "names passage_id '07'")


@pytest.mark.parametrize("grade", [-1, 0.5, "high", "", None, "1e30", [1]])
def test_grades_that_are_no_whole_numbers(tmp_path, grade):
    qrels = changed(QRELS, 1, grade=grade)
    in_words = "missing" if grade is None else repr(grade)
    folder = make_folder(tmp_path / "j", qrels=qrels)
    refused(folder, "qrels.jsonl: line 2: grade is", in_words, "whole number")
    if grade not in (None, [1]):
        folder = make_folder(tmp_path / "c", qrels=qrels, ending=".csv")
        refused(folder, "qrels.csv: record 2: grade is")


def test_a_gap_in_parquet_grades(tmp_path):
    folder = make_folder(tmp_path / "mine", qrels=changed(QRELS, 1, grade=None), ending=".parquet")
    refused(folder, "qrels.parquet: record 2: grade is missing")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "01 0 007 1\n\n1 0 7\n",
            ("qrels.txt: line 3 has 3 fields", "query 0 passage grade"),
        ),
        ("query-id\tcorpus-id\tscore\n", ("line 1 has 3 fields", "without a heading")),
        ("01 0 007 1\n1 0 7 x\n", ("qrels.txt: line 2: grade is 'x'",)),
        ("\n01 0 007 -2\n", ("qrels.txt: line 2: grade is '-2'",)),
        ("01 0 008 1\n", ("line 1 names passage_id '008'",)),
        ("\n", ("qrels.txt: holds no record",)),
    ],
)
def test_malformed_trec_lines(tmp_path, text, messages):
    folder = make_folder(tmp_path / "mine")
    (folder / "qrels.jsonl").unlink()
    (folder / "qrels.txt").write_text(text, encoding="utf-8")
    refused(folder, *messages)


def test_malformed_files(tmp_path):
    folder = make_folder(tmp_path / "mine")
    queries = folder / "queries.jsonl"
    good = queries.read_bytes()
    messages = {
        good + b'{"query_id": \n': "queries.jsonl: line 4 is not valid JSON",
        good + b"[1]\n": "queries.jsonl: line 4 is not an object",
        b"\n": "queries.jsonl: holds no record",
        good + b"\xff\xfe": "queries.jsonl: cannot be read as UTF-8",
    }
    for content, message in messages.items():
        queries.write_bytes(content)
        refused(folder, message)
    queries.unlink()
    (folder / "queries.parquet").write_bytes(b"PAR1")
    refused(folder, "queries.parquet: cannot be read as parquet")


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        ("01,en,one, two\n", ("more fields", "double quotes")),
        ("01,en,one\n1,de,one, two\n", ("cannot be read as csv", "line 3")),
    ],
)
def test_csv_texts_with_commas_need_quotes(tmp_path, lines, messages):
    """By default pandas shifts every field by one without a word."""
    folder = make_folder(tmp_path / "mine")
    (folder / "queries.jsonl").unlink()
    (folder / "queries.csv").write_text("query_id,lang,text\n" + lines, encoding="utf-8")
    refused(folder, "queries.csv", *messages)


@pytest.mark.parametrize("lang", ["all", "zh/Hans", "zh Hans"])
def test_languages_that_cannot_name_a_file(tmp_path, lang):
    folder = make_folder(
        tmp_path,
        [{"query_id": "q", "lang": lang, "text": "who"}],
        [{"passage_id": "p", "lang": lang, "text": "her"}],
        [{"query_id": "q", "passage_id": "p"}],
    )
    refused(folder, f"queries.jsonl: line 1: lang is {lang!r}; it cannot be a language")
