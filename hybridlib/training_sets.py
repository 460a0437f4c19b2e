"""Training sets of other origin: SQuAD files, aligned plain text, and sets as the hub holds them.

Each ends in training pairs (:data:`hybridlib.corpora.PAIR_COLUMNS`); ``article``, if there is such a column, says what
must not be divided between training and validation, ``negative`` holds an explicit negative, or nothing.
docs/training_data.md shows the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib import corpora, readers
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
CODE = re.compile(r"[a-z]{2,3}")
ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".json.gz")


@dataclass(frozen=True)
class TrainingSet:
    """A set that was found: its languages, and how to read some of them as training pairs."""

    languages: list[str]
    load: Callable[[Iterable[str]], pd.DataFrame]


def find(kind: str, source: str | Path) -> TrainingSet:
    """Look at a training set without reading its texts.

    Args:
        kind: ``squad``, ``parallel``, or one of :data:`hybridlib.corpora.HUB_SETS`.
        source: its folder; for the sets of the hub also a hub id, ``name`` or ``name@revision``.

    Raises:
        InputError: no such folder, no file of that kind in it, or the hub out of reach; with what to do.
    """
    if kind in corpora.HUB_SETS:
        return _find_hub_set(kind, source)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{source}: no such folder; {kind!r} training pairs are a folder with a file for each language: docs/training_data.md"
        )
    return {"squad": _find_squad, "parallel": _find_parallel}[kind](folder)


def _checked(rows: Iterable[tuple], columns: list[str], dataset: str, where: str) -> pd.DataFrame:
    """Rows of a set as training pairs that keep the contract."""
    frame = pd.DataFrame(list(rows), columns=columns).assign(dataset=dataset)
    first = [column for column in corpora.PAIR_COLUMNS if column in frame]
    return corpora.check_pairs(
        frame[[*first, *(column for column in frame if column not in first)]], where
    )


# ------------------------------------------------------------------------------------------------------------- SQuAD


def _find_squad(folder: Path) -> TrainingSet:
    """``train-<lang>.json`` before ``<lang>.json`` before ``<split>-<lang>.json`` of the only other split."""
    endings = {file.stem.split("-")[-1] for file in folder.glob("*.json")}
    files = {lang: _squad_file(folder, lang) for lang in sorted(endings) if CODE.fullmatch(lang)}
    if not files:
        raise InputError(
            f"{folder}: no <lang>.json or <split>-<lang>.json; a squad folder has one SQuAD JSON file for each language, such as train-de.json"
        )
    return TrainingSet(
        sorted(files),
        lambda languages: _load_squad(folder, {lang: files[lang] for lang in languages}),
    )


def _squad_file(folder: Path, lang: str) -> Path:
    for name in (f"train-{lang}.json", f"{lang}.json"):
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob(f"*-{lang}.json"))
    if len(found) > 1:
        raise InputError(
            f"{folder}: {', '.join(file.name for file in found)}: which of them to train on? Call it train-{lang}.json"
        )
    return found[0]


def _load_squad(folder: Path, files: dict[str, Path]) -> pd.DataFrame:
    """A question with its whole paragraph; the same question id in two languages is a translation.

    Paragraphs that share a question in two languages are one passage, articles that share one, one article.
    """
    rows = [row for lang, file in files.items() for row in _squad_rows(file, lang)]
    columns = ["pair_id", "lang", "question", "passage", "paragraph", "title"]
    frame = _checked(rows, [*columns, "passage_id"], folder.resolve().name, str(folder))
    frame["article"] = corpora.connected(frame["title"], frame["pair_id"])
    group = corpora.connected(frame["paragraph"], frame["pair_id"])
    return frame.assign(passage_id=frame["paragraph"].groupby(group).transform("min")).drop(
        columns=["paragraph", "title"]
    )


def _squad_rows(file: Path, lang: str) -> Iterator[tuple]:
    """pair_id, lang, question, passage, paragraph, title, passage_id (still the paragraph's) of each answerable question."""
    for number, paragraph, title in corpora._paragraphs(file):
        where, name = f"{file}: paragraph {number} ({title!r})", f"{lang}-{number:06d}"
        context = corpora._field(paragraph, "context", str, where)
        for qa in corpora._field(paragraph, "qas", list, where):
            if not (
                isinstance(qa, dict) and qa.get("is_impossible")
            ):  # its paragraph does not answer it
                yield (
                    str(corpora._field(qa, "id", str, where)),
                    lang,
                    corpora._field(qa, "question", str, where),
                    context,
                    name,
                    f"{lang}:{title}",
                    name,
                )


# ------------------------------------------------------------------------------------------------ aligned plain text


def _find_parallel(folder: Path) -> TrainingSet:
    languages = sorted(file.stem for file in folder.glob("*.txt") if CODE.fullmatch(file.stem))
    if not languages:
        raise InputError(
            f"{folder}: no <lang>.txt; aligned plain text is a folder with one file for each language, line n of one the translation of line n of another"
        )
    return TrainingSet(languages, partial(_load_aligned, folder))


def _load_aligned(folder: Path, languages: Iterable[str]) -> pd.DataFrame:
    """A sentence with the next one of the same document; pair_id is the number of its line.

    ``docs.tsv`` names the document of each line; without it all lines are one document each with its neighbour, and
    validation is divided by sentence.
    """
    texts = corpora.load_parallel(folder, languages).pivot(
        index="group", columns="lang", values="text"
    )
    documents = _documents(folder, texts)
    following = texts.reindex([f"{int(group) + 1:07d}" for group in texts.index]).set_axis(
        texts.index
    )
    next_document = documents.reindex([f"{int(group) + 1:07d}" for group in texts.index]).set_axis(
        texts.index
    )
    columns = ["pair_id", "lang", "question", "passage", "passage_id", "article"]
    rows = [
        (
            group,
            lang,
            texts.at[group, lang],
            following.at[group, lang],
            f"{int(group) + 1:07d}",
            documents[group],
        )
        for group in texts.index[documents == next_document]
        for lang in texts.columns
        if pd.notna(texts.at[group, lang]) and pd.notna(following.at[group, lang])
    ]
    frame = _checked(rows, columns, folder.resolve().name, str(folder))
    return frame if (folder / "docs.tsv").is_file() else frame.drop(columns="article")


def _documents(folder: Path, texts: pd.DataFrame) -> pd.Series:
    """The document of each line that has a text."""
    file = folder / "docs.tsv"
    if not file.is_file():
        return pd.Series("", index=texts.index)
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(lines) <= int(texts.index.max()):
        raise InputError(
            f"{file}: has {len(lines)} lines, the texts have at least {int(texts.index.max()) + 1}; it names the document of each line of the texts"
        )
    return pd.Series({group: lines[int(group)].strip() for group in texts.index})


# --------------------------------------------------------------------------------------------------- sets of the hub


def _find_hub_set(kind: str, source: str | Path) -> TrainingSet:
    """The languages of a set in a folder or on the hub; a configuration is called by its language's code or English name."""
    folder = Path(source)
    name, _, revision = str(source).partition("@")
    if folder.is_dir():
        title, tables = folder.resolve().name, _folder_tables(folder)
    elif readers.HUB_ID.fullmatch(name):
        title, tables = (
            name.split("/")[1],
            _by_language(readers._hub_tables(name, "train", revision or None)),
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
    group = corpora.connected(frame["lang"] + ":" + frame["passage"], frame["pair_id"])
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
