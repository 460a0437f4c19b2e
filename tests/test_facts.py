"""The built-in corpus: names, phrasings and the promises of its split."""

import random
from collections import Counter, defaultdict
from string import Formatter

import pandas as pd
import pytest

from hybridlib.data.cldr import LANGUAGES, RELATIONS, _unambiguous
from hybridlib.data.facts import COLUMNS, Fact, facts, phrase, split_facts
from hybridlib.data.phrasings import PHRASINGS

# Letters a name must have in a language that does not write Latin.
SCRIPTS = {
    "ar": ("\u0600", "\u06ff"),
    "el": ("\u0370", "\u03ff"),
    "hi": ("\u0900", "\u097f"),
    "ru": ("\u0400", "\u04ff"),
    "th": ("\u0e00", "\u0e7f"),
    "zh": ("\u4e00", "\u9fff"),
}
VARIANTS = 3


@pytest.fixture(scope="module")
def corpus():
    return facts()


@pytest.fixture(scope="module")
def by_id(corpus):
    return {fact.fact_id: fact for fact in corpus}


@pytest.fixture(scope="module")
def table(corpus):
    return phrase(corpus, LANGUAGES, seed=0, variants=VARIANTS)


def rows_of(frame):
    return frame.sort_values(["pair_id", "lang"]).reset_index(drop=True)


def test_how_many_facts(corpus):
    counts = Counter(fact.relation for fact in corpus)
    assert 1750 <= len(corpus) <= 1850
    assert set(counts) == set(RELATIONS) and min(counts.values()) >= 140
    assert len({fact.fact_id for fact in corpus}) == len(corpus)


def test_order_is_relation_then_id(corpus):
    relations = list(RELATIONS)
    assert corpus == sorted(corpus, key=lambda fact: (relations.index(fact.relation), fact.fact_id))


def test_ids_have_no_white_space(corpus):
    assert not [fact.fact_id for fact in corpus if fact.fact_id.split() != [fact.fact_id]]


def test_changing_the_list_does_not_change_the_corpus():
    facts().clear()
    assert facts()


@pytest.mark.parametrize(
    ("fact_id", "subject", "object_", "object_key"),
    [
        (
            "territory-currency:JP",
            {"de": "Japan", "ru": "Япония"},
            {"en": "Japanese Yen", "zh": "日元"},
            "currency:JPY",
        ),
        (
            "territory-official_language:BR",
            {"tr": "Brezilya"},
            {"en": "Portuguese", "es": "portugués"},
            "language:pt",
        ),
        (
            "territory-timezone:FR",
            {"vi": "Pháp"},
            {"en": "Central European Time"},
            "timezone:Europe_Central",
        ),
        (
            "language-script:ru",
            {"ru": "русский", "en": "Russian"},
            {"hi": "सिरिलिक"},
            "script:Cyrl",
        ),
        ("language-territory:is", {"de": "Isländisch"}, {"el": "Ισλανδία"}, "territory:IS"),
        (
            "city-territory:Asia/Kolkata",
            {"en": "Kolkata", "de": "Kalkutta"},
            {"th": "อินเดีย"},
            "territory:IN",
        ),
        (
            "city-territory:America/Indiana/Knox",
            {"en": "Knox, Indiana"},
            {"en": "United States"},
            "territory:US",
        ),
        ("city-timezone:Europe/Moscow", {}, {}, ""),
        ("city-territory:Asia/Singapore", {}, {}, ""),
        ("territory-official_language:CH", {}, {}, ""),
        ("territory-currency:PA", {}, {}, ""),
        ("language-script:sr", {}, {}, ""),
        ("language-territory:en", {}, {}, ""),
    ],
)
def test_known_facts(by_id, fact_id, subject, object_, object_key):
    """With an object key: a fact that must be there. Without: one with several answers, or that gives its answer away."""
    assert (fact_id in by_id) == bool(object_key)
    if object_key:
        fact = by_id[fact_id]
        assert subject.items() <= fact.subject.items() and object_.items() <= fact.object.items()
        assert fact.object_key == object_key and fact.subject_key.endswith(fact_id.split(":")[1])


