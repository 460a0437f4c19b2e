"""SQuAD JSON files (arXiv 1606.05250, 1806.03822), and training pairs of a folder of them.

Every text is checked as it is read, and every answer must stand at its offset. A question that is
marked ``is_impossible``, which has no answer, is skipped. An answer without text says nothing that
could be compared: its offset lies inside the context, and a warning counts such answers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hybridlib.data.grouping import connected_groups, smallest_connected
from hybridlib.data.languages import language_at_end
from hybridlib.data.offsets import check_answer
from hybridlib.data.pairs import make_pairs
from hybridlib.data.strict_json import parse_json
from hybridlib.data.text_files import read_text
from hybridlib.data.values import DECIMAL_RULE, SURROGATE_RULE, in_words, is_decimal, is_whole
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

log = logging.getLogger(__name__)


class Question(NamedTuple):
    """An answerable question of a paragraph.

    Attributes:
        source: file, paragraph and id, for error messages.
        question_id: its id.
        text: the question.
        starts: where its answers begin in the context; None where the file does not say.
        unchecked: how many of the answers have no text.
    """

    source: str
    question_id: str
    text: str
    starts: list[int] | None
    unchecked: int


class Paragraph(NamedTuple):
    """A paragraph of a SQuAD JSON file.

    Attributes:
        source: file, number and title, for error messages.
        number: its number in the file, from 0.
        article: what its article is known by: ``:title``, or the number of one without a title.
        context: its text.
        questions: the answerable questions.
        record: what the file says of it.
    """

    source: str
    number: int
    article: str
    context: str
    questions: list[Question]
    record: dict[str, Any]


def read_paragraphs(file: Path) -> Iterator[Paragraph]:
    """Yield the paragraphs of a SQuAD JSON file.

    Raises:
        InputError: no such file, one that is not SQuAD JSON, a wrong or empty value, a question
            id that stands twice, an answer that does not stand at its offset; with the record.
    """
    question_ids: set[str] = set()
    unchecked = 0
    for number, (article, title, record) in enumerate(_records(file)):
        source = f"{file}: paragraph {number} ({title!r})"
        context = get_text(record, "context", source)
        questions = []
        for entry in get_field(record, "qas", list, source):
            question = _read_question(entry, context, source)
            if question is None:
                continue
            if question.question_id in question_ids:
                raise InputError(
                    f"{source}: question id {question.question_id!r} stands twice in this file; "
                    "ids must be unique within a language"
                )
            question_ids.add(question.question_id)
            unchecked += question.unchecked
            questions.append(question)
        yield Paragraph(source, number, article, context, questions, record)
    if unchecked:
        log.warning(
            "%s: %d answers without text, so their offsets are not checked", file, unchecked
        )


def get_field(record: Any, key: str, kind: type, source: str) -> Any:
    """Return the value of ``key``; an InputError if it is missing or not of this kind."""
    value = record.get(key) if isinstance(record, dict) else None
    # The very type: a boolean is a number for Python, but not in JSON.
    if type(value) is not kind:
        raise InputError(f"{source}: {key!r} is missing or not a {kind.__name__}")
    if isinstance(value, str) and not is_whole(value):
        raise InputError(f"{source}: {key!r} is {in_words(value)}; {SURROGATE_RULE}")
    return value


def get_text(record: Any, key: str, source: str) -> str:
    """Return the text of ``key``; an InputError if it is missing, no text, or has no words."""
    text = get_field(record, key, str, source)
    if not has_words(text):
        raise InputError(f"{source}: {key!r} is empty; every text needs words")
    return text


def find_squad_files(folder: Path) -> dict[str, Path]:
    """Return the training file of each language in a folder.

    ``train-<lang>.json`` is taken before ``<lang>.json``, and that before the file of the only
    other split.

    Raises:
        InputError: no such folder, or several other splits to choose from.
    """
    files: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.json")):
        files.setdefault(language_at_end(file.stem), []).append(file)
    files.pop("", None)
    if not files:
        raise InputError(
            f"{folder}: no <lang>.json or <split>-<lang>.json; a squad folder has one SQuAD JSON "
            "file for each language, such as train-de.json"
        )
    return {lang: _training_file(folder, lang, files[lang]) for lang in sorted(files)}


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
    frame = pd.DataFrame(rows, columns=columns)
    pairs = make_pairs(frame, folder.resolve().name, str(folder))
    # What is one article, and what is one passage, shows in the questions that they share.
    pairs["article"] = connected_groups(pairs["title"], pairs["pair_id"])
    pairs["passage_id"] = smallest_connected(pairs["passage_id"], pairs["pair_id"])
    return pairs.drop(columns="title")


def _training_file(folder: Path, lang: str, files: list[Path]) -> Path:
    """Return the file to train on in a language that has at least one."""
    for prefix in ("train-", "train_", ""):
        named = [file for file in files if file.stem == f"{prefix}{lang}"]
        if named:
            return named[0]
    if len(files) > 1:
        raise InputError(
            f"{folder}: {', '.join(file.name for file in files)}: which of them to train on? "
            f"Call it train-{lang}.json"
        )
    return files[0]


def _records(file: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield article, title and record of each paragraph of a file."""
    if not file.is_file():
        raise InputError(
            f"{file}: no such file; each language needs its <lang>.json, or leave that language out"
        )
    text = read_text(file)
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"{file}: not valid JSON ({error}); fetch the file again") from None
    malformed = f"{file}: not SQuAD JSON (data > paragraphs, title)"
    for number, article in enumerate(get_field(content, "data", list, malformed)):
        source = f"{malformed}: article {number}"
        title = get_field(article, "title", str, source)
        # Without a title an article is one by itself; no title can be equal to its number.
        name = f":{title}" if has_words(title) else f" {number}"
        for record in get_field(article, "paragraphs", list, source):
            yield name, title, record


