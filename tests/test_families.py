"""Encoders of every family, tiny and random, in the hub's folder format: loaded, trained, saved, evaluated; and read by the real libraries."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import (
    AutoModel,
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    MT5Config,
    MT5EncoderModel,
    MT5ForConditionalGeneration,
    UMT5Config,
    UMT5EncoderModel,
    UMT5ForConditionalGeneration,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from hybridlib.config.params import Params
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation import metrics
from hybridlib.model.built_in import make_tokenizer
from hybridlib.model.encoder import DualEncoder, check_precision
from hybridlib.retrieval import rank
from hybridlib.training.loop import train

WIDTH, LAYERS = 32, 2
FAMILIES = ("mbert", "xlm-r", "mt5", "umt5", "labse", "e5", "distilbert", "modernbert")
HALVES = {"mt5": MT5EncoderModel, "umt5": UMT5EncoderModel}  # of models with a decoder


@pytest.fixture(scope="module")
def families(fact_pairs, tmp_path_factory) -> dict[str, Path]:
    """A folder for each family, written by the real libraries."""
    root, tokenizer = (
        tmp_path_factory.mktemp("families"),
        make_tokenizer([*fact_pairs["question"], *fact_pairs["passage"]], 500),
    )
    sizes = {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": len(tokenizer),
        "pad_token_id": 1,
    }
    t5 = {
        "d_model": WIDTH,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": LAYERS,
        "num_heads": 2,
        "vocab_size": len(tokenizer),
        "pad_token_id": 1,
        "decoder_start_token_id": 1,
    }
    torch.manual_seed(0)
    models = {
        "mbert": BertModel(BertConfig(**sizes)),
        "xlm-r": XLMRobertaModel(
            XLMRobertaConfig(**sizes, max_position_embeddings=66, type_vocab_size=1)
        ),
        "mt5": MT5ForConditionalGeneration(MT5Config(**t5)),
        "umt5": UMT5ForConditionalGeneration(UMT5Config(**t5)),
        "labse": BertModel(BertConfig(**sizes)),
        "e5": BertModel(BertConfig(**sizes)),
        "modernbert": ModernBertModel(
            ModernBertConfig(
                **sizes, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2
            )
        ),
        "distilbert": DistilBertModel(
            DistilBertConfig(
                dim=WIDTH,
                n_layers=LAYERS,
                n_heads=2,
                hidden_dim=64,
                vocab_size=len(tokenizer),
                pad_token_id=1,
            )
        ),
    }
    for name, model in models.items():
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    as_sentence_transformers(
        root / "labse",
        48,
        [Pooling(WIDTH, "cls"), Dense(WIDTH, 24, activation_function=torch.nn.Tanh()), Normalize()],
        {},
    )
    as_sentence_transformers(
        root / "e5",
        40,
        [Pooling(WIDTH, "mean"), Normalize()],
        {"query": "query: ", "passage": "passage: "},
    )
    return {name: root / name for name in models}


def as_sentence_transformers(
    folder: Path, length: int, modules: list, prompts: dict[str, str]
) -> None:
    """What sentence-transformers itself writes, in the place of the plain folder."""
    model = SentenceTransformer(
        modules=[Transformer(str(folder), max_seq_length=length), *modules],
        prompts=prompts,
        device="cpu",
    )
    model.save(str(folder) + "-st")
    shutil.rmtree(folder)
    Path(str(folder) + "-st").rename(folder)


@pytest.fixture(scope="module")
def texts(fact_pairs) -> list[str]:
    passages = fact_pairs["passage"].tolist()
    return [*passages[:20], " ".join(passages[:30])]  # the last is longer than any maximum


def params(**changes: object) -> Params:
    return Params(
        **{
            "strategy": "hybrid",
            "steps": 2,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "validate_every": 5,
            **changes,
        }
    )


def test_the_folders_say_how_they_want_to_be_used(families):
    found = {
        name: (
            e := DualEncoder.load(folder),
            e.pooling,
            e.max_length,
            e.dimension,
            e.prefixes["query"],
        )[1:]
        for name, folder in families.items()
    }
    assert found == {
        **dict.fromkeys(
            ("mbert", "distilbert", "modernbert", "mt5", "umt5"), ("mean", 128, WIDTH, "Query: ")
        ),
        "xlm-r": ("mean", 64, WIDTH, "Query: "),
        "labse": ("cls", 48, 24, ""),
        "e5": ("mean", 40, WIDTH, "query: "),
    }


def test_the_prompt_for_documents_is_that_of_passages(families, tmp_path):
    folder = Path(shutil.copytree(families["labse"], tmp_path / "prompts"))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "q: ", "document": "d: "}})
    )
    assert DualEncoder.load(folder).prefixes == {"query": "q: ", "passage": "d: "}


@pytest.mark.parametrize("name", HALVES)
def test_mt5_is_its_encoder_half(name, families):
    backbone = DualEncoder.load(families[name]).backbone
    assert isinstance(backbone, HALVES[name]) and not any(
        "decoder" in name for name, _ in backbone.named_parameters()
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_trains_saves_loads_and_evaluates(name, families, fact_pairs, texts, tmp_path):
    encoder, corpus = (
        DualEncoder.load(families[name]),
        corpus_from_pairs("facts", fact_pairs[fact_pairs["lang"] != "th"].iloc[:60]),
    )
    before = encoder.encode(texts, "query")
    train(params(freeze_embeddings=name == "e5"), encoder, fact_pairs, corpus, tmp_path)
    loaded = DualEncoder.load(tmp_path / "model")
    assert (loaded.pooling, loaded.prefixes, loaded.max_length, loaded.dimension) == (
        encoder.pooling,
        encoder.prefixes,
        encoder.max_length,
        encoder.dimension,
    )
    for side in ("query", "passage"):
        assert np.allclose(loaded.encode(texts, side), encoder.encode(texts, side), atol=1e-6)
    assert np.abs(loaded.encode(texts, "query") - before).max() > 1e-3
    ranking = rank.rank(*rank.encode_corpus(loaded, corpus, progress=False), corpus)
    assert 0 < metrics.summarise(ranking, corpus, 10)["settings"]["monolingual"]["map"] <= 1


@pytest.mark.parametrize("name", FAMILIES)
def test_sentence_transformers_and_transformers_give_the_same_vectors(
    name, families, fact_pairs, texts, tmp_path
):
    encoder = DualEncoder.load(families[name])
    train(params(), encoder, fact_pairs, corpus_from_pairs("facts", fact_pairs[:60]), tmp_path)
    other = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    for side in ("query", "passage"):
        assert (
            np.abs(
                other.encode(texts, prompt_name=side, normalize_embeddings=True)
                - encoder.encode(texts, side)
            ).max()
            < 1e-5
        )
    model, ids = (
        AutoModel.from_pretrained(tmp_path / "model").eval(),
        encoder.tokenize(texts, "passage"),
    )
    model = (
        model.encoder if name in HALVES else model
    )  # AutoModel makes up a decoder that nobody asks
    with torch.no_grad():
        hidden = [model(input_ids=torch.tensor([row])).last_hidden_state[0] for row in ids]
        pooled = torch.stack(
            [rows[0] if encoder.pooling == "cls" else rows.mean(0) for rows in hidden]
        )
        vectors = torch.nn.functional.normalize(
            pooled if encoder.dense is None else encoder.dense.cpu()(pooled), dim=-1
        )
    assert np.abs(vectors.numpy() - encoder.encode(texts, "passage")).max() < 1e-5


@pytest.mark.parametrize("name", ["labse", "e5"])
def test_what_sentence_transformers_wrote_is_used_as_it_uses_it(name, families, texts):
    other, encoder = (
        SentenceTransformer(str(families[name]), device="cpu"),
        DualEncoder.load(families[name], query_prefix="", passage_prefix=""),
    )
    assert (
        np.abs(
            other.encode(texts, normalize_embeddings=True, prompt="")
            - encoder.encode(texts, "query")
        ).max()
        < 1e-5
    )


def test_the_older_layout_is_read_as_well(families, texts, tmp_path):
    """LaBSE's files as they are published: older type names, one key for each pooling mode, max_seq_length."""
    folder = Path(shutil.copytree(families["labse"], tmp_path / "old"))
    kinds = [
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
        ("2_Dense", "Dense"),
        ("3_Normalize", "Normalize"),
    ]
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": i,
                    "name": str(i),
                    "path": path,
                    "type": f"sentence_transformers.models.{kind}",
                }
                for i, (path, kind) in enumerate(kinds)
            ]
        )
    )
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps(
            {
                "word_embedding_dimension": WIDTH,
                "pooling_mode_cls_token": True,
                "pooling_mode_mean_tokens": False,
                "pooling_mode_max_tokens": False,
            }
        )
    )
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 48, "do_lower_case": False})
    )
    assert np.array_equal(
        DualEncoder.load(folder).encode(texts, "query"),
        DualEncoder.load(families["labse"]).encode(texts, "query"),
    )


