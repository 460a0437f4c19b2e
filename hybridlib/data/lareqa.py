"""Parallel question-passage tables to train on, and retrieval corpora to evaluate on.

Training pairs are one DataFrame with PAIR_COLUMNS: the same ``pair_id`` in two languages means translation of
each other; the same ``passage_id``, the same passage content in any language. A :class:`RetrievalCorpus` holds
queries, candidates and the relevance between them. Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hybridlib.data.corpus import RetrievalCorpus, _number
from hybridlib.errors import InputError
from hybridlib.files import read_json

LAREQA_LANGUAGES = {
    "xquad-r": ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    "mlqa-r": ("ar", "de", "en", "es", "hi", "vi", "zh"),
}


def load_lareqa(
    folder: str | Path,
    name: str,
    languages: Iterable[str] | None = None,
    candidate_text: str = "sentence",
) -> RetrievalCorpus:
    """Read a folder of LAReQA's ``<lang>.json`` (SQuAD JSON plus sentence_breaks; arXiv 2004.05484).

    A candidate is one sentence of one paragraph in one language; equal texts are not merged. Relevant to a
    question are, in every language that has its id, the sentences ``[start, end)`` that hold an answer_start.

    Args:
        folder: holds one JSON file per language.
        name: ``xquad-r`` or ``mlqa-r``.
        languages: None takes all of the set.
        candidate_text: ``sentence`` alone, or ``context``: the sentence, a space, and its paragraph.

    Raises:
        InputError: a file that is missing or malformed, an answer outside every sentence, a repeated question
            id, an empty text; with the file and the record.
    """
    folder, wanted = Path(folder), sorted(languages or LAREQA_LANGUAGES[name])
    unknown = sorted(set(wanted) - set(LAREQA_LANGUAGES[name]))
    if unknown:
        raise InputError(
            f"{name} has no {', '.join(unknown)}; it has {', '.join(LAREQA_LANGUAGES[name])}"
        )
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; it should hold {name}'s <lang>.json files from LAReQA (what the hub has of it lacks the sentence breaks: docs/corpora.md)"
        )
    queries: list[tuple] = []
    candidates: list[tuple] = []
    for lang in wanted:
        asked, sentences = _read_lareqa(folder / f"{lang}.json", lang, candidate_text)
        queries += asked
        candidates += sentences
    asked_frame = pd.DataFrame(
        queries, columns=["query_id", "lang", "question_id", "text", "answers"]
    )
    gold = (
        asked_frame[["question_id", "answers"]]
        .explode("answers", ignore_index=True)
        .rename(columns={"answers": "candidate_id"})
    )
    sentence_frame = pd.DataFrame(candidates, columns=["candidate_id", "lang", "text"])
    sentence_frame["group"] = _same_content(sentence_frame["candidate_id"], gold)
    relevance = (
        asked_frame[["query_id", "question_id"]]
        .merge(gold, on="question_id")
        .drop_duplicates(["query_id", "candidate_id"])
        .assign(grade=1)
    )
    return RetrievalCorpus.build(
        name, asked_frame.drop(columns="answers"), sentence_frame, relevance, candidate_text
    )


def _read_lareqa(file: Path, lang: str, candidate_text: str) -> tuple[list[tuple], list[tuple]]:
    """Queries (id, lang, question id, text, answer candidate ids) and candidates (id, lang, text) of one file."""
    queries, candidates, seen = [], [], set()
    for number, paragraph, title in _paragraphs(file):
        where = f"{file}: paragraph {number} ({title!r})"
        context, breaks = (
            _field(paragraph, "context", str, where),
            _field(paragraph, "sentence_breaks", list, where),
        )
        if not all(
            isinstance(limits, list) and [type(limit) for limit in limits] == [int, int]
            for limits in breaks
        ):
            raise InputError(f"{where}: 'sentence_breaks' is not a list of [start, end) offsets")
        names = [f"{lang}-{number:05d}-{position:03d}" for position in range(len(breaks))]
        for candidate_id, (start, end) in zip(names, breaks):
            sentence = context[start:end]
            if not sentence.strip():
                raise InputError(
                    f"{where}: sentence [{start}, {end}) is empty; mend its sentence_breaks"
                )
            candidates.append(
                (
                    candidate_id,
                    lang,
                    sentence if candidate_text == "sentence" else f"{sentence} {context}",
                )
            )
        for qa in _field(paragraph, "qas", list, where):
            question_id = str(_field(qa, "id", str, where))
            if question_id in seen:
                raise InputError(
                    f"{where}: question id {question_id!r} stands twice in this file; ids must be unique within a language"
                )
            seen.add(question_id)
            question = _field(qa, "question", str, f"{where}, question {question_id!r}")
            if not question.strip():
                raise InputError(
                    f"{where}, question {question_id!r}: 'question' is empty; every text needs words"
                )
            queries.append(
                (
                    f"{lang}:{question_id}",
                    lang,
                    question_id,
                    question,
                    _answers(qa, breaks, names, f"{where}, question {question_id!r}"),
                )
            )
    return queries, candidates


def articles(folder: str | Path, languages: Iterable[str]) -> dict[str, int]:
    """Article number of each question id of a LAReQA folder: articles that share a question are one, in whatever languages.

    Args:
        languages: whose files to read; with those of languages that are not trained on, articles of two languages
            are found to be one although none of their questions is in both.
    """
    rows = [
        (f"{lang}:{title}", str(qa["id"]))
        for lang in languages
        for _, paragraph, title in _paragraphs(Path(folder) / f"{lang}.json")
        for qa in paragraph["qas"]
    ]
    titles, questions = (np.array(column) for column in zip(*rows))
    return dict(zip(questions, connected(titles, questions).tolist()))


def connected(nodes: Iterable[str], links: Iterable[str]) -> np.ndarray:
    """A number per row, the same for rows that are tied together by equal nodes or equal links, ``[rows]``."""
    (left, nodes), (right, links) = (
        pd.factorize(np.asarray(list(part), dtype=object)) for part in (nodes, links)
    )
    graph = coo_matrix(
        (np.ones(len(left)), (left, len(nodes) + right)), shape=(len(nodes) + len(links),) * 2
    )
    return connected_components(graph, directed=False)[1][left]


def _paragraphs(file: Path) -> Iterable[tuple[int, dict, str]]:
    """The paragraphs of a SQuAD JSON file, numbered through."""
    try:
        articles = read_json(file)["data"]
        flat = [
            (paragraph, article["title"])
            for article in articles
            for paragraph in article["paragraphs"]
        ]
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such file; each language needs its <lang>.json, or leave that language out"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not valid JSON ({error}); fetch the file again") from None
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: not SQuAD JSON (data > paragraphs, title): {error!r}") from None
    return ((number, paragraph, title) for number, (paragraph, title) in enumerate(flat))


def _field(record: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(record, dict) or not isinstance(record.get(key), kind):
        raise InputError(f"{where}: {key!r} is missing or not a {kind.__name__}")
    return record[key]


def _answers(qa: dict, breaks: list, names: list[str], where: str) -> list[str]:
    """Ids of the sentences that hold an answer's start."""
    found = []
    for answer in _field(qa, "answers", list, where):
        at = _field(answer, "answer_start", int, where)
        inside = [name for name, (start, end) in zip(names, breaks) if start <= at < end]
        if not inside:
            raise InputError(
                f"{where}: answer_start {at} lies in no sentence (sentence_breaks {breaks}); mend the offsets or take the question out"
            )
        found += inside
    if not found:
        raise InputError(f"{where}: has no answer; every question needs one")
    return sorted(set(found))


