"""Texts in one row without padding: the same vectors and gradients as with padding."""

from __future__ import annotations

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


@pytest.mark.parametrize(("config", "model"), FAMILIES)
@pytest.mark.parametrize(
    "lengths", [[9, 9, 7, 3, 3, 3, 1], [5], [3, 8, 3], [30] * 3], ids=lambda each: str(len(each))
)
def test_states_and_gradients_are_those_of_a_padded_batch(config, model, lengths, monkeypatch):
    backbone = backbone_of(config, model)
    input_ids, mask = batch_of(lengths)
    found = []
    for is_packed in (True, False):
        monkeypatch.setattr(packing, "is_packed", lambda _, answer=is_packed: answer)
        backbone.zero_grad()
        states = packing.hidden_states(backbone, input_ids, mask) * mask[:, :, None]
        (states**2).sum().backward()
        weights = [each for each in backbone.parameters() if each.grad is not None]
        found.append((states, [weight.grad.clone() for weight in weights]))
    (packed, packed_gradients), (padded, padded_gradients) = found
    assert torch.allclose(packed, padded, atol=1e-5)
    assert len(packed_gradients) == len(padded_gradients) > 30
    for ours, theirs in zip(packed_gradients, padded_gradients):
        assert torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3)


def test_what_is_packed():
    for config, model in FAMILIES:
        assert packing.is_packed(backbone_of(config, model))
        assert not packing.is_packed(backbone_of(config, model, "eager"))
        assert not packing.is_packed(backbone_of(config, model, is_decoder=True))
        assert not packing.is_packed(backbone_of(config, model).to("meta"))
    assert not packing.is_packed(DistilBertModel(DistilBertConfig(n_layers=1, dim=12)))

    class BertModel2(BertModel):
        """A model of somebody else, which may look at its tokens in other ways."""

    BertModel2.__name__ = "BertModel"
    assert not packing.is_packed(backbone_of(BertConfig, BertModel2))


def test_nothing_is_padded_and_the_attention_is_as_before(tiny_encoder, monkeypatch):
    encoder = DualEncoder.load(tiny_encoder)
    forward = encoder.backbone.forward
    shapes = []

    def record(**batch):
        shapes.append(tuple(batch["input_ids"].shape))
        assert encoder.backbone.config._attn_implementation == "packed"
        return forward(**batch)

    monkeypatch.setattr(encoder.backbone, "forward", record)
    texts = ["one", "one two three", "two"]
    encoder.encode(texts, "query")
    assert shapes == [(1, sum(map(len, encoder.tokenize(texts, "query"))))]
    assert encoder.backbone.config._attn_implementation == "sdpa"


def test_an_error_leaves_the_attention_as_it_was(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder)
    batch = encoder.pad([[5, 6], [7]])
    with pytest.raises(IndexError):
        encoder.embed(batch["input_ids"] + 10**6, batch["attention_mask"])
    assert encoder.backbone.config._attn_implementation == "sdpa"


def test_dropout_is_drawn_by_the_seed(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder, dropout=0.3).train()
    ids = encoder.tokenize(["one two three", "two", "three"], "query")
    first, again, other = (encoder(ids, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
