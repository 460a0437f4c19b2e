"""TREC files: an independent judge finds the figures of metrics.json in them."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, R, nDCG
from toys import random_corpus

from hybridlib import corrections, evaluation, exchange
from hybridlib.retrieval import rank


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(5)
    corpus = random_corpus(rng, questions=30)
    vectors = [corrections.unit(rng.standard_normal((len(frame), 8))) for frame in (corpus.queries, corpus.candidates)]
    vectors[1][10:20] = vectors[1][0:10]  # equal candidates: ties
    return corpus, vectors


def test_a_judge_scores_every_cell_to_the_same(scene, tmp_path):
    corpus, vectors = scene
    table = evaluation.per_query(rank(*vectors, corpus)).rename(columns={"rr": "RR", "ap": "AP"})
    files = exchange.write_trec(tmp_path, corpus, *vectors, depth=None)
    assert len(files) == 4 + 12 + 4 == len(table.groupby(["query_lang", "target"]))
    for file in files:
        asked, _, target = file.stem.partition("-")
        run, qrels = list(ir_measures.read_trec_run(str(file))), list(ir_measures.read_trec_qrels(str(file.with_suffix(".qrels"))))
        found = ir_measures.calc_aggregate([AP, RR, R @ 10, nDCG @ 10], qrels, run)
        ours = table[(table["query_lang"] == asked) & (table["target"] == target)]
        assert len(ours) == len({q.query_id for q in qrels}) == len({r.query_id for r in run})
        for measure, column in ((AP, "AP"), (RR, "RR"), (R @ 10, "recall@10"), (nDCG @ 10, "ndcg@10")):
            assert found[measure] == pytest.approx(ours[column].mean(), abs=1e-6)


def test_depth_cuts_every_list(scene, tmp_path):
    corpus, vectors = scene
    for file in exchange.write_trec(tmp_path, corpus, *vectors, depth=3):
        ranks = [int(line.split()[3]) for line in file.read_text().splitlines()]
        assert max(ranks) == 3 and ranks.count(1) == ranks.count(3)


def test_a_monolingual_corpus_has_no_other_cells(scene):
    corpus, _ = scene
    assert exchange.targets(corpus.restrict(["de"])) == [("de", "de")]
