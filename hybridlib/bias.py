"""Language bias: does a ranking favour a candidate for its language rather than for what it says?

Every figure reads the pooled (multilingual) ranking. Averages are macro: over a language's queries first, then
over query languages.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.corpora import RetrievalCorpus

if TYPE_CHECKING:
    from hybridlib.ranking import Ranking


def rank_distance(ranking: Ranking) -> pd.Series:
    """Rank distance per query language: mean over queries of (worst rank - best rank of its relevant candidates).

    Range 0 to corpus size - 1, lower is less biased (arXiv 2408.10536). It is not scale-free and falls whenever
    retrieval improves, so it never stands alone. Queries with fewer than two relevant candidates are left out.
    """
    ranks = ranking.relevant.groupby(["query_lang", "query"])["rank_pool"].agg(["min", "max", "size"])
    ranks = ranks[ranks["size"] > 1]
    return (ranks["max"] - ranks["min"]).groupby("query_lang").mean()


def language_share(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> pd.DataFrame:
    """Share of each candidate language in the top k of each query language: ``[query languages, languages]``.

    Rows sum to 1. Without bias, and with equally many answers in each language, every entry is 1 / languages.
    """
    languages = corpus.languages
    codes = pd.Categorical(corpus.candidates["lang"], languages).codes[ranking.top[:, :k]]
    counts = np.stack([(codes == code).mean(1) for code in range(len(languages))], axis=1)
    frame = pd.DataFrame(counts, columns=languages).groupby(corpus.queries["lang"].to_numpy()).mean()
    return frame.rename_axis(index="query language", columns="candidate language")


def same_language_share(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> pd.Series:
    """Per query language, share of the top k that is in the query's own language: 0-1, unbiased 1 / languages."""
    share = language_share(ranking, corpus, k)
    return pd.Series({language: share.loc[language, language] for language in share.index if language in share.columns})


def max_rank(ranking: Ranking) -> pd.Series:
    """Max@R per query language: mean rank of a query's worst-ranked relevant candidate.

    Range |R| to corpus size, lower is better (arXiv 2604.05684): how far down a reader must go to see every
    language's answer.
    """
    return ranking.relevant.groupby(["query_lang", "query"])["rank_pool"].max().groupby("query_lang").mean()


def normalised_max_rank(ranking: Ranking, corpus: RetrievalCorpus) -> pd.Series:
    """Max@R on a logarithmic scale from 0 (last of the corpus) to 100 (the best possible), per query language.

    ``100 (log2|D| - log2 Max@R) / (log2|D| - log2|R|)``, taken query by query; higher is better (arXiv 2604.05684).
    """
    worst = ranking.relevant.groupby(["query_lang", "query"])["rank_pool"].agg(["max", "size"])
    documents = np.log2(len(corpus.candidates))
    scaled = 100 * (documents - np.log2(worst["max"])) / (documents - np.log2(worst["size"]))
    return scaled.groupby("query_lang").mean()


def other_language_recall(ranking: Ranking, k: int) -> pd.Series:
    """TLR@k per query language: share, ranked k or better, of the relevant that are not in the query's language.

    Range 0-1, higher is better (arXiv 2606.18801). Queries whose every answer is in their own language are left out.
    """
    other = ranking.relevant[ranking.relevant["query_lang"] != ranking.relevant["candidate_lang"]]
    found = (other["rank_pool"] <= k).groupby([other["query_lang"], other["query"]]).mean()
    return found.groupby("query_lang").mean()


def language_preference_rate(ranking: Ranking) -> pd.Series:
    """LPR per query language: share of queries whose best-ranked relevant candidate is in the query's language.

    Range 0-1; 1 / languages without preference, 1 if the own language's answer always comes first (arXiv
    2605.07249). Whether a high value is good depends on the reader: it is a preference, not a loss. Only queries
    with relevant candidates in their own and in another language count.
    """
    relevant = _with_own_and_other(ranking)
    best = relevant.loc[relevant.groupby("query")["rank_pool"].idxmin()]
    return (best["query_lang"] == best["candidate_lang"]).groupby(best["query_lang"]).mean()


