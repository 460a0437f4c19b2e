"""What an encoder's folder says of its use: the layout of sentence-transformers (modules.json and what it names).

Read is the layout as published models have it and as sentence-transformers 6 writes it; written is the older one,
which every version reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.utils import cached_file

from hybridlib.errors import InputError
from hybridlib.files import read_json, write_json

_ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU}


_POOLING_KEYS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


@dataclass
class Layout:
    """Pooling, prefixes, length and dense layers of an encoder; None where its files do not say."""

    pooling: str | None = None
    prefixes: dict[str, str] = field(default_factory=dict)
    max_length: int | None = None
    dense: nn.Sequential | None = None


def read(name: str, revision: str | None) -> Layout:
    """The layout of a folder or hub repository; an empty one where it has no modules.json.

    Raises:
        InputError: a module, a pooling mode or an activation that is not supported; which one.
    """
    said = Layout()
    prompts = _json(name, revision, "config_sentence_transformers.json").get("prompts") or {}
    prompts = {"passage": prompts["document"], **prompts} if "document" in prompts else prompts
    said.prefixes = {side: prompts[side] for side in ("query", "passage") if side in prompts}
    layers: list[nn.Module] = []
    for module in _json(name, revision, "modules.json", []):
        kind, path = module["type"].rsplit(".", 1)[-1], module["path"]
        if kind == "Transformer":
            said.max_length = _max_length(name, revision, path)
        elif kind == "Pooling":
            said.pooling = _pooling(name, revision, f"{path}/config.json")
        elif kind == "Dense":
            layers += _dense(name, revision, path)
        elif kind != "Normalize":
            raise InputError(
                f"{name}: modules.json names a module {module['type']!r}; supported are Transformer, Pooling, Dense and Normalize"
            )
    said.dense = nn.Sequential(*layers) if layers else None
    return said


def write(folder: Path, layout: Layout, hidden_size: int) -> None:
    """Write modules.json and what it names into a transformers folder."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    linear = (
        [
            (layer, layout.dense[at + 1])
            for at, layer in enumerate(layout.dense)
            if isinstance(layer, nn.Linear)
        ]
        if layout.dense
        else []
    )
    modules += [(f"{number}_Dense", "Dense") for number in range(2, 2 + len(linear))]
    modules.append((f"{len(modules)}_Normalize", "Normalize"))
    for path, _ in modules:
        (folder / path).mkdir(exist_ok=True)
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
    )
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": layout.max_length, "do_lower_case": False},
    )
    write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": hidden_size,
            **{key: mode == layout.pooling for key, mode in _POOLING_KEYS.items()},
        },
    )
    write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": layout.prefixes, "similarity_fn_name": "cosine"},
    )
    for number, (layer, activation) in enumerate(linear, start=2):
        config = {
            "in_features": layer.in_features,
            "out_features": layer.out_features,
            "bias": layer.bias is not None,
        }
        write_json(
            folder / f"{number}_Dense" / "config.json",
            {
                **config,
                "activation_function": f"torch.nn.modules.{_home(activation)}.{type(activation).__name__}",
            },
        )
        save_file(
            {
                f"linear.{key}": value.detach().cpu().contiguous()
                for key, value in layer.state_dict().items()
            },
            folder / f"{number}_Dense" / "model.safetensors",
        )


def _home(activation: nn.Module) -> str:
    return "linear" if isinstance(activation, nn.Identity) else "activation"


def _max_length(name: str, revision: str | None, path: str) -> int | None:
    """max_seq_length of the Transformer module; sentence-transformers 6 writes it into the tokenizer's config."""
    inside = f"{path}/" if path else ""
    config = _json(name, revision, f"{inside}sentence_bert_config.json")
    length = config.get("max_seq_length") or _json(
        name, revision, f"{inside}tokenizer_config.json"
    ).get("model_max_length")
    return (
        int(length) if length and length < 1_000_000 else None
    )  # transformers writes 1e30 for "no limit"


def _pooling(name: str, revision: str | None, file: str) -> str:
    config = _json(name, revision, file)
    modes = (
        [config["pooling_mode"]]
        if "pooling_mode" in config
        else [
            key
            for key, value in config.items()
            if key.startswith("pooling_mode_") and value is True
        ]
    )
    modes = [
        _POOLING_KEYS.get(mode, mode)
        for mode in (modes if isinstance(modes[0] if modes else "", str) else modes[0])
    ]
    if len(modes) != 1 or modes[0] not in ("mean", "cls") or config.get("include_prompt") is False:
        raise InputError(
            f"{name}: {file} asks for pooling {', '.join(map(str, modes)) or 'none'}{' without the prompt' if config.get('include_prompt') is False else ''}; supported are mean and cls, prompt included"
        )
    return modes[0]


def _dense(name: str, revision: str | None, path: str) -> list[nn.Module]:
    """The linear layer of a Dense module and its activation."""
    config = _json(name, revision, f"{path}/config.json")
    activation = str(config.get("activation_function", "Identity")).rsplit(".", 1)[-1]
    if activation not in _ACTIVATIONS:
        raise InputError(
            f"{name}: {path} has the activation {config['activation_function']!r}; supported are {', '.join(_ACTIVATIONS)}"
        )
    weights = _file(name, revision, f"{path}/model.safetensors")
    if not weights:
        raise InputError(
            f"{name}: {path} has no model.safetensors; pickled weights are not loaded: load it with sentence-transformers and save it again"
        )
    layer = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    layer.load_state_dict(
        {
            key.removeprefix("linear."): value.to(torch.float32)
            for key, value in load_file(weights).items()
        }
    )
    return [layer, _ACTIVATIONS[activation]()]


def _json(name: str, revision: str | None, file: str, default: Any = None) -> Any:
    """A JSON file of a model folder or hub repository; the default (an empty mapping) where there is none."""
    path = _file(name, revision, file)
    return read_json(Path(path)) if path else {} if default is None else default


def _file(name: str, revision: str | None, file: str) -> str | None:
    return cached_file(
        name,
        file,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
