"""Searching from a notebook: what the list shows, and that the widgets answer."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pandas as pd
import pytest

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.figures import tables
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.rank import encode_corpus, rank
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study.folder import Study
from hybridlib.study.tour import Tour


@pytest.fixture(scope="module")
def corpus(fact_pairs: pd.DataFrame) -> RetrievalCorpus:
    return corpus_from_pairs("facts", fact_pairs)


@pytest.fixture(scope="module")
def here(corpus, tiny_encoder) -> Tour:
    """The same encoder under two names, one of them with the candidates turned around."""
    encoder = DualEncoder.load(str(tiny_encoder))
    vectors = encode_corpus(encoder, corpus)[1]
    return Tour(corpus, {"x-y": encoder, "hybrid": encoder}, {"x-y": -vectors, "hybrid": vectors})


def test_a_search_is_what_the_evaluation_ranks(here, corpus):
    ranking = rank(*encode_corpus(here.encoders["hybrid"], corpus), corpus, top_k=7)
    for query in (0, len(corpus.queries) - 1):
        found = here.search(corpus.queries["text"][query], "hybrid", 7)
        expected = tables.top_of_query(corpus, ranking, query)
        assert found[["rank", "lang", "right"]].equals(expected[["rank", "lang", "right"]])
        np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)


def test_right_answers_are_marked_and_counted(here, corpus):
    question = corpus.queries["text"][0]
    whole = here.search(question, "hybrid", len(corpus.candidates))
    assert (
        (whole["right"] == tables.RIGHT).sum() == len(corpus.qrels[corpus.qrels["query"] == 0]) == 3
    )
    assert "3 of the 3 right answers" in here.summary(whole, question)
    assert "right is not known" in here.summary(
        here.search("something else", "hybrid"), "something else"
    )


def test_compare_asks_every_encoder(here, corpus):
    found = here.compare(corpus.queries["text"][0], 4)
    assert (
        found["strategy"].tolist() == ["x-y"] * 4 + ["hybrid"] * 4
        and found["rank"].tolist() == [1, 2, 3, 4] * 2
    )


def test_the_panel_answers_every_widget(here, corpus):
    language, pick, question, strategy, results = here.panel(5).children
    assert (
        question.value == pick.value == here.questions("en")[0]
        and question.value in results.value
        and results.value.count("<tr>") == 6
    )
    seen = [results.value]
    language.value = "th"
    assert (
        pick.options == tuple(here.questions("th"))
        and question.value == pick.value == here.questions("th")[0]
    )
    seen.append(results.value)
    pick.value = pick.options[3]
    assert question.value == pick.options[3]
    seen.append(results.value)
    question.value = "<b>&"
    assert (
        "&lt;b&gt;&amp;" in results.value
        and "<b>&</b>" not in results.value
        and "not known" in results.value
    )
    seen.append(results.value)
    strategy.value = "x-y"
    seen.append(results.value)
    assert len(set(seen)) == 5
    question.value = "  "
    assert results.value == "<p>Pick a question, or type one.</p>"


def test_questions_are_spread_over_the_corpus(here, corpus):
    asked = here.questions("en", 10)
    texts = corpus.queries.loc[corpus.queries["lang"] == "en", "text"].drop_duplicates().tolist()
    assert len(asked) == 10 and asked[0] == texts[0] and texts.index(asked[-1]) > 0.8 * len(texts)


def test_without_ipywidgets_the_panel_says_what_to_do(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(InputError, match="pip install ipywidgets"):
        here.panel()


def test_missing_encoders_are_trained_with_a_word_on_how_long(
    corpus, tiny_encoder, monkeypatch, caplog
):
    asked = []
    monkeypatch.setattr(Study, "is_done", lambda self, step: self.params.strategy == "x-y")
    monkeypatch.setattr(
        "hybridlib.study.runner.run_missing",
        lambda study, step: asked.append((study.params.strategy, step)),
    )
    monkeypatch.setattr(Study, "evaluation_corpus", lambda self: corpus)
    monkeypatch.setattr(
        "hybridlib.study.tour.load_encoder",
        lambda params, source: DualEncoder.load(str(tiny_encoder)),
    )
    with caplog.at_level(logging.WARNING):
        opened = Tour.open(Params(strategies=["untrained", "x-y", "hybrid"]))
    assert asked == [("untrained", "evaluation"), ("hybrid", "evaluation")] and list(
        opened.encoders
    ) == ["untrained", "x-y", "hybrid"]
    assert (
        "not trained yet, made now and once: untrained, hybrid; " in caplog.text
        and "minutes" in caplog.text
    )


def test_tables_of_texts_keep_each_scripts_direction_and_escape_it():
    shown = tables.texts(
        pd.DataFrame({"lang": ["ar"], "text": ["<i>\u0645\u0627"], "score": [0.12345]})
    ).to_html()
    assert (
        "unicode-bidi: plaintext" in shown
        and "&lt;i&gt;\u0645\u0627" in shown
        and ">0.123<" in shown
    )


def test_the_example_query_is_english_where_there_is_one(corpus):
    assert corpus.queries["lang"][tables.example_query(corpus)] == "en"
    assert tables.example_query(corpus, "xx") == 0


def test_a_result_list_may_be_empty(corpus):
    assert list(tables.result_list(corpus, [], [])) == ["rank", "lang", "text", "score", "right"]


def test_top_of_query_reads_a_saved_ranking(corpus, tmp_path, here):
    ranking = rank(*encode_corpus(here.encoders["hybrid"], corpus), corpus, top_k=3)
    ranking.save(tmp_path)
    assert tables.top_of_query(corpus, Ranking.load(tmp_path), 2).equals(
        tables.top_of_query(corpus, ranking, 2)
    )
