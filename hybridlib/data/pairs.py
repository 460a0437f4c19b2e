"""Parallel question-passage tables to train on, and retrieval corpora to evaluate on.

Training pairs are one DataFrame with PAIR_COLUMNS: the same ``pair_id`` in two languages means translation of
each other; the same ``passage_id``, the same passage content in any language. A :class:`RetrievalCorpus` holds
queries, candidates and the relevance between them. Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hybridlib.data import pairs
from hybridlib.data.corpus import _check_texts
from hybridlib.errors import InputError

PAIR_COLUMNS = ["pair_id", "dataset", "lang", "question", "passage", "passage_id"]


def load_pairs(file: str | Path) -> pd.DataFrame:
    """Read training pairs from a JSONL, CSV or parquet file.

    Columns: pair_id, lang, question, passage; passage_id (default: pair_id) and dataset (default: the file's
    name) may be left out. A column ``negative``, if there is one, holds a passage that does not answer the question,
    and nothing where none is known.

    Raises:
        InputError: a missing file or column, an empty text, or a (pair_id, lang) that stands twice; which one.
    """
    file = Path(file)
    frame = read_table(file)
    frame = frame.assign(
        **{
            k: v
            for k, v in {"dataset": file.stem, "passage_id": frame.get("pair_id")}.items()
            if k not in frame
        }
    )
    missing = [column for column in PAIR_COLUMNS if column not in frame]
    if missing:
        raise InputError(
            f"{file}: no column {', '.join(missing)}; training pairs have {', '.join(PAIR_COLUMNS)}"
        )
    pairs = frame[PAIR_COLUMNS].astype(str)
    if "negative" in frame:
        pairs["negative"] = (
            frame["negative"].astype(object).where(frame["negative"].notna(), "").astype(str)
        )
    return check_pairs(pairs, str(file))


def load_parallel(
    path: str | Path, languages: Iterable[str], passages: int | None = None
) -> pd.DataFrame:
    """Parallel passages: columns lang, group, text; the same group in two languages means translation.

    Args:
        path: a folder of aligned ``<lang>.txt`` (UTF-8, line n of one is the translation of line n of another, empty
            lines are left out), or a table of training pairs, whose passages are taken.
        languages: which to read.
        passages: only the first so many (in every language); None: all.

    Raises:
        InputError: a missing file, or files of different lengths; which ones.
    """
    path = Path(path)
    if not path.is_dir():
        pairs = (
            load_pairs(path)
            .drop_duplicates(["lang", "passage_id"])
            .rename(columns={"passage_id": "group", "passage": "text"})
        )
        return _first_groups(
            pairs.loc[pairs["lang"].isin(list(languages)), ["lang", "group", "text"]], passages
        )
    texts = {}
    for lang in languages:
        try:
            texts[lang] = (
                (path / f"{lang}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
            )
        except (OSError, UnicodeDecodeError):
            raise InputError(
                f"{path / lang}.txt: cannot be read as UTF-8 text; a folder of parallel passages has a <lang>.txt for each language"
            ) from None
    lengths = {lang: len(lines) for lang, lines in texts.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{path}: the files are not aligned, they have different numbers of lines: {lengths}"
        )
    rows = [
        (lang, f"{number:07d}", line)
        for lang, lines in texts.items()
        for number, line in enumerate(lines)
        if line.strip()
    ]
    return _first_groups(pd.DataFrame(rows, columns=["lang", "group", "text"]), passages)


def _first_groups(table: pd.DataFrame, count: int | None) -> pd.DataFrame:
    return table[table["group"].isin(table["group"].unique()[:count])].reset_index(drop=True)


def read_table(file: Path) -> pd.DataFrame:
    """A JSONL, CSV or parquet file as a DataFrame of strings."""
    readers = {
        ".jsonl": lambda: pd.read_json(file, lines=True, dtype=False),
        ".csv": lambda: pd.read_csv(file, dtype=str, keep_default_na=False),
        ".parquet": lambda: pd.read_parquet(file),
    }
    if file.suffix not in readers:
        raise InputError(f"{file}: a table ends in {', '.join(readers)}")
    try:
        return readers[file.suffix]()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read as {file.suffix[1:]}: {error}") from None


def check_pairs(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The pairs themselves, once they keep the contract of PAIR_COLUMNS; else an InputError."""
    for column in ("pair_id", "lang", "question", "passage", "passage_id"):
        _check_texts(where, frame, "pair_id", column, unique=False)
    twice = frame[frame.duplicated(["pair_id", "lang"])]
    if len(twice):
        first = twice.iloc[0]
        raise InputError(
            f"{where}: pair_id {first['pair_id']!r} stands twice in language {first['lang']!r}; a pair is one row per language"
        )
    return frame


@dataclass(frozen=True)
class TrainingSet:
    """A set that was found: its languages, and how to read some of them as training pairs."""

    languages: list[str]
    load: Callable[[Iterable[str]], pd.DataFrame]


def _checked(rows: Iterable[tuple], columns: list[str], dataset: str, where: str) -> pd.DataFrame:
    """Rows of a set as training pairs that keep the contract."""
    frame = pd.DataFrame(list(rows), columns=columns).assign(dataset=dataset)
    first = [column for column in pairs.PAIR_COLUMNS if column in frame]
    return pairs.check_pairs(
        frame[[*first, *(column for column in frame if column not in first)]], where
    )


CODE = re.compile(r"[a-z]{2,3}")
