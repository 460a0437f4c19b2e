"""Training pairs of aligned plain text: a sentence and the next one of the same document."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hybridlib.data.languages import LANGUAGE_CODE
from hybridlib.data.pairs import load_parallel, pairs_from_rows
from hybridlib.errors import InputError


def find_text_languages(folder: Path) -> list[str]:
    """Return the languages that a folder has a ``<lang>.txt`` of, sorted.

    Raises:
        InputError: there is none.
    """
    stems = sorted(file.stem for file in folder.glob("*.txt"))
    languages = [stem for stem in stems if LANGUAGE_CODE.fullmatch(stem)]
    if not languages:
        raise InputError(
            f"{folder}: no <lang>.txt; aligned plain text is a folder with one file for each "
            "language, line n of one the translation of line n of another"
        )
    return languages


def load_aligned_text(folder: Path, languages: Iterable[str]) -> pd.DataFrame:
    """Read training pairs of a sentence and the next one; pair_id is the number of its line.

    ``docs.tsv`` names the document of each line, and only sentences of one document are paired.
    Without it every sentence is paired with the next one.

    Returns:
        Training pairs; with ``docs.tsv`` also a column ``article``, the name of the document.
    """
    table = load_parallel(folder, languages)
    texts = table.pivot(index="group", columns="lang", values="text")
    documents = _documents(folder, texts.index)

    # The line after each line; it is missing at the end, and where no language has a text.
    next_lines = [_line_id(int(line) + 1) for line in texts.index]
    next_documents = documents.reindex(next_lines)
    same_document = documents.to_numpy() == next_documents.to_numpy()

    sentences = texts.to_numpy(dtype=object)
    next_sentences = texts.reindex(next_lines).to_numpy(dtype=object)
    rows = []
    for number in same_document.nonzero()[0]:
        line = texts.index[number]
        for column, lang in enumerate(texts.columns):
            question = sentences[number, column]
            passage = next_sentences[number, column]
            if pd.notna(question) and pd.notna(passage):
                pair = (line, lang, question, passage, next_lines[number], documents[line])
                rows.append(pair)
    columns = ["pair_id", "lang", "question", "passage", "passage_id", "article"]
    pairs = pairs_from_rows(rows, columns, folder.resolve().name, str(folder))
    if (folder / "docs.tsv").is_file():
        return pairs
    return pairs.drop(columns="article")


def _line_id(number: int) -> str:
    """Return the id of a line, as :func:`load_parallel` writes it."""
    return f"{number:07d}"


def _documents(folder: Path, lines: pd.Index) -> pd.Series:
    """Return the document of each line; without ``docs.tsv`` all are of one."""
    file = folder / "docs.tsv"
    if not file.is_file():
        return pd.Series("", index=lines)
    names = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    needed = int(lines.max()) + 1
    if len(names) < needed:
        raise InputError(
            f"{file}: has {len(names)} lines, the texts have at least {needed}; "
            "it names the document of each line of the texts"
        )
    return pd.Series([names[int(line)].strip() for line in lines], index=lines)
