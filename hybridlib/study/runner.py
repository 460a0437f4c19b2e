"""One step of a study: a notebook run with papermill, unless it is finished already."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hybridlib.config.names import BM25
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.files import project_root, write_json
from hybridlib.study import warm_kernel
from hybridlib.study.fingerprint import fingerprint, finished_runs, is_done
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study, run_name
from hybridlib.study.lexical import search_by_words
from hybridlib.study.manifest import write_manifest

logger = logging.getLogger(__name__)

# What Jupyter says of a kernel that ended before it could be asked anything.
_NEVER_STARTED = "Kernel died before replying"

# When each step that this process has begun was begun, by step and folder.
_started: dict[tuple[str, Path], float] = {}


@dataclass(frozen=True)
class Outcome:
    """How one step of a study ended.

    Attributes:
        name: the run, or the study.
        step: a key of NOTEBOOKS.
        state: ``done``, ``kept`` (finished before), ``failed`` or ``skipped``.
        seconds: how long it took.
        notebook: the executed notebook; None where there is none.
        reason: one line for a step that failed.
        needs: the failed step that a skipped one needs.
    """

    name: str
    step: str
    state: str
    seconds: float = 0.0
    notebook: Path | None = None
    reason: str = ""
    needs: Outcome | None = None

    @property
    def good(self) -> bool:
        """Whether the step is finished."""
        return self.state in ("done", "kept")


# -------------------------------------------------------------------------------------- one step


def run_step(study: Study, step: str) -> Outcome:
    """Execute one notebook into the study's folder, unless it is finished already.

    A notebook that ends without an error but without its marker (a kernel that died or was told
    to exit) has failed. Several processes, on one machine or on several that share the folder, run
    a step once: the others wait for it.
    """
    evaluated = study
    if step == "training":
        study = study.trained
    name = title(study, step)
    file = study.folder_of(step) / f"{NOTEBOOKS[step]}.ipynb"
    out = None if _is_by_words(study, step) else file
    if is_done(study, step):
        return Outcome(name, step, "kept", notebook=out)
    file.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file.with_suffix(".lock"), name):
        if is_done(study, step):
            return Outcome(name, step, "kept", notebook=out)
        evaluated.unmark(step)
        started = time.monotonic()
        reason = _search(study, step) if out is None else _execute(study, step, out)
        seconds = time.monotonic() - started
    logger.info("%s %s: %s in %.0f s", name, NOTEBOOKS[step], reason or "done", seconds)
    return Outcome(name, step, "failed" if reason else "done", seconds, out, reason)


def _execute(study: Study, step: str, out: Path) -> str:
    """Execute the notebook of a step; return why it failed, or nothing."""
    try:
        _run_notebook(study, step, out)
    except Exception as error:  # whatever ends a notebook must not end the study
        return _first_line(error)
    if is_done(study, step):
        return ""
    return "the notebook ended before its last cell: its kernel died or was told to exit"


def _run_notebook(study: Study, step: str, out: Path) -> None:
    """Execute the notebook of a step with papermill."""
    import papermill  # an optional dependency

    logging.getLogger("papermill").addFilter(_is_news)
    notebook = notebook_of(step)

    def run() -> None:
        papermill.execute_notebook(
            notebook,
            out,
            parameters=_parameters_of(study.params),
            kernel_name="python3",
            progress_bar=False,
            request_save_on_cell_execute=False,  # the end is soon enough
            cwd=notebook.parent,
            extra_arguments=["--log-level=ERROR"],
            shutdown_kernel="immediate",  # after Ctrl-C, one that is asked to end prints errors
            **warm_kernel.options_for(notebook.parent),
        )

    try:
        run()
    except RuntimeError as error:
        # Where many kernels start at once, two may choose the same ports.
        if _NEVER_STARTED not in str(error):
            raise
        logger.warning("%s: its kernel did not start; starting another", title(study, step))
        run()


def _is_by_words(study: Study, step: str) -> bool:
    """Return whether a step is one of BM25, which has no notebooks."""
    return study.params.strategy == BM25 and step in RUN_STEPS


def _search(study: Study, step: str) -> str:
    """Carry out a step of BM25; return why it failed, or nothing."""
    try:
        _begin(study, step)
        finish(study, step, **search_by_words(study, step))
    except Exception as error:  # as of a notebook
        return _first_line(error)
    return ""


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether to say what papermill logs.

    It warns of every parameter that the first cell of a notebook does not show.
    """
    return "Passed unknown parameter" not in record.getMessage()


