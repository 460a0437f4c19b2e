"""What notebooks call by `figures.<name>`, and the tables that are cut for the figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridlib import figures
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.retrieval.ranking import Ranking


def corpus_in(*languages: str) -> RetrievalCorpus:
    """A corpus with a query and a candidate for each language given."""
    rows = range(len(languages))
    ids = [f"{lang}:{row}" for row, lang in enumerate(languages)]
    queries = pd.DataFrame({"query_id": ids, "lang": languages, "question_id": ids, "text": "q"})
    candidates = pd.DataFrame({"candidate_id": ids, "lang": languages, "group": ids, "text": "c"})
    qrels = pd.DataFrame({"query": rows, "candidate": rows, "grade": 1})
    return RetrievalCorpus("toy", queries, candidates, qrels)


def test_every_name_is_a_function_and_others_are_not():
    for name in dir(figures):
        assert callable(getattr(figures, name)), name
    with pytest.raises(AttributeError, match="no attribute 'plot'"):
        figures.plot  # noqa: B018


def test_an_example_query_may_be_chosen_among_some():
    corpus = corpus_in("de", "en", "en", "en")
    assert figures.example_query(corpus) == 1
    assert figures.example_query(corpus, among=[0, 2, 3]) == 2
    # None of them is in the language: the first one that is.
    assert figures.example_query(corpus, among=[0]) == 1
    assert figures.example_query(corpus, among=pd.Index([])) == 1
    assert figures.example_query(corpus, "th", among=[2]) == 0


def test_the_answers_of_some_queries():
    relevant = pd.DataFrame(
        {
            "query": [0, 0, 1, 2],
            "query_lang": ["en", "en", "de", "th"],
            "candidate_lang": ["en", "de", "de", "th"],
            "rank_pool": [1, 7, 2, 3],
        }
    )
    ranking = Ranking(relevant, np.zeros((3, 1), int), np.zeros((3, 1)))
    answers = figures.answers_of(ranking, [0, 2], "x-y")
    assert answers["rank_pool"].tolist() == [1, 7, 3]
    assert answers["query"].tolist() == ["en query", "en query", "th query"]
    assert set(answers["strategy"]) == {"x-y"}
    figures.answer_ranks(answers, candidates=9)


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ("ar de en th zh", ["en", "zh"]),
        ("de fr th", ["de", "fr"]),
        ("th fr", ["fr", "th"]),
        ("en fr", ["en", "fr"]),
        ("en", ["en"]),
    ],
)
def test_two_languages_of_a_corpus(languages, expected):
    candidates = pd.DataFrame({"lang": languages.split() * 3})
    chosen = figures.two_languages(candidates, each=2)
    assert sorted(chosen["lang"]) == sorted(expected * 2)
    assert chosen.index.is_monotonic_increasing


def test_some_groups_are_whole_and_the_same_each_time():
    candidates = pd.DataFrame({"group": np.repeat([f"g{row}" for row in range(100)], 3)})
    some = figures.some_groups(candidates, count=20)
    assert (some.groupby(candidates["group"]).nunique() == 1).all()
    assert 0 < candidates["group"][some].nunique() <= 20
    assert some.equals(figures.some_groups(candidates, count=20))
    # More groups than there are.
    assert figures.some_groups(candidates.head(6), count=60).all()
