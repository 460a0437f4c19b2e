"""``hybridlib evaluate`` under torchrun: two processes share the encoding and find what one finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]


LAUNCH = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]


def evaluate(launch: list[str], encoder: Path, out: Path, *options: str) -> str:
    command = [
        sys.executable,
        *launch,
        "-m",
        "hybridlib.cli",
        "evaluate",
        str(encoder),
        "--corpus",
        "facts",
        "--languages",
        "de",
        "en",
        "th",
        *options,
        "--top-k",
        "20",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_two_processes_find_what_one_finds(tiny_encoder, tmp_path):
    alone = evaluate([], tiny_encoder, tmp_path / "one", "--corrections", "centering")
    shared = evaluate(LAUNCH, tiny_encoder, tmp_path / "two", "--corrections", "centering")
    assert alone.splitlines()[:-1] == shared.splitlines()[:-1]  # the last line names the folder
    assert "own-language share@20" in alone
    assert metrics_of(tmp_path / "one") == metrics_of(tmp_path / "two")
    for table in ("per_query.parquet", "ranks.parquet"):
        pd.testing.assert_frame_equal(
            *(pd.read_parquet(tmp_path / name / table) for name in ("one", "two"))
        )
    one, two = (np.load(tmp_path / name / "top.npz") for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in ("top", "top_scores"))


def test_vectors_on_disk_give_the_same_and_are_encoded_once(tiny_encoder, tmp_path):
    """Two processes write them, one goes on from there; float16 moves no figure by much."""
    evaluate([], tiny_encoder, tmp_path / "memory")
    evaluate(LAUNCH, tiny_encoder, tmp_path / "two", "--vectors", str(tmp_path / "vectors"))
    written = (tmp_path / "vectors" / "vectors.npy").stat().st_mtime_ns
    evaluate([], tiny_encoder, tmp_path / "one", "--vectors", str(tmp_path / "vectors"))
    assert (tmp_path / "vectors" / "vectors.npy").stat().st_mtime_ns == written
    one, two, memory = (
        metrics_of(tmp_path / name)["settings"] for name in ("one", "two", "memory")
    )
    assert one == two
    for setting, values in memory.items():
        assert one[setting]["map"] == pytest.approx(values["map"], abs=5e-3)
