"""The best documents from rough scores: nothing that rounding hides is missed."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from hybridlib.retrieval import rough
from hybridlib.retrieval.best import quiet_sparse, scores_of_pairs
from hybridlib.retrieval.search import search

FORMATS = [torch.bfloat16, torch.float32]


@pytest.fixture(params=FORMATS, ids=["bfloat16", "float32"])
def form(request, monkeypatch) -> torch.dtype:
    """A format of the rough products, whatever is fast here."""
    monkeypatch.setattr(rough, "product_format", lambda device: request.param)
    return request.param


def exact_scores(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Return the scores of all pairs, each added up alone."""
    pairs = np.tile(np.arange(len(documents)), len(queries))
    counts = np.full(len(queries), len(documents))
    whole = torch.from_numpy(documents.astype(np.float32))
    with quiet_sparse():
        scores = scores_of_pairs(torch.from_numpy(queries), whole, counts, pairs)
    return scores.reshape(len(queries), len(documents))


def spread(rng: np.random.Generator, count: int) -> np.ndarray:
    """Unit vectors in all directions."""
    vectors = rng.standard_normal((count, 48))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def near(rng: np.random.Generator, count: int) -> np.ndarray:
    """Vectors so near to each other that bfloat16 takes most of their scores for equal."""
    return 1 / 7 + 1e-4 * rng.standard_normal((count, 48))


def opposite(rng: np.random.Generator, count: int) -> np.ndarray:
    """Vectors that no query likes."""
    return -np.abs(spread(rng, count))


def uneven(rng: np.random.Generator, count: int) -> np.ndarray:
    """Vectors of lengths from a thousandth to a thousand."""
    return spread(rng, count) * 10.0 ** rng.integers(-3, 4, (count, 1))


def tiny(rng: np.random.Generator, count: int) -> np.ndarray:
    """Vectors whose squares are not normal numbers."""
    return spread(rng, count) * 1e-20


def huge(rng: np.random.Generator, count: int) -> np.ndarray:
    """Vectors whose scores are near the end of float32."""
    return spread(rng, count) * 1e19


@pytest.mark.parametrize("made", [spread, near, opposite, uneven, tiny, huge])
@pytest.mark.parametrize("k", [1, 10, 150])
def test_search_finds_the_best_of_all_exact_scores(made, k, form, rng):
    documents = made(rng, 3000).astype(np.float32)
    documents[2500:2600] = documents[:100]  # ties
    queries = np.abs(spread(rng, 40)).astype(np.float32)
    rows, scores = search(queries, documents, k, block=700)
    expected = exact_scores(queries, documents)
    order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
    assert np.array_equal(rows, order)
    assert np.array_equal(scores, np.take_along_axis(expected, order, 1))


@pytest.mark.parametrize("setting", ["medium precision", "autocast", "inference mode"])
def test_results_are_exact_whatever_is_set(setting, form, rng):
    documents = near(rng, 3000).astype(np.float32)
    queries = np.abs(spread(rng, 40)).astype(np.float32)
    expected = search(queries, documents, 10, block=700)
    precision = torch.get_float32_matmul_precision()
    modes = {
        "autocast": torch.autocast("cpu", torch.bfloat16),
        "inference mode": torch.inference_mode(),
    }
    try:
        if setting == "medium precision":
            torch.set_float32_matmul_precision("medium")
        with modes.get(setting, nullcontext()):
            found = search(queries, documents, 10, block=700)
    finally:
        torch.set_float32_matmul_precision(precision)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


def test_vectors_short_on_both_sides(form, rng):
    documents, queries = (tiny(rng, count).astype(np.float32) * 1e4 for count in (500, 20))
    rows, _ = search(queries, documents, 5)
    order = np.argsort(-exact_scores(queries, documents), axis=1, kind="stable")[:, :5]
    assert np.array_equal(rows, order)


@pytest.mark.parametrize("dimension", [1, 2, 12, 384, 1000])
@pytest.mark.parametrize("shared", [0, 3], ids=["all-directions", "a-shared-direction"])
def test_rough_scores_are_off_by_no_more_than_is_allowed_for(dimension, shared, form, rng):
    vectors = shared + rng.standard_normal((1200, dimension)).astype(np.float32)
    queries, documents = torch.from_numpy(vectors).split([200, 1000])
    found = rough.RoughScores(queries, documents[:50], 1000, torch.device("cpu"))
    longest = found.load(documents, 0, 0)
    everything = slice(0, 200), slice(0, 1000)
    expected = found.between(*everything).double() + found.of_queries[:, None]
    allowed = found.excess(slice(0, 200), longest).double() - found.of_queries
    off = np.abs(expected.numpy() - exact_scores(queries.numpy(), documents.numpy())).max(1)
    assert (off <= allowed.numpy()).all()
    # What is allowed is not far more than can happen.
    assert (off / allowed.numpy()).max() > (0.2 if form == torch.bfloat16 and dimension < 3 else 0)


def test_pairs_are_scored_as_in_double_precision(rng):
    queries, documents = (spread(rng, count).astype(np.float32) for count in (5, 80))
    double = queries.astype(float) @ documents.astype(float).T
    assert np.allclose(exact_scores(queries, documents), double, atol=1e-6)


def test_no_warning_reaches_the_user(rng):
    vectors = spread(rng, 100).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(vectors, vectors, 3)
