"""Retrieval quality: cases worked by hand, and ir-measures on random rankings."""

from __future__ import annotations

import json
from math import log2

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, RR, R, nDCG
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation.metrics import (
    POOL,
    SETTINGS,
    headline,
    of_pair,
    per_query,
    summarise,
)
from hybridlib.retrieval.ranking import Ranking


@pytest.fixture
def worked() -> Ranking:
    """Two languages, three candidates each, in the order de:a de:b de:c en:a en:b en:c.

    Relevant to en:q are en:a (grade 2), en:b (1) and de:b (3), to de:q only de:a (1), to en:r none.
    """
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "abc"],
        [("en:q", "en:a", 2), ("en:q", "en:b", 1), ("en:q", "de:b", 3), ("de:q", "de:a", 1)],
    )
    scores = np.array(
        [
            # de:q: de:b en:a de:a and the rest; de:a is 3rd, 2nd in German.
            [0.3, 0.9, 0.2, 0.8, 0.1, 0.0],
            # en:q: de:c en:a en:c de:b de:a en:b.
            [0.2, 0.5, 0.9, 0.8, 0.1, 0.7],
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        ]
    )
    return rank_scores(scores, corpus, top_k=6)


def row(table: pd.DataFrame, query: int, target: str) -> pd.Series:
    """Return the one row of a query and a target."""
    rows = table[(table["query"] == query) & (table["target"] == target)]
    assert len(rows) == 1
    return rows.iloc[0]


# -------------------------------------------------------------------------------- worked by hand


