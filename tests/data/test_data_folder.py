"""Corpora from folders: what is read, the warnings, and nDCG against ir-measures."""

from __future__ import annotations

import re
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
from folder_files import (
    PASSAGES,
    QRELS,
    QUERIES,
    Records,
    make_folder,
    make_trec_folder,
    refused,
    write_trec,
)
from ir_measures import AP, R, nDCG
from set_files import relevant_pairs

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.folder import load_folder
from hybridlib.evaluation import metrics
from hybridlib.retrieval.rank import rank

PAGE = Path(__file__).resolve().parents[2] / "docs" / "corpora.md"
ENDINGS = (".jsonl", ".csv", ".parquet")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_becomes_a_corpus(tmp_path, ending):
    corpus = load_folder(make_folder(tmp_path / "mine", ending=ending))
    assert (corpus.name, corpus.candidate_text) == ("mine", "passage")
    assert corpus.languages == ["de", "en"]
    assert corpus.queries.to_dict("list") == {
        "query_id": ["1", "01", "q3"],
        "lang": ["de", "en", "en"],
        "question_id": ["moon", "moon", "q3"],
        "text": ["Wie weit ist der Mond?", "How far is the Moon?", "What do bees make?"],
    }
    assert corpus.candidates.to_dict("list") == {
        "candidate_id": ["7", "007", "p3"],
        "lang": ["de", "en", "en"],
        "group": ["m", "m", "p3"],
        "text": ["Er ist weit weg.", "Moon It is 384,400 km away.", "Honey."],
    }
    relevant = {("01", "007", 3), ("01", "7", 1), ("1", "7", 2), ("q3", "p3", 1)}
    assert relevant_pairs(corpus) == relevant


def test_all_formats_and_orders_give_the_same_corpus(tmp_path, rng):
    expected = load_folder(make_folder(tmp_path / "a" / "mine")).hash
    for number, ending in enumerate(ENDINGS):
        folder = make_folder(
            tmp_path / str(number) / "mine",
            [QUERIES[row] for row in rng.permutation(len(QUERIES))],
            [PASSAGES[row] for row in rng.permutation(len(PASSAGES))],
            [QRELS[row] for row in rng.permutation(len(QRELS))],
            ending,
        )
        assert load_folder(folder).hash == expected


@pytest.mark.parametrize(("ending", "separator"), [(".txt", " "), (".tsv", "\t"), (".qrels", "  ")])
def test_trec_qrels(tmp_path, ending, separator):
    folder = make_folder(tmp_path / "mine")
    expected = load_folder(folder).hash
    (folder / "qrels.jsonl").unlink()
    write_trec(folder / f"qrels{ending}", QRELS, separator)
    assert load_folder(folder).hash == expected


def without(records: Records, *keys: str) -> Records:
    return [{key: value for key, value in record.items() if key not in keys} for record in records]


def test_optional_columns_may_be_missing(tmp_path):
    folder = make_folder(
        tmp_path / "mine",
        without(QUERIES, "question_id"),
        without(PASSAGES, "group", "title"),
        without(QRELS, "grade"),
    )
    corpus = load_folder(folder)
    assert corpus.queries["question_id"].tolist() == corpus.queries["query_id"].tolist()
    assert corpus.candidates["group"].tolist() == corpus.candidates["candidate_id"].tolist()
    assert corpus.qrels["grade"].tolist() == [1] * 5


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_numbers_as_ids_keep_their_digits(tmp_path, ending):
    """Also where a column of numbers has a gap, which pandas makes decimals; and beyond 2**53."""
    large = 2**53 + 1
    queries = [
        {"query_id": large, "lang": "en", "question_id": 5, "text": "a"},
        {"query_id": 2, "lang": "de", "question_id": None, "text": "b"},
    ]
    passages = [{"passage_id": 3, "lang": "en", "text": "c"}]
    qrels = [{"query_id": large, "passage_id": 3}, {"query_id": 2, "passage_id": 3}]
    folder = make_folder(tmp_path / "mine", queries, passages, qrels)
    if ending == ".parquet":
        (folder / "queries.jsonl").unlink()
        frame = pd.DataFrame(queries).astype({"question_id": "Int64"})
        frame.to_parquet(folder / "queries.parquet")
    corpus = load_folder(folder)
    assert corpus.queries["query_id"].tolist() == ["2", str(large)]
    assert corpus.queries["question_id"].tolist() == ["2", "5"]


