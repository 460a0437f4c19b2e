"""LAReQA (arXiv 2004.05484): XQuAD-R and MLQA-R as retrieval corpora and as training pairs.

Its files are SQuAD JSON whose paragraphs also have ``sentence_breaks``, the [start, end) of each
sentence. Texts are used exactly as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.grouping import connected_groups, smallest_connected
from hybridlib.data.offsets import check_sentences
from hybridlib.data.squad import Paragraph, Question, get_field, read_paragraphs
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

LAREQA_LANGUAGES = {
    "xquad-r": ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    "mlqa-r": ("ar", "de", "en", "es", "hi", "vi", "zh"),
}


class _Sentence(NamedTuple):
    """A sentence of a paragraph: its candidate id, its [start, end) in the paragraph, its text."""

    candidate_id: str
    start: int
    end: int
    text: str


def load_lareqa(
    folder: str | Path,
    name: str,
    languages: Iterable[str] | None = None,
    candidate_text: str = "sentence",
) -> RetrievalCorpus:
    """Read a folder of LAReQA's ``<lang>.json``.

    A candidate is one sentence of one paragraph in one language; equal texts are not merged.
    Relevant to a question are, in every language that has its id, the sentences [start, end) that
    hold an answer_start.

    Args:
        folder: holds one JSON file for each language.
        name: ``xquad-r`` or ``mlqa-r``.
        languages: the languages to read; None takes all of the set.
        candidate_text: ``sentence`` alone, or ``context``: the sentence, a space, and its
            paragraph.

    Raises:
        InputError: a file that is missing or malformed, an answer outside every sentence, a
            repeated question id, an empty text; with the file and the record.
    """
    folder = Path(folder)
    languages = sorted(languages or LAREQA_LANGUAGES[name])
    _check_set(folder, name, languages)

    # Every language by itself.
    query_rows: list[tuple] = []
    candidate_rows: list[tuple] = []
    for lang in languages:
        queries_of_file, candidates_of_file = _read_file(folder, lang, candidate_text)
        query_rows += queries_of_file
        candidate_rows += candidates_of_file
    query_columns = ["query_id", "lang", "question_id", "text", "answers"]
    queries = pd.DataFrame(query_rows, columns=query_columns)
    candidates = pd.DataFrame(candidate_rows, columns=["candidate_id", "lang", "text"])

    # The answer sentences of a question in one language answer it in every language.
    answers = queries[["question_id", "answers"]].explode("answers", ignore_index=True)
    answers = answers.rename(columns={"answers": "candidate_id"})
    candidates["group"] = _content_groups(candidates["candidate_id"], answers)
    relevance = (
        queries[["query_id", "question_id"]]
        .merge(answers, on="question_id")
        .drop_duplicates(["query_id", "candidate_id"])
        .assign(grade=1)
    )
    queries = queries.drop(columns="answers")
    return RetrievalCorpus.build(name, queries, candidates, relevance, candidate_text)


def pairs_from_lareqa(corpus: RetrievalCorpus, negative_seed: int | None = None) -> pd.DataFrame:
    """Return training pairs of a LAReQA set: a question and its answer sentence in its language.

    Of several answer sentences the first is taken, so that a pair is one row per language.

    Args:
        corpus: with sentences as candidates.
        negative_seed: of a column ``negative`` (:func:`_paragraph_negatives`); None: without it.
    """
    # Every judgment with the texts at its two ends; those in one language are kept.
    joined = corpus.qrels.merge(corpus.queries, left_on="query", right_index=True).merge(
        corpus.candidates, left_on="candidate", right_index=True, suffixes=("", "_candidate")
    )
    monolingual = joined[joined["lang"] == joined["lang_candidate"]]
    first = monolingual.drop_duplicates(["query"])
    pairs = pd.DataFrame(
        {
            "pair_id": first["question_id"],
            "dataset": corpus.name,
            "lang": first["lang"],
            "question": first["text"],
            "passage": first["text_candidate"],
            "passage_id": first["group"],
        }
    )
    if negative_seed is not None:
        pairs["negative"] = _paragraph_negatives(first, corpus.candidates, negative_seed)
    return pairs.sort_values(["pair_id", "lang"], ignore_index=True)


def other_sentences(corpus: RetrievalCorpus, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the sentences of a LAReQA set that are no passage of its training pairs.

    Args:
        corpus: the set.
        pairs: from :func:`pairs_from_lareqa`.

    Returns:
        The columns of the pairs, without a question, ``asked`` (false), and ``paragraph``: a key
        of :attr:`Articles.of_paragraph`.
    """
    candidates = corpus.candidates
    keys = ["lang", "passage_id", "passage"]
    sentences = candidates.rename(columns={"group": "passage_id", "text": "passage"})
    is_passage = pd.MultiIndex.from_frame(sentences[keys]).isin(
        pd.MultiIndex.from_frame(pairs[keys])
    )
    others = sentences[~is_passage]
    return pd.DataFrame(
        {
            "pair_id": others["candidate_id"],
            "dataset": corpus.name,
            "lang": others["lang"],
            "question": "",
            "passage": others["passage"],
            "passage_id": others["passage_id"],
            "asked": False,
            "paragraph": _paragraph_ids(others["candidate_id"]),
        }
    )


