"""Offsets into a text: where answers and sentences stand, counted in characters."""

from __future__ import annotations

from collections.abc import Sequence

from hybridlib.errors import InputError


def check_answer(text: str, start: int, context: str, source: str) -> None:
    """Check that an answer stands at its offset.

    Raises:
        InputError: another text stands there; with the likely cause.
    """
    if not 0 <= start < len(context):
        raise InputError(
            f"{source}: answer_start {start} lies outside the context of {len(context)} "
            f"characters{_longer_units(start, context)}; mend the offset"
        )
    if context.startswith(text, start):
        return
    stands = context[start : start + len(text)]
    raise InputError(
        f"{source}: the answer {text[:80]!r} does not stand at answer_start {start}, "
        f"where the context has {stands[:80]!r}; {_likely_cause(text, start, context)}"
    )


def check_sentences(breaks: Sequence[tuple[int, int]], context: str, source: str) -> None:
    """Check that sentences lie inside their context, in order and without overlap.

    Args:
        breaks: [start, end) of each.
        context: the text that they divide.
        source: what an error message begins with.

    Raises:
        InputError: one does not; with the likely cause.
    """
    last = 0
    for start, end in breaks:
        if not 0 <= start < end <= len(context):
            raise InputError(
                f"{source}: sentence [{start}, {end}) is empty or not inside the context of "
                f"{len(context)} characters{_longer_units(end, context)}; mend its sentence_breaks"
            )
        if start < last:
            raise InputError(
                f"{source}: sentence [{start}, {end}) begins before the end of the one before it "
                f"({last}); sentence_breaks are in order and do not overlap"
            )
        last = end


def _likely_cause(text: str, start: int, context: str) -> str:
    """Return why an answer may not stand at its offset, and what to do."""
    for unit, encoding, width in (("bytes", "utf-8", 1), ("UTF-16 units", "utf-16-le", 2)):
        encoded = context.encode(encoding)
        if encoded.startswith(text.encode(encoding), start * width):
            return f"the offset seems to be counted in {unit}; count characters"
    if text and text in context:
        return f"it stands at {context.find(text)}; offsets count characters from 0"
    return "the context does not hold it; mend the text or the offset"


def _longer_units(end: int, context: str) -> str:
    """Return what an offset behind the context may be counted in, for an error message."""
    units = {"UTF-16 units": len(context.encode("utf-16-le")) // 2, "bytes": len(context.encode())}
    for unit, length in units.items():
        if len(context) < end <= length:
            return f" (but of {length} {unit}: count characters)"
    return ""
