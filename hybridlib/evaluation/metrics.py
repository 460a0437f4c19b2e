"""Monolingual, cross-lingual and multilingual retrieval quality, from one set of ranks.

| setting | queries | corpus | macro average over |
|---|---|---|---|
| monolingual | language x | language x | languages |
| cross-lingual | language x | language y, y != x | ordered pairs of languages |
| multilingual | language x | all languages pooled | query languages |

A query without a relevant candidate in the corpus of a setting is left out there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation import bias

if TYPE_CHECKING:
    from hybridlib.retrieval.ranking import Ranking

SETTINGS = ("monolingual", "cross-lingual", "multilingual")


CUTOFFS = (
    1,
    10,
    100,
)  # the k of recall@k and ndcg@k: R@1 and R@10 (LAReQA's sets), nDCG@10 and R@100 (MIRACL)


POOL = "all"  # target language of the multilingual setting


def per_query(ranking: Ranking, cutoffs: tuple[int, ...] = CUTOFFS) -> pd.DataFrame:
    """One row per query and corpus it is asked of.

    Columns: query (row number), query_lang, target (a language, or ``all``), setting, relevant (how many: |R|), and the
    metrics. R is what is relevant to the query in that corpus, of any grade from 1 on.

    - ``ap``, average precision; its mean is mAP. Formula: ``(1/|R|) sum over d in R of (relevant at or above rank(d)) /
      rank(d)``. Source: TREC (Harman, Overview of TREC-2, 1993; trec_eval's ``map``). Range 0-1, higher is better.
    - ``rr``, reciprocal rank; its mean is MRR. Formula: ``1 / rank of the best relevant``. Source: TREC-8 question
      answering (Voorhees 1999; ``recip_rank``). Range 0-1, higher is better.
    - ``recall@k``. Formula: ``(relevant ranked k or better) / |R|``. Source: trec_eval's ``recall``. Range 0-1 (below 1
      where |R| > k), higher is better.
    - ``ndcg@k``, normalised discounted cumulative gain. Formula: ``DCG / best possible DCG``, ``DCG = sum over ranks r <= k
      of grade(r) / log2(r + 1)``. Source: Jarvelin and Kekalainen 2002 (``ndcg_cut``, gains as judged). Range 0-1, higher
      is better.
    - ``rank_distance``. Formula: worst rank in R - best rank in R. Source: arXiv 2408.10536. Range 0 (where R is one) to
      corpus size - 1, lower is better; see :func:`bias.rank_distance`.
    """
    by_language = ranking.relevant.assign(
        target=ranking.relevant["candidate_lang"], rank=ranking.relevant["rank_lang"]
    )
    pooled = ranking.relevant.assign(target=POOL, rank=ranking.relevant["rank_pool"])
    frame = _metrics(pd.concat([by_language, pooled], ignore_index=True), cutoffs)
    same, pool = frame["target"] == frame["query_lang"], frame["target"] == POOL
    frame["setting"] = np.select([pool, same], ["multilingual", "monolingual"], "cross-lingual")
    return frame


def _metrics(ranks: pd.DataFrame, cutoffs: tuple[int, ...]) -> pd.DataFrame:
    """Per (query, target): every metric, from columns query, query_lang, target, rank, grade."""
    ranks = ranks.sort_values(["target", "query", "rank"], ignore_index=True)
    groups = ranks.groupby(["target", "query"], sort=False)
    position = groups.cumcount() + 1
    best = ranks.sort_values(["target", "query", "grade"], ascending=[True, True, False])[
        "grade"
    ].to_numpy()
    parts = {"ap": position / ranks["rank"]}
    for k in cutoffs:
        parts[f"recall@{k}"] = (ranks["rank"] <= k).astype(float)
        parts[f"dcg@{k}"] = ranks["grade"] / np.log2(ranks["rank"] + 1) * (ranks["rank"] <= k)
        parts[f"ideal@{k}"] = best / np.log2(position + 1) * (position <= k)
    sums = pd.DataFrame(parts).groupby([ranks["target"], ranks["query"]], sort=False).sum()
    size = groups.size()
    result = (
        groups[["query_lang"]]
        .first()
        .assign(relevant=size, ap=sums["ap"] / size, rr=1 / groups["rank"].first())
    )
    for k in cutoffs:
        result[f"recall@{k}"] = sums[f"recall@{k}"] / size
        result[f"ndcg@{k}"] = sums[f"dcg@{k}"] / sums[f"ideal@{k}"]
    result["rank_distance"] = groups["rank"].last() - groups["rank"].first()
    return result.reset_index()


def summarise(ranking: Ranking, corpus: RetrievalCorpus, top_k: int = 10) -> dict[str, Any]:
    """All settings and bias figures as the content of metrics.json.

    Macro averages carry the metric's plain name, averages over queries the suffix ``_micro``. Settings for
    which the corpus has no query are left out.
    """
    table = per_query(ranking, tuple(sorted({*CUTOFFS, top_k})))
    metrics = [column for column in table if column in ("ap", "rr") or "@" in column]
    cells = table.groupby(["setting", "query_lang", "target"])
    means = (
        cells[metrics]
        .mean()
        .assign(queries=cells.size())
        .rename(columns={"ap": "map", "rr": "mrr"})
    )
    names = [column for column in means if column != "queries"]
    settings = {}
    for setting in SETTINGS:
        if setting in means.index.get_level_values(0):
            part, queries = means.loc[setting], means.loc[setting, "queries"]
            micro = part[names].mul(queries, axis=0).sum() / queries.sum()
            settings[setting] = {
                **part[names].mean().to_dict(),
                **{f"{n}_micro": v for n, v in micro.items()},
                "queries": int(queries.sum()),
                "cells": len(part),
            }
    return {
        "corpus": corpus.name,
        "candidate_text": corpus.candidate_text,
        "queries": len(corpus.queries),
        "candidates": len(corpus.candidates),
        "languages": corpus.languages,
        "settings": settings,
        "bias": bias.summarise(ranking, corpus, top_k),
        "per_language": _per_language(means, names),
        "per_pair": {
            f"{q}-{t}": _plain(row) for (_, q, t), row in means.iterrows() if t not in (q, POOL)
        },
    }


def _per_language(means: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Per query language: its monolingual and multilingual means, and the mean of its cross-lingual pairs."""
    result: dict[str, Any] = {}
    for language in sorted(set(means.index.get_level_values("query_lang"))):
        of_language = means.xs(language, level="query_lang")
        result[language] = {}
        for setting in SETTINGS:
            if setting in of_language.index.get_level_values(0):
                part = of_language.loc[setting]
                result[language][setting] = _plain(
                    pd.concat([part[names].mean(), pd.Series({"queries": part["queries"].sum()})])
                )
    return result


