"""Translate-test: what a search would find if the question were translated perfectly.

A parallel corpus holds the translations of a question (one ``question_id``), made by people. So the
figure needs no translation and no further search: a question gets the result of its translation.

=====================  ==============================  ========================================
translated into        cross-lingual, x to y           multilingual, x to all
=====================  ==============================  ========================================
the passage's          the question in y searches y    none: a pool has no one language
English                the question in English         the question in English searches the pool
                       searches y
=====================  ==============================  ========================================

It is the most that a search behind machine translation could reach, as translations by people have
no errors.
"""

from __future__ import annotations

import pandas as pd

from hybridlib.errors import InputError
from hybridlib.evaluation.significance import ClusteredMean, compare
from hybridlib.retrieval.ranking import cell_names

PASSAGE = "the passage's"  # the language of the passages that are searched
PIVOT = "en"

_COLUMNS = [
    "setting",
    "translated_into",
    "as_asked",
    "translated",
    "difference",
    "low",
    "high",
    "queries",
    "without_translation",
]


def translate_test(table: pd.DataFrame) -> pd.DataFrame:
    """Return mAP with questions as they are asked and as they are translated.

    Both are over the same queries: those whose question exists in the other language, with a
    relevant passage in the same target.

    Args:
        table: per-query results in all settings: question_id, query_lang, target, setting, ap.

    Returns:
        Columns setting, translated_into (a language, or :data:`PASSAGE`), as_asked, translated
        (mAP, macro averages as everywhere), difference (translated - as asked), low, high (95 %
        interval over questions), queries, and without_translation: how many queries are left out,
        in each target once. No row for what no question has a translation for.

    Raises:
        InputError: no question has a translation, or one stands twice in a language, so that it is
            not clear which is the translation.
    """
    rows = table[["question_id", "query_lang", "target", "setting", "ap"]]
    rows = rows.astype({"query_lang": str, "target": str, "setting": str})
    twice = rows.duplicated(["question_id", "query_lang", "target"])
    if twice.any():
        question = rows["question_id"][twice].iloc[0]
        raise InputError(
            f"translate-test: needs one query for a question_id in a language; {question!r} "
            "stands there twice"
        )
    cross = rows[rows["setting"] == "cross-lingual"]
    pool = rows[rows["setting"] == "multilingual"]
    parts = [_compared(rows, cross, PASSAGE), _compared(rows, cross, PIVOT)]
    parts.append(_compared(rows, pool, PIVOT))
    found = [part for part in parts if part]
    if not found:
        raise InputError(
            "translate-test: needs a question_id in two languages, with a relevant passage in one "
            "of them"
        )
    return pd.DataFrame(found, columns=_COLUMNS)


def _compared(rows: pd.DataFrame, asked: pd.DataFrame, into: str) -> dict[str, str | float]:
    """Return a row of the result; nothing where no question is translated.

    Args:
        rows: of all settings.
        asked: the rows of one setting.
        into: the language of the translations.
    """
    # A question's translation searches the same target.
    language = asked["target"] if into == PASSAGE else into
    wanted = asked.assign(translation=language)
    results = rows[["question_id", "query_lang", "target", "ap"]]
    results = results.rename(columns={"query_lang": "translation", "ap": "translated"})
    both = wanted.merge(results, on=["question_id", "translation", "target"])
    if both["query_lang"].eq(both["translation"]).all():
        return {}

    both["cell"] = cell_names(both["query_lang"], both["target"])
    as_asked = ClusteredMean.of(both.assign(value=both["ap"]))
    translated = ClusteredMean.of(both.assign(value=both["translated"]))
    gain = compare(translated, as_asked)
    return {
        "setting": str(asked["setting"].iloc[0]),
        "translated_into": into,
        "as_asked": as_asked.mean(),
        "translated": translated.mean(),
        "difference": gain.mean,
        "low": gain.low,
        "high": gain.high,
        "queries": len(both),
        "without_translation": len(asked) - len(both),
    }
