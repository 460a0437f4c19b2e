"""Texts in one row without padding: the same vectors and gradients as with padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from hybridlib.model import packing
from hybridlib.model.encoder import DualEncoder

FAMILIES = [
    (BertConfig, BertModel),
    (RobertaConfig, RobertaModel),
    (XLMRobertaConfig, XLMRobertaModel),
]


def backbone_of(config: type, model: type, attention: str = "sdpa", **settings) -> PreTrainedModel:
    """A small model with weights by chance."""
    torch.manual_seed(0)
    small = config(
        vocab_size=100,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=40,
        pad_token_id=1,
        **settings,
    )
    backbone = model(small)
    backbone.set_attn_implementation(attention)
    return backbone.eval()


def batch_of(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts of these lengths; the padding token stands within one, too."""
    input_ids = torch.randint(5, 100, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    input_ids[mask == 0] = 1
    input_ids[0, 2] = 1
    return input_ids, mask


def states_and_gradients(
    backbone: PreTrainedModel, input_ids: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the states of real tokens, one behind the other, and the gradients of weights."""
    backbone.zero_grad()
    parts = packing.hidden_states(backbone, input_ids, mask)
    states = torch.cat([hidden[real.bool()] for hidden, real in parts])
    (states**2).sum().backward()
    weights = [each for each in backbone.parameters() if each.grad is not None]
    return states.detach(), [weight.grad.clone() for weight in weights]


def assert_near(found: tuple, expected: tuple) -> None:
    """Compare states and gradients."""
    assert torch.allclose(found[0], expected[0], atol=1e-5)
    assert len(found[1]) == len(expected[1]) > 30
    for ours, theirs in zip(found[1], expected[1]):
        assert torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("config", "model"), FAMILIES)
@pytest.mark.parametrize(
    "lengths", [[9, 9, 7, 3, 3, 3, 1], [5], [3, 8, 3], [30] * 3], ids=lambda each: str(len(each))
)
def test_states_and_gradients_are_those_of_a_padded_batch(config, model, lengths):
    backbone = backbone_of(config, model)
    batch = batch_of(lengths)
    expected = states_and_gradients(backbone, *batch)
    packing.allow_packing(backbone)
    assert packing.is_packed(backbone)
    assert_near(states_and_gradients(backbone, *batch), expected)


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_that_are_computed_twice_are_packed_twice(reentrant):
    backbone = backbone_of(BertConfig, BertModel).train()
    for module in backbone.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch = batch_of([9, 9, 7, 3])
    expected = states_and_gradients(backbone, *batch)
    packing.allow_packing(backbone)
    backbone.gradient_checkpointing_enable({"use_reentrant": reentrant})
    assert_near(states_and_gradients(backbone, *batch), expected)


def test_padded_batches_go_through_the_same_attention(monkeypatch):
    """As on a GPU."""
    backbone = backbone_of(BertConfig, BertModel)
    batch = batch_of([9, 9, 7, 3])
    expected = states_and_gradients(backbone, *batch)
    packing.allow_packing(backbone)
    monkeypatch.setattr(packing, "is_packed", lambda _: False)
    found = states_and_gradients(backbone, *batch)
    assert torch.equal(found[0], expected[0])


def test_what_is_packed():
    def is_packed(backbone: PreTrainedModel) -> bool:
        packing.allow_packing(backbone)
        return packing.is_packed(backbone)

    for config, model in FAMILIES:
        assert is_packed(backbone_of(config, model))
        assert not is_packed(backbone_of(config, model, "eager"))
        assert not is_packed(backbone_of(config, model, is_decoder=True))
        assert not is_packed(backbone_of(config, model).to("meta"))
    assert not is_packed(DistilBertModel(DistilBertConfig(n_layers=1, dim=12)))

    class OtherModel(BertModel):
        """A model of somebody else, which may look at its tokens in other ways."""

    OtherModel.__name__ = "BertModel"
    assert not is_packed(backbone_of(BertConfig, OtherModel))


def test_another_attention_can_be_chosen(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder)
    assert packing.is_packed(encoder.backbone)
    packed = encoder.encode(["one two three", "two"], "query")
    encoder.backbone.set_attn_implementation("eager")
    assert not packing.is_packed(encoder.backbone)
    assert np.allclose(encoder.encode(["one two three", "two"], "query"), packed, atol=1e-6)


def test_nothing_is_padded(tiny_encoder, monkeypatch):
    encoder = DualEncoder.load(tiny_encoder)
    forward = encoder.backbone.forward
    shapes = []

    def record(**batch):
        shapes.append(tuple(batch["input_ids"].shape))
        return forward(**batch)

    monkeypatch.setattr(encoder.backbone, "forward", record)
    texts = ["one", "one two three", "two"]
    encoder.encode(texts, "query")
    assert shapes == [(1, sum(map(len, encoder.tokenize(texts, "query"))))]


def test_a_saved_encoder_knows_nothing_of_it(tiny_encoder, tmp_path):
    DualEncoder.load(tiny_encoder).save(tmp_path / "saved")
    assert "packed" not in (tmp_path / "saved" / "config.json").read_text()


def test_dropout_is_drawn_by_the_seed(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder, dropout=0.3).train()
    ids = encoder.tokenize(["one two three", "two", "three"], "query")
    first, again, other = (encoder(ids, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
