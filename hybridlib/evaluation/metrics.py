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

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import bias
from hybridlib.retrieval.answers import Groups, order_of
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
    table = _per_query(ranking, cutoffs)
    return table.astype({"target": str, "query_lang": str, "setting": str})


def _per_query(ranking: Ranking, cutoffs: tuple[int, ...]) -> pd.DataFrame:
    """Return what :func:`per_query` does, with categories for the names, which takes less time."""
    answers = ranking.answers
    # Every answer counts twice: among the candidates of its language, and in the pool.
    pool = int(np.searchsorted(answers.languages, POOL))
    names = np.insert(answers.languages, pool, POOL)
    language = answers.language + (answers.language >= pool)
    target = np.concatenate([language, np.full(len(language), pool)])
    rank = np.concatenate([answers.rank_in_language, answers.rank])
    queries = np.arange(len(answers.query_language))
    number = np.tile(answers.of_query.spread(queries), 2)

    # A row for each target and query that has answers in it.
    key = target * len(queries) + number
    order = order_of(key, rank)
    groups = Groups(key[order])
    first = order[groups.starts]
    target = target[first]
    query_language = answers.query_language[number[first]]
    query_language = query_language + (query_language >= pool)

    is_pool = target == pool
    setting = np.select([is_pool, target == query_language], [2, 0], 1)
    table = {
        "target": pd.Categorical.from_codes(target, names),
        "query": answers.of_query.first(answers.query)[number[first]],
        "query_lang": pd.Categorical.from_codes(query_language, names),
    }
    metrics = _metrics(groups, rank[order], np.tile(answers.grade, 2)[order], cutoffs)
    settings = pd.Categorical.from_codes(setting, SETTINGS)
    return pd.DataFrame({**table, **metrics, "setting": settings})


def _metrics(
    queries: Groups, rank: np.ndarray, grade: np.ndarray, cutoffs: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Return every metric of each query.

    Args:
        queries: the groups of answers of one query in one corpus.
        rank: of the answers, ascending within a query.
        grade: of the answers.
        cutoffs: the k of recall@k and ndcg@k.
    """
    size = queries.sizes
    position = queries.positions()  # of each answer among those of its query
    best_grades = queries.descending(grade)
    best = queries.first(rank)
    result = {"relevant": size, "ap": queries.sum(position / rank) / size, "rr": 1 / best}
    discount = np.log2(rank + 1)
    best_discount = np.log2(position + 1)
    for k in cutoffs:
        within = rank <= k
        result[f"recall@{k}"] = queries.sum(within) / size
        found = queries.sum(grade / discount * within)
        possible = queries.sum(best_grades / best_discount * (position <= k))
        result[f"ndcg@{k}"] = found / possible
    result["rank_distance"] = queries.last(rank) - best
    return result


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
    table = _per_query(ranking, tuple(sorted({*CUTOFFS, top_k})))
    columns = [column for column in table if column in ("ap", "rr") or "@" in column]
    cells = table.groupby(["setting", "query_lang", "target"])
    means = cells[columns].mean().rename(columns={"ap": "map", "rr": "mrr"})
    names = list(means)
    means["queries"] = cells.size()
    per_pair = {}
    for (setting, query_lang, target), row in _rows(means):
        if setting == "cross-lingual":
            per_pair[cell_name(query_lang, target)] = row
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
    groups = means.groupby(["query_lang", "setting"])
    rows = groups[names].mean().assign(queries=groups["queries"].sum())
    result: dict[str, Any] = {}
    for (language, setting), row in _rows(rows):
        result.setdefault(language, {})[setting] = row
    return result


def _rows(table: pd.DataFrame) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the index and the content, as Python numbers, of each row."""
    return zip(table.index, table.to_dict("records"))


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
