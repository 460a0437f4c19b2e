"""The built-in facts: their names, what is excluded, and the promises of the split."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest

from hybridlib.data.cldr import LANGUAGES, RELATIONS
from hybridlib.data.facts import Fact, all_facts, drop_ambiguous, split_facts
from hybridlib.errors import InputError

# Letters that a name must have in a language that does not write Latin.
SCRIPTS = {
    "ar": ("\u0600", "\u06ff"),
    "el": ("\u0370", "\u03ff"),
    "hi": ("\u0900", "\u097f"),
    "ru": ("\u0400", "\u04ff"),
    "th": ("\u0e00", "\u0e7f"),
    "zh": ("\u4e00", "\u9fff"),
}


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return all_facts()


def ids(facts: list[Fact]) -> list[str]:
    return [fact.fact_id for fact in facts]


def test_how_many_facts(facts):
    counts = Counter(fact.relation for fact in facts)
    assert 1750 <= len(facts) <= 1850
    assert set(counts) == set(RELATIONS)
    assert min(counts.values()) >= 140
    assert len(set(ids(facts))) == len(facts)


def test_order_is_relation_then_id(facts):
    relations = list(RELATIONS)
    assert facts == sorted(facts, key=lambda fact: (relations.index(fact.relation), fact.fact_id))


def test_ids_have_no_white_space(facts):
    assert not [name for name in ids(facts) if name.split() != [name]]


def test_changing_the_list_does_not_change_the_facts():
    all_facts().clear()
    assert all_facts()


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
    ],
)
def test_known_facts(facts, fact_id, subject, object_, object_key):
    (fact,) = [fact for fact in facts if fact.fact_id == fact_id]
    assert subject.items() <= fact.subject.items()
    assert object_.items() <= fact.object.items()
    assert fact.object_key == object_key
    assert fact.subject_key.endswith(fact_id.split(":")[1])


def test_questions_with_several_answers_or_that_give_theirs_away_are_excluded(facts):
    excluded = {
        "city-timezone:Europe/Moscow",
        "city-territory:Asia/Singapore",
        "territory-official_language:CH",
        "territory-currency:PA",
        "language-script:sr",
        "language-territory:en",
    }
    assert not excluded & set(ids(facts))


def test_what_is_excluded_by_hand(facts):
    excluded = {
        "territory-currency:BG",
        "territory-currency:EU",
        "territory-currency:PF",
        "territory-official_language:NE",
        "territory-timezone:WS",
        "language-script:und",
        "language-script:ii",
        "language-territory:la",
        "city-territory:Asia/Jerusalem",
    }
    assert not excluded & set(ids(facts))


def test_every_language_has_a_name_that_is_not_the_code(facts):
    for fact in facts:
        for names, key in ((fact.subject, fact.subject_key), (fact.object, fact.object_key)):
            code = key.split(":", 1)[1].casefold()
            assert tuple(sorted(names)) == LANGUAGES
            assert all(name.strip() for name in names.values()), fact
            assert all(name.casefold() != code for name in names.values()), fact


def test_names_are_in_the_script_of_their_language(facts):
    for fact in facts:
        for language, (first, last) in SCRIPTS.items():
            for name in (fact.subject[language], fact.object[language]):
                in_script = any(first <= letter <= last for letter in name)
                assert in_script, (fact.fact_id, language, name)


def test_a_key_has_one_name_everywhere(facts):
    names = defaultdict(set)
    for fact in facts:
        names[fact.subject_key].add(tuple(sorted(fact.subject.items())))
        names[fact.object_key].add(tuple(sorted(fact.object.items())))
    assert not [key for key, versions in names.items() if len(versions) > 1]


def test_a_name_is_one_subject_and_one_object(facts):
    subjects = defaultdict(set)
    objects = defaultdict(set)
    for fact in facts:
        for language in LANGUAGES:
            subjects[fact.relation, language, fact.subject[language].casefold()].add(fact.fact_id)
            objects[fact.relation, language, fact.object[language].casefold()].add(fact.object_key)
    assert {len(fact_ids) for fact_ids in subjects.values()} == {1}
    assert {len(keys) for keys in objects.values()} == {1}


def make_fact(letter: str, subject: str, subject_in_thai: str, object_: str, in_thai: str) -> Fact:
    """A fact whose names are the same in all languages but Thai."""
    return Fact(
        f"r:{letter}",
        "r",
        dict.fromkeys(LANGUAGES, subject) | {"th": subject_in_thai},
        dict.fromkeys(LANGUAGES, object_) | {"th": in_thai},
        f"city:{letter}",
        f"territory:{object_}",
    )


def test_a_shared_name_drops_all_who_share_it():
    """A name shared in one language is enough; the same object under one key is none."""
    same_subject = [make_fact("a", "a", "x", "P", "p"), make_fact("b", "b", "X", "P", "p")]
    same_object = [make_fact("c", "c", "c", "Q", "q"), make_fact("d", "d", "d", "R", "q")]
    clear = [make_fact("e", "e", "e", "P", "p")]
    assert drop_ambiguous(same_subject + same_object + clear) == clear


# The split.


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.0, 0.2), (0.4, 0.4)])
def test_split_promises(facts, seed, validation, test):
    splits = split_facts(facts, seed, validation, test)
    assert list(splits) == ["train", "validation", "test"]
    split_ids = [name for part in splits.values() for name in ids(part)]
    assert sorted(split_ids) == sorted(ids(facts))
    trained = {part for fact in splits["train"] for part in fact.parts}
    for fact in splits["validation"] + splits["test"]:
        assert fact.parts == {fact.relation, fact.subject_key, fact.object_key}
        assert fact.parts <= trained, fact


def test_split_sizes(facts):
    splits = split_facts(facts, seed=0)
    assert len(splits["validation"]) == len(splits["test"]) == round(0.1 * len(facts))
    assert {fact.relation for fact in splits["test"]} == set(RELATIONS)


def test_large_shares_do_not_take_from_each_other(facts):
    splits = [split_facts(facts, 0, validation, 0.1) for validation in (0.05, 0.2, 0.49)]
    assert [len(split["test"]) for split in splits] == [180] * 3
    assert len(splits[0]["validation"]) == 90
    assert len(splits[2]["validation"]) > 300


def test_split_is_a_function_of_seed_and_facts(facts):
    shuffled = random.Random(5).sample(facts, len(facts))
    one = split_facts(facts, 0)
    other_order = split_facts(shuffled, 0)
    other_seed = split_facts(facts, 1)
    for split in ("train", "validation", "test"):
        assert set(ids(one[split])) == set(ids(other_order[split]))
        assert set(ids(one[split])) != set(ids(other_seed[split]))
    test_ids = set(ids(one["test"]))
    assert [fact for fact in shuffled if fact.fact_id in test_ids] == other_order["test"]


def test_a_subject_that_occurs_once_stays_in_train(facts):
    scripts = [fact for fact in facts if fact.relation == "language-script"]
    splits = split_facts(scripts, seed=0)
    assert splits["train"] == scripts
    assert not splits["test"]


@pytest.mark.parametrize(
    ("validation", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (1.0, 0.0), (float("nan"), 0.1)]
)
def test_impossible_fractions(facts, validation, test):
    with pytest.raises(InputError, match=r"validation=.*test="):
        split_facts(facts, 0, validation, test)
