"""MKQA (arXiv 2007.15207): 10,000 questions in 26 languages, with answers that stand in no passage.

What can be searched are the answers themselves. docs/corpora.md says what such a corpus measures.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_judgments
from hybridlib.data.grouping import smallest_connected
from hybridlib.data.languages import check_languages
from hybridlib.data.strict_json import parse_json
from hybridlib.data.text_files import filled_lines
from hybridlib.errors import InputError

_FILES = ("mkqa.jsonl.gz", "mkqa.jsonl", "dataset/mkqa.jsonl.gz")


def load_mkqa(source: str | Path, languages: Iterable[str] | None = None) -> RetrievalCorpus:
    """Read ``mkqa.jsonl.gz``: a question finds its answers among the answers to all questions.

    A candidate is an answer of one language; equal texts are one. Relevant to a question are its
    answers in every language, without their aliases. Questions that have no answer text (no answer,
    or a long one) are left out.

    Args:
        source: the file, or a folder with it.
        languages: languages to read, as the file calls them (``zh_cn``); None takes all.

    Raises:
        InputError: no such file, or a record that is not MKQA's; with its line.
    """
    file = _find_file(Path(source))
    query_rows = []
    answer_rows = []
    present: set[str] = set()
    wanted = None if languages is None else set(languages)
    for number, line in filled_lines(file):
        question_id, queries, answers = _parse(file, number, line)
        present |= set(queries)
        for lang, text in queries.items():
            texts = [answer["text"] for answer in answers[lang] if answer["text"] is not None]
            if texts and (wanted is None or lang in wanted):
                query_rows.append((f"{lang}:{question_id}", lang, question_id, text))
                answer_rows += [(question_id, lang, answer) for answer in dict.fromkeys(texts)]
    check_languages(str(file), present if wanted is None else wanted, present)

    # Equal texts of a language are one candidate, called by the first of its questions.
    queries_table = pd.DataFrame(query_rows, columns=["query_id", "lang", "question_id", "text"])
    answers_table = pd.DataFrame(answer_rows, columns=["question_id", "lang", "text"])
    place = answers_table.groupby(["question_id", "lang"]).cumcount().astype(str)
    names = answers_table["lang"] + ":" + answers_table["question_id"] + ":" + place
    answers_table["candidate_id"] = names.groupby(
        [answers_table["lang"], answers_table["text"]]
    ).transform("first")
    answers_table["group"] = smallest_connected(
        answers_table["candidate_id"], answers_table["question_id"]
    )
    candidates = answers_table.drop_duplicates("candidate_id").drop(columns="question_id")
    relevance = queries_table[["query_id", "question_id"]].merge(
        answers_table[["question_id", "candidate_id"]], on="question_id"
    )
    relevance = relevance.drop(columns="question_id").drop_duplicates().assign(grade=1)
    return corpus_from_judgments("mkqa", queries_table, candidates, relevance)


def _find_file(source: Path) -> Path:
    """Return the file of MKQA."""
    if source.is_file():
        return source
    for name in _FILES:
        if (source / name).is_file():
            return source / name
    raise InputError(
        f"{source}: no such file, nor a folder with mkqa.jsonl.gz; it is in "
        "github.com/apple/ml-mkqa, in the folder dataset"
    )


def _parse(file: Path, number: int, line: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return id, queries and answers of a record, checked.

    Raises:
        InputError: it is not what MKQA has.
    """
    try:
        record = parse_json(line)
    except ValueError as error:
        raise InputError(f"{file}: line {number} is not valid JSON: {error}") from None
    problem = _problem_of(record)
    if problem:
        raise InputError(f"{file}: line {number}: {problem}; a record is as in MKQA")
    return str(record["example_id"]), record["queries"], record["answers"]


def _problem_of(record: Any) -> str | None:
    """Return what is wrong with a record; None if nothing is."""
    if not isinstance(record, dict) or not isinstance(record.get("example_id"), int | str):
        return "no object with an example_id"
    queries = record.get("queries")
    answers = record.get("answers")
    if not isinstance(queries, dict) or not isinstance(answers, dict):
        return "queries and answers are objects, with a key for each language"
    for lang, text in queries.items():
        of_language = answers.get(lang)
        if not isinstance(text, str) or not isinstance(of_language, list):
            return f"{lang} has no query or no list of answers"
        for answer in of_language:
            if not isinstance(answer, dict) or not isinstance(answer.get("text", 0), str | None):
                return f"an answer in {lang} has no text (a string or null)"
    return None
