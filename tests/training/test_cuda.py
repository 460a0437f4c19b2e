"""Training and encoding on a GPU, where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from training_toys import equal, fresh, split, tiny_params, weights

from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.distributed import processes
from hybridlib.evaluation.evaluate import evaluate
from hybridlib.training.loop import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def train_twice(_: int, pairs: pd.DataFrame, source: Path, folder: Path, precision: str) -> None:
    """Train an encoder twice with one seed, and check that both have the same weights."""
    assert processes().device.type == "cuda"
    data = split(pairs)
    trained = []
    for name in ("first", "second"):
        encoder = fresh(source, dropout=0.1).to(processes().device)
        log = train(tiny_params(precision=precision), encoder, *data, folder / name)
        assert np.isfinite(log["loss"].iloc[1:]).all()
        trained.append(weights(encoder))
    assert equal(*trained)


def encode_on_both(_: int, texts: list[str], source: Path) -> None:
    """Encode on the GPU and on the CPU, and check that the vectors agree."""
    encoder = fresh(source)
    expected = encoder.encode(texts, "passage", progress=False)
    on_gpu = encoder.to("cuda").encode(texts, "passage", progress=False)
    np.testing.assert_allclose(on_gpu, expected, atol=1e-4)


def evaluate_on_both(_: int, pairs: pd.DataFrame, source: Path) -> None:
    """Evaluate on the CPU and on the GPU, and check that the figures agree."""
    corpus = corpus_from_pairs("facts", pairs.groupby("lang").head(50))
    figures = []
    for device in ("cpu", "cuda"):
        encoder = fresh(source).to(device)
        options = {"corrections": ["centering@candidates"], "truncate_dims": [16]}
        figures.append(evaluate(encoder, corpus, **options, progress=False).headline())
    pd.testing.assert_frame_equal(*figures, atol=1e-3)


def in_a_process_of_its_own(monkeypatch, function, *arguments) -> None:
    """Run a function in a process that may use the GPU; its errors are raised here."""
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    torch.multiprocessing.spawn(function, arguments)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_seed_gives_the_same_weights_twice(
    fact_pairs, tiny_encoder, tmp_path, monkeypatch, precision
):
    arguments = (fact_pairs, tiny_encoder, tmp_path, precision)
    in_a_process_of_its_own(monkeypatch, train_twice, *arguments)


def test_vectors_are_those_of_a_cpu(fact_pairs, tiny_encoder, monkeypatch):
    texts = fact_pairs["passage"].head(50).tolist()
    in_a_process_of_its_own(monkeypatch, encode_on_both, texts, tiny_encoder)


def test_figures_are_those_of_a_cpu(fact_pairs, tiny_encoder, monkeypatch):
    in_a_process_of_its_own(monkeypatch, evaluate_on_both, fact_pairs, tiny_encoder)
