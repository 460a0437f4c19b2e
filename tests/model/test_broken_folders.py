"""Folders of which a part is missing, cut, foreign or malformed: one error, and no vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from st_folders import (
    TRANSFORMER,
    both,
    holds,
    moves,
    read,
    removes,
    replaces,
    sets,
    weights,
    write,
)
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
)

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
WORDS = "embeddings.word_embeddings.weight"
QUERY = "encoder.layer.0.attention.self.query.weight"
INDEX = "model.safetensors.index.json"


def without(*names: str):
    """Return a change that removes tensors."""

    def change(tensors: dict[str, Any]) -> None:
        for name in names:
            del tensors[name]

    return weights(change)


def fills(value: float, *names: str):
    """Return a change that sets tensors to a value; no names: all of them."""

    def change(tensors: dict[str, Any]) -> None:
        for name in names or list(tensors):
            tensors[name] = torch.full_like(tensors[name], value)

    return weights(change)


def one_number(tensors: dict[str, Any]) -> None:
    """Make one of many numbers infinite."""
    tensors[QUERY][0, 0] = float("inf")


def prefixed(tensors: dict[str, Any]) -> None:
    """Name the tensors as torch's DataParallel does."""
    for name in list(tensors):
        tensors[f"module.{name}"] = tensors.pop(name)


def cut(file: str, size: int):
    """Return a change that keeps the first bytes of a file."""

    def change(folder: Path) -> None:
        (folder / file).write_bytes((folder / file).read_bytes()[:size])

    return change


def grown(folder: Path) -> None:
    """Add a token beyond the embeddings."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<beyond>"])
    tokenizer.save_pretrained(folder)


def sharded(folder: Path, lost: bool) -> None:
    """Split the weights into two files, of which one may be lost."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"model-00001-of-00002.safetensors": names[:9]}
    shards["model-00002-of-00002.safetensors"] = names[9:]
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
    places = {name: file for file, part in shards.items() for name in part}
    write(folder / INDEX, {"metadata": {}, "weight_map": places})
    if lost:
        (folder / "model-00002-of-00002.safetensors").unlink()


