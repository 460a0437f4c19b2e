"""Loading the parts of an encoder with transformers, and the messages for what cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import normalizers
from torch import Tensor, nn

from hybridlib.errors import InputError
from hybridlib.model.adapter import base_of, with_adapter
from hybridlib.model.defaults import DEFAULT_LENGTH
from hybridlib.model.source import Source, one_line, refuse_pointers
from hybridlib.model.st_config import read_object
from hybridlib.model.st_format import Layout
from hybridlib.model.weights import load_backbone

# transformers takes about a second to import, so the functions that need it import it.
if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

# The special tokens that a tokenizer may put into a text by itself.
_ROLES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)

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


def load_parts(
    source: Source, layout: Layout, dropout: float | None, changes: dict[str, Any]
) -> tuple[PreTrainedConfig, PreTrainedModel, Any]:
    """Load config, encoder and tokenizer, in float32, from safetensors, without remote code.

    Args:
        source: of the encoder.
        layout: says where in it the transformer is, and how texts are put before it.
        dropout: sets every dropout of the config; None leaves them.
        changes: other entries of the config.

    Raises:
        InputError: a part is missing, damaged or of a kind that is not loaded.
    """
    name = source.name
    folder = source.folder / layout.subfolder
    base = base_of(name, folder)
    has_adapter = base != folder
    if not has_adapter:
        _check_folder(source, layout.subfolder)
    with one_error(name, "config.json"):
        config = load_config(name, base, {**layout.config_changes, **changes})
    if dropout is not None:
        _set_dropout(name, config, dropout)
    with one_error(name, "the tokenizer"):
        tokenizer = _load_tokenizer(name, folder, layout.lower_case)
    with one_error(name, "config.json and the weights"):
        backbone = load_backbone(name, base, config)
    if has_adapter:
        with one_error(name, "the adapter"):
            backbone = with_adapter(name, folder, backbone)
    # A model that cannot be written would be trained, and then lost.
    with one_error(name, "config.json"):
        validate = getattr(backbone.config, "validate", None)  # as saving it does
        if validate is not None:
            validate()
    _check_width(name, backbone, layout)
    _check_vocabulary(name, tokenizer, backbone)
    return config, backbone, tokenizer


@contextmanager
def one_error(name: str, part: str) -> Iterator[None]:
    """Turn an error of any kind, as transformers raises for a malformed file, into one line.

    Raises:
        InputError: instead of that error.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{name}: cannot be loaded as a transformers encoder: {part}: "
            f"{type(error).__name__}: {one_line(error)}"
        ) from error


def _check_folder(source: Source, subfolder: str) -> None:
    """Refuse a folder without a config, or of which files were not fetched."""
    inside = f"{subfolder}/" if subfolder else ""
    if source.file(inside + "config.json") is None:
        raise InputError(f"{source.name}: no {inside}config.json: not a transformers folder")
    refuse_pointers(source.folder / subfolder)
    for file in ("tokenizer_config.json", "tokenizer.json"):
        source.file(inside + file)


def load_config(name: str, folder: Path, changes: dict[str, Any]) -> PreTrainedConfig:
    """Load the config with some entries changed.

    Raises:
        InputError: it is damaged, of quantised weights, or has no entry of such a name.
    """
    from transformers import AutoConfig

    content = read_object(folder / "config.json")
    if not isinstance(content, dict):
        raise InputError(f"{folder / 'config.json'}: is not a JSON object; fetch it again")
    if content.get("quantization_config") is not None:
        raise InputError(
            f"{name}: has quantised weights (quantization_config), which are not loaded; give "
            "the encoder that they were made from"
        )
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    unknown = [key for key in changes if not hasattr(config, key)]
    if unknown:
        raise InputError(f"{name}: the config of {config.model_type} has no {', '.join(unknown)}")
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **changes)
    # Each text is read once, so a decoder's keys and values are not kept for a next token.
    if hasattr(config, "use_cache"):
        config.use_cache = False
    return config


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


