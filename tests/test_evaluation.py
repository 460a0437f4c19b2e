"""Retrieval quality: cases worked by hand, and an independent implementation (ir-measures) on random rankings."""

from __future__ import annotations

import json
import math

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, RR, R, nDCG
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import check_corrections, summarise_corrected, write_results
from hybridlib.evaluation.metrics import POOL, headline, per_query, summarise
from hybridlib.retrieval.ranking import Ranking

LOG2 = math.log2


@pytest.fixture
def worked() -> tuple[RetrievalCorpus, Ranking]:
    """Two languages, three candidates each, in the order de:a de:b de:c en:a en:b en:c.

    en:q finds en:a (grade 2), en:b (1) and de:b (3); de:q finds de:a (1) alone; en:r has no answer at all.
    """
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "abc"],
        [("en:q", "en:a", 2), ("en:q", "en:b", 1), ("en:q", "de:b", 3), ("de:q", "de:a", 1)],
    )
    scores = np.array(
        [
            [
                0.3,
                0.9,
                0.2,
                0.8,
                0.1,
                0.0,
            ],  # de:q: de:b en:a de:a ...      de:a is 3rd, 2nd in German
            [0.2, 0.5, 0.9, 0.8, 0.1, 0.7],  # en:q: de:c en:a en:c de:b de:a en:b
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        ]
    )
    return corpus, rank_scores(scores, corpus, top_k=6)


def row(table: pd.DataFrame, query: int, target: str) -> pd.Series:
    found = table[(table["query"] == query) & (table["target"] == target)]
    assert len(found) == 1
    return found.iloc[0]


