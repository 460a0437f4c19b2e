"""A run that can be killed, as a program: ``killed_run.py INPUTS FOLDER [WRITES]``.

INPUTS holds params.yaml, pairs.parquet, validation/ and encoder/. With WRITES the program kills
itself in the middle of writing that many files from its start.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from training_toys import fresh

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.training.loop import train

DROPOUT = 0.2


def finish(inputs: Path, folder: Path) -> pd.DataFrame:
    """Train until the end, from the newest checkpoint in ``folder``."""
    params = Params.load(inputs / "params.yaml")
    pairs = pd.read_parquet(inputs / "pairs.parquet")
    validation = RetrievalCorpus.load(inputs / "validation")
    return train(params, fresh(inputs / "encoder", DROPOUT), pairs, validation, folder)


def kill_while_writing(writes: int) -> None:
    """Make ``torch.save`` write half of that many-th file, then kill this process."""
    save = torch.save
    count = 0

    def torn(state: Any, stream: io.BufferedWriter) -> None:
        nonlocal count
        count += 1
        if count < writes:
            save(state, stream)
            return
        whole = io.BytesIO()
        save(state, whole)
        stream.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    torch.save = torn


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 3:
        kill_while_writing(int(sys.argv[3]))
    finish(Path(sys.argv[1]), Path(sys.argv[2]))
