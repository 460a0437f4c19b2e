"""Export a study: the small part of it that its comparison needs, to be kept and passed on.

An exported run holds its parameters, run.json, training log, metrics and what each query got, but
no texts, vectors or models. 05_comparison makes every table and figure from it, without an encoder
or a corpus.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridlib.errors import InputError
from hybridlib.files import check_writable, project_root, read_json, resolve, write_json, write_text
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import GRID_FILE, NOTEBOOKS, Study
from hybridlib.study.grid import share_cores
from hybridlib.study.per_query import CORRECTED, corrected_by_question
from hybridlib.study.runner import run_step
from hybridlib.study.warm_kernel import warm_kernel

_ASIDE = ".export.part"
_COLUMNS = ["question_id", "query_lang", "target", "setting", "relevant", "ap", "rank_distance"]


def export(study: Study, folder: Path) -> list[Study]:
    """Copy what a comparison needs of every finished run to ``folder/<study>``.

    An earlier export is replaced as a whole, with the comparison made of it. Beside the runs,
    ``study.yaml`` holds the grid, and ``README.md`` says what was run, on what and for how long. Of
    the corrections one value is kept for each question, measure and correction.

    Args:
        study: the study to export.
        folder: the folder to write to.

    Returns:
        The exported runs, as runs of the new folder.

    Raises:
        InputError: no run of the study is finished, or the folder cannot be written to or is one
            that a study was run in.
    """
    runs = finished_runs(study)
    if not runs:
        raise InputError(
            f"{study.folder}: no run is finished, so there is nothing to export; run the study "
            "first"
        )
    folder = resolve(folder)
    if folder.is_relative_to(project_root()):
        folder = folder.relative_to(project_root())
    copy = Study(study.params.but(output_dir=folder, also_evaluate=[], trained_in=None))
    _check_target(study, copy)
    exported = [Study(run.params.but(output_dir=folder, trained_in=None)) for run in runs]

    # Write everything aside; an error then leaves an earlier export as it was.
    aside = copy.folder / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for run, copied in zip(runs, exported, strict=True):
            _export_run(run, copied, aside / copied.run.name)
        copy.params.save(aside / GRID_FILE)
        write_text(aside / "README.md", _readme(copy, [aside / run.run.name for run in exported]))
        _put_in_place(aside, copy)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return exported


def _check_target(study: Study, copy: Study) -> None:
    """Refuse a folder that cannot be written to, or that holds more than an export.

    Raises:
        InputError: the folder is one of these.
    """
    check_writable(copy.folder)
    trained = list(copy.folder.glob(f"*/{NOTEBOOKS['training']}.*"))
    if copy.folder.samefile(study.folder) or copy.data.exists() or trained:
        raise InputError(
            f"{copy.folder}: a study was run in this folder, and an export would replace its "
            "results; export to another folder with --out"
        )


def _put_in_place(aside: Path, copy: Study) -> None:
    """Replace an earlier export: its runs are gone before the first new one is there."""
    # Without its marker no run counts as finished.
    copy.unmark("comparison")
    copy.remove_drawn("comparison")
    earlier = list(copy.folder.glob(f"*/{copy.marker('bias').name}"))
    for marker in earlier:
        marker.unlink()
    for marker in earlier:
        shutil.rmtree(marker.parent)
    for name in (GRID_FILE, "README.md"):
        (aside / name).replace(copy.folder / name)
    for run in sorted(aside.iterdir()):
        # A kill may have left a folder without its marker.
        target = copy.folder / run.name
        shutil.rmtree(target, ignore_errors=True)
        run.replace(target)


def _export_run(run: Study, copy: Study, folder: Path) -> None:
    """Write the files of one run into a new folder.

    Args:
        run: the run.
        copy: the same run in the exported study.
        folder: where to.
    """
    folder.mkdir(parents=True)
    for name in ("params.yaml", "run.json"):
        shutil.copyfile(run.run / name, folder / name)
    _shorten_log(run.folder_of("training") / "training.jsonl", folder / "training.jsonl")
    metrics = run.metrics()
    shortened = json.dumps(_shortened(metrics), ensure_ascii=False)
    write_text(folder / "metrics.json", shortened + "\n")

    # What each query got of the encoder as it is, and each question of the corrected one.
    plain = pd.read_parquet(run.run / "per_query.parquet", columns=_COLUMNS)
    _write_small(plain, folder / "per_query.parquet")
    if metrics.get("corrections"):
        numbers = pd.Index(np.sort(plain["question_id"].unique()))
        _write_corrected(corrected_by_question(run), numbers, folder / CORRECTED)

    marker = {**read_json(run.marker("bias")), "exported": True}
    write_json(folder / copy.marker("bias").name, marker)


def _readme(study: Study, runs: list[Path]) -> str:
    """Return five lines: which runs, their command, hardware, software and durations."""
    manifests = [read_json(run / "run.json") for run in runs]
    folder = (study.params.output_dir / study.params.study).as_posix()
    hardware = _different([_hardware(manifest) for manifest in manifests])
    software = _different([_software(manifest) for manifest in manifests])
    commits = _different([str(manifest["commit"])[:9] for manifest in manifests])
    lines = [
        f"{len(runs)} of the {len(study.runs())} runs of the grid in `{GRID_FILE}`, without "
        "models, vectors and texts.",
        f"Command: `hybridlib run {folder}/{GRID_FILE} -p output_dir outputs`, then `hybridlib "
        "export`.",
        f"Hardware: {hardware}. Software: {software}; commit {commits}.",
        f"Minutes of a run, {study.params.jobs} at a time: {_durations(manifests)}.",
        f"Tables and figures again, without an encoder: `hybridlib compare {folder}`.",
    ]
    return f"# {study.params.study}\n\n" + "".join(f"- {line}\n" for line in lines)


def _different(texts: list[str]) -> str:
    """Return the different texts, in order."""
    return ", ".join(dict.fromkeys(texts))


def _hardware(manifest: dict[str, Any]) -> str:
    """Return the hardware of a run."""
    hardware = manifest["hardware"]
    gpus = ", ".join(hardware["gpus"]) or "no GPU"
    return f"{hardware['cpus']} CPU cores ({hardware['machine']}), {gpus}"


def _software(manifest: dict[str, Any]) -> str:
    """Return the main versions of a run."""
    versions = manifest["versions"]
    return f"torch {versions['torch']} and transformers {versions['transformers']}"


def _durations(manifests: list[dict[str, Any]]) -> str:
    """Return the shortest and the longest training and evaluation, in minutes."""
    durations = []
    for name in ("training", "evaluation"):
        steps = [manifest["steps"][name] for manifest in manifests if name in manifest["steps"]]
        # An untrained run has a training of no steps.
        minutes = [step["seconds"] / 60 for step in steps if step.get("steps") != 0]
        if minutes:
            durations.append(f"{name} {min(minutes):.1f} to {max(minutes):.1f}")
    return "; ".join(durations)


def _shortened(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return metrics to seven digits; of a language pair only mAP and the number of queries."""
    pairs = {}
    for pair, row in metrics["per_pair"].items():
        pairs[pair] = {"map": row["map"], "queries": row["queries"]}
    return json.loads(json.dumps({**metrics, "per_pair": pairs}), parse_float=_rounded(7))


