"""Encoders of the hub: what its cache holds is the whole encoder, or an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hub_toy import COMMIT, files, serve
from huggingface_hub._tree_cache import TreeCacheEntry, write_tree_cache
from st_folders import TRANSFORMER

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

HUB_ID = "some-owner/some-encoder"


@pytest.fixture
def cache(st_base, monkeypatch, tmp_path) -> Path:
    """The hub's cache without a network: a whole encoder, without a list of its files."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--some-owner--some-encoder"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(st_base, repository / "snapshots" / COMMIT)
    return repository


def list_files(cache: Path, st_base: Path) -> None:
    """Write the list of the repository's files that the hub's library keeps."""
    files = [path.relative_to(st_base).as_posix() for path in st_base.rglob("*") if path.is_file()]
    write_tree_cache(str(cache), COMMIT, {file: TreeCacheEntry(1, "0" * 40) for file in files})


def mark_absent(cache: Path, *files: str) -> None:
    """Mark files as the library does for which the hub said that there are none."""
    for file in files:
        marker = cache / ".no_exist" / COMMIT / file
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def test_a_whole_cache_is_read_without_a_network(cache, st_base):
    expected = DualEncoder.load(st_base).encode(["a text"], "passage")
    mark_absent(cache, "3_Normalize/config.json")
    encoder = DualEncoder.load(HUB_ID)
    assert (encoder.encode(["a text"], "passage") == expected).all()
    assert encoder.source == {"encoder": HUB_ID, "revision": "main", "commit": COMMIT}
    by_commit = DualEncoder.load(f"{HUB_ID}@{COMMIT}")
    assert by_commit.source["revision"] == COMMIT


def test_a_cache_with_a_list_of_all_files_is_read(cache, st_base):
    list_files(cache, st_base)
    assert DualEncoder.load(HUB_ID).dimension == 24


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    "file",
    [
        "modules.json",
        "config_sentence_transformers.json",
        TRANSFORMER,
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ],
)
def test_a_part_of_an_encoder_in_the_cache_is_no_other_encoder(file, listed, cache, st_base):
    mark_absent(cache, "3_Normalize/config.json")
    if listed:
        list_files(cache, st_base)
    (cache / "snapshots" / COMMIT / file).unlink()
    with pytest.raises(InputError) as error:
        DualEncoder.load(HUB_ID)
    assert str(error.value).startswith(f"{HUB_ID}: ")
    if listed:
        assert f"1 file(s) are missing ({file})" in str(error.value)


def test_a_plain_encoder_in_the_cache_is_read_if_it_is_known_to_be_plain(cache, tiny_encoder):
    snapshot = cache / "snapshots" / COMMIT
    shutil.rmtree(snapshot)
    snapshot.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_encoder / file, snapshot / file)
    with pytest.raises(InputError, match="does not say whether the repository has a modules"):
        DualEncoder.load(HUB_ID)
    mark_absent(cache, "modules.json")
    assert DualEncoder.load(HUB_ID).prefixes["query"] == "Query: "


def test_of_a_repository_only_what_is_read_is_fetched_and_once(st_base, monkeypatch, tmp_path):
    repository = Path(shutil.copytree(st_base, tmp_path / "repository"))
    expected = set(files(repository))
    for file in ("pytorch_model.bin", "onnx/model.onnx", "onnx/config.json", "README.md"):
        (repository / file).parent.mkdir(exist_ok=True)
        (repository / file).write_text("not read")
    vectors = DualEncoder.load(st_base).encode(["a text"], "query")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve(repository, HUB_ID) as (address, fetched):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        pattern = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        encoder = DualEncoder.load(HUB_ID)
        assert (encoder.encode(["a text"], "query") == vectors).all()
        assert encoder.source["commit"] == COMMIT
        assert sorted(fetched) == sorted(expected)
        DualEncoder.load(HUB_ID)
        assert len(fetched) == len(expected)

    # And then it is there without a network, unless a part is lost.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert (DualEncoder.load(HUB_ID).encode(["a text"], "query") == vectors).all()
    for link in (tmp_path / "cache").rglob("modules.json"):
        link.unlink()
    with pytest.raises(InputError, match=r"1 file\(s\) are missing \(modules.json\)"):
        DualEncoder.load(HUB_ID)
