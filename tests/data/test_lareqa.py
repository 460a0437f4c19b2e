"""LAReQA: the real files, a small set of the same kind, and what each bad file is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from set_files import paragraph_of

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.lareqa import LAREQA_LANGUAGES, load_lareqa, pairs_from_lareqa
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.errors import InputError

XQUAD_CANDIDATES = {
    "ar": 1222,
    "de": 1276,
    "el": 1234,
    "en": 1180,
    "es": 1215,
    "hi": 1244,
    "ru": 1219,
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}
MLQA_CANDIDATES = {
    "ar": 2545,
    "de": 2362,
    "en": 6264,
    "es": 1787,
    "hi": 2426,
    "vi": 2828,
    "zh": 2322,
}
MLQA_QUERIES = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}


def counts(frame: pd.DataFrame) -> dict[str, int]:
    return frame["lang"].value_counts().sort_index().to_dict()


def relevant_per_query(corpus: RetrievalCorpus) -> set[int]:
    per_query = corpus.qrels["query"].value_counts()
    return set(per_query.reindex(range(len(corpus.queries)), fill_value=0))


# The real files.


@pytest.fixture(scope="module")
def thai_paragraphs(shared_data) -> list[dict[str, Any]]:
    data = json.loads((shared_data("xquad-r") / "th.json").read_text(encoding="utf-8"))["data"]
    return [paragraph for article in data for paragraph in article["paragraphs"]]


def test_xquad_r_counts(xquad):
    assert counts(xquad.queries) == dict.fromkeys(LAREQA_LANGUAGES["xquad-r"], 1190)
    assert counts(xquad.candidates) == XQUAD_CANDIDATES
    assert (len(xquad.queries), len(xquad.candidates)) == (13090, 13014)
    assert relevant_per_query(xquad) == {11}
    assert xquad.queries["question_id"].nunique() == 1190
    assert set(xquad.qrels["grade"]) == {1}
    assert xquad.candidate_text == "sentence"


def test_mlqa_r_counts(mlqa):
    assert counts(mlqa.queries) == MLQA_QUERIES
    assert counts(mlqa.candidates) == MLQA_CANDIDATES
    assert (len(mlqa.queries), len(mlqa.candidates)) == (4199, 20534)
    assert relevant_per_query(mlqa) == {2, 3, 4}


def test_mlqa_r_languages_share_some_questions(mlqa):
    questions = {lang: set(part["question_id"]) for lang, part in mlqa.queries.groupby("lang")}
    shared = []
    for one, other in combinations(questions, 2):
        if "en" not in (one, other):
            shared.append(len(questions[one] & questions[other]))
    assert (min(shared), max(shared)) == (161, 207)
    assert all(questions[lang] <= questions["en"] for lang in questions)


@pytest.mark.parametrize("name", ["xquad", "mlqa"])
def test_every_question_has_an_answer_in_each_of_its_languages_and_no_other(name, request):
    corpus = request.getfixturevalue(name)
    query_languages = corpus.queries.groupby("question_id")["lang"].agg(frozenset)
    expected = corpus.queries["question_id"].map(query_languages)
    language = corpus.candidates["lang"].to_numpy()
    answers = corpus.qrels.assign(lang=language[corpus.qrels["candidate"]])
    assert answers.groupby("query")["lang"].agg(frozenset).tolist() == expected.tolist()


def test_texts_are_those_of_the_files_byte_order_marks_included(xquad, thai_paragraphs):
    sentences = [
        paragraph["context"][start:end]
        for paragraph in thai_paragraphs
        for start, end in paragraph["sentence_breaks"]
    ]
    texts = xquad.candidates[xquad.candidates["lang"] == "th"]["text"].tolist()
    assert texts == sentences
    assert texts[0].startswith("\ufeff")
    assert len(texts[0]) == 57


def test_the_answer_stands_in_the_relevant_sentence(xquad, thai_paragraphs):
    answers = {
        question["id"]: question["answers"][0]["text"]
        for paragraph in thai_paragraphs
        for question in paragraph["qas"]
    }
    queries = xquad.queries
    candidates = xquad.candidates
    thai_query = queries["lang"].to_numpy()[xquad.qrels["query"]] == "th"
    thai_candidate = candidates["lang"].to_numpy()[xquad.qrels["candidate"]] == "th"
    thai = xquad.qrels[thai_query & thai_candidate]
    contained = [
        answers[queries["question_id"][query]] in candidates["text"][candidate]
        for query, candidate in zip(thai["query"], thai["candidate"])
    ]
    assert len(contained) == 1190
    # A few answers run over the end of their sentence.
    assert sum(contained) > 1180


def test_fewer_languages_and_paragraphs_as_candidates(shared_data, xquad):
    part = load_lareqa(shared_data("xquad-r"), "xquad-r", ["th", "en"], "context")
    assert part.languages == ["en", "th"]
    assert part.candidate_text == "context"
    assert relevant_per_query(part) == {2}
    sentences = xquad.restrict(["en", "th"]).candidates
    assert part.candidates["candidate_id"].tolist() == sentences["candidate_id"].tolist()
    for text, sentence in zip(part.candidates["text"], sentences["text"]):
        assert text.startswith(f"{sentence} ")
        assert sentence in text[len(sentence) + 1 :]


def test_training_pairs_of_xquad_r(xquad):
    pairs = pairs_from_lareqa(xquad)
    assert list(pairs) == PAIR_COLUMNS
    assert counts(pairs) == dict.fromkeys(LAREQA_LANGUAGES["xquad-r"], 1190)
    # Translations share the passage.
    assert (pairs.groupby("pair_id")["passage_id"].nunique() == 1).all()
    sentences = set(zip(xquad.candidates["lang"], xquad.candidates["text"]))
    assert set(zip(pairs["lang"], pairs["passage"])) <= sentences


# A small set.


def load_small(folder: Path, candidate_text: str = "sentence") -> RetrievalCorpus:
    return load_lareqa(folder, "xquad-r", ["en", "de"], candidate_text)


def test_a_small_set_is_read_as_it_stands(small):
    corpus = load_small(small())
    german = ["Ein Fuchs.", "Zwei Hunde.", "Drei."]
    english = ["One fox.", "Two dogs.", "Three."]
    assert corpus.candidates["text"].tolist() == german + english
    questions = ["de question 0?", "de question 1?", "en question 0?", "en question 1?"]
    assert corpus.queries["text"].tolist() == questions
    relevant = [[0, 0], [0, 3], [1, 1], [1, 4], [2, 0], [2, 3], [3, 1], [3, 4]]
    assert corpus.qrels[["query", "candidate"]].to_numpy().tolist() == relevant
    groups = corpus.candidates["group"].tolist()
    assert groups[0] == groups[3]
    assert groups[1] == groups[4]
    assert len(set(groups)) == 4


def test_candidate_text_sentence_or_context(small):
    folder = small()
    assert load_small(folder, "sentence").candidates["text"][4] == "Two dogs."
    with_context = "Two dogs. One fox. Two dogs. Three."
    assert load_small(folder, "context").candidates["text"][4] == with_context


@pytest.mark.parametrize(
    ("start", "candidates"), [(0, [0, 3]), (7, [0, 3]), (9, [0, 4]), (24, [0, 5])]
)
def test_an_answer_on_a_sentence_edge_belongs_to_the_sentence_that_it_starts(
    start, candidates, small
):
    def move_answer(content):
        paragraph_of(content)["qas"][0]["answers"][0]["answer_start"] = start

    corpus = load_small(small(move_answer))
    assert corpus.qrels[corpus.qrels["query"] == 2]["candidate"].tolist() == candidates


def test_several_answers_make_several_sentences_relevant(small):
    def add_answer(content):
        paragraph_of(content)["qas"][0]["answers"].append({"answer_start": 20})

    corpus = load_small(small(add_answer))
    assert corpus.qrels[corpus.qrels["query"] == 0]["candidate"].tolist() == [0, 3, 5]
    assert corpus.candidates["group"][[0, 3, 5]].nunique() == 1
    pairs = pairs_from_lareqa(corpus)
    assert len(pairs) == 4
    assert not pairs.duplicated(["pair_id", "lang"]).any()


def test_questions_in_some_languages_only(small):
    corpus = load_small(small(lambda content: paragraph_of(content)["qas"].pop()))
    assert corpus.queries["query_id"].tolist() == ["de:q0", "de:q1", "en:q0"]
    assert corpus.qrels[corpus.qrels["query"] == 1]["candidate"].tolist() == [1]


# A sentence of the answer's paragraph as explicit negative.


def negatives_of(corpus: RetrievalCorpus, seed: int) -> dict[tuple[str, str], str]:
    """Return the negative of each question and language."""
    pairs = pairs_from_lareqa(corpus, seed)
    return dict(zip(zip(pairs["pair_id"], pairs["lang"]), pairs["negative"]))


def test_a_negative_is_the_same_other_sentence_in_all_languages(small):
    corpus = load_small(small())
    assert "negative" not in pairs_from_lareqa(corpus)
    choices = {
        "q0": {("Zwei Hunde.", "Two dogs."), ("Drei.", "Three.")},
        "q1": {("Ein Fuchs.", "One fox."), ("Drei.", "Three.")},
    }
    drawn = {question: set() for question in choices}
    for seed in range(20):
        negatives = negatives_of(corpus, seed)
        assert negatives == negatives_of(corpus, seed)
        for question in choices:
            drawn[question].add((negatives[question, "de"], negatives[question, "en"]))
    assert drawn == choices


def test_a_negative_of_a_paragraph_with_fewer_sentences(small):
    """The English file has two sentences: the second is q1's answer, and q0's only choice."""
    breaks = [[0, 8], [9, 25]]
    corpus = load_small(small(lambda content: paragraph_of(content).update(sentence_breaks=breaks)))
    for seed in range(5):
        negatives = negatives_of(corpus, seed)
        assert (negatives["q0", "en"], negatives["q0", "de"]) == ("Two dogs. Three.", "Zwei Hunde.")
        assert (negatives["q1", "en"], negatives["q1", "de"]) == ("One fox.", "Ein Fuchs.")


def test_a_negative_at_another_place_where_no_place_serves_all(small):
    """q0 is answered by the first German sentence and the second English one, of two."""

    def change(content):
        paragraph_of(content).update(sentence_breaks=[[0, 8], [9, 25]])
        paragraph_of(content)["qas"][0]["answers"] = [{"answer_start": 9}]
        del paragraph_of(content)["qas"][1]

    negatives = {seed: negatives_of(load_small(small(change)), seed) for seed in range(20)}
    assert {found["q0", "en"] for found in negatives.values()} == {"One fox."}
    assert {found["q0", "de"] for found in negatives.values()} == {"Zwei Hunde.", "Drei."}


def test_no_negative_without_another_sentence(small):
    """The English paragraph is one sentence, so all answers have its content."""
    breaks = [[0, 25]]
    corpus = load_small(small(lambda content: paragraph_of(content).update(sentence_breaks=breaks)))
    negatives = negatives_of(corpus, 0)
    assert negatives["q0", "en"] == negatives["q1", "en"] == ""
    assert negatives["q0", "de"] == negatives["q1", "de"] == "Drei."


def test_negatives_of_xquad_r(xquad):
    """No negative has the content of its question's answer; 14 in 100 rows have none."""
    pairs = pairs_from_lareqa(xquad, 0)
    plain = pairs_from_lareqa(xquad)
    pd.testing.assert_frame_equal(pairs[PAIR_COLUMNS], plain)
    candidates = xquad.candidates
    content = dict(zip(zip(candidates["lang"], candidates["text"]), candidates["group"]))
    contents = [content.get(key) for key in zip(pairs["lang"], pairs["negative"])]
    assert not (pd.Series(contents) == pairs["passage_id"]).any()
    assert (pairs["negative"] != "").mean() == pytest.approx(0.859, abs=0.001)


