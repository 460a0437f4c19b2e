"""Commands on studies: ``hybridlib run``, ``compare``, ``combine`` and ``export``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hybridlib.config.params import Params
from hybridlib.config.yaml_files import parse_overrides
from hybridlib.errors import InputError
from hybridlib.files import resolve
from hybridlib.study import combine, export, grid, plan, soup
from hybridlib.study.encoders import say_prefixes
from hybridlib.study.fingerprint import finished_runs, is_done
from hybridlib.study.folder import NOTEBOOKS, Study
from hybridlib.study.progress import Progress
from hybridlib.study.runner import Outcome
from hybridlib.study.sizes import check_sizes

# Quality in the three settings, of every strategy.
_PICTURE = "map_by_setting.png"
_TABLES = ("summary.md", "results.md", "intervals.md", "verdict.md", "power.md")


def run_study(options: argparse.Namespace) -> int:
    """Run a study, or print its plan.

    Returns:
        The exit status: 1 if a step failed or was skipped.
    """
    if options.device not in plan.DEVICES:
        devices = ", ".join(plan.DEVICES)
        raise InputError(f"--device: no device is called {options.device!r}; there are {devices}")
    if options.dry_run and options.only:
        raise InputError("--dry-run is of the whole grid; leave --only out")
    params = Params.load(options.params, parse_overrides(options.p))
    say_prefixes(params)
    cautions = [f"caution: {line}" for line in check_sizes(params)]
    if options.dry_run:
        plans = plan.plan(params, options.params, options.device, options.p)
        print("\n".join([plan.describe(plans, options.device, plan.downloads(params)), *cautions]))
        return 0
    if cautions:
        print("\n".join(cautions))
    with closing(_Reporter(params.study)) as report:
        outcomes = grid.run_study(params, report, only=options.only)
    compared = [_show_study(Study(part)) for part in (params, *params.further())]
    if any(compared):
        print("Next: `make lab` opens the notebooks, which explain every figure;")
        print(f"`hybridlib compare {options.params}` prints all tables.")
    _show_failures(outcomes)
    return 0 if all(outcome.good for outcome in outcomes) else 1


class _Reporter:
    """Prints a line for each step that has ended and, on a terminal, a bar below them."""

    def __init__(self, study: str) -> None:
        """Show the bar; ``disable=None`` shows none in a log."""
        form = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}{postfix}"
        self._bar = tqdm(total=1, desc=study, bar_format=form, disable=None)

    def __call__(self, outcome: Outcome, progress: Progress) -> None:
        """Print how a step ended; what was skipped is said once, at the end."""
        self._bar.total = progress.total
        self._bar.n = progress.over
        self._bar.set_postfix_str(progress.describe())
        if outcome.state == "skipped":
            return
        line = f"[{progress.describe()}] {outcome.name}: {NOTEBOOKS[outcome.step]} {outcome.state}"
        if outcome.seconds:
            line += f" in {outcome.seconds:.0f} s"
        if outcome.reason and outcome.notebook:
            line += f", see {outcome.notebook}"
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def _show_failures(outcomes: list[Outcome]) -> None:
    """Print what was skipped, a line for each step that failed, and then each reason once."""
    skipped = Counter(_step_of(outcome.needs) for outcome in outcomes if outcome.needs)
    for step, count in skipped.items():
        print(f"skipped: {count} {'step' if count == 1 else 'steps'} that need {step}")
    failed: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.state == "failed":
            failed.setdefault(outcome.reason, []).append(_step_of(outcome))
    for reason, steps in failed.items():
        print(f"failed: {', '.join(steps)}: {reason}")


def _step_of(outcome: Outcome) -> str:
    """Return a step and whose it is."""
    return f"{NOTEBOOKS[outcome.step]} of {outcome.name}"


def _show_study(study: Study) -> bool:
    """Print what a study has found: one table, one picture's file, and what it means.

    Returns:
        Whether the study has been compared.
    """
    print(f"\nExecuted notebooks and figures: {study.folder}")
    if not is_done(study, "comparison"):
        return False
    intervals = (study.comparison / "intervals.md").read_text(encoding="utf-8")
    summary = (study.comparison / "summary.md").read_text(encoding="utf-8")
    print(f"\nmAP and rank distance with 95 % intervals:\n\n{intervals}")
    print(f"In one picture: {study.comparison / 'figures' / _PICTURE}\n\n{summary}")
    return True


def choose_settings(options: argparse.Namespace) -> int:
    """Run the trials of a grid and print their table.

    Returns:
        The exit status: 1 if a trial failed.
    """
    from hybridlib.study import choice  # imports torch in its trials alone

    params = Params.load(options.params, parse_overrides(options.p))
    table = choice.choose(params, lambda line: print(line, flush=True))
    print(f"\n{choice.as_markdown(table)}")
    print(f"Trials: {choice.folder_of(Study(params)) / 'choice.csv'}")
    return 1 if table["failed"].ne("").any() else 0


def show_tables(folder: Path) -> None:
    """Print the tables that 05 has written; with one seed there is none of the power."""
    for file in (folder / name for name in _TABLES):
        if file.exists():
            print(f"\n{file.read_text(encoding='utf-8')}")


def compare_studies(options: argparse.Namespace) -> int:
    """Make the tables and figures of studies again, and of each of their ``also_evaluate``.

    The tables are printed where one study is named.
    """
    if options.jobs < 1:
        raise InputError(f"--jobs: {options.jobs} comparisons at a time; give 1 or more")
    alone = len(options.params) == 1

    def show(study: Study) -> None:
        if alone:
            show_tables(study.comparison)
        counts = f"{len(finished_runs(study))} of {len(study.runs())} runs"
        print(f"Tables and figures of {counts}: {study.comparison}", flush=True)

    studies: list[Study] = []
    missing: list[Study] = []
    for file in options.params:
        params = _params_of(file, parse_overrides(options.p))
        studies.append(Study.open_to_compare(params))
        for further in map(Study.open_to_compare, params.further()):
            (studies if finished_runs(further) else missing).append(further)
    export.compare_all(studies, options.jobs, show)
    for study in missing:
        print(f"{study.folder}: no run is finished yet")
    return 0


def combine_studies(options: argparse.Namespace) -> int:
    """Combine the claims of several studies."""
    studies = [Study.open_to_compare(_params_of(path, {})) for path in options.studies]
    print(combine.write_combined(studies, options.out))
    made = "combined.csv, combined.md, by_study.md, answer.md and forest.png"
    print(f"wrote {made}: {options.out}")
    return 0


def _params_of(path: Path, values: dict[str, Any]) -> Params:
    """Return the parameters of a file, or of the folder of an exported study.

    Args:
        path: of the file or the folder.
        values: that replace those of the file.
    """
    file = export.grid_of(path)
    if file != resolve(path):
        # The folder of an exported study may lie anywhere.
        values = {"output_dir": str(file.parent.parent), "study": file.parent.name, **values}
    return Params.load(file, values)


def export_study(options: argparse.Namespace) -> int:
    """Copy what a comparison needs of a study."""
    study = Study.open(Params.load(options.params, parse_overrides(options.p)))
    if options.choice:
        from hybridlib.study import choice

        print(f"exported the record of trials to {choice.export(study, options.out)}")
        return 0
    exported = export.export(study, options.out)
    folder = options.out / study.params.study
    print(f"exported {len(exported)} of {len(study.runs())} runs to {folder}")
    return 0


def make_soup(options: argparse.Namespace) -> int:
    """Average the weights of several finished runs."""
    soup.write_soup(options.runs, options.share, options.out)
    print(f"wrote the soup of {len(options.runs)} runs: {options.out}")
    return 0
