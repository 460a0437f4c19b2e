"""How many weights an encoder has, by its config.json alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridlib.errors import InputError
from hybridlib.model.source import Source, one_file

# torch and transformers take seconds to import, so the functions that need them import them.
if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class Size:
    """Weights of an encoder, without dense layers behind its pooling.

    Attributes:
        layers: weights that work on every token: all but the embeddings.
        total: all weights.
        width: of a token's vector.
        depth: how many transformer layers there are.
        sides: the inputs and outputs of all linear layers, added up.
    """

    layers: int
    total: int
    width: int
    depth: int
    sides: int


NO_ENCODER = Size(0, 0, 0, 0, 0)


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
    from hybridlib.model.loading import load_config, one_error
    from hybridlib.model.st_format import read_modules

    inside = ""
    modules = one_file(name, "modules.json")
    if modules is not None:
        (transformer, *_) = read_modules(Source(name, modules.parent), modules)
        inside = f"{transformer.path}/" if transformer.path else ""
    file = one_file(name, f"{inside}config.json")
    if file is None:
        raise InputError(f"{name}: no {inside}config.json: not a transformers encoder")

    with one_error(name, f"{inside}config.json"):
        config = load_config(name, file.parent, {})
    return config_size(name, config)


def config_size(name: str, config: PreTrainedConfig) -> Size:
    """Return the size of the transformer that a config describes.

    Args:
        name: of the encoder, for messages.
        config: of its transformer.

    Raises:
        InputError: the config is of a model that is not loaded.
    """
    import torch
    from torch import nn

    from hybridlib.model.loading import one_error
    from hybridlib.model.weights import model_class

    # On the meta device a model has names and shapes, and no memory.
    with one_error(name, "config.json"), torch.device("meta"):
        kind, options = model_class(name, config)
        model = kind.from_config(config, **options)

    # A table that two modules share counts once.
    tables = {}
    sides = 0
    depth = 0
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            tables[id(module.weight)] = module.weight.numel()
        elif isinstance(module, nn.Linear):
            sides += module.in_features + module.out_features
        elif isinstance(module, nn.ModuleList):
            depth = max(depth, len(module))
    total = sum(weight.numel() for weight in model.parameters())
    return Size(total - sum(tables.values()), total, model.config.hidden_size, depth, sides)
