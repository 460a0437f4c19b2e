"""How many weights an encoder has, by its config.json alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from hybridlib.errors import InputError
from hybridlib.model.loading import load_config, one_error
from hybridlib.model.source import Source, one_file
from hybridlib.model.st_format import read_modules
from hybridlib.model.weights import model_class


@dataclass(frozen=True)
class Size:
    """Weights of an encoder, without dense layers behind its pooling.

    Attributes:
        layers: weights that work on every token: all but the embeddings.
        total: all weights.
    """

    layers: int
    total: int


def encoder_size(name: str) -> Size:
    """Return the size of an encoder, of which no weights are read.

    Of a hub id config.json and modules.json are fetched, where they are not in the hub's cache.

    Args:
        name: a folder, or ``name`` or ``name@revision`` of the hub.

    Raises:
        HubUnreachable: the hub does not answer, and its cache has no config.json.
        InputError: there is no such encoder, or its config.json is missing, damaged or of a model
            that is not loaded.
    """
    inside = ""
    modules = one_file(name, "modules.json")
    if modules is not None:
        (transformer, *_) = read_modules(Source(name, modules.parent), modules)
        inside = f"{transformer.path}/" if transformer.path else ""
    file = one_file(name, f"{inside}config.json")
    if file is None:
        raise InputError(f"{name}: no {inside}config.json: not a transformers encoder")

    # On the meta device a model has names and shapes, and no memory.
    with one_error(name, f"{inside}config.json"), torch.device("meta"):
        config = load_config(name, file.parent, {})
        kind, options = model_class(name, config)
        model = kind.from_config(config, **options)
    return size_of(model)


def size_of(model: nn.Module) -> Size:
    """Return the size of a transformer."""
    # A table that two modules share counts once.
    tables = {
        id(module.weight): module.weight.numel()
        for module in model.modules()
        if isinstance(module, nn.Embedding)
    }
    total = sum(weight.numel() for weight in model.parameters())
    return Size(total - sum(tables.values()), total)
