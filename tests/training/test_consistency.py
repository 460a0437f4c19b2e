"""Consistency of a question's scores over its translations, against plain computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from training_toys import Data, expected_loss, fresh, tiny_params, weights

from hybridlib.batching.strategies import draw_batch
from hybridlib.batching.translations import with_translations
from hybridlib.errors import InputError
from hybridlib.training.loop import train
from hybridlib.training.loss import score_divergence
from hybridlib.training.setup import pair_table

WEIGHT = 2.0


def plain_divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of the softmax of two rows of logits."""
    p = np.exp(one) / np.exp(one).sum()
    q = np.exp(other) / np.exp(other).sum()
    mean = (p + q) / 2
    return float((p * np.log(p / mean)).sum() + (q * np.log(q / mean)).sum()) / 2


def unit_vectors(seed: int, rows: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, 6, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=-1)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_divergence_is_that_of_the_formula(temperature):
    queries, translations, passages = (unit_vectors(seed) for seed in range(3))
    found = score_divergence(queries, translations, passages, temperature)
    for row in range(len(queries)):
        one = (queries[row] @ passages.T / temperature).numpy()
        other = (translations[row] @ passages.T / temperature).numpy()
        assert found[row].item() == pytest.approx(plain_divergence(one, other), rel=1e-9)


def test_the_divergence_of_equal_and_of_disjoint_scores():
    queries = torch.eye(4)
    assert score_divergence(queries, queries, queries, 0.05).abs().max() == 0
    apart = score_divergence(queries, queries.flip(0), queries, 0.001)
    assert apart.tolist() == pytest.approx([math.log(2)] * 4)


def test_the_gradient_equals_finite_differences():
    inputs = [unit_vectors(seed).requires_grad_() for seed in range(3)]

    def mean(*vectors: torch.Tensor) -> torch.Tensor:
        return score_divergence(*vectors, 0.1).mean()

    assert torch.autograd.gradcheck(mean, inputs, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("strategy", ["x-y", "x-x-mono"])
def test_the_loss_is_that_of_the_formula(strategy, data: Data, tiny_encoder, tmp_path):
    """A third of the pairs are in English alone and do not count."""
    ids = data[0]["pair_id"]
    alone = ids.isin(ids.unique()[::3]) & (data[0]["lang"] != "en")
    pairs = data[0][~alone].reset_index(drop=True)
    params = tiny_params(strategy=strategy, steps=1, consistency_weight=WEIGHT, seed=1)
    encoder = fresh(tiny_encoder)
    table = pair_table(params, pairs)
    batch = draw_batch(strategy, table, 1, 1, params.batch_size)
    rows = with_translations(batch, table, 1, 1).translations
    has_one = rows != batch.questions

    passages = encoder.encode(pairs["passage"].iloc[batch.passages], "passage")
    scores = {}
    for name, which in (("question", batch.questions), ("translation", rows)):
        vectors = encoder.encode(pairs["question"].iloc[which], "query")
        scores[name] = (vectors @ passages.T).astype(float) / params.temperature
    both = zip(scores["question"][has_one], scores["translation"][has_one])
    consistency = np.mean([plain_divergence(one, other) for one, other in both])
    assert consistency > 1e-4

    expected = expected_loss(params, encoder, pairs, batch) + WEIGHT * consistency
    log = train(params, encoder, pairs, data[1], tmp_path)
    assert log["loss"].iloc[1] == pytest.approx(expected, rel=1e-5)


def test_cached_gradients_and_a_learned_temperature(data, tiny_encoder, tmp_path):
    """The temperature learns from InfoNCE alone, whose first step is the same."""
    trained = {}
    for name, changes in {
        "plain": {},
        "cached": {"cached_gradients": True, "train_tokens": 128},
        "without": {"consistency_weight": 0.0},
    }.items():
        encoder = fresh(tiny_encoder)
        values = {"steps": 2, "consistency_weight": WEIGHT, "learn_temperature": True}
        log = train(tiny_params(**values | changes), encoder, *data, tmp_path)
        trained[name] = (weights(encoder), log)
    losses = {name: log["loss"].tolist()[1:] for name, (_, log) in trained.items()}
    assert losses["cached"] == pytest.approx(losses["plain"], abs=1e-4)
    assert losses["plain"][0] > losses["without"][0]
    first = [log["temperature"].iloc[1] for _, log in trained.values()]
    assert first[0] == pytest.approx(first[2], rel=1e-6)


def test_training_makes_translations_score_alike(data, tiny_encoder, tmp_path):
    divergence = {}
    for weight in (0.0, 20.0):
        encoder = fresh(tiny_encoder)
        params = tiny_params(strategy="x-x-mono", steps=20, learning_rate=1e-2)
        train(params.but(consistency_weight=weight), encoder, *data, tmp_path)
        shown = data[0][data[0]["pair_id"].isin(data[0]["pair_id"].unique()[:20])]
        one, other = (shown[shown["lang"] == lang].sort_values("pair_id") for lang in ("de", "en"))
        vectors = [
            torch.from_numpy(encoder.encode(part["question"], "query")) for part in (one, other)
        ]
        passages = torch.from_numpy(encoder.encode(one["passage"], "passage"))
        divergence[weight] = score_divergence(*vectors, passages, 0.05).mean().item()
    assert divergence[20.0] < 0.8 * divergence[0.0]


def test_pairs_in_one_language_are_refused(data, tiny_encoder, tmp_path):
    english = data[0][data[0]["lang"] == "en"].reset_index(drop=True)
    params = tiny_params(strategy="en-en", consistency_weight=WEIGHT)
    reason = r"consistency_weight \(2.0\) compares .* no training pair is in two languages"
    with pytest.raises(InputError, match=reason):
        train(params, fresh(tiny_encoder), english, data[1], tmp_path)
