"""Word translations for code-switched batches, from word lists or by word alignment.

A lexicon of one language maps a word (lower case) to languages and their translations. The
alignment is IBM model 1 (Brown et al. 1993, https://aclanthology.org/J93-2003): the probability
that a word of one language stands for a word of another, estimated by EM from texts that are
translations of each other. A word is what stands between spaces. Languages written without spaces
(:func:`is_unspaced`) cannot be aligned and are left out there; word lists may have them.
"""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.data.languages import escaped, is_unspaced
from hybridlib.data.text_files import filled_lines
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

logger = logging.getLogger(__name__)

# word -> language -> translations
Lexicon = dict[str, dict[str, list[str]]]

ROUNDS = 5  # of EM
MIN_PROBABILITY = 0.3  # of a word's best translation; below it the word is not translated
MAX_CELLS = 3_000_000  # pairs of a word and a word of its translation: bounds time and memory
MAX_CELLS_OF_TEXT = 4_000  # longer texts say little of which word is which


@dataclass(frozen=True)
class Switching:
    """How ``code-switched`` changes texts.

    Attributes:
        probability: of each word to be replaced.
        sides: ``query``, ``passage`` or ``both``.
        lexicon_path: folder of MUSE word lists; None makes the lexicon from the table's own
            translations.
    """

    probability: float = 0.5
    sides: str = "both"
    lexicon_path: Path | None = None