def _shorten_log(file: Path, copy: Path) -> None:
    """Copy a training log, its numbers to five digits."""
    lines = file.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line, parse_float=_rounded(5)) for line in lines]
    write_text(copy, "".join(json.dumps(record) + "\n" for record in records))


def _rounded(digits: int) -> Callable[[str], float]:
    """Return a reader of numbers that keeps so many significant digits."""

    def read(text: str) -> float:
        return float(f"{float(text):.{digits}g}")

    return read


def _write_small(table: pd.DataFrame, file: Path) -> None:
    """Write what each query got in little space.

    Names become categories; question ids numbers, the same in every run of a corpus; precision has
    four digits.
    """
    names = ["query_lang", "target", "setting"]
    small = table.assign(
        question_id=pd.factorize(table["question_id"], sort=True)[0].astype("int32"),
        ap=table["ap"].round(4).astype("float32"),
    )
    for name in names:
        small[name] = small[name].astype("category")
    for name in ("relevant", "rank_distance"):
        small[name] = pd.to_numeric(small[name].astype("int64"), downcast="integer")
    # Equal values beside each other compress well.
    small = small.sort_values([*names[::-1], "question_id"], kind="stable")
    small.to_parquet(
        file,
        index=False,
        compression="zstd",
        compression_level=19,
        use_dictionary=[*names, "ap"],
        column_encoding={"question_id": "DELTA_BINARY_PACKED"},
    )


def _write_corrected(table: pd.DataFrame, question_ids: pd.Index, file: Path) -> None:
    """Write what each question got under the corrections in little space.

    Args:
        table: from :func:`corrected_by_question`.
        question_ids: of the corpus, sorted: a question's number is its place there.
        file: where to.
    """
    small = pd.DataFrame(
        {
            "correction": table["correction"].astype("category"),
            "measure": table["measure"].astype("category"),
            "question_id": question_ids.get_indexer(table["question_id"]).astype("int32"),
            "value": table["value"].round(4).astype("float32"),
        }
    )
    small.to_parquet(
        file,
        index=False,
        compression="zstd",
        compression_level=19,
        use_dictionary=["correction", "measure"],
        column_encoding={"question_id": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
    )


def grid_of(path: Path) -> Path:
    """Return the parameter file of an exported study.

    Args:
        path: the file itself, or the study's folder with a ``study.yaml`` in it.

    Raises:
        InputError: there is none.
    """
    file = resolve(path)
    if file.is_dir():
        file = file / GRID_FILE
    if not file.exists():
        raise InputError(
            f"{file}: no such file; give a parameter file, or the folder of an exported study "
            f"({GRID_FILE} in it)"
        )
    return file


def compare(study: Study) -> Path:
    """Run 05_comparison anew on the runs that are finished.

    Returns:
        The folder of its tables and figures.

    Raises:
        InputError: no run is finished, or the notebook failed.
    """
    if not finished_runs(study):
        raise InputError(
            f"{study.folder}: no run is finished, so there is nothing to compare; `hybridlib run` "
            "trains and evaluates them"
        )
    study.marker("comparison").unlink(missing_ok=True)
    outcome = run_step(study, "comparison")
    if not outcome.good:
        raise InputError(
            f"{NOTEBOOKS['comparison']} failed: {outcome.reason}; see {outcome.notebook}"
        )
    return study.comparison


def compare_all(
    studies: Sequence[Study], jobs: int = 1, report: Callable[[Study], None] = lambda study: None
) -> None:
    """Run 05_comparison anew on the finished runs of several studies.

    Args:
        studies: compared in this order.
        jobs: so many at a time. Each has one kernel for all of its studies.
        report: called with each study that has been compared.

    Raises:
        InputError: as :func:`compare`, once no comparison is running any more.
    """
    waiting = iter(studies)  # a thread takes the next one when it is free

    def work() -> None:
        with warm_kernel():
            for study in waiting:
                compare(study)
                report(study)

    with share_cores(jobs), ThreadPoolExecutor(jobs) as workers:
        started = [workers.submit(work) for _ in range(min(jobs, len(studies)))]
    for each in started:
        each.result()
