"""Embedders of today: decoders with the last token, bidirectional ones with Dense, ModernBERT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import processors

from hybridlib.config.params import Params
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.model.built_in import make_tokenizer
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loop import train

WIDTH = 32
LENGTH = 80
KINDS = ("qwen-left", "qwen-right", "gemma", "mmbert")

# As the encoders of these names have them.
INSTRUCTION = "Instruct: Given a web search query, retrieve relevant passages\nQuery:"
PROMPTS = {
    "qwen": {"query": INSTRUCTION, "document": ""},
    "gemma": {
        "query": "task: search result | query: ",
        "document": "title: none | text: ",
        "Clustering": "task: clustering | query: ",
    },
    "mmbert": {},
}


def backbone(kind: str, vocab_size: int) -> transformers.PreTrainedModel:
    """Return a tiny model with random weights."""
    sizes: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    torch.manual_seed(0)
    if kind == "mmbert":
        ends = {"cls_token_id": 0, "sep_token_id": 2, "local_attention": 8}
        return transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(**sizes, **ends))
    sizes |= {"num_key_value_heads": 2, "head_dim": 8}
    if kind == "gemma":
        config = transformers.Gemma3TextConfig(
            **sizes,
            use_bidirectional_attention=True,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention"],
        )
        return transformers.Gemma3TextModel(config)
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**sizes))


def modules_of(kind: str) -> list[torch.nn.Module]:
    """Return the modules behind the transformer."""
    if kind == "gemma":
        wide = Dense(WIDTH, 48, bias=False, activation_function=torch.nn.Identity())
        back = Dense(48, WIDTH, bias=False, activation_function=torch.nn.Identity())
        return [Pooling(WIDTH, "mean"), wide, back, Normalize()]
    return [Pooling(WIDTH, "lasttoken" if kind == "qwen" else "mean"), Normalize()]


@pytest.fixture(scope="module")
def folders(fact_pairs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of sentence-transformers of each kind, and its plain one under ``plain-KIND``."""
    root = tmp_path_factory.mktemp("decoders")
    made = {}
    for name in KINDS:
        kind, _, side = name.partition("-")
        tokenizer = make_tokenizer([*fact_pairs["question"], *fact_pairs["passage"]], 500)
        tokenizer.padding_side = side or "right"
        if kind == "qwen":  # a last token behind each text, and none before it
            tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
                single="$A </s>", special_tokens=[("</s>", 2)]
            )
        plain = root / f"plain-{name}"
        backbone(kind, len(tokenizer)).save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        transformer = Transformer(str(plain), max_seq_length=LENGTH)
        model = SentenceTransformer(
            modules=[transformer, *modules_of(kind)], prompts=PROMPTS[kind], device="cpu"
        )
        model.save(str(root / name))
        made |= {name: root / name, plain.name: plain}
    return made


@pytest.fixture(scope="module")
def some_texts(texts: list[str]) -> list[str]:
    """Texts of one word to some hundred."""
    return [*texts[:8], texts[-1]]


def by_the_library(folder: Path, texts: list[str]) -> dict[str, np.ndarray]:
    """Return the vectors of sentence-transformers by side."""
    model = SentenceTransformer(str(folder), device="cpu")
    return {"query": model.encode_query(texts), "passage": model.encode_document(texts)}


@pytest.mark.parametrize("name", KINDS)
def test_vectors_are_those_of_the_library(name, folders, some_texts, tmp_path):
    encoder = DualEncoder.load(folders[name], *_no_prefixes(name))
    assert encoder.max_length == LENGTH
    encoder.save(tmp_path / "saved")
    for folder in (folders[name], tmp_path / "saved"):
        for side, vectors in by_the_library(folder, some_texts).items():
            assert np.abs(encoder.encode(some_texts, side) - vectors).max() < 1e-5


def _no_prefixes(name: str) -> tuple[str | None, ...]:
    """Return pooling and prefixes for the library's use of an encoder without prompts."""
    return (None, "", "") if name == "mmbert" else ()


def test_the_prompts_are_those_of_the_files(folders):
    for kind in ("qwen-left", "gemma"):
        prompts = PROMPTS[kind.partition("-")[0]]
        expected = {"query": prompts["query"], "passage": prompts["document"]}
        assert DualEncoder.load(folders[kind]).prefixes == expected


def test_a_trained_one_is_the_same_in_the_library(folders, fact_pairs, some_texts, tmp_path):
    encoder = DualEncoder.load(folders["qwen-left"])
    before = encoder.encode(some_texts, "query")
    corpus = corpus_from_pairs("facts", fact_pairs[fact_pairs["lang"] != "th"].iloc[:20])
    params = Params(
        strategy="hybrid", steps=2, batch_size=16, learning_rate=5e-3, validate_every=None
    )
    train(params, encoder, fact_pairs, corpus, tmp_path)
    assert np.abs(encoder.encode(some_texts, "query") - before).max() > 1e-3
    loaded = DualEncoder.load(tmp_path / "model")
    assert (loaded.pooling, loaded.prefixes) == (encoder.pooling, encoder.prefixes)
    for side, vectors in by_the_library(tmp_path / "model", some_texts).items():
        assert np.abs(encoder.encode(some_texts, side) - vectors).max() < 1e-5
        assert np.abs(loaded.encode(some_texts, side) - vectors).max() < 1e-5


def test_attention_is_bidirectional_where_the_config_says_so(folders):
    """Of two texts that differ in their last word, the first tokens see it, or do not."""
    first = {}
    for name in ("plain-gemma", "plain-qwen-left"):
        encoder = DualEncoder.load(folders[name], "cls", "", "")
        vectors = encoder.encode(["one two three", "one two four"], "query")
        first[name] = np.abs(vectors[0] - vectors[1]).max()
    assert first["plain-gemma"] > 1e-4
    assert first["plain-qwen-left"] < 1e-6


def test_a_plain_decoder_has_the_last_token(folders, some_texts):
    plain = folders["plain-qwen-right"]
    encoder = DualEncoder.load(plain, query_prefix="", max_length=LENGTH)
    assert encoder.pooling == "last"
    vectors = SentenceTransformer(str(plain), device="cpu").encode(some_texts[:8])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(encoder.encode(some_texts[:8], "query") - vectors).max() < 1e-5
    assert DualEncoder.load(plain, pooling="mean").pooling == "mean"


def test_no_keys_and_values_are_kept(folders):
    """A decoder returns those of all layers where its config wants a cache."""
    encoder = DualEncoder.load(folders["qwen-left"])
    batch = encoder.pad(encoder.tokenize(["one two"], "query"))
    assert encoder.backbone(**batch).past_key_values is None
