"""The loss at several widths, against sentence-transformers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from sentence_transformers.sentence_transformer.losses import (
    DistillKLDivLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor, nn
from training_toys import Data, fresh, tiny_params

from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.training.loop import train
from hybridlib.training.loss import ContrastiveLoss
from hybridlib.training.objective import Objective
from hybridlib.training.setup import pair_table

WIDTHS = [32, 8, 4]
WEIGHTS = [1.0, 0.5, 2.0]


class Given(nn.Module):
    """In place of a model of sentence-transformers: its vectors are given."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return dict(features)

    def get_embedding_dimension(self) -> int:
        return 32


def scored(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs with two negatives, and three scores of a teacher, each."""
    rng = np.random.default_rng(0)
    texts = [[f"no {row}", f"none {row}"] for row in range(len(pairs))]
    scores = rng.standard_normal((len(pairs), 3)).tolist()
    return pairs.assign(negatives=texts, scores=scores)


def unit_vectors(seed: int, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, 32, generator=generator, dtype=torch.float64)
    return nn.functional.normalize(vectors, dim=-1).requires_grad_()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_loss_and_gradients_are_those_of_sentence_transformers(weights, data: Data, tiny_encoder):
    """InfoNCE with several negatives, and distillation, each at all widths."""
    pairs = scored(data[0])
    params = tiny_params(
        strategy="x-x-mono",
        matryoshka_dims=WIDTHS,
        matryoshka_weights=weights,
        distill="kl",
        distill_weight=0.5,
        distill_temperature=1.0,
    )
    table = pair_table(params, pairs)
    batch = draw_batch(params.strategy, table, 0, 1, params.batch_size)
    assert pairs["passage_id"].iloc[batch.passages].is_unique, "sentence-transformers masks nothing"
    contrastive = ContrastiveLoss(params.temperature)
    objective = Objective(params, fresh(tiny_encoder), pairs, table, contrastive, Accelerator())
    rows = params.batch_size

    # Here: negatives one row after another.
    sides = {"queries": unit_vectors(0, rows), "passages": unit_vectors(1, rows)}
    sides["negatives"] = unit_vectors(2, 2 * rows)
    loss = objective(batch, sides)
    loss.backward()

    # There: each list of negatives is a side. It multiplies the divergence by the square of the
    # temperature.
    vectors = [side.detach().requires_grad_() for side in sides.values()]
    columns = [*vectors[:2], vectors[2][::2], vectors[2][1::2]]
    features = [{"sentence_embedding": column} for column in columns]
    model = Given()
    info_nce = MultipleNegativesRankingLoss(model, scale=1 / params.temperature)
    divergence = DistillKLDivLoss(
        model, student_temperature=params.temperature, teacher_temperature=1.0
    )
    teacher = torch.tensor(pairs["scores"].iloc[batch.questions].tolist())
    expected = MatryoshkaLoss(model, info_nce, WIDTHS, weights)(features, None)
    distilled = MatryoshkaLoss(model, divergence, WIDTHS, weights)(features, teacher)
    expected = expected + 0.5 * distilled / params.temperature**2
    expected.backward()

    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for side, other in zip(sides.values(), vectors):
        torch.testing.assert_close(side.grad, other.grad, rtol=1e-6, atol=1e-8)


def test_everything_that_adds_to_the_loss_is_taken_at_each_width(data, tiny_encoder, tmp_path):
    """The full width alone is no change; and a sum of widths is the sum of their losses."""
    common = {"steps": 1, "anchor_weight": 4.0, "consistency_weight": 1.0, "strategy": "x-y"}
    losses = {}
    for name, changes in {
        "plain": {},
        "whole": {"matryoshka_dims": [32]},
        "cut": {"matryoshka_dims": [8], "cached_gradients": True},
        "both": {"matryoshka_dims": [8, 32]},
    }.items():
        params = tiny_params(**common, **changes)
        log = train(params, fresh(tiny_encoder), *data, tmp_path / name)
        losses[name] = log["loss"].iloc[1]
    assert losses["whole"] == pytest.approx(losses["plain"], abs=1e-5)
    assert losses["both"] == pytest.approx(losses["cut"] + losses["whole"], abs=1e-5)
    assert abs(losses["cut"] - losses["whole"]) > 0.01


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"matryoshka_dims": [64, 32], "matryoshka_weights": [1]},
            "has 1 weights, and .* 2 widths",
        ),
        ({"matryoshka_weights": [1.0]}, "has 1 weights, and .* 0 widths"),
        ({"matryoshka_dims": [0]}, "greater than or equal to 1"),
        ({"matryoshka_dims": [8, 8]}, "an entry stands twice"),
    ],
)
def test_impossible_widths_are_refused(values, reason):
    with pytest.raises(InputError, match=reason):
        Params.check(values)


def test_a_width_beyond_the_vectors_is_refused(data, tiny_encoder, tmp_path):
    params = tiny_params(matryoshka_dims=[64])
    with pytest.raises(InputError, match=r"matryoshka_dims \(64\): the encoder's vectors have 32"):
        train(params, fresh(tiny_encoder), *data, tmp_path)
