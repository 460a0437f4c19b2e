"""Monolingual, cross-lingual and multilingual retrieval quality, from one set of ranks.

| setting | queries | corpus | macro average over |
|---|---|---|---|
| monolingual | language x | language x | languages |
| cross-lingual | language x | language y, y != x | ordered pairs of languages |
| multilingual | language x | all languages pooled | query languages |

A query without a relevant candidate in the corpus of a setting is left out there.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.pairs import load_parallel
from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import per_query, summarise
from hybridlib.files import resolve, write_json

if TYPE_CHECKING:
    from hybridlib.config.params import Params
    from hybridlib.model.encoder import DualEncoder
    from hybridlib.retrieval.ranking import Ranking


def check_corrections(params: Params, corpus: RetrievalCorpus) -> None:
    """What :func:`corrected` would stumble over, before anything is encoded.

    Raises:
        InputError: a language of the queries without candidates, or without parallel passages.
    """
    asked, held = sorted(set(corpus.queries["lang"])), corpus.languages
    alone = sorted(set(asked) - set(held))
    named = [name for name in params.corrections if name != "shift"]
    if alone and named:
        raise InputError(
            f"corrections: {named[0]} is estimated from candidates, and {corpus.name} has none in {', '.join(alone)}, only queries; leave it out"
        )
    if "shift" in params.corrections:
        path = resolve(params.parallel_path)
        groups = (
            load_parallel(path, sorted({*asked, *held}), params.parallel_passages)
            .groupby("lang")["group"]
            .agg(set)
        )
        for x, y in product(asked, held):
            if not groups.get(x, set()) & groups.get(y, set()):
                raise InputError(
                    f"corrections: shift needs passages in both {x!r} and {y!r}, and {path} has none; name a set that has, or leave shift out"
                )


def corrected(
    params: Params,
    encoder: DualEncoder,
    corpus: RetrievalCorpus,
    queries: np.ndarray,
    candidates: np.ndarray,
) -> dict[str, Ranking]:
    """The rankings under each training-free correction of ``params``.

    ``centering`` and ``lir`` are estimated from the candidates, ``shift`` from parallel passages; none from queries.
    """
    from hybridlib.retrieval import corrections, rank

    rankings = {}
    for name in params.corrections:
        source = corpus.candidates.assign(vectors=list(candidates))
        if name == "shift":
            source = load_parallel(
                resolve(params.parallel_path),
                sorted({*corpus.languages, *corpus.queries["lang"]}),
                params.parallel_passages,
            )
            source = source.assign(
                vectors=list(
                    encoder.encode(source["text"], "passage", params.encode_tokens, progress=True)
                )
            )
        correction = corrections.fit(
            name,
            np.stack(source["vectors"]),
            source["lang"].to_numpy(),
            source["group"].to_numpy(),
            params.lir_directions,
        )
        rankings[name] = rank.rank_corrected(
            queries, candidates, corpus, correction, params.top_k, params.score_block
        )
    return rankings


def summarise_corrected(
    params: Params, rankings: dict[str, Ranking], corpus: RetrievalCorpus
) -> dict[str, Any]:
    """The ``corrections`` part of metrics.json: of each, what it was estimated from, settings and bias figures."""
    result = {}
    for name, ranking in rankings.items():
        summary = summarise(ranking, corpus, params.top_k)
        fitted_on = resolve(params.parallel_path).name if name == "shift" else "candidates"
        result[name] = {
            "fitted_on": fitted_on,
            "settings": summary["settings"],
            "bias": summary["bias"],
        }
    return result


def write_results(
    folder: Path,
    metrics: dict[str, Any],
    ranking: Ranking,
    corpus: RetrievalCorpus,
    corrected: dict[str, Ranking] | None = None,
) -> None:
    """Write ranks, per_query.parquet, corrected.parquet (the same of each correction) and, last, metrics.json."""
    ranking.save(folder)
    _with_questions(per_query(ranking), corpus).to_parquet(
        folder / "per_query.parquet", index=False
    )
    if corrected:
        tables = [
            _with_questions(per_query(found), corpus).assign(correction=name)
            for name, found in corrected.items()
        ]
        pd.concat(tables, ignore_index=True).to_parquet(folder / "corrected.parquet", index=False)
    write_json(folder / "metrics.json", metrics)


def _with_questions(table: pd.DataFrame, corpus: RetrievalCorpus) -> pd.DataFrame:
    table.insert(1, "question_id", corpus.queries["question_id"].to_numpy()[table["query"]])
    return table
