"""Monolingual, cross-lingual and multilingual retrieval quality, from one set of ranks.

=============  ==========  ====================  ==========================
setting        queries     corpus                macro average over
=============  ==========  ====================  ==========================
monolingual    language x  language x            languages
cross-lingual  language x  language y, y != x    ordered pairs of languages
multilingual   language x  all languages pooled  query languages
=============  ==========  ====================  ==========================

A query without a relevant candidate in the corpus of a setting does not count there.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import bias
from hybridlib.retrieval.ranking import POOL, Ranking, cell_name

SETTINGS = ("monolingual", "cross-lingual", "multilingual")

# The k of recall@k and ndcg@k: R@1 and R@10 (LAReQA's sets), nDCG@10 and R@100 (MIRACL).
CUTOFFS = (1, 10, 100)


def check_judged(corpus: RetrievalCorpus) -> None:
    """Refuse a corpus in which nothing can be found, so that no figure has anything to average.

    Raises:
        InputError: no query has a relevant passage.
    """
    if corpus.qrels.empty:
        raise InputError(
            f"{corpus.name}: no query has a relevant passage in it, so there is nothing to "
            "measure; look at its judgments and languages"
        )


def per_query(ranking: Ranking, cutoffs: tuple[int, ...] = CUTOFFS) -> pd.DataFrame:
    """Return every metric of every query in every corpus it is a query of.

    Columns: query (row number), query_lang, target (a language, or ``all``), setting, relevant (how
    many: ``|R|``), and the metrics. R is what is relevant to the query in that corpus, of any grade
    from 1 on.

    - ``ap``, average precision; its mean is mAP. Formula: ``(1/|R|) sum over d in R of (relevant at
      or above rank(d)) / rank(d)``. Source: TREC (Harman, Overview of TREC-2, 1993; trec_eval's
      ``map``). Range 0-1, higher is better.
    - ``rr``, reciprocal rank; its mean is MRR. Formula: ``1 / rank of the best relevant``. Source:
      TREC-8 question answering (Voorhees 1999; ``recip_rank``). Range 0-1, higher is better.
    - ``recall@k``. Formula: ``(relevant ranked k or better) / |R|``. Source: trec_eval's
      ``recall``. Range 0-1 (below 1 where ``|R| > k``), higher is better.
    - ``ndcg@k``, normalised discounted cumulative gain. Formula: ``DCG / best possible DCG``, ``DCG
      = sum over ranks r <= k of grade(r) / log2(r + 1)``. Source: Jarvelin and Kekalainen 2002
      (``ndcg_cut``, gains as judged). Range 0-1, higher is better.
    - ``rank_distance``. Formula: worst rank in R - best rank in R. Source: arXiv 2408.10536. Range
      0 (where R is one) to corpus size - 1, lower is better; see :func:`bias.rank_distance`.

    Args:
        ranking: of the whole corpus.
        cutoffs: the k of recall@k and ndcg@k.
    """
    relevant = ranking.relevant
    by_language = relevant.assign(target=relevant["candidate_lang"], rank=relevant["rank_lang"])
    pooled = relevant.assign(target=POOL, rank=relevant["rank_pool"])
    frame = _metrics(pd.concat([by_language, pooled], ignore_index=True), cutoffs)
    is_pool = frame["target"] == POOL
    is_own = frame["target"] == frame["query_lang"]
    names = ["multilingual", "monolingual"]
    frame["setting"] = np.select([is_pool, is_own], names, "cross-lingual")
    return frame


def _metrics(ranks: pd.DataFrame, cutoffs: tuple[int, ...]) -> pd.DataFrame:
    """Return every metric of each (query, target).

    Args:
        ranks: columns query, query_lang, target, rank, grade.
        cutoffs: the k of recall@k and ndcg@k.
    """
    ranks = ranks.sort_values(["target", "query", "rank"], ignore_index=True)
    groups = ranks.groupby(["target", "query"], sort=False)
    position = groups.cumcount() + 1  # of each relevant candidate among the relevant ones
    by_grade = ranks.sort_values(["target", "query", "grade"], ascending=[True, True, False])
    best_grades = by_grade["grade"].to_numpy()

    # What each relevant candidate adds to the sums of its query.
    parts = {"ap": position / ranks["rank"]}
    for k in cutoffs:
        within = ranks["rank"] <= k
        parts[f"recall@{k}"] = within.astype(float)
        parts[f"dcg@{k}"] = ranks["grade"] / np.log2(ranks["rank"] + 1) * within
        parts[f"ideal@{k}"] = best_grades / np.log2(position + 1) * (position <= k)
    sums = pd.DataFrame(parts).groupby([ranks["target"], ranks["query"]], sort=False).sum()

    # The sums of each query, divided by how many are relevant or by the best possible sum.
    size = groups.size()
    result = groups[["query_lang"]].first()
    result["relevant"] = size
    result["ap"] = sums["ap"] / size
    result["rr"] = 1 / groups["rank"].first()
    for k in cutoffs:
        result[f"recall@{k}"] = sums[f"recall@{k}"] / size
        result[f"ndcg@{k}"] = sums[f"dcg@{k}"] / sums[f"ideal@{k}"]
    result["rank_distance"] = groups["rank"].last() - groups["rank"].first()
    return result.reset_index()


def summarise(ranking: Ranking, corpus: RetrievalCorpus, top_k: int = 10) -> dict[str, Any]:
    """Return all settings and bias figures as the content of metrics.json.

    Macro averages have the metric's plain name, averages over queries the suffix ``_micro``. A
    setting for which the corpus has no query is not in the result. The keys of ``per_pair`` are
    those of :func:`cell_name`; :func:`of_pair` reads them.

    Args:
        ranking: of the whole corpus.
        corpus: what was ranked.
        top_k: a further k of recall@k and ndcg@k, and the k of the bias figures.
    """
    table = per_query(ranking, tuple(sorted({*CUTOFFS, top_k})))
    columns = [column for column in table if column in ("ap", "rr") or "@" in column]
    cells = table.groupby(["setting", "query_lang", "target"])
    means = cells[columns].mean().assign(queries=cells.size())
    means = means.rename(columns={"ap": "map", "rr": "mrr"})
    names = [column for column in means if column != "queries"]
    per_pair = {}
    for (_, query_lang, target), row in means.iterrows():
        if target not in (query_lang, POOL):
            per_pair[cell_name(query_lang, target)] = _plain(row)
    return {
        "corpus": corpus.name,
        "candidate_text": corpus.candidate_text,
        "queries": len(corpus.queries),
        "candidates": len(corpus.candidates),
        "languages": corpus.languages,
        "settings": _settings(means, names),
        "bias": bias.summarise(ranking, corpus, top_k),
        "per_language": _per_language(means, names),
        "per_pair": per_pair,
    }


def of_pair(metrics: dict[str, Any], query_lang: str, target: str) -> dict[str, Any] | None:
    """Return the means of one ordered pair of languages; None where no query searches it.

    Results of earlier versions are read too. They name a pair ``<query language>-<target>``, also
    where a language has a hyphen; a name that two pairs of the results share is no pair's.

    Args:
        metrics: what :func:`summarise` returns, or the content of a metrics.json.
        query_lang: language of the queries.
        target: language of the candidates.
    """
    per_pair = metrics["per_pair"]
    name = cell_name(query_lang, target)
    if name in per_pair:
        return per_pair[name]
    joined = f"{query_lang}-{target}"
    pairs = product(metrics["per_language"], metrics["languages"])
    sharing = [pair for pair in pairs if pair[0] != pair[1] and "-".join(pair) == joined]
    return per_pair.get(joined) if len(sharing) == 1 else None


def _settings(means: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Return the macro and micro averages of each setting.

    Args:
        means: by setting, query language and target: the metrics and how many queries.
        names: of the metrics.
    """
    settings = {}
    for setting in SETTINGS:
        if setting in means.index.get_level_values(0):
            cells = means.loc[setting]
            queries = cells["queries"]
            micro = cells[names].mul(queries, axis=0).sum() / queries.sum()
            settings[setting] = {
                **cells[names].mean().to_dict(),
                **{f"{name}_micro": value for name, value in micro.items()},
                "queries": int(queries.sum()),
                "cells": len(cells),
            }
    return settings


