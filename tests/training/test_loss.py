"""The contrastive loss against a plain loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hybridlib.training.loss import (
    IGNORE,
    LOWEST_TEMPERATURE,
    ContrastiveLoss,
    gather_with_gradient,
    ignore_mask,
    info_nce,
)

TEMPERATURE = 0.1
# Rows 1 and 2, 0 and 4, 6 and 7 have the same passage content.
CONTENTS = torch.tensor([0, 1, 1, 2, 0, 3, 4, 4])


def unit_vectors(seed: int, rows: int = 8, dimension: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, dimension, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=-1)


def batch() -> tuple[Tensor, ...]:
    """Return queries, passages, their contents, and positives: the first arguments of the loss."""
    return unit_vectors(0), unit_vectors(1), CONTENTS, CONTENTS, torch.arange(8)


def plain_loop(
    queries: Tensor,
    passages: Tensor,
    query_contents: Tensor,
    passage_contents: Tensor,
    positives: Tensor,
    temperature: float,
) -> Tensor:
    """Return the loss by its formula, one query and one passage at a time."""
    losses = []
    for row, query in enumerate(queries):
        positive = int(positives[row])
        total = torch.tensor(0.0, dtype=query.dtype)
        for column, passage in enumerate(passages):
            same_content = int(passage_contents[column]) == int(query_contents[row])
            ignored = same_content or int(passage_contents[column]) == IGNORE
            if column == positive or not ignored:
                total = total + torch.exp(torch.dot(query, passage) / temperature)
        of_positive = torch.exp(torch.dot(query, passages[positive]) / temperature)
        losses.append(-torch.log(of_positive / total))
    return torch.stack(losses).mean()


# ------------------------------------------------------------------------------------------ InfoNCE


@pytest.mark.parametrize("temperature", [0.02, 0.1, 1.0])
def test_equals_a_plain_loop(temperature):
    expected = plain_loop(*batch(), temperature).item()
    assert info_nce(*batch(), temperature).item() == pytest.approx(expected, rel=1e-10)


def test_equals_a_plain_loop_for_a_slice_of_the_queries():
    queries, passages, contents, _, positives = batch()
    part = queries[4:], passages, contents[4:], contents, positives[4:]
    expected = plain_loop(*part, TEMPERATURE).item()
    assert info_nce(*part, TEMPERATURE).item() == pytest.approx(expected, rel=1e-10)


def test_worked_by_hand():
    """Two queries, two passages: scores 1 and 0, so the loss is log(1 + exp(-1 / t))."""
    vectors = torch.eye(2)
    numbers = torch.tensor([0, 1])
    loss = info_nce(vectors, vectors, numbers, numbers, numbers, 0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-6)


def test_gradients_equal_those_of_the_loop():
    gradients = {}
    for function in (info_nce, plain_loop):
        queries, passages, *rest = batch()
        queries.requires_grad_()
        passages.requires_grad_()
        function(queries, passages, *rest, TEMPERATURE).backward()
        gradients[function] = torch.stack([queries.grad, passages.grad])
    expected = gradients[plain_loop]
    torch.testing.assert_close(gradients[info_nce], expected, rtol=0, atol=1e-10)
    assert (expected.abs().amax(dim=(1, 2)) > 1e-3).all()


def test_gradients_equal_finite_differences():
    queries, passages, *rest = batch()

    def loss(queries: Tensor, passages: Tensor) -> Tensor:
        return info_nce(queries, passages, *rest, TEMPERATURE)

    inputs = queries.requires_grad_(), passages.requires_grad_()
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-6)


def test_temperature_divides_the_scores():
    queries, passages, *rest = batch()
    scaled = info_nce(4 * queries, passages, *rest, 1.0).item()
    assert info_nce(queries, passages, *rest, 0.25).item() == pytest.approx(scaled, rel=1e-12)
    expected = plain_loop(queries, passages, *rest, 1e6).item()
    assert info_nce(queries, passages, *rest, 1e6).item() == pytest.approx(expected, rel=1e-9)


def test_low_temperature_stays_finite_in_single_precision():
    queries, passages, *rest = batch()
    single = queries.float().requires_grad_()
    loss = info_nce(single, passages.float(), *rest, 0.001)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(single.grad).all()


# ---------------------------------------------------------------------------------- false negatives


def test_a_passage_with_the_same_content_is_no_negative():
    """Row 2 has the content of row 1: masking it is leaving it out of the batch."""
    queries, passages, contents, _, positives = batch()
    passages.requires_grad_()
    query = queries[1:2], contents[1:2], positives[1:2]
    masked = info_nce(query[0], passages, query[1], contents, query[2], TEMPERATURE)
    masked.backward()
    reached = passages.grad.abs().amax(dim=1) > 0
    assert reached.tolist() == [True, True, False, True, True, True, True, True]

    others = [0, 1, 3, 4, 5, 6, 7]
    dropped = info_nce(
        query[0], passages[others], query[1], contents[others], query[2], TEMPERATURE
    )
    assert masked.item() == pytest.approx(dropped.item(), rel=1e-12)
    unmasked = info_nce(query[0], passages, query[1], torch.arange(8), query[2], TEMPERATURE)
    assert masked.item() < unmasked.item()


def test_a_passage_that_fills_a_place_is_no_negative():
    queries, passages, contents, _, positives = batch()
    ignored = torch.tensor([0, 1, 1, IGNORE, 0, 3, 4, 4])
    rows = [0, 1, 2, 4, 5, 6, 7]
    part = queries[rows], passages, contents[rows], ignored, positives[rows]
    expected = plain_loop(*part, TEMPERATURE).item()
    assert info_nce(*part, TEMPERATURE).item() == pytest.approx(expected, rel=1e-10)
    mask = ignore_mask(contents[rows], ignored, positives[rows])
    assert mask[:, 3].all()


def test_the_mask_is_where_contents_are_equal_but_for_the_positive():
    mask = ignore_mask(CONTENTS, CONTENTS, torch.arange(8))
    assert mask.nonzero().tolist() == [[0, 4], [1, 2], [2, 1], [4, 0], [6, 7], [7, 6]]


def test_the_positive_is_never_masked():
    """All passages have one content: nothing is left to tell apart, and the loss is 0."""
    queries, passages, _, _, positives = batch()
    same = torch.zeros(8, dtype=torch.long)
    loss = info_nce(queries, passages, same, same, positives, TEMPERATURE)
    assert loss.item() == pytest.approx(0, abs=1e-12)


# ------------------------------------------------------------------------------ the loss of a batch


def test_a_batch_of_one_process_is_plain_info_nce():
    queries, passages, contents, _, _ = batch()
    loss = ContrastiveLoss(TEMPERATURE)(queries, passages, contents, contents)
    assert torch.equal(loss, info_nce(*batch(), TEMPERATURE))


def test_both_directions_are_their_mean():
    """Here the queries ask for other contents than those of the passages beside them."""
    queries, passages, contents, _, positives = batch()
    wanted = CONTENTS.flip(0)
    loss = ContrastiveLoss(TEMPERATURE, bidirectional=True)(queries, passages, wanted, contents)
    forward = info_nce(queries, passages, wanted, contents, positives, TEMPERATURE)
    backward = info_nce(passages, queries, contents, wanted, positives, TEMPERATURE)
    assert forward.item() != pytest.approx(backward.item(), rel=1e-3)
    assert loss.item() == pytest.approx((forward.item() + backward.item()) / 2, rel=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_explicit_negatives_join_the_candidates_of_the_queries_alone(bidirectional):
    """Of three, one has the content of row 3 and one fills a place."""
    queries, passages, contents, _, positives = batch()
    negatives = unit_vectors(2, rows=3)
    negative_contents = torch.tensor([2, 9, IGNORE])
    loss = ContrastiveLoss(TEMPERATURE, bidirectional=bidirectional)(
        queries, passages, contents, contents, negatives, negative_contents
    )
    candidates = torch.cat([passages, negatives])
    all_contents = torch.cat([contents, negative_contents])
    expected = plain_loop(queries, candidates, contents, all_contents, positives, TEMPERATURE)
    if bidirectional:
        reverse = plain_loop(passages, queries, contents, contents, positives, TEMPERATURE)
        expected = (expected + reverse) / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)


def test_a_learned_temperature_has_a_gradient_and_a_lowest_value():
    queries, passages, contents, _, _ = batch()
    fixed = ContrastiveLoss(TEMPERATURE)
    assert fixed.temperature == TEMPERATURE
    assert not any(weight.requires_grad for weight in fixed.parameters())

    learned = ContrastiveLoss(TEMPERATURE, learned=True)
    learned(queries, passages, contents, contents).backward()
    assert learned.temperature.item() == pytest.approx(TEMPERATURE)
    assert learned.log_temperature.grad.abs() > 1e-3
    with torch.no_grad():
        learned.log_temperature.fill_(-100.0)
    assert learned.temperature.item() == pytest.approx(LOWEST_TEMPERATURE)


def test_one_process_gathers_its_own_rows():
    vectors = unit_vectors(0)
    assert gather_with_gradient(vectors) is vectors
