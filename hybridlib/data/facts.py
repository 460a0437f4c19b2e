"""The built-in parallel corpus: facts of the Unicode CLDR, phrased as question and answer in eleven languages.

The facts and all their names come from the Common Locale Data Repository (CLDR, https://cldr.unicode.org)
through the Babel package, so nothing has to be downloaded. A fact is kept only if CLDR names both of its ends
in all the XQuAD languages and if its question has one answer::

    from hybridlib.data.facts import facts, phrase
    pairs = phrase(facts(), ("de", "en", "th"), seed=0, variants=1)

What is left out: whatever is contested, out of date in CLDR or not what the question says it is (an island among
the cities), subjects that share a name in some language, and answers that can be read off the question.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.data.cldr import LANGUAGES, Fact, _all_facts
from hybridlib.data.phrasings import PHRASINGS
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

COLUMNS = ["pair_id", "dataset", "lang", "question", "passage", "passage_id"]


def facts() -> list[Fact]:
    """All facts: the relations in the order of ``RELATIONS``, the facts of a relation by ``fact_id``."""
    return list(_all_facts())


def split_facts(
    facts: Sequence[Fact], seed: int, validation: float = 0.1, test: float = 0.1
) -> dict[str, list[Fact]]:
    """Splits by fact into train, validation and test, each in the order given.

    The subject and the object of every held-out fact occur in training facts too, and so does its relation: what is
    held out is the statement, not the words. A fact for which that is impossible stays in train, so large fractions
    may not be reached: each of the two can have up to half of what can be held out, whatever the other one has (a
    warning says how much that is). Depends on ``seed`` and the set of facts, not on their order.
    """
    if validation < 0 or test < 0 or not validation + test < 1:
        raise InputError(
            f"validation={validation} and test={test} must be 0 or more and leave a part to train on"
        )
    asked = {"validation": round(validation * len(facts)), "test": round(test * len(facts))}
    spare = _spare_facts(facts, seed)
    wanted = {split: min(count, len(spare) // 2) for split, count in asked.items()}
    for split in wanted:
        if wanted[split] < asked[split]:
            log.warning(
                "facts: %d of %d can be held out, half of them for %s: it has %d instead of %d",
                len(spare),
                len(facts),
                split,
                wanted[split],
                asked[split],
            )
    place: dict[str, str] = {}
    for fact in spare[: sum(wanted.values())]:
        neediest = max(wanted, key=wanted.__getitem__)
        place[fact.fact_id] = neediest
        wanted[neediest] -= 1
    splits = ("train", "validation", "test")
    return {
        split: [fact for fact in facts if place.get(fact.fact_id, "train") == split]
        for split in splits
    }


def _spare_facts(facts: Sequence[Fact], seed: int) -> list[Fact]:
    """All facts that can be held out together: their parts occur in the facts that remain; in the random order of ``seed``."""
    left = Counter(part for fact in facts for part in _parts(fact))
    spare: list[Fact] = []
    for fact in sorted(facts, key=lambda fact: (_hash(seed, "split", fact.fact_id), fact.fact_id)):
        if all(left[part] > 1 for part in _parts(fact)):
            spare.append(fact)
            left.subtract(_parts(fact))
    return spare


def phrase(
    facts: Iterable[Fact], languages: Iterable[str], seed: int, variants: int = 1
) -> pd.DataFrame:
    """Questions and passages, one row for each (fact, language, variant), in that order.

    Wording is drawn for each fact and language from ``seed`` alone, so the languages of one pair are translations in
    meaning but not in form, and a row does not depend on which others are asked for. The variants of one fact and
    language differ in question and in passage; ``passage_id`` is the fact.

    Args:
        variants: how many phrasings of each fact, at most ``len(PHRASINGS[relation][language]["questions"])``.

    Returns:
        Columns pair_id (``<fact_id>/<variant>``), dataset, lang, question, passage, passage_id.
    """
    languages = list(languages)
    for language in languages:
        if language not in LANGUAGES:
            raise InputError(
                f"the facts are not phrased in {language!r}; they are in {', '.join(LANGUAGES)}"
            )
    facts = tqdm(list(facts), desc="phrasing", unit="fact", mininterval=2, delay=2)
    rows = (
        row
        for fact in facts
        for language in languages
        for row in _rows(fact, language, seed, variants)
    )
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(fact: Fact, language: str, seed: int, variants: int) -> Iterator[tuple[str, ...]]:
    wording = PHRASINGS[fact.relation][language]
    available = min(len(wording["questions"]), len(wording["answers"]))
    if not 1 <= variants <= available:
        raise InputError(
            f"variants={variants}, but {fact.relation} has 1 to {available} phrasings in {language!r}"
        )
    rng = np.random.default_rng(_hash(seed, "phrase", fact.fact_id, language))
    questions, answers = (
        rng.permutation(wording[part])[:variants] for part in ("questions", "answers")
    )
    names = {"subject": fact.subject[language], "object": fact.object[language]}
    for variant, (question, answer) in enumerate(zip(questions, answers)):
        pair_id = f"{fact.fact_id}/{variant}"
        yield (
            pair_id,
            "facts",
            language,
            question.format(**names),
            answer.format(**names),
            fact.fact_id,
        )


def _parts(fact: Fact) -> set[str]:
    """What a training set must contain before the fact can be held out."""
    return {fact.relation, fact.subject_key, fact.object_key}


def _hash(*parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
