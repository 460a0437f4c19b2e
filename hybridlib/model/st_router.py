"""The Router of a corrected encoder, read and written: a dense layer for each side.

sentence-transformers takes the route ``query`` in encode_query and the route ``document`` in
encode_document. Without a task, ``encode`` raises an error: there is no default route, because
either side's layer would be wrong for the other.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from hybridlib.errors import InputError
from hybridlib.files import write_json
from hybridlib.model.source import Source
from hybridlib.model.st_config import MODULE_TYPES, RouterConfig, read_config
from hybridlib.model.st_dense import read_dense, write_dense

_FILE = "router_config.json"
_SIDES = {"query": "query", "document": "passage"}  # by route


def read_router(source: Source, path: str) -> nn.ModuleDict:
    """Return the linear layer of each side, ``query`` and ``passage``.

    Args:
        source: of the encoder.
        path: of the module's folder in it.

    Raises:
        InputError: a part is missing or damaged, or there is something else than these layers.
    """
    where = f"{source.name}: {path}/{_FILE}"
    config = read_config(source, f"{path}/{_FILE}", RouterConfig)
    if config is None:
        raise InputError(f"{where} is missing; fetch it again")
    if set(config.structure) != set(_SIDES):
        raise InputError(
            f"{where} has the routes {', '.join(config.structure)}; supported are query and "
            "document, with one Dense module each"
        )
    layers = {}
    for route, (name,) in config.structure.items():
        kind = config.types.get(name)
        if kind is None:
            raise InputError(f"{where} gives no type for {name!r}; fetch it again")
        if MODULE_TYPES.get(kind) != "Dense":
            raise InputError(f"{where} names a module {kind!r}; supported is Dense")
        layer, activation = read_dense(source, f"{path}/{name}")
        if not isinstance(activation, nn.Identity) or layer.in_features != layer.out_features:
            raise InputError(
                f"{source.name}: {path}/{name} is not a linear map of vectors to vectors of the "
                "same width, without activation; no other is supported in a Router"
            )
        layers[_SIDES[route]] = layer
    return nn.ModuleDict(layers)


def write_router(folder: Path, layers: nn.ModuleDict) -> None:
    """Write the linear layer of each side as a Router with one Dense module a route."""
    types = {}
    structure = {}
    for route, side in _SIDES.items():
        name = f"{route}_0_Dense"
        types[name] = "sentence_transformers.models.Dense"
        structure[route] = [name]
        (folder / name).mkdir()
        layer = layers[side]
        assert isinstance(layer, nn.Linear)
        write_dense(folder / name, layer, nn.Identity())
    # Without a default route and without the first one as the default.
    parameters = {"default_route": None, "allow_empty_key": False}
    content = {"types": types, "structure": structure, "parameters": parameters}
    write_json(folder / _FILE, content)
