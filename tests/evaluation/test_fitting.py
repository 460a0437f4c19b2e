"""What corrections are fitted on: training pairs, drawn by translations, and parallel text."""

from __future__ import annotations

import pandas as pd
import pytest
from toys import corpus_of

from hybridlib.evaluation.fitting import fitting_table


@pytest.fixture
def pairs() -> pd.DataFrame:
    """40 questions about 20 passages, in three languages; of a passage two texts in German."""
    rows = []
    for number in range(40):
        for lang in ("de", "en", "th"):
            passage = f"{lang} passage {number // 2}"
            if lang == "de":
                passage += f" for {number}"
            rows.append((f"q{number}", lang, f"{lang} {number}", passage, f"p{number // 2}"))
    columns = ["pair_id", "lang", "question", "passage", "passage_id"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def corpus():
    """One question and one passage, in English."""
    return corpus_of([("q", "en")], [("p", "en")], [("q", "p", 1)])


def test_questions_are_queries_and_passages_are_passages(pairs, corpus):
    table = fitting_table(corpus, pairs)
    questions = table[table["side"] == "query"]
    passages = table[table["side"] == "passage"]
    assert sorted(questions["text"]) == sorted(pairs["question"])
    assert len(passages) == 20 * 3  # one text in each language
    assert set(table["source"]) == {"training pairs"}
    assert not set(questions["group"]) & set(passages["group"])


def test_whole_groups_are_drawn(pairs, corpus):
    table = fitting_table(corpus, pairs, texts=30, seed=1)
    sizes = table.groupby(["side", "group"]).size()
    assert (sizes == 3).all()
    assert sizes.groupby("side").size().to_dict() == {"passage": 5, "query": 5}
    assert table.equals(fitting_table(corpus, pairs, texts=30, seed=1))
    other = fitting_table(corpus, pairs, texts=30, seed=2)
    assert set(other["group"]) != set(table["group"])


def test_parallel_text_is_both_in_the_languages_that_are_needed(pairs, corpus, tmp_path):
    for lang in ("en", "th", "zh"):
        (tmp_path / f"{lang}.txt").write_text("one\ntwo\n", encoding="utf-8")
    table = fitting_table(corpus, pairs, tmp_path, parallel_passages=1)
    parallel = table[table["source"] == tmp_path.name]
    assert sorted(zip(parallel["side"], parallel["lang"])) == [
        ("passage", "en"),
        ("passage", "th"),
        ("query", "en"),
        ("query", "th"),
    ]
    assert parallel["group"].nunique() == 1
    assert fitting_table(corpus).empty