def test_every_language_has_a_name_that_is_not_the_code(corpus):
    for fact in corpus:
        for names, key in ((fact.subject, fact.subject_key), (fact.object, fact.object_key)):
            code = key.split(":", 1)[1].casefold()
            assert tuple(sorted(names)) == LANGUAGES
            assert not [
                name for name in names.values() if not name.strip() or name.casefold() == code
            ], fact


def test_names_are_in_the_script_of_their_language(corpus):
    for fact in corpus:
        for language, (first, last) in SCRIPTS.items():
            for name in (fact.subject[language], fact.object[language]):
                assert any(first <= letter <= last for letter in name), (
                    fact.fact_id,
                    language,
                    name,
                )


def test_a_key_has_one_name_everywhere(corpus):
    names = defaultdict(set)
    for fact in corpus:
        names[fact.subject_key].add(tuple(sorted(fact.subject.items())))
        names[fact.object_key].add(tuple(sorted(fact.object.items())))
    assert not [key for key, found in names.items() if len(found) > 1]


def test_a_name_is_one_subject_and_one_object(corpus):
    subjects, objects = defaultdict(set), defaultdict(set)
    for fact in corpus:
        for language in LANGUAGES:
            subjects[fact.relation, language, fact.subject[language].casefold()].add(fact.fact_id)
            objects[fact.relation, language, fact.object[language].casefold()].add(fact.object_key)
    assert not [slot for slot, found in [*subjects.items(), *objects.items()] if len(found) > 1]


def test_a_shared_name_drops_all_who_share_it():
    def fact(number, subject, object_):
        names = [dict.fromkeys(LANGUAGES, name) | {"th": thai} for name, thai in (subject, object_)]
        return Fact(f"r:{number}", "r", *names, f"city:{number}", f"territory:{object_[0]}")

    same_subject = [fact(1, ("a", "x"), ("P", "p")), fact(2, ("b", "X"), ("P", "p"))]
    same_object = [fact(3, ("c", "c"), ("Q", "q")), fact(4, ("d", "d"), ("R", "q"))]
    clear = [fact(5, ("e", "e"), ("P", "p"))]
    assert _unambiguous(same_subject + same_object + clear) == clear


def test_phrasings_are_complete_and_distinct():
    assert set(PHRASINGS) == set(RELATIONS)
    for relation, languages in PHRASINGS.items():
        assert tuple(sorted(languages)) == LANGUAGES
        for wording in languages.values():
            assert len(wording["questions"]) == len(wording["answers"]) == VARIANTS
            sentences = wording["questions"] + wording["answers"]
            assert len(set(sentences)) == 2 * VARIANTS, relation


def test_questions_name_the_subject_and_answers_both():
    for languages in PHRASINGS.values():
        for wording in languages.values():
            for part, wanted in (("questions", ["subject"]), ("answers", ["object", "subject"])):
                for sentence in wording[part]:
                    fields = [
                        field for _, field, _, _ in Formatter().parse(sentence) if field is not None
                    ]
                    assert sorted(fields) == wanted, sentence
                    assert sentence == sentence.strip() and "  " not in sentence


def test_phrased_texts_hold_the_names(table, by_id):
    assert list(table.columns) == COLUMNS
    assert len(table) == len(by_id) * len(LANGUAGES) * VARIANTS
    assert set(table["dataset"]) == {"facts"}
    for pair_id, _, lang, question, passage, passage_id in table.itertuples(index=False):
        fact = by_id[passage_id]
        assert pair_id.rsplit("/", 1)[0] == passage_id
        assert (
            fact.subject[lang] in question
            and fact.subject[lang] in passage
            and fact.object[lang] in passage
        )
        assert not set("{}") & set(question + passage)


