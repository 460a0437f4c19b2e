"""MKQA: questions whose answers are the candidates."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hybridlib.data.load import load_corpus
from hybridlib.errors import InputError


def record(number: int, answers: dict[str, list[dict]]) -> dict:
    queries = {lang: f"{lang} question {number}" for lang in answers}
    return {"example_id": number, "query": "?", "queries": queries, "answers": answers}


def answer(text: str | None, kind: str = "entity") -> dict:
    return {"type": kind, "entity": "Q1", "text": text, "aliases": ["another name"]}


NONE = {"type": "unanswerable", "text": None}
RECORDS = [
    record(-5, {"en": [answer("Dave Edmunds")], "ru": [answer("Эдмундс, Дэйв")], "zh_cn": [NONE]}),
    record(6, {"en": [answer("2017"), answer("2018")], "ru": [answer("2017"), answer("2017")]}),
    record(7, {"en": [answer("Dave Edmunds")], "ru": [answer("Эдмундс")], "zh_cn": [answer("戴")]}),
    record(8, {"en": [NONE], "ru": [NONE]}),
]


def write(folder: Path, records: list) -> Path:
    folder.mkdir(exist_ok=True)
    content = "".join(json.dumps(each) + "\n" for each in records)
    (folder / "mkqa.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    return folder


def test_a_question_finds_its_answers_in_every_language(tmp_path):
    corpus = load_corpus("mkqa", write(tmp_path / "mkqa", RECORDS))
    assert corpus.name == "mkqa"
    texts = corpus.candidates.groupby("lang")["text"].apply(sorted).to_dict()
    assert texts == {
        "en": ["2017", "2018", "Dave Edmunds"],
        "ru": ["2017", "Эдмундс", "Эдмундс, Дэйв"],
        "zh_cn": ["戴"],
    }
    assert corpus.queries["query_id"].tolist() == [
        *("en:-5", "en:6", "en:7", "ru:-5", "ru:6", "ru:7", "zh_cn:7")
    ]
    found = {
        query: sorted(corpus.candidates["text"][rows["candidate"]])
        for query, rows in corpus.qrels.groupby("query")
    }
    assert found[0] == ["Dave Edmunds", "Эдмундс, Дэйв"]
    assert found[1] == found[4] == ["2017", "2017", "2018"]
    assert found[6] == ["Dave Edmunds", "Эдмундс", "戴"]
    # One person: the answers are of one content.
    groups = corpus.candidates.groupby("group")["text"].apply(sorted).tolist()
    assert sorted(groups) == sorted(
        [["2017", "2017", "2018"], ["Dave Edmunds", "Эдмундс", "Эдмундс, Дэйв", "戴"]]
    )
    assert load_corpus("mkqa", tmp_path / "mkqa" / "mkqa.jsonl.gz", ["ru"]).languages == ["ru"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1], "line 1: no object with an example_id"),
        ({"example_id": 1, "queries": {}}, "line 1: queries and answers are objects"),
        (record(1, {"en": [{"text": 3}]}), "an answer in en has no text"),
        ({**record(1, {"en": []}), "answers": {}}, "en has no query or no list of answers"),
    ],
)
def test_a_record_of_another_kind_is_refused(tmp_path, bad, message):
    with pytest.raises(InputError, match=message):
        load_corpus("mkqa", write(tmp_path / "mkqa", [bad]))


def test_a_missing_file_or_language_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such file, nor a folder with mkqa\.jsonl\.gz"):
        load_corpus("mkqa", tmp_path)
    folder = write(tmp_path / "mkqa", RECORDS)
    with pytest.raises(InputError, match="has no de; it has en, ru, zh_cn"):
        load_corpus("mkqa", folder, ["de"])
    (folder / "mkqa.jsonl.gz").write_bytes(gzip.compress(b"{'no': json}\n"))
    with pytest.raises(InputError, match=r"mkqa\.jsonl\.gz: line 1 is not valid JSON"):
        load_corpus("mkqa", folder)
