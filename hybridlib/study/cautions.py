"""Sizes that weaken a result: what is to be said beside it."""

from __future__ import annotations

from collections.abc import Sequence

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.study.folder import Study
from hybridlib.study.per_query import (
    by_encoder,
    clustered_mean,
    seed_variance,
    settings_of,
)

# Fewer topics than this are known to rank systems unreliably (Buckley and Voorhees, SIGIR 2000).
FEW_QUESTIONS = 50
FEW_VALIDATED = 20


def few_validated(validation: RetrievalCorpus) -> list[str]:
    """Return a warning if a validation corpus is too small to choose by; else nothing."""
    questions = questions_of(validation)
    passages = validation.candidates["group"].nunique()
    if min(questions, passages) >= FEW_VALIDATED:
        return []
    return [
        f"validation on {_count(questions, 'question')} and {_count(passages, 'passage')}: its "
        "curve is mostly chance; raise validation_fraction, and do not choose by it (keep_best, "
        "patience)"
    ]


def few_questions(corpus: str, questions: int) -> list[str]:
    """Return a warning if a corpus has too few questions to compare encoders on; else nothing."""
    if questions >= FEW_QUESTIONS:
        return []
    return [
        f"comparison on {_count(questions, 'question')} ({corpus}): of fewer than {FEW_QUESTIONS} "
        "an interval is too narrow, and another set of questions may turn the verdict"
    ]


def weak_sizes(runs: Sequence[Study]) -> list[str]:
    """Return the warnings that belong beside a comparison of finished runs."""
    first = runs[0]
    questions = len(clustered_mean([first], settings_of([first])[0]).questions)
    warnings = few_questions(first.metrics()["corpus"], questions)
    warnings += one_seed(runs)
    if first.trained.has_texts():  # an exported study has none
        warnings += few_validated(first.trained.validation_corpus())
    return warnings


def one_seed(runs: Sequence[Study]) -> list[str]:
    """Return a warning for each encoder of which no strategy was trained with two seeds."""
    groups = by_encoder(runs)
    warnings = []
    for encoder, of_encoder in groups.items():
        if seed_variance(of_encoder, settings_of(of_encoder)[0]) is None:
            whose = f" of {encoder}" if len(groups) > 1 else ""
            warnings.append(
                f"no strategy{whose} has two seeds: intervals and verdicts are over questions "
                "alone, and another seed may turn them"
            )
    return warnings


def questions_of(corpus: RetrievalCorpus) -> int:
    """Return the number of questions, each counted once for all its languages."""
    return corpus.queries["question_id"].nunique()


def _count(number: int, noun: str) -> str:
    """Return a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
