"""Training sets as the hub holds them: mMARCO, MIRACL, Mr. TyDi and MFAQ.

A set is a folder or a hub id. Each language has its own table, called by the language's code or
English name. docs/training_data.md shows the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.data.grouping import smallest_connected
from hybridlib.data.hub import Tables, hub_tables, split_hub_id
from hybridlib.data.languages import language_of
from hybridlib.data.pairs import pairs_from_rows
from hybridlib.errors import InputError

_ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".json.gz")
_COLUMNS = ["pair_id", "lang", "question", "passage", "passage_id", "negative"]


def find_hub_set(source: str | Path) -> tuple[str, Tables]:
    """Return the name of a set and how to read the table of each of its languages.

    Args:
        source: a folder, or a hub id (``name`` or ``name@revision``).

    Raises:
        InputError: no such folder, no training file of a language in it, or the hub out of reach.
    """
    folder = Path(source)
    hub_id = split_hub_id(str(source))
    if folder.is_dir():
        name = folder.resolve().name
        tables = _folder_tables(folder)
    elif hub_id is not None:
        name = hub_id[0].split("/")[1]
        tables = _by_language(hub_tables(hub_id[0], "train", hub_id[1]))
    else:
        raise InputError(
            f"{source}: no such folder; give a downloaded folder or a hub id whose files are "
            "parquet or jsonl: docs/training_data.md"
        )
    if not tables:
        raise InputError(
            f"{source}: no training file of a language was found (<lang>/train*.parquet, "
            "<lang>/train*.jsonl, <lang>: a code or an English name). Sets that the hub holds "
            "with a loading script have a copy in parquet: `hf download --repo-type dataset NAME "
            "--revision refs/convert/parquet --local-dir FOLDER`"
        )
    return name, tables


def load_hub_set(
    kind: str, name: str, source: str, tables: Tables, languages: Iterable[str]
) -> pd.DataFrame:
    """Read training pairs of some languages of a set.

    Args:
        kind: one of :data:`hybridlib.config.names.HUB_SETS`.
        name: the name of the set.
        source: what an error message begins with.
        tables: how to read the table of each language.
        languages: the languages to read.

    Returns:
        Training pairs, with a column ``negative`` (all sets but ``mfaq``).
    """
    # Every table is turned into rows by the reader of this kind.
    frames = {lang: tables[lang]() for lang in languages}
    if kind == "mmarco":
        _check_aligned(source, frames)
    rows: list[tuple] = []
    for lang, frame in frames.items():
        rows += _ROWS[kind](f"{source}: {lang}", lang, frame)
    pairs = pairs_from_rows(rows, _COLUMNS, name, source)
    if kind == "mmarco":
        # Records whose passage is equal in some language have one passage.
        passages = pairs["lang"] + ":" + pairs["passage"]
        pairs["passage_id"] = smallest_connected(pairs["pair_id"], passages)
    if kind == "mfaq":
        pairs = pairs.drop(columns="negative")
    return pairs


def _mmarco_rows(source: str, lang: str, frame: pd.DataFrame) -> Iterator[tuple]:
    """Yield the pairs of mMARCO (arXiv 2108.13897): query, positive and perhaps negative.

    The same query_id in two languages is a translation, and the first record of each is taken.
    Without that column the same record number is a translation.
    """
    _check_columns(source, frame, "query", "positive")
    if "query_id" in frame:
        frame = frame.drop_duplicates("query_id")
        pair_ids = frame["query_id"].astype(str).tolist()
    else:
        pair_ids = [f"{number:08d}" for number in range(len(frame))]
    negatives = frame["negative"] if "negative" in frame else [""] * len(frame)
    records = zip(pair_ids, frame["query"], frame["positive"], negatives)
    for pair_id, query, positive, negative in records:
        yield pair_id, lang, query, positive, pair_id, _text(negative)


def _check_aligned(source: str, frames: dict[str, pd.DataFrame]) -> None:
    """Check that mMARCO's tables without ids have the same records in every language."""
    counts = {lang: len(frame) for lang, frame in frames.items() if "query_id" not in frame}
    only_some = 0 < len(counts) < len(frames)
    if only_some or len(set(counts.values())) > 1:
        raise InputError(
            f"{source}: without a column query_id in every language, record n is the same triple "
            f"in each, but the numbers of records differ: {counts}; add query_id, or cut them to "
            "the same records"
        )


