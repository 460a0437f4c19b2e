"""Training sets as the hub holds them: mMARCO, MIRACL, Mr. TyDi and MFAQ.

A set is a folder or a hub id. Each language has its own table, called by the language's code or
English name. docs/training_data.md shows the files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hybridlib.data.grouping import smallest_connected
from hybridlib.data.hub import Tables, hub_tables, split_hub_id
from hybridlib.data.languages import language_of
from hybridlib.data.nested import first_of_list, list_of
from hybridlib.data.pairs import make_pairs
from hybridlib.data.records import PACKED_ENDINGS, read_records
from hybridlib.data.schema import Field, Records, Schema, Unique
from hybridlib.data.shards import check_shards
from hybridlib.data.values import ID, TEXT, with_titles
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

_ENDINGS = (".parquet", ".jsonl", *PACKED_ENDINGS)

_TRIPLE = (Field("query", TEXT), Field("positive", TEXT), Field("negative", TEXT, default=""))
_PASSAGE = (
    Field("docid", ID, default=""),
    Field("title", TEXT, default=""),
    # A passage may be a title alone.
    Field("text", TEXT, default="", optional=False),
)
_ANSWERED = (Field("question", TEXT), Field("answer", TEXT))

# The tables of a kind of set. Of several the first is taken whose columns are there.
SCHEMAS = {
    "mmarco": (Schema((Field("query_id", ID), *_TRIPLE)), Schema(_TRIPLE)),
    "judged": (
        Schema(
            (
                Field("query_id", ID),
                Field("query", TEXT),
                Field("positive_passages", first_of_list(_PASSAGE)),
                Field("negative_passages", first_of_list(_PASSAGE), optional=True),
            ),
            (Unique(("query_id",), "a query is one record"),),
        ),
    ),
    "mfaq": (Schema((Field("qa_pairs", list_of(_ANSWERED)),)), Schema(_ANSWERED)),
}


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
    schemas = SCHEMAS.get(kind, SCHEMAS["judged"])
    records = {lang: tables[lang](*schemas) for lang in languages}
    if kind == "mmarco":
        _check_aligned(source, records)
    to_pairs = {"mmarco": _mmarco_pairs, "mfaq": _mfaq_pairs}.get(kind, _judged_pairs)
    parts = [to_pairs(lang, part) for lang, part in records.items()]
    pairs = make_pairs(pd.concat(parts, ignore_index=True), name, source)
    if kind == "mmarco":
        # Records whose passage is equal in some language have one passage.
        passages = pairs["lang"] + ":" + pairs["passage"]
        pairs["passage_id"] = smallest_connected(pairs["pair_id"], passages)
    return pairs


def _mmarco_pairs(lang: str, records: Records) -> pd.DataFrame:
    """Return the pairs of mMARCO (arXiv 2108.13897): query, positive and perhaps negative.

    The same query_id in two languages is a translation, and the first record of each is taken.
    Without that column the same record number is a translation.
    """
    frame = records.frame
    if "query_id" in frame:
        frame = frame.drop_duplicates("query_id")
        pair_ids = frame["query_id"]
    else:
        pair_ids = _numbers(len(frame))
    return pd.DataFrame(
        {
            "pair_id": pair_ids,
            "lang": lang,
            "question": frame["query"],
            "passage": frame["positive"],
            "passage_id": pair_ids,
            "negative": frame["negative"],
        }
    )


def _check_aligned(source: str, records: dict[str, Records]) -> None:
    """Check that mMARCO's tables without ids have the same records in every language."""
    frames = {lang: part.frame for lang, part in records.items()}
    counts = {lang: len(frame) for lang, frame in frames.items() if "query_id" not in frame}
    only_some = 0 < len(counts) < len(frames)
    if only_some or len(set(counts.values())) > 1:
        raise InputError(
            f"{source}: without a column query_id in every language, record n is the same triple "
            f"in each, but the numbers of records differ: {counts}; add query_id, or cut them to "
            "the same records"
        )