def test_monolingual_worked_by_hand(worked):
    """en:q among the English: en:a en:c en:b, so its answers stand at 1 and 3."""
    table = per_query(worked[1], (1, 2, 3))
    english = row(table, 1, "en")
    assert (english["setting"], english["relevant"]) == ("monolingual", 2)
    assert english["ap"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert english["rr"] == 1
    assert english[["recall@1", "recall@2", "recall@3"]].tolist() == [0.5, 0.5, 1.0]
    assert english["ndcg@1"] == 1
    assert english["ndcg@2"] == pytest.approx(2 / (2 + 1 / LOG2(3)))
    assert english["ndcg@3"] == pytest.approx((2 + 1 / LOG2(4)) / (2 + 1 / LOG2(3)))
    german = row(table, 0, "de")
    assert german[["ap", "rr", "recall@1", "recall@2", "ndcg@1"]].tolist() == [0.5, 0.5, 0, 1, 0]
    assert german["ndcg@2"] == pytest.approx(1 / LOG2(3))


def test_cross_lingual_worked_by_hand(worked):
    """en:q among the German: de:c de:b de:a."""
    table = per_query(worked[1], (1, 2))
    crossed = row(table, 1, "de")
    assert (crossed["setting"], crossed["relevant"], crossed["query_lang"]) == (
        "cross-lingual",
        1,
        "en",
    )
    assert crossed[["ap", "rr", "recall@1", "recall@2"]].tolist() == [0.5, 0.5, 0, 1]
    assert crossed["ndcg@2"] == pytest.approx(1 / LOG2(3))  # one answer: its grade cancels


def test_multilingual_worked_by_hand(worked):
    """en:q in the pool: answers at 2 (grade 2), 4 (grade 3) and 6 (grade 1)."""
    table = per_query(worked[1], (1, 5, 6))
    pooled = row(table, 1, POOL)
    assert (pooled["setting"], pooled["relevant"]) == ("multilingual", 3)
    assert pooled["ap"] == pytest.approx((1 / 2 + 2 / 4 + 3 / 6) / 3)
    assert pooled["rr"] == 0.5
    assert pooled[["recall@1", "recall@5", "recall@6"]].tolist() == pytest.approx([0, 2 / 3, 1])
    gains, ideal = [2 / LOG2(3), 3 / LOG2(5), 1 / LOG2(7)], [3, 2 / LOG2(3), 1 / 2]
    assert pooled["ndcg@6"] == pytest.approx(sum(gains) / sum(ideal))
    assert pooled["ndcg@5"] == pytest.approx(sum(gains[:2]) / sum(ideal))
    assert row(table, 0, POOL)["ap"] == pytest.approx(1 / 3)


def test_queries_without_an_answer_there_are_left_out(worked):
    table = per_query(worked[1])
    asked = set(table[["query", "target"]].itertuples(index=False, name=None))
    assert asked == {
        (0, "de"),
        (0, POOL),
        (1, "de"),
        (1, "en"),
        (1, POOL),
    }  # not de:q among the English, not en:r


def test_a_perfect_and_a_worst_ranking(rng):
    corpus = random_corpus(rng)
    relevant = np.zeros((len(corpus.queries), len(corpus.candidates)))
    relevant[corpus.qrels["query"], corpus.qrels["candidate"]] = corpus.qrels["grade"]
    best = per_query(rank_scores(relevant, corpus), (1, 10))
    assert np.allclose(best[["ap", "rr", "ndcg@1", "ndcg@10"]], 1)
    assert (per_query(rank_scores(-relevant, corpus))["ap"] < 1).any()


# ----------------------------------------------------------------------------------------- against ir-measures


def theirs(
    scores: np.ndarray,
    corpus: RetrievalCorpus,
    query_lang: str,
    target: str,
    cutoffs: tuple[int, ...],
) -> dict[tuple[int, str], float]:
    """(query, measure) -> value by ir-measures, of one cell of one setting."""
    measures = [AP, RR, *(measure @ k for measure in (R, nDCG) for k in cutoffs)]
    rows = np.flatnonzero(corpus.queries["lang"] == query_lang)
    columns = np.flatnonzero((corpus.candidates["lang"] == target) | (target == POOL))
    qrels = [
        ir_measures.Qrel(str(q), str(c), int(g))
        for q, c, g in corpus.qrels.itertuples(index=False)
        if q in rows and c in columns
    ]
    run = []
    for query in rows:  # trec_eval has its own order for ties: hand it positions, which have none
        order = columns[np.argsort(-scores[query, columns], kind="stable")]
        run += [
            ir_measures.ScoredDoc(str(query), str(column), -float(position))
            for position, column in enumerate(order)
        ]
    names = {
        str(AP): "ap",
        str(RR): "rr",
        **{str(R @ k): f"recall@{k}" for k in cutoffs},
        **{str(nDCG @ k): f"ndcg@{k}" for k in cutoffs},
    }
    return {
        (int(found.query_id), names[str(found.measure)]): found.value
        for found in ir_measures.iter_calc(measures, qrels, run)
    }


@pytest.mark.parametrize("levels", [None, 4], ids=["distinct", "tied"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("presence", [0.6, 1.0], ids=["partly-parallel", "parallel"])
def test_every_setting_agrees_with_ir_measures(seed, presence, levels):
    rng = np.random.default_rng(seed)
    corpus = random_corpus(rng, presence=presence)
    scores, cutoffs = random_scores(rng, corpus, levels), (1, 3, 10)
    table = per_query(rank_scores(scores, corpus), cutoffs)
    compared = 0
    for query_lang in LANGUAGES:
        for target in (*LANGUAGES, POOL):
            ours = table[
                (table["query_lang"] == query_lang) & (table["target"] == target)
            ].set_index("query")
            expected = theirs(scores, corpus, query_lang, target, cutoffs)
            assert {query for query, _ in expected} == set(ours.index)
            for (query, measure), value in expected.items():
                assert ours.loc[query, measure] == pytest.approx(value, abs=1e-6), (
                    query_lang,
                    target,
                    query,
                    measure,
                )
                compared += 1
    assert compared == len(table) * 8


# ---------------------------------------------------------------------------------------------------- averages


def test_macro_and_micro_averages_worked_by_hand():
    """Three English queries with AP 1, 1/2 and 1/2, one German with AP 1/2, each among its own language's two."""
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en"), ("en:s", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "ab"],
        [
            ("de:q", "de:a", 1),
            ("en:q", "en:a", 1),
            ("en:r", "en:a", 1),
            ("en:s", "en:a", 1),
            ("en:s", "de:b", 1),
        ],
    )
    scores = np.array([[1, 2, 0, 0], [0, 0, 2, 1], [3, 0, 1, 2], [1, 0, 1, 2]])
    metrics = summarise(rank_scores(scores, corpus), corpus)
    mono, cross, multi = (
        metrics["settings"][name] for name in ("monolingual", "cross-lingual", "multilingual")
    )
    assert (
        mono["queries"],
        mono["cells"],
        cross["queries"],
        cross["cells"],
        multi["queries"],
        multi["cells"],
    ) == (4, 2, 1, 1, 4, 2)
    assert mono["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert mono["map_micro"] == pytest.approx((1 / 2 + 1 + 1 / 2 + 1 / 2) / 4)
    assert mono["recall@1"] == pytest.approx((0 + 1 / 3) / 2) and mono[
        "recall@1_micro"
    ] == pytest.approx(1 / 4)
    assert cross["map"] == cross["map_micro"] == pytest.approx(1 / 2)
    # in the pool: en:q's answer is 1st, en:r's 3rd; en:s's are 3rd (behind de:a, which ties) and 4th
    assert multi["map"] == pytest.approx((1 / 2 + (1 + 1 / 3 + (1 / 3 + 2 / 4) / 2) / 3) / 2)
    assert metrics["per_pair"] == {
        "en-de": pytest.approx(
            {
                "map": 0.5,
                "mrr": 0.5,
                "recall@1": 0,
                "recall@10": 1,
                "recall@100": 1,
                "ndcg@1": 0,
                "ndcg@10": 1 / LOG2(3),
                "ndcg@100": 1 / LOG2(3),
                "queries": 1,
            }
        )
    }
    assert set(metrics["per_language"]["de"]) == {"monolingual", "multilingual"}
    assert metrics["per_language"]["en"]["monolingual"]["queries"] == 3
    assert metrics["per_language"]["en"]["monolingual"]["map"] == pytest.approx(2 / 3)


def test_macro_averages_are_means_of_the_cells(rng):
    corpus = random_corpus(rng, presence=0.7)
    ranking = rank_scores(random_scores(rng, corpus), corpus)
    table, metrics = per_query(ranking), summarise(ranking, corpus)
    assert (metrics["queries"], metrics["candidates"], metrics["languages"]) == (
        len(corpus.queries),
        len(corpus.candidates),
        list(LANGUAGES),
    )
    assert [
        metrics["settings"][name]["cells"]
        for name in ("monolingual", "cross-lingual", "multilingual")
    ] == [4, 12, 4]
    for setting, part in table.groupby("setting"):
        cells = part.groupby(["query_lang", "target"])[["ap", "rr", "recall@10", "ndcg@10"]].mean()
        said = metrics["settings"][setting]
        assert [said[name] for name in ("map", "mrr", "recall@10", "ndcg@10")] == pytest.approx(
            cells.mean().tolist()
        )
        assert [
            said[f"{name}_micro"] for name in ("map", "mrr", "recall@10", "ndcg@10")
        ] == pytest.approx(part[cells.columns].mean().tolist())
    assert len(metrics["per_pair"]) == 12
    pairs = [metrics["per_pair"][f"ar-{target}"]["map"] for target in ("de", "en", "zh")]
    assert metrics["per_language"]["ar"]["cross-lingual"]["map"] == pytest.approx(np.mean(pairs))
    assert metrics["settings"]["cross-lingual"]["map"] == pytest.approx(
        np.mean([pair["map"] for pair in metrics["per_pair"].values()])
    )


def test_a_corpus_in_one_language_has_no_cross_lingual_setting_and_no_bias(rng):
    corpus = random_corpus(rng, languages=("en",))
    metrics = summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    assert set(metrics["settings"]) == {"monolingual", "multilingual"}
    assert metrics["settings"]["monolingual"]["map"] == pytest.approx(
        metrics["settings"]["multilingual"]["map"]
    )
    assert set(metrics["bias"]) == {"left_out"} and metrics["per_pair"] == {}
    assert list(headline(metrics)) == [
        "monolingual nDCG@10",
        "monolingual R@100",
        "monolingual mAP",
        "monolingual R@1",
    ]


def test_a_corpus_without_same_language_answers_has_no_monolingual_setting():
    corpus = corpus_of([("en:q", "en")], [("de:a", "de"), ("en:x", "en")], [("en:q", "de:a", 1)])
    metrics = summarise(rank_scores(np.array([[0, 1]]), corpus), corpus)
    assert set(metrics["settings"]) == {"cross-lingual", "multilingual"}
    assert (
        metrics["settings"]["cross-lingual"]["map"] == 1
        and metrics["settings"]["multilingual"]["map"] == 0.5
    )


def test_the_monolingual_setting_is_that_of_the_language_alone(rng):
    corpus = random_corpus(rng)
    scores = random_scores(rng, corpus, 5)
    whole = summarise(rank_scores(scores, corpus), corpus)
    for lang in LANGUAGES:
        rows, columns = (
            np.flatnonzero(frame["lang"] == lang) for frame in (corpus.queries, corpus.candidates)
        )
        alone = corpus.restrict([lang])
        part = summarise(rank_scores(scores[np.ix_(rows, columns)], alone), alone)
        assert part["settings"]["monolingual"]["map"] == pytest.approx(
            whole["per_language"][lang]["monolingual"]["map"]
        )


def test_headline_names_the_figures_that_a_comparison_shows(rng):
    corpus = random_corpus(rng)
    metrics = summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    line = headline(metrics)
    assert line["cross-lingual mAP"] == metrics["settings"]["cross-lingual"]["map"]
    assert line["monolingual R@1"] == metrics["settings"]["monolingual"]["recall@1"]
    assert line["multilingual R@10"] == metrics["settings"]["multilingual"]["recall@10"]
    assert line["rank distance"] == metrics["bias"]["rank_distance"]
    assert line["cross-lingual R@1"] == metrics["settings"]["cross-lingual"]["recall@1"]
    assert len(line) == 8


def test_results_on_disk_are_the_results(tmp_path, rng):
    corpus = random_corpus(rng)
    ranking = rank_scores(random_scores(rng, corpus), corpus)
    metrics = summarise(ranking, corpus)
    write_results(tmp_path, metrics, ranking, corpus)
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == metrics
    table = pd.read_parquet(tmp_path / "per_query.parquet")
    pd.testing.assert_frame_equal(table.drop(columns="question_id"), per_query(ranking))
    assert (
        table["question_id"].tolist() == corpus.queries["question_id"].iloc[table["query"]].tolist()
    )
    pd.testing.assert_frame_equal(Ranking.load(tmp_path).relevant, ranking.relevant)
    assert not (tmp_path / "corrected.parquet").exists()


def test_results_of_corrections_are_kept_query_by_query(tmp_path, rng):
    corpus = random_corpus(rng)
    rankings = {
        name: rank_scores(random_scores(rng, corpus), corpus) for name in ("centering", "lir")
    }
    params = Params()
    metrics = {"corrections": summarise_corrected(params, rankings, corpus)}
    write_results(tmp_path, metrics, rankings["lir"], corpus, rankings)
    table = pd.read_parquet(tmp_path / "corrected.parquet")
    for name, part in metrics["corrections"].items():
        assert part["fitted_on"] == "candidates"
        cells = (
            table[(table["correction"] == name) & (table["setting"] == "multilingual")]
            .groupby("query_lang")["ap"]
            .mean()
        )
        assert cells.mean() == pytest.approx(part["settings"]["multilingual"]["map"])


# ------------------------------------------------------------------------------- corrections that cannot be estimated


def test_corrections_without_data_are_refused_before_anything_is_encoded(tmp_path):
    corpus = corpus_of([("de:q", "de")], [("a", "en"), ("b", "zh")], [("de:q", "a", 1)])

    def params(*names: str) -> Params:
        return Params(corrections=list(names), parallel_path=tmp_path)

    check_corrections(params(), corpus)
    with pytest.raises(
        InputError, match="centering is estimated from candidates, and toy has none in de"
    ):
        check_corrections(params("centering"), corpus)
    for lang, lines in {"de": "eins\n\n", "en": "one\ntwo\n", "zh": "\n\u4e8c\n"}.items():
        (tmp_path / f"{lang}.txt").write_text(lines, encoding="utf-8")
    with pytest.raises(InputError, match="shift needs passages in both 'de' and 'zh'"):
        check_corrections(params("shift"), corpus)
    (tmp_path / "zh.txt").write_text("\u4e00\n\u4e8c\n", encoding="utf-8")
    check_corrections(params("shift"), corpus)
    (tmp_path / "zh.txt").unlink()
    with pytest.raises(InputError, match="zh.txt: cannot be read"):
        check_corrections(params("shift"), corpus)
