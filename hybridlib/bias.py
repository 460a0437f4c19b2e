"""Language bias: does a ranking favour a candidate for its language rather than for what it says?

Every figure reads the pooled (multilingual) ranking. Averages are macro: over a language's queries first, then
over query languages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hybridlib.corpora import RetrievalCorpus
from hybridlib.retrieval import Ranking


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


def summarise(ranking: Ranking, corpus: RetrievalCorpus, k: int = 10) -> dict[str, Any]:
    """The ``bias`` part of metrics.json; empty for a corpus in one language."""
    if len(corpus.languages) < 2:
        return {}
    distance, share = rank_distance(ranking), same_language_share(ranking, corpus, k)
    return {
        "rank_distance": float(distance.mean()),
        f"same_language_share@{k}": float(share.mean()),
        "rank_distance_per_language": distance.to_dict(),
        f"language_share@{k}": language_share(ranking, corpus, k).to_dict("index"),
    }
