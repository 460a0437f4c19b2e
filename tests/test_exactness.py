"""All 132 cells of full XQuAD-R (11 monolingual, 110 cross-lingual, 11 multilingual) against an independent judge."""

from __future__ import annotations

import ir_measures
import numpy as np
import pandas as pd
import pytest
import torch
from ir_measures import AP, RR, R, nDCG

from hybridlib.data import lareqa
from hybridlib.evaluation import metrics
from hybridlib.retrieval import trec
from hybridlib.retrieval.corrections import unit
from hybridlib.retrieval.rank import rank

MEASURES = {AP: "ap", RR: "rr", R @ 1: "recall@1", R @ 10: "recall@10", nDCG @ 10: "ndcg@10"}


@pytest.fixture(scope="module")
def scene(shared_data):
    """Made-up vectors that know content and language, so that answers rank high but not perfectly."""
    corpus = lareqa.load_lareqa(shared_data("xquad-r"), "xquad-r")
    rng = np.random.default_rng(0)
    contents, code = (
        pd.factorize(corpus.candidates["group"])[0],
        corpus.candidates["lang"].astype("category").cat.codes,
    )
    meaning, voice = rng.standard_normal((contents.max() + 1, 48)), rng.standard_normal((11, 48))
    candidates = unit(
        meaning[contents] + 0.8 * voice[code] + 0.9 * rng.standard_normal((len(contents), 48))
    )
    answer = corpus.qrels.groupby("query")["candidate"].first().to_numpy()
    asked = corpus.queries["lang"].astype("category").cat.codes
    queries = unit(
        meaning[contents[answer]] + 0.8 * voice[asked] + 0.9 * rng.standard_normal((len(asked), 48))
    )
    return corpus, queries, candidates


def test_every_cell_is_what_ir_measures_finds(scene):
    corpus, queries, candidates = scene
    table = (
        metrics.per_query(rank(queries, candidates, corpus))
        .set_index(["query_lang", "target"])
        .sort_index()
    )
    query_lang, candidate_lang = (
        corpus.queries["lang"].to_numpy(),
        corpus.candidates["lang"].to_numpy(),
    )
    scores = np.concatenate(
        [
            torch.from_numpy(queries[at : at + 256]) @ torch.from_numpy(candidates).T
            for at in range(0, len(queries), 256)
        ]
    )
    cells = trec.targets(corpus)
    assert len(cells) == 11 + 110 + 11
    relevant = np.zeros((len(queries), len(candidates)), dtype=bool)
    relevant[corpus.qrels["query"], corpus.qrels["candidate"]] = True
    for asked, target in cells:
        rows, columns = (
            np.flatnonzero(query_lang == asked),
            np.flatnonzero((candidate_lang == target) | (target == metrics.POOL)),
        )
        run, qrels = judged(scores[np.ix_(rows, columns)], relevant[np.ix_(rows, columns)])
        found = ir_measures.calc_aggregate(MEASURES, qrels, run)
        ours = table.loc[(asked, target)]
        for measure, column in MEASURES.items():
            assert found[measure] == pytest.approx(ours[column].mean(), abs=1e-6), (
                asked,
                target,
                column,
            )


def judged(scores: np.ndarray, relevant: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A full sort as a run, cut behind each query's last relevant candidate (what follows changes no figure), and qrels."""
    order = np.argsort(-scores, axis=1, kind="stable")
    hit = np.take_along_axis(relevant, order, 1)
    depth = np.maximum(hit.shape[1] - hit[:, ::-1].argmax(1), 10)
    query, place = np.nonzero(np.arange(order.shape[1]) < depth[:, None])
    run = pd.DataFrame(
        {
            "query_id": query.astype(str),
            "doc_id": order[query, place].astype(str),
            "score": -place.astype(float),
        }
    )
    query, column = np.nonzero(relevant)
    return run, pd.DataFrame(
        {"query_id": query.astype(str), "doc_id": column.astype(str), "relevance": 1}
    )
