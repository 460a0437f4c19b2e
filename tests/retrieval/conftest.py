"""An encoder, texts to encode, and processes that start quickly."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from hybridlib.model.encoder import DualEncoder

# What takes long to import and is needed to load an encoder and to search.
PRELOADED = (
    "hybridlib.model.encoder",
    "hybridlib.retrieval.search",
    "accelerate",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
)


@pytest.fixture(scope="session")
def encoder(tiny_encoder: Path) -> DualEncoder:
    """The tiny encoder, loaded."""
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    """Where scores are computed."""
    return request.param


@pytest.fixture(scope="session")
def texts(fact_pairs: pd.DataFrame) -> list[str]:
    """300 texts: the last block of 32 is not full."""
    return [*fact_pairs["passage"], *fact_pairs["question"]][::3]


@pytest.fixture(scope="session")
def spawn() -> Callable[..., ForkServerProcess]:
    """A function that starts another in a new process, whose long imports are done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))

    def start(target: Callable, *args: Any) -> ForkServerProcess:
        # As a daemon it ends with the tests, even if it hangs.
        process = context.Process(target=target, args=args, daemon=True)
        process.start()
        return process

    return start
