"""Exact ranks and top lists, against plain sorting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores, sorted_ranks

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.retrieval import exact
from hybridlib.retrieval.rank import encode_corpus, rank
from hybridlib.retrieval.ranking import Ranking

Vectors = tuple[np.ndarray, np.ndarray]


def ranks_of(ranking: Ranking) -> list[tuple[int, int]]:
    """Return (rank_pool, rank_lang) of every qrel."""
    return list(ranking.relevant[["rank_pool", "rank_lang"]].itertuples(index=False, name=None))


def random_vectors(rng: np.random.Generator, corpus: RetrievalCorpus, d: int) -> Vectors:
    """Return vectors of the queries and candidates."""
    queries = rng.standard_normal((len(corpus.queries), d)).astype(np.float32)
    candidates = rng.standard_normal((len(corpus.candidates), d)).astype(np.float32)
    return queries, candidates


def vectors_of_scores(scores: np.ndarray) -> Vectors:
    """Return vectors whose products are exactly these scores."""
    return scores, np.eye(scores.shape[1], dtype=np.float32)


def assert_same(ranking: Ranking, expected: Ranking, atol: float = 0.0) -> None:
    """Compare ranks and top lists to the bit, top scores to a tolerance."""
    pd.testing.assert_frame_equal(ranking.relevant, expected.relevant)
    assert np.array_equal(ranking.top, expected.top)
    assert np.allclose(ranking.top_scores, expected.top_scores, rtol=0, atol=atol)


@pytest.fixture(params=[2, 64])
def counting(request, monkeypatch) -> None:
    """Count few rows at a time, and many."""
    monkeypatch.setattr("hybridlib.retrieval.above._ROWS", request.param)


# ------------------------------------------------------------------------------ ranks of scores


@pytest.mark.usefixtures("counting")
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


@pytest.mark.usefixtures("counting")
def test_ties_go_by_document_index_within_and_across_languages():
    names = [("de:a", "de"), ("de:b", "de"), ("en:a", "en"), ("en:b", "en"), ("zh:a", "zh")]
    corpus = corpus_of([("en:q", "en")], names, [("en:q", name, 1) for name, _ in names])
    all_tied = rank_scores(np.zeros((1, 5)), corpus)
    assert ranks_of(all_tied) == [(1, 1), (2, 2), (3, 1), (4, 2), (5, 1)]
    scores = np.array([[0.5, 0.7, 0.7, 0.9, 0.5]])
    assert ranks_of(rank_scores(scores, corpus)) == [(4, 2), (2, 1), (3, 2), (1, 1), (5, 1)]
    assert rank_scores(scores, corpus, top_k=3).top.tolist() == [[3, 1, 2]]
    # 0 and -0 are equal.
    signs = np.array([[1, -1, 1, -1, 1]])
    assert rank_scores(-np.zeros((1, 5)) * signs, corpus).top.tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.usefixtures("counting")
def test_neighbouring_floats_are_no_tie():
    names = [("de:a", "de"), ("en:a", "en")]
    corpus = corpus_of([("en:q", "en")], names, [("en:q", name, 1) for name, _ in names])
    value = np.float32(0.7)
    above = np.nextafter(value, np.float32(1))
    for low, high in ((value, above), (np.float32(0), np.float32(1e-45)), (-above, -value)):
        assert ranks_of(rank_scores(np.array([[low, high]]), corpus)) == [(2, 1), (1, 1)]
        assert ranks_of(rank_scores(np.array([[high, low]]), corpus)) == [(1, 1), (2, 1)]


@pytest.mark.usefixtures("counting")
def test_equal_texts_keep_the_order_of_the_index(rng):
    """The same vector many times over, far apart in the table: the lower index comes first."""
    names = [(f"{lang}:{number:03d}", lang) for lang in LANGUAGES for number in range(80)]
    questions = [f"en:q{number:02d}" for number in range(40)]
    relevance = [(question, name, 1) for question in questions for name, _ in names[::40]]
    corpus = corpus_of([(question, "en") for question in questions], names, relevance)
    queries, candidates = random_vectors(rng, corpus, 96)
    candidates[::40] = candidates[0]
    relevant = rank(queries, candidates, corpus).relevant
    for ranks in relevant.groupby("query")["rank_pool"].agg(list):
        assert ranks == list(range(ranks[0], ranks[0] + 8))


def test_the_order_of_the_rows_given_changes_nothing(rng):
    corpus = random_corpus(rng)
    query_ids = corpus.queries["query_id"].to_numpy()[corpus.qrels["query"]]
    candidate_ids = corpus.candidates["candidate_id"].to_numpy()[corpus.qrels["candidate"]]
    grades = corpus.qrels["grade"]
    relevance = pd.DataFrame(
        {"query_id": query_ids, "candidate_id": candidate_ids, "grade": grades}
    )
    shuffled = []
    for seed, frame in enumerate((corpus.queries, corpus.candidates, relevance)):
        shuffled.append(frame.sample(frac=1, random_state=seed))
    again = RetrievalCorpus.build(corpus.name, *shuffled)
    assert again.hash == corpus.hash
    scores = random_scores(rng, corpus, 3)
    assert_same(rank_scores(scores, again), rank_scores(scores, corpus))


def test_relevant_rows_have_their_languages(rng):
    corpus = random_corpus(rng)
    relevant = rank_scores(random_scores(rng, corpus), corpus).relevant
    assert relevant[["query", "candidate", "grade"]].equals(corpus.qrels)
    query_langs = corpus.queries["lang"].iloc[corpus.qrels["query"]]
    candidate_langs = corpus.candidates["lang"].iloc[corpus.qrels["candidate"]]
    assert relevant["query_lang"].tolist() == query_langs.tolist()
    assert relevant["candidate_lang"].tolist() == candidate_langs.tolist()


@pytest.mark.usefixtures("counting")
def test_queries_without_any_answer_have_no_row_but_a_top_list():
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en")],
        [("de:a", "de"), ("en:a", "en")],
        [("en:q", "de:a", 1)],
    )
    ranking = rank_scores(np.array([[1, 0], [0, 1], [1, 0]]), corpus)
    columns = ["query", "candidate", "rank_pool", "rank_lang"]
    assert ranking.relevant[columns].to_numpy().tolist() == [[1, 0, 2, 1]]
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


def test_a_restricted_corpus_ranks_as_if_the_rest_had_never_existed(rng):
    corpus = random_corpus(rng)
    languages = ["de", "zh"]
    part = corpus.restrict(languages)
    rows = corpus.queries["lang"].isin(languages).to_numpy()
    columns = corpus.candidates["lang"].isin(languages).to_numpy()
    scores = random_scores(rng, corpus, 6)
    part_scores = scores[np.ix_(rows, columns)]
    restricted = rank_scores(part_scores, part)
    assert ranks_of(restricted) == sorted_ranks(part_scores, part)

    whole = rank_scores(scores, corpus).relevant
    in_part = whole["query_lang"].isin(languages) & whole["candidate_lang"].isin(languages)
    kept = whole[in_part]
    assert restricted.relevant["rank_lang"].tolist() == kept["rank_lang"].tolist()
    names = part.queries["query_id"].iloc[restricted.relevant["query"]].tolist()
    assert names == corpus.queries["query_id"].iloc[kept["query"]].tolist()


def test_save_and_load(tmp_path, rng):
    corpus = random_corpus(rng)
    ranking = rank_scores(random_scores(rng, corpus), corpus)
    ranking.save(tmp_path)
    loaded = Ranking.load(tmp_path)
    assert_same(loaded, ranking)
    assert loaded.top.dtype == ranking.top.dtype


# ------------------------------------------------------------------------- blocks and chunks


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("kind", ["vectors", "ties"])
def test_the_block_size_changes_nothing(block, kind, rng):
    corpus = random_corpus(rng, questions=60)
    vectors = random_vectors(rng, corpus, 48)
    if kind == "ties":
        vectors = vectors_of_scores(random_scores(rng, corpus, 4))
    expected = rank(*vectors, corpus, top_k=20, block=64)
    assert_same(rank(*vectors, corpus, top_k=20, block=block), expected, atol=1e-5)


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("chunk", [1, 7, 50, 1000])
@pytest.mark.parametrize("kind", ["vectors", "duplicates", "ties", "one value"])
def test_scoring_the_candidates_in_chunks_changes_nothing(chunk, kind, rng, device):
    """On the CPU or a GPU. Chunks end within languages and between equal candidates.

    Some hold nothing relevant, some fewer candidates than the top k.
    """
    corpus = random_corpus(rng, questions=20)
    vectors = random_vectors(rng, corpus, 384)
    if kind == "duplicates":
        vectors[1][::3] = vectors[1][0]
    elif kind != "vectors":
        levels = 4 if kind == "ties" else 1
        vectors = vectors_of_scores(random_scores(rng, corpus, levels))
    expected = rank(*vectors, corpus, top_k=20, block=32)
    found = rank(*vectors, corpus, top_k=20, block=32, chunk=chunk, device=device)
    assert_same(found, expected, atol=1e-5)


def test_candidates_on_disk_are_read_a_chunk_at_a_time(tmp_path, rng, monkeypatch):
    corpus = random_corpus(rng, questions=60)
    queries, candidates = random_vectors(rng, corpus, 16)
    candidates = candidates.astype(np.float16)
    np.save(tmp_path / "vectors.npy", candidates)
    expected = rank(queries, candidates.astype(np.float32), corpus)
    read = []

    def watched(vectors: np.ndarray, rows: np.ndarray, *others: object) -> object:
        read.append(len(rows))
        return exact.columns_of(vectors, rows, *others)

    monkeypatch.setattr("hybridlib.retrieval.counts.columns_of", watched)
    on_disk = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    ranking = rank(queries, on_disk, corpus, chunk=40)
    assert len(read) > 5
    assert max(read) == 40
    assert ranking.top_scores.dtype == np.float32
    assert_same(ranking, expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 33, 257])
def test_scores_do_not_depend_on_how_many_are_scored_together(count, rng):
    """To the bit, on vectors of a usual width, with duplicates that must tie."""
    corpus = random_corpus(rng, questions=120, distractors=200)
    all_candidates = np.ones(len(corpus.candidates), dtype=bool)
    corpus = corpus.keep(np.arange(len(corpus.queries)) < count, all_candidates)
    queries, candidates = random_vectors(rng, corpus, 384)
    candidates[1::2] = candidates[: len(candidates[1::2])]
    whole = rank(queries, candidates, corpus, block=1000)
    for block in (1, 2, 7, 32, 256):
        assert_same(rank(queries, candidates, corpus, block=block), whole)


def test_scores_are_float32_whatever_is_given(rng):
    corpus = random_corpus(rng)
    queries, candidates = random_vectors(rng, corpus, 8)
    expected = rank(queries, candidates, corpus)
    ranking = rank(queries.astype(np.float64), candidates.astype(np.float64), corpus)
    assert ranking.top_scores.dtype == np.float32
    assert_same(ranking, expected)


# ---------------------------------------------------------------------------------- the vectors


def test_vectors_that_cannot_be_ranked_are_refused(rng):
    corpus = random_corpus(rng)
    queries, candidates = random_vectors(rng, corpus, 8)
    with pytest.raises(InputError, match=r"has [\d,]+ candidates, but the vectors are \(3, 8\)"):
        rank(queries, candidates[:3], corpus)
    with pytest.raises(InputError, match="vectors of 5 for the queries and 8 for the candidates"):
        rank(queries[:, :5], candidates, corpus)


@pytest.mark.parametrize("chunk", [4, 1000])
def test_vectors_that_are_not_finite_are_refused(chunk, rng):
    corpus = random_corpus(rng)
    queries, candidates = random_vectors(rng, corpus, 8)
    spoilt_queries = queries.copy()
    spoilt_queries[5, 2] = np.nan
    with pytest.raises(InputError, match="the vector of query 5 is not finite"):
        rank(spoilt_queries, candidates, corpus, chunk=chunk)
    candidates[5, 2] = np.nan
    with pytest.raises(InputError, match="the vector of candidate 5 is not finite"):
        rank(queries, candidates, corpus, chunk=chunk)


@pytest.mark.parametrize("signs", [(1, 1), (1, -1)], ids=["inf", "nan"])
def test_scores_that_overflow_are_refused(signs, rng):
    corpus = random_corpus(rng)
    queries, candidates = random_vectors(rng, corpus, 2)
    queries[3] = 1e30
    candidates[5] = np.float32(1e30) * np.float32(signs)
    with pytest.raises(InputError, match="scores are not finite: the vectors are too long"):
        rank(queries, candidates, corpus)


def test_encode_corpus_uses_the_query_and_the_passage_side(encoder):
    corpus = corpus_of([("en:q", "en")], [("de:a", "de"), ("en:a", "en")], [("en:q", "de:a", 1)])
    queries, candidates = encode_corpus(encoder, corpus, progress=False)
    texts = corpus.queries["text"]
    assert np.allclose(queries, encoder.encode(texts, "query"), atol=1e-6)
    assert np.allclose(candidates, encoder.encode(corpus.candidates["text"], "passage"), atol=1e-6)
    assert not np.allclose(queries, encoder.encode(texts, "passage"), atol=1e-3)
