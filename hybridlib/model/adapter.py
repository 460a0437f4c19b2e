"""Low-rank adapters over the transformer's linear layers (LoRA, arXiv 2106.09685), through peft.

A layer ``W x`` becomes ``W x + alpha / rank * B A x``, of which A and B alone are trained. B begins
with zeros, so that an encoder with a new adapter gives the vectors that it gave without.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hybridlib.errors import InputError
from hybridlib.model.identity import config_hash
from hybridlib.model.source import locate, refuse_pointer
from hybridlib.model.st_config import read_object
from hybridlib.model.weights import refuse_empty_weights

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
ALL_LINEAR = "all-linear"


class Adapter:
    """The adapter of an encoder in training.

    It is put into the encoder's transformer in place, whose own weights are frozen. What stands
    behind the pooling is trained as without it.

    Args:
        encoder: gets the adapter.
        rank: of A and B.
        alpha: the adapter's output is multiplied by alpha / rank.
        targets: ends of the names of the linear layers that get one, or ``all-linear``; None: those
            that peft takes for the architecture, and where it knows none all.
        seed: of A.

    Raises:
        InputError: peft is not installed, or the encoder has no such layers.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        rank: int,
        alpha: float,
        targets: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        peft = _peft()
        if encoder.adapter is not None:  # of a training that was interrupted
            encoder.adapter.merge()
        self.encoder = encoder
        self.rank = rank
        backbone = encoder.backbone
        self.trained_before = [weight for weight in backbone.parameters() if weight.requires_grad]
        config = peft.LoraConfig(
            r=rank,
            lora_alpha=alpha,
            target_modules=_target_modules(backbone, targets),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = _put_over(backbone, config)
        encoder.adapter = self

    def describe(self) -> str:
        """Return what is trained, in a sentence."""
        names = {name.rpartition(".")[2] for name in self.model.targeted_module_names}
        total = sum(weight.numel() for weight in self.encoder.parameters())
        weights = [weight for weight in self.encoder.parameters() if weight.requires_grad]
        trained = sum(weight.numel() for weight in weights)
        return (
            f"LoRA of rank {self.rank} on {', '.join(sorted(names))}: {trained:,} of {total:,} "
            "parameters are trained"
        )

    def save_pretrained(self, folder: Path) -> None:
        """Write the adapter without the encoder that it is put over, which it names."""
        config = self.model.peft_config["default"]
        source = self.encoder.source
        if source.get("revision") is None:
            config.base_model_name_or_path = str(Path(config.base_model_name_or_path).resolve())
        else:
            config.base_model_name_or_path = source["encoder"]
            config.revision = source["commit"]
        self.model.save_pretrained(folder, save_embedding_layers=False)

    def merge(self) -> None:
        """Add the adapter to the transformer's weights; what was trainable before is so again."""
        self.model.merge_and_unload()
        for weight in self.trained_before:
            weight.requires_grad_(True)
        self.encoder.adapter = None


def check_base(encoder: DualEncoder) -> None:
    """Refuse an encoder that an adapter's folder cannot name, so that it could not be read.

    Raises:
        InputError: it was not loaded from a folder or the hub, is in a subfolder of the hub's
            repository, or has another config than its folder.
    """
    from transformers import AutoConfig  # takes a second to import

    folder = Path(str(encoder.backbone.name_or_path))
    is_of_hub = encoder.source.get("revision") is not None
    found = (folder / "config.json").is_file()
    if found and is_of_hub:
        found = folder.name == encoder.source["commit"]
    if found:
        found = config_hash(AutoConfig.from_pretrained(folder)) == config_hash(
            encoder.backbone.config
        )
    if not found:
        raise InputError(
            "lora_save (adapter): an adapter names the encoder that it is put over: a folder or a "
            "hub id with this encoder's config.json in it, and there is none; set lora_save to "
            "merged"
        )


def is_first_factor(name: str) -> bool:
    """Return whether a weight is an adapter's A, by its name.

    The product of A and B is linear in B, which begins with zeros: with a share of B, the encoder
    moves by that share.
    """
    return ".lora_A." in name


# ------------------------------------------------------------------------------ an adapter's folder


def base_of(name: str, folder: Path) -> Path:
    """Return the folder of a transformer's config and weights: its own, or that of its adapter.

    Args:
        name: of the encoder, for messages.
        folder: of the transformer.

    Raises:
        InputError: the adapter is none of LoRA, or the encoder that it names is not to be had.
    """
    if not (folder / CONFIG).exists():
        return folder
    config = read_object(folder / CONFIG)
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(
            f"{name}: has an adapter ({CONFIG}) of another kind than LoRA, which is not supported; "
            "merge it into the weights (merge_and_unload of peft) and save the result"
        )
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise InputError(f"{name}: {CONFIG} names no encoder (base_model_name_or_path)")
    revision = config.get("revision")
    if revision and not Path(base).is_dir():
        base = f"{base}@{revision}"
    try:
        return locate(base).folder
    except InputError as error:
        raise InputError(f"{name}: its adapter is put over another encoder: {error}") from None


def is_over_local_folder(folder: Path) -> bool:
    """Return whether a folder has an adapter that is put over an encoder of this machine."""
    if not (folder / CONFIG).is_file():
        return False
    return Path(read_object(folder / CONFIG)["base_model_name_or_path"]).is_dir()


def with_adapter(name: str, folder: Path, backbone: Any) -> Any:
    """Return a transformer with the adapter of a folder added to its weights.

    Args:
        name: of the encoder, for messages.
        folder: with the adapter.
        backbone: that the adapter is put over; changed in place.

    Raises:
        InputError: peft is not installed, or the adapter's weights are missing or do not fit.
    """
    peft = _peft()
    from safetensors.torch import load_file

    file = folder / _WEIGHTS
    if not file.is_file():
        raise InputError(f"{name}: has {CONFIG} and no {_WEIGHTS}; fetch it again")
    refuse_pointer(file)
    model = _put_over(backbone, peft.LoraConfig.from_pretrained(str(folder)))
    found = peft.set_peft_model_state_dict(model, load_file(file))
    wrong = [*found.unexpected_keys, *(key for key in found.missing_keys if "lora_" in key)]
    if wrong:
        raise InputError(
            f"{name}: the weights of its adapter do not fit the encoder that it names: {wrong[0]}"
        )
    merged = model.merge_and_unload().requires_grad_(True)
    refuse_empty_weights(name, merged)
    return merged


def _put_over(backbone: nn.Module, config: Any) -> Any:
    """Return a transformer's adapter; the transformer is changed in place."""
    config.base_model_name_or_path = None  # becomes the folder that the transformer is loaded from
    with warnings.catch_warnings():
        # It asks the transformer for a property whose name transformers will change.
        warnings.simplefilter("ignore", FutureWarning)
        return _peft().get_peft_model(backbone, config)


def _target_modules(backbone: nn.Module, targets: Sequence[str] | None) -> Any:
    """Return the layers that get an adapter, as peft takes them."""
    if targets is None:
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

        kind: Any = backbone.config
        return None if kind.model_type in KNOWN else ALL_LINEAR
    if targets == ALL_LINEAR:
        return ALL_LINEAR
    layers = dict(backbone.named_modules())
    linear = {name for name, layer in layers.items() if isinstance(layer, nn.Linear)}
    for target in targets:
        named = {name for name in layers if f".{name}".endswith(f".{target}")}
        if not named or not named <= linear:
            ends = sorted({name.rpartition(".")[2] for name in linear})
            raise InputError(
                f"lora_targets ({target}): the encoder has no linear layers of that name; it has "
                f"{', '.join(ends)}"
            )
    return list(targets)


def _peft() -> ModuleType:
    """Return the library, which takes a second to import.

    Raises:
        InputError: it is not installed.
    """
    try:
        import peft
    except ModuleNotFoundError:
        raise InputError(
            "adapters (LoRA) need peft, which is not installed; in the folder of the project, "
            "run: pip install '.[lora]'"
        ) from None
    return peft
