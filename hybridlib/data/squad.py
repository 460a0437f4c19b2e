"""SQuAD JSON files (arXiv 1606.05250): their paragraphs, and training pairs of a folder of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.data.grouping import connected_groups, smallest_connected
from hybridlib.data.languages import LANGUAGE_CODE
from hybridlib.data.pairs import pairs_from_rows
from hybridlib.errors import InputError
from hybridlib.files import read_json


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of a SQuAD JSON file.

    Attributes:
        source: file, number and title, for error messages.
        number: its number in the file, from 0.
        title: the title of its article.
        record: what the file says of it: ``context``, ``qas`` and perhaps more.
    """

    source: str
    number: int
    title: str
    record: Any

    @property
    def context(self) -> str:
        """Return the text of the paragraph."""
        return get_field(self.record, "context", str, self.source)

    @property
    def questions(self) -> list[Any]:
        """Return the records of its questions: ``id``, ``question`` and ``answers``."""
        return get_field(self.record, "qas", list, self.source)


def read_paragraphs(file: Path) -> list[Paragraph]:
    """Read the paragraphs of a SQuAD JSON file.

    Raises:
        InputError: no such file, or one that is not SQuAD JSON.
    """
    try:
        contents = [
            (article["title"], record)
            for article in read_json(file)["data"]
            for record in article["paragraphs"]
        ]
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such file; each language needs its <lang>.json, or leave that language out"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not valid JSON ({error}); fetch the file again") from None
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: not SQuAD JSON (data > paragraphs, title): {error!r}") from None
    return [
        Paragraph(f"{file}: paragraph {number} ({title!r})", number, title, record)
        for number, (title, record) in enumerate(contents)
    ]


def get_field(record: Any, key: str, kind: type, source: str) -> Any:
    """Return the value of ``key``; an InputError if it is missing or not of this kind."""
    if not isinstance(record, dict) or not isinstance(record.get(key), kind):
        raise InputError(f"{source}: {key!r} is missing or not a {kind.__name__}")
    return record[key]


def find_squad_files(folder: Path) -> dict[str, Path]:
    """Return the training file of each language in a folder.

    ``train-<lang>.json`` is taken before ``<lang>.json``, and that before the file of the only
    other split.

    Raises:
        InputError: no such file, or several other splits to choose from.
    """
    endings = {file.stem.split("-")[-1] for file in folder.glob("*.json")}
    languages = sorted(ending for ending in endings if LANGUAGE_CODE.fullmatch(ending))
    if not languages:
        raise InputError(
            f"{folder}: no <lang>.json or <split>-<lang>.json; a squad folder has one SQuAD JSON "
            "file for each language, such as train-de.json"
        )
    return {lang: _squad_file(folder, lang) for lang in languages}


def load_squad(folder: Path, files: dict[str, Path], languages: Iterable[str]) -> pd.DataFrame:
    """Read training pairs of a question and its whole paragraph.

    The same question id in two languages means translation. Paragraphs that share a question in
    two languages are one passage; articles that share one are one article.

    Args:
        folder: its name becomes the name of the set.
        files: the file of each language.
        languages: the languages to read.

    Returns:
        Training pairs with a column ``article``, a number.
    """
    rows = [row for lang in languages for row in _squad_rows(files[lang], lang)]
    columns = ["pair_id", "lang", "question", "passage", "passage_id", "title"]
    pairs = pairs_from_rows(rows, columns, folder.resolve().name, str(folder))
    # What is one article, and what is one passage, shows in the questions that they share.
    pairs["article"] = connected_groups(pairs["title"], pairs["pair_id"])
    pairs["passage_id"] = smallest_connected(pairs["passage_id"], pairs["pair_id"])
    return pairs.drop(columns="title")


def _squad_file(folder: Path, lang: str) -> Path:
    """Return the file to train on in a language that has at least one."""
    for name in (f"train-{lang}.json", f"{lang}.json"):
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob(f"*-{lang}.json"))
    if len(files) > 1:
        raise InputError(
            f"{folder}: {', '.join(file.name for file in files)}: which of them to train on? "
            f"Call it train-{lang}.json"
        )
    return files[0]


def _squad_rows(file: Path, lang: str) -> Iterator[tuple[str, ...]]:
    """Yield pair_id, lang, question, passage, passage_id and title of each answerable question."""
    for paragraph in read_paragraphs(file):
        context = paragraph.context
        for question in _answerable(paragraph.questions):
            yield (
                get_field(question, "id", str, paragraph.source),
                lang,
                get_field(question, "question", str, paragraph.source),
                context,
                f"{lang}-{paragraph.number:06d}",
                f"{lang}:{paragraph.title}",
            )


def _answerable(questions: Iterable[Any]) -> Iterator[Any]:
    """Yield the questions that are not marked as impossible to answer from their paragraph."""
    for question in questions:
        if not (isinstance(question, dict) and question.get("is_impossible")):
            yield question
