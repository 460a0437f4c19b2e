"""An evaluation corpus of the user: a folder of queries, passages and qrels.

Only judged pairs count: relevance is never carried over to a translation by a shared
``question_id`` or ``group``. docs/corpora.md shows the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_judgments
from hybridlib.data.languages import check_languages
from hybridlib.data.records import TABLE_ENDINGS, TREC_ENDINGS, read_records, read_table
from hybridlib.data.schema import Field, Schema, Unique
from hybridlib.data.values import GRADE, ID, LANGUAGE, TEXT, with_titles
from hybridlib.errors import InputError

_OVER_ALL = "ids must be unique over all languages"

QUERIES = Schema(
    (
        Field("query_id", ID),
        Field("lang", LANGUAGE),
        Field("question_id", ID, default_from="query_id"),
        Field("text", TEXT),
    ),
    (
        Unique(("query_id",), _OVER_ALL),
        Unique(
            ("question_id", "lang"),
            "language copies of one question share a question_id, one per language; "
            "give other questions their own",
        ),
    ),
)
PASSAGES = Schema(
    (
        Field("passage_id", ID),
        Field("lang", LANGUAGE),
        Field("group", ID, default_from="passage_id"),
        Field("text", TEXT),
        Field("title", TEXT, default=""),
    ),
    (Unique(("passage_id",), _OVER_ALL),),
)
JUDGMENTS = Schema(
    (
        Field("query_id", ID),
        Field("passage_id", ID),
        Field("grade", GRADE, default=1, gaps=False),
    ),
    (Unique(("query_id", "passage_id"), "a pair is judged once"),),
)


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
        InputError: a missing or doubled file, a missing column, a wrong or empty value, a
            repeated id, a judgment that names an unknown id, an unknown language; with file and
            record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; "
            "a corpus is a folder with a queries, a passages and a qrels file"
        )
    files = {
        "queries": _find_file(folder, "queries", TABLE_ENDINGS),
        "passages": _find_file(folder, "passages", TABLE_ENDINGS),
        "qrels": _find_file(folder, "qrels", TABLE_ENDINGS + TREC_ENDINGS),
    }
    queries = read_table(files["queries"], QUERIES).frame
    passages = read_table(files["passages"], PASSAGES).frame
    is_trec = files["qrels"].suffix in TREC_ENDINGS
    judgments = (read_records if is_trec else read_table)(files["qrels"], JUDGMENTS)
    judgments.check_known("query_id", queries["query_id"], files["queries"].name)
    judgments.check_known("passage_id", passages["passage_id"], files["passages"].name)

    # Inside a corpus passages are candidates, and a title is a part of the text.
    passages["text"] = with_titles(passages["text"], passages.pop("title"))
    candidates = passages.rename(columns={"passage_id": "candidate_id"})
    relevance = judgments.frame.rename(columns={"passage_id": "candidate_id"})
    tables = (queries, candidates, relevance)
    if languages is not None:
        tables = in_languages(str(folder), *tables, set(languages))
    return corpus_from_judgments(folder.resolve().name, *tables)


def in_languages(
    source: str,
    queries: pd.DataFrame,
    candidates: pd.DataFrame,
    relevance: pd.DataFrame,
    languages: set[str],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the queries and candidates in some languages, and the judgments of these.

    A language may have queries alone or candidates alone.

    Raises:
        InputError: a language has neither; ``source`` names the set.
    """
    check_languages(source, languages, {*queries["lang"], *candidates["lang"]})
    queries = queries[queries["lang"].isin(languages)]
    candidates = candidates[candidates["lang"].isin(languages)]
    kept_query = relevance["query_id"].isin(queries["query_id"])
    kept_candidate = relevance["candidate_id"].isin(candidates["candidate_id"])
    return queries, candidates, relevance[kept_query & kept_candidate]


def _find_file(folder: Path, stem: str, endings: Sequence[str]) -> Path:
    """Return the one file of this name with one of these endings."""
    names = [stem + ending for ending in endings]
    # A link to nothing counts, too: it is an error, and no other file is taken for it.
    paths = [folder / name for name in names]
    files = [path for path in paths if path.is_file() or path.is_symlink()]
    if not files:
        raise InputError(f"{folder}: no {stem} file; it is called one of {', '.join(names)}")
    if len(files) > 1:
        raise InputError(f"{folder}: both {files[0].name} and {files[1].name}; keep one of them")
    return files[0]
