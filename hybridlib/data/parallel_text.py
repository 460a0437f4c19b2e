"""Training pairs of aligned plain text: a sentence and the next one of the same document."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hybridlib.data.languages import is_language
from hybridlib.data.pairs import aligned_table, make_pairs
from hybridlib.data.text_files import read_aligned_lines, read_lines
from hybridlib.data.words import has_words
from hybridlib.errors import InputError


def find_text_languages(folder: Path) -> list[str]:
    """Return the languages that a folder has a ``<lang>.txt`` of, sorted.

    Raises:
        InputError: there is none.
    """
    stems = sorted(file.stem for file in folder.glob("*.txt"))
    languages = [stem for stem in stems if is_language(stem)]
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
    lines = read_aligned_lines(folder, languages)
    table = aligned_table(lines)
    texts = table.pivot(index="group", columns="lang", values="text")
    documents = _documents(folder, texts.index, max(map(len, lines.values()), default=0))

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
    pairs = make_pairs(pd.DataFrame(rows, columns=columns), folder.resolve().name, str(folder))
    if _has_documents(folder):
        return pairs
    return pairs.drop(columns="article")


def _line_id(number: int) -> str:
    """Return the id of a line, as :func:`aligned_table` writes it."""
    return f"{number:07d}"


def _has_documents(folder: Path) -> bool:
    """Return whether there is a ``docs.tsv``, even one that cannot be read."""
    return os.path.lexists(folder / "docs.tsv")


def _documents(folder: Path, lines: pd.Index, count: int) -> pd.Series:
    """Return the document of each line with a text; without ``docs.tsv`` all are of one.

    Args:
        folder: of the texts.
        lines: the ids of the lines that some language has a text in.
        count: how many lines the texts have.
    """
    file = folder / "docs.tsv"
    if not _has_documents(folder):
        return pd.Series("", index=lines)
    names = read_lines(file)
    if len(names) != count:
        raise InputError(
            f"{file}: has {len(names)} lines, the texts have {count}; "
            "it names the document of each line of the texts"
        )
    documents = [names[int(line)].strip() for line in lines]
    for line, document in zip(lines, documents):
        if not has_words(document):
            raise InputError(f"{file}: line {int(line) + 1} names no document of its sentence")
    return pd.Series(documents, index=lines)
