"""The small part of a study that its comparison needs, to be kept and passed on: what models and vectors left behind.

An exported run holds its parameters, manifest, training log, metrics and what each query got; of texts, vectors and
models nothing. 05_comparison makes every table and figure from it, without an encoder or a corpus.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.errors import InputError
from hybridlib.files import check_writable, project_root, read_json, resolve, write_json, write_text
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import NOTEBOOKS, Study

_KEPT_AS_IT_IS = ("params.yaml", "run.json")


_NEEDED = ["question_id", "query_lang", "target", "setting", "relevant", "ap", "rank_distance"]


GRID_FILE = "study.yaml"


def export(study: Study, folder: Path) -> list[Study]:
    """Copy what a comparison needs of every finished run to ``folder/<study>``, the grid to its ``study.yaml``, and say
    in its ``README.md`` what was run, on what and for how long.

    Of the corrections only the multilingual setting is kept query by query; their other figures are in metrics.json.

    Returns:
        The exported runs, as runs of the new place.

    Raises:
        InputError: no run of the study is finished, or the folder cannot be written to.
    """
    runs, folder = finished_runs(study), resolve(folder)
    folder = folder.relative_to(project_root()) if folder.is_relative_to(project_root()) else folder
    if not runs:
        raise InputError(
            f"{study.folder}: no run is finished, so there is nothing to export; run the study first"
        )
    there = Study(study.params.but(output_dir=folder, also_evaluate=[], trained_in=None))
    check_writable(there.folder)
    exported = [Study(run.params.but(output_dir=folder, trained_in=None)) for run in runs]
    for run, copy in zip(runs, exported):
        _export_run(run, copy)
    there.params.save(there.folder / GRID_FILE)
    write_text(there.folder / "README.md", _readme(there, exported))
    return exported


def _export_run(run: Study, copy: Study) -> None:
    copy.run.mkdir(parents=True, exist_ok=True)
    for name in _KEPT_AS_IT_IS:
        shutil.copyfile(run.run / name, copy.run / name)
    _shorten_log(run.folder_of("training") / "training.jsonl", copy.run / "training.jsonl")
    write_text(
        copy.run / "metrics.json", json.dumps(_short(run.metrics()), ensure_ascii=False) + "\n"
    )
    _shrink(
        pd.read_parquet(run.run / "per_query.parquet", columns=_NEEDED),
        copy.run / "per_query.parquet",
    )
    if (run.run / "corrected.parquet").exists():
        pooled = pd.read_parquet(
            run.run / "corrected.parquet",
            columns=[*_NEEDED, "correction"],
            filters=[("setting", "==", "multilingual")],
        )
        _shrink(pooled, copy.run / "corrected.parquet")
    write_json(copy.marker("bias"), {**read_json(run.marker("bias")), "exported": True})


def _readme(study: Study, runs: list[Study]) -> str:
    """Which runs are here, their command, hardware, software and durations, in five lines."""
    manifests, where = (
        [read_json(run.run / "run.json") for run in runs],
        (study.params.output_dir / study.params.study).as_posix(),
    )

    def different(describe: Callable[[dict[str, Any]], str]) -> str:
        return ", ".join(dict.fromkeys(map(describe, manifests)))

    durations = []
    for name in ("training", "evaluation"):
        steps = [manifest["steps"][name] for manifest in manifests if name in manifest["steps"]]
        minutes = [
            step["seconds"] / 60 for step in steps if step.get("steps") != 0
        ]  # untrained: a training of no steps
        durations += [f"{name} {min(minutes):.1f} to {max(minutes):.1f}"] if minutes else []
    hardware = different(
        lambda manifest: (
            f"{manifest['hardware']['cpus']} CPU cores ({manifest['hardware']['machine']}), {', '.join(manifest['hardware']['gpus']) or 'no GPU'}"
        )
    )
    software = different(
        lambda manifest: (
            f"torch {manifest['versions']['torch']} and transformers {manifest['versions']['transformers']}"
        )
    )
    lines = [
        f"{len(runs)} of the {len(study.runs())} runs of the grid in `{GRID_FILE}`, without models, vectors and texts.",
        f"Command: `hybridlib run {where}/{GRID_FILE} -p output_dir outputs`, then `hybridlib export`.",
        f"Hardware: {hardware}. Software: {software}; commit {different(lambda manifest: str(manifest['commit'])[:9])}.",
        f"Minutes of a run, {study.params.jobs} at a time: {'; '.join(durations)}.",
        f"Tables and figures again, without an encoder: `hybridlib compare {where}`.",
    ]
    return f"# {study.params.study}\n\n" + "".join(f"- {line}\n" for line in lines)


def _short(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics, of each language pair only mAP and the number of queries, numbers to seven digits."""
    pairs = {
        pair: {name: row[name] for name in ("map", "queries")}
        for pair, row in metrics["per_pair"].items()
    }
    return json.loads(
        json.dumps({**metrics, "per_pair": pairs}),
        parse_float=lambda text: float(f"{float(text):.7g}"),
    )


def _shorten_log(file: Path, copy: Path) -> None:
    """The training log, its numbers to five digits."""
    records = [
        json.loads(line, parse_float=lambda text: float(f"{float(text):.5g}"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    write_text(copy, "".join(json.dumps(record) + "\n" for record in records))


def _shrink(table: pd.DataFrame, file: Path) -> None:
    """Write a table of what each query got in little space: names as categories, question ids as numbers (the same in
    every run of a corpus), precision to four digits."""
    names = [name for name in ("query_lang", "target", "setting", "correction") if name in table]
    whole = {
        name: pd.to_numeric(table[name].astype("int64"), downcast="integer")
        for name in ("relevant", "rank_distance")
    }
    numbers = pd.factorize(table["question_id"], sort=True)[0].astype("int32")
    table = table.assign(
        **{name: table[name].astype("category") for name in names},
        **whole,
        question_id=numbers,
        ap=table["ap"].round(4).astype("float32"),
    )
    table = table.sort_values([*names[::-1], "question_id"], kind="stable")
    table.to_parquet(
        file,
        index=False,
        compression="zstd",
        compression_level=19,
        use_dictionary=[*names, "ap"],
        column_encoding={"question_id": "DELTA_BINARY_PACKED"},
    )


def grid_of(path: Path) -> Path:
    """The parameter file of an exported study: the path itself, or ``study.yaml`` in the folder.

    Raises:
        InputError: there is none.
    """
    file = resolve(path)
    file = file / GRID_FILE if file.is_dir() else file
    if not file.exists():
        raise InputError(
            f"{file}: no such file; give a parameter file, or the folder of an exported study ({GRID_FILE} in it)"
        )
    return file


def compare(study: Study) -> Path:
    """Run 05_comparison on the runs that are finished, anew; the folder of its tables and figures.

    Raises:
        InputError: no run is finished, or the notebook failed.
    """
    from hybridlib.study.runner import run_step

    if not finished_runs(study):
        raise InputError(
            f"{study.folder}: no run is finished, so there is nothing to compare; `hybridlib run` trains and evaluates them"
        )
    study.marker("comparison").unlink(missing_ok=True)
    outcome = run_step(study, "comparison")
    if not outcome.good:
        raise InputError(f"{NOTEBOOKS['comparison']} failed: {outcome.reason}; see {outcome.where}")
    return study.comparison
