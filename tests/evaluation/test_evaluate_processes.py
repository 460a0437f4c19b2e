"""``hybridlib evaluate`` in two processes, as torchrun starts them on CPUs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from hybridlib.cli import main

CORRECTED = ["--corrections", "centering@candidates"]


def evaluate(encoder: Path, folder: Path, name: str, *options: str) -> None:
    """Run the command on the built-in facts; write its results and output into the folder."""
    options = ("--languages", "de", "en", "th", "--top-k", "20", *options)
    command = ["evaluate", str(encoder), "--corpus", "facts", "--out", str(folder / name)]
    output = folder / f"{name}-{os.environ.get('RANK', '0')}.txt"
    with output.open("w") as file, contextlib.redirect_stdout(file):
        assert main([*command, *options]) == 0


def one_of_two(rank: int, port: int, encoder: Path, folder: Path) -> None:
    """Evaluate with a correction, and with vectors on disk."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)
    evaluate(encoder, folder, "two", *CORRECTED)
    evaluate(encoder, folder, "two-disk", "--vectors", str(folder / "vectors"))
    assert dist.get_world_size() == 2
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote, and one."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    mp.spawn(one_of_two, args=(port, tiny_encoder, folder), nprocs=2)
    evaluate(tiny_encoder, folder, "one", *CORRECTED)
    return folder


def metrics_of(folder: Path) -> dict:
    """Return the content of metrics.json."""
    return json.loads((folder / "metrics.json").read_text())


def test_two_processes_compute_what_one_computes(folder):
    one = folder / "one"
    two = folder / "two"
    assert metrics_of(two) == metrics_of(one)
    for table in ("per_query.parquet", "corrected.parquet", "ranks.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(two / table), pd.read_parquet(one / table))
    expected = np.load(one / "top.npz")
    top = np.load(two / "top.npz")
    for name in ("top", "top_scores"):
        assert np.array_equal(top[name], expected[name])


def test_the_main_process_alone_prints(folder):
    one = (folder / "one-0.txt").read_text().splitlines()
    two = (folder / "two-0.txt").read_text().splitlines()
    assert two[:-1] == one[:-1]  # the last line names the folder
    assert any("own-language share@20" in line for line in one)
    assert (folder / "two-1.txt").read_text() == ""


def test_vectors_of_two_processes_are_used_by_one(folder, tiny_encoder):
    """One evaluates on what two encoded; float16 moves no figure by much."""
    vectors = folder / "vectors" / "vectors.npy"
    written = vectors.stat().st_mtime_ns
    evaluate(tiny_encoder, folder, "one-disk", "--vectors", str(folder / "vectors"))
    assert vectors.stat().st_mtime_ns == written
    settings = metrics_of(folder / "one-disk")["settings"]
    assert settings == metrics_of(folder / "two-disk")["settings"]
    for setting, values in metrics_of(folder / "two")["settings"].items():
        assert settings[setting]["map"] == pytest.approx(values["map"], abs=5e-3)
