"""Two processes (gloo, CPU) train as one does, whatever can differ between them."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from training_toys import SETTINGS, Data, equal, fresh, scored_pairs, tiny_params, weights

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.training.loop import train
from hybridlib.training.loss import gather_with_gradient, info_nce

STEPS = 12
VALIDATION = [f"validation {setting} mAP" for setting in SETTINGS]

# One case for each thing that the processes share in a way of its own.
CASES: dict[str, dict[str, object]] = {
    "plain": {"validate_every": 5},
    "cached gradients": {"cached_gradients": True, "train_tokens": 128},
    "learned temperature, both directions": {"learn_temperature": True, "bidirectional": True},
    "explicit negatives": {"strategy": "x-x-mono"},
    "distilled, cached gradients": {
        "strategy": "x-y",
        "distill": "kl",
        "distill_temperature": 1.0,
        "cached_gradients": True,
        "train_tokens": 128,
    },
    "more than InfoNCE": {
        "anchor_weight": 4.0,
        "consistency_weight": 1.0,
        "matryoshka_dims": [32, 8],
    },
    "an adapter, averaged": {
        "lora_rank": 4,
        "lora_alpha": 12.0,
        "lora_targets": "all-linear",
        "trained_share": 0.75,
        "cached_gradients": True,
    },
    "best weights, averaged": {
        "validate_every": 2,
        "keep_best": True,
        "trained_share": 0.75,
        "checkpoint_every": 4,
    },
}


def pairs_of(case: str, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the training pairs of a case.

    Every other row has an explicit negative, or none. Rows have up to three, some with scores. Some
    pairs have no translation.
    """
    if case == "distilled, cached gradients":
        return scored_pairs(pairs)
    if case == "more than InfoNCE":
        alone = pairs["pair_id"].isin(pairs["pair_id"].unique()[::3])
        return pairs[~alone | (pairs["lang"] == "en")].reset_index(drop=True)
    if case != "explicit negatives":
        return pairs
    others = pairs["passage"].to_numpy()[::-1]
    return pairs.assign(negative=np.where(np.arange(len(pairs)) % 2, others, ""))


# -------------------------------------------------------------------------------- the two processes


