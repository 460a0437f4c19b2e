"""The backbone's states of a batch, without padding where the backbone can do without.

Linear layers and norms treat every token alone. So the texts of a batch can stand in one row, one
behind the other. Only attention has to tell texts apart. It looks at all texts of one length at a
time, so it needs no padding either.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from hybridlib.model.attention import without_cudnn_attention

_NAME = "packed"  # of this attention, for transformers

# Classes of transformers that take positions from outside and tell tokens apart nowhere else. mBERT,
# LaBSE and XLM-R are of these.
_FAMILIES = {"BertModel", "RobertaModel", "XLMRobertaModel"}


def is_packed(backbone: PreTrainedModel) -> bool:
    """Return whether batches go through a backbone without padding.

    A GPU waits for calls rather than for tokens, and packing makes more calls. So there is padding.
    """
    family = type(backbone)
    if family.__name__ not in _FAMILIES or not family.__module__.startswith("transformers.models."):
        return False
    config = backbone.config
    plain = config._attn_implementation == "sdpa" and not config.is_decoder
    return plain and backbone.device.type == "cpu"


def hidden_states(backbone: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the last hidden states of a padded batch, ``[texts, longest, width]``.

    Args:
        backbone: of the encoder.
        input_ids: ``[texts, longest]``.
        attention_mask: 1 for each token of a text, which come first; 0 for padding.
    """
    if is_packed(backbone):
        return _packed_states(backbone, input_ids, attention_mask)
    with without_cudnn_attention():
        output = backbone(input_ids=input_ids, attention_mask=attention_mask)
    return output.last_hidden_state


def _packed_states(backbone: Any, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the same, of texts that go through the backbone in one row; 0 for padding."""
    real = attention_mask.bool()
    lengths = attention_mask.sum(1).tolist()
    texts = [(len(list(equal)), length) for length, equal in groupby(lengths)]

    usual = backbone.config._attn_implementation
    backbone.config._attn_implementation = _NAME
    try:
        output = backbone(
            input_ids=input_ids[real][None],
            position_ids=_positions(backbone, input_ids)[real][None],
            packed_texts=texts,
        )
    finally:
        backbone.config._attn_implementation = usual
    packed = output.last_hidden_state[0]
    states = packed.new_zeros(*input_ids.shape, packed.shape[1])
    return states.masked_scatter(real[:, :, None], packed)


def _positions(backbone: Any, input_ids: Tensor) -> Tensor:
    """Return the positions that a backbone gives to tokens by itself, ``[texts, longest]``."""
    embeddings = backbone.embeddings
    if hasattr(embeddings, "create_position_ids_from_input_ids"):  # RoBERTa and XLM-R
        return embeddings.create_position_ids_from_input_ids(input_ids, embeddings.padding_idx)
    return torch.arange(input_ids.shape[1]).expand(input_ids.shape)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    packed_texts: list[tuple[int, int]],
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Let every token attend to those of its text.

    Args:
        module: the attention layer.
        query: ``[1, heads, tokens, d]``.
        key: likewise.
        value: likewise.
        attention_mask: none is needed.
        packed_texts: how many texts of which length stand one behind the other.
        dropout: share of attention weights that are dropped.
        scaling: of products.
        **kwargs: what else the model passes on.

    Returns:
        ``[1, tokens, heads, d]``, and no attention weights.
    """
    sizes = [texts * length for texts, length in packed_texts]
    split = zip(*(states[0].split(sizes, 1) for states in (query, key, value)))
    attended = []
    for shape, parts in zip(packed_texts, split):
        q, k, v = (part.unflatten(1, shape).transpose(0, 1) for part in parts)
        states = nn.functional.scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, scale=scaling
        )
        attended.append(states.transpose(1, 2).flatten(0, 1))
    return torch.cat(attended)[None], None


AttentionInterface.register(_NAME, _attend)