# Bad files.

Change = Callable[[dict[str, Any]], object]


def set_answers(number: int, answers: object) -> Change:
    """Give a question other answers."""
    return lambda content: paragraph_of(content)["qas"][number].update(answers=answers)


def set_start(start: int) -> Change:
    """Move the answer of the second question."""
    return set_answers(1, [{"answer_start": start}])


def set_question(**values: object) -> Change:
    """Change values of the second question."""
    return lambda content: paragraph_of(content)["qas"][1].update(values)


def drop_question_key(key: str) -> Change:
    """Take a key out of the second question."""
    return lambda content: paragraph_of(content)["qas"][1].pop(key)


def set_paragraph(**values: object) -> Change:
    """Change values of the paragraph."""
    return lambda content: paragraph_of(content).update(values)


def add_break(limits: list[int]) -> Change:
    """Add a sentence to the paragraph."""
    return lambda content: paragraph_of(content)["sentence_breaks"].append(limits)


NO_LIST_OF_BREAKS = "'sentence_breaks' is not a list of [start, end)"

# What is wrong -> how the file is changed, and what the error says.
BAD_FILES: dict[str, tuple[Change, list[str]]] = {
    "answer at the gap between sentences": (
        set_start(8),
        ["'q1'", "answer_start 8 lies in no sentence", "Animals"],
    ),
    "answer behind the end": (
        set_start(99),
        ["'q1'", "answer_start 99 lies outside the context of 25 characters"],
    ),
    "answer before the start": (set_start(-1), ["'q1'", "answer_start -1 lies outside"]),
    "no answer": (set_answers(0, []), ["'q0'", "has no answer"]),
    "no answers key": (drop_question_key("answers"), ["'q1'", "'answers' is missing"]),
    "answer without start": (
        set_answers(0, [{"text": "fox"}]),
        ["'q0'", "'answer_start' is missing"],
    ),
    "answer_start as text": (
        set_answers(0, [{"answer_start": "4"}]),
        ["'q0'", "'answer_start' is missing or not a int"],
    ),
    "question id twice": (set_question(id="q0"), ["'q0' stands twice", "paragraph 0"]),
    "no question id": (drop_question_key("id"), ["'id' is missing", "paragraph 0"]),
    "empty question": (set_question(question=" "), ["'q1'", "is empty"]),
    "question missing": (drop_question_key("question"), ["'q1'", "'question' is missing"]),
    "empty sentence": (
        set_paragraph(sentence_breaks=[[0, 8], [8, 9]]),
        ["sentence [8, 9) is empty", "paragraph 0"],
    ),
    "sentence behind the end": (
        add_break([90, 99]),
        ["sentence [90, 99) is empty or not inside the context"],
    ),
    "breaks are no pairs": (
        set_paragraph(sentence_breaks=[8, 18, 25]),
        [NO_LIST_OF_BREAKS, "paragraph 0"],
    ),
    "breaks are text": (set_paragraph(sentence_breaks=[["0", "8"]]), [NO_LIST_OF_BREAKS]),
    "no breaks": (
        lambda content: paragraph_of(content).pop("sentence_breaks"),
        ["'sentence_breaks' is missing", "'Animals'"],
    ),
    "no context": (set_paragraph(context=None), ["'context' is missing or not a str"]),
    "no qas": (set_paragraph(qas={}), ["'qas' is missing or not a list"]),
    "paragraph is text": (
        lambda content: content["data"][0]["paragraphs"].append("text"),
        ["paragraph 1", "'context' is missing"],
    ),
    "no paragraphs": (
        lambda content: content["data"][0].pop("paragraphs"),
        ["not SQuAD JSON", "paragraphs"],
    ),
    "no title": (lambda content: content["data"][0].pop("title"), ["not SQuAD JSON", "title"]),
    "no data": (lambda content: content.pop("data"), ["not SQuAD JSON", "data"]),
    "articles are text": (lambda content: content.update(data=["text"]), ["not SQuAD JSON"]),
}


