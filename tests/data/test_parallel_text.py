"""Aligned plain text as training data."""

from __future__ import annotations

import pytest

from hybridlib.config.params import Params
from hybridlib.data import training_sets
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError


def test_parallel_text_pairs_a_sentence_with_the_next_of_its_document(tmp_path):
    (tmp_path / "docs.tsv").write_text("a\na\na\nb\nb\n")
    (tmp_path / "en.txt").write_text("one\ntwo\nthree\nfour\nfive\n")
    (tmp_path / "de.txt").write_text("eins\nzwei\n\nvier\nfünf\n", encoding="utf-8")
    pairs = training_sets.find("parallel", tmp_path).load(["en", "de"])
    assert set(zip(pairs["lang"], pairs["question"], pairs["passage"])) == {
        ("en", "one", "two"),
        ("en", "two", "three"),
        ("en", "four", "five"),
        ("de", "eins", "zwei"),
        ("de", "vier", "fünf"),
    }
    assert len(pairs) == 5
    assert pairs.groupby("pair_id")["passage_id"].nunique().max() == 1
    assert set(pairs["article"]) == {"a", "b"}


def test_documents_are_optional_but_complete(tmp_path):
    (tmp_path / "en.txt").write_text("one\ntwo\nthree\nfour\nfive\n")
    pairs = training_sets.find("parallel", tmp_path).load(["en"])
    assert len(pairs) == 4
    assert "article" not in pairs
    (tmp_path / "docs.tsv").write_text("a\na\n")
    with pytest.raises(InputError, match="has 2 lines, the texts have 5"):
        training_sets.find("parallel", tmp_path).load(["en"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no <lang>.txt"):
        training_sets.find("parallel", tmp_path / "empty")


def test_ntrex_as_training_text(shared_data):
    folder = shared_data("ntrex")
    params = Params(train_corpus="parallel", train_corpus_path=folder, validation_fraction=0.1)
    data = prepare(params)
    # Each line but the last of its document.
    questions = data.validation.queries["question_id"].nunique()
    assert data.train["pair_id"].nunique() + questions == 1997 - 123
    assert data.train.groupby("pair_id")["lang"].nunique().min() == 11
