"""Encoders of every family, tiny and random, in the hub's folder format; and texts to encode."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import transformers
from st_folders import make_base
from transformers import PreTrainedModel

from hybridlib.model.built_in import make_tokenizer
from hybridlib.model.encoder import DualEncoder

WIDTH = 32


@pytest.fixture(scope="session")
def st_base(fact_pairs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sentence-transformers in its older layout."""
    folder = tmp_path_factory.mktemp("st_base")
    make_base(folder, [*fact_pairs["question"], *fact_pairs["passage"]])
    return folder


@pytest.fixture
def st_folder(st_base: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to change."""
    return Path(shutil.copytree(st_base, tmp_path / "encoder"))


@pytest.fixture(scope="session")
def encoder(tiny_encoder: Path) -> DualEncoder:
    """The tiny encoder, loaded; a test that changes it changes it back."""
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(scope="session")
def texts(fact_pairs: pd.DataFrame) -> list[str]:
    """Texts of one word to some hundred, not in order of length."""
    passages = fact_pairs["passage"].tolist()[:60]
    middle = " ".join(passages[:8])
    longest = " ".join(passages[8:38])  # longer than any maximum
    return ["yen", *passages[:30], middle, *passages[30:], "Deutsch", longest]


@pytest.fixture(scope="session")
def families(fact_pairs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each family, written by the real libraries."""
    root = tmp_path_factory.mktemp("families")
    tokenizer = make_tokenizer([*fact_pairs["question"], *fact_pairs["passage"]], 500)
    for name, model in models(len(tokenizer)).items():
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    write_labse(root / "labse")
    write_e5(root / "e5")
    return {folder.name: folder for folder in root.iterdir()}


def models(vocab_size: int) -> dict[str, PreTrainedModel]:
    """Return a model of each family, with random weights."""
    bert = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": vocab_size,
        "pad_token_id": 1,
    }
    roberta = {**bert, "max_position_embeddings": 66, "type_vocab_size": 1}
    distil = {
        "dim": WIDTH,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 64,
        "vocab_size": vocab_size,
        "pad_token_id": 1,
    }
    ends = {"bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    t5 = {
        "d_model": WIDTH,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
        "vocab_size": vocab_size,
        "pad_token_id": 1,
        "decoder_start_token_id": 1,
    }
    torch.manual_seed(0)
    return {
        "mbert": transformers.BertModel(transformers.BertConfig(**bert)),
        "xlm-r": transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**roberta)),
        "mt5": transformers.MT5ForConditionalGeneration(transformers.MT5Config(**t5)),
        "umt5": transformers.UMT5ForConditionalGeneration(transformers.UMT5Config(**t5)),
        "labse": transformers.BertModel(transformers.BertConfig(**bert)),
        "e5": transformers.BertModel(transformers.BertConfig(**bert)),
        "modernbert": transformers.ModernBertModel(transformers.ModernBertConfig(**bert, **ends)),
        "distilbert": transformers.DistilBertModel(transformers.DistilBertConfig(**distil)),
    }


def write_labse(folder: Path) -> None:
    """Give a plain folder the modules of LaBSE: the first token, a dense layer, 48 tokens."""
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Pooling

    dense = Dense(WIDTH, 24, activation_function=torch.nn.Tanh())
    as_sentence_transformers(folder, 48, [Pooling(WIDTH, "cls"), dense, Normalize()], {})


def write_e5(folder: Path) -> None:
    """Give a plain folder the modules of multilingual E5: the mean, prompts, 40 tokens."""
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import Pooling

    prompts = {"query": "query: ", "passage": "passage: "}
    as_sentence_transformers(folder, 40, [Pooling(WIDTH, "mean"), Normalize()], prompts)


def as_sentence_transformers(
    folder: Path, length: int, modules: list[torch.nn.Module], prompts: dict[str, str]
) -> None:
    """Replace a plain folder by what sentence-transformers itself writes."""
    # The library takes seconds to import, and few tests need the families.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

    transformer = Transformer(str(folder), max_seq_length=length)
    model = SentenceTransformer(modules=[transformer, *modules], prompts=prompts, device="cpu")
    aside = folder.with_name(folder.name + "-st")
    model.save(str(aside))
    shutil.rmtree(folder)
    aside.rename(folder)
