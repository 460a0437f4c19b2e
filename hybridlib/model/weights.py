"""Loading a transformer's weights, so that none of them is left at a random start unnoticed."""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from hybridlib.errors import InputError
from hybridlib.model.source import one_line, refuse_pointer
from hybridlib.model.st_config import read_object

# transformers takes about a second to import, so the functions that need it import it.
if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

# Models with an encoder and a decoder, of which the encoder is a class of its own.
T5_FAMILY = ("t5", "mt5", "umt5")

# A head over the first token, which no vector here depends on.
_POOLER = re.compile(r"(^|\.)pooler\.")

# So many weights more than there are files for may be made, to name what is missing.
_SMALL = 10_000_000

# RoBERTa and its kin have one type of token, whose embedding is zero; biases start at zero.
_MAY_BE_ZERO = re.compile(r"token_type|bias$")


def load_backbone(name: str, folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """Load the encoder half in float32, without a pooling head that was never trained.

    Args:
        name: of the encoder, for messages.
        folder: with the weights.
        config: of the encoder.

    Raises:
        InputError: a weight file is damaged, tensors are missing, superfluous or of another
            shape, a weight is not a number, or a matrix is zero.
    """
    stored = _check_files(name, folder)
    kind, options = model_class(name, config)
    _check_size(name, kind, config, options, stored)
    backbone, info = kind.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    _check_tensors(name, backbone, info)
    refuse_empty_weights(name, backbone)
    return backbone


def _check_files(name: str, folder: Path) -> dict[str, list[int]]:
    """Refuse a folder without weights, with damaged or doubled ones, or with an adapter over them.

    Returns:
        The shape of each tensor by its name.
    """
    if (folder / "adapter_config.json").exists():
        raise InputError(
            f"{name}: has an adapter (adapter_config.json), which is not supported; merge it into "
            "the weights (merge_and_unload of peft) and save the result"
        )
    shapes = {}
    whole = []  # numbers that are no fractions
    for file in _weight_files(name, folder):
        refuse_pointer(file)
        try:
            with safe_open(file, "pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 (it is no dictionary)
                    tensor = tensors.get_slice(key)
                    shapes[key] = tensor.get_shape()
                    if key.endswith(("weight", "bias")) and "F" not in tensor.get_dtype():
                        whole.append(key)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file}: damaged ({one_line(error)}); fetch it again") from None
    if whole:
        raise InputError(
            f"{name}: weights that are not floating-point numbers, as of a quantised model: "
            f"{_some(whole)}; give the encoder that they were made from"
        )
    return shapes


def _weight_files(name: str, folder: Path) -> list[Path]:
    """Return the files that transformers reads: one, or those that an index names."""
    single = folder / "model.safetensors"
    if single.exists():
        return [single]
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        others = sorted(file.name for file in folder.glob("*.safetensors"))
        found = f" (there are {_some(others)})" if others else ""
        raise InputError(
            f"{name}: no weights (model.safetensors, or shards and {index.name}){found}; save the "
            "model there with save_pretrained"
        )
    content = read_object(index)
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise InputError(f"{index}: has no weight_map that names the shards; fetch it again")
    files = []
    for shard in sorted(set(map(str, shards.values()))):
        file = folder / shard
        if file.parent != folder or not file.is_file():
            raise InputError(f"{index}: names the file {shard!r}, which is not beside it")
        files.append(file)
    return files


def _check_size(
    name: str,
    kind: Any,
    config: PreTrainedConfig,
    options: dict[str, Any],
    stored: dict[str, list[int]],
) -> None:
    """Refuse a config of a model far larger than its weights, before memory is taken for it."""
    # Albert has one layer's tensors for all of its layers, of which it has 12.
    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and layers > max(100, len(stored)):
        raise InputError(
            f"{name}: config.json says {layers} layers, and the weights are {len(stored)} tensors; "
            "they do not belong together"
        )
    # On the meta device a model has names and shapes, and no memory.
    with torch.device("meta"):
        model = kind.from_config(copy.deepcopy(config), **options)
    described = sum(weight.numel() for weight in model.parameters())
    numbers = sum(math.prod(shape) for shape in stored.values())
    if described > 2 * numbers + _SMALL:
        raise InputError(
            f"{name}: config.json describes a model of {described:,} weights, and the files have "
            f"{numbers:,}; they do not belong together"
        )
    prefix = f"{model.base_model_prefix}."
    doubled = [key for key in model.state_dict() if {key, prefix + key} <= stored.keys()]
    if doubled:
        raise InputError(
            f"{name}: weights that stand twice, with and without {prefix!r} "
            f"before their names: {_some(doubled)}"
        )


def model_class(name: str, config: PreTrainedConfig) -> tuple[Any, dict[str, Any]]:
    """Return the class that loads the encoder, and its options.

    Raises:
        InputError: a model with a decoder too, of which the encoder is not loaded.
    """
    from transformers import AutoModel, AutoModelForTextEncoding

    if config.model_type in T5_FAMILY:
        return AutoModelForTextEncoding, {}
    if config.is_encoder_decoder:
        raise InputError(
            f"{name}: {config.model_type} has a decoder too; of such models only the encoder "
            f"halves of {', '.join(T5_FAMILY)} are supported"
        )
    kind: Any = AutoModel._model_mapping[type(config)]
    if "add_pooling_layer" in inspect.signature(kind.__init__).parameters:
        return AutoModel, {"add_pooling_layer": False}
    return AutoModel, {}


def _check_tensors(name: str, backbone: PreTrainedModel, info: dict[str, Any]) -> None:
    """Refuse weights that are not those of the model which the config describes."""
    faults = []
    missing = [key for key in info["missing_keys"] if not _POOLER.search(key)]
    if missing:
        faults.append(f"missing are {_some(missing)}")
    other = [
        f"{key} {list(stored)} (the config has {list(expected)})"
        for key, stored, expected in info["mismatched_keys"]
    ]
    if other:
        faults.append(f"of another shape are {_some(other)}")
    unexpected = {key for key in info["unexpected_keys"] if not _POOLER.search(key)}
    if unexpected:
        unexpected -= _language_model_heads(backbone)
    if unexpected:
        faults.append(f"without a use are {_some(unexpected)}")
    if info["error_msgs"]:
        faults.append(" ".join(info["error_msgs"][0].split()))
    if faults:
        raise InputError(
            f"{name}: the weights are not those of the {backbone.config.model_type} model in "
            f"config.json: {'; '.join(faults)}"
        )


def _language_model_heads(backbone: PreTrainedModel) -> set[str]:
    """Return the names of the weights that pretraining used and an encoder does not."""
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForMaskedLM,
        AutoModelForPreTraining,
        AutoModelForSeq2SeqLM,
    )

    kinds = (
        AutoModelForPreTraining,
        AutoModelForMaskedLM,
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
    )
    heads: set[str] = set()
    for kind in kinds:
        model_class: Any = kind._model_mapping.get(type(backbone.config), None)
        if model_class is None:
            continue
        # On the meta device a model has names and shapes, and no memory.
        with torch.device("meta"):
            model = model_class(copy.deepcopy(backbone.config))
        body = f"{model.base_model_prefix}."
        heads |= {key for key in model.state_dict() if not key.startswith(body)}
    return heads


def refuse_empty_weights(name: str, model: nn.Module) -> None:
    """Refuse weights that are not finite, and matrices of zeros.

    Raises:
        InputError: names the tensors.
    """
    infinite = []
    zero = []
    for key, weight in model.named_parameters():
        # A sum has no copy of the weights beside it, and is finite only if each of them is.
        if not torch.isfinite(weight.sum(dtype=torch.float64)):
            infinite.append(key)
        elif weight.dim() > 1 and not weight.any() and not _MAY_BE_ZERO.search(key):
            zero.append(key)
    if infinite:
        raise InputError(f"{name}: weights that are not finite numbers: {_some(infinite)}")
    if zero:
        raise InputError(f"{name}: weights that are all zero: {_some(zero)}")


def _some(names: Iterable[str]) -> str:
    """Return the first five names, and how many there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return ", ".join(ordered[:5]) + more


def add_weights(digest: hashlib._Hash, module: nn.Module) -> None:
    """Add the names and values of all weights of a module to a hash."""
    for name, weight in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
