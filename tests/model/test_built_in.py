"""The built-in encoder and its tokenizer, made without a download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from hybridlib.errors import InputError
from hybridlib.model.built_in import make_encoder, make_tokenizer, word_vectors
from hybridlib.model.encoder import DualEncoder


@pytest.fixture(scope="module")
def training_texts(fact_pairs) -> list[str]:
    """The texts that the tokenizers are trained on."""
    return [*fact_pairs["question"], *fact_pairs["passage"]]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of an encoder on disk."""
    return DualEncoder.load(folder).state_dict()


def test_make_encoder_depends_on_its_seed_alone(tiny_encoder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    shape = {"hidden_size": 32, "layers": 1, "attention_heads": 2, "max_length": 64}
    torch.manual_seed(99)
    state = torch.get_rng_state()
    make_encoder(tokenizer, tmp_path / "again", 0, **shape)
    make_encoder(tokenizer, tmp_path / "other", 1, **shape)
    # What is drawn afterwards is not disturbed.
    assert torch.equal(torch.get_rng_state(), state)

    first = weights(tiny_encoder)
    again = weights(tmp_path / "again")
    other = weights(tmp_path / "other")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


NAMES = [["Japan", "Japón", "日本"], ["Germany", "Alemania", "德国"], ["Brazil", "Brasil", "巴西"]]


def test_tokens_of_translations_have_like_vectors():
    tokenizer = make_tokenizer([name for names in NAMES for name in names], 300)
    vectors = word_vectors(tokenizer, NAMES, 8)
    assert vectors.shape == (len(tokenizer), 8)

    def vector(text: str) -> np.ndarray:
        return vectors[tokenizer(text, add_special_tokens=False)["input_ids"]].mean(axis=0)

    for name, *others in NAMES:
        strangers = [other for names in NAMES if name not in names for other in names]
        nearest = max(vector(name) @ vector(stranger) for stranger in strangers)
        assert all(vector(name) @ vector(other) > nearest for other in others)
    # Only tokens of the names have a vector, and its length is 1.
    lengths = np.linalg.norm(vectors, axis=1)
    assert set(np.round(lengths, 2)) == {0.0, 1.0}


def test_without_translations_there_are_no_word_vectors(tiny_encoder):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    assert not word_vectors(tokenizer, [], 4).any()


def test_an_encoder_knows_the_translations_that_it_is_made_of(tmp_path):
    tokenizer = make_tokenizer([name for names in NAMES for name in names], 300)
    shape = {"hidden_size": 32, "layers": 1, "attention_heads": 2, "max_length": 64}
    make_encoder(tokenizer, tmp_path, 0, **shape, translations=NAMES)
    encoder = DualEncoder.load(tmp_path, query_prefix="", passage_prefix="")
    vectors = encoder.encode(["Japan", "日本", "Germany", "德国"], "query")
    cosines = vectors @ vectors.T
    assert min(cosines[0, 1], cosines[2, 3]) > max(cosines[0, 3], cosines[1, 2]) + 0.1


def test_make_encoder_has_the_given_shape(tiny_encoder, tmp_path):
    shape = {"hidden_size": 48, "layers": 3, "attention_heads": 4, "max_length": 600}
    make_encoder(AutoTokenizer.from_pretrained(tiny_encoder), tmp_path, 0, **shape)
    config = AutoModel.from_pretrained(tmp_path).config
    assert config.hidden_size == 48
    assert config.num_hidden_layers == 3
    assert config.num_attention_heads == 4
    encoder = DualEncoder.load(tmp_path, max_length=600)
    assert encoder.encode(["long " * 1000], "query").shape == (1, 48)


def test_make_tokenizer_does_not_depend_on_the_order_of_the_texts(training_texts, rng):
    order = rng.permutation(len(training_texts))
    one = make_tokenizer(training_texts, 600)
    other = make_tokenizer([training_texts[row] for row in order], 600)
    assert one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str()
    assert one(training_texts)["input_ids"] == other(training_texts)["input_ids"]


def test_make_tokenizer_knows_its_texts(training_texts):
    tokenizer = make_tokenizer(training_texts, 600)
    ids = tokenizer(training_texts)["input_ids"]
    assert len(tokenizer) <= 600
    assert not any(tokenizer.unk_token_id in row for row in ids)
    assert {row[0] for row in ids} == {tokenizer.cls_token_id}
    assert {row[-1] for row in ids} == {tokenizer.sep_token_id}
    assert len({tuple(row) for row in ids}) == len({text.lower() for text in training_texts})


def test_a_vocabulary_smaller_than_the_alphabet_is_refused():
    texts = ["".join(chr(letter) for letter in range(0x4E00, 0x4E00 + 400))]
    with pytest.raises(InputError, match=r"vocab_size \(300\): .* smallest vocabulary is 40\d"):
        make_tokenizer(texts, 300)
