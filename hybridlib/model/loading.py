"""The dual encoder: one transformers encoder for queries and passages, pooled and normalised.

Folders are read and written in the layout of sentence-transformers (modules.json, a pooling config, prompts), so
a trained model says by itself how it wants to be used.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForTextEncoding

from hybridlib.errors import InputError

_T5 = ("t5", "mt5", "umt5")  # whose encoder half is a class of its own


_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout_rate",
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "embd_pdrop",
    "attn_pdrop",
    "resid_pdrop",
)


def _locate(name: str) -> tuple[str, str | None]:
    """A local folder as it is, or a hub id and its revision."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise InputError(f"{folder}: no config.json: not a transformers folder")
        if not list(folder.glob("*.safetensors")):
            raise InputError(
                f"{folder}: no weights (*.safetensors); save the model there with save_pretrained"
            )
        return name, None
    if name.startswith((".", "/", "~")) or folder.is_file() or name.count("/") > 1:
        raise InputError(f"{name}: no such folder; give a transformers folder or a hub id")
    hub_id, _, revision = name.partition("@")
    return hub_id, revision or None


def _load_backbone(name: str, revision: str | None, config: Any) -> nn.Module:
    """The encoder half, without a pooling head nobody trained."""
    kind = AutoModelForTextEncoding if config.model_type in _T5 else AutoModel
    if kind is AutoModel and config.is_encoder_decoder:
        raise InputError(
            f"{name}: {config.model_type} has a decoder too; of such models only the encoder halves of {', '.join(_T5)} are supported"
        )
    extra = {}
    if (
        kind is AutoModel
        and "add_pooling_layer"
        in inspect.signature(AutoModel._model_mapping[type(config)].__init__).parameters
    ):
        extra["add_pooling_layer"] = False
    return kind.from_pretrained(
        name,
        revision=revision,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        **extra,
    )


def _projection(width: int, projection: int | None, seed: int) -> nn.Sequential | None:
    """A linear layer with orthogonal weights, and no activation; None where no projection is wanted."""
    if projection is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(width, projection, bias=False)
        nn.init.orthogonal_(layer.weight)
    return nn.Sequential(layer, nn.Identity())


def _load_failure(name: str, error: Exception) -> str:
    if Path(name).is_dir():
        return f"{name}: cannot be loaded as a transformers encoder: {error}"
    return (
        f"{name}: neither a folder here nor to be had from the hub ({type(error).__name__}: {str(error).splitlines()[0]}). Offline? Fetch it on a machine with a network "
        f"(`hf download {name} --local-dir FOLDER`), copy FOLDER here, and give its path instead of the id."
    )


def _set_dropout(name: str, config: Any, dropout: float | None) -> None:
    """Every dropout probability that the config has, whatever its family calls it."""
    if dropout is None:
        return
    known = [key for key in _DROPOUTS if hasattr(config, key)]
    if not known:
        raise InputError(
            f"dropout: the config of {name} has none of {', '.join(_DROPOUTS)}; leave dropout at null"
        )
    for key in known:
        setattr(config, key, dropout)


def _length(name: str, config: Any, wanted: int | None, said: int | None) -> int:
    """Tokens kept of a text: what is wanted, else what the folder says, else 128; never more than there are positions."""
    positions = getattr(config, "max_position_embeddings", None) or 1_000_000
    if config.model_type in ("xlm-roberta", "roberta", "camembert", "xlm-roberta-xl"):
        positions -= config.pad_token_id + 1  # these count positions from behind the padding id
    if wanted is not None and wanted > positions:
        raise InputError(f"max_length ({wanted}): {name} has {positions} positions")
    return wanted or min(said or DEFAULT_LENGTH, positions)


def _first(*values: str | None) -> str:
    return next(value for value in values if value is not None)


DEFAULT_LENGTH = 128