def _same_content(candidate_ids: pd.Series, gold: pd.DataFrame) -> np.ndarray:
    """Group name per candidate: sentences that answer the same question, in any language, say the same thing."""
    rows = _number("answers", gold["candidate_id"], candidate_ids)
    questions, names = pd.factorize(gold["question_id"])
    count = len(candidate_ids)
    graph = coo_matrix(
        (np.ones(len(rows)), (rows, count + questions)), shape=(count + len(names),) * 2
    )
    label = connected_components(graph, directed=False)[1][:count]
    first = pd.Series(candidate_ids.to_numpy()).groupby(label).transform("min")
    return first.to_numpy()


def pairs_from_lareqa(corpus: RetrievalCorpus) -> pd.DataFrame:
    """Training pairs (question, its answer sentence in the same language) of a LAReQA set.

    A question with several answer sentences keeps the first, so that a pair is one row per language.
    """
    joined = corpus.qrels.merge(corpus.queries, left_on="query", right_index=True).merge(
        corpus.candidates, left_on="candidate", right_index=True, suffixes=("", "_candidate")
    )
    own = joined[joined["lang"] == joined["lang_candidate"]].drop_duplicates(["query"])
    frame = pd.DataFrame(
        {
            "pair_id": own["question_id"],
            "dataset": corpus.name,
            "lang": own["lang"],
            "question": own["text"],
            "passage": own["text_candidate"],
            "passage_id": own["group"],
        }
    )
    return frame.sort_values(["pair_id", "lang"], ignore_index=True)
