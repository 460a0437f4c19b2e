"""Cached gradients are those of the plain batch, and so are token gradients row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from training_toys import Weights, fresh, tiny_params

from hybridlib.batching.strategies import draw_batch
from hybridlib.model.encoder import DualEncoder
from hybridlib.training import loop, setup
from hybridlib.training.grad_cache import BatchEmbeddings, TokenGradients

DROPOUT = 0.2
Gradients = Callable[..., tuple[list[Weights], list[float]]]


@pytest.fixture
def gradients(data, tiny_encoder, tmp_path, monkeypatch) -> Gradients:
    """Return a function that trains and returns each step's gradients and losses.

    Dropout is on. The optimizer notes the gradients and leaves the weights as they are.
    """

    def of_run(**changes: object) -> tuple[list[Weights], list[float]]:
        encoder = fresh(tiny_encoder, DROPOUT)
        noted: list[Weights] = []

        class Notes(torch.optim.SGD):
            def step(self, closure: object = None) -> None:
                weights = dict(encoder.named_parameters())
                noted.append({name: weight.grad.clone() for name, weight in weights.items()})

        def make_optimizer(*args: object) -> torch.optim.Optimizer:
            return Notes(encoder.parameters())

        values = {"strategy": "x-y", "batch_size": 64, "train_tokens": 256, "max_grad_norm": 1e9}
        params = tiny_params(**values | {"steps": 1} | changes)
        with monkeypatch.context() as patch:
            patch.setattr(setup, "make_optimizer", make_optimizer)
            log = loop.train(params, encoder, *data, tmp_path)
        assert not encoder.backbone.get_input_embeddings().sparse
        return noted, log["loss"].tolist()[1:]

    return of_run


def word_embeddings(gradients: Weights) -> torch.Tensor:
    (name,) = [name for name in gradients if "word_embeddings" in name]
    return gradients[name]


def test_cached_gradients_are_those_of_the_plain_batch(gradients):
    (plain,), plain_loss = gradients()
    (cached,), cached_loss = gradients(cached_gradients=True)
    assert cached_loss == pytest.approx(plain_loss, abs=1e-6)
    assert plain.keys() == cached.keys()
    assert max(value.abs().max() for value in plain.values()) > 1e-3
    for name in plain:
        torch.testing.assert_close(cached[name], plain[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cached", [False, True])
def test_token_gradients_row_by_row_are_those_of_the_whole_table(cached, gradients, monkeypatch):
    (rows,), _ = gradients(cached_gradients=cached)

    # Several processes exchange whole tables.
    def of_two(encoder: DualEncoder, processes: int) -> TokenGradients:
        return TokenGradients(encoder, 2)

    monkeypatch.setattr(loop, "TokenGradients", of_two)
    (table,), _ = gradients(cached_gradients=cached)
    untouched = word_embeddings(table).abs().sum(1) == 0
    assert 0 < untouched.sum() < len(untouched)
    assert word_embeddings(rows).layout == torch.strided
    assert (word_embeddings(rows)[untouched] == 0).all()
    for name in table:
        torch.testing.assert_close(rows[name], table[name], rtol=1e-5, atol=1e-6)


def test_token_gradients_of_one_step_do_not_reach_the_next(gradients, data, tiny_encoder):
    noted, _ = gradients(steps=2, batch_size=16)
    encoder = fresh(tiny_encoder)
    table = setup.pair_table(tiny_params(), data[0])
    used = []
    for step in (1, 2):
        questions, passages = draw_batch("x-y", table, 0, step, 16).texts(data[0])
        token_ids = [*encoder.tokenize(questions, "query"), *encoder.tokenize(passages, "passage")]
        used.append({token for ids in token_ids for token in ids})
    for step in (0, 1):
        touched = word_embeddings(noted[step]).abs().sum(1).nonzero().flatten()
        assert set(touched.tolist()) == used[step]
    assert used[0] - used[1]


def test_frozen_token_embeddings_collect_nothing(tiny_encoder):
    encoder = fresh(tiny_encoder)
    encoder.freeze(embeddings=True)
    token_gradients = TokenGradients(encoder, processes=1)
    assert not encoder.backbone.get_input_embeddings().sparse
    token_gradients.collect()
    token_gradients.to_optimizer()
    assert encoder.backbone.get_input_embeddings().weight.grad is None


@pytest.mark.parametrize("cached", [False, True])
def test_embeddings_are_those_of_the_encoder_in_the_order_given(cached, tiny_encoder, tmp_path):
    """Micro-batches of 32 tokens take the texts in order of length."""
    encoder = fresh(tiny_encoder)
    texts = ["a", "three words here", "two words", "some more words than before in this"]
    token_ids = encoder.tokenize(texts, "passage")
    token_gradients = TokenGradients(encoder, processes=1)
    with setup.open_accelerator(tiny_params(), tmp_path, encoder) as accelerator:
        embeddings = BatchEmbeddings(
            accelerator, encoder, {"passages": token_ids}, 32, 0, cached, token_gradients
        )
        expected = torch.from_numpy(encoder.encode(texts, "passage"))
        torch.testing.assert_close(embeddings.vectors.detach(), expected, rtol=0, atol=1e-5)
        if cached:
            with pytest.raises(RuntimeError, match="the loss does not depend on the embeddings"):
                embeddings.backward(torch.zeros(1, requires_grad=True).sum())
    token_gradients.close()


@pytest.mark.parametrize("cached", [False, True])
def test_copies_of_a_text_are_encoded_once(cached, tiny_encoder, tmp_path):
    """Without dropout, vectors and gradients are those of every copy for itself.

    A question is never taken for a passage, though here both have the same tokens.
    """
    queries = ["one text", "another", "one text", "one text"]
    passages = ["one text", "a longer text than the others", "a longer text than the others"]
    encoder = DualEncoder.load(tiny_encoder, query_prefix="", passage_prefix="", dropout=0.0)
    sides = {
        "queries": encoder.tokenize(queries, "query"),
        "passages": encoder.tokenize(passages, "passage"),
    }
    weights = torch.arange(7 * 32).reshape(7, 32).sin()

    # Every copy for itself, by autograd.
    every = encoder([*sides["queries"], *sides["passages"]])
    (every * weights).sum().backward()
    expected = {name: weight.grad.clone() for name, weight in encoder.named_parameters()}
    encoder.zero_grad()

    token_gradients = TokenGradients(encoder, processes=1)
    with setup.open_accelerator(tiny_params(), tmp_path, encoder) as accelerator:
        embeddings = BatchEmbeddings(accelerator, encoder, sides, 32, 0, cached, token_gradients)
        found = torch.cat([embeddings.sides["queries"], embeddings.sides["passages"]])
        embeddings.backward((found * weights).sum())
    token_gradients.to_optimizer()
    assert len(embeddings.vectors) == 4
    assert embeddings.tokens == sum(len(ids) for side in sides.values() for ids in side)
    torch.testing.assert_close(found, every, rtol=0, atol=1e-6)
    for name, weight in encoder.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-5)
    token_gradients.close()
