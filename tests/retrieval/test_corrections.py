"""Training-free corrections: what they remove, what they leave, and what they are fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from toys import random_corpus

from hybridlib.errors import InputError
from hybridlib.retrieval import corrections
from hybridlib.retrieval.rank import rank, rank_corrected

LANGUAGES = np.repeat(["de", "zh"], 3)


@pytest.fixture
def vectors() -> np.ndarray:
    """Three meanings in two languages; a language adds a vector of its own."""
    rng = np.random.default_rng(0)
    meaning = np.tile(rng.standard_normal((3, 8)), (2, 1))
    sign = np.repeat([3.0, -3.0], 3)[:, None]
    return corrections.unit(meaning + sign * np.eye(8)[0])


def test_centering_subtracts_each_languages_mean(vectors):
    fitted = corrections.fit("centering", vectors, LANGUAGES, LANGUAGES)
    expected = vectors - np.repeat([vectors[:3].mean(0), vectors[3:].mean(0)], 3, axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(fitted.queries(vectors, LANGUAGES), expected, atol=1e-6)
    assert np.allclose(fitted.candidates(vectors, LANGUAGES, "de"), expected, atol=1e-6)


@pytest.mark.parametrize("directions", [1, 2])
def test_lir_leaves_nothing_along_the_first_directions(vectors, directions):
    fitted = corrections.fit("lir", vectors, LANGUAGES, LANGUAGES, directions)
    corrected = fitted.queries(vectors, LANGUAGES)
    for rows in (slice(0, 3), slice(3, 6)):
        main = np.linalg.svd(vectors[rows])[2][:directions]
        assert np.allclose(corrected[rows] @ main.T, 0, atol=1e-5)
        assert np.abs(vectors[rows] @ main.T).max() > 0.5
    assert np.allclose(np.linalg.norm(corrected, axis=1), 1, atol=1e-5)


def test_shift_moves_candidates_to_the_query_language_and_leaves_queries(vectors):
    groups = np.array(["a", "b", "c", "a", "b", "only-zh"])
    fitted = corrections.fit("shift", vectors, LANGUAGES, groups)
    assert fitted.queries(vectors, LANGUAGES) is vectors
    moved = fitted.candidates(vectors, LANGUAGES, "de")
    assert np.allclose(moved[:3], vectors[:3], atol=1e-6)
    offset = (vectors[[3, 4]] - vectors[[0, 1]]).mean(0)
    assert np.allclose(moved[3:], corrections.unit(vectors[3:] - offset), atol=1e-6)


def test_what_cannot_be_estimated_is_refused(vectors):
    centering = corrections.fit("centering", vectors, LANGUAGES, LANGUAGES)
    with pytest.raises(InputError, match="'ru'"):
        centering.queries(vectors[:1], ["ru"])
    shift = corrections.fit("shift", vectors, LANGUAGES, np.arange(6).astype(str))
    with pytest.raises(InputError, match="no passage in both"):
        shift.candidates(vectors, LANGUAGES, "de")
    with pytest.raises(InputError, match="centring"):
        corrections.fit("centring", vectors, LANGUAGES, LANGUAGES)


def test_a_correction_per_query_language_ranks_as_language_by_language():
    rng = np.random.default_rng(3)
    corpus = random_corpus(rng)
    queries = corrections.unit(rng.standard_normal((len(corpus.queries), 6)))
    candidates = corrections.unit(rng.standard_normal((len(corpus.candidates), 6)))
    languages = corpus.candidates["lang"].to_numpy()
    passages = corrections.unit(rng.standard_normal((40, 6)))
    groups = np.tile(np.arange(10).astype(str), 4)
    fitted = corrections.Shift(passages, np.repeat(corpus.languages, 10), groups)
    ranking = rank_corrected(queries, candidates, corpus, fitted, top_k=5)
    for lang in corpus.languages:
        moved = fitted.candidates(candidates, languages, lang)
        expected = rank(queries, moved, corpus, top_k=5)
        in_language = (corpus.queries["lang"] == lang).to_numpy()
        assert (ranking.top[in_language] == expected.top[in_language]).all()
        relevant = ranking.relevant[ranking.relevant["query_lang"] == lang]
        of_language = expected.relevant[expected.relevant["query_lang"] == lang]
        assert relevant.reset_index(drop=True).equals(of_language.reset_index(drop=True))
