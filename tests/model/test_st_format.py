"""The layout of sentence-transformers: read as it is published, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder


@pytest.fixture
def labse(families, tmp_path) -> Path:
    """A copy of the tiny LaBSE, for a test to change."""
    return Path(shutil.copytree(families["labse"], tmp_path / "labse"))


def write(file: Path, content: Any) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(content))


def add(file: Path, **changes: object) -> None:
    """Set entries of a JSON file."""
    write(file, json.loads(file.read_text()) | changes)


def test_the_prompt_for_documents_is_that_of_passages(labse):
    prompts = {"query": "q: ", "document": "d: "}
    write(labse / "config_sentence_transformers.json", {"prompts": prompts})
    assert DualEncoder.load(labse).prefixes == {"query": "q: ", "passage": "d: "}


def test_the_older_layout_is_read_as_well(families, labse, texts):
    """LaBSE's files as they are published: other type names, a key for each pooling mode."""
    modules = []
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    for number, (path, kind) in enumerate({**kinds, "3_Normalize": "Normalize"}.items()):
        module_type = f"sentence_transformers.models.{kind}"
        modules.append({"idx": number, "name": str(number), "path": path, "type": module_type})
    write(labse / "modules.json", modules)
    pooling = {
        "word_embedding_dimension": 32,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False,
    }
    write(labse / "1_Pooling" / "config.json", pooling)
    write(labse / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    older = DualEncoder.load(labse)
    newer = DualEncoder.load(families["labse"])
    assert np.array_equal(older.encode(texts, "query"), newer.encode(texts, "query"))


def test_an_unknown_module_is_refused(labse):
    lstm = {"idx": 4, "name": "4", "path": "4_LSTM", "type": "sentence_transformers.models.LSTM"}
    modules = json.loads((labse / "modules.json").read_text())
    write(labse / "modules.json", [*modules, lstm])
    with pytest.raises(InputError, match=r"names a module .*LSTM.*supported are"):
        DualEncoder.load(labse)


@pytest.mark.parametrize(
    ("folder", "change", "message"),
    [
        (
            "1_Pooling",
            {"pooling_mode": "max"},
            "asks for pooling max; supported are mean, cls, lasttoken",
        ),
        ("1_Pooling", {"include_prompt": False}, "without the prompt"),
        (
            "2_Dense",
            {"activation_function": "torch.nn.modules.activation.Softplus"},
            r"2_Dense has the activation .*Softplus",
        ),
    ],
)
def test_unsupported_settings_are_refused(folder, change, message, labse):
    add(labse / folder / "config.json", **change)
    with pytest.raises(InputError, match=message):
        DualEncoder.load(labse)


def test_a_pickled_dense_layer_is_not_loaded(labse):
    (labse / "2_Dense" / "model.safetensors").rename(labse / "2_Dense" / "pytorch_model.bin")
    message = r"2_Dense has no model.safetensors; pickled weights are not loaded"
    with pytest.raises(InputError, match=message):
        DualEncoder.load(labse)
