"""Distillation of a teacher's scores, against sentence-transformers and plain computation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss, MarginMSELoss
from training_toys import Data, fresh, plain_loss, scored_pairs, tiny_params, weights

from hybridlib.batching.strategies import draw_batch
from hybridlib.errors import InputError
from hybridlib.training.loop import train
from hybridlib.training.loss import distillation
from hybridlib.training.mining import score
from hybridlib.training.setup import pair_table

WEIGHT = 2.0
TEACHER_TEMPERATURE = 0.5


def unit_vectors(seed: int, rows: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=-1)


@pytest.mark.parametrize("kind", ["kl", "margin"])
def test_losses_and_gradients_are_those_of_sentence_transformers(kind):
    temperature = 0.05
    teacher = torch.randn(6, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    gradients = {}
    losses = {}
    for whose in ("ours", "theirs"):
        vectors = [unit_vectors(seed).requires_grad_() for seed in range(5)]
        if whose == "ours":
            scores = (torch.stack(vectors[1:], 1) @ vectors[0][:, :, None]).squeeze(-1)
            values = scores / temperature, teacher / TEACHER_TEMPERATURE
            loss = distillation(kind, *values).mean()
        elif kind == "kl":
            theirs = DistillKLDivLoss(
                None,
                student_temperature=temperature,
                teacher_temperature=TEACHER_TEMPERATURE,
            )
            # It multiplies by the square of the student's temperature.
            loss = theirs.compute_loss_from_embeddings(vectors, teacher) / temperature**2
        else:

            def scaled(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
                return (one * other).sum(-1) / temperature

            theirs = MarginMSELoss(None, similarity_fct=scaled)
            loss = theirs.compute_loss_from_embeddings(vectors, teacher / TEACHER_TEMPERATURE)
        loss.backward()
        losses[whose] = loss.item()
        gradients[whose] = torch.stack([vector.grad for vector in vectors])
    assert losses["ours"] == pytest.approx(losses["theirs"], rel=1e-6)
    assert losses["ours"] > 0.1
    torch.testing.assert_close(gradients["ours"], gradients["theirs"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["kl", "margin"])
def test_a_missing_negative_changes_nothing(kind):
    scores = torch.randn(2, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    teacher = torch.tensor([[2.0, 1.0, 0.5, -1.0], [1.0, 0.0, math.nan, math.nan]])
    found = distillation(kind, scores, teacher)
    found.sum().backward()
    expected = distillation(kind, scores[1:, :2], teacher[1:, :2])
    assert found[1].item() == pytest.approx(expected.item(), rel=1e-6)
    assert scores.grad.isfinite().all()
    assert (scores.grad[1, 2:] == 0).all()
    assert distillation(kind, teacher, teacher).tolist() == [0, 0]


# ----------------------------------------------------------------------------------------- training


def plain_distance(kind: str, scores: np.ndarray, teacher: np.ndarray) -> float:
    """Return the distance of one question's scores from the teacher's."""
    if kind == "margin":
        return float(np.mean(((scores[0] - scores[1:]) - (teacher[0] - teacher[1:])) ** 2))
    p = np.exp(teacher) / np.exp(teacher).sum()
    q = np.exp(scores) / np.exp(scores).sum()
    return float((p * np.log(p / q)).sum())


@pytest.mark.parametrize(("kind", "language"), [("kl", "question"), ("margin", "passage")])
def test_the_loss_is_that_of_the_formula(kind, language, data: Data, tiny_encoder, tmp_path):
    """All negatives join InfoNCE; the teacher's are those of their own row."""
    pairs = scored_pairs(data[0])
    values = {"distill": kind, "distill_weight": WEIGHT, "negative_language": language}
    params = tiny_params(steps=1, strategy="x-y", distill_temperature=TEACHER_TEMPERATURE, **values)
    encoder = fresh(tiny_encoder)
    batch = draw_batch("x-y", pair_table(params, pairs), params.seed, 1, params.batch_size)
    rows = batch.questions if language == "question" else batch.passages
    questions, passages = batch.texts(pairs)
    queries = encoder.encode(questions, "query")
    right = encoder.encode(passages, "passage")
    negatives = [encoder.encode(pairs["negatives"][row], "passage") for row in rows]

    # InfoNCE over the passages of the batch and all negatives.
    logits = queries @ np.concatenate([right, *negatives]).T / params.temperature
    contents = pairs["passage_id"].to_numpy()[batch.questions]
    same = contents[:, None] == contents[None, :]
    np.fill_diagonal(same, False)
    logits[:, : len(right)][same] = -np.inf
    info_nce = plain_loss(logits)

    # The distance from the teacher, over the rows that have scores and negatives.
    distances = []
    for place, row in enumerate(rows):
        teacher = np.array(pairs["scores"][row]) / TEACHER_TEMPERATURE
        if len(teacher) > 1:
            own = np.concatenate([right[place : place + 1], negatives[place]])
            scores = (own @ queries[place]).astype(float) / params.temperature
            distances.append(plain_distance(kind, scores, teacher))
    assert 3 < len(distances) < params.batch_size
    expected = info_nce + WEIGHT * np.mean(distances)

    log = train(params, encoder, pairs, data[1], tmp_path)
    assert log["loss"].iloc[1] == pytest.approx(expected, rel=1e-5)
    alone = params.but(explicit_negatives=False)
    log = train(alone, fresh(tiny_encoder), pairs, data[1], tmp_path)
    without = params.but(explicit_negatives=False, distill=None)
    plain = train(without, fresh(tiny_encoder), pairs, data[1], tmp_path)["loss"].iloc[1]
    expected = plain + WEIGHT * np.mean(distances)
    assert log["loss"].iloc[1] == pytest.approx(expected, rel=1e-5)


def test_cached_gradients_and_a_table_from_disk(data, tiny_encoder, tmp_path):
    """Lists come back from parquet as arrays, and mean the same run."""
    pairs = scored_pairs(data[0])
    pairs.to_parquet(tmp_path / "pairs.parquet")
    trained = []
    for changes, table in (
        ({}, pairs),
        ({"cached_gradients": True, "train_tokens": 128}, pairs),
        ({}, pd.read_parquet(tmp_path / "pairs.parquet")),
    ):
        encoder = fresh(tiny_encoder)
        params = tiny_params(distill="kl", distill_temperature=1.0, **changes)
        log = train(params, encoder, table, data[1], tmp_path)
        trained.append((log["loss"].tolist()[1:], weights(encoder)))
    assert trained[1][0] == pytest.approx(trained[0][0], abs=1e-4)
    assert trained[2][0] == trained[0][0]


def test_an_untrained_encoder_is_its_own_teacher(data, tiny_encoder, tmp_path):
    """At the first step nothing is to be learned from it; with scores of another, much is."""
    encoder = fresh(tiny_encoder)
    pairs = scored_pairs(data[0])
    own = pairs.assign(scores=score(encoder, pairs))
    params = tiny_params(steps=1, strategy="x-x-mono", distill="kl")
    losses = []
    for table, changes in ((own, {}), (own, {"distill": None}), (pairs, {})):
        log = train(params.but(**changes), fresh(tiny_encoder), table, data[1], tmp_path)
        losses.append(log["loss"].iloc[1])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[2] > losses[0] + 0.1


def test_a_teacher_without_scores_is_refused(data, tiny_encoder, tmp_path: Path):
    reason = r"distill \(kl\): the training pairs have no column scores; write one"
    with pytest.raises(InputError, match=reason):
        train(tiny_params(distill="kl"), fresh(tiny_encoder), *data, tmp_path)