def mean_rank_correlation(ranking: Ranking, corpus: RetrievalCorpus, k: int) -> float:
    """MRC@k: mean Spearman correlation of the rankings that the language copies of a question get.

    Range -1 to 1, higher is more consistent (arXiv 2509.06195). For two copies, over the union of their top k:
    a candidate that one list misses shares there the mean of the ranks behind k. Mean over the questions of a
    pair of languages, then over pairs; NaN if no question has two languages.
    """
    k = min(k, ranking.top.shape[1])
    rows = corpus.queries.reset_index().pivot(index="question_id", columns="lang", values="index")
    values = []
    for first, second in combinations(rows.columns, 2):
        both = rows[[first, second]].dropna().astype(int)
        if len(both):
            values.append(_spearman_of_lists(ranking.top[both[first], :k], ranking.top[both[second], :k]).mean())
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
    """LAReQA's removal test: multilingual AP lost when one relevant candidate leaves the pool, by query language.

    Columns: ``same``, the one in the query's language leaves; ``other``, mean over one of the others leaving.
    About equal for an unbiased encoder; ``same`` far above ``other`` means that the own language's answer carries
    the score (arXiv 2004.05484: 0.37 against 0.02 for an mBERT trained on monolingual batches).
    """
    relevant = _with_own_and_other(ranking).sort_values(["query", "rank_pool"], ignore_index=True)
    query = relevant["query"]
    position, size = relevant.groupby("query").cumcount() + 1, relevant.groupby("query")["rank_pool"].transform("size")
    stays = position / relevant["rank_pool"]
    moves_up = (position - 1) / (relevant["rank_pool"] - 1).clip(lower=1)
    before = stays.groupby(query).cumsum() - stays
    behind = moves_up.groupby(query).transform("sum") - moves_up.groupby(query).cumsum()
    lost = stays.groupby(query).transform("mean") - (before + behind) / (size - 1)
    kind = np.where(relevant["query_lang"] == relevant["candidate_lang"], "same", "other")
    per_query = lost.groupby([relevant["query_lang"], query, kind]).mean().unstack()
    return per_query.groupby("query_lang")[["same", "other"]].mean()


def _with_own_and_other(ranking: Ranking) -> pd.DataFrame:
    """The relevant candidates of those queries that have some in their own language and some in others."""
    own = ranking.relevant["query_lang"] == ranking.relevant["candidate_lang"]
    share = own.groupby(ranking.relevant["query"]).transform("mean")
    return ranking.relevant[(share > 0) & (share < 1)]


def by_language(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> pd.DataFrame:
    """Every figure that a query language has: one row per query language, one column per figure."""
    removal = removal_test(ranking)
    return pd.DataFrame({
        "rank_distance": rank_distance(ranking),
        "max_rank": max_rank(ranking),
        "normalised_max_rank": normalised_max_rank(ranking, corpus),
        f"same_language_share@{k}": same_language_share(ranking, corpus, k),
        f"other_language_recall@{k}": other_language_recall(ranking, k),
        "language_preference_rate": language_preference_rate(ranking),
        "removal_loss_same": removal["same"],
        "removal_loss_other": removal["other"],
    }).rename_axis("query language")


def summarise(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> dict[str, Any]:
    """The ``bias`` part of metrics.json: figures that the corpus has no data for are left out (without language
    copies of a question no rank correlation; without answers in two languages nothing at all)."""
    if not len(_with_own_and_other(ranking)):
        return {}
    table = by_language(ranking, corpus, k)
    figures = {**table.mean().to_dict(), f"mean_rank_correlation@{k}": mean_rank_correlation(ranking, corpus, k)}
    return {
        **{name: float(value) for name, value in figures.items() if np.isfinite(value)},
        "rank_distance_per_language": table["rank_distance"].to_dict(),
        "per_language": {language: row.dropna().to_dict() for language, row in table.iterrows()},
        f"language_share@{k}": language_share(ranking, corpus, k).to_dict("index"),
    }
