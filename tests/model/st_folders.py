"""A tiny folder of sentence-transformers, and what its files become in another layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from hybridlib.model.built_in import make_tokenizer

Change = Callable[[Path], None]

TRANSFORMER = "sentence_bert_config.json"
USE = "config_sentence_transformers.json"
POOLING = "1_Pooling/config.json"
DENSE = "2_Dense/config.json"
WIDTH = 32


def make_base(folder: Path, words: list[str]) -> None:
    """Write a folder in the older layout: mean, a dense layer, two prompts, 48 tokens, cased."""
    tokenizer = make_tokenizer(words, 500)
    config = BertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=len(tokenizer),
        pad_token_id=1,
        max_position_embeddings=96,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.model_max_length = 80
    tokenizer.save_pretrained(folder)
    # Upper case must count, or lower-casing would change nothing.
    rules = read(folder / "tokenizer.json")
    write(folder / "tokenizer.json", rules | {"normalizer": {"type": "NFKC"}})

    modules("Transformer", "Pooling", "Dense", "Normalize")(folder)
    write(folder / TRANSFORMER, {"max_seq_length": 48, "do_lower_case": False})
    write(folder / POOLING, {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})
    dense("2_Dense", WIDTH, 24, activation_function="torch.nn.modules.activation.Tanh")(folder)
    write(folder / USE, {"prompts": {"query": "ask: ", "passage": "say: "}})


def read(file: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(file.read_text())


def write(file: Path, content: Any) -> None:
    """Write a JSON file."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))


def sets(file: str, *absent: str, **entries: Any) -> Change:
    """Set entries of a JSON file, or remove those that are to be absent."""

    def change(folder: Path) -> None:
        content = read(folder / file) | entries
        write(folder / file, {key: content[key] for key in content if key not in absent})

    return change


def replaces(file: str, content: Any) -> Change:
    """Replace a JSON file."""

    def change(folder: Path) -> None:
        write(folder / file, content)

    return change


def holds(file: str, text: str | bytes) -> Change:
    """Replace a file by a text."""

    def change(folder: Path) -> None:
        (folder / file).write_bytes(text.encode() if isinstance(text, str) else text)

    return change


def removes(file: str) -> Change:
    """Remove a file or a folder."""

    def change(folder: Path) -> None:
        path = folder / file
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return change


def moves(file: str, to: str) -> Change:
    """Move a file."""

    def change(folder: Path) -> None:
        (folder / to).parent.mkdir(exist_ok=True)
        (folder / file).rename(folder / to)

    return change


def modules(*kinds: str, types: str = "sentence_transformers.models.{0}") -> Change:
    """Write modules.json; a module of a kind has the folder ``N_Kind``, but the first has none."""

    def change(folder: Path) -> None:
        entries = []
        for number, kind in enumerate(kinds):
            path = f"{number}_{kind}" if number else ""
            kind_type = types.format(kind, kind.lower())
            entries.append({"idx": number, "name": str(number), "path": path, "type": kind_type})
        write(folder / "modules.json", entries)

    return change


def dense(path: str, width: int, to: int, **entries: Any) -> Change:
    """Write a Dense module with random weights."""

    def change(folder: Path) -> None:
        config = {"in_features": width, "out_features": to, "bias": True, **entries}
        write(folder / path / "config.json", config)
        torch.manual_seed(width + to)
        weights = {"linear.weight": torch.randn(to, width), "linear.bias": torch.randn(to)}
        save_file(weights, folder / path / "model.safetensors")

    return change


def weights(
    change_weights: Callable[[dict[str, Any]], Any], file: str = "model.safetensors"
) -> Change:
    """Change the tensors of a weight file in place."""

    def change(folder: Path) -> None:
        tensors = load_file(folder / file)
        change_weights(tensors)
        save_file(tensors, folder / file, metadata={"format": "pt"})

    return change


def both(*changes: Change) -> Change:
    """Make several changes, one after the other."""

    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change
