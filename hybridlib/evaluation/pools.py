"""Two figures for pools that are not parallel, in which languages have unlike numbers of answers.

They read the pooled ranking, as those of :mod:`hybridlib.evaluation.bias` do.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from hybridlib.retrieval.answers import Groups
from hybridlib.retrieval.ranking import Ranking

_LEVEL = ["query_lang", "query", "grade"]


def equal_expected_rank(ranking: Ranking) -> pd.Series:
    """Return PEER, the probability of equal expected rank, per query language.

    Formula: mean over queries of the mean over grades of the p-value of a Kruskal-Wallis test: do
    the relevant candidates of a grade stand equally high in every language? Ranks are those among
    the candidates of the grade, in the whole ranking. A grade counts where two languages have
    candidates of it, and one of them two or more: with one in each language the test has the same
    result for every order. Source: arXiv 2405.00978, with equal weights for the grades that a query
    has, without its cut-off of the ranking, and without the grade of what is not relevant. Range: 0
    to 1. Direction: higher is less biased. Lists in which language plays no part have about 0.5, as
    p-values do. With few candidates the test finds little, and the figure is high.
    """
    tested = tested_by_language(ranking)
    if tested.empty:
        return pd.Series(dtype=float)
    levels = tested.groupby(_LEVEL)
    position = levels["rank_pool"].rank()
    by_language = position.groupby([*(tested[name] for name in _LEVEL), tested["candidate_lang"]])
    sums = by_language.agg(["sum", "size"])

    # The statistic without ties, which ranks have none of: 12 / (n (n + 1)) S - 3 (n + 1).
    between = (sums["sum"] ** 2 / sums["size"]).groupby(_LEVEL).sum()
    size = sums["size"].groupby(_LEVEL).sum()
    freedom = sums["size"].groupby(_LEVEL).size() - 1
    statistic = 12 * between / (size * (size + 1)) - 3 * (size + 1)
    p_values = pd.Series(chdtrc(freedom, statistic.clip(lower=0)), index=statistic.index)
    return p_values.groupby(_LEVEL[:2]).mean().groupby("query_lang").mean()


def tested_by_language(ranking: Ranking) -> pd.DataFrame:
    """Return the rows of ``ranking.relevant`` that :func:`equal_expected_rank` tests."""
    # Only these can have a grade of which a language has several.
    answers = ranking.answers
    has_several = answers.of_query.spread(answers.counts.max(1, initial=0) > 1)
    relevant = ranking.relevant.iloc[np.sort(answers.order[has_several])]
    levels = relevant.groupby(_LEVEL)
    languages = levels["candidate_lang"].transform("nunique")
    size = levels["candidate_lang"].transform("size")
    return relevant[(languages > 1) & (size > languages)]


def own_language_ndcg(ranking: Ranking, k: int) -> pd.Series:
    """Return the own-language nDCG at k, per query language: what a reader of one language finds.

    Formula: nDCG@k of the pooled ranking in which only relevant candidates in the query's language
    have a gain, their grade. The best possible list has them on top. Queries without a relevant
    candidate in their language do not count. Source: this project; arXiv 2605.07249 (Lang-nDCG)
    asks for the same, and its gains may differ. Range: 0 to 1. Direction: higher is better for such
    a reader. Beside the monolingual nDCG@k it says what the candidates in other languages cost.
    """
    answers = ranking.answers
    queries = Groups(answers.query[answers.own])
    rank = answers.rank[answers.own]
    grade = answers.grade[answers.own]
    gains = queries.sum(grade / np.log2(rank + 1) * (rank <= k))

    # The best possible list.
    best = queries.descending(grade)
    position = queries.positions()
    ideal = queries.sum(best / np.log2(position + 1) * (position <= k))
    counting = answers.of_query.sum(answers.own) > 0
    return answers.mean_by_language(gains / ideal, counting)
