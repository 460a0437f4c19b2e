"""Vectors must have a direction: a zero one, or one that is not finite, has no cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hybridlib.errors import InputError


def check_directions(
    vectors: Tensor, token_ids: Sequence[Sequence[int]], tokenizer: Any, side: str = ""
) -> None:
    """Refuse vectors that were zero, not finite or too long for float32 before normalising.

    Args:
        vectors: normalised, ``[texts, d]``: their length is 1, or else 0 or not a number.
        token_ids: of the texts.
        tokenizer: theirs, to name the text.
        side: of the texts, for the message.

    Raises:
        InputError: names the first such text.
    """
    usable = vectors.detach().norm(dim=1) > 0.5
    if usable.all():
        return
    row = int(usable.int().argmin())
    text = tokenizer.decode(token_ids[row], skip_special_tokens=True)
    shown = text if len(text) <= 80 else text[:80] + " ..."
    of_side = f" (side {side})" if side else ""
    raise InputError(
        f"{int((~usable).sum())} of {len(usable)} vectors are zero or not finite, so they have no "
        f"direction; the first is that of {shown!r}{of_side}. Look at the text, or, in training, "
        "lower learning_rate"
    )
