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
    names = {*rows["query_lang"].unique(), *rows["target"].unique(), PIVOT}
    languages = pd.CategoricalDtype(sorted(names))
    rows = rows.astype({"query_lang": languages, "target": languages})

    # A number for each search: of a question, in a language, in a target.
    question, _ = pd.factorize(rows["question_id"])
    rows["text"] = question * len(names) + rows["target"].cat.codes
    rows["search"] = rows["text"] * len(names) + rows["query_lang"].cat.codes
    twice = rows["search"].duplicated()
    if twice.any():
        question_id = rows["question_id"][twice].iloc[0]
        raise InputError(
            f"translate-test: needs one query for a question_id in a language; {question_id!r} "
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
    languages = rows["query_lang"].cat.categories
    code = asked["target"].cat.codes if into == PASSAGE else languages.get_loc(into)
    wanted = asked["text"] * len(languages) + code
    found = pd.Index(rows["search"]).get_indexer(wanted)
    both = asked[found >= 0].assign(translated=rows["ap"].to_numpy()[found[found >= 0]])
    if both["search"].eq(wanted[found >= 0]).all():
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
