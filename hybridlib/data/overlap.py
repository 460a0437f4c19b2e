"""What training pairs share with the evaluation corpus, and training pairs without it.

Equal text in the same language counts, at least 20 characters of it (10 in Chinese and Japanese):
a shorter text is equal by chance. Texts are equal that differ in their Unicode normal form, white
space, case or punctuation alone, and languages that are variants of one, such as ``zh`` and
``zh-Hans``. So does an equal question id in any language, unless it is a number or shorter than 8
characters.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.languages import primary_language
from hybridlib.data.pairs import negatives_of
from hybridlib.data.values import strings
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

# A larger share of common pairs than this means that the two sets are not different.
_LARGEST_SHARE = 0.01

_SHORTEST_TEXT = 20
_SHORTEST_IDEOGRAPHIC_TEXT = 10
_IDEOGRAPHIC = ("ja", "zh")
_SHORTEST_ID = 8

# A look at so many characters of a text, and at so many letters among them.
_BEGINNING = 48
_FIRST_LETTERS = 12

# What case folding does beyond small letters; Turkish has a dotless i, and a capital with a dot.
_FOLDED = (("ß", "ss"), ("ς", "σ"), ("i\u0307", "i"), ("ı", "i"))
# White space, punctuation and what shows nothing: ASCII's signs, too, and the stroke that makes
# Arabic words longer.
_NO_LETTERS = r"[\p{Z}\p{P}\p{Cc}\p{Cf}\p{Sk}$+<=>^|~\x{FE00}-\x{FE0F}\x{0640}]+"
_ANY_FOLDED = "|".join(folded for folded, _ in _FOLDED)


def drop_overlap(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """Drop the training pairs that share something with the evaluation corpus.

    A warning counts them, by what is equal and by what the two copies differ in.

    Raises:
        InputError: more than a hundredth of the pairs would be dropped, so the two are not
            different sets. The message names the first pair.
    """
    shared = overlaps(pairs, evaluation)
    dropped = shared.any(axis=1)
    if not dropped.any():
        return pairs.reset_index(drop=True)
    if dropped.mean() > _LARGEST_SHARE:
        raise InputError(_describe(pairs, shared, evaluation.name))
    log.warning(
        "%d of %d training pairs left out: %s holds one of their texts (%s)",
        dropped.sum(),
        len(pairs),
        evaluation.name,
        _count_kinds(pairs, shared, evaluation),
    )
    return pairs[~dropped].reset_index(drop=True)


def overlaps(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """Return what each training pair shares with the evaluation corpus.

    Returns:
        Boolean columns question, passage, pair_id and, where there are explicit negatives, negative
        (any of them); one row per pair.
    """
    # Ids that are long enough to be equal only if the question is.
    question_ids = {
        question_id
        for question_id in evaluation.queries["question_id"].unique()
        if len(question_id) >= _SHORTEST_ID and not question_id.isdigit()
    }
    columns = {
        "question": _shared_texts(pairs, "question", evaluation.queries),
        "passage": _shared_texts(pairs, "passage", evaluation.candidates),
        "pair_id": pairs["pair_id"].isin(question_ids).to_numpy(),
    }
    negatives = negatives_of(pairs)
    if any(negatives):
        columns["negative"] = _shared_negatives(pairs, negatives, evaluation.candidates)
    return pd.DataFrame(columns, index=pairs.index)


def _shared_negatives(
    pairs: pd.DataFrame, negatives: list[list[str]], candidates: pd.DataFrame
) -> np.ndarray:
    """Return whether the evaluation has an explicit negative of each pair."""
    rows = np.repeat(np.arange(len(pairs)), [len(texts) for texts in negatives])
    texts = [text for row in negatives for text in row]
    table = pd.DataFrame({"lang": pairs["lang"].to_numpy()[rows], "negative": texts})
    shared = np.zeros(len(pairs), dtype=bool)
    shared[rows[_shared_texts(table, "negative", candidates)]] = True
    return shared


def _shared_texts(pairs: pd.DataFrame, column: str, evaluation: pd.DataFrame) -> np.ndarray:
    """Return whether the evaluation has the text of each pair in the same language."""
    shared = np.zeros(len(pairs), dtype=bool)
    all_texts = strings(pairs[column])
    evaluated = _primary_languages(evaluation)
    trained = _primary_languages(pairs)
    for lang in set(evaluated) & set(trained):
        known = strings(evaluation["text"][evaluated == lang])
        known_letters = _letters(known.filter(_is_long(known, lang)))
        # Most texts drop out by a look at their beginning.
        rows = pa.array(np.flatnonzero(trained == lang))
        rows = rows.filter(_begin_alike(all_texts.take(rows), known_letters))
        texts = all_texts.take(rows)
        is_known = pc.is_in(_letters(texts), value_set=known_letters)
        rows = rows.filter(pc.and_(is_known, _is_long(texts, lang)))
        shared[rows.to_numpy()] = True
    return shared


def _primary_languages(frame: pd.DataFrame) -> np.ndarray:
    """Return the language that each row's is a variant of."""
    codes, names = pd.factorize(frame["lang"])
    return np.array([primary_language(name) for name in names], dtype=str)[codes]