BROKEN = {
    # Weights that are not there.
    "a tensor is missing": (without(QUERY), rf"missing are {QUERY}"),
    "a prefix before every name": (
        weights(prefixed),
        r"missing are .*; without a use are module\.",
    ),
    "more layers in the config": (
        sets("config.json", num_hidden_layers=4),
        r"missing are encoder\.layer\.2.* and \d+ more",
    ),
    "fewer layers in the config": (
        sets("config.json", num_hidden_layers=1),
        r"without a use are encoder\.layer\.1.* and \d+ more",
    ),
    "another width in the config": (
        sets("config.json", intermediate_size=80),
        r"of another shape are encoder.* \[64, 32\] \(the config has \[80, 32\]\)",
    ),
    "layers without number in the config": (
        sets("config.json", num_hidden_layers=10**9),
        "says 1000000000 layers, and the weights are 39 tensors",
    ),
    "a model in the config that no memory holds": (
        sets("config.json", intermediate_size=10**9),
        "describes a model of .* weights, and the files have",
    ),
    "whole numbers for weights": (
        weights(lambda tensors: tensors.update({QUERY: (100 * tensors[QUERY]).to(torch.int8)})),
        f"not floating-point numbers.*: {QUERY}; ",
    ),
    "two tensors for one weight": (
        weights(lambda tensors: tensors.update({f"bert.{QUERY}": tensors[QUERY] + 1})),
        f"stand twice, with and without 'bert.' before their names: {QUERY}$",
    ),
    "a shard in another folder": (
        both(
            lambda folder: sharded(folder, lost=False),
            replaces(INDEX, {"weight_map": {QUERY: "../model-00001-of-00002.safetensors"}}),
        ),
        "names the file '../model-00001-of-00002.safetensors', which is not beside it",
    ),
    "a model that could not be saved": (
        sets("config.json", output_attentions=True),
        "config.json: .*output_attentions",
    ),
    "another vocabulary in the config": (sets("config.json", vocab_size=600), WORDS),
    "fewer positions in the config": (
        sets("config.json", max_position_embeddings=64),
        r"position_embeddings.weight \[96, 32\] \(the config has \[64, 32\]\)",
    ),
    "another family in the config": (
        sets("config.json", model_type="distilbert"),
        "the weights are not those of the distilbert model",
    ),
    "not a number": (fills(float("nan"), QUERY), rf"not finite numbers: {QUERY}"),
    "one infinite number": (weights(one_number), rf"not finite numbers: {QUERY}"),
    "all zero": (fills(0.0), r"all zero: .* and \d+ more"),
    "a matrix of zeros": (fills(0.0, QUERY), rf"all zero: {QUERY}$"),
    "zero norms": (
        fills(0.0, "encoder.layer.1.output.LayerNorm.weight"),
        "gives every text the same vector",
    ),
    "zero dense layer": (
        lambda folder: save_file(
            {"linear.weight": torch.zeros(24, 32), "linear.bias": torch.ones(24)},
            folder / "2_Dense" / "model.safetensors",
        ),
        "2_Dense/model.safetensors: weights that are all zero",
    ),
    "a dense layer that is not a number": (
        weights(
            lambda tensors: tensors["linear.bias"].fill_(torch.nan), "2_Dense/model.safetensors"
        ),
        "2_Dense/model.safetensors: weights that are not finite numbers: bias",
    ),
    # Files that were not fetched, or not as a whole.
    "cut weights": (cut("model.safetensors", 20_000), "model.safetensors: damaged"),
    "cut header": (cut("model.safetensors", 100), "model.safetensors: damaged"),
    "empty weights": (holds("model.safetensors", ""), "model.safetensors: damaged"),
    "cut dense weights": (cut("2_Dense/model.safetensors", 90), "2_Dense.*safetensors: damaged"),
    "a page instead of weights": (holds("model.safetensors", "<html>Not found</html>"), "damaged"),
    **{
        f"pointer for {file}": (holds(file, POINTER), rf"{file}: a pointer of Git LFS")
        for file in (
            "model.safetensors",
            "2_Dense/model.safetensors",
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "modules.json",
            TRANSFORMER,
        )
    },
    "a shard is lost": (lambda folder: sharded(folder, lost=True), "names the file .*00002"),
    "a tensor that no shard has": (
        both(
            lambda folder: sharded(folder, lost=False),
            lambda folder: write(
                folder / INDEX,
                {
                    "metadata": {},
                    "weight_map": {
                        name: file
                        for name, file in read(folder / INDEX)["weight_map"].items()
                        if file.startswith("model-00001")
                    },
                },
            ),
        ),
        "missing are ",
    ),
    "an index that is no index": (
        both(lambda folder: sharded(folder, lost=False), replaces(INDEX, [])),
        "has no weight_map",
    ),
    "a link to nothing": (
        both(
            removes("modules.json"),
            lambda folder: (folder / "modules.json").symlink_to(folder / "nothing"),
        ),
        "modules.json: is not a file",
    ),
    "tokenizer that is a link to nothing": (
        both(
            removes("tokenizer.json"),
            lambda folder: (folder / "tokenizer.json").symlink_to(folder / "nothing"),
        ),
        "tokenizer.json: cannot be read",
    ),
    # Files of another kind than their name says.
    "config that is a list": (replaces("config.json", []), "config.json: is not a JSON object"),
    "config that is empty": (holds("config.json", ""), "config.json: is not read as JSON"),
    "config without a family": (sets("config.json", "model_type"), "cannot be loaded"),
    "config with a text for a number": (
        sets("config.json", num_hidden_layers="2"),
        "cannot be loaded",
    ),
    "config with heads that do not fit": (
        sets("config.json", num_attention_heads=5),
        "cannot be loaded",
    ),
    "a key that stands twice": (
        holds(TRANSFORMER, '{"max_seq_length": 48, "max_seq_length": 9}'),
        "the key 'max_seq_length' stands twice",
    ),
    "modules.json that is no list": (replaces("modules.json", {}), "is not a list of modules"),
    "modules.json that is empty": (replaces("modules.json", []), "is not a list of modules"),
    "modules.json that is null": (replaces("modules.json", None), "is not a list of modules"),
    "modules.json of names": (replaces("modules.json", ["Transformer"]), "entry 0: "),
    "a module without a type": (
        replaces("modules.json", [{"idx": 0, "name": "0", "path": ""}]),
        "entry 0: the key 'type' is missing",
    ),
    "a module with a number for a type": (
        replaces("modules.json", [{"idx": 0, "name": "0", "path": "", "type": 1}]),
        "entry 0: type 1 is not supported",
    ),
    "not UTF-8": (holds("modules.json", b"[\xff]"), "modules.json: is not read as JSON"),
    "a folder for a file": (
        both(removes("modules.json"), lambda folder: (folder / "modules.json").mkdir()),
        "modules.json: is not a file",
    ),
    "transformer file that is a list": (replaces(TRANSFORMER, [1]), f"{TRANSFORMER}: content"),
    "pooling file that is a text": (replaces("1_Pooling/config.json", "mean"), "content 'mean'"),
    "tokenizer that is a list": (replaces("tokenizer.json", []), "cannot be loaded"),
    "tokenizer beyond the embeddings": (
        grown,
        "token '<beyond>' with number 500, and the model has embeddings for 500",
    ),
    "quantised weights": (
        sets("config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
        r"has quantised weights \(quantization_config\)",
    ),
    "unknown quantisation": (
        sets("config.json", quantization_config={"quant_method": "nonesuch"}),
        "has quantised weights",
    ),
    # Lengths.
    "length as a text": (sets(TRANSFORMER, max_seq_length="128"), "max_seq_length '128' is not"),
    "length of zero": (sets(TRANSFORMER, max_seq_length=0), "max_seq_length 0 is not supported"),
    "length below zero": (sets(TRANSFORMER, max_seq_length=-1), "max_seq_length -1 is not"),
    "length with a fraction": (sets(TRANSFORMER, max_seq_length=4.5), "max_seq_length 4.5 is not"),
    "length of the special tokens": (
        sets(TRANSFORMER, max_seq_length=2),
        "keeps 2 tokens of each text, and 2 of them are special",
    ),
    "length of the prefix": (
        sets(TRANSFORMER, max_seq_length=4),
        "keeps 4 tokens of each text, and the prefix 'ask: ' of a query fills them",
    ),
    "length of the tokenizer as a text": (
        both(removes(TRANSFORMER), sets("tokenizer_config.json", model_max_length="80")),
        "model_max_length of its tokenizer is '80'",
    ),
    "length of the tokenizer below zero": (
        both(removes(TRANSFORMER), sets("tokenizer_config.json", model_max_length=-1)),
        "model_max_length of its tokenizer is -1",
    ),
    "no config": (removes("config.json"), "no config.json: not a transformers folder"),
    "a transformer elsewhere": (
        moves("config.json", "elsewhere/config.json"),
        "no config.json: not a transformers folder",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_folder_is_one_error(kind, st_folder):
    change, message = BROKEN[kind]
    change(st_folder)
    with pytest.raises(InputError, match=message) as error:
        DualEncoder.load(st_folder)
    assert str(st_folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def config() -> BertConfig:
    """A tiny BERT."""
    return BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=600,
        pad_token_id=1,
    )


@pytest.fixture
def plain(tiny_encoder, tmp_path) -> Path:
    """A folder with a tokenizer, for a model."""
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("model", [BertModel, BertForMaskedLM, BertForPreTraining])
def test_the_heads_of_pretraining_are_not_needed(model, config, plain):
    model(config).save_pretrained(plain)
    assert DualEncoder.load(plain).dimension == 16


@pytest.mark.parametrize("model", [BertForSequenceClassification, BertForTokenClassification])
def test_a_cross_encoder_is_not_an_encoder(model, config, plain):
    model(config).save_pretrained(plain)
    message = r"without a use are classifier\.bias, classifier\.weight"
    with pytest.raises(InputError, match=message):
        DualEncoder.load(plain)


def test_weights_of_another_family(config, plain):
    """Their names are different, so that none would be loaded."""
    other = DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=16, vocab_size=600)
    DistilBertModel(other).save_pretrained(plain)
    config.save_pretrained(plain)
    with pytest.raises(InputError, match=r"missing are .*; without a use are "):
        DualEncoder.load(plain)


def test_a_folder_in_shards_is_read(st_folder):
    whole = DualEncoder.load(st_folder).encode(["a text"], "query")
    sharded(st_folder, lost=False)
    assert (DualEncoder.load(st_folder).encode(["a text"], "query") == whole).all()


def test_a_pooler_may_be_missing(st_folder):
    expected = DualEncoder.load(st_folder).encode(["a text"], "query")
    without("pooler.dense.weight", "pooler.dense.bias")(st_folder)
    assert (DualEncoder.load(st_folder).encode(["a text"], "query") == expected).all()


def test_a_sentinel_beyond_the_embeddings_may_not_stand_in_a_text(st_folder):
    """mT5's tokenizer can have a hundred of them; no text has any."""
    tokenizer = AutoTokenizer.from_pretrained(st_folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_id_0>"]})
    tokenizer.save_pretrained(st_folder)
    encoder = DualEncoder.load(st_folder)
    assert encoder.encode(["a text"], "query").shape == (1, 24)
    with pytest.raises(InputError, match="a text has the token <extra_id_0>, for which the model"):
        encoder.encode(["a <extra_id_0> text"], "query")


def test_a_change_of_the_config_must_be_known(tiny_encoder):
    with pytest.raises(InputError, match="the config of bert has no hidden_dropuot_prob"):
        DualEncoder.load(tiny_encoder, hidden_dropuot_prob=0.1)


@pytest.mark.parametrize(("length", "message"), [(2, "are special tokens"), (0, "are special")])
def test_a_length_that_leaves_nothing_of_a_text(length, message, tiny_encoder):
    with pytest.raises(InputError, match=message):
        DualEncoder.load(tiny_encoder, max_length=length)