def _judged_pairs(lang: str, records: Records) -> pd.DataFrame:
    """Return the pairs of MIRACL (arXiv 2210.09984) and Mr. TyDi (arXiv 2108.08787).

    The first positive and the first negative passage of a query are taken; a query without a
    positive one is skipped. Equal ids in two languages mean nothing. A passage without an id has
    that of its query.
    """
    frame = records.frame
    document_ids = frame["positive_passages.docid"]
    _check_defaults(lang, records)
    passages = _passage_texts(records, "positive_passages")
    records.check_texts("a passage of positive_passages", passages)
    pairs = pd.DataFrame(
        {
            "pair_id": lang + ":" + frame["query_id"],
            "lang": lang,
            "question": frame["query"],
            "passage": passages,
            "passage_id": lang + ":" + document_ids.where(document_ids != "", frame["query_id"]),
            "negative": _passage_texts(records, "negative_passages").fillna(""),
        }
    )
    return pairs[pairs["passage"].notna()]


def _check_defaults(lang: str, records: Records) -> None:
    """Check that the id of a query, which a passage without an id takes, is no other passage's."""
    frame = records.frame
    document_ids = frame["positive_passages.docid"]
    takes = (document_ids == "") & frame["query_id"].isin(document_ids)
    if takes.any():
        row = int(takes.to_numpy().argmax())
        raise InputError(
            f"{records.name(row)}: the first positive passage ({lang}) has no docid and takes the "
            f"id of its query, {frame['query_id'].iloc[row]!r}, which is the docid of another "
            "passage; give it a docid"
        )


def _passage_texts(records: Records, column: str) -> pd.Series:
    """Return title, a space, and the text of passages; missing where there is none."""
    frame = records.frame
    return with_titles(frame[f"{column}.text"], frame[f"{column}.title"]).str.strip()


def _mfaq_pairs(lang: str, records: Records) -> pd.DataFrame:
    """Return the pairs of MFAQ (arXiv 2109.12870), which has no translations and no negatives.

    A record is a page with ``qa_pairs``, or one question and its answer.
    """
    table = records.table
    if "qa_pairs" in table.column_names:
        pairs = pc.list_flatten(table["qa_pairs"].combine_chunks())
        table = pa.Table.from_struct_array(pairs)
    frame = table.to_pandas()
    pair_ids = lang + ":" + _numbers(len(frame))
    return pd.DataFrame(
        {
            "pair_id": pair_ids,
            "lang": lang,
            "question": frame["question"],
            "passage": frame["answer"],
            "passage_id": pair_ids,
        }
    )


def _numbers(count: int) -> pd.Series:
    """Return the numbers of records from 0, as ids."""
    return pd.Series([f"{number:08d}" for number in range(count)], dtype="str")


def _folder_tables(folder: Path) -> Tables:
    """Return how to read each language's training files of a local folder.

    A folder, or a folder in ``data``, that is called by a language holds ``train*`` (as in the
    repositories) or a folder ``train`` (as in the hub's parquet copies); or there is one file
    ``<language>.<ending>``. Of several folders of one language the first is taken.
    """
    # All files and folders whose name may be a language.
    paths: list[Path] = []
    for root in (folder, folder / "data"):
        if root.is_dir():
            paths += sorted(root.iterdir())
    found: dict[str, list[Path]] = {}
    for path in paths:
        lang = language_of(_without_ending(path.name))
        files = _training_files(path)
        if lang and files and lang in found:
            log.warning("%s: not read, %s is taken for %s", path, found[lang][0], lang)
        elif lang and files:
            found[lang] = files
    return {lang: partial(_read_files, files) for lang, files in found.items()}


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
    # A name may match two patterns.
    files = list(dict.fromkeys(files))
    # A link to nothing, as a broken download leaves it, is not passed over.
    there = [file for file in files if file.is_file() or file.is_symlink()]
    return [file for file in there if file.name.endswith(_ENDINGS)]


def _read_files(files: list[Path], *schemas: Schema) -> Records:
    """Read the training files of one language, which are the parts of one table."""
    check_shards(files)
    return read_records(files, *schemas)


def _by_language(tables: Tables) -> Tables:
    """Return the hub's tables by language instead of by configuration."""
    by_language: Tables = {}
    # Of several configurations of one language the first by name is taken.
    for configuration, table in sorted(tables.items()):
        lang = language_of(configuration)
        if lang in by_language:
            log.warning("configuration %s: not read, another is taken for %s", configuration, lang)
        elif lang:
            by_language[lang] = table
    return by_language
