"""Evaluation corpora of other origin: a folder of one's own tables, and MIRACL as the hub holds it.

Both end in :class:`hybridlib.corpora.RetrievalCorpus`. Only judged pairs count: relevance is never carried over to
a translation by a shared ``question_id`` or ``group``. docs/corpora.md shows the files.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.pairs import read_table
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

TABLES = (".jsonl", ".csv", ".parquet")


TREC = (".txt", ".tsv", ".qrels")


PARTS = ("-corpus", "-queries", "-qrels")


def load_folder(folder: str | Path, languages: Iterable[str] | None = None) -> RetrievalCorpus:
    """Read a corpus of one's own: a folder with one file each of queries, passages and qrels.

    - ``queries`` (JSONL, CSV or parquet): query_id, lang, text; question_id, which the language copies of a
      question share (default: the query_id)
    - ``passages`` (the same formats): passage_id, lang, text; title, put in front of the text; group, which
      passages share that say the same thing (default: the passage_id)
    - ``qrels`` (the same formats): query_id, passage_id; grade, a whole number, 0 = judged not relevant
      (default: 1). Or TREC's four columns ``query 0 passage grade`` as .txt, .tsv or .qrels.

    A query that is left without a relevant passage, in ``languages`` if they are given, can count in no metric:
    such queries are left out, and a warning says how many and names the first.

    Args:
        folder: its name becomes the corpus's name.
        languages: keep only these languages of queries and passages; None keeps all.

    Raises:
        InputError: a missing or doubled file, a missing column, an empty text, a repeated id, a judgment that
            names an unknown id, a grade that is no whole number, an unknown language; with file and record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; a corpus is a folder with a queries, a passages and a qrels file"
        )
    asked, held, judged = (
        _find(folder, stem, TABLES + (TREC if stem == "qrels" else ()))
        for stem in ("queries", "passages", "qrels")
    )
    queries, candidates = _queries(asked), _candidates(held)
    relevance = _relevance(judged)
    _check_known(judged, relevance, "query_id", asked, queries["query_id"])
    _check_known(judged, relevance, "candidate_id", held, candidates["candidate_id"])
    if languages is not None:
        queries, candidates, relevance = _restrict(
            folder, queries, candidates, relevance, set(languages)
        )
    return _build(folder.resolve().name, queries, candidates, relevance)


def _find(folder: Path, stem: str, endings: tuple[str, ...]) -> Path:
    found = [
        folder / f"{stem}{ending}" for ending in endings if (folder / f"{stem}{ending}").is_file()
    ]
    if not found:
        raise InputError(
            f"{folder}: no {stem} file; it is called one of {', '.join(stem + ending for ending in endings)}"
        )
    if len(found) > 1:
        raise InputError(f"{folder}: both {found[0].name} and {found[1].name}; keep one of them")
    return found[0]


def _queries(file: Path) -> pd.DataFrame:
    frame = _records(file, ("query_id", "lang", "text"), ("question_id",))
    queries = pd.DataFrame(
        {"query_id": _ids(file, frame, "query_id"), "lang": _ids(file, frame, "lang")}
    )
    queries["question_id"] = _given_or(file, frame, "question_id", queries["query_id"])
    queries["text"] = _texts(file, frame, "query_id")
    _check_unique(file, queries, ["query_id"], "ids must be unique over all languages")
    _check_unique(
        file,
        queries,
        ["question_id", "lang"],
        "language copies of one question share a question_id, one per language; give other questions their own",
    )
    return queries


def _candidates(file: Path) -> pd.DataFrame:
    frame = _records(file, ("passage_id", "lang", "text"), ("title", "group"))
    candidates = pd.DataFrame(
        {"candidate_id": _ids(file, frame, "passage_id"), "lang": _ids(file, frame, "lang")}
    )
    candidates["group"] = _given_or(file, frame, "group", candidates["candidate_id"])
    candidates["text"] = _titled(frame, _texts(file, frame, "passage_id"))
    _check_unique(file, candidates, ["candidate_id"], "ids must be unique over all languages")
    return candidates


