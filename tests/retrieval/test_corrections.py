"""Training-free corrections: what they remove, what they leave, and what they are fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from toys import random_corpus

from hybridlib.errors import InputError
from hybridlib.retrieval import corrections
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.rank import rank, rank_corrected
from hybridlib.retrieval.unit import CorrectionError, unit

LANGUAGES = np.repeat(["de", "zh"], 3)
BY_LANGUAGE = ("centering", "lir", "shift")


def fit(name, vectors, languages, groups, directions=1) -> corrections.Correction:
    """Fit a correction on passages alone."""
    return corrections.fit(name, FittingTexts(vectors, languages, groups), directions=directions)


@pytest.fixture
def vectors() -> np.ndarray:
    """Three meanings in two languages; a language adds a vector of its own."""
    rng = np.random.default_rng(0)
    meaning = np.tile(rng.standard_normal((3, 8)), (2, 1))
    sign = np.repeat([3.0, -3.0], 3)[:, None]
    return unit(meaning + sign * np.eye(8)[0])


def test_centering_subtracts_each_languages_mean(vectors):
    fitted = fit("centering", vectors, LANGUAGES, LANGUAGES)
    expected = vectors - np.repeat([vectors[:3].mean(0), vectors[3:].mean(0)], 3, axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(fitted.queries(vectors, LANGUAGES), expected, atol=1e-6)
    assert np.allclose(fitted.candidates(vectors, LANGUAGES, "de"), expected, atol=1e-6)


@pytest.mark.parametrize("directions", [1, 2])
def test_lir_leaves_nothing_along_the_first_directions(vectors, directions):
    fitted = fit("lir", vectors, LANGUAGES, LANGUAGES, directions)
    corrected = fitted.queries(vectors, LANGUAGES)
    for rows in (slice(0, 3), slice(3, 6)):
        main = np.linalg.svd(vectors[rows])[2][:directions]
        assert np.allclose(corrected[rows] @ main.T, 0, atol=1e-5)
        assert np.abs(vectors[rows] @ main.T).max() > 0.5
    assert np.allclose(np.linalg.norm(corrected, axis=1), 1, atol=1e-5)


def test_shift_moves_candidates_to_the_query_language_and_leaves_queries(vectors):
    groups = np.array(["a", "b", "c", "a", "b", "only-zh"])
    fitted = fit("shift", vectors, LANGUAGES, groups)
    assert fitted.queries(vectors, LANGUAGES) is vectors
    moved = fitted.candidates(vectors, LANGUAGES, "de")
    assert np.allclose(moved[:3], vectors[:3], atol=1e-6)
    offset = (vectors[[3, 4]] - vectors[[0, 1]]).mean(0)
    assert np.allclose(moved[3:], unit(vectors[3:] - offset), atol=1e-6)


def test_what_cannot_be_estimated_is_refused(vectors):
    centering = fit("centering", vectors, LANGUAGES, LANGUAGES)
    with pytest.raises(InputError, match="'ru'"):
        centering.queries(vectors[:1], ["ru"])
    shift = fit("shift", vectors, LANGUAGES, np.arange(6).astype(str))
    with pytest.raises(InputError, match="no passage in both"):
        shift.candidates(vectors, LANGUAGES, "de")
    with pytest.raises(InputError, match="centring"):
        fit("centring", vectors, LANGUAGES, LANGUAGES)


def test_a_correction_per_query_language_ranks_as_language_by_language():
    rng = np.random.default_rng(3)
    corpus = random_corpus(rng)
    queries = unit(rng.standard_normal((len(corpus.queries), 6)))
    candidates = unit(rng.standard_normal((len(corpus.candidates), 6)))
    languages = corpus.candidates["lang"].to_numpy()
    passages = unit(rng.standard_normal((40, 6)))
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


# ------------------------------------------------------------------------------- nothing is left


@pytest.mark.parametrize("seed", range(3))
def test_lir_refuses_a_language_with_no_more_passages_than_directions(seed):
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((6, 8)))
    for passages, directions in ((1, 1), (2, 2), (1, 3)):
        languages = np.array(["fr"] * passages + ["de"] * (6 - passages))
        message = rf"lir: nothing would be left of the passages in fr \({passages}\): too few"
        with pytest.raises(CorrectionError, match=message):
            fit("lir", vectors, languages, languages, directions)


def test_lir_refuses_vectors_that_span_too_little(vectors):
    """Many passages of one vector; and as many directions as vectors are long."""
    same = np.repeat(vectors[:1], 3, axis=0)
    with pytest.raises(CorrectionError, match=r"passages in de \(3\): too few"):
        fit("lir", np.concatenate([same, vectors[3:]]), LANGUAGES, LANGUAGES)
    with pytest.raises(CorrectionError, match=r"passages in de \(3\), zh \(3\): too few"):
        fit("lir", unit(vectors[:, :2]), LANGUAGES, LANGUAGES, 2)
    with pytest.raises(InputError, match="removes 0 directions"):
        fit("lir", vectors, LANGUAGES, LANGUAGES, 0)


@pytest.mark.parametrize("copies", [1, 2, 50_000])
def test_centering_refuses_a_language_of_one_vector(copies, vectors):
    """The mean of many copies is not quite the vector: what is left would be rounding."""
    own = np.repeat(vectors[:1], copies, axis=0)
    languages = np.array(["fr"] * copies + ["zh"] * 3)
    both = np.concatenate([own, vectors[3:]])
    with pytest.raises(CorrectionError, match=rf"centering: .* passages in fr \({copies}\): too"):
        fit("centering", both, languages, languages)


@pytest.mark.parametrize("distance", [0, 1e-7, 1e-5])
def test_a_vector_of_which_nothing_is_left_is_refused(distance, vectors):
    """A query at the mean of its language, or along its first direction, or at a shift."""
    step = distance * np.eye(8, dtype=np.float32)[3]
    centering = fit("centering", vectors, LANGUAGES, LANGUAGES)
    lir = fit("lir", vectors, LANGUAGES, LANGUAGES)
    cases = {
        "centering": (centering.queries, centering.steps[0].means["passage"]["zh"]),
        "lir": (lir.queries, lir.steps[0].directions["passage"]["zh"][0]),
    }
    for name, (apply, lost) in cases.items():
        rows = np.stack([vectors[0], lost + step])
        message = f"{name}: leaves .* nothing of 1 of 2 vectors, the first of them in 'zh'"
        with pytest.raises(CorrectionError, match=message):
            apply(rows, ["de", "zh"])

    groups = np.tile(["a", "b", "c"], 2)
    shift = fit("shift", vectors, LANGUAGES, groups)
    rows = np.stack([vectors[0], shift.offset("zh", "de") + step])
    with pytest.raises(CorrectionError, match=r"shift: leaves .* nothing of 1 of 2"):
        shift.candidates(rows, ["de", "zh"], "de")


def test_what_is_small_but_left_is_corrected(vectors):
    centering = fit("centering", vectors, LANGUAGES, LANGUAGES)
    near = (
        centering.steps[0].means["passage"]["zh"]
        + np.float32(1e-2) * np.eye(8, dtype=np.float32)[3]
    )
    corrected = centering.queries(near[None], ["zh"])
    assert np.allclose(corrected, np.eye(8)[3], atol=1e-4)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", BY_LANGUAGE)
def test_vectors_without_a_direction_are_refused(name, bad, vectors):
    """Zero, not finite, or so long that the length is not finite."""
    groups = np.tile(["a", "b", "c"], 2)
    spoilt = vectors.copy()
    spoilt[4] = bad
    with pytest.raises(CorrectionError, match=f"{name}: passage 4, in 'zh', has a vector of"):
        fit(name, spoilt, LANGUAGES, groups)
    fitted = fit(name, vectors, LANGUAGES, groups)
    with np.errstate(all="ignore"), pytest.raises(InputError):
        fitted.candidates(spoilt, LANGUAGES, "de")


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e30])
def test_only_what_has_a_direction_is_scaled_to_length_one(bad, vectors):
    assert np.allclose(np.linalg.norm(unit(5 * vectors), axis=1), 1)
    spoilt = vectors.copy()
    spoilt[2] = bad
    with pytest.raises(InputError, match="vector 2 has the length"):
        unit(spoilt)


@pytest.mark.parametrize("name", BY_LANGUAGE)
def test_vectors_that_are_rounded_too_far_are_refused(name, vectors):
    with pytest.raises(CorrectionError, match=f"{name}: the vectors are float16, whose rounding"):
        fit(name, vectors.astype(np.float16), LANGUAGES, ["a", "b", "c"] * 2)


@pytest.mark.parametrize("name", BY_LANGUAGE)
def test_every_vector_has_a_language(name, vectors):
    with pytest.raises(InputError, match="6 vectors, 5 languages and 6 groups"):
        fit(name, vectors, LANGUAGES[:5], ["a", "b", "c"] * 2)


def test_shift_refuses_two_passages_of_one_group(vectors):
    with pytest.raises(InputError, match="shift: 'de' has two passages of one group"):
        fit("shift", vectors, LANGUAGES, ["a", "b", "b", "a", "b", "c"])
