"""Toy training tables in one or several sets, and what a batch drawn from one holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from toys import LANGUAGES, pair_table

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch

BATCH = 8
ORDERED_PAIRS = {(x, y) for x in LANGUAGES for y in LANGUAGES if x != y}


def full_table() -> PairTable:
    """Return 40 pairs, each in every language."""
    return PairTable(pair_table())


def partial_table() -> PairTable:
    """Return 40 pairs that not every language has.

    Chinese lacks every third, Arabic the first ten; the last five are English only.
    """
    missing = [(number, "zh") for number in range(0, 40, 3)]
    missing += [(number, "ar") for number in range(10)]
    missing += [(number, lang) for number in range(35, 40) for lang in ("ar", "de", "zh")]
    return PairTable(pair_table(missing=missing))


def mixture(**sizes: int) -> pd.DataFrame:
    """Return a set of each size in all languages; one called ``english`` has English alone."""
    parts = []
    for name, count in sizes.items():
        part = pair_table(count, ("en",) if name == "english" else LANGUAGES)
        parts.append(part.assign(dataset=name, pair_id=name + "/" + part["pair_id"]))
    return pd.concat(parts, ignore_index=True)


def set_of(table: PairTable, batch: Batch) -> str:
    """Return the one set that all rows of a batch are of."""
    sets = table.frame["dataset"]
    (name,) = {*sets.iloc[batch.questions], *sets.iloc[batch.passages]}
    return name


def languages_of(table: PairTable, rows: np.ndarray) -> list[str]:
    """Return the language of each row."""
    return table.frame["lang"].to_numpy()[rows].tolist()


def ordered_pairs(table: PairTable, batch: Batch) -> list[tuple[str, str]]:
    """Return the languages of question and passage, for each row of a batch."""
    questions = languages_of(table, batch.questions)
    return list(zip(questions, languages_of(table, batch.passages)))


def same(one: Batch, other: Batch) -> bool:
    """Return whether two batches have the same regime and the same rows."""
    same_questions = np.array_equal(one.questions, other.questions)
    same_passages = np.array_equal(one.passages, other.passages)
    return one.regime == other.regime and same_questions and same_passages
