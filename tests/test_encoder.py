"""The dual encoder: vectors, what it keeps on disk, and what a folder that cannot be loaded is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertModel

from hybridlib.errors import InputError
from hybridlib.model.built_in import make_encoder, make_tokenizer
from hybridlib.model.encoder import PAPER_PREFIXES, DualEncoder, micro_batches


@pytest.fixture(scope="module")
def encoder(tiny_encoder) -> DualEncoder:
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(scope="module")
def texts(fact_pairs) -> list[str]:
    """Texts of one word to some hundred, not in order of length."""
    passages = fact_pairs["passage"].tolist()[:60]
    return [
        "yen",
        *passages[:30],
        " ".join(passages[:8]),
        *passages[30:],
        "Deutsch",
        " ".join(passages[8:20]),
    ]


def distinct(vectors: np.ndarray) -> bool:
    return len(np.unique(vectors.round(4), axis=0)) > 1


# ---------------------------------------------------------------------------------------------------------- vectors


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_do_not_depend_on_the_batch(pooling, tiny_encoder, texts):
    encoder = DualEncoder.load(tiny_encoder, pooling=pooling)
    alone = np.concatenate([encoder.encode([text], "passage") for text in texts])
    for budget in (1, 100, 700, 100_000):
        assert np.allclose(encoder.encode(texts, "passage", budget), alone, atol=1e-5)
    assert distinct(alone)


def test_vectors_come_in_the_order_of_the_texts(encoder, texts, rng):
    vectors = encoder.encode(texts, "query")
    order = rng.permutation(len(texts))
    assert np.allclose(
        encoder.encode([texts[row] for row in order], "query", 150), vectors[order], atol=1e-5
    )


def test_equal_texts_have_equal_vectors(encoder, texts, rng):
    """To the bit, wherever they stand: else duplicates would not tie."""
    many = [texts[row] for row in rng.integers(0, len(texts), 300)]
    vectors = encoder.encode(many, "passage", 200)
    for text in set(many):
        rows = [row for row, other in enumerate(many) if other == text]
        assert (vectors[rows] == vectors[rows[0]]).all()


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode([], "query").shape == (0, 32)


def test_vectors_have_unit_length(encoder, texts):
    vectors = encoder.encode(texts, "passage")
    assert (
        vectors.shape == (len(texts), encoder.dimension) == (len(texts), 32)
        and vectors.dtype == np.float32
    )
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_forward_gives_the_vectors_of_encode_and_a_gradient(encoder, texts):
    ids = encoder.tokenize(texts, "query")
    encoder.eval()
    for budget in (64, 8192):
        assert np.allclose(
            encoder(ids, budget).detach().numpy(), encoder.encode(texts, "query"), atol=1e-5
        )
    encoder.zero_grad()
    encoder(ids, 64)[:, 0].sum().backward()
    assert encoder.backbone.get_input_embeddings().weight.grad.abs().max() > 0
    encoder.zero_grad()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_by_hand(pooling, tiny_encoder, texts):
    encoder = DualEncoder.load(tiny_encoder, pooling=pooling)
    tokenizer, backbone = (
        AutoTokenizer.from_pretrained(tiny_encoder),
        AutoModel.from_pretrained(tiny_encoder).eval(),
    )
    vectors = encoder.encode(texts, "passage", 400)
    for text, vector in zip(texts, vectors):
        ids = tokenizer("Passage: " + text, truncation=True, max_length=64, return_tensors="pt")[
            "input_ids"
        ]  # 64: as the folder says
        with torch.no_grad():
            hidden = backbone(input_ids=ids).last_hidden_state[0].numpy()
        pooled = hidden[0] if pooling == "cls" else hidden.mean(0)
        assert np.allclose(vector, pooled / np.linalg.norm(pooled), atol=1e-5)


def test_prefixes_stand_before_the_texts(tiny_encoder, encoder, texts):
    bare = DualEncoder.load(tiny_encoder, query_prefix="", passage_prefix="")
    for side, prefix in PAPER_PREFIXES.items():
        assert encoder.tokenize(texts, side) == bare.tokenize(
            [prefix + text for text in texts], side
        )
        assert np.allclose(
            encoder.encode(texts, side),
            bare.encode([prefix + text for text in texts], side),
            atol=1e-5,
        )
    assert np.allclose(bare.encode(texts, "query"), bare.encode(texts, "passage"), atol=1e-6)
    assert not np.allclose(
        encoder.encode(texts, "query"), encoder.encode(texts, "passage"), atol=1e-3
    )


def test_long_texts_are_cut_at_max_length(tiny_encoder, texts):
    short = DualEncoder.load(tiny_encoder, max_length=12)
    ids, full = (
        short.tokenize(texts, "query"),
        DualEncoder.load(tiny_encoder).tokenize(texts, "query"),
    )
    assert max(map(len, ids)) == 12 < max(map(len, full)) <= 64
    end = short.tokenizer.sep_token_id
    assert all(
        cut == (whole if len(whole) <= 12 else [*whole[:11], end]) for cut, whole in zip(ids, full)
    )


def test_encoding_leaves_the_mode_as_it_was(encoder, texts):
    """In training mode too the vectors are those without dropout."""
    vectors = encoder.eval().encode(texts[:5], "query")
    assert not encoder.training
    assert (
        np.allclose(encoder.train().encode(texts[:5], "query"), vectors, atol=1e-6)
        and encoder.training
    )
    encoder.eval()


# ----------------------------------------------------------------------------------------------------- micro-batches


@pytest.mark.parametrize("budget", [1, 16, 64, 300, 10_000])
def test_micro_batches_hold_every_row_once_within_the_budget(budget, rng):
    lengths = rng.integers(1, 60, 200).tolist()
    batches = micro_batches(lengths, budget)
    assert sorted(np.concatenate(batches)) == list(range(200))
    longest = [max(lengths[row] for row in rows) for rows in batches]
    assert all(len(rows) == 1 or len(rows) * most <= budget for rows, most in zip(batches, longest))
    assert longest == sorted(longest, reverse=True)
    for rows, following in zip(
        batches, batches[1:]
    ):  # one more would have broken the budget, or made a twentieth of it padding
        used, most = sum(lengths[row] for row in rows), lengths[rows[0]]
        padded = len(rows) >= 16 and used + lengths[following[0]] < 0.95 * (len(rows) + 1) * most
        assert (len(rows) + 1) * most > budget or padded
        assert len(rows) <= 16 or used >= 0.95 * len(rows) * most
        assert min(lengths[row] for row in rows) >= max(lengths[row] for row in following)


# -------------------------------------------------------------------------------------------------- save and load


@pytest.mark.parametrize(
    ("pooling", "prefixes"),
    [
        ("cls", {"query": "query: ", "passage": ""}),
        ("mean", {"query": "Frage: ", "passage": "คำตอบ "}),
    ],
)
def test_a_saved_encoder_says_how_it_wants_to_be_used(
    pooling, prefixes, tiny_encoder, texts, tmp_path
):
    original = DualEncoder.load(tiny_encoder, pooling, prefixes["query"], prefixes["passage"])
    original.save(tmp_path / "model")
    loaded = DualEncoder.load(tmp_path / "model")
    assert (loaded.pooling, loaded.prefixes) == (pooling, prefixes)
    for side in ("query", "passage"):
        assert np.array_equal(loaded.encode(texts, side), original.encode(texts, side))
    overruled = DualEncoder.load(tmp_path / "model", pooling="mean", query_prefix="Q ")
    assert (overruled.pooling, overruled.prefixes) == (
        "mean",
        {"query": "Q ", "passage": prefixes["passage"]},
    )


def test_a_plain_transformers_folder_is_pooled_by_mean_with_the_prefixes_of_the_paper(
    tiny_encoder, tmp_path
):
    encoder = DualEncoder.load(tiny_encoder)
    encoder.backbone.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    loaded = DualEncoder.load(tmp_path)
    assert (loaded.pooling, loaded.prefixes) == ("mean", PAPER_PREFIXES)


def test_the_folder_is_one_of_transformers_and_of_sentence_transformers(tiny_encoder):
    model, tokenizer = (
        AutoModel.from_pretrained(tiny_encoder),
        AutoTokenizer.from_pretrained(tiny_encoder),
    )
    assert (
        isinstance(model, BertModel)
        and model.config.hidden_size == 32
        and len(tokenizer) == model.config.vocab_size
    )
    modules = json.loads((tiny_encoder / "modules.json").read_text())
    assert [module["type"].split(".")[-1] for module in modules] == [
        "Transformer",
        "Pooling",
        "Normalize",
    ]
    assert all((tiny_encoder / module["path"]).is_dir() for module in modules)
    pooling = json.loads((tiny_encoder / "1_Pooling" / "config.json").read_text())
    assert (
        pooling["pooling_mode_mean_tokens"],
        pooling["pooling_mode_cls_token"],
        pooling["word_embedding_dimension"],
    ) == (True, False, 32)
    assert not list(tiny_encoder.glob("*.bin"))


def test_weights_are_loaded_in_single_precision(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "half")
    AutoModel.from_pretrained(tiny_encoder, dtype=torch.bfloat16).save_pretrained(tmp_path / "half")
    assert {parameter.dtype for parameter in DualEncoder.load(tmp_path / "half").parameters()} == {
        torch.float32
    }


def test_config_entries_can_be_overridden(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder, hidden_dropout_prob=0.25)
    assert {
        module.p for name, module in encoder.named_modules() if name.endswith("output.dropout")
    } == {0.25}


# ------------------------------------------------------------------------------------- encoders that cannot be loaded


@pytest.fixture
def broken(tiny_encoder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_encoder, tmp_path / "broken"))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "no config.json: not a transformers folder"),
        ("model.safetensors", r"no weights \(\*.safetensors\)"),
    ],
)
def test_a_folder_that_lacks_a_file(file, message, broken):
    (broken / file).unlink()
    with pytest.raises(InputError, match=message) as error:
        DualEncoder.load(broken)
    assert str(broken) in str(error.value)


def test_pickled_weights_are_not_loaded(broken):
    (broken / "model.safetensors").unlink()
    torch.save({}, broken / "pytorch_model.bin")
    with pytest.raises(InputError, match="no weights"):
        DualEncoder.load(broken)


def test_a_folder_without_a_tokenizer(broken):
    for file in broken.glob("*token*"):
        file.unlink()
    with pytest.raises(InputError, match="no tokenizer; save"):
        DualEncoder.load(broken)


def test_an_unknown_architecture(broken):
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "model_type": "nonesuch"}))
    with pytest.raises(InputError, match="cannot be loaded as a transformers encoder.*nonesuch"):
        DualEncoder.load(broken)


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "~/model", "outputs/study/model"])
def test_a_path_that_is_not_there(name):
    with pytest.raises(InputError, match="no such folder; give a transformers folder or a hub id"):
        DualEncoder.load(name)


def test_a_file_is_no_folder(tiny_encoder):
    with pytest.raises(InputError, match="no such folder"):
        DualEncoder.load(tiny_encoder / "config.json")


@pytest.mark.parametrize(
    "name",
    [
        "some-owner/some-encoder",
        "some-owner/some-encoder-v1.5",
        "some-owner/some-encoder@v1.0",
        "some-encoder",
    ],
)
def test_a_hub_id_without_a_network_says_what_to_do(name, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as error:
        DualEncoder.load(name)
    hub_id = name.partition("@")[0]
    assert str(error.value).startswith(
        f"{hub_id}: neither a folder here nor to be had from the hub"
    )
    assert f"hf download {hub_id} --local-dir FOLDER" in str(
        error.value
    ) and "give its path instead" in str(error.value)


# --------------------------------------------------------------------------------------------- made from scratch


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return DualEncoder.load(folder).state_dict()


def test_make_encoder_depends_on_its_seed_alone(tiny_encoder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    shape = dict(hidden_size=32, layers=1, attention_heads=2, max_length=64)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    make_encoder(tokenizer, tmp_path / "again", 0, **shape)
    make_encoder(tokenizer, tmp_path / "other", 1, **shape)
    assert torch.equal(torch.get_rng_state(), state)  # what is drawn afterwards is not disturbed
    first, again, other = (
        weights(tiny_encoder),
        weights(tmp_path / "again"),
        weights(tmp_path / "other"),
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_make_encoder_has_the_shape_asked_for(tiny_encoder, tmp_path):
    make_encoder(
        AutoTokenizer.from_pretrained(tiny_encoder),
        tmp_path,
        0,
        hidden_size=48,
        layers=3,
        attention_heads=4,
        max_length=600,
    )
    config = AutoModel.from_pretrained(tmp_path).config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (48, 3, 4)
    encoder = DualEncoder.load(tmp_path, max_length=600)
    assert encoder.encode(["long " * 1000], "query").shape == (1, 48)


def test_make_tokenizer_does_not_depend_on_the_order_of_the_texts(fact_pairs, rng):
    texts = [*fact_pairs["question"], *fact_pairs["passage"]]
    one, other = (
        make_tokenizer(texts, 600),
        make_tokenizer([texts[row] for row in rng.permutation(len(texts))], 600),
    )
    assert one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str()
    assert one(texts)["input_ids"] == other(texts)["input_ids"]


def test_make_tokenizer_knows_its_texts(fact_pairs):
    texts = [*fact_pairs["question"], *fact_pairs["passage"]]
    tokenizer = make_tokenizer(texts, 600)
    ids = tokenizer(texts)["input_ids"]
    assert len(tokenizer) <= 600
    assert not any(tokenizer.unk_token_id in row for row in ids)
    assert {row[0] for row in ids} == {tokenizer.cls_token_id} and {row[-1] for row in ids} == {
        tokenizer.sep_token_id
    }
    assert len({tuple(row) for row in ids}) == len({text.lower() for text in texts})
