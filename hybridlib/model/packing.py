"""Texts of a batch in one row, without padding, where an encoder can do that.

Linear layers and norms treat every token alone. So the texts of a batch can stand in one row, one
behind the other. Only attention has to tell texts apart. It looks at all texts of one length at a
time, so it needs no padding either.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hybridlib.model.attention import without_cudnn_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME = "packed"  # of this attention, for transformers

# Classes of transformers in which tokens meet in attention alone, and which take positions from
# outside. mBERT, LaBSE and XLM-R are of these.
_FAMILIES = {"BertModel", "RobertaModel", "XLMRobertaModel"}


def allow_packing(backbone: PreTrainedModel) -> None:
    """Give a backbone the attention that takes texts in one row, if it can use that.

    Padded batches go through this attention as through PyTorch's fused one, which it replaces.
    """
    family = type(backbone)
    if family.__name__ not in _FAMILIES or not family.__module__.startswith("transformers.models."):
        return
    if backbone.config._attn_implementation != "sdpa" or backbone.config.is_decoder:
        return

    # transformers takes long to import; whoever has a backbone has imported it.
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    backbone.config._attn_implementation = _NAME


def is_packed(backbone: PreTrainedModel) -> bool:
    """Return whether batches go through a backbone without padding.

    A GPU waits for calls rather than for tokens, and packing makes more calls. So there is padding.
    """
    return backbone.config._attn_implementation == _NAME and backbone.device.type == "cpu"


def hidden_states(
    backbone: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return the last hidden states of a batch and their mask, in parts that follow each other.

    Args:
        backbone: of the encoder.
        input_ids: ``[texts, longest]``.
        attention_mask: 1 for each token of a text, which come first; 0 for padding.

    Returns:
        For each part ``[texts, length, width]`` and ``[texts, length]``. Of packed texts, a part
        has those of one length; otherwise there is one part.
    """
    if is_packed(backbone):
        return _packed_states(backbone, input_ids, attention_mask)
    with without_cudnn_attention():
        output = backbone(input_ids=input_ids, attention_mask=attention_mask)
    return [(output.last_hidden_state, attention_mask)]


def _packed_states(
    backbone: Any, input_ids: Tensor, attention_mask: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return the same, of texts that go through the backbone in one row."""
    real = attention_mask.bool()
    lengths = attention_mask.sum(1).tolist()
    texts = [(len(list(equal)), length) for length, equal in groupby(lengths)]
    output = backbone(
        input_ids=input_ids[real][None],
        position_ids=_positions(backbone, input_ids)[real][None],
        packed_texts=texts,
    )
    parts = output.last_hidden_state[0].split(_sizes(texts))
    return [
        (part.unflatten(0, shape), attention_mask.new_ones(shape))
        for part, shape in zip(parts, texts)
    ]


def _positions(backbone: Any, input_ids: Tensor) -> Tensor:
    """Return the positions that a backbone gives to tokens by itself, ``[texts, longest]``."""
    embeddings = backbone.embeddings
    if hasattr(embeddings, "create_position_ids_from_input_ids"):  # RoBERTa and XLM-R
        return embeddings.create_position_ids_from_input_ids(input_ids, embeddings.padding_idx)
    return torch.arange(input_ids.shape[1]).expand(input_ids.shape)


def _sizes(texts: list[tuple[int, int]]) -> list[int]:
    """Return the tokens of so many texts of each length."""
    return [count * length for count, length in texts]


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packed_texts: list[tuple[int, int]] | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Let every token attend to those of its text.

    Args:
        module: the attention layer.
        query: ``[1, heads, tokens, d]``; of a padded batch, one row for each text.
        key: likewise.
        value: likewise.
        attention_mask: of a padded batch.
        packed_texts: how many texts of which length stand one behind the other; None: the batch is
            padded.
        dropout: share of attention weights that are dropped.
        scaling: of products.
        **kwargs: what else the model passes on.

    Returns:
        ``[1, tokens, heads, d]``, and no attention weights.
    """
    if packed_texts is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
    sizes = _sizes(packed_texts)
    split = zip(*(states[0].split(sizes, 1) for states in (query, key, value)))
    attended = []
    for shape, parts in zip(packed_texts, split):
        q, k, v = (part.unflatten(1, shape).transpose(0, 1) for part in parts)
        states = nn.functional.scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, scale=scaling
        )
        attended.append(states.transpose(1, 2).flatten(0, 1))
    return torch.cat(attended)[None], None
