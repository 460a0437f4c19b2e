"""Language bias: does a ranking favour a candidate for its language rather than its content?

Every figure reads the pooled (multilingual) ranking. Averages are macro: over a language's queries
first, then over query languages. Only the queries that a figure says something about are averaged
over: each docstring names them, and so does docs/corpora.md. A language without such a query has no
value, and does not count in the average over languages.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import pools
from hybridlib.retrieval.answers import Groups
from hybridlib.retrieval.ranking import Ranking


def rank_distance(ranking: Ranking) -> pd.Series:
    """Return the rank distance per query language.

    Formula: mean over queries of (worst rank - best rank of its relevant candidates). Queries whose
    relevant candidates are in one language do not count: the source measures how far the answers
    in different languages stand apart. Source: arXiv 2408.10536. Range: 1 to corpus size - 1.
    Direction: lower is less biased. It is not scale-free and falls whenever retrieval improves, so
    it is never read without other figures.
    """
    answers = ranking.answers
    counting = answers.in_languages > 1
    distance = answers.of_query.last(answers.rank) - answers.of_query.first(answers.rank)
    return answers.mean_by_language(distance[counting], counting)


def relevant_in_two_languages(ranking: Ranking) -> pd.DataFrame:
    """Return the rows of ``ranking.relevant`` of queries that have some in two languages or more.

    Rank distance and Max@R are figures of these queries.
    """
    answers = ranking.answers
    rows = answers.order[answers.of_query.spread(answers.in_languages > 1)]
    return ranking.relevant.iloc[np.sort(rows)]


def language_share(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> pd.DataFrame:
    """Return the language share at k: ``[query languages, candidate languages]``.

    Formula: mean over the queries of language x of (candidates in language y among the top k) / k.
    All queries count, also those without a relevant candidate. A corpus of fewer than k candidates
    has them all in the top k, and is divided by how many they are. Source: LAReQA's (arXiv
    2004.05484) look at the languages on top, as a whole matrix. Range: 0 to 1, rows sum to 1.
    Direction: none; without bias, and with equally many answers in each language, every entry is 1
    / languages.

    Raises:
        InputError: the ranking holds fewer than k candidates of each query.
    """
    _check_depth(ranking, corpus, k)
    languages = corpus.languages
    language = pd.Categorical(corpus.candidates["lang"], languages).codes[ranking.top[:, :k]]
    of_query = pd.Categorical(corpus.queries["lang"])
    shape = (len(of_query.categories), len(languages))
    cell = of_query.codes[:, None].astype(np.int64) * shape[1] + language
    counts = np.bincount(cell.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    return pd.DataFrame(
        counts / counts.sum(1, keepdims=True),
        pd.Index(of_query.categories, name="query language"),
        pd.Index(languages, name="candidate language"),
    )


def same_language_share(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> pd.Series:
    """Return the same-language share at k, per query language: the diagonal of language_share.

    Formula: mean over queries of (candidates in the query's language among the top k) / k. Queries
    in a language without candidates do not count. Source: as of :func:`language_share`. Range: 0
    to 1. Direction: the nearer to 1 / languages the less biased, if every language has as many
    answers.
    """
    share = language_share(ranking, corpus, k)
    languages = [language for language in share.index if language in share.columns]
    return pd.Series({language: share.loc[language, language] for language in languages})


def max_rank(ranking: Ranking) -> pd.Series:
    """Return Max@R per query language: the rank at which every answer has been seen.

    Formula: mean over queries of the rank of its worst-ranked relevant candidate. Queries whose
    relevant candidates are in one language do not count: the source asks for the rank at which the
    answers of all languages have been seen, of queries with parallel answers. Source: arXiv
    2604.05684. Range: ``|R|`` to corpus size. Direction: lower is better.
    """
    answers = ranking.answers
    counting = answers.in_languages > 1
    worst = answers.of_query.last(answers.rank)
    return answers.mean_by_language(worst[counting], counting)


def normalised_max_rank(ranking: Ranking, corpus: RetrievalCorpus) -> pd.Series:
    """Return the normalised Max@R per query language, on a logarithmic scale.

    Formula: mean over queries of ``100 (log2|D| - log2 Max@R) / (log2|D| - log2|R|)``. The queries
    are those of :func:`max_rank`, but for those to which the whole corpus is relevant. Source:
    arXiv 2604.05684. Range: 0 (last of the corpus) to 100 (the best possible). Direction: higher is
    better.
    """
    answers = ranking.answers
    size = answers.of_query.sizes
    counting = (answers.in_languages > 1) & (size < len(corpus.candidates))
    worst = answers.of_query.last(answers.rank)[counting]
    documents = np.log2(len(corpus.candidates))
    scaled = 100 * (documents - np.log2(worst)) / (documents - np.log2(size[counting]))
    return answers.mean_by_language(scaled, counting)


def other_language_recall(ranking: Ranking, k: int) -> pd.Series:
    """Return TLR@k per query language: recall of the answers in other languages.

    Formula: mean over queries of (relevant candidates not in the query's language, ranked k or
    better) / (relevant candidates not in the query's language). Queries with relevant candidates in
    their own language alone do not count. Source: arXiv 2606.18801. Range: 0 to 1. Direction:
    higher is better.
    """
    answers = ranking.answers
    others = answers.of_query.sum(~answers.own)
    found = answers.of_query.sum(~answers.own & (answers.rank <= k))
    counting = others > 0
    return answers.mean_by_language(found[counting] / others[counting], counting)


def language_preference_rate(ranking: Ranking) -> pd.Series:
    """Return LPR, the language preference rate, per query language.

    Formula: (queries whose best-ranked relevant candidate is in their own language) / queries. Only
    queries with relevant candidates in their own and in another language count. Source: arXiv
    2605.07249. Range: 0 to 1. Direction: none; 1 / languages without preference, 1 if the own
    language's answer always comes first. Which is better depends on the reader.
    """
    answers = ranking.answers
    counting = answers.with_own_and_other
    best_is_own = answers.of_query.first(answers.own)
    return answers.mean_by_language(best_is_own[counting], counting)


def mean_rank_correlation(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> float:
    """Return MRC@k: how alike the rankings are that the language copies of a question get.

    Formula: Spearman correlation of two copies' ranks over the union of their top k, where a
    candidate that one list misses has the mean of the ranks behind k; mean over the questions of a
    pair of languages, then over pairs. Source: arXiv 2509.06195. Range: -1 (no candidate in common,
    at large k) to 1 (the same list). Direction: higher is more consistent. NaN if no question is
    in two languages.

    Raises:
        InputError: the ranking holds fewer than k candidates of each query, or a question stands
            twice in a language.
    """
    _check_depth(ranking, corpus, k)
    if not _questions_stand_once(corpus):
        raise InputError(f"{corpus.name}: a question_id stands twice in a language; which counts?")
    rows = corpus.queries.reset_index().pivot(index="question_id", columns="lang", values="index")
    in_languages = rows.fillna(-1).to_numpy(dtype=np.int64).T  # [languages, questions]
    correlations = []
    for first, second in combinations(in_languages, 2):
        both = (first >= 0) & (second >= 0)
        if both.any():
            first_top = ranking.top[first[both], :k]
            second_top = ranking.top[second[both], :k]
            correlations.append(spearman_of_lists(first_top, second_top).mean())
    return float(np.mean(correlations)) if correlations else float("nan")


def _check_depth(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> None:
    """Refuse a k that the top lists do not reach: its figure would be that of a smaller k."""
    depth = ranking.top.shape[1]
    if k < 1 or depth < min(k, len(corpus.candidates)):
        raise InputError(
            f"k is {k}, but the ranking holds the best {depth} candidates of each query; rank with "
            "a top_k of k or more, or choose a smaller k of 1 or more"
        )


def _questions_stand_once(corpus: RetrievalCorpus) -> bool:
    """Return whether every question has one query in a language at most."""
    return not corpus.queries.duplicated(["question_id", "lang"]).any()


def spearman_of_lists(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the Spearman correlation of top-k lists over their unions, ``[n]``.

    Candidates that a list misses tie behind its k-th.

    Args:
        first: candidate numbers, best first, ``[n, k]``.
        second: likewise.
    """
    k = first.shape[1]
    position = np.arange(1, k + 1)
    in_second = (first[:, :, None] == second[:, None, :]) @ position  # of the first's; 0: nowhere
    missing = k - (in_second > 0).sum(1)  # candidates that the other list has not: as many in both
    behind = k + (missing + 1) / 2  # the rank that they share in the other list

    # Sums of products of the two ranks: of candidates in both lists, and in one alone.
    in_both = in_second @ position
    in_first_alone = (in_second == 0) @ position
    in_second_alone = position.sum() - in_second.sum(1)
    in_one = (in_first_alone + in_second_alone) * behind

    # Both lists have the same ranks in another order, so one variance serves for both.
    size = k + missing
    total = position.sum() + missing * behind
    variance = (position**2).sum() + missing * behind**2 - total**2 / size
    covariance = in_both + in_one - total**2 / size
    return np.where(variance > 0, covariance / np.where(variance > 0, variance, 1), 1.0)


def removal_test(ranking: Ranking) -> pd.DataFrame:
    """Return LAReQA's removal test: what the own language's answer is worth against another's.

    Formula: mean over queries of (multilingual AP - AP with one relevant candidate out of the
    pool). Source: arXiv 2004.05484 (0.37 against 0.02 for an mBERT trained on monolingual batches).
    Range: -1 to 1, mostly 0 to 1. Direction: the nearer ``same`` is to ``other`` the less biased;
    far above it, the own language's answer carries the score.

    Returns:
        By query language, columns ``same``: the answer in the query's language is removed, and
        ``other``: mean over removing each of the others.
    """
    answers = ranking.answers
    counting = answers.with_own_and_other
    rows = answers.of_query.spread(counting)
    own = answers.own[rows]
    rank = answers.rank[rows]
    queries = Groups(answers.query[rows])
    position = queries.positions()

    # The precision at each answer as it is, and if an answer before it is removed: both its
    # position among the answers and its rank are then one less.
    stays = position / rank
    moves_up = (position - 1) / np.maximum(rank - 1, 1)

    # AP without an answer: those before it stay, those behind it move up.
    number = queries.spread(np.arange(len(queries.sizes)))
    sums = pd.DataFrame({"stays": stays, "moves_up": moves_up}).groupby(number).cumsum()
    before = sums["stays"].to_numpy() - stays
    behind = queries.spread(queries.sum(moves_up)) - sums["moves_up"].to_numpy()
    others = queries.spread(queries.sizes) - 1
    lost = queries.spread(queries.mean(stays)) - (before + behind) / others

    # Mean over the answers of a kind, then over the queries of a language.
    by_kind = pd.Series(lost).groupby(2 * number + own).mean().to_numpy().reshape(-1, 2)
    return pd.DataFrame(
        {
            "same": answers.mean_by_language(by_kind[:, 1], counting),
            "other": answers.mean_by_language(by_kind[:, 0], counting),
        }
    )


def by_language(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> pd.DataFrame:
    """Return every figure that a query language has: ``[query languages, figures]``."""
    removal = removal_test(ranking)
    return pd.DataFrame(
        {
            "rank_distance": rank_distance(ranking),
            "max_rank": max_rank(ranking),
            "normalised_max_rank": normalised_max_rank(ranking, corpus),
            f"same_language_share@{k}": same_language_share(ranking, corpus, k),
            f"other_language_recall@{k}": other_language_recall(ranking, k),
            "language_preference_rate": language_preference_rate(ranking),
            "removal_loss_same": removal["same"],
            "removal_loss_other": removal["other"],
            "equal_expected_rank": pools.equal_expected_rank(ranking),
            f"own_language_ndcg@{k}": pools.own_language_ndcg(ranking, k),
        }
    ).rename_axis("query language")


def summarise(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> dict[str, Any]:
    """Return the ``bias`` part of metrics.json: macro averages, and figures per query language.

    ``left_out`` in it names the figures that the corpus has no data for, and what they need.
    """
    missing = _without_data(ranking, corpus, k)
    table = by_language(ranking, corpus, k)
    table = table[[column for column in table if column not in missing]]

    # Macro averages: over query languages, but for the one figure that is over pairs of them.
    figures = table.mean().to_dict()
    if f"mean_rank_correlation@{k}" not in missing:
        figures[f"mean_rank_correlation@{k}"] = mean_rank_correlation(ranking, corpus, k)
    result: dict[str, Any] = {}
    for name, value in figures.items():
        if np.isfinite(value) and name not in missing:
            result[name] = float(value)

    if "rank_distance" in table:
        result["rank_distance_per_language"] = table["rank_distance"].dropna().to_dict()
    if len(table.columns):
        per_language = {}
        for language, row in table.iterrows():
            per_language[language] = row.dropna().to_dict()
        result["per_language"] = per_language
    if f"language_share@{k}" not in missing:
        result[f"language_share@{k}"] = language_share(ranking, corpus, k).to_dict("index")
    result["left_out"] = missing
    return result


def _without_data(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> dict[str, str]:
    """Return the figures that the corpus has no data for, each with what it needs."""
    answers = ranking.answers
    several = answers.of_query.sizes[answers.in_languages > 1]
    question_languages = corpus.queries.groupby("question_id")["lang"].nunique()
    in_two_languages = "a query with relevant passages in two languages"
    needs = (
        (
            in_two_languages,
            len(several) > 0,
            ["rank_distance", "max_rank", "normalised_max_rank"],
        ),
        (
            f"{in_two_languages}, and a passage that is not relevant to it",
            not len(several) or several.min() < len(corpus.candidates),
            ["normalised_max_rank"],
        ),
        (
            "passages in two languages",
            len(corpus.languages) > 1,
            [f"same_language_share@{k}", f"language_share@{k}"],
        ),
        (
            "passages in the language of a query",
            len(corpus.languages) < 2 or corpus.queries["lang"].isin(corpus.languages).any(),
            [f"same_language_share@{k}"],
        ),
        (
            "a query with a relevant passage in another language",
            not answers.own.all(),
            [f"other_language_recall@{k}"],
        ),
        (
            "a query with relevant passages in its own and in another language",
            answers.with_own_and_other.any(),
            ["language_preference_rate", "removal_loss_same", "removal_loss_other"],
        ),
        (
            "a query with relevant passages of one grade in two languages, several in one of them",
            len(pools.tested_by_language(ranking)) > 0,
            ["equal_expected_rank"],
        ),
        (
            "a query with a relevant passage in its own language",
            answers.own.any(),
            [f"own_language_ndcg@{k}"],
        ),
        (
            "passages in two languages",
            len(corpus.languages) > 1,
            [f"own_language_ndcg@{k}"],
        ),
        (
            "a question_id in two languages",
            (question_languages > 1).any(),
            [f"mean_rank_correlation@{k}"],
        ),
        (
            "one query for a question_id in a language",
            _questions_stand_once(corpus),
            [f"mean_rank_correlation@{k}"],
        ),
    )
    missing: dict[str, str] = {}
    for need, available, figures in needs:
        if not available:
            missing |= dict.fromkeys(figures, f"needs {need}")
    return missing
