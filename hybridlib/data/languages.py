"""Names of languages: BCP 47 tags (https://www.rfc-editor.org/info/bcp47), and English names.

A name such as ``zh-Hans`` or ``pt_BR`` stays as it is written. The language that it is a variant
of decides about rules that hold for ``zh`` or ``pt``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.languages import get_official_languages

from hybridlib.errors import InputError

log = logging.getLogger(__name__)

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

# Names of splits and of all languages together, which look like languages.
_NO_LANGUAGES = {"all", "dev", "val"}

# Languages written without spaces between words.
UNSPACED = frozenset(["ja", "km", "lo", "my", "th", "zh"])

# Languages of their own in the registry that are written like Chinese.
_CHINESE = {"gan", "hak", "hsn", "lzh", "wuu", "yue"}

# Languages whose tag may name a language within them, such as zh-yue.
_WITH_EXTENSION = {"ar", "kok", "lv", "ms", "sgn", "sw", "uz", "zh"}


@cache
def is_language(name: str) -> bool:
    """Return whether a name is a language tag: ``de``, ``zh-Hans``, ``pt_BR``, ``es-419``.

    Scripts, territories and variants are those of CLDR. A territory in small letters counts only
    where the language is official: ``pt-br`` is a tag, ``en-de`` a pair of languages.
    """
    language, *subtags = re.split(r"[-_]", name)
    if not re.fullmatch(r"[a-z]{2,3}", language) or language in _NO_LANGUAGES:
        return False
    # Subtags follow one another in this order; variants may be several.
    last = 0
    for number, subtag in enumerate(subtags):
        if subtag.lower() == "x":
            return number + 1 < len(subtags)
        order = _order(language, subtag)
        if order < last or order == 0 or (order == last and order < 4):
            return False
        last = order
    return True


def _order(language: str, subtag: str) -> int:
    """Return 1 for an extended language, 2 a script, 3 a territory, 4 a variant, else 0."""
    names = Locale("en")
    if re.fullmatch(r"[a-z]{3}", subtag) and language in _WITH_EXTENSION:
        return 1
    if subtag.title() in names.scripts:
        return 2
    if subtag.upper() in names.territories:
        official = get_official_languages(subtag.upper(), de_facto=True)
        is_official = language in {tag.split("_")[0] for tag in official}
        return 3 if subtag == subtag.upper() or is_official else 0
    return 4 if subtag.upper() in names.variants else 0


def language_at_end(name: str) -> str:
    """Return the longest language tag at the end of a name (``train-zh-Hans``), or ``""``."""
    starts = [0, *(match.end() for match in re.finditer(r"[-_]", name))]
    return next((name[start:] for start in starts if is_language(name[start:])), "")


def language_of(name: str) -> str:
    """Return the language that the name of a folder or configuration stands for, or ``""``.

    A name may be a language tag or an English name, with anything before or behind: ``de``,
    ``german``, ``german-triplet``, ``mrtydi-v1.1-german`` and ``de_flat`` all stand for ``de``.
    """
    if name in _CODES:
        return _CODES[name]
    if _PARTS_OF_SETS & set(re.split(r"[-_]", name)):
        return ""
    if is_language(name):
        return name
    ends = [match.start() for match in re.finditer(r"[-_]", name)]
    parts = [name[end + 1 :] for end in ends] + [name[:end] for end in reversed(ends)]
    languages = {_known_language(part) for part in parts} - {""}
    # Of tags within one another, such as zh and zh-Hans, the longest counts.
    longest = max(languages, key=len, default="")
    others = {lang for lang in languages if not longest.startswith(lang)}
    return "" if others else longest


def _known_language(name: str) -> str:
    """Return the language of a part of a name: an English name, its code, or a longer tag."""
    if name in _CODES:
        return _CODES[name]
    is_sure = name in ENGLISH_NAMES or len(name) > 3
    return name if is_sure and is_language(name) else ""


def tag_of_code(code: str) -> str:
    """Return the tag of a code such as ``deu_Latn`` or ``fas``: the shortest that says the same.

    ISO 639-1 stands for ISO 639-3 where there is one, and the usual script of a language is not
    named: ``de``, ``zh-Hant`` for ``zho_Hant``, ``arz`` for ``arz_Arab``.
    """
    language, _, script = code.partition("_")
    language = str(get_global("language_aliases").get(language, language))
    usual = str(get_global("likely_subtags").get(language, "")).split("_")
    # FLORES calls the letters of Korean alone Hang, CLDR its script as a whole Kore.
    script = script.replace("Hang", "Kore")
    return language if not script or script in usual else f"{language}-{script}"


def primary_language(lang: str) -> str:
    """Return the language that a name is a variant of: ``zh`` for ``zh-Hans`` and ``zho_Hans``."""
    language = re.split(r"[-_]", lang)[0].lower()
    language = _CODES.get(language, language)
    if language in _CHINESE:
        return "zh"
    return str(get_global("language_aliases").get(language) or language)


def is_unspaced(lang: str) -> bool:
    """Return whether a language is written without spaces between words."""
    in_latin_letters = "latn" in re.split(r"[-_]", lang.lower())
    return primary_language(lang) in UNSPACED and not in_latin_letters


def escaped(lang: str) -> str:
    """Return a name without hyphens, still different from all others, for names of files.

    A hyphen is written ``%2D``, as in web addresses. So ``hi`` and ``en-hi`` joined by a hyphen
    differ from ``hi-en`` and ``hi``: ``hi-en%2Dhi`` and ``hi%2Den-hi``.
    """
    return lang.replace("%", "%25").replace("-", "%2D")


def warn_of_spellings(source: str, languages: Iterable[str]) -> None:
    """Warn of two languages whose names differ in case or separator alone."""
    spellings: dict[str, list[str]] = {}
    for lang in sorted(languages):
        spellings.setdefault(lang.lower().replace("_", "-"), []).append(lang)
    for names in spellings.values():
        if len(names) > 1:
            log.warning("%s: %s count as different languages", source, " and ".join(names))


def check_languages(source: str, wanted: Iterable[str], present: Iterable[str]) -> None:
    """Check that at least one language is wanted, and that ``present`` has all that are."""
    wanted = set(wanted)
    present = set(present)
    missing = sorted(wanted - present)
    if missing:
        problem = "has no " + ", ".join(missing)
    elif not wanted:
        problem = "no language was asked for"
    else:
        return
    raise InputError(f"{source}: {problem}; it has {', '.join(sorted(present))}")
