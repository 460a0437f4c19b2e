"""Names of languages: which are tags, what files are called by, and what they are variants of."""

from __future__ import annotations

import json

import pytest
from set_files import squad_file, write_table
from toys import pair_table

from hybridlib.batching.code_switching import lexicon_from_pairs
from hybridlib.config.params import Params
from hybridlib.data import training_sets
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.data.languages import (
    is_language,
    is_unspaced,
    language_at_end,
    language_of,
    primary_language,
)
from hybridlib.data.pairs import load_pairs
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError

VARIANTS = ["zh-Hans", "pt_BR", "pt-br", "es-419", "sr-Latn-RS", "zho_Hans", "ca-valencia"]


@pytest.mark.parametrize("name", ["de", "fil", "no", *VARIANTS, "zh-yue", "en-x-mine", "zh_hant"])
def test_tags(name):
    assert is_language(name)
    assert language_at_end(name) == language_at_end(f"train-{name}") == name
    assert language_of(name) == language_of(f"mrtydi-v1.1-{name}"[-len(name) :]) == name


NO_TAGS = [
    *("all", "dev", "val", "train", "german", "de_flat", "en-de", "de-triplet", "my-no", "de-"),
    *("", "-", "en-x", "pt-BR-PT", "zh-Hans-Hant", "zh-CN-Hans", "README", "12", "toy-de"),
]


@pytest.mark.parametrize("name", NO_TAGS)
def test_names_that_are_no_tags(name):
    assert not is_language(name)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("train-de", "de"),
        ("dev-en", "en"),
        ("my-no", "no"),
        ("dev-context-ar-question-de", "de"),
        ("train_pt_BR", "pt_BR"),
        ("mine", ""),
    ],
)
def test_the_language_at_the_end_of_a_name(name, language):
    assert language_at_end(name) == language


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("zh-Hans-triplet", "zh-Hans"),
        ("mrtydi-v1.1-pt_BR", "pt_BR"),
        ("chinese_simplified", "zh"),
        ("en-de", ""),
        ("zh-Hans-corpus", ""),
    ],
)
def test_the_language_in_the_name_of_a_folder(name, language):
    assert language_of(name) == language


@pytest.mark.parametrize(
    ("name", "primary", "unspaced"),
    [
        ("zh-Hans", "zh", True),
        ("ZH_cn", "zh", True),
        ("zho_Hant", "zh", True),
        ("cmn", "zh", True),
        ("yue-HK", "zh", True),
        ("ja-JP", "ja", True),
        ("jpn_Jpan", "ja", True),
        ("th-TH", "th", True),
        ("lao", "lo", True),
        ("km-KH", "km", True),
        ("mya_Mymr", "my", True),
        ("zh-Latn", "zh", False),
        ("pt_BR", "pt", False),
        ("eng", "en", False),
        ("chinese", "zh", True),
        ("x1", "x1", False),
    ],
)
def test_what_a_name_is_a_variant_of(name, primary, unspaced):
    assert primary_language(name) == primary
    assert is_unspaced(name) == unspaced


@pytest.mark.parametrize("lang", VARIANTS)
def test_every_reader_of_training_sets_reads_a_variant_like_en(lang, tmp_path):
    squad_file(tmp_path / "squad", f"train-{lang}.json", {"T": [("One.", [("q1", "Which?")])]})
    squad_file(tmp_path / "squad", "train-en.json", {"T": [("One.", [("q1", "Which?")])]})
    (tmp_path / "text").mkdir()
    for name in ("en", lang):
        (tmp_path / "text" / f"{name}.txt").write_text("one\ntwo\n")
    answered = [{"question": "Why?", "answer": "Because."}]
    for name in ("english", f"faq-{lang}" if "_" not in lang and "-b" not in lang else lang):
        write_table(answered, tmp_path / "faq" / "data" / name / "train.jsonl")
    for kind, folder in (("squad", "squad"), ("parallel", "text"), ("mfaq", "faq")):
        training_set = training_sets.find(kind, tmp_path / folder)
        assert training_set.languages == sorted(["en", lang])
        assert training_set.load([lang])["lang"].tolist() == [lang]


def test_a_split_is_no_language_and_train_is_taken_first(tmp_path):
    article = {"T": [("One.", [("q1", "Which?")])]}
    for name in ("train-zh-Hans", "dev-zh-Hans", "zh-Hans", "dev-zh", "dev", "train-pt_BR"):
        squad_file(tmp_path / "squad", f"{name}.json", article)
    files = training_sets.find("squad", tmp_path / "squad")
    assert files.languages == ["pt_BR", "zh", "zh-Hans"]
    (tmp_path / "squad" / "zh-Hans.json").write_text("not read")
    (tmp_path / "squad" / "dev-zh-Hans.json").write_text("not read")
    assert len(files.load(["zh-Hans"])) == 1


def test_languages_of_pairs_name_files(tmp_path):
    pair = {"pair_id": "a", "lang": "zh/Hans", "question": "Who?", "passage": "She."}
    (tmp_path / "mine.jsonl").write_text(json.dumps(pair))
    params = Params(train_corpus="pairs", train_corpus_path=tmp_path / "mine.jsonl")
    with pytest.raises(InputError, match="line 1: lang is 'zh/Hans'; it cannot be a language"):
        prepare(params)


def test_two_spellings_of_a_language_are_named(tmp_path, caplog):
    """They may be meant; but a question in en has no answer in EN in its own language."""
    file = write_table(pair_table(2, ["en", "EN", "pt_BR", "pt-BR", "de"]), tmp_path / "mine.csv")
    corpus_from_pairs("mine", load_pairs(file))
    for source in (str(file), "mine"):
        assert f"{source}: EN and en count as different languages" in caplog.text
        assert f"{source}: pt-BR and pt_BR count as different languages" in caplog.text
    assert "de " not in caplog.text


def test_variants_without_spaces_are_not_aligned(word_pairs, caplog):
    assert lexicon_from_pairs(word_pairs, "en", ["zh-Hans", "de"]) == {"moon": {"de": ["mond"]}}
    assert "zh-Hans are written without spaces" in caplog.text
    assert lexicon_from_pairs(word_pairs, "zh-Hans", ["de"]) == {}


@pytest.fixture
def word_pairs():
    """One word in three languages."""
    import pandas as pd

    words = {"en": "moon", "de": "Mond", "zh-Hans": "月亮"}
    rows = [("a", lang, word, f"{word}.") for lang, word in words.items()]
    return pd.DataFrame(rows, columns=["pair_id", "lang", "question", "passage"])
