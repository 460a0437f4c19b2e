"""Runs the notebooks of a study over its grid, through papermill; repeats only what is not finished."""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from tqdm.auto import tqdm

from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.files import check_writable, project_root
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study, run_name

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one step of a study ended: ``done``, ``kept`` (finished before), ``failed`` or ``left out``.

    ``where`` is the notebook to look at, ``reason`` one line for a step that failed or was left out.
    """

    name: str
    step: str
    state: str
    seconds: float = 0.0
    where: Path | None = None
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.state in ("done", "kept")


def run_study(
    params: Params,
    report: Callable[[Outcome], None] = lambda outcome: None,
    progress: bool = True,
    only: str | None = None,
) -> list[Outcome]:
    """01 once, 02-04 for each encoder x strategy x seed, 05 at the end; then the same for each of ``also_evaluate``.

    A failed step leaves out what needs it, not the other runs.

    Args:
        params: the study.
        report: called with each outcome as it is known.
        progress: show a bar over the grid.
        only: the name of one run of the grid: it alone, without 05, which compares what has landed.

    Returns:
        One outcome per step, in order.

    Raises:
        InputError: the grid or the output folder cannot be used, what executes notebooks is not here, or the grid has no run called
            ``only``.
    """
    _check_notebooks()
    outcomes = []
    for part in (params, *params.further()):
        outcomes += _run_one_study(Study(part), report, progress, only)
    return outcomes


def _run_one_study(
    study: Study, report: Callable[[Outcome], None], progress: bool, only: str | None
) -> list[Outcome]:
    """01, then 02-04 of every run or of one, then 05."""
    params, runs = study.params, study.cells()
    if only is not None:
        runs = [run for run in runs if run_name(run.params) == only]
        if not runs:
            raise InputError(
                f"no run of {params.study} is called {only!r}; there are {', '.join(run_name(run.params) for run in study.cells())}"
            )
    check_writable(study.folder)
    with (
        _log_file(study.folder / "study.log"),
        tqdm(
            total=1 + (only is None) + len(runs) * len(RUN_STEPS),
            desc=params.study,
            unit="step",
            disable=not progress,
        ) as bar,
    ):

        def note(outcome: Outcome) -> Outcome:
            report(outcome)
            bar.set_postfix_str(f"{outcome.name} {NOTEBOOKS[outcome.step]}")
            bar.update()
            return outcome

        with FileLock(study.folder / "data.lock"):  # runs on several machines may share the folder
            data = note(run_step(study, "data"))
        with _share_of_cores(params.jobs), ThreadPoolExecutor(params.jobs) as workers:
            cells = [
                outcome
                for cell in workers.map(lambda run: _run_cell(run, data, note), runs)
                for outcome in cell
            ]
        if only is not None:
            return [data, *cells]
        broken = (
            next((o for o in [data, *cells] if not o.good), None)
            if not any(o.good and o.step == "bias" for o in cells)
            else None
        )
        last = note(
            _left_out(study, "comparison", broken) if broken else run_step(study, "comparison")
        )
    return [data, *cells, last]


def _run_cell(run: Study, data: Outcome, note: Callable[[Outcome], Outcome]) -> list[Outcome]:
    """02, 03 and 04 of one run, until one of them fails."""
    outcomes, broken = [], None if data.good else data
    for step in RUN_STEPS:
        outcomes.append(note(_left_out(run, step, broken) if broken else run_step(run, step)))
        broken = broken or (None if outcomes[-1].good else outcomes[-1])
    return outcomes


def _left_out(study: Study, step: str, broken: Outcome) -> Outcome:
    return Outcome(
        _title(study, step),
        step,
        "left out",
        reason=f"needs {NOTEBOOKS[broken.step]} of {broken.name}",
    )


@contextmanager
def _share_of_cores(jobs: int) -> Iterator[None]:
    """Kernels started meanwhile compute on their share of the cores, so that they do not slow each other down."""
    before = os.environ.get("OMP_NUM_THREADS")
    if jobs > 1 and before is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    yield
    if before is None:
        os.environ.pop("OMP_NUM_THREADS", None)


def run_missing(study: Study, step: str) -> None:
    """Run what ``step`` needs and is not finished, so that a notebook can be opened by itself.

    Raises:
        InputError: one of those steps failed.
    """
    needs = {
        "data": [],
        "training": ["data"],
        "evaluation": ["data", "training"],
        "bias": ["data", "training", "evaluation"],
    }
    if step == "comparison":
        missing = (
            [(cell, s) for cell in study.cells() for s in ("data", *RUN_STEPS)]
            if not study.finished_runs()
            else []
        )
    else:
        missing = [(study, s) for s in needs[step]]
    for cell, earlier in missing:
        if not cell.is_done(earlier):
            logging.getLogger("papermill").setLevel(
                logging.ERROR
            )  # it warns of every parameter that a notebook's first cell does not show
            logger.warning(
                "%s needs %s of %s first: running it",
                NOTEBOOKS[step],
                NOTEBOOKS[earlier],
                _title(cell, earlier),
            )
            outcome = run_step(cell, earlier)
            if not outcome.good:
                raise InputError(
                    f"{NOTEBOOKS[step]} needs {NOTEBOOKS[earlier]}, which failed: {outcome.reason}; see {outcome.where}"
                )


def run_step(study: Study, step: str) -> Outcome:
    """Execute one notebook into the study's folder, unless it is finished already.

    A notebook that ends without an error but without its marker (a kernel that died or was told to exit) failed.
    """
    import papermill

    study = study.trained if step == "training" else study
    name, out = _title(study, step), study.place(step) / f"{NOTEBOOKS[step]}.ipynb"
    if study.is_done(step):
        return Outcome(name, step, "kept", where=out)
    study.place(step).mkdir(parents=True, exist_ok=True)
    started, reason = time.time(), ""
    try:
        papermill.execute_notebook(
            _notebook(step),
            out,
            parameters=_injected(study.params),
            kernel_name="python3",
            progress_bar=False,
            cwd=_notebook(step).parent,
            extra_arguments=["--log-level=ERROR"],
        )
    except Exception as error:  # whatever ends a notebook must not end the study
        reason = _short(error)
    if not reason and not study.is_done(step):
        reason = "the notebook ended before its last cell: its kernel died or was told to exit"
    seconds = time.time() - started
    logger.info("%s %s: %s in %.0f s", name, NOTEBOOKS[step], reason or "done", seconds)
    return Outcome(name, step, "failed" if reason else "done", seconds, out, reason)


def _injected(params: Params) -> dict[str, object]:
    """What a notebook is told: the run, and whatever differs from the defaults."""
    values, defaults = params.plain(), Params().plain()
    always = ("study", "encoder", "strategy", "seed")
    return {
        name: value for name, value in values.items() if name in always or value != defaults[name]
    }


def _check_notebooks() -> None:
    """Refuse, before anything is written, to run notebooks without papermill, a kernel, or the notebooks."""
    for package in ("papermill", "ipykernel"):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"a study runs notebooks, and {package} is not installed: in a clone of the project, run: pip install '.[notebooks]'"
            )
    for step in NOTEBOOKS:
        _notebook(step)


def _notebook(step: str) -> Path:
    file = project_root() / "notebooks" / f"{NOTEBOOKS[step]}.ipynb"
    if not file.exists():
        raise InputError(
            f"{file}: no such notebook; a study is run from inside a clone of the project, which holds notebooks/"
        )
    return file


def _title(study: Study, step: str) -> str:
    return run_name(study.params) if step in RUN_STEPS else study.params.study


def _short(error: Exception) -> str:
    """The last line of what went wrong, without a terminal's colours."""
    kind, value = (
        getattr(error, "ename", type(error).__name__),
        getattr(error, "evalue", str(error)),
    )
    lines = [line for line in str(value).splitlines() if line.strip()]
    return f"{kind}: {lines[0] if lines else ''}"


class _log_file:
    """Everything that is logged meanwhile also goes to a file."""

    def __init__(self, file: Path) -> None:
        self.handler = logging.FileHandler(file, encoding="utf-8")
        self.handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        )
        self.loggers = [logging.getLogger("hybridlib"), logging.getLogger("papermill")]

    def __enter__(self) -> None:
        for log in self.loggers:
            log.addHandler(self.handler)
            log.setLevel(logging.INFO)

    def __exit__(self, *_: object) -> None:
        for log in self.loggers:
            log.removeHandler(self.handler)
        self.handler.close()