class Articles(NamedTuple):
    """The article numbers of a LAReQA folder.

    Attributes:
        of_question: by question id.
        of_paragraph: by what the candidate ids of a paragraph's sentences begin with. Articles
            without any question have none.
    """

    of_question: dict[str, int]
    of_paragraph: dict[str, int]


def articles(folder: str | Path, languages: Iterable[str]) -> Articles:
    """Number the articles of a LAReQA folder.

    Articles that share a question, in whatever languages, are one.

    Args:
        folder: holds one JSON file for each language.
        languages: the languages whose files to read. Those that are not trained on matter too:
            a question in a third language may show that two articles are one.
    """
    titles = []
    question_ids = []
    title_of_paragraph = {}
    for lang in languages:
        for paragraph in read_paragraphs(Path(folder) / f"{lang}.json"):
            title = f"{lang}{paragraph.article}"
            title_of_paragraph[_paragraph_id(lang, paragraph)] = title
            for question in paragraph.questions:
                titles.append(title)
                question_ids.append(question.question_id)
    groups = connected_groups(pd.Series(titles), pd.Series(question_ids)).tolist()
    of_title = dict(zip(titles, groups, strict=True))
    of_paragraph = {
        paragraph: of_title[title]
        for paragraph, title in title_of_paragraph.items()
        if title in of_title
    }
    return Articles(dict(zip(question_ids, groups, strict=True)), of_paragraph)


def _paragraph_id(lang: str, paragraph: Paragraph) -> str:
    """Return what the candidate ids of a paragraph's sentences begin with."""
    return f"{lang}-{paragraph.number:05d}"


def _paragraph_negatives(answers: pd.DataFrame, candidates: pd.DataFrame, seed: int) -> list[str]:
    """Draw for each question and language a sentence of its paragraph that is not the answer.

    It has the same position in all languages of a question in which one such position can be had,
    else the first in an order drawn for the question. A sentence with the answer's content is no
    choice. A paragraph without another sentence gives the empty text.

    Args:
        answers: columns question_id, lang, candidate_id, group: one answer a row.
        candidates: columns candidate_id, group, text: every sentence of the answers' paragraphs.
        seed: of the drawing.
    """
    # The sentences of each paragraph, in their order.
    sentences = candidates.groupby(_paragraph_ids(candidates["candidate_id"]))
    texts = sentences["text"].agg(list)
    groups = sentences["group"].agg(list)

    # The positions of those that do not answer, for each row.
    paragraphs = _paragraph_ids(answers["candidate_id"]).tolist()
    positions = []
    for paragraph, group in zip(paragraphs, answers["group"], strict=True):
        is_other = np.array(groups[paragraph]) != group
        positions.append(set(np.flatnonzero(is_other).tolist()))

    # One order for all languages of a question.
    rng = np.random.default_rng(seed)
    negatives = [""] * len(answers)
    for _, rows in sorted(answers.reset_index().groupby("question_id").groups.items()):
        shared = set.intersection(*(positions[row] for row in rows))
        order = rng.permutation(max(len(texts[paragraphs[row]]) for row in rows)).tolist()
        for row in rows:
            usable = shared or positions[row]
            if usable:
                position = min(usable, key=order.index)
                negatives[row] = texts[paragraphs[row]][position]
    return negatives


