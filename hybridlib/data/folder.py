"""An evaluation corpus of the user: a folder of queries, passages and qrels.

Only judged pairs count: relevance is never carried over to a translation by a shared
``question_id`` or ``group``. docs/corpora.md shows the files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from hybridlib.data.checks import check_languages
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_judgments
from hybridlib.data.records import TREC_ENDINGS, Records, read_records, with_titles
from hybridlib.data.tables import TABLE_ENDINGS
from hybridlib.errors import InputError

log = logging.getLogger(__name__)


def load_folder(folder: str | Path, languages: Iterable[str] | None = None) -> RetrievalCorpus:
    """Read a corpus: a folder with one file each of queries, passages and qrels.

    - ``queries`` (JSONL, CSV or parquet): query_id, lang, text; question_id, which the language
      copies of a question share (default: the query_id)
    - ``passages`` (the same formats): passage_id, lang, text; title, put in front of the text;
      group, which passages with the same content share (default: the passage_id)
    - ``qrels`` (the same formats): query_id, passage_id; grade, a whole number, 0 = judged not
      relevant (default: 1). Or TREC's four columns ``query 0 passage grade`` as .txt, .tsv or
      .qrels.

    A query without a relevant passage (in ``languages``, if they are given) can count in no
    metric: such queries are dropped, and a warning says how many and names the first.

    Args:
        folder: its name becomes the name of the corpus.
        languages: the languages of queries and passages to keep; None keeps all.

    Raises:
        InputError: a missing or doubled file, a missing column, an empty text, a repeated id, a
            judgment that names an unknown id, a grade that is no whole number, an unknown
            language; with file and record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; "
            "a corpus is a folder with a queries, a passages and a qrels file"
        )
    query_file = _find_file(folder, "queries", TABLE_ENDINGS)
    passage_file = _find_file(folder, "passages", TABLE_ENDINGS)
    qrels_file = _find_file(folder, "qrels", TABLE_ENDINGS + TREC_ENDINGS)
    queries = _read_queries(query_file)
    candidates = _read_candidates(passage_file)
    relevance = _read_relevance(qrels_file)
    _check_known(qrels_file, relevance, "query_id", query_file, queries)
    _check_known(qrels_file, relevance, "candidate_id", passage_file, candidates)

    if languages is not None:
        # A language may have queries alone or passages alone.
        languages = set(languages)
        check_languages(str(folder), languages, {*queries["lang"], *candidates["lang"]})
        queries = queries[queries["lang"].isin(languages)]
        candidates = candidates[candidates["lang"].isin(languages)]
        kept_query = relevance["query_id"].isin(queries["query_id"])
        kept_candidate = relevance["candidate_id"].isin(candidates["candidate_id"])
        relevance = relevance[kept_query & kept_candidate]
    return corpus_from_judgments(folder.resolve().name, queries, candidates, relevance)


def _find_file(folder: Path, stem: str, endings: Sequence[str]) -> Path:
    """Return the one file of this name with one of these endings."""
    names = [stem + ending for ending in endings]
    files = [folder / name for name in names if (folder / name).is_file()]
    if not files:
        raise InputError(f"{folder}: no {stem} file; it is called one of {', '.join(names)}")
    if len(files) > 1:
        raise InputError(f"{folder}: both {files[0].name} and {files[1].name}; keep one of them")
    return files[0]


def _read_queries(file: Path) -> pd.DataFrame:
    """Read query_id, lang, question_id and text, labelled with the record they come from."""
    records = _read(file, ("query_id", "lang", "text"), ("question_id",))
    query_ids = records.ids("query_id")
    queries = pd.DataFrame(
        {
            "query_id": query_ids,
            "lang": records.ids("lang"),
            "question_id": records.ids("question_id", default=query_ids),
            "text": records.texts("query_id"),
        }
    )
    _check_unique(records, queries, ["query_id"], "ids must be unique over all languages")
    _check_unique(
        records,
        queries,
        ["question_id", "lang"],
        "language copies of one question share a question_id, one per language; "
        "give other questions their own",
    )
    return queries


def _read_candidates(file: Path) -> pd.DataFrame:
    """Read candidate_id, lang, group and text, labelled with the record they come from."""
    records = _read(file, ("passage_id", "lang", "text"), ("title", "group"))
    candidate_ids = records.ids("passage_id")
    candidates = pd.DataFrame(
        {
            "candidate_id": candidate_ids,
            "lang": records.ids("lang"),
            "group": records.ids("group", default=candidate_ids),
            "text": records.texts("passage_id"),
        }
    )
    if "title" in records.frame:
        candidates["text"] = with_titles(candidates["text"], records.frame["title"])
    _check_unique(records, candidates, ["candidate_id"], "ids must be unique over all languages")
    return candidates


def _read_relevance(file: Path) -> pd.DataFrame:
    """Read query_id, candidate_id and grade, labelled with the record they come from."""
    records = _read(file, ("query_id", "passage_id"), ("grade",))
    relevance = pd.DataFrame(
        {
            "query_id": records.ids("query_id"),
            "candidate_id": records.ids("passage_id"),
            "grade": records.grades(),
        }
    )
    _check_unique(records, relevance, ["query_id", "candidate_id"], "a pair is judged once")
    return relevance


def _read(file: Path, needed: Sequence[str], optional: Sequence[str]) -> Records:
    """Read the records of a file; a warning names the columns that are not used."""
    records = read_records(file)
    selected = records.select(needed, optional)
    unused = [str(column) for column in records.frame if column not in selected.frame]
    if unused:
        log.warning("%s: not used: column %s", file, ", ".join(unused))
    return selected


def _check_unique(records: Records, frame: pd.DataFrame, columns: list[str], rule: str) -> None:
    """Check that no two records are equal in ``columns``; ``rule`` ends the error message."""
    repeated = frame[frame.duplicated(columns)]
    if len(repeated):
        first = repeated.iloc[0]
        values = [f"{_in_file(column)} {first[column]!r}" for column in columns]
        raise InputError(
            f"{records.name(repeated.index[0])}: {' with '.join(values)} stands twice; {rule}"
        )


def _check_known(
    file: Path, relevance: pd.DataFrame, column: str, other_file: Path, other: pd.DataFrame
) -> None:
    """Check that every id that the relevance names stands in the other file."""
    unknown = relevance[~relevance[column].isin(other[column])]
    if len(unknown):
        record = f"{relevance.index.name} {unknown.index[0]}"
        raise InputError(
            f"{file}: {record} names {_in_file(column)} {unknown.iloc[0][column]!r}, "
            f"which {other_file.name} does not hold ({len(unknown)} such)"
        )


def _in_file(column: str) -> str:
    """Return what the user's files call a column: candidates are passages there."""
    return column.replace("candidate", "passage")
