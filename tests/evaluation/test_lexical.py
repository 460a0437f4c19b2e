"""BM25: its ranks by plain sorting, its figures by bm25s and ir-measures alone, and its files."""

from __future__ import annotations

import json

import bm25s
import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP
from toys import sorted_ranks

from hybridlib.cli import main
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import Evaluation
from hybridlib.evaluation.lexical import evaluate_lexical
from hybridlib.model.tokenizer import load_tokenize
from hybridlib.retrieval.lexical import K1, B, LexicalScores, rank_lexical
from hybridlib.retrieval.trec import write_scores


@pytest.fixture(scope="module")
def corpus(fact_pairs) -> RetrievalCorpus:
    return corpus_from_pairs("facts", fact_pairs)


@pytest.fixture(scope="module")
def tokenize(tiny_encoder):
    return load_tokenize(str(tiny_encoder))


@pytest.fixture(scope="module")
def result(corpus, tokenize) -> Evaluation:
    return evaluate_lexical(corpus, LexicalScores(corpus, tokenize), progress=False)


def average_precision(order: list[int], relevant: set[int]) -> float:
    """Average precision by going down a list."""
    found = 0
    total = 0.0
    for position, candidate in enumerate(order, 1):
        if candidate in relevant:
            found += 1
            total += found / position
    return total / len(relevant)


def test_one_language_is_what_bm25s_gives_for_it_alone(corpus, tokenize, result):
    rows = np.flatnonzero(corpus.candidates["lang"] == "de")
    index = bm25s.BM25(k1=K1, b=B)
    texts = corpus.candidates["text"][rows]
    index.index([tokenize(text.lower()) for text in texts], show_progress=False)
    relevant = corpus.qrels.groupby("query")["candidate"].agg(set)
    values = []
    for query in np.flatnonzero(corpus.queries["lang"] == "de"):
        scores = index.get_scores(tokenize(corpus.queries["text"][query].lower()))
        order = rows[np.argsort(-scores, kind="stable")].tolist()
        values.append(average_precision(order, relevant[query] & set(rows)))
    found = result.metrics["per_language"]["de"]["monolingual"]["map"]
    assert found == pytest.approx(np.mean(values), abs=1e-12)
    assert 0.2 < found < 1


def test_ranks_are_those_of_sorted_lists_also_where_nothing_is_shared(corpus, tokenize):
    scores = LexicalScores(corpus, tokenize)
    ranking = rank_lexical(scores, corpus, top_k=5, block=100)
    pooled, own = (part.numpy() for part in scores(slice(0, len(corpus.queries))))
    assert (pooled == 0).mean() > 0.1  # many are tied
    pool_ranks = [pool for pool, _ in sorted_ranks(pooled, corpus)]
    own_ranks = [lang for _, lang in sorted_ranks(own, corpus)]
    assert ranking.relevant["rank_pool"].tolist() == pool_ranks
    assert ranking.relevant["rank_lang"].tolist() == own_ranks
    top = np.argsort(-pooled, axis=1, kind="stable")[:, :5]
    assert np.array_equal(ranking.top, top)


def test_run_files_give_the_same_figures(corpus, tokenize, result, tmp_path):
    write_scores(tmp_path, corpus, LexicalScores(corpus, tokenize), depth=None, block=100)
    per_language = result.metrics["per_language"]["th"]
    pair = result.metrics["per_pair"]["th-de"]["map"]
    expected = {
        "th-th": per_language["monolingual"]["map"],
        "th-all": per_language["multilingual"]["map"],
        "th-de": pair,
    }
    for cell, value in expected.items():
        run = list(ir_measures.read_trec_run(str(tmp_path / f"{cell}.run")))
        qrels = list(ir_measures.read_trec_qrels(str(tmp_path / f"{cell}.qrels")))
        assert ir_measures.calc_aggregate([AP], qrels, run)[AP] == pytest.approx(value)


def small_corpus(texts: list[str], question: str) -> RetrievalCorpus:
    """One question, and candidates in one language of which the last is relevant."""
    candidates = pd.DataFrame({"candidate_id": [f"c{n}" for n in range(len(texts))], "text": texts})
    return RetrievalCorpus.build(
        "small",
        pd.DataFrame({"query_id": ["q"], "lang": ["en"], "question_id": ["q"], "text": [question]}),
        candidates.assign(lang="en", group=candidates["candidate_id"]),
        pd.DataFrame({"query_id": ["q"], "candidate_id": [f"c{len(texts) - 1}"], "grade": [1]}),
    )


def test_a_question_of_unknown_words_ties_all_candidates():
    corpus = small_corpus(["one two", "three"], "nothing of these")
    ranking = rank_lexical(LexicalScores(corpus, str.split), corpus)
    assert ranking.relevant["rank_pool"].tolist() == [2]


def test_case_does_not_count():
    corpus = small_corpus(["two words", "THE Moon"], "the moon")
    assert rank_lexical(LexicalScores(corpus, str.split), corpus).top[0].tolist() == [1, 0]


def test_candidates_without_a_token_are_refused():
    corpus = small_corpus(["a", "b"], "c")
    with pytest.raises(InputError, match="small: the tokenizer finds no token"):
        LexicalScores(corpus, lambda text: [])


@pytest.mark.parametrize("option", ["top_k", "score_block"])
def test_numbers_below_one_are_refused(option, corpus):
    with pytest.raises(InputError, match=f"{option} is 0"):
        evaluate_lexical(corpus, None, **{option: 0})


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match="give an encoder's folder or hub id"):
        load_tokenize(str(tmp_path))


@pytest.mark.parametrize("tokenizer", ["own", "learned"])
def test_the_command(tokenizer, fact_pairs, tiny_encoder, tmp_path, capsys, result):
    fact_pairs.to_parquet(tmp_path / "pairs.parquet")
    options = ["--corpus", "pairs", "--corpus-path", str(tmp_path / "pairs.parquet"), "--trec"]
    if tokenizer == "own":
        options += ["--tokenizer", str(tiny_encoder)]
    assert main(["evaluate", "bm25", *options, "--out", str(tmp_path / "out")]) == 0
    assert "monolingual mAP" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["encoder"] == "bm25"
    assert (tmp_path / "out" / "trec" / "de-all.run").exists()
    if tokenizer == "own":
        assert metrics["settings"] == result.metrics["settings"]
    else:
        assert metrics["tokenizer"] == "learned from the candidates"