@contextmanager
def _locked(file: Path, name: str) -> Iterator[None]:
    """Hold a step's lock; the system frees the lock of a process that died."""
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("%s: another process is at it, waiting (%s)", name, file)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def begin(params: Params, step: str) -> Study:
    """Open a study in a notebook: call it first.

    It runs what the step needs and is missing, and notes the time. The markers of the step and of
    all that reads its results are removed first, and then the step's figures.

    Raises:
        InputError: a strategy or plugin is not known or has no notebooks, the output folder cannot
            be written to, or a step before this one failed.
    """
    study = Study.open_to_compare(params) if step == "comparison" else Study.open(params)
    if _is_by_words(study, step):
        raise InputError(
            f"strategy {BM25!r} has no encoder, so the notebooks have nothing to show; `hybridlib "
            "run` evaluates it, and 05 compares it"
        )
    _begin(study, step)
    return study


def _begin(study: Study, step: str) -> None:
    """Run what a step needs, and take back what was made before."""
    study.check_writable(step)
    run_missing(study, step)
    study.unmark(step)
    study.remove_drawn(step)
    if step in RUN_STEPS:
        study.params.save(study.run / "params.yaml")
    _started[step, study.folder_of(step)] = time.monotonic()


def finish(study: Study, step: str, **outputs: Any) -> dict[str, Any]:
    """Mark a step finished in its notebook: call it last.

    It writes run.json and then the marker.

    Args:
        study: what :func:`begin` returned.
        step: the same step.
        outputs: what the marker is to say besides.

    Returns:
        What the marker holds.
    """
    now = time.monotonic()
    seconds = now - _started.get((step, study.folder_of(step)), now)
    record = {"fingerprint": fingerprint(study, step), "seconds": round(seconds, 1), **outputs}
    write_manifest(study, step, record)
    write_json(study.marker(step), record)
    return record


def run_missing(study: Study, step: str) -> None:
    """Run what ``step`` needs and is not finished, so that a notebook can be opened by itself.

    Raises:
        InputError: one of those steps failed.
    """
    for run, earlier in _steps_before(study, step):
        if is_done(run, earlier):
            continue
        logger.warning(
            "%s needs %s of %s first: running it",
            NOTEBOOKS[step],
            NOTEBOOKS[earlier],
            title(run, earlier),
        )
        outcome = run_step(run, earlier)
        if not outcome.good:
            raise InputError(
                f"{NOTEBOOKS[step]} needs {NOTEBOOKS[earlier]}, which failed: {outcome.reason}; "
                f"see {outcome.notebook}"
            )


def _steps_before(study: Study, step: str) -> list[tuple[Study, str]]:
    """Return the runs and steps that a step needs, in order."""
    order = ["data", *RUN_STEPS]
    if step != "comparison":
        return [(study, earlier) for earlier in order[: order.index(step)]]
    if finished_runs(study):
        return []
    return [(run, earlier) for run in study.runs() for earlier in order]


# ----------------------------------------------------------------------------------------- helpers


def _parameters_of(params: Params) -> dict[str, object]:
    """Return what a notebook is given: which run it is, and what differs from the defaults."""
    values = params.plain()
    defaults = Params().plain()
    always = ("study", "encoder", "strategy", "seed")
    return {
        name: value for name, value in values.items() if name in always or value != defaults[name]
    }


def notebook_of(step: str) -> Path:
    """Return the notebook of a step."""
    file = project_root() / "notebooks" / f"{NOTEBOOKS[step]}.ipynb"
    if not file.exists():
        raise InputError(
            f"{file}: no such notebook; a study is run from inside a clone of the project, which "
            "holds notebooks/"
        )
    return file


def title(study: Study, step: str) -> str:
    """Return whose step it is: a run's, or the study's."""
    return run_name(study.params) if step in RUN_STEPS else study.params.study


def _first_line(error: Exception) -> str:
    """Return the kind and the first line of an error, a notebook's or our own."""
    kind = getattr(error, "ename", type(error).__name__)
    value = str(getattr(error, "evalue", error))
    lines = [line for line in value.splitlines() if line.strip()]
    return f"{kind}: {lines[0] if lines else 'see the notebook'}"
