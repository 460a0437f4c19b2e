"""Sets of ir_datasets as a corpus: one, several as a pool, and what cannot be one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hybridlib.data.load import load_corpus
from hybridlib.errors import InputError

ir_datasets = pytest.importorskip("ir_datasets")


@pytest.fixture
def sets(tmp_path, monkeypatch) -> Path:
    """Sets of files in two languages, found by their names, with English queries in common."""
    texts = {"fa": "f1\tPersian one\nf2\tPersian two\nf3\t \n", "ru": "f1\tRussian one\n"}
    judgments = {"fa": "q1 0 f1 2\nq2 0 f2 0\nq2 0 f9 1\n", "ru": "q1 0 f1 1\nq2 0 f1 -1\n"}
    found = {}
    for lang, docs in texts.items():
        files = [tmp_path / f"{lang}-{part}" for part in ("docs.tsv", "queries.tsv", "qrels")]
        for file, content in zip(files, (docs, "q1\tOne?\nq2\tTwo?\n", judgments[lang])):
            file.write_text(content)
        documents = ir_datasets.formats.TsvDocs(_File(files[0]), lang=lang)
        queries = ir_datasets.formats.TsvQueries(_File(files[1]), lang="en")
        qrels = ir_datasets.formats.TrecQrels(_File(files[2]), {})
        found[f"set/{lang}"] = ir_datasets.Dataset(documents, queries, qrels)
        found[f"set/{lang}/docs"] = ir_datasets.Dataset(documents)
    found["set/silent"] = ir_datasets.Dataset(
        ir_datasets.formats.TsvDocs(_File(files[0])), queries, qrels
    )
    broken = ir_datasets.formats.TsvDocs(_File(tmp_path / "nowhere"), lang="fa")
    found["set/broken"] = ir_datasets.Dataset(broken, queries, qrels)
    monkeypatch.setattr(ir_datasets, "load", found.__getitem__)
    return tmp_path


class _File:
    """A file as ir_datasets reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, force: bool = True) -> Path:
        return self._path

    def stream(self):
        return self._path.open("rb")


def test_several_sets_are_one_pool(sets, caplog):
    corpus = load_corpus("ir-datasets", "set/fa,set/ru")
    assert corpus.name == "set/fa,set/ru"
    assert corpus.candidates["candidate_id"].tolist() == ["fa:f1", "fa:f2", "ru:f1"]
    assert corpus.candidates["text"].tolist() == ["Persian one", "Persian two", "Russian one"]
    assert corpus.queries[["query_id", "lang", "text"]].to_numpy().tolist() == [
        ["en:q1", "en", "One?"]
    ]
    assert corpus.qrels.to_numpy().tolist() == [[0, 0, 2], [0, 2, 1]]
    messages = " ".join(record.getMessage() for record in caplog.records)
    assert "set/fa: left out 1 documents without a text" in messages
    assert (
        "left out 1 judgments of texts that the set does not hold (first: en:q2 fa:f9)" in messages
    )
    assert load_corpus("ir-datasets", "set/fa,set/ru", ["en", "ru"]).languages == ["ru"]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("set/sw", "ir_datasets: it has no set called 'set/sw'"),
        ("set/fa/docs", "set/fa/docs has no queries and no judgments; take a part"),
        ("set/silent", "set/silent does not say its language"),
        ("set/broken", r"set/broken cannot be read \(.*No such file"),
    ],
)
def test_what_cannot_be_a_corpus_is_refused(sets, ids, message):
    with pytest.raises(InputError, match=message):
        load_corpus("ir-datasets", ids)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(InputError, match=r"run: pip install '\.\[ir-datasets\]'"):
        load_corpus("ir-datasets", "any/id")
