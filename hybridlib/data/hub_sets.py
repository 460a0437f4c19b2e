"""Training sets of other origin: SQuAD files, aligned plain text, and sets as the hub holds them.

Each ends in training pairs (:data:`hybridlib.corpora.PAIR_COLUMNS`); ``article``, if there is such a column, says what
must not be divided between training and validation, ``negative`` holds an explicit negative, or nothing.
docs/training_data.md shows the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.data import lareqa, miracl
from hybridlib.data.pairs import CODE, TrainingSet, _checked
from hybridlib.errors import InputError

ENGLISH_NAMES = {
    "ar": "arabic",
    "bn": "bengali",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "id": "indonesian",
    "it": "italian",
    "ja": "japanese",
    "ko": "korean",
    "nl": "dutch",
    "pt": "portuguese",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
    "th": "thai",
    "vi": "vietnamese",
    "zh": "chinese",
}


CODES = {name: code for code, name in ENGLISH_NAMES.items()}


ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".json.gz")


def _find_hub_set(kind: str, source: str | Path) -> TrainingSet:
    """The languages of a set in a folder or on the hub; a configuration is called by its language's code or English name."""
    folder = Path(source)
    name, _, revision = str(source).partition("@")
    if folder.is_dir():
        title, tables = folder.resolve().name, _folder_tables(folder)
    elif miracl.HUB_ID.fullmatch(name):
        title, tables = (
            name.split("/")[1],
            _by_language(miracl._hub_tables(name, "train", revision or None)),
        )
    else:
        raise InputError(
            f"{source}: no such folder; give a downloaded folder or a hub id whose files are parquet or jsonl: docs/training_data.md"
        )
    if not tables:
        raise InputError(
            f"{source}: no training file of a language was found ({', '.join('<lang>/train*' + ending for ending in ENDINGS[:2])}, <lang>: a code or an English name). "
            f"Sets that the hub holds with a loading script have a copy in parquet: `hf download --repo-type dataset NAME --revision refs/convert/parquet --local-dir FOLDER`"
        )
    return TrainingSet(
        sorted(tables),
        lambda languages: _load_hub_set(
            kind, title, str(source), {lang: tables[lang] for lang in languages}
        ),
    )


def _load_hub_set(
    kind: str, title: str, source: str, tables: dict[str, Callable[[], pd.DataFrame]]
) -> pd.DataFrame:
    reader = {
        "mmarco": _mmarco_rows,
        "miracl-train": _judged_rows,
        "mr-tydi": _judged_rows,
        "mfaq": _mfaq_rows,
    }[kind]
    frames = {lang: table() for lang, table in tables.items()}
    if kind == "mmarco":
        _check_aligned(source, frames)
    rows = [
        row for lang, frame in frames.items() for row in reader(f"{source}: {lang}", lang, frame)
    ]
    frame = _checked(
        rows, ["pair_id", "lang", "question", "passage", "passage_id", "negative"], title, source
    )
    if kind == "mmarco":
        frame["passage_id"] = _same_passages(frame)
    return frame.drop(columns="negative") if kind == "mfaq" else frame


def _mmarco_rows(where: str, lang: str, frame: pd.DataFrame) -> Iterator[tuple]:
    """query, positive, negative (arXiv 2108.13897).

    The same query_id in two languages is a translation (the first record of each is taken); without that column, the
    same record number.
    """
    _need(where, frame, "query", "positive")
    if "query_id" in frame:
        frame = frame.drop_duplicates("query_id")
    names = (
        frame["query_id"].astype(str)
        if "query_id" in frame
        else [f"{number:08d}" for number in range(len(frame))]
    )
    negatives = frame["negative"] if "negative" in frame else [""] * len(frame)
    for name, query, positive, negative in zip(names, frame["query"], frame["positive"], negatives):
        yield name, lang, query, positive, name, _text(negative)


def _check_aligned(source: str, frames: dict[str, pd.DataFrame]) -> None:
    """Without ids record n is the same triple in every language, so there must be as many in each."""
    counts = {lang: len(frame) for lang, frame in frames.items() if "query_id" not in frame}
    if len(set(counts.values())) > 1 or 0 < len(counts) < len(frames):
        raise InputError(
            f"{source}: without a column query_id in every language, record n is the same triple in each, but the numbers of records differ: {counts}; add query_id, or cut them to the same records"
        )


def _same_passages(frame: pd.DataFrame) -> pd.Series:
    """Records whose passage is equal in some language have one passage."""
    group = lareqa.connected(frame["lang"] + ":" + frame["passage"], frame["pair_id"])
    return frame["pair_id"].groupby(group).transform("min")


