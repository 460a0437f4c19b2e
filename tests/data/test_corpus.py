"""Retrieval corpora: how they are built, checked, cut and kept."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest
from toys import pair_table

from hybridlib.data.corpus import (
    RetrievalCorpus,
    corpus_from_judgments,
    corpus_from_pairs,
)
from hybridlib.errors import InputError


def parts() -> dict[str, pd.DataFrame]:
    """One query and two candidates, the first of which is relevant."""
    return {
        "queries": pd.DataFrame(
            {"query_id": ["en:q"], "lang": ["en"], "question_id": ["q"], "text": ["which?"]}
        ),
        "candidates": pd.DataFrame(
            {
                "candidate_id": ["en:a", "en:b"],
                "lang": ["en", "en"],
                "group": ["a", "b"],
                "text": ["this", "that"],
            }
        ),
        "relevance": pd.DataFrame({"query_id": ["en:q"], "candidate_id": ["en:a"], "grade": [1]}),
    }


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("candidates", {"candidate_id": ["en:a", "en:a"]}, "candidate_id 'en:a' stands twice"),
        ("candidates", {"text": ["this", "\n"]}, "row 1: text of candidate_id 'en:b' is '\\n'"),
        ("queries", {"text": [None]}, "queries: row 0: text of query_id 'en:q' is missing"),
        ("relevance", {"candidate_id": ["en:z"]}, "'en:z', which is neither"),
        ("relevance", {"query_id": ["en:z"]}, "'en:z', which is neither"),
    ],
)
def test_build_checks_ids_texts_and_relevance(part, change, message):
    changed = parts()
    changed[part] = changed[part].assign(**change)
    with pytest.raises(InputError) as error:
        RetrievalCorpus.build("mine", **changed)
    assert str(error.value).startswith("mine: ")
    assert message in str(error.value)


def test_build_needs_records():
    assert len(RetrievalCorpus.build("mine", **parts()).qrels) == 1
    with pytest.raises(InputError, match="holds no record"):
        RetrievalCorpus.build("mine", **{**parts(), "queries": parts()["queries"][:0]})


def test_corpus_from_pairs():
    """Two questions on one passage; a passage stands once per language; relevant in every one."""
    pairs = pair_table(3, ("de", "en"), missing=[(2, "de")])
    pairs.loc[pairs["pair_id"] == "p001", ["passage_id", "passage"]] = ["p000", "the same"]
    pairs.loc[pairs["pair_id"] == "p000", "passage"] = "the same"
    corpus = corpus_from_pairs("pairs", pairs)
    query_ids = ["de:p000", "de:p001", "en:p000", "en:p001", "en:p002"]
    assert corpus.queries["query_id"].tolist() == query_ids
    assert corpus.candidates["candidate_id"].tolist() == ["de:p000", "en:p000", "en:p002"]
    relevant = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1], [3, 0], [3, 1], [4, 2]]
    assert corpus.qrels[["query", "candidate"]].to_numpy().tolist() == relevant
    assert corpus_from_pairs("pairs", pairs.sample(frac=1, random_state=1)).hash == corpus.hash


def test_a_part_is_numbered_anew_and_comes_back_as_saved(tmp_path):
    corpus = corpus_from_pairs("pairs", pair_table(3, ("de", "en", "zh")))
    part = corpus.restrict(["zh", "de"])
    assert part.hash == corpus_from_pairs("pairs", pair_table(3, ("de", "zh"))).hash
    assert corpus.restrict(None) is corpus
    with pytest.raises(InputError, match="'pairs' has no fr; it has de, en, zh"):
        corpus.restrict(["de", "fr"])

    part.save(tmp_path / "corpus")
    loaded = RetrievalCorpus.load(tmp_path / "corpus")
    assert (loaded.name, loaded.candidate_text) == ("pairs", "passage")
    assert loaded.hash == part.hash
    with pytest.raises(InputError, match=r"no corpus.json"):
        RetrievalCorpus.load(tmp_path)


def test_the_hash_tells_contents_apart(tmp_path):
    corpus = corpus_from_pairs("pairs", pair_table(3, ("de", "en")))
    texts = corpus.queries["text"].where(corpus.queries.index != 3, "other")
    contexts = replace(corpus, candidate_text="context")
    changed = [
        corpus,
        contexts,
        replace(corpus, queries=corpus.queries.assign(text=texts)),
        replace(corpus, qrels=corpus.qrels.assign(grade=corpus.qrels["grade"] + 1)),
    ]
    assert len({each.hash for each in changed}) == 4
    contexts.save(tmp_path)
    loaded = RetrievalCorpus.load(tmp_path)
    assert loaded.candidate_text == "context"
    assert loaded.hash == contexts.hash


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("query", [0, 0, 1], "qrels: row 1 stands twice; a pair is judged once"),
        ("query", [0, 1, 2], "qrels: row 2 names query 2 of 2"),
        ("query", [0, 1, 0], "qrels: row 2 is not in the order of the queries"),
        ("candidate", [0, -1, 1], "qrels: row 1 names candidate -1 of 2"),
        ("candidate", [0.0, 1.0, 1.0], "candidate holds no row numbers"),
        ("grade", [1, 0, 1], "a grade below 1"),
        ("grade", [1, -2, 1], "a grade below 1"),
        ("grade", [1.0, 0.5, 1.0], "grades are of type float64, not whole numbers"),
        ("grade", [1, None, 1], "grades are of type float64, not whole numbers"),
        ("grade", [True, True, True], "grades are of type bool"),
        ("grade", ["1", "1", "1"], "grades are of type str"),
    ],
)
def test_a_corpus_refuses_judgments_that_no_reader_may_give_it(column, values, message):
    """However it is made: two queries of two candidates, three judgments."""
    frames = parts()
    second = pd.DataFrame(
        {"query_id": ["en:r"], "lang": ["en"], "question_id": ["r"], "text": ["who?"]}
    )
    queries = pd.concat([frames["queries"], second], ignore_index=True)
    qrels = pd.DataFrame({"query": [0, 0, 1], "candidate": [0, 1, 1], "grade": [1, 2, 1]})
    if message.startswith("qrels: row 1 stands"):
        qrels["candidate"] = [1, 1, 1]
    good = RetrievalCorpus("mine", queries, frames["candidates"], qrels.assign(candidate=[0, 1, 1]))
    assert len(good.qrels) == 3
    with pytest.raises(InputError, match=r"^mine: ") as error:
        RetrievalCorpus("mine", queries, frames["candidates"], qrels.assign(**{column: values}))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("part", "column", "value", "message"),
    [
        ("queries", "text", ["which?"], "queries: row 0: text of query_id 'en:q' is ['which?']"),
        ("queries", "text", 5, "queries: row 0: text of query_id 'en:q' is 5; a text is a string"),
        ("queries", "text", "\u200b", "queries: row 0: text of query_id 'en:q' is '\\u200b'"),
        ("queries", "query_id", 7, "queries: row 0: query_id is 7; an id is a string"),
        ("queries", "question_id", None, "queries: row 0: question_id is missing"),
        ("queries", "lang", "all", "queries: row 0: lang is 'all'; it cannot be a language"),
        ("candidates", "lang", "", "candidates: row 0: lang is ''; every record needs"),
        ("candidates", "group", " ", "candidates: row 0: group is ' '"),
        ("candidates", "candidate_id", "en:b", "candidate_id 'en:b' stands twice"),
        ("candidates", "candidate_id", "en:c", "row 1 is not in the order of (lang, candidate_id)"),
    ],
)
def test_a_corpus_refuses_texts_and_ids_too(part, column, value, message):
    frames = {**parts(), "qrels": pd.DataFrame({"query": [0], "candidate": [0], "grade": [1]})}
    del frames["relevance"]
    assert RetrievalCorpus("mine", **frames).languages == ["en"]
    values = frames[part][column].astype(object)
    values[0] = value
    frames[part] = frames[part].assign(**{column: values})
    with pytest.raises(InputError, match=r"^mine: ") as error:
        RetrievalCorpus("mine", **frames)
    assert message in str(error.value)


@pytest.mark.parametrize("grade", [0.5, None, "1"])
def test_build_drops_no_judgment_without_a_grade(grade):
    changed = parts()
    changed["relevance"] = changed["relevance"].assign(grade=[grade])
    for build in (RetrievalCorpus.build, corpus_from_judgments):
        with pytest.raises(InputError, match="mine: relevance: grades are of type"):
            build("mine", **changed)
    twice = parts()
    twice["relevance"] = pd.concat([twice["relevance"]] * 2)
    with pytest.raises(InputError, match="qrels: row 1 stands twice"):
        RetrievalCorpus.build("mine", **twice)


def test_different_texts_of_one_passage_id_are_both_candidates():
    """A passage_id is a content: each question of it is answered by each of its texts."""
    pairs = pair_table(3, ("de", "en"))
    pairs["passage_id"] = ["a", "a", "a", "a", "b", "b"]
    pairs.loc[pairs["lang"] == "de", "passage"] = ["eins", "zwei", "drei"]
    pairs.loc[pairs["lang"] == "en", "passage"] = ["one", "one", "three"]
    corpus = corpus_from_pairs("pairs", pairs)
    candidates = corpus.candidates.set_index("candidate_id")["text"].to_dict()
    assert candidates == {
        "de:a": "eins",
        "de:a~2": "zwei",
        "de:b": "drei",
        "en:a": "one",
        "en:b": "three",
    }
    assert len(corpus.qrels) == 4 * 3 + 2 * 2


def test_the_candidates_of_a_prepared_corpus_stay_on_disk(tmp_path):
    pairs = pair_table(20)
    pairs["passage"] += " " + 10_000 * "x"
    corpus = corpus_from_pairs("pairs", pairs)
    corpus.save(tmp_path)
    before = pa.total_allocated_bytes()
    loaded = RetrievalCorpus.load(tmp_path)
    assert pa.total_allocated_bytes() - before < 100_000
    pd.testing.assert_frame_equal(loaded.candidates, corpus.candidates)
    assert loaded.hash == corpus.hash
    # It may be written anew while it is open.
    corpus.save(tmp_path)
    pd.testing.assert_frame_equal(loaded.candidates, corpus.candidates)


def test_a_corpus_that_an_earlier_version_prepared(tmp_path):
    corpus = corpus_from_pairs("pairs", pair_table(3))
    corpus.save(tmp_path)
    (tmp_path / "candidates.arrow").unlink()
    corpus.candidates.to_parquet(tmp_path / "candidates.parquet", index=False)
    pd.testing.assert_frame_equal(RetrievalCorpus.load(tmp_path).candidates, corpus.candidates)
    corpus.save(tmp_path)
    assert not (tmp_path / "candidates.parquet").exists()


def test_a_prepared_corpus_that_is_broken(tmp_path):
    folder = tmp_path / "corpus"
    corpus_from_pairs("pairs", pair_table(3)).save(folder)
    for name in ("queries.parquet", "candidates.arrow"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:200])
        with pytest.raises(InputError, match=r"cannot be read as a prepared corpus .*01_data_prep"):
            RetrievalCorpus.load(folder)
        (folder / name).write_bytes(whole)
    (folder / "corpus.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as a prepared corpus"):
        RetrievalCorpus.load(folder)


def test_a_passage_id_that_ends_like_a_second_text():
    pairs = pair_table(3, ["en"]).assign(passage_id=["a", "a", "a~2"])
    corpus = corpus_from_pairs("mine", pairs)
    texts = dict(zip(corpus.candidates["candidate_id"], corpus.candidates["text"]))
    assert texts == {
        "en:a": "passage 0 in en",
        "en:a~~2": "passage 1 in en",
        "en:a~2": "passage 2 in en",
    }
    assert corpus.qrels.groupby("query").size().tolist() == [2, 2, 1]


@pytest.mark.parametrize("column", ["query", "candidate", "grade"])
def test_judgments_without_a_column_or_a_number_are_refused(column, tmp_path):
    corpus = RetrievalCorpus.build("mine", **parts())
    with pytest.raises(InputError, match=f"mine: qrels: no column {column}"):
        replace(corpus, qrels=corpus.qrels.drop(columns=column))
    missing = corpus.qrels.assign(**{column: pd.array([None], "Int64")})
    with pytest.raises(InputError, match=f"mine: qrels: .*({column}|grade)"):
        replace(corpus, qrels=missing)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"name": "mine"}', "{"])
def test_a_kept_corpus_with_another_corpus_json_is_refused(content, tmp_path):
    RetrievalCorpus.build("mine", **parts()).save(tmp_path)
    (tmp_path / "corpus.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"cannot be read as a prepared corpus .* run 01_data_prep"
    ):
        RetrievalCorpus.load(tmp_path)
