"""A first look at an encoder: does it give each text a vector of its own, whatever the batch?"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hybridlib.errors import InputError
from hybridlib.model.source import one_line

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder, Side

_SHORT = "1"
_LONG = "Berlin, the capital of Germany, is one of its 16 states."

# Between components of unit vectors. Rounding stays below 1e-6, or with padding below 1e-5.
_ROUNDING = 3e-6
_ROUNDING_WITH_PADDING = 2e-5


def check_encodes(encoder: DualEncoder, name: str) -> None:
    """Encode two texts in several ways, and refuse an encoder whose vectors mean nothing.

    Where padding changes the vectors, the encoder is set to batches of equal length.

    Args:
        encoder: in any mode.
        name: of the encoder, for messages.

    Raises:
        InputError: it cannot encode a text, its vectors are not finite or all the same, they
            depend on the other texts of a batch, or on something besides the token ids.
    """
    was_training = encoder.training
    encoder.eval()
    try:
        # What is drawn afterwards must not depend on this.
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            _check(encoder, name)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a family that is not a text encoder fails in any way
        raise InputError(
            f"{name}: a {encoder.backbone.config.model_type} model, which cannot encode a text "
            f"by its token ids alone ({type(error).__name__}: {one_line(error)})"
        ) from error
    finally:
        encoder.train(was_training)


def _check(encoder: DualEncoder, name: str) -> None:
    """Compare vectors of texts alone, in a padded batch, and in one of equal lengths."""
    # With a prefix as short as any text will have.
    sides: tuple[Side, ...] = ("query", "passage")
    side = min(sides, key=lambda each: len(encoder.prefixes[each]))
    short, long = encoder.tokenize((_SHORT, _LONG), side)
    alone = torch.cat([_vectors(encoder, [ids]) for ids in (short, long)])
    plain = torch.cat(
        [_plain_vector(encoder, encoder.prefixes[side] + text) for text in (_SHORT, _LONG)]
    )

    if alone.shape[1] != encoder.dimension:
        raise InputError(
            f"{name}: gives vectors of {alone.shape[1]} numbers, and its config says "
            f"{encoder.dimension}"
        )
    if not torch.isfinite(alone).all() or (alone.norm(dim=1) < 0.5).any():
        raise InputError(f"{name}: gives vectors that are zero or not finite numbers")
    if short != long and torch.equal(alone[0], alone[1]):
        raise InputError(f"{name}: gives every text the same vector")
    if _differ(alone, plain, _ROUNDING):
        raise InputError(
            f"{name}: its vectors depend on chance, or on what its tokenizer gives besides the "
            "token ids; such encoders are not supported"
        )
    if _differ(alone, _vectors(encoder, [short, long])):
        encoder.equal_lengths = True
    reversed_long = [long[0], *reversed(long[1:-1]), long[-1]]
    if _differ(alone[1:], _vectors(encoder, [long, reversed_long])[:1]):
        raise InputError(f"{name}: its vectors depend on the other texts of a batch")


def _differ(vectors: Tensor, others: Tensor, rounding: float = _ROUNDING_WITH_PADDING) -> bool:
    """Return whether vectors differ by more than rounding."""
    return bool((vectors - others).abs().max() > rounding)


def _vectors(encoder: DualEncoder, token_ids: list[list[int]]) -> Tensor:
    """Return the vectors of one padded batch."""
    return encoder.embed(**encoder.pad(token_ids))


def _plain_vector(encoder: DualEncoder, text: str) -> Tensor:
    """Return the vector of a text with all that its tokenizer gives, ``[1, dimension]``."""
    inputs: Any = encoder.tokenizer(
        text, truncation=True, max_length=encoder.max_length, return_tensors="pt"
    )
    inputs = {key: value.to(encoder.device) for key, value in inputs.items()}
    accepted = inspect.signature(encoder.backbone.forward).parameters.values()
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in accepted):
        names = {parameter.name for parameter in accepted}
        inputs = {key: value for key, value in inputs.items() if key in names}
    hidden = encoder.backbone(**inputs).last_hidden_state.float()
    mask = torch.ones(hidden.shape[:2], dtype=torch.long, device=hidden.device)
    return nn.functional.normalize(encoder.pool(hidden, mask), dim=-1)