def switch(text: str, lexicon: Lexicon, rng: np.random.Generator, probability: float) -> str:
    """Replace each word, with ``probability``, by a translation into a language drawn uniformly.

    Words that the lexicon lacks stay. White space, punctuation around a word and capitals are kept.
    """
    tokens = re.split(r"(\s+)", text)

    # Words are the even entries, white space the odd ones. Each word takes three numbers.
    draws = rng.random((len(tokens) // 2 + 1, 3)).tolist()
    for place, (draw, language, which) in zip(range(0, len(tokens), 2), draws, strict=True):
        if draw < probability:
            tokens[place] = _translate(tokens[place], lexicon, language, which)
    return "".join(tokens)


# ------------------------------------------------------------------------------------- word lists


def load_lexicon(folder: Path, source: str, targets: Iterable[str]) -> Lexicon:
    """Read word lists in MUSE's format.

    A file is ``<source>-<target>.txt`` with one word and one translation a line: two fields by a
    tab, or two by one space. A word with several translations has several lines, and a blank line
    says nothing. Languages without a list are left out. A hyphen within a language is written
    ``%2D`` in the file's name, or as it is where the name can mean no other two languages.

    Raises:
        InputError: no such folder, none of the files, one that may be of other languages, or
            another line; with its number.
    """
    lexicon: Lexicon = {}
    languages = sorted({source, *targets})
    files = {lang: _find_list(folder, source, lang, languages) for lang in sorted(targets)}
    if not any(files.values()):
        names = ", ".join(f"{escaped(source)}-{escaped(lang)}.txt" for lang in files)
        raise InputError(
            f"lexicon_path: {folder} has none of the word lists {names}; a list has one "
            "`word translation` a line"
        )
    for lang, file in files.items():
        if file is None:
            continue
        is_empty = True
        for number, line in filled_lines(file):
            is_empty = False
            separator = "\t" if "\t" in line else " "
            fields = [field.strip() for field in line.split(separator)]
            if len(fields) != 2 or not all(map(has_words, fields)):
                raise InputError(
                    f"{file}: line {number} is {line!r}; a line is `word translation`, two fields "
                    "by a tab, or two by one space"
                )
            lexicon.setdefault(fields[0].lower(), {}).setdefault(lang, []).append(fields[1])
        if is_empty:
            raise InputError(f"{file}: holds no word; fill it or take it out")
    return lexicon


def _find_list(folder: Path, source: str, target: str, languages: Sequence[str]) -> Path | None:
    """Return the word list of two languages, if there is one."""
    names = [f"{escaped(source)}-{escaped(target)}.txt", f"{source}-{target}.txt"]
    # One that is there but cannot be read is not passed over.
    files = [folder / name for name in dict.fromkeys(names) if os.path.lexists(folder / name)]
    if not files or files[0].name == names[0]:
        return files[0] if files else None
    # A name as it is may be that of other languages, too.
    for one, other in permutations(languages, 2):
        if (one, other) != (source, target) and f"{one}-{other}" == f"{source}-{target}":
            raise InputError(
                f"{files[0]}: from {source} to {target}, or from {one} to {other}? Write a hyphen "
                f"within a language as %2D: {names[0]}"
            )
    return files[0]


# --------------------------------------------------------------------------------- word alignment


def lexicon_from_pairs(pairs: pd.DataFrame, source: str, targets: Iterable[str]) -> Lexicon:
    """Align the words of the questions and passages that a training table has in two languages.

    Args:
        pairs: training pairs (pair_id, lang, question, passage); equal pair_ids are translations.
        source: the language of the words; nothing is aligned if it is written without spaces.
        targets: languages to translate into; those written without spaces are left out.

    Returns:
        For each word its likeliest translation in each language that has one with a probability
        of at least MIN_PROBABILITY.
    """
    lexicon: Lexicon = {}
    unspaced = sorted(filter(is_unspaced, {source, *targets}))
    if unspaced:
        logger.warning(
            "code-switching: %s are written without spaces and left out of the lexicon made from "
            "the training pairs",
            ", ".join(unspaced),
        )
    if source in unspaced:
        return lexicon
    spaced = sorted(set(targets) - {source, *unspaced})
    for target in tqdm(spaced, desc="aligning words", unit="language", mininterval=2, delay=2):
        source_texts, target_texts = _shared_texts(pairs, source, target)
        for word, translation in align(source_texts, target_texts).items():
            lexicon.setdefault(word, {})[target] = [translation]
    return lexicon


def _shared_texts(pairs: pd.DataFrame, source: str, target: str) -> tuple[list[str], list[str]]:
    """Return the questions and passages in one language, and the same in another."""
    by_pair = pairs.set_index("pair_id")
    sides = ["question", "passage"]
    source_rows = by_pair.loc[by_pair["lang"] == source, sides]
    target_rows = by_pair.loc[by_pair["lang"] == target, sides]
    both = source_rows.merge(
        target_rows, left_index=True, right_index=True, suffixes=("", "_target")
    )
    both = both.sort_index()

    # Questions first, then passages; a text that stands twice counts once.
    parts = [
        both[[side, f"{side}_target"]].set_axis(["source", "target"], axis=1) for side in sides
    ]
    texts = pd.concat(parts).drop_duplicates()
    return texts["source"].tolist(), texts["target"].tolist()


def align(
    source: Sequence[str],
    target: Sequence[str],
    rounds: int = ROUNDS,
    min_probability: float = MIN_PROBABILITY,
) -> dict[str, str]:
    """Return the likeliest translation of each word of ``source``, by IBM model 1.

    Args:
        source: texts, ``[n]``.
        target: their translations, ``[n]``.
        rounds: of expectation and maximisation.
        min_probability: words whose best translation is less likely are left out.

    Returns:
        Word -> translation, both in lower case.
    """
    # The empty word stands for target words that translate nothing.
    texts = [(["", *_words(one)], _words(other)) for one, other in zip(source, target, strict=True)]
    texts = _bound(texts)
    if not texts:
        return {}

    # Number the words of both sides.
    source_words = sorted({word for one, _ in texts for word in one})
    target_words = sorted({word for _, other in texts for word in other})
    source_ids = {word: number for number, word in enumerate(source_words)}
    target_ids = {word: number for number, word in enumerate(target_words)}
    width = len(target_words)

    # One cell for every two words of a text: which two words, and which place in the target texts.
    cell_parts = []
    place_parts = []
    start = 0
    for one, other in texts:
        one_ids = np.array([source_ids[word] for word in one])
        other_ids = np.array([target_ids[word] for word in other])
        cell_parts.append(np.repeat(one_ids, len(other)) * width + np.tile(other_ids, len(one)))
        place_parts.append(np.tile(np.arange(len(other)) + start, len(one)))
        start += len(other)
    cells = np.concatenate(cell_parts)
    places = np.concatenate(place_parts)
    keys, probability = _ibm_model_1(cells, places, width, rounds)

    # Sort by source word, its likeliest translation first; take the first where it is good enough.
    word_of = keys // width
    order = np.lexsort((keys, -probability, word_of))
    is_first = np.r_[True, np.diff(word_of[order]) > 0]
    best = order[is_first]
    best = best[probability[best] >= min_probability]
    translations = {}
    for key in keys[best].tolist():
        word = source_words[key // width]
        if word:
            translations[word] = target_words[key % width]
    return translations


def _ibm_model_1(
    cells: np.ndarray, places: np.ndarray, width: int, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate how likely each source word is to stand for each target word, by EM.

    Args:
        cells: source word x ``width`` + target word, for every two words of every text.
        places: for each cell, which target word of which text it is of.
        width: number of target words.
        rounds: of EM.

    Returns:
        The different cells, and the probability of each.
    """
    keys, index = np.unique(cells, return_inverse=True)
    probability = np.ones(len(keys))
    for _ in range(rounds):
        # Expectation: share each target word among the source words of its text.
        weight = probability[index]
        weight /= np.bincount(places, weight)[places]

        # Maximisation: normalise the expected counts of each source word.
        count = np.bincount(index, weight)
        probability = count / np.bincount(keys // width, count)[keys // width]
    return keys, probability


def _bound(texts: list[tuple[list[str], list[str]]]) -> list[tuple[list[str], list[str]]]:
    """Return the texts with words on both sides, as far as MAX_CELLS goes."""
    kept = []
    total = 0
    for one, other in texts:
        size = len(one) * len(other)
        if not 0 < size <= MAX_CELLS_OF_TEXT:
            continue
        total += size
        if total > MAX_CELLS:
            break
        kept.append((one, other))
    return kept


# ------------------------------------------------------------------------------------------- words


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    words = [_split_token(token)[1].lower() for token in text.split()]
    return [word for word in words if word]


@lru_cache(maxsize=200_000)
def _split_token(token: str) -> tuple[str, str, str]:
    """Split into what stands before the word (quotes), the word, and what follows (full stops)."""
    inside = [at for at, sign in enumerate(token) if unicodedata.category(sign)[0] in "LMN"]
    if not inside:
        return token, "", ""
    first = inside[0]
    end = inside[-1] + 1
    return token[:first], token[first:end], token[end:]


def _translate(token: str, lexicon: Lexicon, language: float, which: float) -> str:
    """Translate a token; two numbers in [0, 1) choose the language and the translation."""
    before, word, behind = _split_token(token)
    choices = lexicon.get(word.lower())
    if not choices:
        return token
    translations = choices[sorted(choices)[int(language * len(choices))]]
    translation = translations[int(which * len(translations))]
    return before + _capitalise_like(word, translation) + behind


def _capitalise_like(word: str, other: str) -> str:
    """Give ``other`` the capitals of ``word``."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    if word[:1].isupper():
        return other[:1].upper() + other[1:]
    return other
