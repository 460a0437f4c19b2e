"""What each query got in the runs of a study, read from their parquet files and ready to resample.

A system is an encoder trained with one strategy: its runs differ in their seed alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.evaluation.significance import ClusteredMean
from hybridlib.retrieval.ranking import cell_name
from hybridlib.study.folder import Study, label
from hybridlib.study.results import PLAIN

RANK_DISTANCE = "rank distance"  # the measure beside the mAP of each setting

_QUERY = ["question_id", "query_lang"]  # what names a query in all runs of a corpus
_COLUMNS = ["question_id", "query_lang", "target", "relevant", "ap", "rank_distance"]


def systems(runs: Sequence[Study]) -> dict[tuple[str, str], list[Study]]:
    """Return the runs by encoder and strategy, a list of seeds each."""
    groups: dict[tuple[str, str], list[Study]] = {}
    for run in runs:
        groups.setdefault((run.params.encoder, label(run.params)), []).append(run)
    return groups


def settings_of(runs: Sequence[Study]) -> list[str]:
    """Return the retrieval settings that the first run was evaluated in."""
    evaluated = runs[0].metrics()["settings"]
    return [setting for setting in SETTINGS if setting in evaluated]


def measures_of(runs: Sequence[Study]) -> list[str]:
    """Return what the first run can be compared by: its settings, and rank distance."""
    measures = settings_of(runs)
    if "rank_distance" in runs[0].metrics()["bias"]:
        measures.append(RANK_DISTANCE)
    return measures


def cells_of(run: Study) -> dict[str, pd.DataFrame]:
    """Return the cells of each setting; they are the same in every run of a study.

    Returns:
        By setting, one row per cell: cell, query_lang, target.
    """
    cells = {}
    for setting in settings_of([run]):
        table = _average_precision(_file(run, PLAIN), setting, PLAIN)
        cells[setting] = table[["cell", "query_lang", "target"]].drop_duplicates()
    return cells


def clustered_mean(seeds: Sequence[Study], measure: str, correction: str = PLAIN) -> ClusteredMean:
    """Return a measure of one system by seed, question and cell.

    It is built once for all tables, unless a file changes.

    Args:
        seeds: the system's runs.
        measure: a setting, for its average precision, or ``rank distance``.
        correction: the encoder under this training-free correction.
    """
    files = [_file(run, correction) for run in seeds]
    dated = tuple((file, file.stat().st_mtime_ns) for file in files)
    return _clustered_mean(dated, measure, correction)


@functools.lru_cache(maxsize=256)
def _clustered_mean(
    files: tuple[tuple[Path, int], ...], measure: str, correction: str
) -> ClusteredMean:
    """Read the files of all seeds; their times are there to notice a change."""
    read = _rank_distance if measure == RANK_DISTANCE else _average_precision
    return ClusteredMean([read(file, measure, correction) for file, _ in files])


def has_results(run: Study, measure: str, correction: str) -> bool:
    """Return whether a run was evaluated with a correction, and its queries' results were kept."""
    if correction == PLAIN:
        return True
    if correction not in run.metrics().get("corrections", {}):
        return False
    setting = "multilingual" if measure == RANK_DISTANCE else measure
    file = _file(run, correction)
    filters = [("setting", "==", setting), ("correction", "==", correction)]
    return file.exists() and len(pd.read_parquet(file, columns=["ap"], filters=filters)) > 0


def _file(run: Study, correction: str) -> Path:
    """Return the file that holds a run's results under a correction."""
    return run.run / ("per_query.parquet" if correction == PLAIN else "corrected.parquet")


def _read(file: Path, setting: str, correction: str) -> pd.DataFrame:
    """Read the rows of one setting and correction."""
    return _read_dated(file, file.stat().st_mtime_ns, setting, correction)


# Few at a time, for they are large: multilingual mAP and rank distance of a system share them.
@functools.lru_cache(maxsize=16)
def _read_dated(file: Path, changed: int, setting: str, correction: str) -> pd.DataFrame:
    """Read the rows of one setting and correction; ``changed`` is there to notice a change."""
    filters = [("setting", "==", setting)]
    if correction != PLAIN:
        filters.append(("correction", "==", correction))
    table = pd.read_parquet(file, columns=_COLUMNS, filters=filters)
    return table.assign(
        query_lang=table["query_lang"].astype(str), target=table["target"].astype(str)
    )


def _average_precision(file: Path, setting: str, correction: str) -> pd.DataFrame:
    """Read average precision; a cell is a query language and a target."""
    table = _read(file, setting, correction)
    groups = table.groupby(["query_lang", "target"])
    names = np.array([cell_name(*cell) for cell in groups.size().index])
    return table.assign(cell=names[groups.ngroup()], value=table["ap"])


def _rank_distance(file: Path, measure: str, correction: str) -> pd.DataFrame:
    """Read rank distance in the pool, of queries with relevant candidates in two languages."""
    table = _read(file, "multilingual", correction)
    plain = file.with_name("per_query.parquet")
    several = _in_two_languages(plain, plain.stat().st_mtime_ns)
    table = table[pd.MultiIndex.from_frame(table[_QUERY]).isin(several)]
    return table.assign(cell=table["query_lang"], value=table["rank_distance"])


@functools.lru_cache(maxsize=256)
def _in_two_languages(file: Path, changed: int) -> pd.Index:
    """Return the queries with relevant candidates in two languages, by question and language.

    A query has a row for each language in which it has one, also in results of earlier versions.

    Args:
        file: the results of the encoder as it is.
        changed: when the file was written; there to notice a change.
    """
    table = pd.read_parquet(file, columns=_QUERY, filters=[("setting", "!=", "multilingual")])
    languages = table.astype({"query_lang": str}).groupby(_QUERY).size()
    return languages.index[languages > 1]
