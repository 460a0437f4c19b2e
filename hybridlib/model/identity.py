"""What the vectors of an encoder depend on: values that can be compared and kept."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from hybridlib.model.weights import add_weights

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hybridlib.model.encoder import DualEncoder

# Entries of a config without an effect on vectors, beside dropouts.
_NO_EFFECT = (
    *("_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype"),
    *("use_cache", "id2label", "label2id", "problem_type", "finetuning_task"),
)


def describe(encoder: DualEncoder) -> dict[str, Any]:
    """Return all that vectors depend on, but for the prefixes."""
    rounded = {}
    if encoder.encode_precision != "fp32":
        rounded = {"encode_precision": encoder.encode_precision}
    return {
        **rounded,
        "pooling": encoder.pooling,
        "max_length": encoder.max_length,
        "layers": layers_of(encoder),
        "weights": weights_hash(encoder),
        "tokenizer": tokenizer_hash(encoder),
        "config": config_hash(encoder.backbone.config),
    }


def weights_hash(encoder: DualEncoder) -> str:
    """Return a hash of all weights, those of dense layers too."""
    digest = hashlib.sha256()
    add_weights(digest, encoder)
    return digest.hexdigest()


def tokenizer_hash(encoder: DualEncoder) -> str:
    """Return a hash of the tokenizer, but for the truncation and padding of its last call."""
    tokenizer = encoder.tokenizer
    if hasattr(tokenizer, "backend_tokenizer"):
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        rules |= {"truncation": None, "padding": None}
    else:
        rules = {"vocab": tokenizer.get_vocab(), "settings": _plain(tokenizer.init_kwargs)}
    return _hash([rules, tokenizer.truncation_side])


def config_hash(config: PreTrainedConfig) -> str:
    """Return a hash of a transformer's config, which also says how weights are used."""
    kept = {key: value for key, value in config.to_dict().items() if "dropout" not in key}
    return _hash({key: value for key, value in kept.items() if key not in _NO_EFFECT})


def layers_of(encoder: DualEncoder) -> str:
    """Return the layers behind the pooling in words, without their weights."""
    return " ".join(repr(layer) for layer in encoder.dense or ()) or "none"


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a tokenizer that are no paths."""
    return {key: value for key, value in settings.items() if isinstance(value, bool | int)}


def _hash(value: Any) -> str:
    """Return a hash of a value that JSON can write."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
