"""The columns that figures are made of, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toys import random_corpus, random_scores, rank_scores

from hybridlib.retrieval.answers import Groups, mean_by, order_of


def test_groups_are_those_of_pandas(rng):
    keys = np.sort(rng.integers(0, 20, 100))
    values = rng.standard_normal(100)
    groups = Groups(keys)
    expected = pd.Series(values).groupby(keys)
    assert np.allclose(groups.sum(values), expected.sum())
    assert np.allclose(groups.mean(values), expected.mean())
    assert np.array_equal(groups.first(values), expected.first())
    assert np.array_equal(groups.last(values), expected.last())
    assert np.array_equal(groups.positions(), expected.cumcount() + 1)
    assert np.array_equal(groups.spread(groups.sizes), expected.transform("size"))


def test_sums_of_truth_values_count_them():
    assert Groups(np.array([1, 1, 1, 2])).sum(np.array([True, True, False, False])).tolist() == [
        2,
        0,
    ]


def test_no_rows_have_no_groups():
    none = np.zeros(0, dtype=int)
    assert (
        len(Groups(none).sizes) == len(Groups(none).sum(none)) == len(Groups(none).positions()) == 0
    )
    assert order_of(none, none).tolist() == []
    assert mean_by(none, none, np.array(["de"])).empty


def test_answers_are_the_relevant_candidates_by_query_and_rank(rng):
    corpus = random_corpus(rng)
    ranking = rank_scores(random_scores(rng, corpus), corpus)
    # The order of the table must not matter.
    relevant = ranking.relevant.sample(frac=1, random_state=0, ignore_index=True)
    answers = type(ranking)(relevant, ranking.top, ranking.top_scores).answers
    table = relevant.sort_values(["query", "rank_pool"])
    assert answers.order.tolist() == table.index.tolist()
    assert answers.rank.tolist() == table["rank_pool"].tolist()
    assert answers.languages[answers.language].tolist() == table["candidate_lang"].tolist()
    own = table["query_lang"] == table["candidate_lang"]
    assert answers.own.tolist() == own.tolist()

    by_query = table.groupby("query")
    languages = answers.languages[answers.query_language]
    assert languages.tolist() == by_query["query_lang"].first().tolist()
    assert answers.in_languages.tolist() == by_query["candidate_lang"].nunique().tolist()
    shares = own.groupby(table["query"]).mean()
    assert answers.with_own_and_other.tolist() == shares.between(0, 1, "neither").tolist()
    assert answers.counts.sum() == len(table)


@pytest.mark.parametrize("size", [10, 1])
def test_means_by_name_are_those_of_pandas(size, rng):
    names = np.array(["de", "en", "zh"])
    numbers = rng.integers(0, 3, size)
    values = rng.standard_normal(size)
    expected = pd.Series(values).groupby(names[numbers]).mean()
    pd.testing.assert_series_equal(mean_by(numbers, values, names), expected)