# ------------------------------------------------------------------------------------------------------ refusals


def test_fp16_is_refused_for_mt5(families, fact_pairs, tmp_path):
    encoder = DualEncoder.load(families["mt5"])
    with pytest.raises(
        InputError,
        match="mt5 was trained in bfloat16 and overflows to NaN in fp16; use bf16 or fp32",
    ):
        train(
            params(precision="fp16"),
            encoder,
            fact_pairs,
            corpus_from_pairs("facts", fact_pairs[:60]),
            tmp_path,
        )
    check_precision(encoder, "bf16")
    check_precision(DualEncoder.load(families["mbert"]), "fp16")


def test_bf16_trains_mt5(families, fact_pairs, tmp_path):
    log = train(
        params(precision="bf16"),
        DualEncoder.load(families["mt5"]),
        fact_pairs,
        corpus_from_pairs("facts", fact_pairs[:60]),
        tmp_path,
    )
    assert np.isfinite(log["loss"][1:].astype(float)).all()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "modules.json",
            lambda m: [
                *m,
                {
                    "idx": 4,
                    "name": "4",
                    "path": "4_LSTM",
                    "type": "sentence_transformers.models.LSTM",
                },
            ],
            "names a module .*LSTM.*supported are",
        ),
        (
            "1_Pooling/config.json",
            lambda c: {**c, "pooling_mode": "max"},
            "asks for pooling max; supported are mean and cls",
        ),
        ("1_Pooling/config.json", lambda c: {**c, "include_prompt": False}, "without the prompt"),
        (
            "2_Dense/config.json",
            lambda c: {**c, "activation_function": "torch.nn.modules.activation.Softplus"},
            "2_Dense has the activation .*Softplus",
        ),
    ],
)
def test_what_is_not_supported_is_said(file, change, message, families, tmp_path):
    folder = Path(shutil.copytree(families["labse"], tmp_path / "odd"))
    (folder / file).write_text(json.dumps(change(json.loads((folder / file).read_text()))))
    with pytest.raises(InputError, match=message):
        DualEncoder.load(folder)


