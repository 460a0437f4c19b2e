"""The choice of settings: short trials, judged on validation, before a study is run.

A trial trains one run of a study's grid, and keeps its last validation and no model. Nothing is
evaluated: what is chosen here has not seen the evaluation corpus.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.config.names import BM25, NO_TRAINING, SOUP
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.files import check_writable, read_json, write_json, write_text
from hybridlib.study.fingerprint import fingerprint
from hybridlib.study.folder import Study, reads, run_name
from hybridlib.study.grid import share_cores
from hybridlib.study.manifest import environment
from hybridlib.study.runner import run_missing
from hybridlib.study.soup import starting_encoder

MEAN = "mean"  # over the settings: what is chosen by

# What a trial ended with: the columns of _RESULT, and its fingerprint.
Outcome = dict[str, Any]

_RESULT = [*SETTINGS, MEAN, "minutes", "failed"]
_TRIALS = "trials.yaml"  # the parameters, with the grid that was tried
_RECORD = ("choice.csv", "choice.md", "run.json", _TRIALS)


def _report_nothing(line: str) -> None:
    """Take a line and say nothing."""


def choose(params: Params, report: Callable[[str], None] = _report_nothing) -> pd.DataFrame:
    """Run the trials of a grid that are not finished; write ``choice/choice.csv`` and ``.md``.

    A trial that fails, for instance with an infinite loss, counts as tried and has no figures.

    Args:
        params: a study; its grid says what is tried.
        report: called with a line for each trial that has ended.

    Returns:
        One row per trial: encoder, strategy (or the name in ``systems``), seed, the parameters of
        the grid (empty where the strategy does not read one), validation mAP of each setting, their
        mean, minutes, and why it failed.

    Raises:
        InputError: the grid, the data or the output folder cannot be used.
    """
    study = Study.open(params)
    folder = folder_of(study)
    check_writable(folder)
    trials = [run for run in study.runs() if run.params.strategy not in (BM25, SOUP)]
    run_missing(trials[0], "training")

    outcomes = {run_name(trial.params): _finished(trial) for trial in trials}
    to_do = [trial for trial in trials if outcomes[run_name(trial.params)] is None]
    with share_cores(params.jobs):
        for count, (name, outcome) in enumerate(_try_all(to_do, params.jobs), 1):
            outcomes[name] = outcome
            report(f"[{count} of {len(to_do)}] {name}: {_in_words(outcome)}")

    rows = [_row(trial.params, outcomes[run_name(trial.params)]) for trial in trials]
    table = pd.DataFrame(rows)
    table.to_csv(folder / "choice.csv", index=False, float_format="%.5f")
    write_text(folder / "choice.md", as_markdown(table))
    write_json(folder / "run.json", environment())
    params.save(folder / _TRIALS)
    return table


def export(study: Study, folder: Path) -> Path:
    """Copy the record of a choice to ``folder/<study>``: the table, its grid and its machine.

    Returns:
        The folder of the copy.

    Raises:
        InputError: the study has no such record, or the folder cannot be written to.
    """
    record = folder_of(study)
    if not (record / "choice.csv").exists():
        raise InputError(f"{record}: no choice.csv; run `hybridlib choose` for this study first")
    copy = folder / study.params.study
    check_writable(copy)
    copy.mkdir(parents=True, exist_ok=True)
    for name in _RECORD:
        shutil.copyfile(record / name, copy / name)
    return copy


def folder_of(study: Study) -> Path:
    """Return the folder that the trials of a study write to."""
    return study.folder / "choice"


def as_markdown(table: pd.DataFrame) -> str:
    """Return :func:`choose`'s table for a reader: a row per setting, a column per strategy.

    A cell has validation mAP, monolingual / cross-lingual / multilingual, and their mean, as means
    over seeds. The best mean of each strategy is bold. Without parameters that vary, as with
    ``systems``, each strategy has a row.
    """
    varied = [name for name in table if name not in {"encoder", "strategy", "seed", *_RESULT}]
    keys = ["encoder", *varied]
    settings = [name for name in SETTINGS if name in table]
    groups = table.groupby([*keys, "strategy"], sort=False, dropna=False)
    means = groups[[*settings, MEAN]].mean().reset_index()
    if not varied:
        digits = {name: means[name].map("{:.4f}".format) for name in [*settings, MEAN]}
        return means.assign(**digits).to_markdown(index=False, disable_numparse=True) + "\n"
    best = means.groupby(["encoder", "strategy"])[MEAN].transform("max")
    cells = []
    for row, best_mean in zip(means.to_dict("records"), best, strict=True):
        figures = " / ".join(f"{row[name]:.3f}" for name in settings)
        mean = f"{row[MEAN]:.4f}"
        cells.append(f"{figures} (**{mean}**)" if row[MEAN] == best_mean else f"{figures} ({mean})")
    wide = means.assign(cell=cells).pivot(index=keys, columns="strategy", values="cell")
    wide = wide[means["strategy"].unique()].fillna("").reset_index()
    return wide.to_markdown(index=False, disable_numparse=True) + "\n"


def _try_all(trials: list[Study], jobs: int) -> Iterator[tuple[str, Outcome]]:
    """Run trials, some at a time, and yield the name and outcome of each as it ends."""
    # Processes of their own, begun anew: torch takes its number of threads when it is loaded.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as workers:
        running = {workers.submit(_try_one, trial.params): trial for trial in trials}
        for future in as_completed(running):
            yield run_name(running[future].params), future.result()


def _try_one(params: Params) -> Outcome:
    """Train and validate one run; write the outcome and return it."""
    from hybridlib.training.loop import train  # imports torch

    trial = Study.open(params)
    folder = _folder_of(trial)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    outcome: Outcome = {"fingerprint": fingerprint(trial, "training"), "failed": ""}
    try:
        pairs = trial.training_pairs()
        log = train(params, starting_encoder(trial), pairs, trial.validation_corpus(), folder)
        last = log.iloc[-1]
        names = [name for name in SETTINGS if f"validation {name} mAP" in log]
        outcome |= {name: float(last[f"validation {name} mAP"]) for name in names}
        outcome[MEAN] = sum(outcome[name] for name in names) / len(names)
    except InputError as error:
        outcome["failed"] = str(error)
    outcome["minutes"] = (time.monotonic() - started) / 60
    # A trial keeps no model.
    shutil.rmtree(folder / "model", ignore_errors=True)
    write_json(folder / "outcome.json", outcome)
    return outcome


def _folder_of(trial: Study) -> Path:
    """Return the folder of a trial: not that of the run, which it leaves untrained."""
    return folder_of(trial) / run_name(trial.params)


def _finished(trial: Study) -> Outcome | None:
    """Return the outcome of a trial; None if it has none, or settings or code have changed."""
    file = _folder_of(trial) / "outcome.json"
    if not file.exists():
        return None
    outcome = read_json(file)
    return outcome if outcome["fingerprint"] == fingerprint(trial, "training") else None


def _row(params: Params, outcome: Outcome | None) -> dict[str, Any]:
    """Return the row of a trial in the table."""
    outcome = outcome or {}
    return {
        "encoder": params.encoder,
        "strategy": params.system or params.strategy,
        "seed": params.seed,
        **_tried(params, params.grid),
        **{name: outcome[name] for name in _RESULT if name in outcome},
    }


def _tried(params: Params, names: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of the grid that a strategy reads; the others are empty."""
    values = {}
    for name in names:
        is_read = reads(params.strategy, name) and params.strategy not in NO_TRAINING
        values[name] = getattr(params, name) if is_read else ""
    return values


def _in_words(outcome: Outcome) -> str:
    """Return how a trial ended."""
    if outcome["failed"]:
        return f"failed: {outcome['failed']}"
    figures = ", ".join(f"{name} {outcome[name]:.3f}" for name in SETTINGS if name in outcome)
    return f"{figures}; mean {outcome[MEAN]:.4f}, {outcome['minutes']:.1f} min"
