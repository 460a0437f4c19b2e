"""MIRACL (arXiv 2210.09984) as a retrieval corpus, from the hub or from a downloaded folder.

Each language has three tables: ``<lang>-corpus`` (_id, title, text), ``<lang>-queries`` (_id,
text) and ``<lang>-qrels`` (query-id, corpus-id, score). docs/corpora.md shows the files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_judgments
from hybridlib.data.hub import Tables, hub_tables, split_hub_id
from hybridlib.data.languages import check_languages
from hybridlib.data.records import read_records
from hybridlib.data.schema import Field, Records, Schema, Unique
from hybridlib.data.shards import check_shards
from hybridlib.data.values import GRADE, ID, TEXT, with_titles
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

_UNIQUE = "ids must be unique within a language"

SCHEMAS = {
    "corpus": Schema(
        (
            Field("_id", ID, other_names=("id",)),
            Field("title", TEXT, default=""),
            # A passage may be a title alone.
            Field("text", TEXT, default="", optional=False),
        ),
        (Unique(("_id",), _UNIQUE),),
    ),
    "queries": Schema(
        (Field("_id", ID, other_names=("id",)), Field("text", TEXT)),
        (Unique(("_id",), _UNIQUE),),
    ),
    "qrels": Schema(
        (Field("query-id", ID), Field("corpus-id", ID), Field("score", GRADE)),
        (Unique(("query-id", "corpus-id"), "a pair is judged once"),),
    ),
}


def load_miracl(
    source: str | Path,
    languages: Iterable[str] | None = None,
    split: str = "dev",
    revision: str | None = None,
) -> RetrievalCorpus:
    """Read ``mteb/MIRACLRetrieval``, ``mteb/MIRACLRetrievalHardNegatives`` or a set like them.

    Ids get the language in front (``ar:12#3``); the text of a passage is its title, a space and
    its text, as in mteb. The sets are monolingual: what is relevant is in the query's language,
    and equal ids in two languages mean nothing.

    Args:
        source: a downloaded repository folder (a folder ``<configuration>`` with
            ``<split>-*.parquet`` for each, or files elsewhere that its README.md names); or a hub
            id, ``name`` or ``name@revision``.
        languages: the languages to read; None takes all that the source has.
        split: the split to read.
        revision: commit, branch or tag of a hub id that names none itself.

    Raises:
        InputError: no such folder, the hub out of reach (with what to do), a configuration,
            column or language that is missing, an empty text.
    """
    # Which languages the source has.
    name, tables = _find_tables(source, split, revision)
    present = {table.removesuffix("-corpus") for table in tables if table.endswith("-corpus")}
    if not present:
        raise InputError(
            f"{source}: no <lang>-corpus with split {split!r}; each language needs <lang>-corpus, "
            "<lang>-queries and <lang>-qrels, as in mteb/MIRACLRetrieval"
        )
    wanted = present if languages is None else set(languages)
    check_languages(str(source), wanted, present)

    # Every language by itself, then all in one corpus.
    parts = [_load_language(str(source), lang, tables) for lang in sorted(wanted)]
    queries, candidates, relevance = zip(*parts)
    return corpus_from_judgments(
        name,
        pd.concat(queries, ignore_index=True),
        pd.concat(candidates, ignore_index=True),
        pd.concat(relevance, ignore_index=True),
    )


def _find_tables(source: str | Path, split: str, revision: str | None) -> tuple[str, Tables]:
    """Return the name of a set and how to read each of its tables."""
    folder = Path(source)
    if folder.is_dir():
        return folder.resolve().name, _folder_tables(folder, split)
    hub_id = split_hub_id(str(source))
    if hub_id is None:
        raise InputError(
            f"{source}: no such folder; give a downloaded folder or a hub id such as "
            "mteb/MIRACLRetrievalHardNegatives"
        )
    name, pinned = hub_id
    return name.split("/")[1], hub_tables(name, split, pinned or revision)


def _load_language(
    source: str, lang: str, tables: Tables
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return queries, candidates and relevance of one language."""
    passage_table = _read_table(source, lang, "corpus", tables)
    passages = passage_table.frame
    questions = _read_table(source, lang, "queries", tables).frame
    judgments = _read_table(source, lang, "qrels", tables)

    candidate_ids = lang + ":" + passages["_id"]
    # As mteb does: title, a space, and the text.
    texts = with_titles(passages["text"], passages["title"]).str.strip()
    passage_table.check_texts("text", texts)
    candidates = pd.DataFrame(
        {
            "candidate_id": candidate_ids,
            "lang": lang,
            "group": candidate_ids,
            "text": texts,
        }
    )
    query_ids = lang + ":" + questions["_id"]
    queries = pd.DataFrame(
        {
            "query_id": query_ids,
            "lang": lang,
            "question_id": query_ids,
            "text": questions["text"],
        }
    )
    relevance = pd.DataFrame(
        {
            "query_id": lang + ":" + judgments.frame["query-id"],
            "candidate_id": lang + ":" + judgments.frame["corpus-id"],
            "grade": judgments.frame["score"],
        }
    )
    relevance = without_unknown(f"{source}: {lang}-qrels", relevance, queries, candidates)
    return queries, candidates, relevance


def _read_table(source: str, lang: str, part: str, tables: Tables) -> Records:
    """Read one table of one language."""
    name = f"{lang}-{part}"
    if name not in tables:
        raise InputError(
            f"{source}: no {name}; download it as well, or leave {lang} out of the languages"
        )
    return tables[name](SCHEMAS[part])


def without_unknown(
    source: str, relevance: pd.DataFrame, queries: pd.DataFrame, candidates: pd.DataFrame
) -> pd.DataFrame:
    """Return the judgments of texts that the set holds; a warning counts the others."""
    known = np.ones(len(relevance), dtype=bool)
    for column, ids in (
        ("query_id", queries["query_id"]),
        ("candidate_id", candidates["candidate_id"]),
    ):
        # The few that are named are looked for, so that no table of all ids is made.
        found = ids[ids.isin(relevance[column].unique())]
        known &= relevance[column].isin(found).to_numpy()
    dropped = relevance[~known & (relevance["grade"] > 0)]
    if len(dropped):
        log.warning(
            "%s: left out %d judgments of texts that the set does not hold (first: %s)",
            source,
            len(dropped),
            " ".join(dropped.iloc[0][["query_id", "candidate_id"]]),
        )
    return relevance[known]


def _folder_tables(folder: Path, split: str) -> Tables:
    """Return how to read each table that a local folder has files of.

    They are found in the hub's folders, else where the README.md says. The files are read as they
    are now: ``load_dataset`` on a folder with a README.md goes on serving its first copy of files
    that have changed since, and refuses a folder that holds only some of its languages.
    """
    files: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if path.is_dir():
            whole = list(path.glob(f"{split}.parquet"))
            files[path.name] = whole + sorted(path.glob(f"{split}-*.parquet"))
    if not any(name.endswith("-corpus") and files[name] for name in files):
        files = _files_by_card(folder, split)
        return {name: partial(read_records, files[name]) for name in files if files[name]}
    return {name: partial(_read_parts, files[name]) for name in files if files[name]}


def _read_parts(files: list[Path], *schemas: Schema) -> Records:
    """Read the files of one folder, which are the parts of one table."""
    check_shards(files)
    return read_records(files, *schemas)


def _files_by_card(folder: Path, split: str) -> dict[str, list[Path]]:
    """Return the files of each table that the ``configs`` of the README.md name."""
    if not (folder / "README.md").is_file():
        return {}
    # Loaded late: takes long, and only folders of another layout need it.
    from datasets import get_dataset_config_names, load_dataset_builder

    files: dict[str, list[Path]] = {}
    try:
        for name in get_dataset_config_names(str(folder)):
            if name.split("-")[-1] in SCHEMAS:
                builder = load_dataset_builder(str(folder), name=name)
                files[name] = [Path(file) for file in builder.config.data_files.get(split, [])]
    # A malformed card raises errors of many kinds.
    except Exception as error:
        raise InputError(
            f"{folder}: has no <lang>-corpus folders with split {split!r}, and its README.md "
            f"cannot be read as a dataset card ({' '.join(str(error).split())})"
        ) from error
    return files
