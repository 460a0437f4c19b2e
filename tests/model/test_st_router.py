"""A corrected encoder: a layer for each side, as sentence-transformers reads it, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from st_folders import both, dense, modules, removes, replaces, sets
from torch import nn

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.identity import weights_hash
from hybridlib.model.trainable import check_trainable

ROUTER = "4_Router/router_config.json"
DIMENSION = 24


def corrected(folder: Path) -> DualEncoder:
    """Return the encoder of a folder with a random map for each side."""
    encoder = DualEncoder.load(folder)
    torch.manual_seed(1)
    layers = {side: nn.Linear(encoder.dimension, encoder.dimension) for side in encoder.prefixes}
    encoder.correction = nn.ModuleDict(layers)
    return encoder


@pytest.fixture
def folder(st_folder) -> Path:
    """A folder with a correction, in which the passages' layer adds a bias."""
    corrected(st_folder).save(st_folder)
    return st_folder


def test_the_library_and_a_reload_give_the_corrected_vectors(st_base, tmp_path, texts):
    encoder = corrected(st_base)
    encoder.save(tmp_path / "corrected")
    reloaded = DualEncoder.load(tmp_path / "corrected")
    model = SentenceTransformer(str(tmp_path / "corrected"), device="cpu")
    plain = DualEncoder.load(st_base)
    for side, by_library in (("query", model.encode_query), ("passage", model.encode_document)):
        # The map by hand, behind vectors of length 1.
        layer = encoder.correction[side]
        moved = plain.encode(texts, side) @ layer.weight.detach().numpy().T
        moved += layer.bias.detach().numpy()
        expected = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        assert np.abs(encoder.encode(texts, side) - expected).max() < 1e-5
        assert np.abs(reloaded.encode(texts, side) - expected).max() < 1e-5
        assert np.abs(by_library(texts) - expected).max() < 1e-5
    assert weights_hash(reloaded) == weights_hash(encoder) != weights_hash(plain)


def test_what_the_library_saves_again_is_read(folder, tmp_path, texts):
    SentenceTransformer(str(folder), device="cpu").save(str(tmp_path / "again"))
    again = DualEncoder.load(tmp_path / "again")
    for side in ("query", "passage"):
        difference = again.encode(texts, side) - DualEncoder.load(folder).encode(texts, side)
        assert np.abs(difference).max() < 1e-6


def test_without_a_task_the_library_refuses_to_guess_a_side(folder):
    model = SentenceTransformer(str(folder), device="cpu")
    with pytest.raises(ValueError, match="Could not determine route"):
        model.encode(["a text"], prompt_name="query")


def test_a_correction_is_not_trained(folder):
    with pytest.raises(InputError, match=r"encoder: has a correction.*correct the result"):
        check_trainable(DualEncoder.load(folder), "fp32")


def test_a_width_of_its_own_is_not_projected(folder):
    with pytest.raises(InputError, match=r"projection \(7\)"):
        DualEncoder.load(folder, projection=7)


REFUSED = {
    "no config": (removes(ROUTER), "router_config.json is missing"),
    "another route": (
        replaces(ROUTER, {"types": {}, "structure": {"query": ["a"], "other": ["b"]}}),
        "routes query, other; supported are",
    ),
    "two modules in a route": (
        replaces(ROUTER, {"types": {}, "structure": {"query": ["a", "b"]}}),
        "structure.query",
    ),
    "a way out of the folder": (
        replaces(ROUTER, {"types": {}, "structure": {"query": ["../a"]}}),
        "structure.query.0",
    ),
    "a route without a type": (sets(ROUTER, types={}), "gives no type for 'query_0_Dense'"),
    "a module of another kind": (
        sets(ROUTER, types={"query_0_Dense": "my.Own", "document_0_Dense": "my.Own"}),
        "'my.Own'; supported is Dense",
    ),
    "routes by modality": (
        sets(ROUTER, parameters={"route_mappings": {"(None, 'image')": "query"}}),
        "parameters.route_mappings",
    ),
    "an activation": (
        sets(
            "4_Router/query_0_Dense/config.json",
            activation_function="torch.nn.modules.activation.Tanh",
        ),
        "4_Router/query_0_Dense is not a linear map",
    ),
    "a layer of another width": (
        dense("4_Router/document_0_Dense", DIMENSION, 7, activation_function="torch.nn.Identity"),
        "document_0_Dense is not a linear map",
    ),
    "two layers of another width": (
        both(
            dense("4_Router/query_0_Dense", 7, 7, activation_function="torch.nn.Identity"),
            dense("4_Router/document_0_Dense", 7, 7, activation_function="torch.nn.Identity"),
        ),
        f"expects vectors of 7 numbers, and gets {DIMENSION}",
    ),
    "cut vectors": (
        sets("config_sentence_transformers.json", truncate_dim=7),
        "truncate_dim, and modules.json a Router",
    ),
    "not behind unit vectors": (
        modules("Transformer", "Pooling", "Router", "Normalize"),
        "supported is one Transformer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_such_a_correction_is_refused(case, folder):
    change, message = REFUSED[case]
    change(folder)
    with pytest.raises(InputError, match=message):
        DualEncoder.load(folder)