def _relevance(file: Path) -> pd.DataFrame:
    """Columns query_id, candidate_id and grade, labelled with the record they come from."""
    frame = (
        _trec(file)
        if file.suffix in TREC
        else _records(file, ("query_id", "passage_id"), ("grade",))
    )
    relevance = pd.DataFrame(
        {
            "query_id": _ids(file, frame, "query_id"),
            "candidate_id": _ids(file, frame, "passage_id"),
            "grade": _grades(file, frame),
        }
    )
    _check_unique(file, relevance, ["query_id", "candidate_id"], "a pair is judged once")
    return relevance


def _restrict(
    folder: Path,
    queries: pd.DataFrame,
    candidates: pd.DataFrame,
    relevance: pd.DataFrame,
    wanted: set[str],
) -> tuple[pd.DataFrame, ...]:
    """All three, in the wanted languages only. A language may have queries alone or passages alone."""
    _check_languages(str(folder), wanted, {*queries["lang"], *candidates["lang"]})
    queries, candidates = (
        queries[queries["lang"].isin(wanted)],
        candidates[candidates["lang"].isin(wanted)],
    )
    kept = relevance["query_id"].isin(queries["query_id"]) & relevance["candidate_id"].isin(
        candidates["candidate_id"]
    )
    return queries, candidates, relevance[kept]


def _build(
    name: str, queries: pd.DataFrame, candidates: pd.DataFrame, relevance: pd.DataFrame
) -> RetrievalCorpus:
    """The corpus of the queries that have a relevant passage; grade 0 means not relevant."""
    relevance = relevance[relevance["grade"] > 0]
    answered = queries["query_id"].isin(relevance["query_id"])
    if not answered.any():
        raise InputError(
            f"{name}: no query has a relevant passage (a grade of 1 or more) among the passages; check the qrels and the languages"
        )
    if not answered.all():
        first = queries.loc[~answered, "query_id"].min()
        log.warning(
            "%s: left out %d of %d queries, which have no relevant passage (first: %r)",
            name,
            (~answered).sum(),
            len(queries),
            first,
        )
    return RetrievalCorpus.build(name, queries[answered], candidates, relevance)


def _records(file: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    """The needed columns and those optional ones that are there, labelled with line or record numbers."""
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    frame = readers[file.suffix](file)
    if not len(frame):
        raise InputError(f"{file}: holds no record")
    missing = [column for column in needed if column not in frame]
    if missing:
        raise InputError(
            f"{file}: no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))} and needs {', '.join(needed)} (optional: {', '.join(optional)})"
        )
    unused = [str(column) for column in frame if column not in (*needed, *optional)]
    if unused:
        log.warning("%s: not used: column %s", file, ", ".join(unused))
    return frame[[column for column in (*needed, *optional) if column in frame]]


def _jsonl(file: Path) -> pd.DataFrame:
    """One JSON object a line; numbers keep their digits, which pandas' own reader does not promise."""
    rows: dict[int, dict] = {}
    for number, line in _lines(file):
        try:
            rows[number] = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{file}: line {number} is not valid JSON: {error}") from None
        if not isinstance(rows[number], dict):
            raise InputError(
                f'{file}: line {number} is not an object; a record is {{"key": value, ...}} on one line'
            )
    return pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="line"), dtype=object)


def _csv(file: Path) -> pd.DataFrame:
    frame = read_table(file)
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(
            f"{file}: its records have more fields than its first line names; put texts that hold a comma in double quotes"
        )
    return _numbered(frame)


def _parquet(file: Path) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing."""
    try:
        return _numbered(pd.read_parquet(file, dtype_backend="numpy_nullable"))
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read as parquet: {error}") from None


def _trec(file: Path) -> pd.DataFrame:
    """TREC's qrels: ``query 0 passage grade``, between spaces or tabs."""
    rows = {
        number: re.split(r"[ \t\r]+", line.strip(" \t\r")) for number, line in _lines(file)
    }  # ids may hold other white space
    for number, fields in rows.items():
        if len(fields) != 4:
            raise InputError(
                f"{file}: line {number} has {len(fields)} fields; TREC's qrels have four, without a heading: query 0 passage grade"
            )
    if not rows:
        raise InputError(f"{file}: holds no record")
    frame = pd.DataFrame(
        list(rows.values()),
        index=pd.Index(rows, name="line"),
        columns=["query_id", "unused", "passage_id", "grade"],
    )
    return frame.drop(columns="unused")


