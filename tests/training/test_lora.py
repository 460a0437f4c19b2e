"""Adapters (LoRA): what trains, what is written, what is read, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sentence_transformers import SentenceTransformer
from training_toys import Data, equal, fresh, tiny_params, weights

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.training import checkpoints, loop

RANK = 4
TARGETS = ["query", "intermediate.dense"]
ADAPTED = {
    f"backbone.encoder.layer.0.{name}.weight"
    for name in ("attention.self.query", "intermediate.dense")
}


def run(
    data: Data, source: Path, folder: Path, **changes: object
) -> tuple[DualEncoder, pd.DataFrame]:
    """Train an adapter, with dropout."""
    values = {"lora_rank": RANK, "lora_targets": TARGETS, "steps": 4}
    encoder = fresh(source, dropout=0.1)
    return encoder, loop.train(tiny_params(**values | changes), encoder, *data, folder)


@pytest.fixture(scope="module")
def merged(data, tiny_encoder, tmp_path_factory) -> tuple[Path, DualEncoder, pd.DataFrame]:
    """Folder, encoder and log of a run that merges its adapter."""
    folder = tmp_path_factory.mktemp("merged")
    return folder, *run(data, tiny_encoder, folder)


@pytest.fixture(scope="module")
def apart(data, tiny_encoder, tmp_path_factory) -> Path:
    """The model of the same run that writes its adapter alone."""
    folder = tmp_path_factory.mktemp("apart")
    run(data, tiny_encoder, folder, lora_save="adapter")
    return folder / "model"


def moves(trained: DualEncoder, source: Path) -> dict[str, torch.Tensor]:
    """Return by how much each weight has changed that has."""
    start = weights(fresh(source))
    changes = {name: weight - start[name] for name, weight in weights(trained).items()}
    return {name: change for name, change in changes.items() if change.any()}


def test_the_targets_alone_move_by_matrices_of_low_rank(merged, tiny_encoder):
    folder, encoder, log = merged
    moved = moves(encoder, tiny_encoder)
    assert moved.keys() == ADAPTED
    for change in moved.values():
        assert np.linalg.matrix_rank(change.numpy(), tol=1e-5) == RANK
    # Factors of 4 rows and 32 columns, but for the feed-forward's of 128.
    count = RANK * (32 + 32) + RANK * (32 + 128)
    said = f"LoRA of rank 4 on dense, query: {count:,} of "
    assert json.loads((folder / "training.jsonl").open().readline())["adapter"].startswith(said)
    assert log["loss"].iloc[-1] < log["loss"].iloc[1]
    assert encoder.adapter is None
    assert all(weight.requires_grad for weight in encoder.parameters())


def test_both_folders_are_the_same_encoder_here_and_in_sentence_transformers(
    merged, apart, fact_pairs
):
    folder, encoder, _ = merged
    names = {file.name for file in apart.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} < names
    assert {"config.json", "model.safetensors"}.isdisjoint(names)
    questions = fact_pairs["question"].head(20).tolist()
    expected = encoder.encode(questions, "query")
    for model in (folder / "model", apart):
        assert equal(weights(fresh(model)), weights(encoder))
        theirs = SentenceTransformer(str(model), device="cpu")
        vectors = theirs.encode_query(questions, normalize_embeddings=True)
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_a_share_of_an_adapter_moves_the_encoder_by_that_share(
    merged, data, tiny_encoder, tmp_path
):
    half, _ = run(data, tiny_encoder, tmp_path, trained_share=0.5)
    whole = moves(merged[1], tiny_encoder)
    found = moves(half, tiny_encoder)
    assert found.keys() == whole.keys()
    for name, change in found.items():
        torch.testing.assert_close(change, 0.5 * whole[name], atol=1e-7, rtol=1e-4)


def test_cached_gradients_are_those_of_the_plain_batch(merged, data, tiny_encoder, tmp_path):
    changes = {"cached_gradients": True, "train_tokens": 2048}
    _, log = run(data, tiny_encoder, tmp_path, **changes)
    assert log["loss"].tolist()[1:] == pytest.approx(merged[2]["loss"].tolist()[1:], abs=1e-5)


def test_a_resumed_run_has_the_same_weights_from_small_checkpoints(
    merged, data, tiny_encoder, tmp_path, monkeypatch
):
    draw_batch = loop.draw_batch

    def killed(*args: object) -> object:
        if args[3] == 4:
            raise KeyboardInterrupt
        return draw_batch(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "draw_batch", killed)
        run(data, tiny_encoder, tmp_path, checkpoint_every=2)
    saved = checkpoints.load(tmp_path / "checkpoints" / "step-00000002.pt")
    assert {name.rsplit(".", 3)[1] for name in saved["model"]} == {"lora_A", "lora_B"}
    assert len(saved["model"]) == 2 * len(ADAPTED)
    resumed, _ = run(data, tiny_encoder, tmp_path, checkpoint_every=2)
    assert equal(weights(resumed), weights(merged[1]))


def test_frozen_layers_keep_no_adapter_and_a_projection_is_trained(data, tiny_encoder, tmp_path):
    changes = {"freeze_layers": 1, "steps": 1}
    with pytest.raises(InputError, match="every weight is frozen; lower freeze_layers"):
        run(data, tiny_encoder, tmp_path, **changes)
    encoder = DualEncoder.load(tiny_encoder, max_length=64, projection=16)
    params = tiny_params(lora_rank=RANK, lora_save="adapter", **changes)
    loop.train(params, encoder, *data, tmp_path)
    start = DualEncoder.load(tiny_encoder, max_length=64, projection=16)
    assert equal(weights(start.backbone), weights(encoder.backbone))
    assert not equal(weights(start.dense), weights(encoder.dense))
    assert equal(weights(fresh(tmp_path / "model")), weights(encoder))


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("targets", [["nothing"], ["layer"], ["query", "embeddings"]])
def test_targets_that_are_no_linear_layers_are_refused(targets, data, tiny_encoder, tmp_path):
    reason = rf"lora_targets \({targets[-1]}\): the encoder has no linear layers of that name"
    with pytest.raises(InputError, match=reason):
        run(data, tiny_encoder, tmp_path, lora_targets=targets)


def test_without_peft_the_extra_is_named(data, tiny_encoder, apart, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    reason = r"need peft, which is not installed; .* pip install '.\[lora\]'"
    with pytest.raises(InputError, match=reason):
        run(data, tiny_encoder, tmp_path)
    with pytest.raises(InputError, match=reason):
        fresh(apart)


def test_an_adapter_over_no_folder_is_refused(data, tiny_encoder, tmp_path):
    moved = shutil.copytree(tiny_encoder, tmp_path / "moved")
    encoder = fresh(moved)
    shutil.rmtree(moved)
    params = tiny_params(lora_rank=RANK, lora_save="adapter")
    with pytest.raises(InputError, match=r"lora_save \(adapter\): .* set lora_save to merged"):
        loop.train(params, encoder, *data, tmp_path)


def change_config(folder: Path, **entries: object) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"peft_type": "IA3"}, r"has an adapter \(adapter_config.json\) of another kind than LoRA"),
        ({"base_model_name_or_path": None}, "names no encoder"),
        ({"base_model_name_or_path": "/no/where"}, "is put over another encoder: .*no such folder"),
        ({"target_modules": ["key"]}, "weights of its adapter do not fit the encoder"),
        ({"r": 8}, "size mismatch"),
    ],
)
def test_folders_of_broken_adapters_are_refused(entries, reason, apart, tmp_path):
    folder = shutil.copytree(apart, tmp_path / "broken")
    change_config(folder, **entries)
    with pytest.raises(InputError, match=reason):
        fresh(folder)


def test_a_missing_or_torn_file_is_named(apart, tmp_path):
    folder = shutil.copytree(apart, tmp_path / "broken")
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="the adapter: Safetensor"):
        fresh(folder)
    file.unlink()
    with pytest.raises(InputError, match=r"has adapter_config\.json and no adapter_model"):
        fresh(folder)


def test_an_adapter_over_a_local_folder_is_not_pushed(apart):
    from hybridlib.model.push import push

    with pytest.raises(InputError, match="is an adapter over an encoder in a folder of this machi"):
        push(apart, "me/mine")
