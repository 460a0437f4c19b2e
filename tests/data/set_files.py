"""Small files of every kind of corpus and training set, written for the tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from toys import pair_table

from hybridlib.data.corpus import RetrievalCorpus


def write_table(table: pd.DataFrame | list[dict[str, Any]], file: Path) -> Path:
    """Write a table or records as JSON lines (packed if the name ends in .gz), CSV or parquet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(table)
    if file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    elif file.suffix == ".csv":
        frame.to_csv(file, index=False)
    elif isinstance(table, pd.DataFrame):
        frame.to_json(file, orient="records", lines=True, force_ascii=False)
    else:
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in table)
        content = text.encode()
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def long_pairs(
    count: int = 40, languages: Iterable[str] = ("de", "en"), start: int = 0
) -> pd.DataFrame:
    """Pairs whose texts are long enough to tell where they come from."""
    pairs = pair_table(count, languages)
    number = (pairs["pair_id"].str[1:].astype(int) + start).astype(str)
    return pairs.assign(
        question="a long enough question " + number + " in " + pairs["lang"],
        passage="a long enough passage " + number + " in " + pairs["lang"],
    )


def relevant_pairs(corpus: RetrievalCorpus) -> set[tuple[str, str, int]]:
    """(query id, candidate id, grade) of all that is relevant."""
    qrels = corpus.qrels
    return set(
        zip(
            corpus.queries["query_id"].iloc[qrels["query"]],
            corpus.candidates["candidate_id"].iloc[qrels["candidate"]],
            qrels["grade"].tolist(),
        )
    )


# A LAReQA set of one paragraph with three sentences.

_CONTEXTS = {"en": "One fox. Two dogs. Three.", "de": "Ein Fuchs. Zwei Hunde. Drei."}
_BREAKS = {"en": [[0, 8], [9, 18], [19, 25]], "de": [[0, 10], [11, 22], [23, 28]]}
_ANSWER_STARTS = {"en": (4, 13), "de": (4, 16)}


def lareqa_file(lang: str) -> dict[str, Any]:
    """One paragraph of three sentences; q0 asks for the first, q1 for the second."""
    questions = [
        {
            "id": f"q{number}",
            "question": f"{lang} question {number}?",
            "answers": [{"answer_start": start, "text": ""}],
        }
        for number, start in enumerate(_ANSWER_STARTS[lang])
    ]
    paragraph = {
        "context": _CONTEXTS[lang],
        "sentence_breaks": [*_BREAKS[lang]],
        "qas": questions,
    }
    return {"data": [{"title": "Animals", "paragraphs": [paragraph]}]}


def write_lareqa(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write the German and the English file, the English one changed by a function."""
    for lang in ("de", "en"):
        content = lareqa_file(lang)
        if lang == "en":
            change(content)
        (folder / f"{lang}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def paragraph_of(content: dict[str, Any]) -> dict[str, Any]:
    """The paragraph of such a file."""
    return content["data"][0]["paragraphs"][0]


def add_article(content: dict[str, Any]) -> None:
    """Put the second question into an article of its own too, under another id."""
    paragraph = json.loads(json.dumps(paragraph_of(content)))
    paragraph["qas"] = [{**paragraph["qas"][1], "id": "q2"}]
    content["data"].append({"title": "Dogs", "paragraphs": [paragraph]})


# SQuAD files.

Articles = dict[str, list[tuple[str, list[tuple[str, str]]]]]


def squad_file(folder: Path, name: str, articles: Articles, **more: Any) -> None:
    """Write a file; articles: title -> paragraphs (context, [(id, question), ...])."""
    data = []
    for title, paragraphs in articles.items():
        records = []
        for context, questions in paragraphs:
            qas = [
                {"id": question_id, "question": question, **more}
                for question_id, question in questions
            ]
            records.append({"context": context, "qas": qas})
        data.append({"title": title, "paragraphs": records})
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"data": data}, ensure_ascii=False), encoding="utf-8")
