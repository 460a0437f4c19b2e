"""The size of an encoder, by its config alone: folders, and repositories of a stand-in hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hub_toy import serve
from st_folders import moves, read, write

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.size import Size, encoder_size
from hybridlib.model.source import HubUnreachable

HUB_ID = "some-owner/some-encoder"


@pytest.fixture
def hub(st_base, monkeypatch, tmp_path):
    """The stand-in hub with an encoder of 500 tokens; gives the paths that are fetched."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve(st_base, HUB_ID) as (address, fetched):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        pattern = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        yield fetched


def test_the_size_is_that_of_the_loaded_encoder(st_folder):
    backbone = DualEncoder.load(st_folder).backbone
    total = sum(weight.numel() for weight in backbone.parameters())
    layers = sum(weight.numel() for weight in backbone.encoder.parameters()) + 2 * 32
    # Two layers; each has four matrices of 32 x 32 and two of 32 x 64.
    expected = Size(layers, total, 32, 2, 2 * (4 * 64 + 2 * 96))
    assert encoder_size(str(st_folder)) == expected
    for file in ("model.safetensors", "tokenizer.json", "1_Pooling/config.json"):
        (st_folder / file).unlink()
    modules = read(st_folder / "modules.json")
    modules[0]["path"] = "0_Transformer"
    write(st_folder / "modules.json", modules)
    moves("config.json", "0_Transformer/config.json")(st_folder)
    assert encoder_size(str(st_folder)) == expected


def test_of_the_hub_two_small_files_are_fetched_once(hub, st_base):
    for _ in range(2):
        assert encoder_size(HUB_ID) == encoder_size(str(st_base))
        assert hub == ["modules.json", "config.json"]


def test_a_name_that_the_hub_has_not_is_an_error(hub):
    with pytest.raises(InputError, match="nobody/nothing: no folder here, and the hub has none"):
        encoder_size("nobody/nothing")


def test_without_a_network_the_cache_is_read(hub, st_base, monkeypatch, tmp_path):
    encoder_size(HUB_ID)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert encoder_size(HUB_ID) == encoder_size(str(st_base))
    with pytest.raises(HubUnreachable, match="some-owner/another: "):
        encoder_size("some-owner/another")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"hidden_size": 32}, "config.json: .*model_type"),
        ({"model_type": "bart"}, "bart has a decoder too"),
        ({"model_type": "bert", "quantization_config": {}}, "has quantised weights"),
        ([], "is not a JSON object"),
    ],
)
def test_a_config_of_no_encoder_is_refused(content, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as error:
        encoder_size(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_folder_without_a_config_is_refused(st_folder):
    shutil.rmtree(st_folder)
    Path(st_folder).mkdir()
    with pytest.raises(InputError, match=r"no config\.json: not a transformers encoder"):
        encoder_size(str(st_folder))
