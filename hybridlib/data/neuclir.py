"""NeuCLIRBench (arXiv 2511.14758): one pool of news in Persian, Russian and Chinese, not parallel.

Topics are asked in four languages; documents have graded judgments, 0, 1 or 3. docs/corpora.md
shows the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_judgments
from hybridlib.data.languages import check_languages, tag_of_code
from hybridlib.data.miracl import without_unknown
from hybridlib.data.records import PACKED_ENDINGS, read_records
from hybridlib.data.schema import Chunk, Field, Schema, Unique
from hybridlib.data.shards import check_shards
from hybridlib.data.text_files import filled_lines
from hybridlib.data.values import GRADE, ID, TEXT, with_titles
from hybridlib.errors import InputError

DOCUMENTS = Schema(
    (
        Field("id", ID),
        Field("title", TEXT, default=""),
        # A document may be a title alone.
        Field("text", TEXT, default="", optional=False),
    ),
    (Unique(("id",), "ids must be unique"),),
)
JUDGMENTS = Schema(
    (Field("query_id", ID), Field("passage_id", ID), Field("grade", GRADE)),
    (Unique(("query_id", "passage_id"), "a pair is judged once"),),
)

_SEARCHED = ("fas", "rus", "zho")
_JUDGED = "qrels.mlir.gains.txt"
_HOW = (
    "download neuclir/bench, and of neuclir/neuclir1 the files data/fas-*, data/rus-* and "
    "data/zho-*, into one folder: docs/corpora.md"
)


def load_neuclir(folder: str | Path, languages: Iterable[str] | None = None) -> RetrievalCorpus:
    """Read the multilingual task of NeuCLIRBench from a folder with both of its repositories.

    The candidates are the judged documents, not the ten million of the collection; the others are
    passed over while the files are read. Judgments are those of the multilingual task, whose topics
    are judged in all three languages. A topic has a query in each language, and what is relevant to
    it is relevant to all of them.

    Args:
        folder: holds ``news.<code>.tsv``, ``qrels.mlir.gains.txt`` and the documents
            ``<code>-*.jsonl.gz``, or a folder ``data`` with them.
        languages: the tags of the languages to read (en, fa, ru, zh); None takes all.

    Raises:
        InputError: a file that is missing or malformed; with the file and the line.
    """
    folder = Path(folder)
    data = folder / "data" if (folder / "data").is_dir() else folder
    topics = {tag_of_code(file.name.split(".")[1]): file for file in data.glob("news.*.tsv")}
    documents = {tag_of_code(code): _document_files(data, code) for code in _SEARCHED}
    documents = {lang: files for lang, files in documents.items() if files}
    if not topics or not documents or not (data / _JUDGED).exists():
        raise InputError(f"{folder}: has not all files of NeuCLIRBench; {_HOW}")
    present = {*topics, *documents}
    wanted = present if languages is None else set(languages)
    check_languages(str(folder), wanted, present)

    judgments = read_records(data / _JUDGED, JUDGMENTS).frame
    judged = set(judgments["passage_id"])
    queries = pd.concat(
        [_read_topics(file, lang) for lang, file in sorted(topics.items()) if lang in wanted]
        or [pd.DataFrame(columns=["query_id", "lang", "question_id", "text"])]
    )
    candidates = pd.concat(
        [
            _read_documents(files, lang, judged)
            for lang, files in sorted(documents.items())
            if lang in wanted
        ]
        or [pd.DataFrame(columns=["candidate_id", "lang", "group", "text"])]
    )

    # A judgment of a topic holds for its query in every language.
    relevance = queries[["query_id", "question_id"]].merge(
        judgments.rename(columns={"query_id": "question_id", "passage_id": "candidate_id"}),
        on="question_id",
    )
    if wanted == present:
        relevance = without_unknown(str(data / _JUDGED), relevance, queries, candidates)
    else:
        relevance = relevance[relevance["candidate_id"].isin(candidates["candidate_id"])]
    relevance = relevance[["query_id", "candidate_id", "grade"]]
    return corpus_from_judgments(folder.resolve().name, queries, candidates, relevance)


def _document_files(data: Path, code: str) -> list[Path]:
    """Return the files of the documents of one language."""
    # A number behind the hyphen: translations of the documents are called like zho-mt-eng-00000.
    endings = (".jsonl", *PACKED_ENDINGS)
    return sorted(file for file in data.glob(f"{code}-[0-9]*") if file.name.endswith(endings))


def _read_topics(file: Path, lang: str) -> pd.DataFrame:
    """Return the queries of one language: lines of a topic's number, a tab, and its text."""
    rows = []
    for number, line in filled_lines(file):
        topic, tab, text = line.partition("\t")
        if not tab or not topic.strip() or not text.strip():
            raise InputError(f"{file}: line {number} is no topic: its number, a tab, and its text")
        rows.append((f"{lang}:{topic}", lang, topic, text))
    return pd.DataFrame(rows, columns=["query_id", "lang", "question_id", "text"])


def _read_documents(files: Sequence[Path], lang: str, judged: set[str]) -> pd.DataFrame:
    """Return the judged documents of one language."""

    def keep(chunk: Chunk) -> Chunk:
        ids = chunk.columns.get("id")
        if ids is None:
            return chunk  # an error names the missing column
        places = [place for place, each in enumerate(ids) if str(each) in judged]
        columns = {}
        for name, values in chunk.columns.items():
            columns[name] = [values[place] for place in places]
        return replace(chunk, numbers=[chunk.numbers[place] for place in places], columns=columns)

    check_shards(files)
    records = read_records(files, DOCUMENTS, keep=keep)
    frame = records.frame
    texts = with_titles(frame["text"], frame["title"]).str.strip()
    records.check_texts("text", texts)
    return pd.DataFrame(
        {"candidate_id": frame["id"], "lang": lang, "group": frame["id"], "text": texts}
    )
