"""The built-in encoder: a tokenizer and a small transformer, made without a download.

Like a pretrained multilingual encoder it knows some translations before it is trained: its word
vectors come from translated texts (:func:`word_vectors`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
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
from torch.nn.functional import normalize

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedTokenizerFast

_ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}

_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # get the first ids
_PADDING = _SPECIAL.index("<pad>")

# Length of each coordinate of a word vector, on average, and how much of it is random: words
# that no translation has differ by that alone.
_WORD_SCALE = 0.3
_RANDOM_PART = 0.3


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
    from transformers import PreTrainedTokenizerFast  # takes a second to import, as below

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()

    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=_SPECIAL,
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


def word_vectors(
    tokenizer: PreTrainedTokenizerFast, translations: Iterable[Iterable[str]], size: int
) -> np.ndarray:
    """Return vectors that are alike for tokens of translated texts.

    Cross-language latent semantic indexing (Dumais et al., 1997): texts of one meaning in all
    languages are one document, and a truncated singular value decomposition of the tokens'
    positive pointwise mutual information with the documents gives each token a vector.

    Args:
        tokenizer: gives the tokens.
        translations: the texts of each meaning, in several languages.
        size: width of the vectors.

    Returns:
        One vector for each token, ``[vocabulary, size]``, of length 1; zeros where the texts do
        not have the token.
    """
    # How often each token stands in each document.
    tokens: list[int] = []
    documents: list[int] = []
    for document, texts in enumerate(translations):
        for text in texts:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            tokens += ids
            documents += [document] * len(ids)
    vectors = np.zeros((len(tokenizer), size))
    if not tokens:
        return vectors

    # Positive pointwise mutual information of token and document.
    counts = scipy.sparse.coo_array((np.ones(len(tokens)), (tokens, documents))).tocsr()
    counts.sum_duplicates()
    entries = counts.tocoo()
    expected = counts.sum(axis=1)[entries.row] * counts.sum(axis=0)[entries.col] / len(tokens)
    information = np.maximum(np.log(entries.data / expected), 0)
    weighted = scipy.sparse.csr_array((information, (entries.row, entries.col)), counts.shape)

    # The left singular vectors, each times the root of its value: from the eigenvectors of the
    # smaller Gram matrix. Digits that depend on the number of threads are cut.
    gram = (weighted.T @ weighted).toarray()
    squares, directions = np.linalg.eigh(gram)
    largest = np.flatnonzero(squares > 1e-6 * squares[-1])[::-1][:size]
    left = weighted @ (directions[:, largest] * squares[largest] ** -0.25)
    vectors[: len(left), : left.shape[1]] = left
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.round(vectors / np.maximum(lengths, 1e-9), 4)


def make_encoder(
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    seed: int,
    hidden_size: int,
    layers: int,
    attention_heads: int,
    max_length: int,
    translations: Iterable[Iterable[str]] = (),
) -> None:
    """Write a small transformer as a transformers folder.

    Its weights are random, except that the words of ``translations`` have vectors of their
    meaning.

    Args:
        tokenizer: its tokenizer.
        folder: where to.
        seed: of the weights.
        hidden_size: width of its layers and vectors.
        layers: how many.
        attention_heads: of each layer.
        max_length: tokens kept of each text.
        translations: the texts of each meaning, which :func:`word_vectors` learns from.
    """
    from transformers import BertModel

    config = make_config(len(tokenizer), hidden_size, layers, attention_heads, max_length)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = BertModel(config, add_pooling_layer=False)
    vectors = torch.tensor(word_vectors(tokenizer, translations, hidden_size), dtype=torch.float32)
    if vectors.any():
        _set_word_vectors(backbone.embeddings.word_embeddings.weight, vectors)
    DualEncoder(backbone, tokenizer, max_length=max_length).save(folder)


def make_config(
    vocab_size: int, hidden_size: int, layers: int, attention_heads: int, max_length: int
) -> BertConfig:
    """Return the config of a built-in encoder; see :func:`make_encoder`."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=attention_heads,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=max(max_length, 512),
        type_vocab_size=1,
        pad_token_id=_PADDING,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


@torch.no_grad()
def _set_word_vectors(weight: torch.Tensor, vectors: torch.Tensor) -> None:
    """Put vectors of meaning into random word embeddings, which stay a part of them."""
    mixed = vectors + _RANDOM_PART * normalize(weight, dim=1)
    weight.copy_(normalize(mixed, dim=1) * _WORD_SCALE * math.sqrt(weight.shape[1]))
