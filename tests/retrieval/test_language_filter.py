"""The language filter: its matrix, what it keeps, and what it refuses."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from hybridlib.retrieval.corrections import fit
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.language_filter import ENOUGH_TEXTS, FEWEST_TEXTS, LanguageFilter
from hybridlib.retrieval.unit import CorrectionError, unit

DIMENSION = 6
NAMES = ["de", "en", "th"]


def made_up(rng: np.random.Generator, texts: int, offset: float, prefix: str) -> FittingTexts:
    """Texts in one to three languages: a text varies along all axes, languages along the first."""
    rows = []
    for number in range(texts):
        text = rng.standard_normal(DIMENSION) + offset
        for lang in rng.permutation(NAMES)[: rng.integers(1, 4)]:
            noise = rng.standard_normal(DIMENSION) * [3, 0.1, 0.1, 0.1, 0.1, 0.1]
            rows.append((text + noise, lang, f"{prefix}{number}"))
    vectors, languages, groups = zip(*rows)
    return FittingTexts(np.stack(vectors).astype(np.float32), languages, groups)


@pytest.fixture(scope="module")
def sides() -> tuple[FittingTexts, FittingTexts]:
    """Passages and queries, with different means."""
    rng = np.random.default_rng(0)
    return made_up(rng, 300, 1.0, "p"), made_up(rng, 250, -2.0, "q")


def by_hand(
    sides: tuple[FittingTexts, ...], k: float, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return F, and the covariance within: each group in turn, with an explicit inverse."""
    within = np.zeros((DIMENSION, DIMENSION))
    between = np.zeros((DIMENSION, DIMENSION))
    freedom_within = freedom_between = 0
    shares = []
    for side in sides:
        means = []
        for group in sorted(set(side.groups)):
            rows = [n for n, other in enumerate(side.groups) if other == group]
            vectors = side.vectors[rows].astype(float)
            means.append(vectors.mean(0))
            for vector in vectors:
                within += np.outer(vector - means[-1], vector - means[-1])
            freedom_within += len(rows) - 1
            shares.append(1 / len(rows))
        between += np.cov(np.stack(means).T, bias=True) * len(means)
        freedom_between += len(means) - 1
    within /= freedom_within
    values, vectors = np.linalg.eigh(between / freedom_between - within * np.mean(shares))
    between = vectors @ np.diag(np.maximum(values, 0)) @ vectors.T
    eye = np.eye(DIMENSION) / DIMENSION
    within = (1 - shrinkage) * within + shrinkage * np.trace(within) * eye
    between = (1 - shrinkage) * between + shrinkage * np.trace(between) * eye
    return between @ np.linalg.inv(between + k * within), within


@pytest.mark.parametrize(("k", "shrinkage"), [(0.1, 0.0), (2.0, 0.3)])
def test_the_filter_is_the_one_of_its_derivation(sides, k, shrinkage):
    passages, queries = sides
    fitted = LanguageFilter(queries, passages, k, shrinkage)
    matrix, within = by_hand(sides, k, shrinkage)
    assert np.allclose(fitted.within, within, atol=1e-10)
    assert np.allclose(fitted.matrix, matrix, atol=1e-8)

    # Each side loses its own mean, and no language is asked for.
    correction = fit("filter", passages, queries, k=k, shrinkage=shrinkage)
    vectors = unit(np.random.default_rng(1).standard_normal((4, DIMENSION)))
    for apply, texts in ((correction.queries, queries), (correction.candidates, passages)):
        expected = (vectors - texts.vectors.astype(float).mean(0)) @ matrix.T
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert np.allclose(apply(vectors, ["xx"] * 4), expected, atol=1e-5)


def test_it_damps_what_languages_differ_by(sides):
    passages, queries = sides
    gains = np.diag(LanguageFilter(queries, passages, k=1.0, shrinkage=0.0).matrix)
    assert gains[0] < 0.25
    assert (gains[1:] > 0.9).all()


def test_passages_alone_correct_queries_too(sides):
    passages, _ = sides
    fitted = LanguageFilter(passages, passages)
    assert np.array_equal(fitted.query_offset, fitted.passage_offset)
    assert np.allclose(fitted.matrix, by_hand((passages,), 0.1, 0.1)[0], atol=1e-8)


def test_in_a_chain_it_is_fitted_on_what_the_steps_before_it_leave(sides):
    passages, queries = sides
    centering = fit("centering", passages, queries).steps[0]
    centred = []
    for texts, side in ((passages, "passage"), (queries, "query")):
        centred.append(texts.moved_to(centering.apply(texts.vectors, texts.languages, side)))
    alone = LanguageFilter(centred[1], centred[0])
    chain = fit("centering+filter", passages, queries)
    assert np.allclose(chain.steps[1].matrix, alone.matrix)
    vectors = unit(np.random.default_rng(2).standard_normal((3, DIMENSION)))
    expected = alone.apply(centering.apply(vectors, NAMES, "query"), NAMES, "query")
    assert np.allclose(chain.queries(vectors, NAMES), unit(expected), atol=1e-5)


def first_texts(texts: FittingTexts, count: int) -> FittingTexts:
    """Return the first groups that are in two languages or more."""
    groups = np.asarray(texts.groups)
    names, sizes = np.unique(groups, return_counts=True)
    rows = np.isin(groups, names[sizes > 1][:count])
    return FittingTexts(texts.vectors[rows], np.asarray(texts.languages)[rows], groups[rows])


def test_too_few_texts_are_refused_and_few_are_warned_of(sides, caplog):
    passages, _ = sides
    few = first_texts(passages, FEWEST_TEXTS - 1)
    with pytest.raises(CorrectionError, match=f"filter: {FEWEST_TEXTS - 1} texts are in two lan"):
        fit("filter", few)
    with caplog.at_level(logging.WARNING):
        fit("filter", first_texts(passages, FEWEST_TEXTS))
    assert f"filter: {FEWEST_TEXTS} texts are in two languages or more" in caplog.text
    assert str(ENOUGH_TEXTS) in caplog.text


def test_vectors_that_do_not_vary_in_every_direction_need_shrinkage(sides):
    passages, _ = sides
    vectors = passages.vectors.copy()
    vectors[:, 5] = 1
    flat = passages.moved_to(vectors)
    with pytest.raises(CorrectionError, match="filter_shrinkage above 0"):
        fit("filter", flat, shrinkage=0.0)
    assert np.isfinite(fit("filter", flat, shrinkage=0.1).steps[0].matrix).all()
