"""The built-in facts of the Unicode CLDR, named in eleven languages, and their split.

A fact is kept only if CLDR names both of its ends in all the XQuAD languages and if its question
has one answer. Excluded are also subjects that share a name in some language, and answers that
can be read off the question.

Example:
    >>> from hybridlib.data.phrasings import phrase
    >>> pairs = phrase(all_facts(), ["de", "en", "th"], seed=0)
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from hybridlib.data.cldr import LANGUAGES, RELATIONS, gives_away, names_of
from hybridlib.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fact:
    """One statement, such as "the currency of Japan is the yen".

    Attributes:
        fact_id: the relation and the code of the subject.
        relation: a key of :data:`hybridlib.data.cldr.RELATIONS`.
        subject: its names, language -> name.
        object: its names, language -> name.
        subject_key: ``kind:code``, such as ``territory:JP``; the same for every language and
            relation, so it shows where two facts speak of the same thing.
        object_key: the same, such as ``currency:JPY``.
    """

    fact_id: str
    relation: str
    subject: Mapping[str, str]
    object: Mapping[str, str]
    subject_key: str
    object_key: str

    @property
    def parts(self) -> set[str]:
        """Return what a training set must contain before the fact can be held out."""
        return {self.relation, self.subject_key, self.object_key}


def all_facts() -> list[Fact]:
    """Return all facts: relations in the order of ``RELATIONS``, then by ``fact_id``."""
    return list(_all_facts())


@cache
def _all_facts() -> tuple[Fact, ...]:
    """Return all facts; computed once."""
    facts: list[Fact] = []
    for relation in RELATIONS:
        facts += drop_ambiguous(_facts_of(relation))
    return tuple(facts)


def translated_names(languages: Iterable[str]) -> list[list[str]]:
    """Return the names of each thing that the facts speak of, in ``languages``."""
    languages = list(languages)
    names_of_thing: dict[str, list[str]] = {}
    for fact in all_facts():
        names_of_thing[fact.subject_key] = [fact.subject[language] for language in languages]
        names_of_thing[fact.object_key] = [fact.object[language] for language in languages]
    return [names_of_thing[key] for key in sorted(names_of_thing)]


def _facts_of(relation: str) -> list[Fact]:
    """Return the facts of a relation whose two ends have names that do not give it away."""
    kinds = RELATIONS[relation]
    # Cities and time zones are named after places, so a part of a name may give the answer away.
    contained = bool({kinds.subject_kind, kinds.object_kind} & {"city", "timezone"})
    facts = []
    for subject_code, object_code in sorted(kinds.links()):
        subject_key = f"{kinds.subject_kind}:{subject_code}"
        object_key = f"{kinds.object_kind}:{object_code}"
        subject = names_of(subject_key)
        object_ = names_of(object_key)
        if subject and object_ and not gives_away(subject, object_, contained):
            fact_id = f"{relation}:{subject_code}"
            facts.append(Fact(fact_id, relation, subject, object_, subject_key, object_key))
    return facts


def drop_ambiguous(facts: Sequence[Fact]) -> list[Fact]:
    """Drop the facts whose subject, or whose object, shares its name with another.

    Args:
        facts: facts of one relation. A name shared in one language is enough.
    """
    # All keys that each name stands for.
    keys: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for fact in facts:
        for name, key in _names_and_keys(fact):
            keys[name].add(key)
    return [
        fact for fact in facts if all(len(keys[name]) == 1 for name, _ in _names_and_keys(fact))
    ]


def _names_and_keys(fact: Fact) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Yield (part, language, name) and key of the subject and the object in every language."""
    for language in LANGUAGES:
        yield ("subject", language, fact.subject[language].casefold()), fact.subject_key
        yield ("object", language, fact.object[language].casefold()), fact.object_key


def split_facts(
    facts: Sequence[Fact], seed: int, validation: float = 0.1, test: float = 0.1
) -> dict[str, list[Fact]]:
    """Split facts into train, validation and test, each in the given order.

    The subject and the object of every held-out fact occur in training facts too, and so does its
    relation: what is held out is the statement, not the words. A fact for which that is
    impossible stays in train, so large fractions may not be reached. Each of the two can have up
    to half of what can be held out, whatever the other one has, and a warning says how much that
    is. The split depends on ``seed`` and the set of facts, not on their order.

    Args:
        facts: the facts to split.
        seed: decides which facts are held out.
        validation: share of the facts to hold out for validation.
        test: share of the facts to hold out for the test.

    Raises:
        InputError: a negative share, or nothing is left to train on.
    """
    if validation < 0 or test < 0 or not validation + test < 1:
        raise InputError(
            f"validation={validation} and test={test} must be 0 or more and leave a part to "
            "train on"
        )
    # How many facts each split gets: what is wanted, but at most half of what can be held out.
    spare = _spare_facts(facts, seed)
    remaining = {}
    for split, share in (("validation", validation), ("test", test)):
        wanted = round(share * len(facts))
        remaining[split] = min(wanted, len(spare) // 2)
        if remaining[split] < wanted:
            log.warning(
                "facts: %d of %d can be held out, half of them for %s: it has %d instead of %d",
                len(spare),
                len(facts),
                split,
                remaining[split],
                wanted,
            )

    # Each spare fact goes to the split that still needs more.
    split_of: dict[str, str] = {}
    for fact in spare[: sum(remaining.values())]:
        split = max(remaining, key=remaining.__getitem__)
        split_of[fact.fact_id] = split
        remaining[split] -= 1

    # All other facts are trained on.
    splits: dict[str, list[Fact]] = {"train": [], "validation": [], "test": []}
    for fact in facts:
        splits[split_of.get(fact.fact_id, "train")].append(fact)
    return splits


def stable_hash(*parts: object) -> int:
    """Return a 64-bit number that depends on the parts alone, in every process and version."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _spare_facts(facts: Iterable[Fact], seed: int) -> list[Fact]:
    """Return the facts that can be held out together, in the random order of ``seed``.

    All of their parts occur in the facts that remain.
    """
    facts = list(facts)
    counts = Counter(part for fact in facts for part in fact.parts)
    spare = []
    for fact in sorted(facts, key=lambda fact: _random_order(fact, seed)):
        # A fact is spare if each of its parts occurs in another fact that remains.
        if all(counts[part] > 1 for part in fact.parts):
            spare.append(fact)
            counts.subtract(fact.parts)
    return spare


def _random_order(fact: Fact, seed: int) -> tuple[int, str]:
    """Return the sort key of a fact in the random order of ``seed``."""
    return stable_hash(seed, "split", fact.fact_id), fact.fact_id
