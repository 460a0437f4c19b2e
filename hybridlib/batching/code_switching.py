"""Word translations for code-switched batches: from bilingual word lists, or by word alignment of parallel texts.

A lexicon of one language is a mapping: word (lower case) -> language -> its translations in that language. The
alignment is IBM model 1 (Brown et al. 1993, https://aclanthology.org/J93-2003): the chance that a word of one
language stands for a word of the other, estimated by EM from texts that are translations of each other, no more
being known than that. A word is what stands between spaces. Languages that are written without them
(:data:`UNSPACED`) cannot be aligned and are left out there; word lists may have them.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.errors import InputError

log = logging.getLogger(__name__)

Lexicon = dict[str, dict[str, list[str]]]


UNSPACED = frozenset(["ja", "km", "lo", "my", "th", "zh"])


ROUNDS = 5  # of EM


MIN_CHANCE = 0.3  # of the best translation; without one as likely a word is not translated


MAX_CELLS = 3_000_000  # pairs of a word and a word of its translated text: bounds time and memory


MAX_CELLS_OF_TEXT = 4_000  # longer texts say little of which word is which


def load_lexicon(folder: Path, source: str, targets: Iterable[str]) -> Lexicon:
    """Read word lists in MUSE's format: ``<source>-<target>.txt``, ``word translation`` a line, space or tab between.

    A word with several translations has several lines. Languages without a list are left out.

    Raises:
        InputError: no such folder, none of the files, or a line without two fields.
    """
    targets, words = sorted(targets), {}
    files = {
        lang: folder / f"{source}-{lang}.txt"
        for lang in targets
        if (folder / f"{source}-{lang}.txt").is_file()
    }
    if not files:
        raise InputError(
            f"lexicon_path: {folder} has none of the word lists {', '.join(f'{source}-{lang}.txt' for lang in targets)}; a list has one `word translation` a line"
        )
    for lang, file in files.items():
        for number, line in enumerate(_lines(file), 1):
            fields = line.split("\t") if "\t" in line else line.split()
            if len(fields) < 2 and line.strip():
                raise InputError(
                    f"{file}: line {number} is {line!r}; a line is `word translation`, with a space or a tab between"
                )
            if line.strip():
                words.setdefault(fields[0].strip().lower(), {}).setdefault(lang, []).append(
                    fields[1].strip()
                )
    return words


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").split("\n")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: cannot be read as UTF-8 text: {error}") from None


def lexicon_from_pairs(pairs: pd.DataFrame, source: str, targets: Iterable[str]) -> Lexicon:
    """Align the words of the questions and passages that a training table has in two languages.

    Args:
        pairs: training pairs (pair_id, lang, question, passage); equal pair_ids are translations.
        source, targets: languages; those in :data:`UNSPACED` are left out.

    Returns:
        For each word the likeliest translation in each language that has one with a chance of MIN_CHANCE or more.
    """
    words: Lexicon = {}
    left_out = sorted(UNSPACED & {source, *targets})
    if left_out:
        log.warning(
            "code-switching: %s are written without spaces and left out of the lexicon made from the training pairs",
            ", ".join(left_out),
        )
    for target in tqdm(
        sorted(set(targets) - UNSPACED - {source}),
        desc="aligning words",
        unit="language",
        mininterval=2,
        delay=2,
    ):
        for word, translation in (
            align(*_shared_texts(pairs, source, target)) if source not in UNSPACED else {}
        ).items():
            words.setdefault(word, {})[target] = [translation]
    return words


def _shared_texts(pairs: pd.DataFrame, source: str, target: str) -> tuple[list[str], list[str]]:
    """Questions and passages in the first language, and the same in the second."""
    one, other = (
        pairs[pairs["lang"] == lang].set_index("pair_id")[["question", "passage"]]
        for lang in (source, target)
    )
    both = one.merge(
        other, left_index=True, right_index=True, suffixes=("", "_target")
    ).sort_index()
    texts = pd.concat(
        [
            both[[column, f"{column}_target"]].set_axis(["source", "target"], axis=1)
            for column in ("question", "passage")
        ]
    ).drop_duplicates()
    return texts["source"].tolist(), texts["target"].tolist()


def align(
    source: Sequence[str],
    target: Sequence[str],
    rounds: int = ROUNDS,
    min_chance: float = MIN_CHANCE,
) -> dict[str, str]:
    """Likeliest translation of each word of ``source``, by IBM model 1.

    Args:
        source, target: texts, translations of each other, ``[n]`` each.
        rounds: of expectation and maximisation.
        min_chance: words whose best translation is less likely are left out.

    Returns:
        Word -> translation, both in lower case.
    """
    texts = _bounded([(["", *_words(one)], _words(other)) for one, other in zip(source, target)])
    if not texts:
        return {}
    from_words, to_words = (
        sorted({word for text in texts for word in text[side]}) for side in (0, 1)
    )
    from_ids, to_ids = (
        {word: number for number, word in enumerate(words)} for words in (from_words, to_words)
    )
    numbers = [
        (np.array([from_ids[w] for w in one]), np.array([to_ids[w] for w in other]))
        for one, other in texts
    ]
    cells = np.concatenate(
        [
            np.repeat(one, len(other)) * len(to_words) + np.tile(other, len(one))
            for one, other in numbers
        ]
    )
    ends = np.cumsum([0, *(len(other) for _, other in numbers)])
    places = np.concatenate(
        [
            np.tile(np.arange(len(other)) + start, len(one))
            for (one, other), start in zip(numbers, ends)
        ]
    )
    keys, chance = _model_1(cells, places, len(to_words), rounds)
    order = np.lexsort(
        (keys, -chance, keys // len(to_words))
    )  # by word, the likeliest translation first
    first = order[np.r_[True, np.diff(keys[order] // len(to_words)) > 0]]
    good = first[chance[first] >= min_chance]
    return {
        from_words[key // len(to_words)]: to_words[key % len(to_words)]
        for key in keys[good].tolist()
        if from_words[key // len(to_words)]
    }


def _model_1(
    cells: np.ndarray, places: np.ndarray, width: int, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of words that share a text (source word x width + target word), and the chance of each, by EM.

    ``cells``: such a pair for every two words of every text; ``places``: which target word in which text it is of.
    """
    keys, index = np.unique(cells, return_inverse=True)
    chance = np.ones(len(keys))
    for _ in range(rounds):
        weight = chance[index]
        weight /= np.bincount(places, weight)[places]
        count = np.bincount(index, weight)
        chance = count / np.bincount(keys // width, count)[keys // width]
    return keys, chance


def _bounded(texts: list[tuple[list[str], list[str]]]) -> list[tuple[list[str], list[str]]]:
    """The texts with words on both sides, as far as MAX_CELLS goes."""
    sizes = np.array([len(one) * len(other) for one, other in texts])
    texts = [text for text, size in zip(texts, sizes) if 0 < size <= MAX_CELLS_OF_TEXT]
    reach = np.cumsum([len(one) * len(other) for one, other in texts]) <= MAX_CELLS
    return texts[: int(reach.sum())]


def _words(text: str) -> list[str]:
    return [word.lower() for token in text.split() if (word := _parts(token)[1])]


@lru_cache(maxsize=200_000)
def _parts(token: str) -> tuple[str, str, str]:
    """What stands before the word (quotes, brackets), the word, and what stands behind it (full stops)."""
    inside = [at for at, sign in enumerate(token) if unicodedata.category(sign)[0] in "LMN"]
    return (
        (token[: inside[0]], token[inside[0] : inside[-1] + 1], token[inside[-1] + 1 :])
        if inside
        else (token, "", "")
    )


def switch(text: str, words: Lexicon, rng: np.random.Generator, probability: float) -> str:
    """The text with each word replaced, with ``probability``, by a translation into a language drawn uniformly.

    Words that the lexicon has not stay. White space, punctuation around a word and capitals are kept.
    """
    tokens = re.split(r"(\s+)", text)
    for place, (draw, *choice) in zip(
        range(0, len(tokens), 2), rng.random((len(tokens) // 2 + 1, 3)).tolist()
    ):
        if draw < probability:
            tokens[place] = _translated(tokens[place], words, *choice)
    return "".join(tokens)


def _translated(token: str, words: Lexicon, language: float, which: float) -> str:
    """The token in another language; the two numbers in [0, 1) choose language and translation."""
    before, word, behind = _parts(token)
    choices = words.get(word.lower())
    if not choices:
        return token
    translations = choices[sorted(choices)[int(language * len(choices))]]
    return before + _capitals_of(word, translations[int(which * len(translations))]) + behind


def _capitals_of(word: str, other: str) -> str:
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


@dataclass(frozen=True)
class Switching:
    """How ``code-switched`` changes texts.

    ``probability`` of each word, ``sides``: query, passage or both, ``lexicon_path``: MUSE word lists; None makes
    the lexicon from the table's own translations.
    """

    probability: float = 0.5
    sides: str = "both"
    lexicon_path: Path | None = None
