"""Figures for pools that are not parallel, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kruskal
from toys import corpus_of, random_corpus, random_scores, rank_scores

from hybridlib.evaluation import pools
from hybridlib.evaluation.metrics import summarise
from hybridlib.retrieval.ranking import Ranking


def ranked(order: str, grades: dict[str, int], lang: str = "en") -> Ranking:
    """The ranking of one query; a candidate is called by its language and a digit: ``f1 z1``."""
    languages = {"e": "en", "f": "fa", "z": "zh"}
    names = order.split()
    candidates = [(name, languages[name[0]]) for name in names]
    corpus = corpus_of([("q", lang)], candidates, [("q", d, g) for d, g in grades.items()])
    score = {name: -float(place) for place, name in enumerate(names)}
    scores = [[score[name] for name in corpus.candidates["candidate_id"]]]
    return rank_scores(np.array(scores, dtype=np.float32), corpus)


def test_equal_expected_rank_is_the_mean_p_value_over_grades():
    grades = {"f1": 3, "f2": 3, "z1": 3, "z2": 3, "e1": 1, "e2": 1, "z3": 1}
    ranking = ranked("f1 f2 f9 z1 e1 z2 e2 z3", grades)
    # Of grade 3: fa at 1 and 2, zh at 3 and 4. Of grade 1: en at 1 and 2, zh at 3.
    expected = (kruskal([1, 2], [3, 4]).pvalue + kruskal([1, 2], [3]).pvalue) / 2
    assert pools.equal_expected_rank(ranking).to_dict() == {"en": pytest.approx(expected)}

    # What is not relevant does not matter, and mixed languages are fairer.
    longer = ranked("e9 f1 e8 f2 z1 e1 z2 e2 z3", grades)
    assert pools.equal_expected_rank(longer)["en"] == pytest.approx(expected)
    mixed = ranked("f1 z1 z2 f2 e1 z3 e2", grades)
    assert pools.equal_expected_rank(mixed)["en"] > 0.9 > expected


def test_one_answer_in_each_language_is_not_tested():
    ranking = ranked("f1 e9 z1 e1", {"f1": 1, "z1": 1, "e1": 1})
    assert pools.equal_expected_rank(ranking).empty
    assert pools.tested_by_language(ranking).empty
    assert pools.equal_expected_rank(ranked("f1 f2 e9", {"f1": 1, "f2": 1})).empty


def test_lists_that_ignore_language_have_a_half_and_lists_by_language_nothing():
    candidates = [(f"{lang}{number}", lang) for lang in ("fa", "zh") for number in range(9)]
    queries = [(f"q{number}", "en") for number in range(200)]
    relevance = [(query, name, 1) for query, _ in queries for name, _ in candidates]
    corpus = corpus_of(queries, candidates, relevance)
    scores = np.random.default_rng(0).random((200, 18)).astype(np.float32)
    ranking = rank_scores(scores, corpus)
    assert pools.equal_expected_rank(ranking)["en"] == pytest.approx(0.5, abs=0.06)
    scores += corpus.candidates["lang"].eq("fa").to_numpy()
    assert pools.equal_expected_rank(rank_scores(scores, corpus))["en"] < 0.001


def test_own_language_ndcg_counts_what_a_reader_of_one_language_finds():
    grades = {"e1": 1, "e2": 3, "f1": 3}
    ranking = ranked("f1 e1 f9 e2", grades)
    gain = 1 / np.log2(3) + 3 / np.log2(5)
    ideal = 3 / np.log2(2) + 1 / np.log2(3)
    assert pools.own_language_ndcg(ranking, 10).to_dict() == {"en": pytest.approx(gain / ideal)}
    at_two = (1 / np.log2(3)) / ideal
    assert pools.own_language_ndcg(ranking, 2)["en"] == pytest.approx(at_two)
    assert pools.own_language_ndcg(ranking, 1)["en"] == 0
    assert pools.own_language_ndcg(ranked("e2 e1 f1", grades), 10)["en"] == pytest.approx(1)
    assert pools.own_language_ndcg(ranked("f1 e1 e2", {"f1": 1}), 10).empty


def test_without_other_languages_above_it_is_the_monolingual_ndcg(rng):
    """A search that puts the query's language first costs a reader of it nothing."""
    corpus = random_corpus(rng)
    scores = random_scores(rng, corpus)
    languages = corpus.candidates["lang"].to_numpy()
    scores += 1000 * (corpus.queries["lang"].to_numpy()[:, None] == languages)
    ranking = rank_scores(scores, corpus)
    metrics = summarise(ranking, corpus)
    monolingual = metrics["settings"]["monolingual"]["ndcg@10"]
    assert metrics["bias"]["own_language_ndcg@10"] == pytest.approx(monolingual)
