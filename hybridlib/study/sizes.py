"""Sizes of a study that cannot work, or weaken a result, found before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hybridlib.batching.inspect import largest_batch
from hybridlib.batching.pair_table import PairTable
from hybridlib.config.names import NO_BATCHES
from hybridlib.config.params import Params
from hybridlib.data.prepare import StudyData, evaluation_corpus, prepare
from hybridlib.data.published import is_here
from hybridlib.errors import InputError
from hybridlib.files import resolve
from hybridlib.study.cautions import few_questions, few_validated, questions_of
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study

# Larger data are not read twice.
_QUICKLY_READ = 50_000_000  # bytes

# So many built-in facts, or more, are trained on in each language with the usual fractions.
_FACTS = 1000


def check_sizes(params: Params) -> list[str]:
    """Refuse sizes that cannot work, and return what is to be said of those that are small.

    The training pairs are read where they are local files of at most 50 MB, built in, or already
    prepared. Of others nothing is said.

    Raises:
        InputError: a strategy of the grid cannot fill its batches; or the data cannot be used.
    """
    study = Study.open(params)
    data = _data_of(study)
    if data is None:
        return []
    _check_batches(study.runs(), data.train)
    warnings = few_validated(data.validation)
    warnings += few_questions(data.evaluation.name, questions_of(data.evaluation))
    for part in params.further():
        is_facts = part.eval_corpus == "facts"
        if not is_facts and _is_quickly_read(part.eval_corpus, part.eval_corpus_path):
            corpus = evaluation_corpus(part)
            warnings += few_questions(corpus.name, questions_of(corpus))
    return warnings


def _check_batches(runs: Sequence[Study], pairs: pd.DataFrame) -> None:
    """Refuse the first batch size of the grid that its strategies cannot fill."""
    found: dict[int, dict[str, int]] = {}
    for run in runs:
        params = run.params
        wanted = params.batch_size
        if params.strategy in NO_BATCHES or params.strategy in found.get(wanted, {}):
            continue
        table = PairTable(pairs, params.dataset_tau, params.language_draw)
        largest = largest_batch(params.strategy, table, wanted, params.alpha)
        found.setdefault(wanted, {})[params.strategy] = largest
    for wanted, by_strategy in found.items():
        too_small = {name: most for name, most in by_strategy.items() if most < wanted}
        if too_small:
            raise InputError(_unfillable(wanted, too_small, pairs))


def _unfillable(wanted: int, largest: dict[str, int], pairs: pd.DataFrame) -> str:
    """Return the message for a batch size that some strategies cannot fill."""
    most = ", ".join(f"{name} {size}" for name, size in largest.items())
    by_language = ", ".join(
        f"{lang} {count}" for lang, count in pairs["lang"].value_counts().items()
    )
    message = (
        f"batch_size ({wanted}): the training pairs cannot fill it (largest batch: {most}; pairs "
        f"left for training: {by_language})"
    )
    smallest = min(largest.values())
    if smallest < 2:
        none = ", ".join(name for name, size in largest.items() if size < 2)
        return f"{message}; leave out {none}, which these pairs cannot train"
    return f"{message}; set batch_size to {smallest} or less"


def _data_of(study: Study) -> StudyData | None:
    """Return the study's data, prepared by 01 or now; None where that would take long."""
    file = study.data / "train.parquet"
    if is_done(study, "data") and file.exists():
        if file.stat().st_size > _QUICKLY_READ:
            return None
        train = pd.read_parquet(file)
        return StudyData(train, study.validation_corpus(), study.evaluation_corpus())
    params = study.params
    corpora = [*params.training_sets, (params.eval_corpus, params.eval_corpus_path)]
    if {corpus for corpus, _ in corpora} == {"facts"} and _facts_suffice(study):
        return None
    return prepare(params) if all(_is_quickly_read(*corpus) for corpus in corpora) else None


def _facts_suffice(study: Study) -> bool:
    """Return whether the built-in facts are known to be enough, so that they are phrased once."""
    params = study.params
    usual = Params()
    return (
        max(run.params.batch_size for run in study.runs()) <= _FACTS
        and {run.params.strategy for run in study.runs()} <= set(usual.strategies)
        and len(params.languages) > 1
        and params.validation_fraction >= usual.validation_fraction
        and params.test_fraction >= usual.test_fraction
    )


def _is_quickly_read(corpus: str, path: Path | None) -> bool:
    """Return whether a corpus is here, and not large."""
    if not is_here(corpus, path):
        return False
    # What is built in or downloaded is small.
    if path is None:
        return True
    whole = resolve(path)
    files = whole.rglob("*") if whole.is_dir() else [whole]
    return sum(file.stat().st_size for file in files) <= _QUICKLY_READ