def _per_language(means: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Return the means of each query language in each setting; cross-lingual, over its pairs."""
    result: dict[str, Any] = {}
    for language, of_language in means.groupby("query_lang"):
        result[language] = {}
        by_setting = dict(list(of_language.groupby("setting")))
        for setting in SETTINGS:
            if setting in by_setting:
                cells = by_setting[setting]
                queries = int(cells["queries"].sum())
                result[language][setting] = {**_plain(cells[names].mean()), "queries": queries}
    return result


def _plain(row: pd.Series) -> dict[str, Any]:
    """Return a row as Python numbers."""
    return {name: int(value) if name == "queries" else float(value) for name, value in row.items()}


def truncated_name(width: int | str) -> str:
    """Return how tables name vectors that are cut to so many dimensions."""
    return f"first {width} dimensions"


def headline(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the figures of one run that a comparison shows.

    They are mAP in each setting, recall, and two bias figures. A corpus that is searched in its own
    languages alone (MIRACL) has what is usual for it: nDCG@10 and R@100. A query with several
    answers in a language brings multilingual nDCG@10 and PEER.

    Args:
        metrics: what :func:`summarise` returns.
    """
    settings = metrics["settings"]
    if "monolingual" in settings and "cross-lingual" not in settings:
        monolingual = settings["monolingual"]
        return {
            "monolingual nDCG@10": monolingual["ndcg@10"],
            "monolingual R@100": monolingual["recall@100"],
            "monolingual mAP": monolingual["map"],
            "monolingual R@1": monolingual["recall@1"],
        }
    row = {f"{setting} mAP": values["map"] for setting, values in settings.items()}
    for setting, k in (("monolingual", 1), ("cross-lingual", 1), ("multilingual", 10)):
        if setting in settings:
            row[f"{setting} R@{k}"] = settings[setting][f"recall@{k}"]
    for name, value in metrics["bias"].items():
        if name == "rank_distance" or name.startswith("same_language_share@"):
            row[name.replace("same_language", "own-language").replace("_", " ")] = value
    if "equal_expected_rank" in metrics["bias"]:
        row["multilingual nDCG@10"] = settings["multilingual"]["ndcg@10"]
        row["PEER"] = metrics["bias"]["equal_expected_rank"]
    return row
