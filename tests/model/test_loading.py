"""Encoders that cannot be loaded, and what is set while one is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BartConfig, BartModel

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

WIDTH = 32  # of the families


@pytest.fixture
def broken(tiny_encoder, tmp_path) -> Path:
    """A copy of the tiny encoder, for a test to break."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "broken"))


def change_json(file: Path, **changes: object) -> None:
    """Set entries of a JSON file; None removes one."""
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "no config.json: not a transformers folder"),
        ("model.safetensors", r"no weights \(model.safetensors"),
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


def test_a_tokenizer_without_padding_is_refused(broken):
    change_json(broken / "tokenizer_config.json", pad_token=None)
    with pytest.raises(InputError, match="its tokenizer has no pad_token"):
        DualEncoder.load(broken)


def test_an_unknown_architecture(broken):
    change_json(broken / "config.json", model_type="nonesuch")
    with pytest.raises(InputError, match=r"cannot be loaded as a transformers encoder.*nonesuch"):
        DualEncoder.load(broken)


def test_models_with_a_decoder_are_refused(broken):
    config = BartConfig(
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        vocab_size=500,
    )
    BartModel(config).save_pretrained(broken)
    message = r"bart has a decoder too; .* only the encoder halves of t5, mt5, umt5"
    with pytest.raises(InputError, match=message):
        DualEncoder.load(broken)


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "~/model", "outputs/study/model"])
def test_a_path_that_does_not_exist(name):
    with pytest.raises(InputError, match="no such folder; give a transformers folder or a hub id"):
        DualEncoder.load(name)


def test_a_file_is_no_folder(tiny_encoder):
    with pytest.raises(InputError, match="no such folder"):
        DualEncoder.load(tiny_encoder / "config.json")


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "@main", "some-owner/some-encoder@", "C:\\models\\e5", "a" * 5000]
)
def test_a_name_that_is_neither_a_folder_nor_of_the_hub(name):
    with pytest.raises(InputError, match=r"no such folder|cannot be read") as error:
        DualEncoder.load(name)
    assert "\n" not in str(error.value)


def test_a_home_folder_is_read(tiny_encoder, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_encoder.parent))
    assert DualEncoder.load(f"~/{tiny_encoder.name}").source["encoder"] == tiny_encoder.name


def test_a_plain_folder_keeps_no_more_tokens_than_its_tokenizer_says(tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "plain")
    for file in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / file).unlink(missing_ok=True)
    for module in folder.glob("[0-9]_*"):
        shutil.rmtree(module)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 60}))
    assert DualEncoder.load(folder).max_length == 60


@pytest.mark.parametrize(
    "name", ["some-owner/some-encoder-v1.5", "some-owner/some-encoder@v1.0", "some-encoder"]
)
def test_a_hub_id_without_a_network_says_what_to_do(name, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as error:
        DualEncoder.load(name)
    message = str(error.value)
    hub_id = name.partition("@")[0]
    assert message.startswith(f"{name}: neither a folder here nor to be had from the hub")
    option = " --revision v1.0" if "@" in name else ""
    assert f"hf download {hub_id}{option} --local-dir FOLDER" in message
    assert "give its path instead" in message


# -------------------------------------------------------------- length, dropout and a dense layer


def test_more_tokens_than_positions_are_refused(families):
    with pytest.raises(InputError, match=r"max_length \(65\): .* has 64 positions"):
        DualEncoder.load(families["xlm-r"], max_length=65)
    encoder = DualEncoder.load(families["xlm-r"], max_length=64)
    assert encoder.encode(["a long text " * 60], "query").shape == (1, WIDTH)


def test_dropout_needs_an_entry_in_the_config(broken, monkeypatch):
    monkeypatch.setattr("hybridlib.model.loading._DROPOUT_KEYS", ("nonesuch",))
    with pytest.raises(InputError, match=r"dropout: the config of .* has none of nonesuch"):
        DualEncoder.load(broken, dropout=0.1)


def test_a_projection_is_a_rotation_made_from_the_seed(families, texts):
    vectors = []
    for seed in (0, 0, 1):
        encoder = DualEncoder.load(families["mbert"], projection=12, seed=seed)
        vectors.append(encoder.encode(texts, "query"))
    first, same, other = vectors
    assert first.shape == (len(texts), 12)
    assert np.array_equal(first, same)
    assert not np.allclose(first, other)
    weight = encoder.dense[0].weight
    assert torch.allclose(weight @ weight.T, torch.eye(12), atol=1e-5)
    message = r"projection \(12\): .* has dense layers of its own, to a width of 24"
    with pytest.raises(InputError, match=message):
        DualEncoder.load(families["labse"], projection=12)
