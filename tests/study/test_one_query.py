"""One query under every strategy of a study."""

from __future__ import annotations

import numpy as np
import pytest
from studies import copied
from toys import random_corpus

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.figures import answer_ranks, top_lists
from hybridlib.figures.tables import example_query
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study import one_query
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study, label


@pytest.fixture(scope="module")
def corpus() -> RetrievalCorpus:
    """The corpus of the made-up study, which it does not keep."""
    return random_corpus(np.random.default_rng(7), questions=30, presence=0.9)


@pytest.fixture(scope="module")
def runs(study, corpus, tmp_path_factory) -> list[Study]:
    copy = copied(study, tmp_path_factory.mktemp("one-query"))
    corpus.save(copy.data / "evaluation")
    return finished_runs(copy)


def test_the_top_results_of_one_query(runs, corpus):
    query = example_query(corpus)
    text, results = one_query.top_results(runs, k=5)
    assert text == corpus.queries["text"][query]
    relevant = set(corpus.qrels.loc[corpus.qrels["query"] == query, "candidate"])
    for run in runs:
        if run.params.seed > 0:
            continue
        top = Ranking.load(run.run).top[query, :5]
        part = results[results["strategy"] == label(run.params)]
        assert part["rank"].tolist() == [1, 2, 3, 4, 5]
        assert part["lang"].tolist() == corpus.candidates["lang"][top].tolist()
        assert [mark != "" for mark in part["right"]] == [row in relevant for row in top]
    assert len(results) == 5 * results["strategy"].nunique()
    top_lists(results)


def test_the_ranks_of_its_answers(runs, corpus):
    query = example_query(corpus)
    ranks = one_query.answer_ranks(runs)
    relevant = Ranking.load(runs[0].run).relevant
    expected = relevant.loc[relevant["query"] == query, "rank_pool"].tolist()
    part = ranks[ranks["strategy"] == label(runs[0].params)]
    assert part["rank_pool"].tolist() == expected
    assert set(ranks["strategy"]) == {label(run.params) for run in runs}
    answer_ranks(ranks)


def test_the_question_may_be_in_another_language(runs, corpus):
    text, _ = one_query.top_results(runs, lang="zh")
    assert text == corpus.queries["text"][example_query(corpus, "zh")]
    assert set(one_query.answer_ranks(runs, lang="zh")["query_lang"]) == {"zh"}


@pytest.mark.parametrize(
    ("strategy", "evaluated", "shown"),
    [
        ("hybrid", ["untrained", "x-x-mono", "x-y"], "x-x-mono"),
        ("x-x-mono", ["untrained", "x-y"], "x-y"),
        ("x-x-mono", ["untrained", "hybrid"], "hybrid"),
        ("untrained", ["untrained"], None),
    ],
)
def test_a_run_stands_beside_one_of_another_strategy(
    study, monkeypatch, strategy, evaluated, shown
):
    monkeypatch.setattr(
        one_query,
        "is_done",
        lambda run, step: step == "evaluation" and run.params.strategy in evaluated,
    )
    run = Study(study.params.but(strategy=strategy, seed=1))
    other = one_query.beside(run)
    assert (other and other.params.strategy) == shown
    assert other is None or (other.params.seed, other.params.encoder) == (1, "built-in")
