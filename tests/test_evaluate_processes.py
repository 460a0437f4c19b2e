"""``hybridlib evaluate`` under torchrun: two processes share the encoding and find what one finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]


def evaluate(launch: list[str], encoder: Path, out: Path) -> str:
    command = [sys.executable, *launch, "-m", "hybridlib.cli", "evaluate", str(encoder), "--corpus", "facts", "--languages", "de", "en", "th", "--corrections", "centering", "--top-k", "20", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_find_what_one_finds(tiny_encoder, tmp_path):
    alone = evaluate([], tiny_encoder, tmp_path / "one")
    shared = evaluate(["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"], tiny_encoder, tmp_path / "two")
    assert alone.splitlines()[:-1] == shared.splitlines()[:-1]  # the last line names the folder
    assert "own-language share@20" in alone
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert one == two
    pd.testing.assert_frame_equal(*(pd.read_parquet(tmp_path / name / "per_query.parquet") for name in ("one", "two")))
