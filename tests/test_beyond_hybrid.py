"""The trials beyond hybrid: their batches, and the loss in which every translation is a positive."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import pair_table

from hybridlib.batching import plugins, strategies
from hybridlib.batching.pair_table import PairTable
from hybridlib.training import loss as training_loss

PLUGIN = "benchmarks/beyond_hybrid.py"
GROUPS = torch.tensor([0, 1, 0, 2, 1, training_loss.NOBODY])


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch, strategies_as_before: None) -> SimpleNamespace:
    """The plugin as it is loaded, and everything as it was when the test is over."""
    plain = training_loss.info_nce
    monkeypatch.setattr(training_loss, "info_nce", plain)
    plugins.load([PLUGIN])
    return SimpleNamespace(
        table=PairTable(pair_table(40)), plain=plain, multi=training_loss.info_nce
    )


def loss_of(trials: SimpleNamespace) -> tuple[float, float, float]:
    """The trials' loss of one batch, and the plain loss of it at the whole and at half the temperature."""
    generator = torch.Generator().manual_seed(1)
    queries, passages = torch.nn.functional.normalize(
        torch.randn(2, 5, 4, generator=generator, dtype=torch.float64), dim=-1
    )
    rest = (torch.arange(5), torch.arange(5), torch.arange(5))
    return (
        trials.multi(queries, passages, *rest, 0.1).item(),
        trials.plain(queries, passages, *rest, 0.1).item(),
        trials.plain(queries, passages, *rest, 0.05).item(),
    )


def test_every_positive_stands_against_the_negatives_alone(trials):
    generator = torch.Generator().manual_seed(0)
    queries, passages = (
        torch.nn.functional.normalize(
            torch.randn(rows, 4, generator=generator, dtype=torch.float64), dim=-1
        )
        for rows in (5, 6)
    )
    expected = []
    for query, group in zip(queries, GROUPS[:5]):
        scores = [math.exp(float(query @ passage) / 0.1) for passage in passages]
        negatives = sum(
            score
            for score, other in zip(scores, GROUPS)
            if other not in (group, training_loss.NOBODY)
        )
        expected.append(
            np.mean(
                [
                    -math.log(score / (score + negatives))
                    for score, other in zip(scores, GROUPS)
                    if other == group
                ]
            )
        )
    assert trials.multi(
        queries, passages, GROUPS[:5], GROUPS, torch.arange(5), 0.1
    ).item() == pytest.approx(np.mean(expected))
    different = torch.arange(5)
    assert trials.multi(
        queries, passages[:5], different, different, different, 0.1
    ).item() == pytest.approx(
        trials.plain(queries, passages[:5], different, different, different, 0.1).item()
    )


def test_the_averages_leave_the_loss_alone(strategies_as_before):
    plain = training_loss.info_nce
    plugins.load(["benchmarks/averaged.py"])
    assert training_loss.info_nce is plain
    assert {
        name: strategies.STRATEGIES[name].trained_share
        for name in ("hybrid-averaged-half", "x-x-mono-averaged")
    } == {"hybrid-averaged-half": 0.5, "x-x-mono-averaged": 0.75}
    table = PairTable(pair_table(40))
    for name, averaged in (("hybrid", "hybrid-averaged-half"), ("x-x-mono", "x-x-mono-averaged")):
        for step in range(5):
            assert (
                strategies.draw_batch(averaged, table, 0, step, 16).questions
                == strategies.draw_batch(name, table, 0, step, 16).questions
            ).all()


@pytest.mark.parametrize(
    ("name", "languages"), [("few-2", {2}), ("hybrid-pair", {1, 2}), ("hybrid-multi", {1, 2, 3, 4})]
)
def test_the_languages_of_a_batch(name, languages, trials):
    lang = trials.table.frame["lang"].to_numpy()
    batches = [strategies.draw_batch(name, trials.table, 0, step, 16) for step in range(20)]
    assert {len({*lang[batch.questions], *lang[batch.passages]}) for batch in batches} <= languages
    assert any((lang[batch.questions] != lang[batch.passages]).any() for batch in batches) == (
        name != "hybrid-multi"
    )


def test_a_multi_positive_batch_holds_each_question_in_two_languages(trials):
    frame = trials.table.frame
    rows = strategies.draw_batch("multi-positive", trials.table, 0, 1, 16).questions
    assert (
        len(set(rows)) == 16
        and frame.iloc[rows].groupby("pair_id")["lang"].nunique().tolist() == [2] * 8
    )


@pytest.mark.parametrize(
    ("name", "early", "late"),
    [("alpha-falling", "x-x-mono", "x-y"), ("alpha-rising", "x-y", "x-x-mono")],
)
def test_alpha_changes_over_the_run(name, early, late, trials):
    def regimes(steps):
        return [
            strategies.draw_batch(name, trials.table, seed, step, 16).regime
            for seed in range(30)
            for step in steps
        ]

    assert set(regimes([1])) == {early} and set(regimes([60])) == {late}
    assert 0.35 < np.mean([regime == early for regime in regimes([30, 31])]) < 0.65


@pytest.mark.parametrize(("name", "sharp"), [("sharp-mono", "x-x-mono"), ("sharp-cross", "x-y")])
def test_each_kind_of_batch_has_its_temperature(name, sharp, trials):
    seen = set()
    for step in range(1, 11):
        regime = strategies.draw_batch(name, trials.table, 0, step, 16).regime
        loss, whole, half = loss_of(trials)
        assert loss == pytest.approx(half if regime == sharp else whole)
        seen.add(regime)
    assert seen == {"x-x-mono", "x-y"}
