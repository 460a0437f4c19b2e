"""Offsets in SQuAD and LAReQA files, and questions with and without an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybridlib.data import training_sets
from hybridlib.data.lareqa import load_lareqa
from hybridlib.errors import InputError

# A character outside the basic plane counts as one, two UTF-16 units and four bytes.
CONTEXT = "💧 falls. Ein Käfer. Drei."
SENTENCES = [[0, 8], [9, 19], [20, 25]]

Change = Callable[[dict[str, Any]], object]


def write(folder: Path, change: Change = lambda paragraph: None) -> Path:
    """Write one paragraph with two questions, changed by a function."""
    questions = [
        {"id": "q0", "question": "What?", "answers": [{"text": "falls", "answer_start": 2}]},
        {"id": "q1", "question": "Was?", "answers": [{"text": "Käfer", "answer_start": 13}]},
    ]
    paragraph = {"context": CONTEXT, "sentence_breaks": SENTENCES, "qas": questions}
    change(paragraph)
    content = {"data": [{"title": "Water", "paragraphs": [paragraph]}]}
    (folder / "en.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def read_squad(folder: Path) -> list[str]:
    """Return the questions of the folder as a training set."""
    return training_sets.find("squad", folder).load(["en"])["question"].tolist()


def read_lareqa(folder: Path) -> list[str]:
    """Return the questions of the folder as an evaluation corpus."""
    return load_lareqa(folder, "xquad-r", ["en"]).queries["text"].tolist()


BOTH = pytest.mark.parametrize("read", [read_squad, read_lareqa])


def answer(text: Any, start: Any) -> Change:
    """Give the second question another answer."""
    return question(answers=[{"text": text, "answer_start": start}])


def question(**values: Any) -> Change:
    """Change the second question."""
    return lambda paragraph: paragraph["qas"][1].update(values)


def breaks(*limits: Any) -> Change:
    """Give the paragraph other sentences."""
    return lambda paragraph: paragraph.update(sentence_breaks=list(limits))


@BOTH
def test_answers_that_stand_at_their_offsets(read, tmp_path):
    assert read(write(tmp_path)) == ["What?", "Was?"]
    several = [{"text": "Drei", "answer_start": 20}, {"text": "Käfer", "answer_start": 13}]
    assert read(write(tmp_path, question(answers=several))) == ["What?", "Was?"]


WRONG_OFFSETS: dict[str, tuple[Change, str]] = {
    "in bytes": (answer("Käfer", 16), "seems to be counted in bytes; count characters"),
    "in UTF-16 units": (answer("Käfer", 14), "seems to be counted in UTF-16 units; count"),
    "one off": (
        answer("Käfer", 12),
        "answer_start 12, where the context has ' Käfe'; it stands at",
    ),
    "of another text": (answer("Biene", 13), "the context does not hold it; mend"),
    "in another normal form": (answer("Ka\u0308fer", 13), "the context does not hold it"),
    "before the context": (answer("Käfer", -1), "answer_start -1 lies outside the context"),
    "behind the context": (answer("Käfer", 99), "answer_start 99 lies outside the context of 25"),
    "at its end": (answer("", 25), "answer_start 25 lies outside the context of 25 characters"),
    "behind it in bytes": (answer("Drei", 27), "(but of 29 bytes: count characters)"),
    "over its end": (answer("Drei. Vier.", 20), "where the context has 'Drei.'"),
    "a boolean": (answer("falls", True), "'answer_start' is missing or not a int"),
    "a decimal": (answer("Käfer", 13.0), "'answer_start' is missing or not a int"),
    "as text": (answer("Käfer", "13"), "'answer_start' is missing or not a int"),
    "a text that is none": (answer(["Käfer"], 13), "'text' is missing or not a str"),
    "no object": (question(answers=["Käfer"]), "'answer_start' is missing"),
    "no list": (question(answers={"text": ["Käfer"], "answer_start": [13]}), "not a list"),
}


@BOTH
@pytest.mark.parametrize("case", list(WRONG_OFFSETS))
def test_answers_that_do_not(read, case, tmp_path):
    change, message = WRONG_OFFSETS[case]
    with pytest.raises(InputError) as error:
        read(write(tmp_path, change))
    record = f"{tmp_path / 'en.json'}: paragraph 0 ('Water'), question 'q1': "
    assert str(error.value).startswith(record)
    assert message in str(error.value)


@BOTH
@pytest.mark.parametrize(
    "values",
    [
        {"is_impossible": True, "answers": []},
        {"is_impossible": True, "answers": None},
        {
            "is_impossible": True,
            "answers": [],
            "plausible_answers": [{"text": "x", "answer_start": 99}],
        },
    ],
)
def test_questions_that_are_impossible_are_skipped(read, values, tmp_path):
    assert read(write(tmp_path, question(**values))) == ["What?"]


@BOTH
@pytest.mark.parametrize("value", [False, None])
def test_questions_that_are_not_impossible(read, value, tmp_path):
    assert read(write(tmp_path, question(is_impossible=value))) == ["What?", "Was?"]


@BOTH
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"is_impossible": True}, "is_impossible, but has an answer"),
        ({"is_impossible": "False"}, "'is_impossible' is 'False', neither true nor false"),
        ({"is_impossible": 0}, "'is_impossible' is 0, neither"),
        ({"answers": []}, "has no answer"),
        ({"is_impossible": False, "answers": []}, "has no answer"),
        ({"question": "\u200b"}, "'question' is empty"),
        ({"question": ["Was?"]}, "'question' is missing or not a str"),
        ({"question": "Was \ud83d?"}, "'question' is 'Was \\ud83d?'; it holds half of a character"),
    ],
)
def test_questions_that_contradict_themselves(read, values, message, tmp_path):
    with pytest.raises(InputError) as error:
        read(write(tmp_path, question(**values)))
    assert f"{tmp_path / 'en.json'}: paragraph 0 ('Water'), question 'q1': " in str(error.value)
    assert message in str(error.value)


@BOTH
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "'id' is missing"),
        (1.0, "'id' is missing"),
        (["q"], "'id' is missing"),
        (None, "'id' is missing"),
        ("\u2060", "'id' is empty"),
        ("q0", "question id 'q0' stands twice in this file"),
    ],
)
def test_ids_of_questions(read, value, message, tmp_path):
    with pytest.raises(InputError, match=r"en\.json: paragraph 0 \('Water'\)") as error:
        read(write(tmp_path, question(id=value)))
    assert message in str(error.value)


def test_an_id_may_be_a_whole_number(tmp_path):
    write(tmp_path, question(id=7))
    assert training_sets.find("squad", tmp_path).load(["en"])["pair_id"].tolist() == ["q0", "7"]
    corpus = load_lareqa(tmp_path, "xquad-r", ["en"])
    assert corpus.queries["question_id"].tolist() == ["7", "q0"]


@BOTH
def test_a_context_and_a_title(read, tmp_path):
    for value, message in (
        ("\u200b", "'context' is empty"),
        (["One."], "'context' is missing or not a str"),
        ("One \ude00.", "holds half of a character"),
    ):
        with pytest.raises(InputError, match=message):
            read(write(tmp_path, lambda paragraph, value=value: paragraph.update(context=value)))


@BOTH
def test_a_key_that_stands_twice(read, tmp_path):
    file = write(tmp_path) / "en.json"
    file.write_text(file.read_text().replace('"id": "q1"', '"id": "q1", "id": "q2"'))
    with pytest.raises(InputError, match=r"en\.json: not valid JSON \(the key 'id' stands twice"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (breaks([0, 8], [9, 19], [20, 26]), "sentence [20, 26) is empty or not inside the context"),
        (breaks([0, 8], [9, 20], [21, 26]), "of 25 characters (but of 26 UTF-16 units: count"),
        (breaks([-3, 8], [9, 19], [20, 25]), "sentence [-3, 8) is empty or not inside"),
        (breaks([0, 8], [19, 9], [20, 25]), "sentence [19, 9) is empty"),
        (breaks([0, 8], [8, 9], [9, 25]), "sentence [8, 9) is empty"),
        (breaks([9, 19], [0, 8], [20, 25]), "sentence [0, 8) begins before the end of the one"),
        (breaks([0, 10], [9, 19], [20, 25]), "sentence [9, 19) begins before the end of the one"),
        (breaks([0, 8], [0, 8], [9, 25]), "sentence [0, 8) begins before the end of the one"),
        (breaks([False, 8], [9, 25]), "'sentence_breaks' is not a list of [start, end)"),
        (breaks([0, 8.0], [9, 25]), "'sentence_breaks' is not a list of [start, end)"),
        (breaks([0, 8], [14, 25]), "answer_start 13 lies in no sentence"),
    ],
)
def test_sentences_lie_in_their_context_in_order(change, message, tmp_path):
    with pytest.raises(InputError) as error:
        read_lareqa(write(tmp_path, change))
    assert f"{tmp_path / 'en.json'}: paragraph 0 ('Water')" in str(error.value)
    assert message in str(error.value)


def test_articles_without_a_title_are_not_one(tmp_path):
    articles = []
    for number, title in enumerate(["", "\u200b", " ", "Same", "Same"]):
        qas = [{"id": f"q{number}", "question": "Which?"}]
        articles.append({"title": title, "paragraphs": [{"context": "One.", "qas": qas}]})
    (tmp_path / "en.json").write_text(json.dumps({"data": articles}))
    pairs = training_sets.find("squad", tmp_path).load(["en"])
    assert pairs["article"].nunique() == 4
    assert pairs["article"].iloc[3] == pairs["article"].iloc[4]


@pytest.mark.parametrize("text", [None, ""])
def test_an_answer_without_text_is_counted(text, tmp_path, caplog):
    assert read_squad(write(tmp_path, answer(text, 13))) == ["What?", "Was?"]
    message = "en.json: 1 answers without text, so their offsets are not checked"
    assert message in caplog.text
