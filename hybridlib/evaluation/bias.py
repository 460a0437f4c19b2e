"""Language bias: does a ranking favour a candidate for its language rather than for what it says?

Every figure reads the pooled (multilingual) ranking. Averages are macro: over a language's queries first, then
over query languages.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus

if TYPE_CHECKING:
    from hybridlib.retrieval.ranking import Ranking


def rank_distance(ranking: Ranking) -> pd.Series:
    """Rank distance per query language.

    Formula: mean over queries of (worst rank - best rank of its relevant candidates). Source: arXiv 2408.10536. Range:
    1 to corpus size - 1. Direction: lower is less biased. It is not scale-free and falls whenever retrieval improves, so
    it never stands alone. Queries with fewer than two relevant candidates are left out.
    """
    ranks = ranking.relevant.groupby(["query_lang", "query"])["rank_pool"].agg(
        ["min", "max", "size"]
    )
    ranks = ranks[ranks["size"] > 1]
    return (ranks["max"] - ranks["min"]).groupby("query_lang").mean()


def language_share(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> pd.DataFrame:
    """Language share at k: ``[query languages, candidate languages]``.

    Formula: mean over the queries of language x of (candidates in language y among the top k) / k. Source: LAReQA's
    (arXiv 2004.05484) look at the languages on top, as a whole matrix. Range: 0 to 1, rows sum to 1. Direction: none;
    without bias, and with equally many answers in each language, every entry is 1 / languages.
    """
    languages = corpus.languages
    codes = pd.Categorical(corpus.candidates["lang"], languages).codes[ranking.top[:, :k]]
    counts = np.stack([(codes == code).mean(1) for code in range(len(languages))], axis=1)
    frame = (
        pd.DataFrame(counts, columns=languages).groupby(corpus.queries["lang"].to_numpy()).mean()
    )
    return frame.rename_axis(index="query language", columns="candidate language")


def same_language_share(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> pd.Series:
    """Same-language share at k, per query language: the diagonal of :func:`language_share`.

    Formula: mean over queries of (candidates in the query's language among the top k) / k. Source: as there. Range: 0
    to 1. Direction: the nearer to 1 / languages the less biased, if every language has as many answers.
    """
    share = language_share(ranking, corpus, k)
    return pd.Series(
        {
            language: share.loc[language, language]
            for language in share.index
            if language in share.columns
        }
    )


def max_rank(ranking: Ranking) -> pd.Series:
    """Max@R per query language: how far down a reader must go to see every language's answer.

    Formula: mean over queries of the rank of its worst-ranked relevant candidate. Source: arXiv 2604.05684. Range: |R|
    to corpus size. Direction: lower is better.
    """
    return (
        ranking.relevant.groupby(["query_lang", "query"])["rank_pool"]
        .max()
        .groupby("query_lang")
        .mean()
    )


def normalised_max_rank(ranking: Ranking, corpus: RetrievalCorpus) -> pd.Series:
    """Normalised Max@R per query language: the same on a logarithmic scale.

    Formula: mean over queries of ``100 (log2|D| - log2 Max@R) / (log2|D| - log2|R|)``. Source: arXiv 2604.05684. Range:
    0 (last of the corpus) to 100 (the best possible). Direction: higher is better. Queries to which the whole corpus is
    relevant have none and are left out.
    """
    worst = ranking.relevant.groupby(["query_lang", "query"])["rank_pool"].agg(["max", "size"])
    documents = np.log2(len(corpus.candidates))
    worst = worst[worst["size"] < len(corpus.candidates)]
    scaled = 100 * (documents - np.log2(worst["max"])) / (documents - np.log2(worst["size"]))
    return scaled.groupby("query_lang").mean()


def other_language_recall(ranking: Ranking, k: int) -> pd.Series:
    """TLR@k per query language: recall of the answers in other languages.

    Formula: mean over queries of (relevant candidates not in the query's language, ranked k or better) / (relevant
    candidates not in the query's language). Source: arXiv 2606.18801. Range: 0 to 1. Direction: higher is better.
    Queries whose every answer is in their own language are left out.
    """
    other = ranking.relevant[ranking.relevant["query_lang"] != ranking.relevant["candidate_lang"]]
    found = (other["rank_pool"] <= k).groupby([other["query_lang"], other["query"]]).mean()
    return found.groupby("query_lang").mean()


def language_preference_rate(ranking: Ranking) -> pd.Series:
    """LPR (language preference rate) per query language.

    Formula: (queries whose best-ranked relevant candidate is in their own language) / queries. Source: arXiv 2605.07249.
    Range: 0 to 1. Direction: none; 1 / languages without preference, 1 if the own language's answer always comes first,
    and whether that is good depends on the reader. Only queries with relevant candidates in their own and in another
    language count.
    """
    relevant = _with_own_and_other(ranking)
    best = relevant.loc[relevant.groupby("query")["rank_pool"].idxmin()]
    return (best["query_lang"] == best["candidate_lang"]).groupby(best["query_lang"]).mean()


def mean_rank_correlation(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> float:
    """MRC@k: how alike the rankings are that the language copies of a question get.

    Formula: Spearman correlation of two copies' ranks over the union of their top k, where a candidate that one list
    misses has the mean of the ranks behind k; mean over the questions of a pair of languages, then over pairs. Source:
    arXiv 2509.06195. Range: -1 (no candidate in common, at large k) to 1 (the same list). Direction: higher is more
    consistent. NaN if no question has two languages.
    """
    k = min(k, ranking.top.shape[1])
    rows = corpus.queries.reset_index().pivot(index="question_id", columns="lang", values="index")
    values = []
    for first, second in combinations(rows.columns, 2):
        both = rows[[first, second]].dropna().astype(int)
        if len(both):
            values.append(
                _spearman_of_lists(
                    ranking.top[both[first], :k], ranking.top[both[second], :k]
                ).mean()
            )
    return float(np.mean(values)) if values else float("nan")


def _spearman_of_lists(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman correlation of top-k lists ``[n, k]`` over their unions, ``[n]``; missing ones tie behind k."""
    k = first.shape[1]
    same = first[:, :, None] == second[:, None, :]
    position = np.arange(1, k + 1)
    missing = k - same.sum((1, 2))  # as many in either list
    behind = k + (missing + 1) / 2
    common = np.einsum("nij,i,j->n", same, position, position)
    alone = ((~same.any(2)) @ position + (~same.any(1)) @ position) * behind
    size = k + missing
    total = position.sum() + missing * behind
    variance = (position**2).sum() + missing * behind**2 - total**2 / size
    covariance = common + alone - total**2 / size
    return np.where(variance > 0, covariance / np.where(variance > 0, variance, 1), 1.0)


def removal_test(ranking: Ranking) -> pd.DataFrame:
    """LAReQA's removal test: what the own language's answer is worth against another's, by query language.

    Formula: mean over queries of (multilingual AP - AP with one relevant candidate out of the pool). Columns: ``same``,
    the one in the query's language leaves; ``other``, mean over each of the others leaving. Source: arXiv 2004.05484
    (0.37 against 0.02 for an mBERT trained on monolingual batches). Range: -1 to 1, mostly 0 to 1. Direction: the nearer
    ``same`` is to ``other`` the less biased; far above it, the own language's answer carries the score.
    """
    relevant = _with_own_and_other(ranking).sort_values(["query", "rank_pool"], ignore_index=True)
    query = relevant["query"]
    position, size = (
        relevant.groupby("query").cumcount() + 1,
        relevant.groupby("query")["rank_pool"].transform("size"),
    )
    stays = position / relevant["rank_pool"]
    moves_up = (position - 1) / (relevant["rank_pool"] - 1).clip(lower=1)
    before = stays.groupby(query).cumsum() - stays
    behind = moves_up.groupby(query).transform("sum") - moves_up.groupby(query).cumsum()
    lost = stays.groupby(query).transform("mean") - (before + behind) / (size - 1)
    kind = np.where(relevant["query_lang"] == relevant["candidate_lang"], "same", "other")
    per_query = (
        lost.groupby([relevant["query_lang"], query, kind])
        .mean()
        .unstack()
        .reindex(columns=["same", "other"])
    )
    return per_query.groupby("query_lang").mean()


def _with_own_and_other(ranking: Ranking) -> pd.DataFrame:
    """The relevant candidates of those queries that have some in their own language and some in others."""
    own = ranking.relevant["query_lang"] == ranking.relevant["candidate_lang"]
    share = own.groupby(ranking.relevant["query"]).transform("mean")
    return ranking.relevant[(share > 0) & (share < 1)]


def by_language(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> pd.DataFrame:
    """Every figure that a query language has: one row per query language, one column per figure."""
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
        }
    ).rename_axis("query language")


_NEEDS = {  # what a corpus must have, and the figures that need it
    "a query with relevant passages in two languages": (
        "rank_distance",
        "max_rank",
        "normalised_max_rank",
    ),
    "passages in two languages": ("same_language_share@{k}", "language_share@{k}"),
    "a query with a relevant passage in another language": ("other_language_recall@{k}",),
    "a query with relevant passages in its own and in another language": (
        "language_preference_rate",
        "removal_loss_same",
        "removal_loss_other",
    ),
    "a question_id in two languages": ("mean_rank_correlation@{k}",),
}


def summarise(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> dict[str, Any]:
    """The ``bias`` part of metrics.json: macro averages, and per query language; ``left_out`` names the figures that
    the corpus has no data for, and what they need."""
    left_out = {
        figure: f"needs {need}"
        for need, there in _present(ranking, corpus).items()
        if not there
        for figure in _figures(need, k)
    }
    table = by_language(ranking, corpus, k)
    table = table[[column for column in table if column not in left_out]]
    figures = {
        **table.mean().to_dict(),
        f"mean_rank_correlation@{k}": mean_rank_correlation(ranking, corpus, k),
    }
    result: dict[str, Any] = {
        name: float(value)
        for name, value in figures.items()
        if np.isfinite(value) and name not in left_out
    }
    if "rank_distance" in table:
        result["rank_distance_per_language"] = table["rank_distance"].dropna().to_dict()
    if len(table.columns):
        result["per_language"] = {
            language: row.dropna().to_dict() for language, row in table.iterrows()
        }
    if f"language_share@{k}" not in left_out:
        result[f"language_share@{k}"] = language_share(ranking, corpus, k).to_dict("index")
    return result | {"left_out": left_out}


def _figures(need: str, k: int) -> list[str]:
    return [figure.format(k=k) for figure in _NEEDS[need]]


def _present(ranking: Ranking, corpus: RetrievalCorpus) -> dict[str, bool]:
    """Which of the keys of _NEEDS the corpus has."""
    relevant = ranking.relevant
    copies = corpus.queries.groupby("question_id")["lang"].nunique()
    there = (
        (relevant.groupby("query")["candidate_lang"].nunique() > 1).any(),
        len(corpus.languages) > 1,
        (relevant["query_lang"] != relevant["candidate_lang"]).any(),
        len(_with_own_and_other(ranking)) > 0,
        (copies > 1).any(),
    )
    return {need: bool(value) for need, value in zip(_NEEDS, there)}
