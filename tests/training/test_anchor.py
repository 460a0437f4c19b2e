"""The consensus anchor against plain computation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from training_toys import Data, expected_loss, fresh, tiny_params, validation_map, weights

from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.errors import InputError
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.language_filter import LanguageFilter
from hybridlib.training.anchor import Anchor
from hybridlib.training.loop import train
from hybridlib.training.setup import pair_table

WEIGHT = 4.0


@pytest.fixture
def uneven(data: Data) -> Data:
    """The data with pairs in three, two and one languages, in another order."""
    pairs, validation = data
    number = np.arange(len(pairs))
    kept = pairs[(number % 7 > 0) & (number % 5 > 0)].sample(frac=1, random_state=0)
    pairs = kept.reset_index(drop=True)
    assert set(pairs["pair_id"].value_counts()) == {1, 2, 3}
    return pairs, validation


def plain_anchor(encoder, pairs, batch: Batch) -> float:
    """Return the mean of 1 - cosine over a batch's texts, one text at a time."""
    distances = []
    for column, side in (("question", "query"), ("passage", "passage")):
        for row in getattr(batch, f"{column}s"):
            same_pair = pairs["pair_id"] == pairs["pair_id"][row]
            target = encoder.encode(pairs[column][same_pair], side).mean(0)
            vector = encoder.encode([pairs[column][row]], side)[0]
            distances.append(1 - vector @ target / np.linalg.norm(target))
    return float(np.mean(distances))


@pytest.mark.parametrize("strategy", ["x-y", "x-x-mono"])
def test_the_loss_is_that_of_the_formula(strategy, uneven, tiny_encoder, tmp_path):
    params = tiny_params(strategy=strategy, steps=1, anchor_weight=WEIGHT)
    encoder = fresh(tiny_encoder)
    batch = draw_batch(strategy, pair_table(params, uneven[0]), 0, 1, params.batch_size)
    anchor = plain_anchor(encoder, uneven[0], batch)
    assert anchor > 0.01
    expected = expected_loss(params, encoder, uneven[0], batch) + WEIGHT * anchor
    log = train(params, encoder, *uneven, tmp_path)
    assert log["loss"].iloc[1] == pytest.approx(expected, rel=1e-5)


def test_the_targets_are_means_of_filtered_vectors(uneven, tiny_encoder):
    """The filter of the corrections, fitted on what is drawn; here that is almost everything."""
    pairs = uneven[0]
    params = tiny_params(strategy="x-x", steps=60, anchor_weight=WEIGHT, anchor_filter_k=0.1)
    encoder = fresh(tiny_encoder)
    anchor = Anchor(params, encoder, pair_table(params, pairs))
    assert set(anchor.place_of_pair) == set(range(pairs["pair_id"].nunique()))

    texts = {}
    for column, side in (("question", "query"), ("passage", "passage")):
        vectors = encoder.encode(pairs[column], side)
        texts[side] = FittingTexts(vectors, pairs["lang"], pairs["pair_id"])
    language_filter = LanguageFilter(texts["query"], texts["passage"], 0.1)
    plain = Anchor(params.but(anchor_filter_k=None), encoder, pair_table(params, pairs))
    for side, found, other in (
        ("query", anchor.questions, plain.questions),
        ("passage", anchor.passages, plain.passages),
    ):
        filtered = language_filter.apply(texts[side].vectors, pairs["lang"], side)
        filtered /= np.linalg.norm(filtered, axis=1, keepdims=True)
        means = pd.DataFrame(filtered).groupby(pairs["pair_id"]).mean().to_numpy()
        means = means / np.linalg.norm(means, axis=1, keepdims=True)
        np.testing.assert_allclose(found.numpy(), means, atol=1e-4)
        assert np.abs(other.numpy() - means).max() > 0.1


def test_a_filter_of_too_few_texts_is_refused(data, tiny_encoder, tmp_path):
    params = tiny_params(anchor_weight=WEIGHT, anchor_filter_k=0.1)
    with pytest.raises(InputError, match="texts are in two languages or more; it needs 100"):
        train(params, fresh(tiny_encoder), *data, tmp_path)


def test_only_what_is_drawn_is_encoded(data, tiny_encoder, monkeypatch):
    """Two batches of 16 of 125 pairs; all translations of these, once for each side."""
    params = tiny_params(strategy="x-y", steps=2)
    table = pair_table(params, data[0])
    encoder = fresh(tiny_encoder)
    encoded = {}
    encode = encoder.encode

    def noted(texts, side, *rest, **options):
        encoded[side] = list(texts)
        return encode(texts, side, *rest, **options)

    monkeypatch.setattr(encoder, "encode", noted)
    Anchor(params, encoder, table)
    batches = [draw_batch("x-y", table, 0, step, 16) for step in (1, 2)]
    drawn = set(data[0]["pair_id"].iloc[np.concatenate([batch.questions for batch in batches])])
    assert 16 < len(drawn) <= 32
    rows = data[0]["pair_id"].isin(drawn)
    assert sorted(encoded["query"]) == sorted(data[0]["question"][rows])
    assert sorted(encoded["passage"]) == sorted(data[0]["passage"][rows])


def test_switched_texts_have_the_target_of_the_text_that_they_were(data, tiny_encoder, tmp_path):
    """At the first step the others' distance is that of their words, so it is larger."""
    losses = {}
    for probability in (0.0, 0.9):
        for weight in (0.0, WEIGHT):
            params = tiny_params(
                strategy="code-switched",
                switch_probability=probability,
                steps=1,
                anchor_weight=weight,
            )
            log = train(params, fresh(tiny_encoder), *data, tmp_path)
            losses[probability, weight] = log["loss"].iloc[1]
    assert losses[0.0, WEIGHT] > losses[0.0, 0.0] + 0.01
    assert losses[0.9, WEIGHT] > losses[0.9, 0.0] + 0.01


def test_cached_gradients_change_nothing(data, tiny_encoder, tmp_path):
    trained = {}
    for cached in (False, True):
        encoder = fresh(tiny_encoder)
        params = tiny_params(
            steps=2, anchor_weight=WEIGHT, cached_gradients=cached, train_tokens=128
        )
        log = train(params, encoder, *data, tmp_path)
        trained[cached] = (weights(encoder), log["loss"].tolist()[1:])
    assert trained[True][1] == pytest.approx(trained[False][1], abs=1e-4)


def test_training_stays_nearer_to_the_targets(data, tiny_encoder, tmp_path):
    params = tiny_params(strategy="x-y", steps=20, learning_rate=1e-2)
    start = fresh(tiny_encoder)
    table = pair_table(params, data[0])
    batch = draw_batch("x-y", table, 0, 1, params.batch_size)
    anchor = Anchor(params, start, table)
    distance = {}
    quality = {}
    for weight in (0.0, WEIGHT):
        encoder = fresh(tiny_encoder)
        train(params.but(anchor_weight=weight), encoder, *data, tmp_path)
        questions, passages = batch.texts(data[0])
        queries = encoder(encoder.tokenize(questions, "query"))
        answers = encoder(encoder.tokenize(passages, "passage"))
        distance[weight] = anchor.loss(batch, queries, answers).item()
        quality[weight] = validation_map(encoder, data[1])["multilingual"]
    assert distance[WEIGHT] < 0.8 * distance[0.0]
    assert quality[WEIGHT] > validation_map(start, data[1])["multilingual"]
