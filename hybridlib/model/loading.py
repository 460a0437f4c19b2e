"""Loading the parts of an encoder with transformers, and the messages for what cannot be loaded."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hybridlib.errors import InputError
from hybridlib.model.defaults import DEFAULT_LENGTH

# transformers takes about a second to import, so the functions that need it import it.
if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

# Models with an encoder and a decoder, of which the encoder is a class of its own.
T5_FAMILY = ("t5", "mt5", "umt5")

# Models that number their positions from behind the padding id.
_POSITIONS_AFTER_PADDING = ("xlm-roberta", "roberta", "camembert", "xlm-roberta-xl")

_UNLIMITED = 1_000_000  # tokens; stands for "no limit"

_DROPOUT_KEYS = (
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


def locate(name: str) -> tuple[str, str | None]:
    """Return a local folder and None, or a hub id and its revision.

    Raises:
        InputError: the folder is missing, or lacks its config or its weights.
    """
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


def load_parts(
    name: str, revision: str | None, dropout: float | None, changes: dict[str, Any]
) -> tuple[PreTrainedConfig, PreTrainedModel, Any]:
    """Load config, encoder and tokenizer, in float32, from safetensors, without remote code.

    Args:
        name: a folder or a hub id.
        revision: of the hub id.
        dropout: sets every dropout of the config; None leaves them.
        changes: other entries of the config.

    Raises:
        InputError: a part is missing or of a kind that is not loaded.
    """
    from transformers import AutoConfig, AutoTokenizer

    source: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(name, **source, **changes)
        if dropout is not None:
            _set_dropout(name, config, dropout)
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
        backbone = _load_backbone(name, source, config)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(_failure(name, error)) from error
    _check_tokenizer(name, tokenizer)
    return config, backbone, tokenizer


def _load_backbone(name: str, source: dict[str, Any], config: PreTrainedConfig) -> PreTrainedModel:
    """Load the encoder half, without a pooling head that was never trained."""
    from transformers import AutoModel, AutoModelForTextEncoding

    options: dict[str, Any] = {}
    kind: Any = AutoModel
    if config.model_type in T5_FAMILY:
        kind = AutoModelForTextEncoding
    elif config.is_encoder_decoder:
        raise InputError(
            f"{name}: {config.model_type} has a decoder too; of such models only the encoder "
            f"halves of {', '.join(T5_FAMILY)} are supported"
        )
    else:
        model_class: Any = AutoModel._model_mapping[type(config)]
        if "add_pooling_layer" in inspect.signature(model_class.__init__).parameters:
            options["add_pooling_layer"] = False
    return kind.from_pretrained(
        name, config=config, dtype=torch.float32, use_safetensors=True, **source, **options
    )


def _set_dropout(name: str, config: PreTrainedConfig, dropout: float) -> None:
    """Set every dropout probability that the config has, under the name its family uses."""
    known = [key for key in _DROPOUT_KEYS if hasattr(config, key)]
    if not known:
        raise InputError(
            f"dropout: the config of {name} has none of {', '.join(_DROPOUT_KEYS)}; "
            "leave dropout at null"
        )
    for key in known:
        setattr(config, key, dropout)


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer without words or without a padding token."""
    # Without tokenizer files transformers makes up one that has special tokens only.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise InputError(
            f"{name}: no tokenizer; save the model's tokenizer there with save_pretrained"
        )
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"{name}: its tokenizer has no pad_token; set one "
            "(tokenizer.pad_token = tokenizer.eos_token) and save it again"
        )


def _failure(name: str, error: Exception) -> str:
    """Return the message for an encoder that transformers could not load."""
    if Path(name).is_dir():
        return f"{name}: cannot be loaded as a transformers encoder: {error}"
    reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return (
        f"{name}: neither a folder here nor to be had from the hub ({reason}). Offline? "
        "Fetch it on a machine with a network "
        f"(`hf download {name} --local-dir FOLDER`), copy FOLDER here, "
        "and give its path instead of the id."
    )


def projection_layer(width: int, projection: int | None, seed: int) -> nn.Sequential | None:
    """Return a linear layer with orthogonal weights and no activation.

    Args:
        width: of the vectors that come in.
        projection: width of the vectors that go out; None: no layer.
        seed: of the weights.
    """
    if projection is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(width, projection, bias=False)
        nn.init.orthogonal_(layer.weight)
    return nn.Sequential(layer, nn.Identity())


def kept_length(
    name: str, config: PreTrainedConfig, requested: int | None, stored: int | None
) -> int:
    """Return how many tokens of a text are kept, never more than the model has positions.

    Args:
        name: of the encoder, for the message.
        config: of the encoder.
        requested: by the caller; None: as the folder says.
        stored: what the folder says; None: ``DEFAULT_LENGTH``.

    Raises:
        InputError: more tokens are requested than there are positions.
    """
    positions = getattr(config, "max_position_embeddings", None) or _UNLIMITED
    if config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    if requested is not None and requested > positions:
        raise InputError(f"max_length ({requested}): {name} has {positions} positions")
    return requested or min(stored or DEFAULT_LENGTH, positions)


def first_given(*values: str | None) -> str:
    """Return the first value that is not None."""
    return next(value for value in values if value is not None)
