"""How an encoder is to be used, as its folder says it in the layout of sentence-transformers.

The layout is modules.json and the files it names. It is read as published models have it and as
sentence-transformers 6 writes it. It is written as older versions do, which every version reads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hybridlib.errors import InputError
from hybridlib.files import read_json, write_json

_ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU}

_POOLING_KEYS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}

# Tokenizers write a huge number as max_seq_length for "no limit".
_UNLIMITED = 1_000_000


@dataclass
class Layout:
    """Pooling, prefixes, length and dense layers of an encoder; None where its files are silent."""

    pooling: str | None = None
    prefixes: dict[str, str] = field(default_factory=dict)
    max_length: int | None = None
    dense: nn.Sequential | None = None


def read(name: str, revision: str | None) -> Layout:
    """Return the layout of a folder or hub repository; an empty one if it has no modules.json.

    Raises:
        InputError: a module, a pooling mode or an activation is not supported.
    """
    layout = Layout(prefixes=_prefixes(name, revision))
    layers: list[nn.Module] = []
    for module in _json(name, revision, "modules.json", default=[]):
        kind = module["type"].rsplit(".", 1)[-1]
        path = module["path"]
        if kind == "Transformer":
            layout.max_length = _max_length(name, revision, path)
        elif kind == "Pooling":
            layout.pooling = _pooling(name, revision, f"{path}/config.json")
        elif kind == "Dense":
            layers += _dense(name, revision, path)
        elif kind != "Normalize":
            raise InputError(
                f"{name}: modules.json names a module {module['type']!r}; "
                "supported are Transformer, Pooling, Dense and Normalize"
            )
    if layers:
        layout.dense = nn.Sequential(*layers)
    return layout


def write(folder: Path, layout: Layout, hidden_size: int) -> None:
    """Write modules.json and the files it names into a transformers folder.

    Args:
        folder: has the weights and the tokenizer already.
        layout: what is written.
        hidden_size: width of the vectors before the dense layers.
    """
    dense = _linear_and_activation(layout.dense)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += [(f"{number}_Dense", "Dense") for number in range(2, 2 + len(dense))]
    modules.append((f"{len(modules)}_Normalize", "Normalize"))
    entries = []
    for number, (path, kind) in enumerate(modules):
        (folder / path).mkdir(exist_ok=True)
        module_type = f"sentence_transformers.models.{kind}"
        entries.append({"idx": number, "name": str(number), "path": path, "type": module_type})
    write_json(folder / "modules.json", entries)

    length = {"max_seq_length": layout.max_length, "do_lower_case": False}
    write_json(folder / "sentence_bert_config.json", length)
    pooling: dict[str, Any] = {"word_embedding_dimension": hidden_size}
    pooling |= {key: mode == layout.pooling for key, mode in _POOLING_KEYS.items()}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    prompts = {"prompts": layout.prefixes, "similarity_fn_name": "cosine"}
    write_json(folder / "config_sentence_transformers.json", prompts)
    for number, (linear, activation) in enumerate(dense, start=2):
        _write_dense(folder / f"{number}_Dense", linear, activation)


def _write_dense(folder: Path, linear: nn.Linear, activation: nn.Module) -> None:
    """Write the config and the weights of one dense layer."""
    module = "linear" if isinstance(activation, nn.Identity) else "activation"
    config = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"torch.nn.modules.{module}.{type(activation).__name__}",
    }
    write_json(folder / "config.json", config)
    weights = {}
    for key, value in linear.state_dict().items():
        weights[f"linear.{key}"] = value.detach().cpu().contiguous()
    save_file(weights, folder / "model.safetensors")


def _linear_and_activation(dense: nn.Sequential | None) -> list[tuple[nn.Linear, nn.Module]]:
    """Return each linear layer with the activation that follows it."""
    if dense is None:
        return []
    pairs = []
    for layer, following in itertools.pairwise(dense):
        if isinstance(layer, nn.Linear):
            pairs.append((layer, following))
    return pairs


def _prefixes(name: str, revision: str | None) -> dict[str, str]:
    """Return the prompts for queries and passages; some models call the latter documents."""
    prompts = _json(name, revision, "config_sentence_transformers.json").get("prompts") or {}
    if "document" in prompts:
        prompts = {"passage": prompts["document"], **prompts}
    return {side: prompts[side] for side in ("query", "passage") if side in prompts}


def _max_length(name: str, revision: str | None, path: str) -> int | None:
    """Return max_seq_length of the Transformer module.

    sentence-transformers 6 writes it into the config of the tokenizer.
    """
    inside = f"{path}/" if path else ""
    length = _json(name, revision, f"{inside}sentence_bert_config.json").get("max_seq_length")
    if not length:
        tokenizer = _json(name, revision, f"{inside}tokenizer_config.json")
        length = tokenizer.get("model_max_length")
    return int(length) if length and length < _UNLIMITED else None


def _pooling(name: str, revision: str | None, file: str) -> str:
    """Return ``mean`` or ``cls``; any other pooling is an error."""
    config = _json(name, revision, file)
    if "pooling_mode" in config:
        # The newer layout: one mode, or a list of them.
        stored = config["pooling_mode"]
        modes = [stored] if isinstance(stored, str) else list(stored)
    else:
        # The older one: a boolean for each mode.
        modes = [key for key, value in config.items() if value is True]
        modes = [key for key in modes if key.startswith("pooling_mode_")]
    modes = [_POOLING_KEYS.get(mode, mode) for mode in modes]

    without_prompt = config.get("include_prompt") is False
    if len(modes) != 1 or modes[0] not in ("mean", "cls") or without_prompt:
        pooling = ", ".join(map(str, modes)) or "none"
        if without_prompt:
            pooling += " without the prompt"
        raise InputError(
            f"{name}: {file} asks for pooling {pooling}; "
            "supported are mean and cls, prompt included"
        )
    return modes[0]


def _dense(name: str, revision: str | None, path: str) -> list[nn.Module]:
    """Return the linear layer of a Dense module and its activation."""
    config = _json(name, revision, f"{path}/config.json")
    activation = str(config.get("activation_function", "Identity")).rsplit(".", 1)[-1]
    if activation not in _ACTIVATIONS:
        raise InputError(
            f"{name}: {path} has the activation {config['activation_function']!r}; "
            f"supported are {', '.join(_ACTIVATIONS)}"
        )
    file = _file(name, revision, f"{path}/model.safetensors")
    if not file:
        raise InputError(
            f"{name}: {path} has no model.safetensors; pickled weights are not loaded: "
            "load it with sentence-transformers and save it again"
        )
    weights = {}
    for key, value in load_file(file).items():
        weights[key.removeprefix("linear.")] = value.to(torch.float32)
    layer = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    layer.load_state_dict(weights)
    return [layer, _ACTIVATIONS[activation]()]


def _json(name: str, revision: str | None, file: str, default: Any = None) -> Any:
    """Return the content of a JSON file, or the default (an empty mapping) if there is none."""
    path = _file(name, revision, file)
    if path:
        return read_json(Path(path))
    return {} if default is None else default


def _file(name: str, revision: str | None, file: str) -> str | None:
    """Return the path of a file of a folder or hub repository, None if there is none."""
    # transformers takes about a second to import, and is needed only to load an encoder.
    from transformers.utils import cached_file

    return cached_file(
        name,
        file,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
