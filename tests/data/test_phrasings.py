"""The wording of the facts: complete in every language, and drawn from the seed alone."""

from __future__ import annotations

import random
from string import Formatter

import pandas as pd
import pytest

from hybridlib.data.cldr import LANGUAGES, RELATIONS
from hybridlib.data.facts import Fact, all_facts
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.data.phrasings import load_phrasings, phrase, translations
from hybridlib.errors import InputError

VARIANTS = 3


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return all_facts()


@pytest.fixture(scope="module")
def table(facts) -> pd.DataFrame:
    """All facts in all languages and variants."""
    return phrase(facts, LANGUAGES, seed=0, variants=VARIANTS)


def test_phrasings_are_complete_and_distinct():
    phrasings = load_phrasings()
    assert set(phrasings) == set(RELATIONS)
    for relation, languages in phrasings.items():
        assert tuple(sorted(languages)) == LANGUAGES
        for wording in languages.values():
            assert list(wording) == ["questions", "answers"]
            assert len(wording["questions"]) == len(wording["answers"]) == VARIANTS
            sentences = wording["questions"] + wording["answers"]
            assert len(set(sentences)) == 2 * VARIANTS, relation


@pytest.mark.parametrize(
    ("part", "names"), [("questions", ["subject"]), ("answers", ["object", "subject"])]
)
def test_questions_name_the_subject_and_answers_both(part, names):
    for languages in load_phrasings().values():
        for wording in languages.values():
            for sentence in wording[part]:
                fields = [field for _, field, _, _ in Formatter().parse(sentence) if field]
                assert sorted(fields) == names, sentence
                assert sentence == sentence.strip()
                assert "  " not in sentence


def test_phrased_texts_hold_the_names(facts, table):
    assert list(table.columns) == PAIR_COLUMNS
    assert len(table) == len(facts) * len(LANGUAGES) * VARIANTS
    assert set(table["dataset"]) == {"facts"}
    by_id = {fact.fact_id: fact for fact in facts}
    for pair_id, _, lang, question, passage, passage_id in table.itertuples(index=False):
        fact = by_id[passage_id]
        assert pair_id.rsplit("/", 1)[0] == passage_id
        assert fact.subject[lang] in question
        assert fact.subject[lang] in passage
        assert fact.object[lang] in passage
        assert not set("{}") & set(question + passage)


def test_a_text_belongs_to_one_fact(table):
    assert table.groupby(["lang", "passage"])["passage_id"].nunique().max() == 1
    assert table.groupby(["lang", "question"])["passage_id"].nunique().max() == 1


def test_variants_of_one_fact_differ(table):
    assert not table.duplicated(["passage_id", "lang", "question"]).any()
    assert not table.duplicated(["passage_id", "lang", "passage"]).any()


def in_order(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.sort_values(["pair_id", "lang"], ignore_index=True)


def test_phrasing_ignores_the_other_facts_languages_and_variants(facts, table):
    few = random.Random(3).sample(facts, 40)
    part = phrase(few, ["th", "de"], seed=0, variants=2)
    same_pairs = table["pair_id"].isin(part["pair_id"]) & table["lang"].isin(["th", "de"])
    pd.testing.assert_frame_equal(in_order(part), in_order(table[same_pairs]))


def test_the_first_phrasings_can_be_passed_over(facts, table):
    part = phrase(facts[:20], ["th", "de"], seed=0, first=2)
    assert part["pair_id"].str.endswith("/2").all()
    same_pairs = table["pair_id"].isin(part["pair_id"]) & table["lang"].isin(["th", "de"])
    pd.testing.assert_frame_equal(in_order(part), in_order(table[same_pairs]))
    with pytest.raises(InputError, match=r"variants=2, but .* has 1 to 1"):
        phrase(facts[:1], ["en"], seed=0, variants=2, first=2)


def test_translations_are_names_and_sentences_in_known_languages(facts):
    texts = translations(["de", "fr", "zh"])
    assert ["Japan", "日本"] in texts
    things = {key for fact in facts for key in (fact.subject_key, fact.object_key)}
    assert len(texts) == len(things) + len(load_phrasings())
    # Two languages, three questions and three answers of the last relation.
    assert len(texts[-1]) == 12
    assert not set("{}") & set("".join(texts[-1]))


def test_phrasing_depends_on_the_seed(facts, table):
    some = facts[::4]
    other = in_order(phrase(some, LANGUAGES, seed=1, variants=VARIANTS))
    one = in_order(table[table["pair_id"].isin(other["pair_id"])])
    assert other["pair_id"].tolist() == one["pair_id"].tolist()
    assert 0.2 < (other["question"] == one["question"]).mean() < 0.5


def test_phrasing_depends_on_the_language(facts, table):
    drawn = {}
    for language in ("en", "zh"):
        first = table[(table["lang"] == language) & table["pair_id"].str.endswith("/0")]
        numbers = []
        for fact, question in zip(facts, first["question"]):
            pattern = question.replace(fact.subject[language], "{subject}")
            wording = load_phrasings()[fact.relation][language]
            numbers.append(wording["questions"].index(pattern))
        drawn[language] = pd.Series(numbers)
    assert len(drawn["en"]) == len(facts)
    assert 0.2 < (drawn["en"] == drawn["zh"]).mean() < 0.5


def test_unknown_language_is_named(facts):
    with pytest.raises(InputError, match=r"'xx'.*ar, de, el, en, es, hi, ru, th, tr, vi, zh"):
        phrase(facts[:1], ["en", "xx"], seed=0, variants=1)


@pytest.mark.parametrize("variants", [0, VARIANTS + 1])
def test_impossible_variants(facts, variants):
    with pytest.raises(InputError, match=f"variants={variants}.*1 to {VARIANTS}"):
        phrase(facts[:1], ["en"], seed=0, variants=variants)
