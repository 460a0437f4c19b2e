"""Training sets of other origin: SQuAD files, aligned plain text, and sets as the hub holds them.

Each ends in training pairs (:data:`hybridlib.corpora.PAIR_COLUMNS`); ``article``, if there is such a column, says what
must not be divided between training and validation, ``negative`` holds an explicit negative, or nothing.
docs/training_data.md shows the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from hybridlib.config import parameters
from hybridlib.data import lareqa, pairs
from hybridlib.data.hub_sets import _find_hub_set
from hybridlib.data.pairs import CODE, TrainingSet, _checked
from hybridlib.errors import InputError


def find(kind: str, source: str | Path) -> TrainingSet:
    """Look at a training set without reading its texts.

    Args:
        kind: ``squad``, ``parallel``, or one of :data:`hybridlib.corpora.HUB_SETS`.
        source: its folder; for the sets of the hub also a hub id, ``name`` or ``name@revision``.

    Raises:
        InputError: no such folder, no file of that kind in it, or the hub out of reach; with what to do.
    """
    if kind in parameters.HUB_SETS:
        return _find_hub_set(kind, source)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{source}: no such folder; {kind!r} training pairs are a folder with a file for each language: docs/training_data.md"
        )
    return {"squad": _find_squad, "parallel": _find_parallel}[kind](folder)


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
    frame["article"] = lareqa.connected(frame["title"], frame["pair_id"])
    group = lareqa.connected(frame["paragraph"], frame["pair_id"])
    return frame.assign(passage_id=frame["paragraph"].groupby(group).transform("min")).drop(
        columns=["paragraph", "title"]
    )


def _squad_rows(file: Path, lang: str) -> Iterator[tuple]:
    """pair_id, lang, question, passage, paragraph, title, passage_id (still the paragraph's) of each answerable question."""
    for number, paragraph, title in lareqa._paragraphs(file):
        where, name = f"{file}: paragraph {number} ({title!r})", f"{lang}-{number:06d}"
        context = lareqa._field(paragraph, "context", str, where)
        for qa in lareqa._field(paragraph, "qas", list, where):
            if not (
                isinstance(qa, dict) and qa.get("is_impossible")
            ):  # its paragraph does not answer it
                yield (
                    str(lareqa._field(qa, "id", str, where)),
                    lang,
                    lareqa._field(qa, "question", str, where),
                    context,
                    name,
                    f"{lang}:{title}",
                    name,
                )


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
    texts = pairs.load_parallel(folder, languages).pivot(
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