def test_texts_are_used_as_they_stand(tmp_path):
    """Line separators inside a text do not end a record; NA, null and nan are words and ids."""
    text = "  one\u2028two\u0085three\r\n NA "
    queries = [{"query_id": "NA", "lang": "nan", "text": text}]
    passages = [{"passage_id": "null", "lang": "nan", "text": "nan"}]
    qrels = [{"query_id": "NA", "passage_id": "null"}]
    for ending in ENDINGS:
        corpus = load_folder(make_folder(tmp_path / ending, queries, passages, qrels, ending))
        assert corpus.queries["text"].tolist() == [text], ending
        candidate = corpus.candidates[["candidate_id", "lang", "text"]].iloc[0]
        assert candidate.tolist() == ["null", "nan", "nan"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    for ending in (".jsonl", ".csv"):
        folder = make_folder(tmp_path / ending, ending=ending)
        for file in folder.iterdir():
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
        assert len(load_folder(folder).queries) == 3


def test_languages_are_kept_as_asked(tmp_path):
    folder = make_folder(tmp_path / "mine")
    corpus = load_folder(folder, ["en"])
    assert set(corpus.queries["lang"]) == {"en"}
    assert corpus.languages == ["en"]
    assert relevant_pairs(corpus) == {("01", "007", 3), ("q3", "p3", 1)}
    assert load_folder(folder, ["en", "de"]).hash == load_folder(folder).hash
    unknown = ["fr", "en", "xx"]
    refused(folder, str(folder), "has no fr, xx", "it has de, en", languages=unknown)
    refused(folder, "no language was asked for", languages=[])


def test_queries_in_a_language_without_passages(tmp_path):
    """German questions over English passages: cross-lingual and multilingual alone."""
    passages = [passage for passage in PASSAGES if passage["lang"] == "en"]
    qrels = [{"query_id": "1", "passage_id": "007"}, {"query_id": "01", "passage_id": "007"}]
    folder = make_folder(tmp_path / "mine", QUERIES[:2], passages, qrels)
    corpus = load_folder(folder, ["de", "en"])
    vectors = np.eye(2, 4, dtype=np.float32)
    table = metrics.per_query(rank(vectors, vectors, corpus))
    assert set(zip(table["query_lang"], table["setting"])) == {
        ("de", "cross-lingual"),
        ("de", "multilingual"),
        ("en", "monolingual"),
        ("en", "multilingual"),
    }
    refused(folder, "no query has a relevant passage", languages=["de"])


def test_queries_without_a_relevant_passage_are_dropped_with_a_warning(tmp_path, caplog):
    not_relevant = {"query_id": "1", "passage_id": "p3", "grade": 0}
    corpus = load_folder(make_folder(tmp_path / "mine", qrels=[QRELS[4], not_relevant]))
    assert corpus.queries["query_id"].tolist() == ["q3"]
    warning = "mine: left out 2 of 3 queries, which have no relevant passage (first: '01')"
    assert warning in caplog.text
    folder = make_folder(tmp_path / "none", qrels=[not_relevant])
    refused(folder, "no query has a relevant passage", "grade of 1")


def test_columns_that_are_not_used_are_named(tmp_path, caplog):
    queries = [{**record, "question": "x"} for record in QUERIES]
    load_folder(make_folder(tmp_path / "mine", queries=queries))
    assert "queries.jsonl: not used: column question" in caplog.text


def test_ids_with_other_white_space_in_trec_qrels(tmp_path):
    """TREC's columns end at spaces and tabs; a no-break space is part of an id."""
    queries = [{**QUERIES[0], "query_id": "q\u00a01"}]
    passages = [{**PASSAGES[0], "passage_id": "p\u3000x"}]
    folder = make_trec_folder(tmp_path, queries, passages, [])
    (folder / "qrels.txt").write_bytes("q\u00a01 0\t p\u3000x 2\r\n".encode())
    assert relevant_pairs(load_folder(folder)) == {("q\u00a01", "p\u3000x", 2)}


# What the metrics make of graded judgments.


def graded_folder(folder: Path, rng: np.random.Generator) -> Records:
    """Two languages, 12 queries and 30 passages each, grades 0 to 3; returns the judgments."""
    queries = []
    passages = []
    for lang in ("de", "en"):
        queries += [
            {"query_id": f"{lang}{number}", "lang": lang, "question_id": str(number), "text": "q"}
            for number in range(12)
        ]
        passages += [
            {"passage_id": f"{number:03d}{lang}", "lang": lang, "text": "p"} for number in range(30)
        ]
    qrels = []
    for query in queries:
        for number in rng.choice(len(passages), 8, replace=False):
            pair = {"query_id": query["query_id"], "passage_id": passages[number]["passage_id"]}
            qrels.append({**pair, "grade": int(rng.integers(0, 4))})
    make_trec_folder(folder, queries, passages, qrels)
    return qrels


MEASURES = {nDCG @ 3: "ndcg@3", nDCG @ 10: "ndcg@10", AP: "ap", R @ 10: "recall@10"}


def reference_metrics(
    judgments: Records, corpus: RetrievalCorpus, scores: np.ndarray, candidates: np.ndarray
) -> list[tuple[str, str, float]]:
    """(query id, metric, value) by ir-measures, over the candidates in a mask.

    It reads the judgments as written, zeros included; the run is sorted by ids.
    """
    candidate_ids = corpus.candidates["candidate_id"][candidates].tolist()
    qrels = [
        ir_measures.Qrel(judgment["query_id"], judgment["passage_id"], judgment["grade"])
        for judgment in judgments
        if judgment["passage_id"] in candidate_ids
    ]
    run = []
    for query_id, row in zip(corpus.queries["query_id"], scores[:, candidates]):
        run += [
            ir_measures.ScoredDoc(query_id, candidate_id, float(score))
            for candidate_id, score in zip(candidate_ids, row)
        ]
    results = ir_measures.iter_calc(list(MEASURES), qrels, run)
    return [(result.query_id, MEASURES[result.measure], result.value) for result in results]


@pytest.mark.parametrize("seed", range(3))
def test_graded_judgments_agree_with_ir_measures(tmp_path, seed):
    rng = np.random.default_rng(seed)
    judgments = graded_folder(tmp_path / "mine", rng)
    corpus = load_folder(tmp_path / "mine")
    queries = rng.standard_normal((len(corpus.queries), 16)).astype(np.float32)
    candidates = rng.standard_normal((len(corpus.candidates), 16)).astype(np.float32)
    table = metrics.per_query(rank(queries, candidates, corpus), (3, 10))
    scores = queries @ candidates.T
    for target in ("de", "en", metrics.POOL):
        mask = np.ones(len(candidates), dtype=bool)
        if target != metrics.POOL:
            mask = (corpus.candidates["lang"] == target).to_numpy()
        rows = table[table["target"] == target]
        ours = rows.set_index(corpus.queries["query_id"].to_numpy()[rows["query"]])
        reference = reference_metrics(judgments, corpus, scores, mask)
        reference = [result for result in reference if result[0] in ours.index]
        assert len(reference) == len(MEASURES) * len(ours) > 60
        for query_id, metric, value in reference:
            assert ours.loc[query_id, metric] == pytest.approx(value, abs=1e-6), (target, query_id)


# The page of the documentation.


def test_the_worked_example_of_the_page_is_a_corpus(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    files = dict(re.findall(r"`my-corpus/([\w.]+)`\n\n```\w+\n(.*?)```", page, flags=re.DOTALL))
    assert list(files) == ["queries.jsonl", "passages.csv", "qrels.txt"]
    folder = tmp_path / "my-corpus"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    corpus = load_folder(folder)
    assert "three queries, five passages, two languages" in page
    assert (len(corpus.queries), len(corpus.candidates)) == (3, 5)
    assert corpus.languages == ["de", "en"]
    assert relevant_pairs(corpus) == {
        ("en-1", "p1", 2),
        ("en-1", "p2", 2),
        ("de-1", "p1", 2),
        ("de-1", "p2", 2),
        ("en-2", "p4", 1),
    }
    ranking = rank(np.eye(3, 5, dtype=np.float32), np.eye(5, dtype=np.float32), corpus)
    summary = metrics.summarise(ranking, corpus)
    assert summary["settings"]["cross-lingual"]["queries"] == 2
    assert summary["settings"]["monolingual"]["queries"] == 3
    assert summary["bias"]["rank_distance"] >= 0
