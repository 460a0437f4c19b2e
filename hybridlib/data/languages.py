"""Language codes, and the language that the name of a file or of a configuration stands for."""

from __future__ import annotations

import re

LANGUAGE_CODE = re.compile(r"[a-z]{2,3}")

ENGLISH_NAMES = {
    "ar": "arabic",
    "bn": "bengali",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "id": "indonesian",
    "it": "italian",
    "ja": "japanese",
    "ko": "korean",
    "nl": "dutch",
    "pt": "portuguese",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
    "th": "thai",
    "vi": "vietnamese",
    "zh": "chinese",
}
_CODES = {name: code for code, name in ENGLISH_NAMES.items()}

# A name that holds one of these words is a part of a set, not its pairs in one language.
_PARTS_OF_SETS = {"queries", "collection", "runs", "corpus", "qrels"}


def language_of(name: str) -> str:
    """Return the language code that a name stands for, or an empty string.

    A name may be a code or an English name, with anything before or behind: ``de``, ``german``,
    ``german-triplet``, ``mrtydi-v1.1-german`` and ``de_flat`` all stand for ``de``.
    """
    if name in _CODES:
        return _CODES[name]
    if LANGUAGE_CODE.fullmatch(name) and name != "all":
        return name
    parts = re.split(r"[-_]", name)
    if _PARTS_OF_SETS & set(parts):
        return ""
    codes = set()
    for part in (parts[0], parts[-1]):
        if part in _CODES or part in ENGLISH_NAMES:
            codes.add(_CODES.get(part, part))
    return codes.pop() if len(codes) == 1 else ""
