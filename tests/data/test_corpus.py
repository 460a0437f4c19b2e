"""Retrieval corpora: how they are built, checked, cut and kept."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from toys import pair_table

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
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