def _load_tokenizer(name: str, folder: Path, lower_case: bool) -> Any:
    """Load a tokenizer that has words and a padding token.

    Args:
        name: of the encoder, for messages.
        folder: with the tokenizer.
        lower_case: texts are put into lower case first.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
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
    length = tokenizer.model_max_length
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise InputError(
            f"{name}: model_max_length of its tokenizer is {length!r}, not a number of tokens"
        )
    if lower_case:
        _put_into_lower_case(name, tokenizer)
    return tokenizer


def _put_into_lower_case(name: str, tokenizer: Any) -> None:
    """Let a tokenizer put texts into lower case, as sentence-transformers does it."""
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"{name}: do_lower_case is supported with tokenizers that have a tokenizer.json"
        )
    backend = tokenizer.backend_tokenizer
    steps: Any = backend.normalizer or []
    if not isinstance(steps, normalizers.Sequence | list):
        steps = [steps]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])


def _check_vocabulary(name: str, tokenizer: Any, backbone: PreTrainedModel) -> None:
    """Refuse a tokenizer whose ids go beyond the rows of the token embeddings."""
    try:
        table = backbone.get_input_embeddings()
    except NotImplementedError:
        table = None
    if not isinstance(table, nn.Embedding):
        raise InputError(
            f"{name}: a {backbone.config.model_type} model has no plain table of token embeddings "
            "(torch.nn.Embedding), which training needs; such encoders are not supported"
        )
    # A sentinel that no text has may lie beyond: mT5's tokenizer can have more than the model.
    named = [getattr(tokenizer, role) for role in _ROLES]
    spare = set(tokenizer.all_special_tokens) - set(named)
    beyond = [
        (number, token)
        for token, number in tokenizer.get_vocab().items()
        if number >= table.num_embeddings and token not in spare
    ]
    if beyond:
        last, token = max(beyond)
        raise InputError(
            f"{name}: its tokenizer has the token {token!r} with number {last}, and the model has "
            f"embeddings for {table.num_embeddings}; tokenizer and model do not belong together"
        )


def _check_width(name: str, backbone: PreTrainedModel, layout: Layout) -> None:
    """Refuse layers behind the transformer that do not fit it, or each other."""
    width = getattr(backbone.config, "hidden_size", None)
    if width is None:
        raise InputError(
            f"{name}: the config of {backbone.config.model_type} has no hidden_size; it is not a "
            "text encoder"
        )
    if layout.width not in (None, width):
        raise InputError(
            f"{name}: the transformer gives vectors of {width} numbers, and the pooling expects "
            f"{layout.width}; they do not belong together"
        )
    for layer in layout.dense or ():
        if isinstance(layer, nn.Linear):
            if layer.in_features != width:
                raise InputError(
                    f"{name}: a dense layer expects vectors of {layer.in_features} numbers, and "
                    f"gets {width}; the modules do not belong together"
                )
            width = layer.out_features
    for layer in (layout.correction or {}).values():
        if layer.in_features != width:
            raise InputError(
                f"{name}: its correction (Router) expects vectors of {layer.in_features} numbers, "
                f"and gets {width}; the modules do not belong together"
            )


def kept_length(
    name: str, backbone: PreTrainedModel, tokenizer: Any, layout: Layout, requested: int | None
) -> int:
    """Return how many tokens of a text are kept, never more than the model has positions.

    Args:
        name: of the encoder, for messages.
        backbone: its transformer.
        tokenizer: its tokenizer.
        layout: what its files say.
        requested: by the caller; None: as the files say, and where they say nothing
            ``DEFAULT_LENGTH``, or in a sentence-transformers folder as many as there are positions.

    Raises:
        InputError: more tokens are requested than there are positions, or so few that no token
            of a text is left beside the special ones.
    """
    positions = _positions(backbone)
    if requested is not None and requested > positions:
        raise InputError(f"max_length ({requested}): {name} has {positions} positions")
    stored = layout.max_length or _tokenizer_length(tokenizer, layout)
    length = min(stored, positions) if requested is None else requested
    special = tokenizer.num_special_tokens_to_add()
    if length <= special:
        raise InputError(
            f"{name}: keeps {length} tokens of each text, and {special} of them are special "
            "tokens, so that all texts would be one; set max_length"
        )
    _check_sparse_attention(name, backbone.config, length)
    return length


def _check_sparse_attention(name: str, config: PreTrainedConfig, length: int) -> None:
    """Refuse lengths at which BigBird's vectors depend on the texts that it encoded before.

    It attends sparsely to long texts, until the first short text turns that off for good.
    """
    if getattr(config, "attention_type", None) != "block_sparse":
        return
    limit = (5 + 2 * config.num_random_blocks) * config.block_size
    if length > limit:
        raise InputError(
            f"{name}: keeps {length} tokens of each text; beyond {limit} a {config.model_type} "
            f"model gives a text another vector after a short one. Set max_length to {limit}"
        )


def _tokenizer_length(tokenizer: Any, layout: Layout) -> int:
    """Return the length in the tokenizer's files; of a plain folder never more than the default."""
    limit = _UNLIMITED if layout.complete else DEFAULT_LENGTH
    return min(tokenizer.model_max_length, limit)


def _positions(backbone: PreTrainedModel) -> int:
    """Return how many tokens the model has positions for."""
    positions = getattr(backbone.config, "max_position_embeddings", None) or _UNLIMITED
    if positions < 0:  # of models without a limit
        positions = _UNLIMITED
    # RoBERTa and its kin number positions from behind the padding id.
    for module in backbone.modules():
        table = getattr(getattr(module, "position_embeddings", None), "weight", None)
        padding = getattr(module, "padding_idx", None)
        if isinstance(table, Tensor) and isinstance(padding, int):
            positions = min(positions, len(table) - padding - 1)
    return positions


def check_prefixes(name: str, tokenizer: Any, prefixes: dict[str, str], length: int) -> None:
    """Refuse a length at which a prefix leaves no token of a text.

    Raises:
        InputError: names the prefix.
    """
    special = tokenizer.num_special_tokens_to_add()
    for side, prefix in prefixes.items():
        tokens = tokenizer(prefix, add_special_tokens=False)["input_ids"] if prefix else []
        if len(tokens) + special >= length:
            raise InputError(
                f"{name}: keeps {length} tokens of each text, and the prefix {prefix!r} of a "
                f"{side} fills them, so that all texts would be one; set max_length"
            )


def stated_pooling(config: PreTrainedConfig, layout: Layout) -> str:
    """Return the pooling that an encoder's files state, else the one that its kind has.

    That is ``last`` of a causal language model, whose last token alone has seen the whole text, and
    ``mean`` of others, as in sentence-transformers.
    """
    if layout.pooling is not None:
        return layout.pooling
    stated = config.architectures
    architecture = str(stated[0]) if isinstance(stated, list) and stated else ""
    is_causal = architecture.endswith("ForCausalLM") and getattr(config, "is_causal", True)
    return "last" if is_causal else "mean"


@contextmanager
def rules_kept(tokenizer: Any) -> Iterator[None]:
    """Give a tokenizer its stored truncation and padding back, which every call changes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        yield
        return
    truncation = backend.truncation
    padding = backend.padding
    yield
    if truncation is None:
        backend.no_truncation()
    else:
        backend.enable_truncation(**truncation)
    if padding is None:
        backend.no_padding()
    else:
        backend.enable_padding(**padding)
