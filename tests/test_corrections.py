"""Training-free corrections: what they remove, what they leave, and what they are estimated from."""

from __future__ import annotations

import numpy as np
import pytest
from toys import random_corpus

from hybridlib.errors import InputError
from hybridlib.retrieval import corrections
from hybridlib.retrieval.rank import rank, rank_corrected

LANGUAGES = np.array(["de", "de", "de", "zh", "zh", "zh"])


@pytest.fixture
def vectors() -> np.ndarray:
    """Three meanings in two languages; a language adds a vector of its own."""
    rng = np.random.default_rng(0)
    meaning = np.tile(rng.standard_normal((3, 8)), (2, 1))
    return corrections.unit(
        meaning + np.where(LANGUAGES == "de", 3.0, -3.0)[:, None] * np.eye(8)[0]
    )


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
    for lang in ("de", "zh"):
        main = np.linalg.svd(vectors[LANGUAGES == lang])[2][:directions]
        assert np.allclose(corrected[LANGUAGES == lang] @ main.T, 0, atol=1e-5)
        assert np.abs(vectors[LANGUAGES == lang] @ main.T).max() > 0.5
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
    with pytest.raises(InputError, match="'ru'"):
        corrections.fit("centering", vectors, LANGUAGES, LANGUAGES).queries(vectors[:1], ["ru"])
    with pytest.raises(InputError, match="no passage in both"):
        corrections.fit("shift", vectors, LANGUAGES, np.arange(6).astype(str)).candidates(
            vectors, LANGUAGES, "de"
        )
    with pytest.raises(InputError, match="centring"):
        corrections.fit("centring", vectors, LANGUAGES, LANGUAGES)


def test_a_correction_per_query_language_ranks_as_language_by_language():
    rng = np.random.default_rng(3)
    corpus = random_corpus(rng)
    queries, candidates = (
        corrections.unit(rng.standard_normal((len(frame), 6)))
        for frame in (corpus.queries, corpus.candidates)
    )
    languages = corpus.candidates["lang"].to_numpy()
    passages = corrections.unit(rng.standard_normal((40, 6)))
    fitted = corrections.Shift(
        passages, np.repeat(corpus.languages, 10), np.tile(np.arange(10).astype(str), 4)
    )
    ranking = rank_corrected(queries, candidates, corpus, fitted, top_k=5)
    for lang in corpus.languages:
        alone = rank(queries, fitted.candidates(candidates, languages, lang), corpus, top_k=5)
        chosen = (corpus.queries["lang"] == lang).to_numpy()
        assert (ranking.top[chosen] == alone.top[chosen]).all()
        part, whole = (
            frame[frame["query_lang"] == lang].reset_index(drop=True)
            for frame in (ranking.relevant, alone.relevant)
        )
        assert part.equals(whole)
