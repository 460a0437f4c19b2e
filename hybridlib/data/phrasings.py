"""The wording of the built-in facts as questions and answers in eleven languages.

The sentences are in phrasings.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.data.cldr import LANGUAGES
from hybridlib.data.facts import Fact, stable_hash, translated_names
from hybridlib.data.package_data import read_package_yaml
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.errors import InputError

# Phrasings of each fact and language.
PHRASINGS = 3

# Relation -> language -> "questions" or "answers" -> sentences.
Phrasings = dict[str, dict[str, dict[str, list[str]]]]


def load_phrasings() -> Phrasings:
    """Return the sentences of phrasings.yaml; read once."""
    return read_package_yaml("phrasings.yaml")


def phrase(
    facts: Iterable[Fact],
    languages: Iterable[str],
    seed: int,
    variants: int = 1,
    first: int = 0,
) -> pd.DataFrame:
    """Phrase facts as questions and passages.

    The wording is drawn for each fact and language from ``seed`` alone. So the languages of one
    pair are translations in meaning but not in form, and a row does not depend on which others
    are made. The variants of one fact and language differ in question and in passage.

    Args:
        facts: the facts to phrase.
        languages: the languages to phrase them in.
        seed: decides the wording.
        variants: how many phrasings of each fact and language, 1 to 3.
        first: how many of a fact's phrasings to pass over. The same fact phrased with
            ``variants=2`` and with ``first=2`` has no phrasing in common.

    Returns:
        Training pairs, one row for each fact, language and variant, in that order. The pair_id
        is ``<fact_id>/<variant>``, the passage_id is the fact_id.

    Raises:
        InputError: another language, or more variants than there are.
    """
    languages = list(languages)
    for language in languages:
        if language not in LANGUAGES:
            raise InputError(
                f"the facts are not phrased in {language!r}; they are in {', '.join(LANGUAGES)}"
            )
    rows: list[tuple[str, ...]] = []
    for fact in tqdm(list(facts), desc="phrasing", unit="fact", mininterval=2, delay=2):
        for language in languages:
            rows += _rows(fact, language, seed, variants, first)
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def translations(languages: Iterable[str]) -> list[list[str]]:
    """Return what the built-in encoder knows before training: lists of texts of like meaning.

    A list holds the names of one thing, or the sentences of one relation without names, in those
    of ``languages`` that the facts are phrased in.
    """
    known = [language for language in languages if language in LANGUAGES]
    texts = translated_names(known)
    for wording in load_phrasings().values():
        sentences = [text for lang in known for kind in wording[lang].values() for text in kind]
        texts.append([text.format(subject=" ", object=" ") for text in sentences])
    return texts


def _rows(
    fact: Fact, language: str, seed: int, variants: int, first: int
) -> Iterator[tuple[str, ...]]:
    """Yield the pairs of one fact in one language."""
    wording = load_phrasings()[fact.relation][language]
    available = min(len(wording["questions"]), len(wording["answers"]))
    if not 1 <= variants <= available - first:
        raise InputError(
            f"variants={variants}, but {fact.relation} has 1 to {available - first} phrasings in "
            f"{language!r}"
        )
    # A generator for this fact and language alone: phrasings are taken in a random order.
    rng = np.random.default_rng(stable_hash(seed, "phrase", fact.fact_id, language))
    questions = rng.permutation(wording["questions"])
    answers = rng.permutation(wording["answers"])
    names = {"subject": fact.subject[language], "object": fact.object[language]}
    for variant in range(first, first + variants):
        yield (
            f"{fact.fact_id}/{variant}",
            "facts",
            language,
            questions[variant].format(**names),
            answers[variant].format(**names),
            fact.fact_id,
        )
