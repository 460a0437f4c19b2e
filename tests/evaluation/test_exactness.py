"""All 132 cells of full XQuAD-R (11 monolingual, 110 cross-lingual, 11 multilingual)."""

from __future__ import annotations

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, RR, R, nDCG

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.lareqa import load_lareqa
from hybridlib.evaluation.metrics import POOL, per_query
from hybridlib.retrieval.rank import rank
from hybridlib.retrieval.trec import targets
from hybridlib.retrieval.unit import unit

MEASURES = {AP: "ap", RR: "rr", R @ 1: "recall@1", R @ 10: "recall@10", nDCG @ 10: "ndcg@10"}
Scene = tuple[RetrievalCorpus, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def scene(shared_data) -> Scene:
    """Made-up vectors of content and language: answers rank high but not perfectly."""
    corpus = load_lareqa(shared_data("xquad-r"), "xquad-r")
    rng = np.random.default_rng(0)
    contents, _ = pd.factorize(corpus.candidates["group"])
    meaning = rng.standard_normal((contents.max() + 1, 48))
    voice = rng.standard_normal((11, 48))
    candidate_lang = corpus.candidates["lang"].astype("category").cat.codes
    noise = rng.standard_normal((len(contents), 48))
    candidates = unit(meaning[contents] + 0.8 * voice[candidate_lang] + 0.9 * noise)
    answer = corpus.qrels.groupby("query")["candidate"].first().to_numpy()
    query_lang = corpus.queries["lang"].astype("category").cat.codes
    noise = rng.standard_normal((len(query_lang), 48))
    queries = unit(meaning[contents[answer]] + 0.8 * voice[query_lang] + 0.9 * noise)
    return corpus, queries, candidates


@pytest.fixture(scope="module")
def table(scene) -> pd.DataFrame:
    """Our figures, by query language, target and query."""
    corpus, queries, candidates = scene
    metrics = per_query(rank(queries, candidates, corpus))
    return metrics.set_index(["query_lang", "target", "query"]).sort_index()


@pytest.mark.parametrize("step", [30, pytest.param(1, marks=pytest.mark.slow)])
def test_every_cell_is_what_ir_measures_computes(step, scene, table):
    """Query by query, for every ``step``-th query of a cell, from another first one in each."""
    corpus, queries, candidates = scene
    query_lang = corpus.queries["lang"].to_numpy()
    candidate_lang = corpus.candidates["lang"].to_numpy()
    relevant = np.zeros((len(queries), len(candidates)), dtype=bool)
    relevant[corpus.qrels["query"], corpus.qrels["candidate"]] = True
    cells = targets(corpus)
    assert len(cells) == 11 + 110 + 11
    for number, (language, target) in enumerate(cells):
        rows = np.flatnonzero(query_lang == language)[number % step :: step]
        columns = np.flatnonzero((candidate_lang == target) | (target == POOL))
        scores = queries[rows] @ candidates[columns].T
        run, qrels = run_and_qrels(scores, relevant[np.ix_(rows, columns)], rows)
        values = ir_measures.iter_calc(list(MEASURES), qrels, run)
        expected = pd.DataFrame(values).pivot(index="query_id", columns="measure", values="value")
        expected = expected.rename(columns=MEASURES).rename(index=int)
        ours = table.loc[(language, target)].loc[expected.index, expected.columns]
        assert len(ours) == len(rows)
        assert np.allclose(ours, expected, atol=1e-6), (language, target)


def run_and_qrels(
    scores: np.ndarray, relevant: np.ndarray, names: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a full sort as a run, and qrels.

    The run ends behind each query's last relevant candidate: what follows changes no figure.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)
    last_hit = hits.shape[1] - hits[:, ::-1].argmax(1)
    depth = np.maximum(last_hit, 10)
    query, position = np.nonzero(np.arange(order.shape[1]) < depth[:, None])
    run = pd.DataFrame(
        {
            "query_id": names[query].astype(str),
            "doc_id": order[query, position].astype(str),
            "score": -position.astype(float),
        }
    )
    query, column = np.nonzero(relevant)
    qrels = pd.DataFrame(
        {"query_id": names[query].astype(str), "doc_id": column.astype(str), "relevance": 1}
    )
    return run, qrels