def _paragraph_ids(candidate_ids: pd.Series) -> pd.Series:
    """Return the language and number of each sentence's paragraph, as :func:`_sentences` has it."""
    return candidate_ids.str.rpartition("-")[0]


def _check_set(folder: Path, name: str, languages: Iterable[str]) -> None:
    """Check that the set has these languages, and that its folder exists."""
    known = LAREQA_LANGUAGES[name]
    unknown = sorted(set(languages) - set(known))
    if unknown:
        raise InputError(f"{name} has no {', '.join(unknown)}; it has {', '.join(known)}")
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; it should hold {name}'s <lang>.json files from LAReQA "
            "(what the hub has of it lacks the sentence breaks: docs/corpora.md)"
        )


def _read_file(folder: Path, lang: str, candidate_text: str) -> tuple[list[tuple], list[tuple]]:
    """Read one language.

    Returns:
        Queries (query id, language, question id, text, ids of the answer sentences), and
        candidates (candidate id, language, text).
    """
    queries: list[tuple] = []
    candidates: list[tuple] = []
    for paragraph in read_paragraphs(folder / f"{lang}.json"):
        # Each sentence is a candidate.
        context = paragraph.context
        sentences = _sentences(paragraph, lang)
        for sentence in sentences:
            text = sentence.text
            if candidate_text != "sentence":
                text = f"{text} {context}"
            candidates.append((sentence.candidate_id, lang, text))
        # Each question is a query, whose answers are sentences of the paragraph.
        for question in paragraph.questions:
            answers = _answer_sentences(question, sentences)
            query_id = f"{lang}:{question.question_id}"
            queries.append((query_id, lang, question.question_id, question.text, answers))
    return queries, candidates


def _sentences(paragraph: Paragraph, lang: str) -> list[_Sentence]:
    """Return the sentences of a paragraph, none of which is empty."""
    breaks = get_field(paragraph.record, "sentence_breaks", list, paragraph.source)
    for limits in breaks:
        is_pair = isinstance(limits, list) and len(limits) == 2
        if not is_pair or type(limits[0]) is not int or type(limits[1]) is not int:
            raise InputError(
                f"{paragraph.source}: 'sentence_breaks' is not a list of [start, end) offsets"
            )
    check_sentences(breaks, paragraph.context, paragraph.source)
    sentences = []
    first_id = _paragraph_id(lang, paragraph)
    for position, (start, end) in enumerate(breaks):
        text = paragraph.context[start:end]
        if not has_words(text):
            raise InputError(
                f"{paragraph.source}: sentence [{start}, {end}) is empty; mend its sentence_breaks"
            )
        sentences.append(_Sentence(f"{first_id}-{position:03d}", start, end, text))
    return sentences


def _answer_sentences(question: Question, sentences: Sequence[_Sentence]) -> list[str]:
    """Return the ids of the sentences of its paragraph in which an answer of a question starts."""
    if question.starts is None:
        raise InputError(f"{question.source}: 'answers' is missing; every question needs one")
    candidate_ids: set[str] = set()
    for start in question.starts:
        containing = {
            sentence.candidate_id
            for sentence in sentences
            if sentence.start <= start < sentence.end
        }
        if not containing:
            breaks = [[sentence.start, sentence.end] for sentence in sentences]
            raise InputError(
                f"{question.source}: answer_start {start} lies in no sentence (sentence_breaks "
                f"{breaks}); mend the offsets or take the question out"
            )
        candidate_ids |= containing
    return sorted(candidate_ids)


def _content_groups(candidate_ids: pd.Series, answers: pd.DataFrame) -> pd.Series:
    """Return the group of each candidate: sentences that answer one question have one content.

    Args:
        candidate_ids: the id of each candidate.
        answers: columns question_id and candidate_id, in whatever language.
    """
    groups = smallest_connected(answers["candidate_id"], answers["question_id"])
    group_of = dict(zip(answers["candidate_id"].tolist(), groups.tolist()))
    return candidate_ids.map(group_of).fillna(candidate_ids)
