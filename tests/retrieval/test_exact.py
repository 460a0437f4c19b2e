"""The core that ranking and search share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hybridlib.errors import InputError
from hybridlib.retrieval.exact import TopK, check_finite, columns_of, scores_of, top_of


def tied_scores(levels: int, columns: int = 20) -> torch.Tensor:
    """Return scores ``[60, columns]`` of only so many different values."""
    generator = torch.Generator().manual_seed(levels)
    return torch.randint(0, levels, (60, columns), generator=generator).float()


@pytest.mark.parametrize("k", [1, 7, 19, 20, 50])
@pytest.mark.parametrize("levels", [1, 3, 1000])
@pytest.mark.parametrize("columns", [20, 3000], ids=["few columns", "columns in groups"])
def test_top_of_is_a_stable_sort(k, levels, columns):
    scores = tied_scores(levels, columns)
    best, values = top_of(scores, k)
    expected = torch.sort(scores, dim=1, descending=True, stable=True)
    assert torch.equal(best, expected.indices[:, :k])
    assert torch.equal(values, expected.values[:, :k])


@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_the_top_k_of_parts_is_that_of_the_whole(levels):
    """Parts of several widths, some narrower than k; the queries in a slice and by number."""
    scores = tied_scores(levels)
    top = TopK(60, 7)
    for start, end in ((0, 3), (3, 4), (4, 17), (17, 20)):
        rows = torch.arange(start, end)
        top.merge(slice(0, 40), rows.expand(40, -1), scores[:40, start:end])
        top.merge(torch.arange(40, 60), rows.expand(20, -1), scores[40:, start:end])
    columns, values = top_of(scores, 7)
    assert torch.equal(top.rows, columns)
    assert torch.equal(top.scores, values)


def test_a_score_does_not_depend_on_its_block(rng, device):
    """To the bit, whatever the number of queries and candidates beside it."""
    queries = torch.from_numpy(rng.standard_normal((70, 384)).astype(np.float32))
    vectors = rng.standard_normal((300, 384)).astype(np.float32)
    columns = columns_of(vectors, np.arange(300), 300, device)
    whole = scores_of(queries, columns)[:, :300]
    for rows in (1, 33):
        part = scores_of(queries[:rows], columns)[:, :300]
        assert torch.equal(part, whole[:rows])
    assert torch.allclose(whole, queries @ torch.from_numpy(vectors).T, atol=1e-3)


def test_products_are_float32_whatever_is_set(rng, device):
    """TF32 and bfloat16 would round to three digits."""
    queries = torch.from_numpy(rng.standard_normal((32, 64)).astype(np.float32))
    columns = columns_of(rng.standard_normal((64, 64)), np.arange(64), 64, device)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        scores = scores_of(queries, columns)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    expected = queries.double() @ columns.cpu().double()
    assert scores.device.type == "cpu"
    assert torch.allclose(scores.double(), expected, atol=1e-4)


def test_vectors_that_are_not_finite_are_named():
    vectors = torch.ones(3, 2)
    check_finite(vectors, "query", range(3))
    for value in (torch.nan, torch.inf):
        vectors[1, 0] = value
        with pytest.raises(InputError, match="the vector of query 11 is not finite"):
            check_finite(vectors, "query", range(10, 13))
