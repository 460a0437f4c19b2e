"""What training pairs share with the evaluation corpus, and training pairs without it.

Equal text in the same language counts, at least 20 characters of it (10 in scripts without
spaces): a shorter text is equal by chance. So does an equal question id in any language, unless
it is a number or shorter than 8 characters.
"""

from __future__ import annotations

import logging

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

# A larger share of common pairs than this means that the two sets are not different.
_LARGEST_SHARE = 0.01

_SHORTEST_TEXT = 20
_SHORTEST_TEXT_WITHOUT_SPACES = 10
_SHORTEST_ID = 8


def drop_overlap(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """Drop the training pairs that share something with the evaluation corpus.

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
        "%d of %d training pairs left out: %s holds their question or passage",
        dropped.sum(),
        len(pairs),
        evaluation.name,
    )
    return pairs[~dropped].reset_index(drop=True)


def overlaps(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """Return what each training pair shares with the evaluation corpus.

    Returns:
        Boolean columns question, passage and pair_id, one row per pair.
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
    return pd.DataFrame(columns, index=pairs.index)


def _shared_texts(pairs: pd.DataFrame, column: str, evaluation: pd.DataFrame) -> list[bool]:
    """Return whether the evaluation has the text of each pair in the same language."""
    known = set(zip(evaluation["lang"], evaluation["text"].str.strip()))
    return [
        (lang, text) in known and _is_long_enough(lang, text)
        for lang, text in zip(pairs["lang"], pairs[column].str.strip())
    ]


def _is_long_enough(lang: str, text: str) -> bool:
    """Return whether a text that stands in two corpora can not be there by chance."""
    without_spaces = lang in ("zh", "ja")
    return len(text) >= (_SHORTEST_TEXT_WITHOUT_SPACES if without_spaces else _SHORTEST_TEXT)


def _describe(pairs: pd.DataFrame, shared: pd.DataFrame, name: str) -> str:
    """Return the message for a training set that is evaluated on, with counts and an example."""
    columns = [column for column in shared if shared[column].any()]
    counts = []
    for column in columns:
        label = "question id" if column == "pair_id" else column
        counts.append(f"{shared[column].sum():,} by their {label}")
    first = pairs[shared[columns[0]]].iloc[0]
    return (
        f"train_corpus and eval_corpus ({name}) are not different sets: "
        f"{shared.any(axis=1).sum():,} of {len(pairs):,} training pairs of {first['dataset']!r} "
        f"are evaluated on ({', '.join(counts)}), for example pair_id {first['pair_id']!r} "
        f"({first['lang']}), {first[columns[0]][:80]!r}: "
        "train on another set, or take what they share out of one of them"
    )