def _judged_rows(where: str, lang: str, frame: pd.DataFrame) -> Iterator[tuple]:
    """query_id, query, positive_passages, negative_passages (docid, title, text): MIRACL and Mr. TyDi (arXiv 2108.08787).

    The first positive and the first negative are taken. Equal ids in two languages mean nothing.
    """
    _need(where, frame, "query_id", "query", "positive_passages")
    negatives = frame["negative_passages"] if "negative_passages" in frame else [()] * len(frame)
    for query_id, query, positives, others in zip(
        frame["query_id"], frame["query"], frame["positive_passages"], negatives
    ):
        if positives is not None and len(positives):
            at = f"{where}: query_id {query_id!r}"
            other = _titled(at, others[0]) if others is not None and len(others) else ""
            yield (
                f"{lang}:{query_id}",
                lang,
                query,
                _titled(at, positives[0]),
                f"{lang}:{positives[0].get('docid', query_id)}",
                other,
            )


def _mfaq_rows(where: str, lang: str, frame: pd.DataFrame) -> Iterator[tuple]:
    """qa_pairs (question, answer) of a page, or one pair a record (arXiv 2109.12870); no translations, no negatives."""
    if "qa_pairs" in frame:
        pairs = ((page, pair) for page, pairs in enumerate(frame["qa_pairs"]) for pair in pairs)
    else:
        _need(where, frame, "question", "answer")
        pairs = enumerate(frame[["question", "answer"]].to_dict("records"))
    for number, (page, pair) in enumerate(pairs):
        if not isinstance(pair, dict) or not {"question", "answer"} <= set(pair):
            raise InputError(
                f"{where}: record {page}: a pair is {{question, answer}}, found {str(pair)[:80]}"
            )
        name = f"{lang}:{number:08d}"
        yield name, lang, _text(pair["question"]), _text(pair["answer"]), name, ""


def _titled(where: str, passage: Any) -> str:
    """Title, a space, and the text."""
    if not isinstance(passage, dict) or "text" not in passage:
        raise InputError(f"{where}: a passage is {{docid, title, text}}, found {str(passage)[:80]}")
    return f"{_text(passage.get('title'))} {_text(passage['text'])}".strip()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _need(where: str, frame: pd.DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(
            f"{where}: no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}"
        )


def _folder_tables(folder: Path) -> dict[str, Callable[[], pd.DataFrame]]:
    """How to read each language's training files of a local folder.

    A folder, or a folder in ``data``, that is called by a language holds ``train*`` (as in the repositories) or a
    folder ``train`` (as in the hub's parquet copies); or there is one file ``<language>.<ending>``.
    """
    places = [
        path
        for root in (folder, folder / "data")
        if root.is_dir()
        for path in sorted(root.iterdir())
    ]
    files: dict[str, list[Path]] = {}
    for path in places:
        lang = _language(
            path.name.removesuffix(".gz")
            .removesuffix(".jsonl")
            .removesuffix(".json")
            .removesuffix(".parquet")
        )
        found = (
            [path]
            if path.is_file()
            else [
                file
                for pattern in ("train*", "*-train.*", "train/*", "partial-train/*")
                for file in sorted(path.glob(pattern))
                if file.is_file()
            ]
        )
        found = [file for file in found if file.name.endswith(ENDINGS)]
        if lang and found:
            files.setdefault(lang, found)
    return {lang: partial(_read_files, found) for lang, found in files.items()}


def _by_language(
    tables: dict[str, Callable[[], pd.DataFrame]],
) -> dict[str, Callable[[], pd.DataFrame]]:
    return {
        lang: table
        for config, table in sorted(tables.items(), reverse=True)
        if (lang := _language(config))
    }


def _language(name: str) -> str:
    """The code in a configuration's name: ``de``, ``german``, ``german-triplet``, ``mrtydi-v1.1-german``, ``de_flat``; else nothing."""
    if name in CODES or CODE.fullmatch(name) and name != "all":
        return CODES.get(name, name)
    parts = re.split(r"[-_]", name)
    codes = {
        CODES.get(part, part)
        for part in (parts[0], parts[-1])
        if part in CODES or part in ENGLISH_NAMES
    }
    return (
        codes.pop()
        if len(codes) == 1 and not {"queries", "collection", "runs", "corpus", "qrels"} & set(parts)
        else ""
    )


def _read_files(files: list[Path]) -> pd.DataFrame:
    return pd.concat([_read_file(file) for file in files], ignore_index=True)


def _read_file(file: Path) -> pd.DataFrame:
    try:
        return (
            pd.read_parquet(file)
            if file.suffix == ".parquet"
            else pd.read_json(file, lines=True, dtype=False, compression="infer")
        )
    except (ValueError, OSError) as error:
        raise InputError(
            f"{file}: cannot be read as {'parquet' if file.suffix == '.parquet' else 'JSON, one record a line'}: {error}"
        ) from None
