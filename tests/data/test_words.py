"""Which texts have words."""

from __future__ import annotations

import sys
import unicodedata

import pyarrow as pa
import pytest

from hybridlib.data.words import has_words, have_words

BLANK = [
    *("", " \t\r\n", "\u200b", "\ufeff", "\u2060", "\u00a0\u3000", "\u00ad", "\u2800", "\u3164"),
    *("\u200b \ufeff\u2060", "\ufe0f", "\u034f", "\U000e0041", "\x00\x1f", "\u2028", "\u115f"),
]


@pytest.mark.parametrize("text", BLANK)
def test_invisible_characters_are_no_words(text):
    assert not has_words(text)
    assert not has_words(text * 30)


@pytest.mark.parametrize("text", ["a", "\u200b.", "\ufeffก", "?", "—", "💧", "\u0301", "  中 "])
def test_everything_else_is(text):
    assert has_words(text)


def test_a_column_is_judged_as_its_texts():
    """Every character that Python knows; Arrow may know newer ones."""
    characters = map(chr, range(sys.maxunicode + 1))
    assigned = [char for char in characters if unicodedata.category(char) not in ("Cn", "Co", "Cs")]
    column = have_words(pa.array(assigned, pa.large_string())).to_pylist()
    different = [char for char, known in zip(assigned, column) if has_words(char) != known]
    assert not different
    assert have_words(pa.array([None, ""], pa.large_string())).to_pylist() == [False, False]
