"""The contrastive loss against a plain loop, and its gathering across processes."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from hybridlib.training.loss import gather_with_gradient, info_nce

TEMPERATURE = 0.1
GROUPS = torch.tensor(
    [0, 1, 1, 2, 0, 3, 4, 4]
)  # rows 1 and 2, 0 and 4, 6 and 7 speak of the same passage


def unit_vectors(seed: int, rows: int = 8, dimension: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(
        torch.randn(rows, dimension, generator=generator, dtype=torch.float64), dim=-1
    )


def loop(
    queries: Tensor,
    passages: Tensor,
    query_groups: Tensor,
    passage_groups: Tensor,
    positives: Tensor,
    temperature: float,
) -> Tensor:
    """The formula, one query and one passage at a time."""
    losses = []
    for i, query in enumerate(queries):
        positive = int(positives[i])
        kept = [
            j
            for j in range(len(passages))
            if j == positive or int(passage_groups[j]) != int(query_groups[i])
        ]
        total = sum(torch.exp(torch.dot(query, passages[j]) / temperature) for j in kept)
        losses.append(
            -torch.log(torch.exp(torch.dot(query, passages[positive]) / temperature) / total)
        )
    return torch.stack(losses).mean()


def batch(seed: int = 0) -> tuple[Tensor, ...]:
    return unit_vectors(seed), unit_vectors(seed + 1), GROUPS, GROUPS, torch.arange(8)


@pytest.mark.parametrize("temperature", [0.02, 0.1, 1.0])
def test_equals_a_plain_loop(temperature):
    assert info_nce(*batch(), temperature).item() == pytest.approx(
        loop(*batch(), temperature).item(), rel=1e-10
    )


def test_equals_a_plain_loop_for_a_slice_of_the_queries():
    queries, passages, groups, _, positives = batch()
    part = queries[4:], passages, groups[4:], groups, positives[4:]
    assert info_nce(*part, TEMPERATURE).item() == pytest.approx(
        loop(*part, TEMPERATURE).item(), rel=1e-10
    )


def test_worked_by_hand():
    """Two queries, two passages: scores 1 and 0, so the loss is log(1 + exp(-1 / t))."""
    vectors = torch.eye(2)
    loss = info_nce(
        vectors, vectors, torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([0, 1]), 0.5
    )
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-6)


def test_gradients_equal_those_of_the_loop():
    def gradients(function):
        queries, passages, *rest = batch()
        queries.requires_grad_(), passages.requires_grad_()
        function(queries, passages, *rest, TEMPERATURE).backward()
        return queries.grad, passages.grad

    for ours, plain in zip(gradients(info_nce), gradients(loop)):
        assert torch.allclose(ours, plain, atol=1e-10) and plain.abs().max() > 1e-3


def test_gradients_equal_finite_differences():
    queries, passages, *rest = batch()
    queries.requires_grad_(), passages.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda q, p: info_nce(q, p, *rest, TEMPERATURE), (queries, passages), eps=1e-6, atol=1e-6
    )


def test_a_passage_that_says_the_same_is_no_negative():
    queries, passages, groups, _, positives = batch()
    passages = passages.requires_grad_()
    masked = info_nce(queries[1:2], passages, groups[1:2], groups, positives[1:2], TEMPERATURE)
    masked.backward()
    assert passages.grad[2].abs().max() == 0  # row 2 says the same as row 1
    assert all(passages.grad[row].abs().max() > 0 for row in (0, 1, 3, 4, 5, 6, 7))
    without = [0, 1, 3, 4, 5, 6, 7]
    dropped = info_nce(
        queries[1:2], passages[without], groups[1:2], groups[without], positives[1:2], TEMPERATURE
    )
    assert masked.item() == pytest.approx(dropped.item(), rel=1e-12)
    assert (
        masked.item()
        < info_nce(
            queries[1:2], passages, groups[1:2], torch.arange(8), positives[1:2], TEMPERATURE
        ).item()
    )


def test_the_positive_is_never_masked():
    """Every passage says the same: nothing is left to tell apart, and the loss is 0 and not infinite."""
    queries, passages, _, _, positives = batch()
    same = torch.zeros(8, dtype=torch.long)
    assert info_nce(queries, passages, same, same, positives, TEMPERATURE).item() == pytest.approx(
        0, abs=1e-12
    )


def test_temperature_divides_the_scores():
    queries, passages, *rest = batch()
    assert info_nce(queries, passages, *rest, 0.25).item() == pytest.approx(
        info_nce(4 * queries, passages, *rest, 1.0).item(), rel=1e-12
    )
    assert info_nce(queries, passages, *rest, 1e6).item() == pytest.approx(
        loop(queries, passages, *rest, 1e6).item(), rel=1e-9
    )


def test_low_temperature_stays_finite_in_single_precision():
    queries, passages, *rest = batch()
    single = queries.float().requires_grad_()
    loss = info_nce(single, passages.float(), *rest, 0.001)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(single.grad).all()


def test_one_process_gathers_its_own_rows():
    vectors = unit_vectors(0)
    assert gather_with_gradient(vectors) is vectors


# ------------------------------------------------------------------------------------------------ two processes


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def one_of_two(rank: int, port: int, folder: str) -> None:
    """A process's share of the loss of :func:`batch`, with DDP's averaging of gradients at the end."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    queries, passages, groups, _, positives = batch()
    mine = slice(4 * rank, 4 * rank + 4)
    weights = torch.eye(
        6, dtype=torch.float64, requires_grad=True
    )  # what both sides share, as an encoder would be
    gathered = gather_with_gradient(passages[mine] @ weights)
    loss = info_nce(
        queries[mine] @ weights, gathered, groups[mine], groups, positives[mine], TEMPERATURE
    )
    loss.backward()
    mean = torch.stack([loss.detach().reshape(1).expand(6), *weights.grad]) / 2
    dist.all_reduce(mean)
    np.savez(
        Path(folder) / f"{rank}.npz",
        gathered=gathered.detach().numpy(),
        loss=mean[0, 0].numpy(),
        gradient=mean[1:].numpy(),
    )
    dist.destroy_process_group()


def test_two_processes_compute_the_loss_and_gradient_of_one(tmp_path):
    mp.spawn(one_of_two, args=(free_port(), str(tmp_path)), nprocs=2)
    queries, passages, *rest = batch()
    weights = torch.eye(6, dtype=torch.float64, requires_grad=True)
    loss = info_nce(queries @ weights, passages @ weights, *rest, TEMPERATURE)
    loss.backward()
    for rank in range(2):
        said = np.load(tmp_path / f"{rank}.npz")
        assert np.allclose(said["gathered"], passages.numpy(), atol=1e-12)
        assert said["loss"] == pytest.approx(loss.item(), rel=1e-10)
        assert np.allclose(said["gradient"], weights.grad.numpy(), atol=1e-10)
    assert weights.grad.abs().max() > 0.01