def one_of_two(rank: int, port: int, source: Path, folder: Path) -> None:
    """Do what ``torchrun --nproc-per-node 2`` starts, on CPUs."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true",
    )
    torch.set_num_threads(1)
    pairs = pd.read_parquet(folder / "pairs.parquet")
    validation = RetrievalCorpus.load(folder / "validation")
    with pytest.raises(InputError, match=r"batch_size \(15\) must be a multiple"):
        train(tiny_params(batch_size=15), fresh(source), pairs, validation, folder)
    for case, changes in CASES.items():
        encoder = fresh(source)
        params = tiny_params(steps=STEPS, **changes)
        log = train(params, encoder, pairs_of(case, pairs), validation, folder / case)
        log.to_parquet(folder / f"{case} {rank} log.parquet")
        torch.save(weights(encoder), folder / f"{case} {rank} weights.pt")
    torch.save(loss_of_a_slice(slice(4 * rank, 4 * rank + 4)), folder / f"loss {rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(data: Data, tiny_encoder: Path, tmp_path_factory) -> Path:
    """Return the folder in which two processes have trained every case."""
    folder = tmp_path_factory.mktemp("two")
    data[0].to_parquet(folder / "pairs.parquet")
    data[1].save(folder / "validation")
    context = mp.spawn(one_of_two, (free_port(), tiny_encoder, folder), nprocs=2, join=False)

    # Processes that do not agree on what they exchange wait for each other forever.
    limit = time.time() + 240
    while not context.join(timeout=limit - time.time()):
        if time.time() > limit:
            for process in context.processes:
                process.kill()
            pytest.fail("two processes waited for each other")
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# ----------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one_does(case, two_processes, data, tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    start = weights(encoder)
    params = tiny_params(steps=STEPS, **CASES[case])
    log = train(params, encoder, pairs_of(case, data[0]), data[1], tmp_path)
    expected = weights(encoder)

    # Both processes end with the same, and so does the model folder that one of them writes.
    shared = torch.load(two_processes / f"{case} 0 weights.pt")
    assert equal(shared, torch.load(two_processes / f"{case} 1 weights.pt"))
    assert equal(shared, weights(fresh(two_processes / case / "model")))

    # As docs/training.md has it: Adam makes a step of the rounding of a tiny gradient.
    apart = torch.cat([(shared[name] - expected[name]).abs().flatten() for name in expected])
    moved = torch.cat([(start[name] - expected[name]).abs().flatten() for name in expected])
    assert apart.max() < 1e-3
    assert (apart < 1e-5).float().mean() > 0.999
    assert 2e-2 < moved.max() < 4e-2

    # The logs say the same.
    for rank in range(2):
        shared_log = pd.read_parquet(two_processes / f"{case} {rank} log.parquet")
        assert shared_log["regime"].tolist()[1:] == log["regime"].tolist()[1:]
        for column, error in (("loss", 1e-5), ("temperature", 1e-6)):
            values = log[column].tolist()[1:]
            assert shared_log[column].tolist()[1:] == pytest.approx(values, abs=error)
        for column in VALIDATION:
            values = log[column].dropna().tolist()
            assert shared_log[column].dropna().tolist() == pytest.approx(values, abs=1e-2)
    lines = (two_processes / case / "training.jsonl").read_text().splitlines()
    assert len(lines) == STEPS + 1
    assert not (two_processes / case / "checkpoints").exists()


def test_the_cases_differ(two_processes):
    """Else the comparison above would say less than it seems to.

    Cached gradients are those of the plain batch, so their weights differ by rounding alone.
    """
    plain = torch.load(two_processes / "plain 0 weights.pt")
    for case in CASES:
        if case not in ("plain", "cached gradients"):
            changed = torch.load(two_processes / f"{case} 0 weights.pt")
            apart = torch.cat([(changed[name] - plain[name]).abs().flatten() for name in plain])
            assert (apart > 1e-3).any(), case
    log = pd.read_parquet(two_processes / "learned temperature, both directions 0 log.parquet")
    assert (log["temperature"] - 0.05).abs().max() > 1e-4


# --------------------------------------------------------------------------------------------- loss


def loss_of_a_slice(rows: slice) -> dict[str, torch.Tensor]:
    """Return loss and gradient of some rows of a batch of 8, in double precision.

    A matrix stands for the encoder that both sides share. Passages 1 and 2, 0 and 4, 6 and 7 have
    the same content.
    """
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(2, 8, 6, generator=generator, dtype=torch.float64)
    queries, passages = torch.nn.functional.normalize(vectors, dim=-1)
    contents = torch.tensor([0, 1, 1, 2, 0, 3, 4, 4])
    weight = torch.eye(6, dtype=torch.float64, requires_grad=True)
    gathered = gather_with_gradient(passages[rows] @ weight)
    positives = torch.arange(8)[rows]
    loss = info_nce(queries[rows] @ weight, gathered, contents[rows], contents, positives, 0.1)
    loss.backward()
    return {"gathered": gathered.detach(), "loss": loss.detach(), "gradient": weight.grad}


def test_the_mean_of_two_processes_is_the_loss_and_the_gradient_of_one(two_processes):
    """DDP averages the gradients of the processes."""
    parts = [torch.load(two_processes / f"loss {rank}.pt") for rank in range(2)]
    whole = loss_of_a_slice(slice(0, 8))
    for part in parts:
        assert torch.equal(part["gathered"], whole["gathered"])
    for name in ("loss", "gradient"):
        mean = (parts[0][name] + parts[1][name]) / 2
        torch.testing.assert_close(mean, whole[name], rtol=1e-10, atol=1e-10)
    assert whole["gradient"].abs().max() > 0.01
