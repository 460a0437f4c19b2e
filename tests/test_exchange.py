"""TREC files: an independent judge finds the figures of metrics.json in them."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, R, nDCG
from toys import corpus_of, random_corpus

from hybridlib.evaluation import metrics
from hybridlib.retrieval import corrections, trec
from hybridlib.retrieval.rank import rank


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(5)
    corpus = random_corpus(rng, questions=30)
    vectors = [
        corrections.unit(rng.standard_normal((len(frame), 8)))
        for frame in (corpus.queries, corpus.candidates)
    ]
    vectors[1][10:20] = vectors[1][0:10]  # equal candidates: ties
    return corpus, vectors


def test_a_judge_scores_every_cell_to_the_same(scene, tmp_path):
    corpus, vectors = scene
    table = metrics.per_query(rank(*vectors, corpus)).rename(columns={"rr": "RR", "ap": "AP"})
    files = trec.write_trec(tmp_path, corpus, *vectors, depth=None)
    assert len(files) == 4 + 12 + 4 == len(table.groupby(["query_lang", "target"]))
    for file in files:
        asked, _, target = file.stem.partition("-")
        run, qrels = (
            list(ir_measures.read_trec_run(str(file))),
            list(ir_measures.read_trec_qrels(str(file.with_suffix(".qrels")))),
        )
        found = ir_measures.calc_aggregate([AP, RR, R @ 10, nDCG @ 10], qrels, run)
        ours = table[(table["query_lang"] == asked) & (table["target"] == target)]
        assert len(ours) == len({q.query_id for q in qrels}) == len({r.query_id for r in run})
        for measure, column in (
            (AP, "AP"),
            (RR, "RR"),
            (R @ 10, "recall@10"),
            (nDCG @ 10, "ndcg@10"),
        ):
            assert found[measure] == pytest.approx(ours[column].mean(), abs=1e-6)


def test_depth_cuts_every_list(scene, tmp_path):
    corpus, vectors = scene
    for file in trec.write_trec(tmp_path, corpus, *vectors, depth=3):
        ranks = [int(line.split()[3]) for line in file.read_text().splitlines()]
        assert max(ranks) == 3 and ranks.count(1) == ranks.count(3)


def test_the_cells_are_those_of_the_figures(scene, rng):
    """Also of one language, and of questions whose answers are in other languages alone."""
    crossed = corpus_of([("de:1", "de")], [("a", "en"), ("b", "zh")], [("de:1", "a", 1)])
    for corpus in (scene[0], scene[0].restrict(["de"]), crossed):
        table = metrics.per_query(
            rank(
                *(
                    rng.standard_normal((len(frame), 8)).astype(np.float32)
                    for frame in (corpus.queries, corpus.candidates)
                ),
                corpus,
            )
        )
        assert set(trec.targets(corpus)) == set(
            table[["query_lang", "target"]].itertuples(index=False, name=None)
        )


def test_ids_with_white_space_keep_their_columns(tmp_path):
    corpus = corpus_of(
        [("en one", "en")],
        [("a b", "en"), ("a%20b", "en"), ("\u3000c", "en"), ("d", "en")],
        [("en one", "a b", 2), ("en one", "\u3000c", 1)],
    )
    vectors = np.ones((1, 1), np.float32), np.arange(4, dtype=np.float32)[::-1, None].copy()
    file, _ = trec.write_trec(tmp_path, corpus, *vectors)
    assert [line.split(" ")[::2] for line in file.read_text(encoding="utf-8").splitlines()] == [
        ["en%20one", name, str(-place)]
        for place, name in enumerate(["a%20b", "a%2520b", "d", "%E3%80%80c"], 1)
    ]
    run, qrels = (
        list(ir_measures.read_trec_run(str(file))),
        list(ir_measures.read_trec_qrels(str(file.with_suffix(".qrels")))),
    )
    assert ir_measures.calc_aggregate([AP], qrels, run)[AP] == pytest.approx(
        metrics.per_query(rank(*vectors, corpus))["ap"].iloc[0]
    )
    assert file.read_text(encoding="utf-8").splitlines()[0].endswith(" hybridlib-passage")