def test_a_text_belongs_to_one_fact(table):
    assert table.groupby(["lang", "passage"])["passage_id"].nunique().max() == 1
    assert table.groupby(["lang", "question"])["passage_id"].nunique().max() == 1


def test_variants_of_one_fact_differ(table):
    assert not table.duplicated(["passage_id", "lang", "question"]).any()
    assert not table.duplicated(["passage_id", "lang", "passage"]).any()


def test_phrasing_ignores_the_other_facts_languages_and_variants(corpus, table):
    few = random.Random(3).sample(corpus, 40)
    part = phrase(few, ["th", "de"], seed=0, variants=2)
    kept = table[table["pair_id"].isin(part["pair_id"]) & table["lang"].isin(["th", "de"])]
    pd.testing.assert_frame_equal(rows_of(part), rows_of(kept))


def test_phrasing_depends_on_the_seed_and_the_language(corpus, table):
    other = phrase(corpus, LANGUAGES, seed=1, variants=VARIANTS)
    assert 0.2 < (other["question"] == table["question"]).mean() < 0.5
    drawn = {
        language: [
            PHRASINGS[fact.relation][language]["questions"].index(
                question.replace(fact.subject[language], "{subject}")
            )
            for fact, question in zip(
                corpus,
                table[(table["lang"] == language) & table["pair_id"].str.endswith("/0")][
                    "question"
                ],
            )
        ]
        for language in ("en", "zh")
    }
    same = sum(one == other for one, other in zip(drawn["en"], drawn["zh"])) / len(corpus)
    assert 0.2 < same < 0.5


def test_unknown_language_is_named(corpus):
    with pytest.raises(ValueError, match=r"'xx'.*ar, de, el, en, es, hi, ru, th, tr, vi, zh"):
        phrase(corpus[:1], ["en", "xx"], seed=0, variants=1)


@pytest.mark.parametrize("variants", [0, VARIANTS + 1])
def test_impossible_variants(corpus, variants):
    with pytest.raises(ValueError, match=f"variants={variants}.*1 to {VARIANTS}"):
        phrase(corpus[:1], ["en"], seed=0, variants=variants)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.0, 0.2), (0.4, 0.4)])
def test_split_promises(corpus, seed, validation, test):
    splits = split_facts(corpus, seed, validation, test)
    assert list(splits) == ["train", "validation", "test"]
    assert Counter(fact.fact_id for part in splits.values() for fact in part) == Counter(
        fact.fact_id for fact in corpus
    )
    known = {
        key
        for fact in splits["train"]
        for key in (fact.relation, fact.subject_key, fact.object_key)
    }
    for fact in splits["validation"] + splits["test"]:
        assert {fact.relation, fact.subject_key, fact.object_key} <= known, fact


def test_split_sizes(corpus):
    splits = split_facts(corpus, seed=0)
    assert len(splits["validation"]) == len(splits["test"]) == round(0.1 * len(corpus))
    assert {fact.relation for fact in splits["test"]} == set(RELATIONS)


def test_split_is_a_function_of_seed_and_facts(corpus):
    shuffled = random.Random(5).sample(corpus, len(corpus))
    one, two, other = split_facts(corpus, 0), split_facts(shuffled, 0), split_facts(corpus, 1)
    ids = [
        {name: {fact.fact_id for fact in part} for name, part in splits.items()}
        for splits in (one, two, other)
    ]
    assert ids[0] == ids[1] and ids[0] != ids[2]
    assert [fact for fact in shuffled if fact.fact_id in ids[0]["test"]] == two["test"]


def test_a_subject_that_occurs_once_stays_in_train(corpus):
    alone = [fact for fact in corpus if fact.relation == "language-script"]
    splits = split_facts(alone, seed=0)
    assert splits["train"] == alone and not splits["test"]


@pytest.mark.parametrize(
    ("validation", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (1.0, 0.0), (float("nan"), 0.1)]
)
def test_impossible_fractions(corpus, validation, test):
    with pytest.raises(ValueError, match="validation=.*test="):
        split_facts(corpus, 0, validation, test)
