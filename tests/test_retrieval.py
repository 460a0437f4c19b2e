"""Exact ranks and top lists, against plain sorting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores, sorted_ranks

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.retrieval.exact import top_of
from hybridlib.retrieval.rank import encode_corpus, rank
from hybridlib.retrieval.ranking import Ranking


def ranks_of(ranking: Ranking) -> list[tuple[int, int]]:
    return list(ranking.relevant[["rank_pool", "rank_lang"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("levels", [None, 1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_ranks_and_top_are_those_of_a_stable_sort(seed, levels):
    rng = np.random.default_rng(seed)
    corpus = random_corpus(rng)
    scores = random_scores(rng, corpus, levels)
    ranking = rank_scores(scores, corpus, top_k=15)
    assert ranks_of(ranking) == sorted_ranks(scores, corpus)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :15]
    assert np.array_equal(ranking.top, order)
    assert np.array_equal(ranking.top_scores, np.take_along_axis(scores, order, 1))


def test_ties_go_by_document_index_within_and_across_languages():
    """Order of the candidates: de:a de:b en:a en:b zh:a."""
    corpus = corpus_of(
        [("en:q", "en")],
        [("de:a", "de"), ("de:b", "de"), ("en:a", "en"), ("en:b", "en"), ("zh:a", "zh")],
        [("en:q", name, 1) for name in ("de:a", "de:b", "en:a", "en:b", "zh:a")],
    )
    assert ranks_of(rank_scores(np.zeros((1, 5)), corpus)) == [
        (1, 1),
        (2, 2),
        (3, 1),
        (4, 2),
        (5, 1),
    ]
    scores = np.array([[0.5, 0.7, 0.7, 0.9, 0.5]])
    assert ranks_of(rank_scores(scores, corpus)) == [(4, 2), (2, 1), (3, 2), (1, 1), (5, 1)]
    assert rank_scores(scores, corpus, top_k=3).top.tolist() == [[3, 1, 2]]
    assert rank_scores(-np.zeros((1, 5)) * [[1, -1, 1, -1, 1]], corpus).top.tolist() == [
        [0, 1, 2, 3, 4]
    ]  # 0 and -0 are equal


def test_neighbouring_floats_are_no_tie():
    corpus = corpus_of(
        [("en:q", "en")],
        [("de:a", "de"), ("en:a", "en")],
        [("en:q", "de:a", 1), ("en:q", "en:a", 1)],
    )
    value = np.float32(0.7)
    for low, high in [
        (value, np.nextafter(value, np.float32(1))),
        (np.float32(0), np.float32(1e-45)),
        (-np.nextafter(value, np.float32(1)), -value),
    ]:
        assert ranks_of(rank_scores(np.array([[low, high]]), corpus)) == [(2, 1), (1, 1)]
        assert ranks_of(rank_scores(np.array([[high, low]]), corpus)) == [(1, 1), (2, 1)]


def test_equal_texts_keep_the_order_of_the_index(rng):
    """The same vector many times over, far apart in the table: the scores tie, the lower index comes first."""
    names = [(f"{lang}:{number:03d}", lang) for lang in LANGUAGES for number in range(80)]
    corpus = corpus_of(
        [(f"en:q{number:02d}", "en") for number in range(40)],
        names,
        [(f"en:q{number:02d}", name, 1) for number in range(40) for name, _ in names[::40]],
    )
    candidates = rng.standard_normal((len(names), 96)).astype(np.float32)
    candidates[::40] = candidates[0]
    queries = rng.standard_normal((40, 96)).astype(np.float32)
    ranks = rank(queries, candidates, corpus).relevant.groupby("query")["rank_pool"].agg(list)
    assert all(found == list(range(found[0], found[0] + 8)) for found in ranks)


@pytest.mark.parametrize("k", [1, 3, 7, 19, 20, 50])
@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_top_of_is_a_stable_sort(k, levels):
    scores = torch.randint(
        0, levels, (60, 20), generator=torch.Generator().manual_seed(levels)
    ).float()
    columns, values = top_of(scores, k)
    expected = torch.sort(scores, dim=1, descending=True, stable=True)
    assert torch.equal(columns, expected.indices[:, :k]) and torch.equal(
        values, expected.values[:, :k]
    )


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("kind", ["vectors", "ties"])
def test_the_block_size_changes_nothing(block, kind, rng):
    corpus = random_corpus(rng, questions=60)
    if kind == "vectors":
        vectors = [
            rng.standard_normal((len(part), 48)).astype(np.float32)
            for part in (corpus.queries, corpus.candidates)
        ]
    else:
        vectors = [random_scores(rng, corpus, 4), np.eye(len(corpus.candidates), dtype=np.float32)]
    expected, found = (
        rank(*vectors, corpus, top_k=20, block=64),
        rank(*vectors, corpus, top_k=20, block=block),
    )
    pd.testing.assert_frame_equal(found.relevant, expected.relevant)
    assert np.array_equal(found.top, expected.top)
    assert np.allclose(found.top_scores, expected.top_scores, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 50, 1000])
@pytest.mark.parametrize("kind", ["vectors", "duplicates", "ties", "one value"])
def test_going_through_the_candidates_in_chunks_changes_nothing(chunk, kind, rng):
    """Chunks end within languages and between equal candidates, some hold nothing relevant, some less than the top k."""
    corpus = random_corpus(rng, questions=20)
    count = len(corpus.candidates)
    if kind in ("vectors", "duplicates"):
        vectors = [
            rng.standard_normal((len(part), 384)).astype(np.float32)
            for part in (corpus.queries, corpus.candidates)
        ]
        vectors[1][:: 3 if kind == "duplicates" else count] = vectors[1][0]
    else:
        vectors = [
            random_scores(rng, corpus, 4 if kind == "ties" else 1),
            np.eye(count, dtype=np.float32),
        ]
    expected, found = (
        rank(*vectors, corpus, top_k=20, block=32),
        rank(*vectors, corpus, top_k=20, block=32, chunk=chunk),
    )
    pd.testing.assert_frame_equal(found.relevant, expected.relevant)
    assert np.array_equal(found.top, expected.top)
    assert np.allclose(found.top_scores, expected.top_scores, atol=1e-5)


def test_candidates_on_disk_are_read_a_chunk_at_a_time(tmp_path, rng, monkeypatch):
    from hybridlib.retrieval import exact

    corpus = random_corpus(rng, questions=60)
    queries = rng.standard_normal((len(corpus.queries), 16)).astype(np.float32)
    candidates = rng.standard_normal((len(corpus.candidates), 16)).astype(np.float16)
    np.save(tmp_path / "vectors.npy", candidates)
    expected = rank(queries, candidates.astype(np.float32), corpus)
    read, most = exact.columns_of, []
    monkeypatch.setattr(
        "hybridlib.retrieval.rank.columns_of",
        lambda vectors, rows, width: (most.append(len(vectors[rows])), read(vectors, rows, width))[
            1
        ],
    )
    found = rank(queries, np.load(tmp_path / "vectors.npy", mmap_mode="r"), corpus, chunk=40)
    assert len(most) > 5 and max(most) == 40
    pd.testing.assert_frame_equal(found.relevant, expected.relevant)
    assert np.array_equal(found.top, expected.top) and found.top_scores.dtype == np.float32


def test_vectors_that_cannot_be_ranked_are_refused(rng):
    corpus = random_corpus(rng)
    queries, candidates = (
        rng.standard_normal((len(part), 8)).astype(np.float32)
        for part in (corpus.queries, corpus.candidates)
    )
    with pytest.raises(InputError, match=r"has [\d,]+ candidates, but the vectors are \(3, 8\)"):
        rank(queries, candidates[:3], corpus)
    with pytest.raises(InputError, match="vectors of 5 for the queries and 8 for the candidates"):
        rank(queries[:, :5], candidates, corpus)
    for chunk in (4, 1000):
        for name, vectors in (("query", queries), ("candidate", candidates)):
            spoilt = vectors.copy()
            spoilt[5, 2] = np.nan
            with pytest.raises(InputError, match=f"the vector of {name} 5 is not finite"):
                rank(
                    *((spoilt, candidates) if name == "query" else (queries, spoilt)),
                    corpus,
                    chunk=chunk,
                )


def test_scores_are_float32_whatever_is_given(rng):
    corpus = random_corpus(rng)
    queries, candidates = (
        rng.standard_normal((len(part), 8)) for part in (corpus.queries, corpus.candidates)
    )
    expected, found = (
        rank(queries.astype(np.float32), candidates.astype(np.float32), corpus),
        rank(queries, candidates, corpus),
    )
    assert found.top_scores.dtype == np.float32 and np.array_equal(
        found.top_scores, expected.top_scores
    )
    pd.testing.assert_frame_equal(found.relevant, expected.relevant)


def test_the_order_of_the_rows_given_changes_nothing(rng):
    corpus = random_corpus(rng)
    relevance = pd.DataFrame(
        {
            "query_id": corpus.queries["query_id"].to_numpy()[corpus.qrels["query"]],
            "candidate_id": corpus.candidates["candidate_id"].to_numpy()[corpus.qrels["candidate"]],
            "grade": corpus.qrels["grade"],
        }
    )
    shuffled = [
        frame.sample(frac=1, random_state=seed)
        for seed, frame in enumerate((corpus.queries, corpus.candidates, relevance))
    ]
    again = RetrievalCorpus.build(corpus.name, *shuffled)
    assert again.hash == corpus.hash
    scores = random_scores(rng, corpus, 3)
    pd.testing.assert_frame_equal(
        rank_scores(scores, again).relevant, rank_scores(scores, corpus).relevant
    )


def test_relevant_rows_say_which_languages(rng):
    corpus = random_corpus(rng)
    relevant = rank_scores(random_scores(rng, corpus), corpus).relevant
    assert relevant[["query", "candidate", "grade"]].equals(corpus.qrels)
    assert (
        relevant["query_lang"].tolist()
        == corpus.queries["lang"].iloc[corpus.qrels["query"]].tolist()
    )
    assert (
        relevant["candidate_lang"].tolist()
        == corpus.candidates["lang"].iloc[corpus.qrels["candidate"]].tolist()
    )


def test_queries_without_any_answer_leave_no_row_but_have_a_top_list(rng):
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en")],
        [("de:a", "de"), ("en:a", "en")],
        [("en:q", "de:a", 1)],
    )
    ranking = rank_scores(np.array([[1, 0], [0, 1], [1, 0]]), corpus)
    assert ranking.relevant[
        ["query", "candidate", "rank_pool", "rank_lang"]
    ].to_numpy().tolist() == [[1, 0, 2, 1]]
    assert ranking.top.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_one_language_ranks_alike_in_the_pool_and_in_the_language(rng):
    corpus = random_corpus(rng, languages=("en",))
    scores = random_scores(rng, corpus)
    ranking = rank_scores(scores, corpus)
    assert ranks_of(ranking) == sorted_ranks(scores, corpus)
    assert (ranking.relevant["rank_pool"] == ranking.relevant["rank_lang"]).all()


def test_top_k_deeper_than_the_corpus_is_the_corpus(rng):
    corpus = random_corpus(rng, questions=3)
    scores = random_scores(rng, corpus, 2)
    ranking = rank_scores(scores, corpus, top_k=10_000)
    assert np.array_equal(ranking.top, np.argsort(-scores, axis=1, kind="stable"))


def test_save_and_load(tmp_path, rng):
    corpus = random_corpus(rng)
    ranking = rank_scores(random_scores(rng, corpus), corpus)
    ranking.save(tmp_path)
    loaded = Ranking.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.relevant, ranking.relevant)
    assert np.array_equal(loaded.top, ranking.top) and np.array_equal(
        loaded.top_scores, ranking.top_scores
    )
    assert loaded.top.dtype == ranking.top.dtype


def test_restricted_corpora_rank_as_if_the_rest_had_never_been_there(rng):
    corpus = random_corpus(rng)
    part = corpus.restrict(["zh", "de"])
    assert part.languages == ["de", "zh"] and set(part.queries["lang"]) == {"de", "zh"}
    rows, columns = (
        frame["lang"].isin(["de", "zh"]).to_numpy() for frame in (corpus.queries, corpus.candidates)
    )
    scores = random_scores(rng, corpus, 6)
    whole, restricted = (
        rank_scores(scores, corpus).relevant,
        rank_scores(scores[np.ix_(rows, columns)], part).relevant,
    )
    kept = whole[
        whole["query_lang"].isin(["de", "zh"]) & whole["candidate_lang"].isin(["de", "zh"])
    ]
    assert restricted["rank_lang"].tolist() == kept["rank_lang"].tolist()
    assert ranks_of(rank_scores(scores[np.ix_(rows, columns)], part)) == sorted_ranks(
        scores[np.ix_(rows, columns)], part
    )
    names = [
        frame["query_id"].iloc[found["query"]].tolist()
        for frame, found in ((corpus.queries, kept), (part.queries, restricted))
    ]
    assert names[0] == names[1]


def test_restrict_refuses_unknown_languages_and_takes_none_for_all(rng):
    corpus = random_corpus(rng)
    assert corpus.restrict(None) is corpus
    assert corpus.restrict(LANGUAGES).hash == corpus.hash
    with pytest.raises(InputError, match="'toy' has no fr; it has ar, de, en, zh"):
        corpus.restrict(["de", "fr"])


def test_corpus_save_and_load(tmp_path, rng):
    corpus = replace(random_corpus(rng), candidate_text="context")
    corpus.save(tmp_path / "corpus")
    loaded = RetrievalCorpus.load(tmp_path / "corpus")
    assert (loaded.hash, loaded.name, loaded.candidate_text, loaded.languages) == (
        corpus.hash,
        corpus.name,
        "context",
        corpus.languages,
    )
    for part in ("queries", "candidates", "qrels"):
        pd.testing.assert_frame_equal(getattr(loaded, part), getattr(corpus, part))
    (tmp_path / "corpus" / "corpus.json").unlink()
    with pytest.raises(InputError, match="no corpus.json"):
        RetrievalCorpus.load(tmp_path / "corpus")


def test_the_hash_tells_contents_apart(rng):
    corpus = random_corpus(rng)
    texts = corpus.queries.assign(
        text=corpus.queries["text"].where(corpus.queries.index != 3, "other")
    )
    grades = corpus.qrels.assign(grade=corpus.qrels["grade"] + 1)
    changed = [
        corpus,
        replace(corpus, queries=texts),
        replace(corpus, qrels=grades),
        replace(corpus, candidate_text="context"),
    ]
    assert len({each.hash for each in changed}) == 4


def test_encode_corpus_uses_the_query_and_the_passage_side(tiny_encoder):
    from hybridlib.model.encoder import DualEncoder

    encoder = DualEncoder.load(tiny_encoder)
    corpus = corpus_of([("en:q", "en")], [("de:a", "de"), ("en:a", "en")], [("en:q", "de:a", 1)])
    queries, candidates = encode_corpus(encoder, corpus, progress=False)
    assert np.allclose(queries, encoder.encode(corpus.queries["text"], "query"), atol=1e-6)
    assert np.allclose(candidates, encoder.encode(corpus.candidates["text"], "passage"), atol=1e-6)
    assert not np.allclose(queries, encoder.encode(corpus.queries["text"], "passage"), atol=1e-3)


@pytest.mark.parametrize("count", [1, 33, 257])
def test_scores_do_not_depend_on_how_many_are_scored_together(count, rng):
    """To the bit, on vectors of a usual width, with duplicates that must tie."""
    corpus = random_corpus(rng, questions=120, distractors=200)
    candidates = rng.standard_normal((len(corpus.candidates), 384)).astype(np.float32)
    candidates[1::2] = candidates[: len(candidates[1::2])]
    corpus = corpus.keep(
        np.arange(len(corpus.queries)) < count, np.ones(len(candidates), dtype=bool)
    )
    queries = rng.standard_normal((len(corpus.queries), 384)).astype(np.float32)
    whole = rank(queries, candidates, corpus, block=1000)
    for block in (1, 2, 7, 32, 256):
        part = rank(queries, candidates, corpus, block=block)
        assert np.array_equal(part.top_scores, whole.top_scores) and np.array_equal(
            part.top, whole.top
        )
        pd.testing.assert_frame_equal(part.relevant, whole.relevant)