def test_models_with_a_decoder_are_refused(families, tmp_path):
    folder = Path(shutil.copytree(families["mbert"], tmp_path / "bart"))
    BartModel(
        BartConfig(
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            vocab_size=500,
        )
    ).save_pretrained(folder)
    with pytest.raises(
        InputError, match="bart has a decoder too; .* only the encoder halves of t5, mt5, umt5"
    ):
        DualEncoder.load(folder)


def test_a_tokenizer_without_padding_is_refused(families, tmp_path):
    folder = Path(shutil.copytree(families["mbert"], tmp_path / "no-pad"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({key: value for key, value in config.items() if key != "pad_token"})
    )
    with pytest.raises(InputError, match="its tokenizer has no pad_token"):
        DualEncoder.load(folder)


def test_a_projection_from_params(families, fact_pairs, texts, tmp_path):
    """Where the folder has none: made from the seed, trained, saved, and read by the real library."""
    first, same, other = (
        DualEncoder.load(families["mbert"], projection=12, seed=seed).encode(texts, "query")
        for seed in (0, 0, 1)
    )
    assert (
        first.shape == (len(texts), 12)
        and np.array_equal(first, same)
        and not np.allclose(first, other)
    )
    encoder = DualEncoder.load(families["mbert"], projection=12)
    before = encoder.dense[0].weight.detach().clone()
    assert torch.allclose(before @ before.T, torch.eye(12), atol=1e-5)
    train(params(), encoder, fact_pairs, corpus_from_pairs("facts", fact_pairs[:60]), tmp_path)
    assert not torch.equal(encoder.dense[0].weight, before)
    for loaded in (
        DualEncoder.load(tmp_path / "model"),
        DualEncoder.load(tmp_path / "model", projection=12),
    ):
        assert np.allclose(loaded.encode(texts, "query"), encoder.encode(texts, "query"), atol=1e-6)
    other = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert (
        np.abs(
            other.encode(texts, prompt_name="query", normalize_embeddings=True)
            - encoder.encode(texts, "query")
        ).max()
        < 1e-5
    )
    with pytest.raises(
        InputError, match=r"projection \(12\): .* has dense layers of its own, to a width of 24"
    ):
        DualEncoder.load(families["labse"], projection=12)


def test_a_pickled_dense_layer_is_not_loaded(families, tmp_path):
    folder = Path(shutil.copytree(families["labse"], tmp_path / "pickled"))
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(
        InputError, match="2_Dense has no model.safetensors; pickled weights are not loaded"
    ):
        DualEncoder.load(folder)


def test_more_tokens_than_positions_are_refused(families):
    with pytest.raises(InputError, match=r"max_length \(65\): .* has 64 positions"):
        DualEncoder.load(families["xlm-r"], max_length=65)
    assert DualEncoder.load(families["xlm-r"], max_length=64).encode(
        ["a long text " * 60], "query"
    ).shape == (1, WIDTH)


# ---------------------------------------------------------------------------------------------- dropout, freezing


@pytest.mark.parametrize("name", FAMILIES)
def test_dropout_is_set_in_every_family(name, families):
    found = {
        module.p
        for module in DualEncoder.load(families[name], dropout=0.25).modules()
        if isinstance(module, torch.nn.Dropout)
    }
    assert found == {0.25}


@pytest.mark.parametrize("name", FAMILIES)
def test_frozen_parts_stay_as_they_are(name, families, fact_pairs, tmp_path):
    encoder = DualEncoder.load(families[name], dropout=0.0)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    train(
        params(freeze_embeddings=True, freeze_layers=1, weight_decay=0.5),
        encoder,
        fact_pairs,
        corpus_from_pairs("facts", fact_pairs[:60]),
        tmp_path,
    )
    same = {key for key, value in encoder.state_dict().items() if torch.equal(value, before[key])}
    marks = (
        ("shared", "embed_tokens", "block.0.")
        if name in HALVES
        else ("embeddings.", "layer.0.", "layers.0.")
    )
    assert same == {key for key in before if any(mark in key for mark in marks)} and len(
        same
    ) < len(before)


def test_what_is_frozen_is_said(families):
    encoder = DualEncoder.load(families["mbert"])
    assert encoder.freeze() is None
    assert encoder.freeze(embeddings=True, layers=1).startswith(
        "frozen: the embeddings and the first 1 of 2 layers, "
    )
    with pytest.raises(InputError, match=r"freeze_layers \(3\): the encoder has 2 layers"):
        encoder.freeze(layers=3)


def test_a_kill_while_saving_leaves_the_old_model(families, monkeypatch, tmp_path):
    encoder = DualEncoder.load(families["e5"])
    encoder.save(tmp_path / "model")
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(
            type(encoder.tokenizer),
            "save_pretrained",
            lambda *a, **k: (_ for _ in ()).throw(OSError("no space left")),
        )
        encoder.save(tmp_path / "model")
    assert DualEncoder.load(tmp_path / "model").max_length == 40
