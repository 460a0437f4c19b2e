"""Encoders of every family: trained, saved, evaluated, and read by the real libraries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, MT5EncoderModel, UMT5EncoderModel

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import evaluate
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loop import train

FAMILIES = ("mbert", "xlm-r", "mt5", "umt5", "labse", "e5", "distilbert", "modernbert")
HALVES = {"mt5": MT5EncoderModel, "umt5": UMT5EncoderModel}  # of models with a decoder


@dataclass
class Trained:
    """An encoder, and its vectors before it was trained and saved in ``folder``."""

    family: str
    encoder: DualEncoder
    before: np.ndarray
    folder: Path


@pytest.fixture(scope="module")
def corpus(fact_pairs: pd.DataFrame) -> RetrievalCorpus:
    """Questions and passages in two languages."""
    return corpus_from_pairs("facts", fact_pairs[fact_pairs["lang"] != "th"].iloc[:60])


@pytest.fixture(scope="module", params=FAMILIES)
def trained(request, families, fact_pairs, corpus, texts, tmp_path_factory) -> Trained:
    """An encoder of each family after two steps."""
    family = request.param
    encoder = DualEncoder.load(families[family])
    before = encoder.encode(texts, "query")
    folder = tmp_path_factory.mktemp(family)
    train(params(freeze_embeddings=family == "e5"), encoder, fact_pairs, corpus, folder)
    return Trained(family, encoder, before, folder / "model")


def params(**changes: object) -> Params:
    """Return the parameters of a training of two steps."""
    values: dict[str, object] = {
        "strategy": "hybrid",
        "steps": 2,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "validate_every": None,
    }
    return Params(**values | changes)


def by_sentence_transformers(folder: Path, texts: list[str], **options: object) -> np.ndarray:
    """Return the vectors of the real library."""
    model = SentenceTransformer(str(folder), device="cpu")
    return model.encode(texts, normalize_embeddings=True, **options)


def test_the_settings_come_from_the_folders(families):
    settings = {}
    for family, folder in families.items():
        encoder = DualEncoder.load(folder)
        prefix = encoder.prefixes["query"]
        settings[family] = (encoder.pooling, encoder.max_length, encoder.dimension, prefix)
    plain = ("mean", 128, 32, "Query: ")
    assert settings == {
        **dict.fromkeys(("mbert", "distilbert", "modernbert", "mt5", "umt5"), plain),
        "xlm-r": ("mean", 64, 32, "Query: "),
        "labse": ("cls", 48, 24, ""),
        "e5": ("mean", 40, 32, "query: "),
    }


@pytest.mark.parametrize("family", HALVES)
def test_mt5_is_its_encoder_half(family, families):
    backbone = DualEncoder.load(families[family]).backbone
    assert isinstance(backbone, HALVES[family])
    assert not any("decoder" in name for name, _ in backbone.named_parameters())


def test_a_trained_encoder_is_loaded_as_it_was_saved(trained, corpus, texts):
    encoder = trained.encoder
    loaded = DualEncoder.load(trained.folder)
    assert loaded.pooling == encoder.pooling
    assert loaded.prefixes == encoder.prefixes
    assert loaded.max_length == encoder.max_length
    assert loaded.dimension == encoder.dimension
    for side in ("query", "passage"):
        assert np.allclose(loaded.encode(texts, side), encoder.encode(texts, side), atol=1e-6)
    assert np.abs(loaded.encode(texts, "query") - trained.before).max() > 1e-3
    result = evaluate(loaded, corpus, progress=False)
    assert 0 < result.metrics["settings"]["monolingual"]["map"] <= 1


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sentence_transformers_gives_the_same_vectors(side, trained, texts):
    vectors = trained.encoder.encode(texts, side)
    model = SentenceTransformer(str(trained.folder), device="cpu")
    by_side = {"query": model.encode_query, "passage": model.encode_document}
    by_task = by_side[side](texts, normalize_embeddings=True)
    by_name = model.encode(texts, prompt_name=side, normalize_embeddings=True)
    assert np.abs(vectors - by_task).max() < 1e-5
    assert np.abs(vectors - by_name).max() < 1e-5
    # Else the prompts could be lost in both.
    other = model.encode(texts, prompt="", normalize_embeddings=True)
    assert (np.abs(vectors - other).max() > 1e-3) == bool(trained.encoder.prefixes[side])


def test_transformers_gives_the_same_vectors(trained, texts):
    encoder = trained.encoder
    model = AutoModel.from_pretrained(trained.folder).eval()
    if trained.family in HALVES:
        model = model.encoder  # AutoModel makes up a decoder, which is not needed
    pooled = []
    with torch.no_grad():
        for ids in encoder.tokenize(texts, "passage"):
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            pooled.append(hidden[0] if encoder.pooling == "cls" else hidden.mean(0))
        vectors = torch.stack(pooled)
        if encoder.dense is not None:
            vectors = encoder.dense.cpu()(vectors)
        vectors = torch.nn.functional.normalize(vectors, dim=-1)
    assert np.abs(vectors.numpy() - encoder.encode(texts, "passage")).max() < 1e-5


@pytest.mark.parametrize("family", ["labse", "e5"])
def test_a_folder_of_sentence_transformers_is_used_as_the_library_uses_it(family, families, texts):
    encoder = DualEncoder.load(families[family], query_prefix="", passage_prefix="")
    expected = by_sentence_transformers(families[family], texts, prompt="")
    assert np.abs(encoder.encode(texts, "query") - expected).max() < 1e-5


def test_a_projection_is_trained_saved_and_read_by_the_real_library(
    families, fact_pairs, corpus, texts, tmp_path
):
    encoder = DualEncoder.load(families["mbert"], projection=12)
    before = encoder.dense[0].weight.detach().clone()
    train(params(), encoder, fact_pairs, corpus, tmp_path)
    assert not torch.equal(encoder.dense[0].weight, before)
    vectors = encoder.encode(texts, "query")
    for projection in (None, 12):
        loaded = DualEncoder.load(tmp_path / "model", projection=projection)
        assert np.allclose(loaded.encode(texts, "query"), vectors, atol=1e-6)
    expected = by_sentence_transformers(tmp_path / "model", texts, prompt_name="query")
    assert np.abs(vectors - expected).max() < 1e-5


# --------------------------------------------------------------- dropout, freezing and precision


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_set_in_every_family(family, families):
    encoder = DualEncoder.load(families[family], dropout=0.25)
    dropouts = [module for module in encoder.modules() if isinstance(module, torch.nn.Dropout)]
    assert {module.p for module in dropouts} == {0.25}


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_parts_stay_as_they_are(family, families, fact_pairs, corpus, tmp_path):
    encoder = DualEncoder.load(families[family], dropout=0.0)
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    options = params(freeze_embeddings=True, freeze_layers=1, weight_decay=0.5)
    train(options, encoder, fact_pairs, corpus, tmp_path)
    after = encoder.state_dict()
    same = {name for name in before if torch.equal(after[name], before[name])}
    marks = ("embeddings.", "layer.0.", "layers.0.")
    if family in HALVES:
        marks = ("shared", "embed_tokens", "block.0.")
    assert same == {name for name in before if any(mark in name for mark in marks)}
    assert len(same) < len(before)


def test_training_mt5_in_fp16_is_refused(families, fact_pairs, corpus, tmp_path):
    encoder = DualEncoder.load(families["mt5"])
    with pytest.raises(InputError, match="overflows to NaN in fp16"):
        train(params(precision="fp16"), encoder, fact_pairs, corpus, tmp_path)


def test_bf16_trains_mt5(families, fact_pairs, corpus, tmp_path):
    encoder = DualEncoder.load(families["mt5"])
    log = train(params(precision="bf16"), encoder, fact_pairs, corpus, tmp_path)
    assert np.isfinite(log["loss"][1:].astype(float)).all()
