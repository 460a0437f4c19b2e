"""Training pairs and the evaluation corpus are kept apart."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest
from set_files import long_pairs, write_table

from hybridlib.config.params import Params
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.data.facts import all_facts, split_facts
from hybridlib.data.lareqa import pairs_from_lareqa
from hybridlib.data.overlap import drop_overlap, overlaps
from hybridlib.data.phrasings import phrase
from hybridlib.data.prepare import StudyData, prepare
from hybridlib.errors import InputError


def prepare_tables(folder: Path, train: pd.DataFrame, evaluation: pd.DataFrame) -> StudyData:
    """Prepare a study of two tables of pairs."""
    params = Params(
        train_corpus="pairs",
        train_corpus_path=write_table(train, folder / "train.jsonl"),
        eval_corpus="pairs",
        eval_corpus_path=write_table(evaluation, folder / "test.jsonl"),
        languages=["de", "en"],
    )
    return prepare(params)


@pytest.mark.parametrize("column", ["question", "passage"])
def test_equal_texts_are_refused_with_an_example(column, tmp_path):
    other = long_pairs(20, start=1000)
    other["pair_id"] = "x" + other["pair_id"]
    shared = f"a long enough {column} 7 in en"
    other.loc[other["lang"] == "en", column] = shared
    with pytest.raises(InputError, match="not different sets") as error:
        prepare_tables(tmp_path, long_pairs(), other)
    for part in (f"1 by their {column}", "'p007' (en)", shared, "train on another set"):
        assert part in str(error.value)


def test_white_space_around_does_not_matter(tmp_path):
    evaluation = long_pairs(5, start=1000)
    evaluation.loc[0, "question"] = " a long enough question 7 in de\n"
    with pytest.raises(InputError, match="'p007' \\(de\\)"):
        prepare_tables(tmp_path, long_pairs(), evaluation)


# How a copy may differ from "a long enough question 7 in de: fünf Füße", and what it is called.
COPIES = {
    "as it stands": "  a long enough question 7 in de: fünf Füße\n",
    "but for its normal form": "a long enough question 7 in de: fu\u0308nf Fu\u0308ße",
    "but for white space": "a long\u00a0enough  question\u200b 7 in\tde:\nfünf Füße",
    "but for case": "A LONG ENOUGH Question 7 in DE: FÜNF FÜSSE",
    "but for punctuation": "a long enough question 7, in de – “fünf Füße”?",
}


@pytest.mark.parametrize("difference", list(COPIES))
@pytest.mark.parametrize("column", ["question", "passage"])
def test_a_copy_that_differs_in_form_alone(column, difference, tmp_path, caplog):
    train = long_pairs(400)
    train.loc[14, column] = "a long enough question 7 in de: fünf Füße"
    evaluation = long_pairs(5, start=1000)
    evaluation.loc[0, column] = COPIES[difference]
    shared = overlaps(train, corpus_from_pairs("test", evaluation))
    assert shared.sum().to_dict() == {"question": 0, "passage": 0, "pair_id": 0, column: 1}
    assert shared.loc[14, column]

    with caplog.at_level(logging.WARNING):
        kept = drop_overlap(train, corpus_from_pairs("test", evaluation))
    assert len(kept) == len(train) - 1
    count = f"1 of 800 training pairs left out: test holds one of their texts ({column}"
    assert f"{count} {difference}: 1)" in caplog.text


@pytest.mark.parametrize("column", ["negative", "negatives"])
def test_an_explicit_negative_that_is_searched(column, caplog):
    train = long_pairs(400)
    evaluation = long_pairs(5, start=1000)
    texts = [f"no answer to question {row}" for row in range(len(train))]
    texts[14] = evaluation["passage"][train["lang"][14] == evaluation["lang"]].iloc[0]
    negatives = texts if column == "negative" else [("another one", text) for text in texts]
    train[column] = negatives
    corpus = corpus_from_pairs("test", evaluation)
    assert overlaps(train, corpus)["negative"].to_numpy().nonzero()[0].tolist() == [14]
    with caplog.at_level(logging.WARNING):
        kept = drop_overlap(train, corpus)
    assert kept["pair_id"].tolist() == train["pair_id"].drop(14).tolist()
    assert "(explicit negative: 1)" in caplog.text


def test_every_kind_of_copy_is_counted(caplog):
    train = long_pairs(1000)
    evaluation = long_pairs(9, start=2000)
    for row, copy in enumerate(COPIES.values()):
        train.loc[2 * row, "question"] = f"{row} a long enough question 7 in de: fünf Füße"
        evaluation.loc[2 * row, "question"] = f"{row} {copy.strip()}"
    train.loc[100, "pair_id"] = "an-id-that-says-much"
    evaluation.loc[1, "pair_id"] = "an-id-that-says-much"
    with caplog.at_level(logging.WARNING):
        drop_overlap(train, corpus_from_pairs("test", evaluation))
    kinds = ", ".join(f"question {difference}: 1" for difference in COPIES)
    assert "6 of 2000 training pairs left out" in caplog.text
    assert f"({kinds}, question id: 1)" in caplog.text


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("İstanbul Boğazı nerede başlar?", "istanbul boğazı nerede başlar?"),
        ("IŞIK NEDEN BU KADAR HIZLIDIR?", "ışık neden bu kadar hızlıdır?"),
        ("ΠΟΙΟΣ ΕΙΝΑΙ Ο ΟΔΥΣΣΕΑΣ ΤΩΡΑ", "ποιος ειναι ο οδυσσεας τωρα"),
        ("Ｆｕｌｌ ｗｉｄｔｈ ｌｅｔｔｅｒｓ ａｒｅ ｅｑｕａｌ", "full width letters are equal"),
        ("?!?!?!?!?!?!?!?!?!?!?!", " ?!?!?!?!?!?!?!?!?!?!?!\n"),
        ("``What is a_b > c + 1 there?''", "“What is a b c 1 there”"),
        ("I love this place a lot \u2764\ufe0f", "I love this place a lot \u2764"),
        ("ما هو أطول نهر في العالم اليوم", "ما هـــو أطول نهر في العالم اليوم"),
        ("-" * 60 + "What is this thing here", "What is this thing here"),
    ],
)
def test_equal_texts_of_several_scripts(text, other):
    one = long_pairs(1, ["en"]).assign(question=text)
    evaluation = corpus_from_pairs("test", long_pairs(1, ["en"], start=9).assign(question=other))
    assert overlaps(one, evaluation)["question"].tolist() == [True]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a long enough question 7 in de", "a long enough question 8 in de"),
        ("a long enough question 7 in de", "a long enough questions 7 in de"),
        ("?!?!?!?!?!?!?!?!?!?!?!", "!?!?!?!?!?!?!?!?!?!?!?"),
        ("The whole of it costs 5 €", "The whole of it costs 5 £"),
        # One of the two is short, so they may be equal by chance.
        ("Yes!!!!!!!!!!!!!!!!!!!!", "Yes"),
        ("Oui. . . . . . . . . . . .", "oui"),
        # Vowel signs are no punctuation.
        ("ความหมายของการทดสอบ ก ข", "ความหมายของการทดสอบ ก์ข"),
    ],
)
def test_texts_that_are_no_copies(text, other):
    one = long_pairs(1, ["en"]).assign(question=text)
    evaluation = corpus_from_pairs("test", long_pairs(1, ["en"], start=9).assign(question=other))
    assert not overlaps(one, evaluation).any(axis=None)


@pytest.mark.parametrize(
    ("lang", "other", "text", "shared"),
    [
        ("zh-Hans", "zh-Hans", "月亮离地球有多远呢朋友", True),
        ("zh", "zh_Hant", "月亮离地球有多远呢朋友", True),
        ("ja-JP", "ja", "月は地球からどのくらい", True),
        ("zh-Hans", "zh-Hans", "月亮离地球", False),
        ("th-TH", "th", "ดวงจันทร์อยู่ไกล", False),
        ("pt_BR", "pt", "A que distância fica a Lua?", True),
        ("pt_BR", "es", "A que distância fica a Lua?", False),
    ],
)
def test_variants_of_a_language_are_one_language(lang, other, text, shared):
    one = long_pairs(1, [lang]).assign(question=text)
    evaluation = corpus_from_pairs("test", long_pairs(1, [other], start=9).assign(question=text))
    assert overlaps(one, evaluation)["question"].tolist() == [shared]


def test_an_equal_text_in_another_language_does_not_count(tmp_path):
    evaluation = long_pairs(5, start=1000)
    # The row is German.
    evaluation.loc[0, "question"] = "a long enough question 7 in en"
    assert len(prepare_tables(tmp_path, long_pairs(), evaluation).evaluation.queries) == 10


def test_short_texts_and_short_ids_may_be_equal_by_chance(tmp_path):
    train = long_pairs().assign(passage="Yes.")
    evaluation = long_pairs(5, start=1000).assign(passage="Yes.")
    data = prepare_tables(tmp_path, train, evaluation)
    assert len(data.train) + len(data.validation.queries) == 80


@pytest.mark.parametrize(
    ("name", "refused"), [("56beb4343aeaaa14008c925b", True), ("123456789", False), ("q7", False)]
)
def test_an_equal_question_id_counts_in_any_language(name, refused, tmp_path):
    train = long_pairs(languages=["de", "en"])
    evaluation = long_pairs(20, ["zh"], start=1000)
    train.loc[train["pair_id"] == train["pair_id"][8], "pair_id"] = name
    evaluation.loc[3, "pair_id"] = name
    if refused:
        with pytest.raises(InputError, match=f"by their question id.*{name}"):
            prepare_tables(tmp_path, train, evaluation)
    else:
        prepare_tables(tmp_path, train, evaluation)


def test_a_few_equal_texts_are_dropped_and_counted(tmp_path, caplog):
    evaluation = long_pairs(5, start=1000)
    evaluation.loc[0, "passage"] = "a long enough passage 7 in de"
    with caplog.at_level(logging.WARNING):
        data = prepare_tables(tmp_path, long_pairs(400), evaluation)
    assert "training pairs left out: test holds" in caplog.text
    assert ("p007", "de") not in set(zip(data.train["pair_id"], data.train["lang"]))


def test_the_same_set_is_refused(tmp_path):
    file = write_table(long_pairs(), tmp_path / "mine.jsonl")
    params = Params(
        train_corpus="pairs",
        train_corpus_path=file,
        eval_corpus="pairs",
        eval_corpus_path=file,
        languages=["de", "en"],
    )
    with pytest.raises(InputError, match=r"are both 'pairs' .*mine.jsonl"):
        prepare(params)


def test_the_same_lareqa_set_is_refused_wherever_it_lies(shared_data, tmp_path):
    copy = tmp_path / "copy"
    copy.symlink_to(shared_data("xquad-r"))
    evaluation = {
        "eval_corpus": "xquad-r",
        "eval_corpus_path": shared_data("xquad-r"),
        "eval_languages": ["th"],
    }
    with pytest.raises(InputError, match="are both 'xquad-r'"):
        prepare(Params(train_corpus="xquad-r", train_corpus_path=copy, **evaluation))
    # Read as SQuAD it has other passages, but the same questions.
    params = Params(
        train_corpus="squad", train_corpus_path=copy, languages=["de", "en"], **evaluation
    )
    with pytest.raises(InputError, match=r"not different sets.*by their question id"):
        prepare(params)


def test_the_real_sets_are_apart(xquad, mlqa):
    assert not overlaps(pairs_from_lareqa(xquad), mlqa).any(axis=None)


def test_the_facts_are_apart_from_their_test_facts():
    splits = split_facts(all_facts(), 0, 0.05, 0.1)
    train = phrase(splits["train"], ["en", "zh"], seed=0, variants=3)
    evaluation = corpus_from_pairs("facts", phrase(splits["test"], ["en", "zh"], seed=0))
    assert not overlaps(train, evaluation).any(axis=None)
