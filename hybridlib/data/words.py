"""Which texts have words: those with at least one character that can be seen."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

# White space, control and format characters (U+200B, U+FEFF, U+2060, ...).
_INVISIBLE_CATEGORIES = ("Zs", "Zl", "Zp", "Cc", "Cf")

# Characters of other categories that show nothing: fillers, joiners and variation selectors.
_INVISIBLE_RANGES = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)
_INVISIBLE = frozenset(
    chr(code) for first, last in _INVISIBLE_RANGES for code in range(first, last + 1)
)
_VISIBLE_PATTERN = (
    "[^"
    + "".join(rf"\p{{{category}}}" for category in _INVISIBLE_CATEGORIES)
    + "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in _INVISIBLE_RANGES)
    + "]"
)


def has_words(text: str) -> bool:
    """Return whether a text has a character that can be seen."""
    first = text[:1]
    # Most texts begin with a letter.
    if first.isalnum() and first not in _INVISIBLE:
        return True
    return any(_is_visible(char) for char in text)


def have_words(texts: pa.Array) -> pa.BooleanArray:
    """Return :func:`has_words` of each text; a missing text has none."""
    return pc.match_substring_regex(texts, _VISIBLE_PATTERN).fill_null(False)


def _is_visible(char: str) -> bool:
    """Return whether a character can be seen."""
    return unicodedata.category(char) not in _INVISIBLE_CATEGORIES and char not in _INVISIBLE
