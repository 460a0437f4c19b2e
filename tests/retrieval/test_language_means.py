"""The means of languages: texts held fixed where they are translated."""

from __future__ import annotations

import logging

import numpy as np

from hybridlib.retrieval.fitting_texts import FittingSet, FittingTexts
from hybridlib.retrieval.language_means import language_means


def texts_of(rng: np.random.Generator, present: dict[str, list[int]]) -> FittingTexts:
    """Return exact vectors ``a(text) + b(language)`` of the texts present in each language."""
    a = rng.standard_normal((100, 4)) * 5
    rows = []
    for number, (lang, texts) in enumerate(present.items()):
        rows += [(a[text] + 10 * number, lang, str(text)) for text in texts]
    vectors, languages, groups = zip(*rows)
    return FittingTexts(np.stack(vectors), languages, groups)


def test_parallel_texts_have_their_plain_means():
    rng = np.random.default_rng(0)
    texts = FittingTexts(
        rng.standard_normal((60, 4)), ["de", "en", "th"] * 20, np.repeat(range(20), 3)
    )
    means = language_means(texts)
    for number, lang in enumerate(("de", "en", "th")):
        assert np.allclose(means[lang], texts.vectors[number::3].mean(0), atol=1e-6)


def test_languages_are_told_from_topics_through_the_texts_that_they_share():
    """No text is in all languages, and de shares none with th."""
    present = {"de": range(0, 50), "en": range(25, 75), "th": range(55, 100)}
    means = language_means(texts_of(np.random.default_rng(1), present))
    assert np.allclose(means["en"] - means["de"], 10, atol=1e-4)
    assert np.allclose(means["th"] - means["en"], 10, atol=1e-4)


def test_what_is_subtracted_leaves_the_texts_around_zero():
    texts = texts_of(np.random.default_rng(2), {"de": range(0, 50), "en": range(25, 75)})
    means = language_means(texts)
    left = texts.vectors - np.stack([means[lang] for lang in texts.languages])
    assert np.allclose(left.mean(0), 0, atol=1e-5)


def test_a_language_without_shared_texts_has_its_plain_mean():
    present = {"de": range(0, 50), "en": range(25, 75), "th": range(80, 100), "zh": range(75, 80)}
    texts = texts_of(np.random.default_rng(3), present)
    means = language_means(texts)
    assert np.allclose(means["en"] - means["de"], 10, atol=1e-4)
    for lang in ("th", "zh"):
        rows = [other == lang for other in texts.languages]
        assert np.allclose(means[lang], texts.vectors[rows].mean(0), atol=1e-4)


def test_few_shared_texts_are_warned_of(caplog):
    texts = texts_of(
        np.random.default_rng(4), {"de": range(50), "en": range(50), "th": range(45, 90)}
    )
    with caplog.at_level(logging.WARNING):
        language_means(texts)
    assert "few texts tell languages from topics in th (5);" in caplog.text


def test_a_fitting_set_can_be_kept(tmp_path):
    texts = texts_of(np.random.default_rng(5), {"de": range(3), "en": range(3)})
    FittingSet("both", texts, texts.one_each()).save(tmp_path / "fitting.npz")
    kept = FittingSet.load(tmp_path / "fitting.npz")
    assert kept.name == "both"
    assert np.array_equal(kept.queries.vectors, texts.vectors)
    assert kept.passages.languages.tolist() == list(texts.languages)
    assert kept.passages.groups.tolist() == list(texts.groups)

    FittingSet("passages", texts, texts).save(tmp_path / "fitting.npz")
    kept = FittingSet.load(tmp_path / "fitting.npz")
    assert kept.queries is kept.passages