def _read_question(record: Any, context: str, source: str) -> Question | None:
    """Read one entry of ``qas``; None for a question without an answer."""
    question_id = _question_id(record, source)
    source = f"{source}, question {question_id!r}"
    text = get_text(record, "question", source)
    is_impossible = record.get("is_impossible")
    if not isinstance(is_impossible, bool | None):
        raise InputError(
            f"{source}: 'is_impossible' is {in_words(is_impossible)}, neither true nor false"
        )
    starts = None
    unchecked = 0
    if record.get("answers") is not None:
        starts = []
        for answer in get_field(record, "answers", list, source):
            start, has_text = _read_answer(answer, context, source)
            starts.append(start)
            unchecked += not has_text
    if is_impossible and starts:
        raise InputError(f"{source}: is_impossible, but has an answer; mend one of the two")
    if starts == [] and not is_impossible:
        raise InputError(
            f"{source}: has no answer; every question needs one, or is_impossible: true"
        )
    if is_impossible:
        return None
    return Question(source, question_id, text, starts, unchecked)


def _question_id(record: Any, source: str) -> str:
    """Return the id of a question: a string, or a whole number as one."""
    value = record.get("id") if isinstance(record, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    question_id = get_text(record, "id", source)
    if is_decimal(question_id):
        raise InputError(f"{source}: 'id' is {question_id!r}; {DECIMAL_RULE}")
    return question_id


def _read_answer(answer: Any, context: str, source: str) -> tuple[int, bool]:
    """Return where an answer begins, whose text stands there, and whether it has a text."""
    start = get_field(answer, "answer_start", int, source)
    text = "" if answer.get("text") is None else get_field(answer, "text", str, source)
    check_answer(text, start, context, source)
    return start, text != ""


def _squad_rows(file: Path, lang: str) -> Iterator[tuple[str, ...]]:
    """Yield pair_id, lang, question, passage, passage_id and title of each answerable question."""
    for paragraph in read_paragraphs(file):
        for question in paragraph.questions:
            yield (
                question.question_id,
                lang,
                question.text,
                paragraph.context,
                f"{lang}-{paragraph.number:06d}",
                f"{lang}{paragraph.article}",
            )
