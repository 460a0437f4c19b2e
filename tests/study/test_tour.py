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
from hybridlib.study import runner
from hybridlib.study import tour as tours
from hybridlib.study.folder import Study
from hybridlib.study.tour import Tour


@pytest.fixture(scope="module")
def corpus(fact_pairs: pd.DataFrame) -> RetrievalCorpus:
    return corpus_from_pairs("facts", fact_pairs)


@pytest.fixture(scope="module")
def tour(corpus, tiny_encoder) -> Tour:
    """The same encoder under two names, one of them with the candidates turned around."""
    encoder = DualEncoder.load(str(tiny_encoder))
    _, vectors = encode_corpus(encoder, corpus)
    return Tour(corpus, {"x-y": encoder, "hybrid": encoder}, {"x-y": -vectors, "hybrid": vectors})


def test_a_search_is_what_the_evaluation_ranks(tour, corpus):
    ranking = rank(*encode_corpus(tour.encoders["hybrid"], corpus), corpus, top_k=7)
    columns = ["rank", "lang", "right"]
    for query in (0, len(corpus.queries) - 1):
        results = tour.search(corpus.queries["text"][query], "hybrid", 7)
        expected = tables.top_of_query(corpus, ranking, query)
        assert results[columns].equals(expected[columns])
        np.testing.assert_allclose(results["score"], expected["score"], atol=1e-5)


def test_right_answers_are_marked_and_counted(tour, corpus):
    question = corpus.queries["text"][0]
    whole = tour.search(question, "hybrid", len(corpus.candidates))
    assert len(corpus.qrels[corpus.qrels["query"] == 0]) == 3
    assert (whole["right"] == tables.RIGHT).sum() == 3
    assert "3 of the 3 right answers" in tour.summary(whole, question)
    results = tour.search("something else", "hybrid")
    assert "right is not known" in tour.summary(results, "something else")


def test_compare_asks_every_encoder(tour, corpus):
    results = tour.compare(corpus.queries["text"][0], 4)
    assert results["strategy"].tolist() == ["x-y"] * 4 + ["hybrid"] * 4
    assert results["rank"].tolist() == [1, 2, 3, 4] * 2


def test_the_panel_answers_every_widget(tour):
    language, pick, question, strategy, results = tour.panel(5).children
    assert question.value == pick.value == tour.questions("en")[0]
    assert question.value in results.value
    assert results.value.count("<tr>") == 6
    seen = [results.value]

    language.value = "th"
    assert pick.options == tuple(tour.questions("th"))
    assert question.value == pick.value == tour.questions("th")[0]
    seen.append(results.value)

    pick.value = pick.options[3]
    assert question.value == pick.options[3]
    seen.append(results.value)

    question.value = "<b>&"
    assert "&lt;b&gt;&amp;" in results.value
    assert "<b>&</b>" not in results.value
    assert "not known" in results.value
    seen.append(results.value)

    strategy.value = "x-y"
    seen.append(results.value)
    assert len(set(seen)) == 5
    question.value = "  "
    assert results.value == "<p>Pick a question, or type one.</p>"


def test_questions_are_spread_over_the_corpus(tour, corpus):
    questions = tour.questions("en", 10)
    queries = corpus.queries
    texts = queries.loc[queries["lang"] == "en", "text"].drop_duplicates().tolist()
    assert len(questions) == 10
    assert questions[0] == texts[0]
    assert texts.index(questions[-1]) > 0.8 * len(texts)


def test_without_ipywidgets_the_panel_says_what_to_do(tour, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(InputError, match="pip install ipywidgets"):
        tour.panel()


def test_missing_encoders_are_trained_with_a_word_on_how_long(
    corpus, tiny_encoder, monkeypatch, caplog
):
    trained = []
    encoder = DualEncoder.load(str(tiny_encoder))
    monkeypatch.setattr(tours, "is_done", lambda study, step: study.params.strategy == "x-y")
    monkeypatch.setattr(
        runner, "run_missing", lambda study, step: trained.append((study.params.strategy, step))
    )
    monkeypatch.setattr(Study, "evaluation_corpus", lambda self: corpus)
    monkeypatch.setattr(tours, "load_encoder", lambda params, source: encoder)
    with caplog.at_level(logging.WARNING):
        opened = Tour.open(Params(strategies=["untrained", "x-y", "hybrid"]))
    assert trained == [("untrained", "evaluation"), ("hybrid", "evaluation")]
    assert list(opened.encoders) == ["untrained", "x-y", "hybrid"]
    assert "not trained yet, made now and once: untrained, hybrid; " in caplog.text
    assert "minutes" in caplog.text


def test_a_finished_study_is_searched_with_its_encoders(finished_study):
    opened = Tour.open(finished_study.params)
    assert list(opened.encoders) == ["untrained", "hybrid"]
    question = opened.questions("en", 1)[0]
    assert len(opened.compare(question, 3)) == 6
    assert not np.allclose(opened.candidates["untrained"], opened.candidates["hybrid"])
