"""The texts that a correction is fitted on, by their kind and languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import pair_table

from hybridlib.errors import InputError
from hybridlib.evaluation.correct import texts_to_fit


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Four pairs in four languages, as a table."""
    file = tmp_path / "pairs.jsonl"
    pair_table(4).to_json(file, orient="records", lines=True)
    return file


def test_a_table_gives_questions_and_passages_in_the_languages_asked_for(pairs):
    table = texts_to_fit(str(pairs), None, ["de", "zh"], None)
    counts = table.groupby(["side", "lang"]).size().to_dict()
    assert counts == dict.fromkeys(
        [("query", "de"), ("query", "zh"), ("passage", "de"), ("passage", "zh")], 4
    )
    with pytest.raises(InputError, match=r"pairs.jsonl: has no texts in sw; it has ar, de, en, zh"):
        texts_to_fit(str(pairs), None, ["de", "sw"], None)


def test_a_share_of_the_pairs_is_whole_groups(pairs):
    table = texts_to_fit(str(pairs), "pairs", None, 16)
    assert (table.groupby(["side", "group"]).size() == 4).all()
    assert len(table) == 16


def test_another_kind_of_training_pairs_is_read_by_its_reader(tmp_path):
    for lang in ("de", "en"):
        asked = [{"id": "q", "question": f"{lang} question"}]
        paragraphs = [{"context": f"{lang} context", "qas": asked}]
        content = {"data": [{"title": "A", "paragraphs": paragraphs}]}
        (tmp_path / f"{lang}.json").write_text(json.dumps(content))
    table = texts_to_fit(str(tmp_path), "squad", None, None)
    assert set(table["text"]) == {
        *("de context", "de question"),
        *("en context", "en question"),
    }