def _is_long(texts: pa.Array, lang: str) -> pa.BooleanArray:
    """Return which texts can not be equal by chance."""
    shortest = _SHORTEST_IDEOGRAPHIC_TEXT if lang in _IDEOGRAPHIC else _SHORTEST_TEXT
    return pc.greater_equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), shortest)


def _begin_alike(texts: pa.Array, known_letters: pa.Array) -> pa.BooleanArray:
    """Return which texts may be among those of ``known_letters``: a quick look at their beginning.

    A text of which that says too little may be, too.
    """
    beginnings = _only_letters(pc.utf8_slice_codeunits(texts, 0, _BEGINNING))
    is_short = pc.less_equal(pc.utf8_length(beginnings), _FIRST_LETTERS)
    first = pc.utf8_slice_codeunits(beginnings, 0, _FIRST_LETTERS)
    known = pc.utf8_slice_codeunits(known_letters, 0, _FIRST_LETTERS)
    return pc.or_(is_short, pc.is_in(first, value_set=known))


def _letters(texts: pa.Array) -> pa.Array:
    """Return what is left of texts that copies share; a text of nothing else stays as it is."""
    letters = _only_letters(texts)
    return pc.if_else(pc.equal(letters, ""), pc.utf8_trim_whitespace(texts), letters)


def _only_letters(texts: pa.Array) -> pa.Array:
    """Return texts in one normal form and case, without space, punctuation, and the invisible."""
    letters = pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))
    if pc.any(pc.match_substring_regex(letters, _ANY_FOLDED)).as_py():
        for folded, plain in _FOLDED:
            letters = pc.replace_substring(letters, folded, plain)
    return pc.replace_substring_regex(letters, _NO_LETTERS, "")


def _count_kinds(pairs: pd.DataFrame, shared: pd.DataFrame, evaluation: RetrievalCorpus) -> str:
    """Return how many texts are shared, by what the two copies differ in."""
    counts: Counter[str] = Counter()
    sides = {"question": evaluation.queries, "passage": evaluation.candidates}
    for column, evaluated in sides.items():
        rows = pairs[shared[column]]
        if not len(rows):
            continue
        for difference, count in _differences(rows, column, evaluated).items():
            counts[f"{column} {difference}"] = count
    if shared["pair_id"].any():
        counts["question id"] = int(shared["pair_id"].sum())
    if "negative" in shared and shared["negative"].any():
        counts["explicit negative"] = int(shared["negative"].sum())
    return ", ".join(f"{kind}: {count:,}" for kind, count in counts.items())


def _differences(pairs: pd.DataFrame, column: str, evaluation: pd.DataFrame) -> Counter[str]:
    """Return how many pairs share a text that differs in nothing, normal form, ..."""
    differences: Counter[str] = Counter()
    # Only texts with the same letters can be equal.
    letters = _letters(strings(pairs[column]))
    is_near = pc.is_in(_letters(strings(evaluation["text"])), value_set=letters)
    evaluation = evaluation[is_near.to_numpy(zero_copy_only=False)]
    left = pairs.assign(lang=_primary_languages(pairs))
    evaluation = evaluation.assign(lang=_primary_languages(evaluation))
    for difference, normalise in _NORMALISATIONS.items():
        known = set(zip(evaluation["lang"], evaluation["text"].map(normalise)))
        texts = zip(left["lang"], left[column].map(normalise))
        is_known = np.array([text in known for text in texts], dtype=bool)
        if is_known.any():
            differences[difference] = int(is_known.sum())
        left = left[~is_known]
    if len(left):
        differences["but for punctuation"] = len(left)
    return differences


def _normal_form(text: str) -> str:
    """Return a text in compatibility composition."""
    return unicodedata.normalize("NFKC", text.strip())


def _without_space(text: str) -> str:
    """Return a text without white space and invisible characters."""
    return "".join(char for char in _normal_form(text) if has_words(char))


def _without_case(text: str) -> str:
    """Return a text without white space and case."""
    return _without_space(text).casefold()


# What two copies differ in, and a function that makes them equal; each includes those before it.
_NORMALISATIONS: dict[str, Callable[[str], str]] = {
    "as it stands": str.strip,
    "but for its normal form": _normal_form,
    "but for white space": _without_space,
    "but for case": _without_case,
}


_LABELS = {"pair_id": "question id", "negative": "explicit negative"}


def _describe(pairs: pd.DataFrame, shared: pd.DataFrame, name: str) -> str:
    """Return the message for a training set that is evaluated on, with counts and an example."""
    columns = [column for column in shared if shared[column].any()]
    counts = []
    for column in columns:
        label = _LABELS.get(column, column)
        counts.append(f"{shared[column].sum():,} by their {label}")
    first = pairs[shared[columns[0]]].iloc[0]
    example = first["question" if columns[0] == "negative" else columns[0]]
    return (
        f"train_corpus and eval_corpus ({name}) are not different sets: "
        f"{shared.any(axis=1).sum():,} of {len(pairs):,} training pairs of {first['dataset']!r} "
        f"are evaluated on ({', '.join(counts)}), for example pair_id {first['pair_id']!r} "
        f"({first['lang']}), {example[:80]!r}: "
        "train on another set, or take what they share out of one of them"
    )