def _lines(file: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers. Only a line feed ends one: texts may hold other breaks."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: cannot be read as UTF-8 text: {error}") from None
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="record"))


def _ids(file: Path, frame: pd.DataFrame, column: str) -> pd.Series:
    """A column of ids or languages as strings, exactly as they stand."""
    values = frame[column].astype(object)
    for at, value in values.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, str | Integral)
            or not str(value).strip()
        ):
            raise InputError(
                f"{file}: {frame.index.name} {at}: {column} is {_shown(value)}; every record needs one, a string or a whole number"
            )
    return values.astype(str)


def _given_or(file: Path, frame: pd.DataFrame, column: str, default: pd.Series) -> pd.Series:
    """An optional column of ids, with ``default`` where it says nothing."""
    if column not in frame:
        return default
    values = frame[column].astype(object)
    blank = values.isna() | (values.astype(str).str.strip() == "")
    return _ids(file, values.mask(blank, default).to_frame(column), column)


def _texts(file: Path, frame: pd.DataFrame, key: str) -> pd.Series:
    for at, (name, value) in zip(
        frame.index, frame[[key, "text"]].astype(object).itertuples(index=False)
    ):
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                f"{file}: {frame.index.name} {at}: text of {key} {str(name)!r} is {_shown(value)}; every text needs words"
            )
    return frame["text"].astype(str)


def _titled(frame: pd.DataFrame, texts: pd.Series) -> pd.Series:
    """Title, a space, and the text; the text alone where there is no title."""
    if "title" not in frame:
        return texts
    titles = frame["title"].astype(object).where(frame["title"].notna(), "").astype(str)
    return texts.where(titles.str.strip() == "", titles + " " + texts)


def _grades(file: Path, frame: pd.DataFrame) -> pd.Series:
    if "grade" not in frame:
        return pd.Series(1, index=frame.index)
    given = frame["grade"].astype(object)
    grades = pd.to_numeric(given.where(given.notna(), None), errors="coerce").astype(float)
    bad = ~(grades.between(0, 2**31 - 1) & (grades % 1 == 0))
    if bad.any():
        at = bad.idxmax()
        raise InputError(
            f"{file}: {frame.index.name} {at}: grade is {_shown(given[at])}; a grade is a whole number, 0 (judged not relevant) or more. Without the column every pair counts as 1"
        )
    return grades.astype("int64")


def _shown(value: Any) -> str:
    return "missing" if value is None or value is pd.NA or value != value else repr(value)


def _check_unique(file: Path, frame: pd.DataFrame, columns: list[str], rule: str) -> None:
    twice = frame[frame.duplicated(columns)]
    if len(twice):
        names = " with ".join(
            f"{column.replace('candidate', 'passage')} {twice.iloc[0][column]!r}"
            for column in columns
        )
        raise InputError(
            f"{file}: {frame.index.name} {twice.index[0]}: {names} stands twice; {rule}"
        )


def _check_known(
    file: Path, relevance: pd.DataFrame, column: str, other: Path, known: pd.Series
) -> None:
    strange = relevance[~relevance[column].isin(known)]
    if len(strange):
        name = column.replace("candidate", "passage")
        raise InputError(
            f"{file}: {relevance.index.name} {strange.index[0]} names {name} {strange.iloc[0][column]!r}, which {other.name} does not hold ({len(strange)} such)"
        )


def _check_languages(where: str, wanted: set[str], present: set[str]) -> None:
    missing = sorted(wanted - present)
    if missing or not wanted:
        raise InputError(
            f"{where}: {'has no ' + ', '.join(missing) if missing else 'no language was asked for'}; it has {', '.join(sorted(present))}"
        )
