"""The built-in encoder: a tokenizer and a small transformer, made without a download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertConfig, PreTrainedTokenizerFast

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

_ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


def make_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-pair tokenizer on ``texts``.

    The same texts, in any order and process, give the same tokenizer. A Unigram model would not:
    its trainer adds up in an order that changes from process to process.

    Args:
        texts: what the merges are learned from.
        vocab_size: entries at most, special tokens included.

    Raises:
        InputError: the texts have more different characters than that.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()

    # The special tokens get the first ids.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)

    # Every text stands between a first and a last token.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **_ROLES)
    if len(made) > vocab_size:
        raise InputError(
            f"vocab_size ({vocab_size}): the texts have so many different characters that the "
            f"smallest vocabulary is {len(made)}; raise it to that or more"
        )
    return made


def make_encoder(
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    seed: int,
    hidden_size: int,
    layers: int,
    attention_heads: int,
    max_length: int,
) -> None:
    """Write a small transformer with random weights as a transformers folder.

    Args:
        tokenizer: its tokenizer.
        folder: where to.
        seed: of the weights.
        hidden_size: width of its layers and vectors.
        layers: how many.
        attention_heads: of each layer.
        max_length: tokens kept of each text.
    """
    # The class takes seconds to import; making a tokenizer does not need it.
    from transformers import BertModel

    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=attention_heads,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=max(max_length, 512),
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = BertModel(config, add_pooling_layer=False)
    DualEncoder(backbone, tokenizer, max_length=max_length).save(folder)
