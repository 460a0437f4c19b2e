"""A Dense module of sentence-transformers, read and written: a linear layer and its activation."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hybridlib.errors import InputError
from hybridlib.files import write_json
from hybridlib.model.source import Source, one_line, refuse_pointer
from hybridlib.model.st_config import DenseConfig, read_config
from hybridlib.model.weights import refuse_empty_weights

_ACTIVATIONS = {
    "torch.nn.modules.linear.Identity": nn.Identity,
    "torch.nn.modules.activation.Tanh": nn.Tanh,
    "torch.nn.modules.activation.ReLU": nn.ReLU,
    "torch.nn.modules.activation.GELU": nn.GELU,
    "torch.nn.modules.activation.SiLU": nn.SiLU,
    "torch.nn.modules.activation.Sigmoid": nn.Sigmoid,
}


def read_dense(source: Source, path: str) -> tuple[nn.Linear, nn.Module]:
    """Return the linear layer of a Dense module and its activation.

    Args:
        source: of the encoder.
        path: of the module's folder in it.

    Raises:
        InputError: a part is missing, damaged or not supported.
    """
    config = read_config(source, f"{path}/config.json", DenseConfig)
    if config is None:
        raise InputError(f"{source.name}: {path} has no config.json; fetch it again")
    known = dict(_ACTIVATIONS)
    known |= {f"torch.nn.{kind.__name__}": kind for kind in _ACTIVATIONS.values()}
    if config.activation_function not in known:
        raise InputError(
            f"{source.name}: {path} has the activation {config.activation_function!r}; "
            f"supported are {', '.join(_ACTIVATIONS)}"
        )
    weights = _read_linear(source, path, config)
    layer = nn.Linear(config.in_features, config.out_features, bias=config.bias)
    layer.load_state_dict(weights)
    refuse_empty_weights(f"{source.name}: {path}/model.safetensors", layer)
    return layer, known[config.activation_function]()


def _read_linear(source: Source, path: str, config: DenseConfig) -> dict[str, Tensor]:
    """Return the weights of a Dense module, which must be as its config says."""
    file = source.file(f"{path}/model.safetensors")
    if file is None:
        raise InputError(
            f"{source.name}: {path} has no model.safetensors; pickled weights are not loaded: "
            "load it with sentence-transformers and save it again"
        )
    refuse_pointer(file)
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file}: damaged ({one_line(error)}); fetch it again") from None
    expected = {"linear.weight": [config.out_features, config.in_features]}
    if config.bias:
        expected["linear.bias"] = [config.out_features]
    stored = {key: list(value.shape) for key, value in weights.items()}
    if stored != expected:
        raise InputError(
            f"{file}: has the tensors {stored}, and by its config.json it must have {expected}"
        )
    return {key.removeprefix("linear."): value for key, value in weights.items()}


def write_dense(folder: Path, linear: nn.Linear, activation: nn.Module) -> None:
    """Write the config and the weights of one dense layer into a folder."""
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
