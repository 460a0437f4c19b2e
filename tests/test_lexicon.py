"""Word lists, word alignment, and the batches whose words they switch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import pair_table

from hybridlib.batching.code_switching import (
    UNSPACED,
    Switching,
    align,
    lexicon_from_pairs,
    load_lexicon,
    switch,
)
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.data import lareqa
from hybridlib.errors import InputError
from hybridlib.study.folder import Study

ENGLISH = ["the red house", "the blue house", "a red book", "the book", "a blue sky"]
GERMAN = ["das rote Haus", "das blaue Haus", "ein rotes Buch", "das Buch", "ein blauer Himmel"]


@pytest.fixture
def lists(tmp_path) -> Path:
    (tmp_path / "en-de.txt").write_text(
        "passage Text\nin in\n\nquestion\tFrage\nquestion\tgute Frage\n", encoding="utf-8"
    )
    (tmp_path / "en-zh.txt").write_text("question 问题\n", encoding="utf-8")
    return tmp_path


# ------------------------------------------------------------------------------------------------------- word lists


def test_word_lists(lists):
    words = load_lexicon(lists, "en", ["de", "zh", "ar"])
    assert words["question"] == {"de": ["Frage", "gute Frage"], "zh": ["问题"]} and words[
        "passage"
    ] == {"de": ["Text"]}


def test_word_lists_that_do_not_do(lists):
    with pytest.raises(InputError, match="has none of the word lists en-ar.txt, en-th.txt"):
        load_lexicon(lists, "en", ["th", "ar"])
    (lists / "en-ar.txt").write_text("good gut\nalone\n")
    with pytest.raises(InputError, match="en-ar.txt: line 2 is 'alone'"):
        load_lexicon(lists, "en", ["ar"])
    (lists / "en-ar.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as UTF-8"):
        load_lexicon(lists, "en", ["ar"])


# -------------------------------------------------------------------------------------------------------- alignment


def test_alignment_finds_what_goes_together():
    words = align(ENGLISH, GERMAN, rounds=20)
    assert {word: words[word] for word in ("house", "book", "the", "a")} == {
        "house": "haus",
        "book": "buch",
        "the": "das",
        "a": "ein",
    }


def test_alignment_is_that_of_the_formula():
    """One round of model 1 by hand: two texts, no word in common but one."""
    words = align(["a b", "a"], ["x y", "x"], rounds=1, min_chance=0)
    assert words["a"] == "x"
    assert align(["a b", "a"], ["x y", "x"], rounds=30, min_chance=0.9) == {"a": "x", "b": "y"}


def test_alignment_of_nothing():
    assert align([], []) == {} and align(["..."], ["!"]) == {}


def test_alignment_keeps_no_guess():
    assert align(["one two three four five"], ["eins zwei drei vier fünf"]) == {}


def test_a_lexicon_of_real_translations(shared_data):
    pairs = lareqa.pairs_from_lareqa(
        lareqa.load_lareqa(shared_data("xquad-r"), "xquad-r", ["de", "en", "es", "zh"])
    )
    words = lexicon_from_pairs(pairs, "en", ["de", "es", "zh"])
    known = {
        "war": {"de": ["krieg"], "es": ["guerra"]},
        "city": {"de": ["stadt"], "es": ["ciudad"]},
        "water": {"de": ["wasser"], "es": ["agua"]},
        "population": {"de": ["bevölkerung"], "es": ["población"]},
    }
    assert {word: words[word] for word in known} == known
    assert len(words) > 1000 and not any("zh" in choices for choices in words.values())
    assert lexicon_from_pairs(pairs, "zh", ["de", "en"]) == {}


# -------------------------------------------------------------------------------------------------------- switching

WORDS = {
    "question": {"de": ["frage"], "es": ["pregunta"]},
    "the": {"de": ["die"]},
    "उत्तर": {"en": ["answer"]},
}


def test_switching_keeps_punctuation_capitals_and_space():
    rng = np.random.default_rng(0)
    words = {"question": {"de": ["frage"]}, "उत्तर": {"en": ["answer"]}}
    assert (
        switch(" The  “Question”,\nQUESTION? (question) ", words, rng, 1.0)
        == " The  “Frage”,\nFRAGE? (frage) "
    )
    assert switch("(उत्तर)।", words, rng, 1.0) == "(answer)।"
    assert switch("", words, rng, 1.0) == "" and switch("... —", words, rng, 1.0) == "... —"


def test_how_often_words_are_switched_and_to_what():
    rng = np.random.default_rng(0)
    words = switch("question " * 6000, WORDS, rng, 0.3).split()
    assert sum(word != "question" for word in words) == pytest.approx(1800, abs=150)
    assert words.count("frage") == pytest.approx(900, abs=120) and words.count(
        "pregunta"
    ) == pytest.approx(900, abs=120)
    assert switch("question the", WORDS, rng, 0.0) == "question the"


# ------------------------------------------------------------------------------------------------ code-switched batches


def test_a_code_switched_batch(lists):
    table = PairTable(pair_table(), switching=Switching(1.0, "both", lists))
    batch = draw_batch("code-switched", table, 0, 0, 8)
    assert set(table.frame["lang"].iloc[batch.questions]) == {"en"} and np.array_equal(
        batch.questions, batch.passages
    )
    questions, passages = batch.texts(table.frame)
    assert all(text.split()[0] in ("frage", "gute", "Frage", "问题") for text in questions) and all(
        text.startswith("Text ") for text in passages
    )
    assert [text.split()[-3] for text in questions] == [
        text.split()[1] for text in table.frame["question"].iloc[batch.questions]
    ]  # the number stays


def test_a_code_switched_batch_depends_on_seed_and_step_alone():
    one, other = (
        PairTable(pair_table(languages=("de", "en")), switching=Switching(0.5)) for _ in range(2)
    )
    draw_batch("code-switched", one, 0, 3, 8)
    first, again = (
        draw_batch("code-switched", one, 0, 9, 8),
        draw_batch("code-switched", other, 0, 9, 8),
    )
    assert first.texts(one.frame) == again.texts(other.frame) and first.texts(
        one.frame
    ) != draw_batch("code-switched", one, 1, 9, 8).texts(one.frame)
    parts = [first.slice(rank, 3).texts(one.frame) for rank in range(3)]
    assert tuple([text for part in parts for text in part[side]] for side in (0, 1)) == first.texts(
        one.frame
    )


@pytest.mark.parametrize("sides", ["query", "passage"])
def test_one_side_alone(sides, lists):
    batch = draw_batch(
        "code-switched", PairTable(pair_table(), switching=Switching(1.0, sides, lists)), 0, 0, 8
    )
    assert (batch.question_texts is None) == (sides == "passage") and (
        batch.passage_texts is None
    ) == (sides == "query")


def test_without_english_a_batch_is_in_any_one_language(lists):
    (lists / "de-zh.txt").write_text("question 问题\n", encoding="utf-8")
    (lists / "zh-de.txt").write_text("question Frage\n", encoding="utf-8")
    table = PairTable(pair_table(languages=("de", "zh")), switching=Switching(1.0, "both", lists))
    seen = {
        tuple(
            set(table.frame["lang"].iloc[draw_batch("code-switched", table, 0, step, 8).questions])
        )
        for step in range(30)
    }
    assert seen == {("de",), ("zh",)}


def test_the_lexicon_of_a_set_is_that_of_the_whole_table(lists):
    english = pair_table(60, ["en"]).assign(
        dataset="english", pair_id=lambda frame: "e" + frame["pair_id"]
    )
    table = PairTable(pd.concat([english, pair_table(10, ["de", "en"])]), switching=Switching(1.0))
    drawn = [draw_batch("code-switched", table, 0, step, 8) for step in range(20)]
    assert {name for batch in drawn for name in table.frame["dataset"].iloc[batch.questions]} == {
        "english",
        "toy",
    }
    assert all(part.lexicon("en") is table.lexicon("en") for part in table.sets) and table.lexicon(
        "en"
    )["question"] == {"de": ["question"]}


def test_no_lexicon_says_what_to_give():
    assert "zh" in UNSPACED
    with pytest.raises(
        InputError, match="no translations of 'en' to make a lexicon from; give lexicon_path"
    ):
        draw_batch("code-switched", PairTable(pair_table(languages=("en", "zh"))), 0, 0, 8)


def test_only_the_code_switched_run_depends_on_its_options(lists, tmp_path):
    def fingerprint(strategy: str, **options: object) -> str:
        return Study(Params(strategy=strategy, output_dir=tmp_path, **options)).fingerprint(
            "training"
        )

    for options in (
        {"switch_probability": 0.3},
        {"switch_sides": "query"},
        {"lexicon_path": lists},
    ):
        assert fingerprint("hybrid", **options) == fingerprint("hybrid")
        assert fingerprint("code-switched", **options) != fingerprint("code-switched")
    before = fingerprint("code-switched", lexicon_path=lists)
    (lists / "en-zh.txt").write_text("question 另\n", encoding="utf-8")
    assert fingerprint("code-switched", lexicon_path=lists) != before
    assert fingerprint("x-y", language_draw="size") == fingerprint("x-y") and fingerprint(
        "hybrid", language_draw="size"
    ) != fingerprint("hybrid")