def _plain(row: pd.Series) -> dict[str, Any]:
    return {name: int(value) if name == "queries" else float(value) for name, value in row.items()}


def headline(metrics: dict[str, Any]) -> dict[str, float]:
    """The figures of one run that a comparison shows: mAP in each setting, recall, and two bias figures; of a corpus
    that is asked in its own languages alone (MIRACL), what is usual there: nDCG@10 and R@100."""
    if "monolingual" in metrics["settings"] and "cross-lingual" not in metrics["settings"]:
        found = metrics["settings"]["monolingual"]
        return {
            "monolingual nDCG@10": found["ndcg@10"],
            "monolingual R@100": found["recall@100"],
            "monolingual mAP": found["map"],
            "monolingual R@1": found["recall@1"],
        }
    row = {f"{setting} mAP": values["map"] for setting, values in metrics["settings"].items()}
    for setting, metric in (
        ("monolingual", "recall@1"),
        ("cross-lingual", "recall@1"),
        ("multilingual", "recall@10"),
    ):
        if setting in metrics["settings"]:
            row[f"{setting} {metric.replace('recall', 'R')}"] = metrics["settings"][setting][metric]
    names = {
        name: name.replace("same_language", "own-language").replace("_", " ")
        for name in metrics["bias"]
        if name == "rank_distance" or name.startswith("same_language_share@")
    }
    return row | {title: metrics["bias"][name] for name, title in names.items()}
