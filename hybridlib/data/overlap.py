"""Parallel question-passage tables to train on, and retrieval corpora to evaluate on.

Training pairs are one DataFrame with PAIR_COLUMNS: the same ``pair_id`` in two languages means translation of
each other; the same ``passage_id``, the same passage content in any language. A :class:`RetrievalCorpus` holds
queries, candidates and the relevance between them. Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import logging

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError

logger = logging.getLogger(__name__)


def apart_from(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """The training pairs without those whose question, or whose passage, the evaluation corpus holds too.

    Equal text in the same language is what counts, at least 20 characters of it (10 in scripts without spaces): a
    short phrase says nothing of where it comes from. So does an equal question id, in whatever language, unless it
    is a number or shorter than 8 characters.

    Raises:
        InputError: more than a hundredth of the pairs would go: the two are not different sets. It names the first.
    """
    shared = overlaps(pairs, evaluation)
    if shared.any(axis=None) and shared.any(axis=1).mean() > 0.01:
        raise InputError(_what_overlaps(pairs, shared, evaluation.name))
    gone = shared.any(axis=1)
    if gone.any():
        logger.warning(
            "%d of %d training pairs left out: %s holds their question or passage",
            gone.sum(),
            len(pairs),
            evaluation.name,
        )
    return pairs[~gone].reset_index(drop=True)


def overlaps(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """What each training pair shares with the evaluation corpus, by the rules of :func:`apart_from`.

    Returns:
        Boolean columns question, passage and pair_id, one row per pair.
    """
    held = {"question": evaluation.queries, "passage": evaluation.candidates}
    known = {
        column: set(zip(frame["lang"], frame["text"].str.strip())) for column, frame in held.items()
    }
    shared = {
        column: [
            _telling(lang, text) and (lang, text) in texts
            for lang, text in zip(pairs["lang"], pairs[column].str.strip())
        ]
        for column, texts in known.items()
    }
    ids = {
        name
        for name in evaluation.queries["question_id"].unique()
        if len(name) >= 8 and not name.isdigit()
    }
    return pd.DataFrame(
        {**shared, "pair_id": pairs["pair_id"].isin(ids).to_numpy()}, index=pairs.index
    )


def _telling(lang: str, text: str) -> bool:
    """Whether a text is long enough to stand in two corpora by its origin alone, not by chance."""
    return len(text) >= (10 if lang in ("zh", "ja") else 20)


def _what_overlaps(pairs: pd.DataFrame, shared: pd.DataFrame, name: str) -> str:
    counts = ", ".join(
        f"{shared[column].sum():,} by their {'question id' if column == 'pair_id' else column}"
        for column in shared
        if shared[column].any()
    )
    column = next(column for column in shared if shared[column].any())
    first = pairs[shared[column]].iloc[0]
    return (
        f"train_corpus and eval_corpus ({name}) are not different sets: {shared.any(axis=1).sum():,} of {len(pairs):,} training pairs of {first['dataset']!r} are evaluated on ({counts}), "
        f"for example pair_id {first['pair_id']!r} ({first['lang']}), {first[column][:80]!r}: train on another set, or take what they share out of one of them"
    )
