"""Every layout of a folder has the vectors of sentence-transformers, or is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util import import_from_string
from st_folders import (
    DENSE,
    POOLING,
    TRANSFORMER,
    USE,
    WIDTH,
    both,
    dense,
    modules,
    moves,
    read,
    removes,
    replaces,
    sets,
)

from hybridlib.model.encoder import DualEncoder
from hybridlib.model.st_config import MODULE_TYPES


@pytest.fixture(scope="module")
def some_texts(texts) -> list[str]:
    """A short text, some in upper case, and one longer than any maximum."""
    return [texts[0], *[text.upper() for text in texts[1:5]], texts[-1]]


def by_the_library(folder: Path, texts: list[str]) -> dict[str, np.ndarray]:
    """Return the vectors of sentence-transformers by side.

    Its encode_document knows no prompt called passage; there it gets the name.
    """
    model = SentenceTransformer(str(folder), device="cpu")
    prompts = read(folder / USE)["prompts"] if (folder / USE).exists() else {}
    name = "passage" if "passage" in prompts and "document" not in prompts else "document"
    return {
        "query": model.encode_query(texts, normalize_embeddings=True),
        "passage": model.encode_document(texts, prompt_name=name, normalize_embeddings=True),
    }


def check_same(folder: Path, texts: list[str]) -> dict[str, np.ndarray]:
    """Hold the vectors against those of the library, before and after the encoder is saved."""
    expected = by_the_library(folder, texts)
    encoder = DualEncoder.load(folder)
    encoder.save(folder / "saved")
    saved = DualEncoder.load(folder / "saved")
    by_library = by_the_library(folder / "saved", texts)
    for side, vectors in expected.items():
        assert np.abs(encoder.encode(texts, side) - vectors).max() < 1e-5
        assert np.abs(saved.encode(texts, side) - vectors).max() < 1e-5
        assert np.abs(by_library[side] - vectors).max() < 1e-5
    return expected


MODALITIES = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}

READ = {
    "as it is": sets(TRANSFORMER),
    "lower case": sets(TRANSFORMER, do_lower_case=True),
    "newer transformer file": replaces(
        TRANSFORMER,
        {
            "transformer_task": "feature-extraction",
            "modality_config": MODALITIES,
            "module_output_name": "token_embeddings",
            "unpad_inputs": False,
        },
    ),
    "no length but that of the tokenizer": removes(TRANSFORMER),
    "no length but that of the positions": both(
        removes(TRANSFORMER), sets("tokenizer_config.json", "model_max_length")
    ),
    "length of the older transformer files": moves(TRANSFORMER, "sentence_xlm-roberta_config.json"),
    "an empty transformer file before an older one": both(
        moves(TRANSFORMER, "sentence_albert_config.json"), replaces(TRANSFORMER, {})
    ),
    "tokenizer argument": sets(TRANSFORMER, tokenizer_args={"model_max_length": 9}),
    "processor argument": sets(TRANSFORMER, processor_kwargs={"model_max_length": 9}),
    "config argument": sets(TRANSFORMER, config_args={"hidden_act": "relu"}),
    "newer config argument": sets(TRANSFORMER, config_kwargs={"hidden_act": "relu"}),
    "model arguments": sets(
        TRANSFORMER,
        model_args={
            "torch_dtype": "float32",
            "add_pooling_layer": False,
            "trust_remote_code": True,
        },
    ),
    "transformer in a folder": both(
        *[
            moves(file, f"0_Transformer/{file}")
            for file in (
                "config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json",
                TRANSFORMER,
            )
        ],
        replaces(
            "modules.json",
            [
                {"idx": 0, "name": "0", "path": "0_Transformer", "type": kind.format("Transformer")}
                for kind in ["sentence_transformers.models.{0}"]
            ]
            + [
                {
                    "idx": 1,
                    "name": "1",
                    "path": "1_Pooling",
                    "type": "sentence_transformers.models.Pooling",
                }
            ],
        ),
    ),
    "first token": replaces(POOLING, {"embedding_dimension": WIDTH, "pooling_mode": "cls"}),
    "last token": sets(POOLING, "pooling_mode_mean_tokens", pooling_mode_lasttoken=True),
    "last token as it is written now": replaces(
        POOLING, {"embedding_dimension": WIDTH, "pooling_mode": "lasttoken"}
    ),
    "a list of one pooling": replaces(
        POOLING, {"embedding_dimension": WIDTH, "pooling_mode": ["cls"]}
    ),
    "no pooling stated": replaces(POOLING, {"word_embedding_dimension": WIDTH}),
    "no pooling set": sets(POOLING, pooling_mode_mean_tokens=False),
    "dense without an activation": sets(DENSE, "activation_function"),
    "dense with a shorter name of its activation": sets(DENSE, activation_function="torch.nn.ReLU"),
    "dense without an activation function": sets(
        DENSE, activation_function="torch.nn.modules.linear.Identity"
    ),
    "dense as it is written now": sets(
        DENSE, module_input_name="sentence_embedding", module_output_name="sentence_embedding"
    ),
    "normalize before dense": both(
        modules("Transformer", "Pooling", "Normalize", "Dense"), moves("2_Dense", "3_Dense")
    ),
    "two dense layers around normalize": both(
        modules("Transformer", "Pooling", "Dense", "Normalize", "Dense"),
        dense("4_Dense", 24, 16, activation_function="torch.nn.modules.activation.GELU"),
    ),
    "no normalize": modules("Transformer", "Pooling", "Dense"),
    "no dense": modules("Transformer", "Pooling"),
    "normalize with a file": replaces(
        "3_Normalize/config.json", {"module_input_name": "sentence_embedding"}
    ),
    "truncated": sets(USE, truncate_dim=7),
    "truncated without dense": both(modules("Transformer", "Pooling"), sets(USE, truncate_dim=7)),
    "truncated at more than there is": sets(USE, truncate_dim=700),
    "dot products of unit vectors": sets(USE, similarity_fn_name="dot"),
    "a prompt for queries alone": sets(USE, prompts={"query": "ask: "}),
    "a prompt for passages alone": sets(USE, prompts={"passage": "say: "}),
    "document before passage": sets(USE, prompts={"passage": "say: ", "document": "tell: "}),
    "passage before corpus": sets(USE, prompts={"corpus": "tell: ", "passage": "say: "}),
    "other prompts": sets(USE, prompts={"sts": "compare: "}),
    "a default prompt beside the two": sets(
        USE,
        prompts={"query": "ask: ", "document": "say: ", "sts": "compare: "},
        default_prompt_name="sts",
    ),
    "a prompt that is null": sets(USE, prompts={"query": None, "passage": "say: "}),
    "requirements that are met": sets(
        USE, requirements={"transformers": ">=5", "pytorch": {"specifier": ">=2", "reason": "x"}}
    ),
}


@pytest.mark.parametrize("layout", READ)
def test_a_layout_that_is_read_has_the_vectors_of_the_library(layout, st_folder, some_texts):
    READ[layout](st_folder)
    check_same(st_folder, some_texts)


def test_the_layouts_that_are_read_differ(st_base, tmp_path, some_texts):
    """Else the test above would hold for a reader that looks at nothing."""
    plain = by_the_library(st_base, some_texts)
    for layout in ("lower case", "normalize before dense", "tokenizer argument", "config argument"):
        other = Path(shutil.copytree(st_base, tmp_path / layout))
        READ[layout](other)
        vectors = by_the_library(other, some_texts)
        assert np.abs(vectors["query"] - plain["query"]).max() > 1e-3


def test_a_type_name_is_that_of_the_library():
    classes = {
        "Transformer": Transformer,
        "Pooling": Pooling,
        "Dense": Dense,
        "Normalize": Normalize,
        "Router": Router,
    }
    for name, kind in MODULE_TYPES.items():
        assert import_from_string(name) is classes[kind]


@pytest.mark.parametrize(
    "types",
    [
        "sentence_transformers.models.{0}.{0}",
        "sentence_transformers.sentence_transformer.modules.{0}",
    ],
)
def test_modules_under_their_other_names(types, st_folder, some_texts):
    modules("Transformer", "Pooling", "Dense", "Normalize", types=types)(st_folder)
    check_same(st_folder, some_texts[:2])