@pytest.mark.parametrize("case", list(BAD_FILES))
def test_a_bad_file_is_named_with_its_record(case, small):
    change, messages = BAD_FILES[case]
    folder = small(change)
    with pytest.raises(InputError) as error:
        load_small(folder)
    for message in (str(folder / "en.json"), *messages):
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        ('{"data": "Ä"}'.encode("latin-1"), "cannot be read as UTF-8 text: line 1"),
        (b"[]", "not SQuAD JSON"),
        (b"3", "not SQuAD JSON"),
    ],
)
def test_a_file_that_is_no_squad_json(content, reason, small):
    folder = small()
    (folder / "de.json").write_bytes(content)
    with pytest.raises(InputError, match=reason) as error:
        load_small(folder)
    assert str(folder / "de.json") in str(error.value)


def test_files_that_do_not_exist(small, tmp_path):
    folder = small()
    (folder / "de.json").unlink()
    with pytest.raises(InputError, match=r"de.json: no such file"):
        load_small(folder)
    with pytest.raises(InputError, match="no such folder; it should hold mlqa-r"):
        load_lareqa(tmp_path / "nowhere", "mlqa-r")


def test_a_language_that_the_set_does_not_have(small):
    with pytest.raises(InputError, match="mlqa-r has no el, th; it has ar, de, en, es, hi, vi, zh"):
        load_lareqa(small(), "mlqa-r", ["th", "en", "el"])