def _judged_rows(source: str, lang: str, frame: pd.DataFrame) -> Iterator[tuple]:
    """Yield the pairs of MIRACL (arXiv 2210.09984) and Mr. TyDi (arXiv 2108.08787).

    The first positive and the first negative passage of a query are taken. Equal ids in two
    languages mean nothing.
    """
    _check_columns(source, frame, "query_id", "query", "positive_passages")
    if "negative_passages" in frame:
        negative_passages = frame["negative_passages"]
    else:
        negative_passages = [()] * len(frame)
    records = zip(frame["query_id"], frame["query"], frame["positive_passages"], negative_passages)
    for query_id, query, positives, negatives in records:
        if positives is None or not len(positives):
            continue
        record = f"{source}: query_id {query_id!r}"
        negative = ""
        if negatives is not None and len(negatives):
            negative = _passage_text(record, negatives[0])
        positive = _passage_text(record, positives[0])
        passage_id = f"{lang}:{positives[0].get('docid', query_id)}"
        yield f"{lang}:{query_id}", lang, query, positive, passage_id, negative


def _mfaq_rows(source: str, lang: str, frame: pd.DataFrame) -> Iterator[tuple]:
    """Yield the pairs of MFAQ (arXiv 2109.12870), which has no translations and no negatives.

    A record is a page with ``qa_pairs``, or one question and its answer.
    """
    if "qa_pairs" in frame:
        pages = frame["qa_pairs"]
    else:
        _check_columns(source, frame, "question", "answer")
        pages = [[pair] for pair in frame[["question", "answer"]].to_dict("records")]
    records = [(number, pair) for number, page in enumerate(pages) for pair in page]
    for number, (page_number, pair) in enumerate(records):
        if not isinstance(pair, dict) or not {"question", "answer"} <= set(pair):
            raise InputError(
                f"{source}: record {page_number}: a pair is {{question, answer}}, "
                f"found {str(pair)[:80]}"
            )
        pair_id = f"{lang}:{number:08d}"
        yield pair_id, lang, _text(pair["question"]), _text(pair["answer"]), pair_id, ""


_ROWS = {
    "mmarco": _mmarco_rows,
    "miracl-train": _judged_rows,
    "mr-tydi": _judged_rows,
    "mfaq": _mfaq_rows,
}


def _passage_text(source: str, passage: Any) -> str:
    """Return title, a space, and the text of a passage."""
    if not isinstance(passage, dict) or "text" not in passage:
        raise InputError(
            f"{source}: a passage is {{docid, title, text}}, found {str(passage)[:80]}"
        )
    return f"{_text(passage.get('title'))} {_text(passage['text'])}".strip()


def _text(value: Any) -> str:
    """Return a text as it is, and an empty string for a missing one."""
    return value if isinstance(value, str) else ""


def _check_columns(source: str, frame: pd.DataFrame, *columns: str) -> None:
    """Check that a table has the columns."""
    missing = [column for column in columns if column not in frame]
    if missing:
        present = ", ".join(str(column) for column in frame.columns)
        raise InputError(f"{source}: no column {', '.join(missing)}; it has {present}")


def _folder_tables(folder: Path) -> Tables:
    """Return how to read each language's training files of a local folder.

    A folder, or a folder in ``data``, that is called by a language holds ``train*`` (as in the
    repositories) or a folder ``train`` (as in the hub's parquet copies); or there is one file
    ``<language>.<ending>``.
    """
    # All files and folders whose name may be a language.
    paths: list[Path] = []
    for root in (folder, folder / "data"):
        if root.is_dir():
            paths += sorted(root.iterdir())
    tables: Tables = {}
    for path in paths:
        lang = language_of(_without_ending(path.name))
        files = _training_files(path)
        if lang and files and lang not in tables:
            tables[lang] = partial(_read_files, files)
    return tables


def _without_ending(name: str) -> str:
    """Return the name of a file without the ending of a training file."""
    for ending in (".gz", ".jsonl", ".json", ".parquet"):
        name = name.removesuffix(ending)
    return name


def _training_files(path: Path) -> list[Path]:
    """Return a training file itself, or the training files in a language's folder."""
    files = [path]
    if path.is_dir():
        files = []
        for pattern in ("train*", "*-train.*", "train/*", "partial-train/*"):
            files += sorted(path.glob(pattern))
    return [file for file in files if file.is_file() and file.name.endswith(_ENDINGS)]


def _by_language(tables: Tables) -> Tables:
    """Return the hub's tables by language instead of by configuration."""
    by_language: Tables = {}
    # Of several configurations of one language the first by name is taken.
    for configuration, table in sorted(tables.items()):
        lang = language_of(configuration)
        if lang:
            by_language.setdefault(lang, table)
    return by_language


def _read_files(files: list[Path]) -> pd.DataFrame:
    """Read the files of one language, one below the other."""
    return pd.concat([_read_file(file) for file in files], ignore_index=True)


def _read_file(file: Path) -> pd.DataFrame:
    """Read a parquet file or JSON lines, packed or not."""
    is_parquet = file.suffix == ".parquet"
    try:
        if is_parquet:
            return pd.read_parquet(file)
        return pd.read_json(file, lines=True, dtype=False, compression="infer")
    except (ValueError, OSError) as error:
        kind = "parquet" if is_parquet else "JSON, one record a line"
        raise InputError(f"{file}: cannot be read as {kind}: {error}") from None