def test_monolingual_worked_by_hand(worked):
    """en:q among the English: en:a en:c en:b, so its answers are at 1 and 3."""
    table = per_query(worked, (1, 2, 3))
    english = row(table, 1, "en")
    assert english["setting"] == "monolingual"
    assert english["relevant"] == 2
    assert english["ap"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert english["rr"] == 1
    assert english[["recall@1", "recall@2", "recall@3"]].tolist() == [0.5, 0.5, 1.0]
    assert english["ndcg@1"] == 1
    assert english["ndcg@2"] == pytest.approx(2 / (2 + 1 / log2(3)))
    assert english["ndcg@3"] == pytest.approx((2 + 1 / log2(4)) / (2 + 1 / log2(3)))
    german = row(table, 0, "de")
    assert german[["ap", "rr", "recall@1", "recall@2", "ndcg@1"]].tolist() == [0.5, 0.5, 0, 1, 0]
    assert german["ndcg@2"] == pytest.approx(1 / log2(3))


def test_cross_lingual_worked_by_hand(worked):
    """en:q among the German: de:c de:b de:a."""
    crossed = row(per_query(worked, (1, 2)), 1, "de")
    assert crossed["setting"] == "cross-lingual"
    assert crossed["relevant"] == 1
    assert crossed["query_lang"] == "en"
    assert crossed[["ap", "rr", "recall@1", "recall@2"]].tolist() == [0.5, 0.5, 0, 1]
    assert crossed["ndcg@2"] == pytest.approx(1 / log2(3))  # one answer: its grade cancels


def test_multilingual_worked_by_hand(worked):
    """en:q in the pool: answers at 2 (grade 2), 4 (grade 3) and 6 (grade 1)."""
    table = per_query(worked, (1, 5, 6))
    pooled = row(table, 1, POOL)
    assert pooled["setting"] == "multilingual"
    assert pooled["relevant"] == 3
    assert pooled["ap"] == pytest.approx((1 / 2 + 2 / 4 + 3 / 6) / 3)
    assert pooled["rr"] == 0.5
    assert pooled[["recall@1", "recall@5", "recall@6"]].tolist() == pytest.approx([0, 2 / 3, 1])
    gains = [2 / log2(3), 3 / log2(5), 1 / log2(7)]
    ideal = [3, 2 / log2(3), 1 / 2]
    assert pooled["ndcg@6"] == pytest.approx(sum(gains) / sum(ideal))
    assert pooled["ndcg@5"] == pytest.approx(sum(gains[:2]) / sum(ideal))
    assert row(table, 0, POOL)["ap"] == pytest.approx(1 / 3)


def test_queries_without_an_answer_in_a_target_have_no_row_for_it(worked):
    """Not de:q among the English, and not en:r."""
    table = per_query(worked)
    rows = set(table[["query", "target"]].itertuples(index=False, name=None))
    assert rows == {(0, "de"), (0, POOL), (1, "de"), (1, "en"), (1, POOL)}


def test_a_perfect_and_a_worst_ranking(rng):
    corpus = random_corpus(rng)
    relevant = np.zeros((len(corpus.queries), len(corpus.candidates)))
    relevant[corpus.qrels["query"], corpus.qrels["candidate"]] = corpus.qrels["grade"]
    best = per_query(rank_scores(relevant, corpus), (1, 10))
    assert np.allclose(best[["ap", "rr", "ndcg@1", "ndcg@10"]], 1)
    assert (per_query(rank_scores(-relevant, corpus))["ap"] < 1).any()


# ---------------------------------------------------------------------------- against ir-measures

CUTOFFS = (1, 3, 10)
MEASURES = {AP: "ap", RR: "rr"}
MEASURES |= {R @ k: f"recall@{k}" for k in CUTOFFS} | {nDCG @ k: f"ndcg@{k}" for k in CUTOFFS}


def by_ir_measures(
    scores: np.ndarray, corpus: RetrievalCorpus, query_lang: str, target: str
) -> pd.DataFrame:
    """Return every measure of every query of one cell."""
    rows = np.flatnonzero(corpus.queries["lang"] == query_lang)
    columns = np.flatnonzero((corpus.candidates["lang"] == target) | (target == POOL))
    qrels = []
    for query, candidate, grade in corpus.qrels.itertuples(index=False):
        if query in rows and candidate in columns:
            qrels.append(ir_measures.Qrel(str(query), str(candidate), int(grade)))
    # ir-measures has an order of its own for ties: positions have none.
    run = []
    for query in rows:
        order = columns[np.argsort(-scores[query, columns], kind="stable")]
        for position, column in enumerate(order):
            run.append(ir_measures.ScoredDoc(str(query), str(column), -float(position)))
    values = pd.DataFrame(ir_measures.iter_calc(list(MEASURES), qrels, run))
    values = values.pivot(index="query_id", columns="measure", values="value")
    return values.rename(columns=MEASURES).rename(index=int).sort_index()


@pytest.mark.parametrize("levels", [None, 4], ids=["distinct", "tied"])
@pytest.mark.parametrize("presence", [0.6, 1.0], ids=["partly-parallel", "parallel"])
def test_every_setting_agrees_with_ir_measures(presence, levels):
    rng = np.random.default_rng(0)
    corpus = random_corpus(rng, presence=presence)
    scores = random_scores(rng, corpus, levels)
    table = per_query(rank_scores(scores, corpus), CUTOFFS)
    table = table.set_index(["query_lang", "target", "query"]).sort_index()
    compared = 0
    for query_lang in LANGUAGES:
        for target in (*LANGUAGES, POOL):
            expected = by_ir_measures(scores, corpus, query_lang, target)
            ours = table.loc[(query_lang, target), list(expected.columns)]
            assert ours.index.tolist() == expected.index.tolist()
            assert np.allclose(ours, expected, atol=1e-6), (query_lang, target)
            compared += len(ours)
    assert compared == len(table)


# --------------------------------------------------------------------------------------- averages


def test_macro_and_micro_averages_worked_by_hand():
    """Three English queries with AP 1, 1/2 and 1/2, one German with AP 1/2, in their languages."""
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
    mono = metrics["settings"]["monolingual"]
    cross = metrics["settings"]["cross-lingual"]
    multi = metrics["settings"]["multilingual"]
    assert [part["queries"] for part in (mono, cross, multi)] == [4, 1, 4]
    assert [part["cells"] for part in (mono, cross, multi)] == [2, 1, 2]
    assert mono["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert mono["map_micro"] == pytest.approx((1 / 2 + 1 + 1 / 2 + 1 / 2) / 4)
    assert mono["recall@1"] == pytest.approx((0 + 1 / 3) / 2)
    assert mono["recall@1_micro"] == pytest.approx(1 / 4)
    assert cross["map"] == cross["map_micro"] == pytest.approx(1 / 2)
    # In the pool en:q's answer is 1st, en:r's 3rd; en:s's are 3rd (behind de:a, a tie) and 4th.
    assert multi["map"] == pytest.approx((1 / 2 + (1 + 1 / 3 + (1 / 3 + 2 / 4) / 2) / 3) / 2)

    assert list(metrics["per_pair"]) == ["en-de"]
    at_1 = {"recall@1": 0, "ndcg@1": 0}
    at_10 = {"recall@10": 1, "ndcg@10": 1 / log2(3)}
    at_100 = {"recall@100": 1, "ndcg@100": 1 / log2(3)}
    expected = {"map": 0.5, "mrr": 0.5, **at_1, **at_10, **at_100, "queries": 1}
    assert metrics["per_pair"]["en-de"] == pytest.approx(expected)
    assert set(metrics["per_language"]["de"]) == {"monolingual", "multilingual"}
    assert metrics["per_language"]["en"]["monolingual"]["queries"] == 3
    assert metrics["per_language"]["en"]["monolingual"]["map"] == pytest.approx(2 / 3)


def test_macro_averages_are_means_of_the_cells(rng):
    corpus = random_corpus(rng, presence=0.7)
    ranking = rank_scores(random_scores(rng, corpus), corpus)
    table = per_query(ranking)
    metrics = summarise(ranking, corpus)
    assert metrics["queries"] == len(corpus.queries)
    assert metrics["candidates"] == len(corpus.candidates)
    assert metrics["languages"] == list(LANGUAGES)
    assert [metrics["settings"][setting]["cells"] for setting in SETTINGS] == [4, 12, 4]

    names = {"map": "ap", "mrr": "rr", "recall@10": "recall@10", "ndcg@10": "ndcg@10"}
    for setting, part in table.groupby("setting"):
        cells = part.groupby(["query_lang", "target"])[list(names.values())].mean()
        for name, column in names.items():
            values = metrics["settings"][setting]
            assert values[name] == pytest.approx(cells[column].mean())
            assert values[f"{name}_micro"] == pytest.approx(part[column].mean())

    assert len(metrics["per_pair"]) == 12
    pairs = [metrics["per_pair"][f"ar-{target}"]["map"] for target in ("de", "en", "zh")]
    arabic = metrics["per_language"]["ar"]["cross-lingual"]
    assert arabic["map"] == pytest.approx(np.mean(pairs))
    all_pairs = [pair["map"] for pair in metrics["per_pair"].values()]
    assert metrics["settings"]["cross-lingual"]["map"] == pytest.approx(np.mean(all_pairs))


def test_a_corpus_in_one_language_has_no_cross_lingual_setting_and_no_bias(rng):
    corpus = random_corpus(rng, languages=("en",))
    metrics = summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    settings = metrics["settings"]
    assert set(settings) == {"monolingual", "multilingual"}
    assert settings["monolingual"]["map"] == pytest.approx(settings["multilingual"]["map"])
    assert set(metrics["bias"]) == {"left_out"}
    assert metrics["per_pair"] == {}
    figures = ["nDCG@10", "R@100", "mAP", "R@1"]
    assert list(headline(metrics)) == [f"monolingual {figure}" for figure in figures]


def test_a_corpus_without_same_language_answers_has_no_monolingual_setting():
    corpus = corpus_of([("en:q", "en")], [("de:a", "de"), ("en:x", "en")], [("en:q", "de:a", 1)])
    settings = summarise(rank_scores(np.array([[0, 1]]), corpus), corpus)["settings"]
    assert set(settings) == {"cross-lingual", "multilingual"}
    assert settings["cross-lingual"]["map"] == 1
    assert settings["multilingual"]["map"] == 0.5


def test_the_monolingual_setting_is_that_of_a_corpus_of_one_language(rng):
    corpus = random_corpus(rng)
    scores = random_scores(rng, corpus, 5)
    whole = summarise(rank_scores(scores, corpus), corpus)["per_language"]
    for lang in LANGUAGES:
        rows = np.flatnonzero(corpus.queries["lang"] == lang)
        columns = np.flatnonzero(corpus.candidates["lang"] == lang)
        part = corpus.restrict([lang])
        metrics = summarise(rank_scores(scores[np.ix_(rows, columns)], part), part)
        expected = metrics["settings"]["monolingual"]["map"]
        assert whole[lang]["monolingual"]["map"] == pytest.approx(expected)


def test_no_two_pairs_share_a_key():
    """Joined by a hyphen, hi to en-hi is hi-en to hi."""
    languages = ["hi", "en", "hi-en", "en-hi"]
    names = [(f"{number}:q", lang) for number, lang in enumerate(languages)]
    relevance = [(query, candidate, 1) for query, _ in names for candidate, _ in names]
    corpus = corpus_of(names, names, relevance)
    scores = np.arange(16).reshape(4, 4) % 5
    metrics = json.loads(json.dumps(summarise(rank_scores(scores, corpus), corpus)))
    assert len(metrics["per_pair"]) == metrics["settings"]["cross-lingual"]["cells"] == 12
    table = per_query(rank_scores(scores, corpus)).set_index(["query_lang", "target"])
    for query_lang in languages:
        for target in set(languages) - {query_lang}:
            ap = table.loc[(query_lang, target), "ap"].item()
            assert of_pair(metrics, query_lang, target)["map"] == pytest.approx(ap)
    assert of_pair(metrics, "hi", "hi") is None
    assert of_pair(metrics, "hi", "de") is None


def test_pairs_of_earlier_results_are_read_where_their_keys_are_clear():
    languages = ["hi", "en", "hi-en", "en-hi", "zh-Hans"]
    keys = ["hi-en", "hi-en-hi", "zh-Hans-en", "hi-en-zh-Hans"]
    metrics = {
        "languages": languages,
        "per_language": {language: {} for language in languages},
        "per_pair": {key: {"map": number} for number, key in enumerate(keys)},
    }
    assert of_pair(metrics, "hi", "en") == {"map": 0}
    assert of_pair(metrics, "zh-Hans", "en") == {"map": 2}
    assert of_pair(metrics, "hi-en", "zh-Hans") == {"map": 3}
    # A key that two pairs share is read for neither.
    assert of_pair(metrics, "hi", "en-hi") is None
    assert of_pair(metrics, "hi-en", "hi") is None


def test_headline_names_the_figures_that_a_comparison_shows(rng):
    corpus = random_corpus(rng)
    metrics = summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    settings = metrics["settings"]
    assert headline(metrics) == {
        **{f"{setting} mAP": settings[setting]["map"] for setting in SETTINGS},
        "monolingual R@1": settings["monolingual"]["recall@1"],
        "cross-lingual R@1": settings["cross-lingual"]["recall@1"],
        "multilingual R@10": settings["multilingual"]["recall@10"],
        "rank distance": metrics["bias"]["rank_distance"],
        "own-language share@10": metrics["bias"]["same_language_share@10"],
        "multilingual nDCG@10": settings["multilingual"]["ndcg@10"],
        "PEER": metrics["bias"]["equal_expected_rank"],
    }
    parallel = corpus_of([("q", "de")], [("a", "de"), ("b", "en")], [("q", "a", 1), ("q", "b", 1)])
    row = headline(summarise(rank_scores(np.eye(2)[:1], parallel), parallel))
    assert "rank distance" in row and "PEER" not in row and "multilingual nDCG@10" not in row
