"""NeuCLIRBench: the judged documents of a pool that is not parallel, with grades."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hybridlib.data.load import load_corpus
from hybridlib.data.neuclir import load_neuclir
from hybridlib.errors import InputError

QRELS = "1 0 f1 3\n1 0 r1 1\n1 0 z1 0\n2 0 r2 3\n2 0 gone 1\n3 0 z1 0\n"


def document(name: str) -> dict:
    """A document with all columns of neuclir/neuclir1."""
    other = {"cc_file": "x", "time": None, "url": "https://example.org", "lang": "und"}
    return {"id": name, "title": f"Title {name}", "text": f"Text {name}", **other}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Both repositories in one folder; of many documents a few are judged."""
    data = tmp_path / "bench" / "data"
    data.mkdir(parents=True)
    for code in ("eng", "fas", "rus", "zho"):
        lines = [f"{topic}\t{code} topic {topic}\n" for topic in (1, 2, 3)]
        (data / f"news.{code}.tsv").write_text("".join(lines))
    (data / "qrels.mlir.gains.txt").write_text(QRELS)
    (data / "qrels.fas.gains.txt").write_text("9 0 f9 3\n")
    for code in ("fas", "rus", "zho"):
        names = [f"{code[0]}{number}" for number in (*range(1, 3), *range(100, 5000))]
        content = "".join(json.dumps(document(name)) + "\n" for name in names)
        packed = gzip.compress(content.encode(), 1)
        (data / f"{code}-00000-of-00001.jsonl.gz").write_bytes(packed)
    (data / "zho-mt-eng-00000-of-00001.jsonl.gz").write_bytes(b"not read")
    return tmp_path / "bench"


def test_judgments_of_a_topic_hold_for_its_query_in_every_language(folder, caplog):
    corpus = load_corpus("neuclir", folder)
    assert corpus.name == "bench"
    assert corpus.candidates["candidate_id"].tolist() == ["f1", "r1", "r2", "z1"]
    assert corpus.candidates["text"][0] == "Title f1 Text f1"
    assert corpus.languages == ["fa", "ru", "zh"]
    # Topic 3 has no relevant document, and one document is not there.
    assert corpus.queries["query_id"].tolist() == [
        f"{lang}:{topic}" for lang in ("en", "fa", "ru", "zh") for topic in (1, 2)
    ]
    assert corpus.queries["question_id"].tolist() == ["1", "2"] * 4
    english = corpus.qrels[corpus.qrels["query"] < 2]
    assert english.to_numpy().tolist() == [[0, 0, 3], [0, 1, 1], [1, 2, 3]]
    assert len(corpus.qrels) == 4 * 3
    messages = [record.getMessage() for record in caplog.records]
    assert any("left out 4 judgments" in message and "gone" in message for message in messages)
    assert any("left out 4 of 12 queries" in message for message in messages)


def test_some_languages_are_enough(folder):
    corpus = load_neuclir(folder, ["en", "ru"])
    assert corpus.languages == ["ru"]
    assert set(corpus.queries["lang"]) == {"en", "ru"}
    with pytest.raises(InputError, match="has no de; it has en, fa, ru, zh"):
        load_neuclir(folder, ["de"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("news.eng.tsv", "1 no tab\n", r"news\.eng\.tsv: line 1 is no topic"),
        ("news.eng.tsv", "1\t \n", r"news\.eng\.tsv: line 1 is no topic"),
        ("qrels.mlir.gains.txt", "1 0 f1\n", r"gains\.txt: line 1 has 3 fields"),
        ("qrels.mlir.gains.txt", None, "has not all files of NeuCLIRBench; download neuclir/bench"),
        ("fas-00000-of-00001.jsonl.gz", b"broken", r"fas-00000\S+: cannot be"),
        ("fas-00000-of-00002.jsonl.gz", b"", "not parts of one table"),
    ],
)
def test_files_that_are_not_as_published_are_refused(folder, name, content, message):
    file = folder / "data" / name
    if content is None:
        file.unlink()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content)
    with pytest.raises(InputError, match=message):
        load_neuclir(folder)


def test_a_document_without_an_id_or_text_is_refused(folder):
    file = folder / "data" / "fas-00000-of-00001.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"title": "no id", "text": "x"}\n'))
    with pytest.raises(InputError, match="no column id"):
        load_neuclir(folder)
    file.write_bytes(gzip.compress(b'{"id": "f1", "title": "", "text": ""}\n'))
    with pytest.raises(InputError, match="line 1: text is empty"):
        load_neuclir(folder)
