"""Belebele (arXiv 2308.16884) as a retrieval corpus: short passages and questions in 122 languages.

It has one table for each language, called by its FLORES-200 code (``deu_Latn``), with a question in
each record. The four answers to choose from are not used. docs/corpora.md shows the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.data.hub import Tables, hub_tables, split_hub_id
from hybridlib.data.languages import check_languages, tag_of_code
from hybridlib.data.records import read_records
from hybridlib.data.schema import Field, Records, Schema, Unique
from hybridlib.data.values import ID, TEXT
from hybridlib.errors import InputError

QUESTIONS = Schema(
    (
        Field("link", ID),
        Field("question_number", ID),
        Field("split", ID, default=""),
        Field("question", TEXT),
        Field("flores_passage", TEXT),
    ),
    (Unique(("link", "split", "question_number"), "a question of a passage is one record"),),
)


def load_belebele(source: str | Path, languages: Iterable[str] | None = None) -> RetrievalCorpus:
    """Read ``facebook/belebele``, or a folder with its ``<code>.jsonl``.

    A query is a question, a candidate a passage. Relevant to a question is its passage, in every
    language. A language is called by its tag: ``de`` for ``deu_Latn``, ``zh-Hant`` for
    ``zho_Hant``.

    Args:
        source: a folder, or a hub id (``name`` or ``name@revision``).
        languages: the tags of the languages to read; None takes all.

    Raises:
        InputError: no such folder, the hub out of reach, a language that is missing, or records
            that are not Belebele's.
    """
    name, tables = _find_tables(source)
    wanted = set(tables) if languages is None else set(languages)
    check_languages(str(source), wanted, tables)
    parts = [_pairs_of(lang, tables[lang](QUESTIONS)) for lang in sorted(wanted)]
    return corpus_from_pairs(name, pd.concat(parts, ignore_index=True))


def _find_tables(source: str | Path) -> tuple[str, Tables]:
    """Return the name of the set, and how to read the table of each language."""
    folder = Path(source)
    hub_id = split_hub_id(str(source))
    if folder.is_dir():
        name = folder.resolve().name
        files = sorted([*folder.glob("*"), *folder.glob("data/*")])
        files = [file for file in files if file.suffix in (".jsonl", ".parquet")]
        tables: Tables = {file.stem: partial(read_records, file) for file in files}
    elif hub_id is not None:
        name = hub_id[0].split("/")[1]
        tables = hub_tables(hub_id[0], "test", hub_id[1])
    else:
        raise InputError(f"{source}: no such folder; give a folder or the hub id facebook/belebele")
    by_tag: Tables = {}
    for code in sorted(tables):
        tag = tag_of_code(code)
        if tag in by_tag:
            raise InputError(f"{source}: two tables are of {tag!r}, the second is {code}; keep one")
        by_tag[tag] = tables[code]
    if not by_tag:
        raise InputError(
            f"{source}: no <code>.jsonl such as deu_Latn.jsonl, neither there nor in data/"
        )
    return name, by_tag


def _pairs_of(lang: str, records: Records) -> pd.DataFrame:
    """Return the questions of one language, each with its passage."""
    frame = records.frame
    passage_ids = frame["link"] + (" " + frame["split"]).where(frame["split"] != "", "")
    texts = frame["flores_passage"].groupby(passage_ids)
    if (texts.nunique() > 1).any():
        row = int((frame["flores_passage"] != texts.transform("first")).to_numpy().argmax())
        raise InputError(
            f"{records.name(row)}: the passage of link {frame['link'].iloc[row]!r} is another text "
            "than before; a link (with its split, if there is one) is one passage"
        )
    return pd.DataFrame(
        {
            "pair_id": passage_ids + " " + frame["question_number"],
            "lang": lang,
            "question": frame["question"],
            "passage": frame["flores_passage"],
            "passage_id": passage_ids,
        }
    )
