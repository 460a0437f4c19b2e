"""A whole study: its steps over the grid of its runs; repeats only what is not finished."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hybridlib.config.names import SOUP
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study.encoders import fetch_encoders
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study, run_name
from hybridlib.study.progress import Progress
from hybridlib.study.runner import Outcome, notebook_of, run_step, title


def _report_nothing(outcome: Outcome, progress: Progress) -> None:
    """Take an outcome and say nothing of it."""


def run_study(
    params: Params,
    report: Callable[[Outcome, Progress], None] = _report_nothing,
    only: str | None = None,
) -> list[Outcome]:
    """Run 01 once, 02 to 04 for each run of the grid and 05 at the end.

    Then the same for each of ``also_evaluate``. A failed step skips what needs it, not the other
    runs.

    Args:
        params: the study.
        report: called with each outcome as it is known, and with how far the study is.
        only: the name or number of one run of the grid: that run alone, and no comparison. Or
            ``data``: what needs no GPU and perhaps a network, 01 and the encoders of the hub.

    Returns:
        One outcome per step, in order.

    Raises:
        InputError: the grid or the output folder cannot be used, the study is an exported one,
            papermill or the notebooks are missing, the grid has no run called ``only``, or an
            encoder cannot be fetched.
    """
    _check_notebooks()
    if only == "data":
        fetch_encoders(params.encoders)
    # Whatever cannot be used is found before anything runs.
    studies = [Study.open(part) for part in (params, *params.further())]
    grids = [_runs_to_do(study, only) for study in studies]
    for study in studies:
        study.check_writable("data")

    outcomes: list[Outcome] = []
    for study, runs in zip(studies, grids, strict=True):
        failed = [each for each in outcomes if each.step == "training" and not each.good]
        outcomes += _run_one_study(study, runs, failed, only is None, report)
    return outcomes


def _run_one_study(
    study: Study,
    runs: list[Study],
    failed_trainings: list[Outcome],
    compare: bool,
    report: Callable[[Outcome, Progress], None],
) -> list[Outcome]:
    """Run 01, then 02 to 04 of some runs, then 05 if asked.

    A run is skipped if its training has failed in an earlier study.
    """
    failed = {each.name: each.needs or each for each in failed_trainings}
    once = ["data", "comparison"] if compare else ["data"]
    progress = Progress(once, runs, study.params.jobs)

    def note(outcome: Outcome) -> Outcome:
        progress.note(outcome)
        report(outcome, progress)
        return outcome

    def run_one(run: Study) -> list[Outcome]:
        return _run_steps(run, failed.get(run_name(run.params)) or data, note)

    with _log_to(study.folder / "study.log"):
        data = note(run_step(study, "data"))
        outcomes = [data]
        with share_cores(study.params.jobs), ThreadPoolExecutor(study.params.jobs) as workers:
            # A soup is made of runs, so it comes after them.
            for soups in (False, True):
                these = [run for run in runs if (run.params.strategy == SOUP) == soups]
                for of_run in workers.map(run_one, these):
                    outcomes += of_run
        if compare:
            outcomes.append(note(_compare(study, outcomes)))
    return outcomes


def _runs_to_do(study: Study, only: str | None) -> list[Study]:
    """Return the runs of the grid, the one called ``only``, or none for ``data``."""
    if only is None:
        return study.runs()
    return [] if only == "data" else [study.run_called(only)]


def _run_steps(run: Study, before: Outcome, note: Callable[[Outcome], Outcome]) -> list[Outcome]:
    """Run 02, 03 and 04 of one run, until one of them fails, if the step before them has not."""
    outcomes = []
    failed = None if before.good else before
    for step in RUN_STEPS:
        outcome = _skip(run, step, failed) if failed else run_step(run, step)
        if failed is None and not outcome.good:
            failed = outcome
        outcomes.append(note(outcome))
    return outcomes


def _compare(study: Study, outcomes: list[Outcome]) -> Outcome:
    """Run 05, unless there is nothing to compare."""
    if any(outcome.good and outcome.step == "bias" for outcome in outcomes):
        return run_step(study, "comparison")
    failed = next(outcome.needs or outcome for outcome in outcomes if not outcome.good)
    return _skip(study, "comparison", failed)


def _skip(study: Study, step: str, failed: Outcome) -> Outcome:
    """Return the outcome of a step that cannot run."""
    return Outcome(title(study, step), step, "skipped", needs=failed)


def _check_notebooks() -> None:
    """Refuse to run notebooks without papermill, a kernel, or the notebooks."""
    for package in ("papermill", "ipykernel"):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"a study runs notebooks, and {package} is not installed: in a clone of the "
                "project, run: pip install '.[notebooks]'"
            )
    for step in NOTEBOOKS:
        notebook_of(step)


@contextmanager
def share_cores(jobs: int) -> Iterator[None]:
    """Give kernels that start meanwhile their share of the cores, so that none slows another."""
    before = os.environ.get("OMP_NUM_THREADS")
    if jobs > 1 and before is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)


@contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Write everything that is logged meanwhile to a file as well."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger("hybridlib"), logging.getLogger("papermill")]
    for log in loggers:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        for log in loggers:
            log.removeHandler(handler)
        handler.close()
