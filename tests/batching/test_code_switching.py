"""Word lists, word alignment, and the batches whose words they switch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import pair_table

from hybridlib.batching import code_switching
from hybridlib.batching.code_switching import (
    Switching,
    align,
    lexicon_from_pairs,
    load_lexicon,
    switch,
)
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.params import Params
from hybridlib.data import lareqa
from hybridlib.data.languages import UNSPACED
from hybridlib.errors import InputError
from hybridlib.study.fingerprint import inputs
from hybridlib.study.folder import Study

ENGLISH = ["the red house", "the blue house", "a red book", "the book", "a blue sky"]
GERMAN = ["das rote Haus", "das blaue Haus", "ein rotes Buch", "das Buch", "ein blauer Himmel"]


# --------------------------------------------------------------------------------------- word lists


def test_word_lists(word_lists):
    lexicon = load_lexicon(word_lists, "en", ["de", "zh", "ar"])
    assert lexicon["question"] == {"de": ["Frage", "gute Frage"], "zh": ["问题"]}
    assert lexicon["passage"] == {"de": ["Text"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"has none of the word lists en-ar\.txt, en-th\.txt"),
        (b"good gut\nalone\n", r"en-ar\.txt: line 2 is 'alone'"),
        (b"\xff\xfe\x00", "cannot be read as UTF-8"),
    ],
)
def test_word_lists_that_cannot_be_used_are_named(content, message, word_lists):
    if content is not None:
        (word_lists / "en-ar.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_lexicon(word_lists, "en", ["th", "ar"])


@pytest.mark.parametrize(
    "line",
    [
        "New York Nueva",
        "moon  Mond",
        " moon Mond",
        "moon Mond ",
        "moon\tMond\t0.9",
        "moon\t",
        "\tMond",
        "moon \u200b",
        "moon\u00a0Mond",
        "moon,Mond",
    ],
)
def test_lines_of_a_word_list_that_are_not_two_fields(line, word_lists):
    (word_lists / "en-ar.txt").write_text(f"good gut\n\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"en-ar\.txt: line 3 is ") as error:
        load_lexicon(word_lists, "en", ["ar"])
    assert repr(line) in str(error.value)


def test_a_tab_separates_fields_that_hold_spaces(word_lists):
    """Whatever the variant of the language is called."""
    list_of_words = "New York\tNueva York\nmoon\tluna\u2028llena\n"
    (word_lists / "en-es-419.txt").write_bytes(list_of_words.replace("\n", "\r\n").encode())
    lexicon = load_lexicon(word_lists, "en", ["es-419"])
    assert lexicon == {
        "new york": {"es-419": ["Nueva York"]},
        "moon": {"es-419": ["luna\u2028llena"]},
    }


# ---------------------------------------------------------------------------------------- alignment


def test_alignment_pairs_words_that_appear_together():
    translations = align(ENGLISH, GERMAN, rounds=20)
    expected = {"house": "haus", "book": "buch", "the": "das", "a": "ein"}
    assert {word: translations[word] for word in expected} == expected


def test_alignment_is_that_of_the_formula():
    """One round of model 1 by hand.

    x is shared among (empty, a, b) in the first text and (empty, a) in the second, y among the
    first three: a has counts 1/3 + 1/2 and 1/3, so it stands for x with probability 5/7.
    """
    texts = ["a b", "a"], ["x y", "x"]
    assert align(*texts, rounds=1, min_probability=0.714) == {"a": "x"}
    assert align(*texts, rounds=1, min_probability=0.715) == {}
    assert align(*texts, rounds=30, min_probability=0.9) == {"a": "x", "b": "y"}


def test_alignment_of_nothing():
    assert align([], []) == {}
    assert align(["..."], ["!"]) == {}


def test_alignment_keeps_no_guess():
    assert align(["one two three four five"], ["eins zwei drei vier fünf"]) == {}


def test_alignment_takes_no_more_cells_than_it_may(monkeypatch):
    """A text of one word and one word takes two cells: the empty word has one too."""
    texts = ["a", "b c", "b"], ["x", "y z", "y"]
    assert set(align(*texts, rounds=10)) == {"a", "b", "c"}
    with monkeypatch.context() as patch:
        patch.setattr(code_switching, "MAX_CELLS_OF_TEXT", 5)
        assert set(align(*texts, rounds=10)) == {"a", "b"}
    with monkeypatch.context() as patch:
        patch.setattr(code_switching, "MAX_CELLS", 8)
        assert set(align(*texts, rounds=10, min_probability=0.1)) == {"a", "b", "c"}
        patch.setattr(code_switching, "MAX_CELLS", 7)
        assert set(align(*texts, rounds=10, min_probability=0.1)) == {"a"}


def test_a_lexicon_of_real_translations(shared_data):
    data = lareqa.load_lareqa(shared_data("xquad-r"), "xquad-r", ["de", "en", "es", "zh"])
    pairs = lareqa.pairs_from_lareqa(data)
    lexicon = lexicon_from_pairs(pairs, "en", ["de", "es", "zh"])
    known = {
        "war": {"de": ["krieg"], "es": ["guerra"]},
        "city": {"de": ["stadt"], "es": ["ciudad"]},
        "water": {"de": ["wasser"], "es": ["agua"]},
        "population": {"de": ["bevölkerung"], "es": ["población"]},
    }
    assert {word: lexicon[word] for word in known} == known
    assert len(lexicon) > 1000
    assert not any("zh" in choices for choices in lexicon.values())
    assert lexicon_from_pairs(pairs, "zh", ["de", "en"]) == {}


# ---------------------------------------------------------------------------------------- switching


def test_switching_keeps_punctuation_capitals_and_space(rng):
    lexicon = {"question": {"de": ["frage"]}, "उत्तर": {"en": ["answer"]}}
    switched = switch(" The  “Question”,\nQUESTION? (question) ", lexicon, rng, 1.0)
    assert switched == " The  “Frage”,\nFRAGE? (frage) "
    assert switch("(उत्तर)।", lexicon, rng, 1.0) == "(answer)।"
    assert switch("", lexicon, rng, 1.0) == ""
    assert switch("... —", lexicon, rng, 1.0) == "... —"


def test_words_are_switched_with_their_probability_and_languages_drawn_alike(rng):
    lexicon = {"question": {"de": ["frage"], "es": ["pregunta"]}, "the": {"de": ["die"]}}
    words = switch("question " * 6000, lexicon, rng, 0.3).split()
    assert sum(word != "question" for word in words) == pytest.approx(1800, abs=150)
    assert words.count("frage") == pytest.approx(900, abs=120)
    assert words.count("pregunta") == pytest.approx(900, abs=120)
    assert switch("question the", lexicon, rng, 0.0) == "question the"


# ---------------------------------------------------------------------------- code-switched batches


def switched_table(word_lists: Path, sides: str = "both") -> PairTable:
    return PairTable(pair_table(), switching=Switching(1.0, sides, word_lists))


def texts_of(table: PairTable, batch: Batch) -> tuple[list[str], list[str]]:
    return batch.texts(table.frame)


def test_a_code_switched_batch(word_lists):
    table = switched_table(word_lists)
    batch = draw_batch("code-switched", table, 0, 0, 8)
    assert set(table.frame["lang"].iloc[batch.questions]) == {"en"}
    assert np.array_equal(batch.questions, batch.passages)
    questions, passages = texts_of(table, batch)
    assert {text.split()[0] for text in questions} <= {"frage", "gute", "Frage", "问题"}
    assert all(text.startswith("Text ") for text in passages)

    # A number is in no word list and stays.
    original = table.frame["question"].iloc[batch.questions]
    numbers = [text.split()[-3] for text in questions]
    assert numbers == [text.split()[1] for text in original]


def test_a_code_switched_batch_depends_on_seed_and_step_alone():
    frame = pair_table(languages=("de", "en"))
    table = PairTable(frame, switching=Switching(0.5))
    draw_batch("code-switched", table, 0, 3, 8)
    batch = draw_batch("code-switched", table, 0, 9, 8)
    questions, passages = texts_of(table, batch)
    fresh_table = PairTable(frame, switching=Switching(0.5))
    again = draw_batch("code-switched", fresh_table, 0, 9, 8)
    assert texts_of(fresh_table, again) == (questions, passages)
    other_seed = draw_batch("code-switched", table, 1, 9, 8)
    assert texts_of(table, other_seed) != (questions, passages)

    # The slices of the processes make up the batch.
    parts = [texts_of(table, batch.slice(rank, 3)) for rank in range(3)]
    assert [text for part in parts for text in part[0]] == questions
    assert [text for part in parts for text in part[1]] == passages


@pytest.mark.parametrize("sides", ["query", "passage"])
def test_one_side_alone(sides, word_lists):
    batch = draw_batch("code-switched", switched_table(word_lists, sides), 0, 0, 8)
    assert (batch.question_texts is None) == (sides == "passage")
    assert (batch.passage_texts is None) == (sides == "query")


def test_without_english_a_batch_is_in_any_one_language(word_lists):
    (word_lists / "de-zh.txt").write_text("question 问题\n", encoding="utf-8")
    (word_lists / "zh-de.txt").write_text("question Frage\n", encoding="utf-8")
    frame = pair_table(languages=("de", "zh"))
    table = PairTable(frame, switching=Switching(1.0, "both", word_lists))
    seen = set()
    for step in range(30):
        batch = draw_batch("code-switched", table, 0, step, 8)
        (language,) = set(table.frame["lang"].iloc[batch.questions])
        seen.add(language)
    assert seen == {"de", "zh"}


def test_the_lexicon_of_a_set_is_that_of_the_whole_table():
    english = pair_table(60, ["en"])
    english = english.assign(dataset="english", pair_id="e" + english["pair_id"])
    frame = pd.concat([english, pair_table(10, ["de", "en"])])
    table = PairTable(frame, switching=Switching(1.0))
    sets = set()
    for step in range(20):
        batch = draw_batch("code-switched", table, 0, step, 8)
        sets |= set(table.frame["dataset"].iloc[batch.questions])
    assert sets == {"english", "toy"}
    assert all(part.lexicon("en") is table.lexicon("en") for part in table.sets)
    assert table.lexicon("en")["question"] == {"de": ["question"]}


def test_no_lexicon_says_what_to_give(caplog):
    assert "zh" in UNSPACED
    reason = "no translations of 'en' to make a lexicon from; give lexicon_path"
    with pytest.raises(InputError, match=reason):
        draw_batch("code-switched", PairTable(pair_table(languages=("en", "zh"))), 0, 0, 8)
    assert "code-switching: zh are written without spaces" in caplog.text


# ------------------------------------------------------------------------------- what depends on it


def training_inputs(strategy: str, **options: object) -> dict:
    """Return what the training of a run depends on."""
    return inputs(Study(Params(strategy=strategy, **options)), "training")


def test_only_the_code_switched_run_depends_on_its_options(word_lists):
    for options in (
        {"switch_probability": 0.3},
        {"switch_sides": "query"},
        {"lexicon_path": word_lists},
    ):
        assert training_inputs("hybrid", **options) == training_inputs("hybrid")
        assert training_inputs("code-switched", **options) != training_inputs("code-switched")


def test_a_run_depends_on_the_content_of_its_word_lists(word_lists):
    before = training_inputs("code-switched", lexicon_path=word_lists)
    (word_lists / "en-zh.txt").write_text("question 另\n", encoding="utf-8")
    assert training_inputs("code-switched", lexicon_path=word_lists) != before


def test_only_strategies_that_draw_a_language_depend_on_how():
    assert training_inputs("x-y", language_draw="size") == training_inputs("x-y")
    assert training_inputs("hybrid", language_draw="size") != training_inputs("hybrid")


def test_word_lists_of_languages_with_a_hyphen(tmp_path):
    """Joined by a hyphen, en to hi-en is en-hi to en."""
    (tmp_path / "en-hi-en.txt").write_text("moon chaand\n", encoding="utf-8")
    assert load_lexicon(tmp_path, "en", ["hi-en"]) == {"moon": {"hi-en": ["chaand"]}}
    for source, target in (("en", "hi-en"), ("en-hi", "en")):
        with pytest.raises(InputError, match=r"en-hi-en.txt: from .* Write a hyphen .* as %2D"):
            load_lexicon(tmp_path, source, [target, "hi-en", "en-hi"])
    (tmp_path / "en-hi%2Den.txt").write_text("moon chand\n", encoding="utf-8")
    (tmp_path / "en%2Dhi-en.txt").write_text("chand moon\n", encoding="utf-8")
    languages = ["hi", "hi-en", "en-hi"]
    assert load_lexicon(tmp_path, "en", languages) == {"moon": {"hi-en": ["chand"]}}
    languages = ["hi", "en", "hi-en"]
    assert load_lexicon(tmp_path, "en-hi", languages) == {"chand": {"en": ["moon"]}}


def test_a_word_list_that_cannot_be_read_is_not_passed_over(tmp_path):
    (tmp_path / "en-fr.txt").write_text("moon lune\n", encoding="utf-8")
    (tmp_path / "en-de.txt").symlink_to("nothing")
    with pytest.raises(InputError, match=r"en-de.txt: cannot be read .*: no such file"):
        load_lexicon(tmp_path, "en", ["de", "fr"])
