"""What each query got in the runs of a study, read from their parquet files as arrays.

A system is an encoder trained with one strategy: its runs differ in their seed alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from hybridlib.config.names import NO_BATCHES
from hybridlib.evaluation import significance
from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.evaluation.significance import ClusteredMean, SeedVariance
from hybridlib.retrieval.ranking import cell_name, cell_names
from hybridlib.study.folder import Study, is_fixed, label
from hybridlib.study.results import PLAIN

RANK_DISTANCE = "rank distance"  # the measure beside the mAP of each setting
CORRECTED = "corrected.parquet"

_QUERY = ["question_id", "query_lang"]  # what names a query in all runs of a corpus
_COLUMNS = [*_QUERY, "target", "setting", "ap", "rank_distance"]


# By measure and correction.
_Results = dict[tuple[str, str], ClusteredMean]


def systems(runs: Sequence[Study]) -> dict[tuple[str, str], list[Study]]:
    """Return the runs by encoder and strategy, a list of seeds each."""
    groups: dict[tuple[str, str], list[Study]] = {}
    for run in runs:
        groups.setdefault((run.params.encoder, label(run.params)), []).append(run)
    return groups


def by_encoder(runs: Sequence[Study]) -> dict[str, list[Study]]:
    """Return the runs of each encoder."""
    groups: dict[str, list[Study]] = {}
    for run in runs:
        groups.setdefault(run.params.encoder, []).append(run)
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
    file = _file(run, PLAIN)
    return _cells(file, file.stat().st_mtime_ns)


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
    params = seeds[0].params
    has_no_seed = is_fixed(params.strategy, params.encoder)
    return _clustered_mean(dated, measure, correction, has_no_seed)


@functools.lru_cache(maxsize=1024)
def _clustered_mean(
    files: tuple[tuple[Path, int], ...], measure: str, correction: str, has_no_seed: bool
) -> ClusteredMean:
    """Put the seeds together; the files' times are there to notice a change."""
    setting = _setting(measure, correction)
    seeds = [_results(*dated, setting)[measure, correction] for dated in files]
    return dataclasses.replace(ClusteredMean.over_seeds(seeds), is_fixed=has_no_seed)


def has_results(run: Study, measure: str, correction: str) -> bool:
    """Return whether a run was evaluated with a correction, and its queries' results were kept."""
    if correction == PLAIN:
        return True
    file = _file(run, correction)
    if not file.exists():
        return False
    setting = _setting(measure, correction)
    return (measure, correction) in _results(file, file.stat().st_mtime_ns, setting)


def seed_variance(
    runs: Sequence[Study],
    measure: str,
    correction: str = PLAIN,
    cells: Collection[str] | None = None,
) -> SeedVariance | None:
    """Return how a measure varies between the seeds of an encoder's trained strategies.

    Args:
        runs: of one encoder.
        measure: as in :func:`clustered_mean`.
        correction: as in :func:`clustered_mean`.
        cells: the macro average over these alone; None: over all.

    Returns:
        One value for all strategies; None where none has two seeds. Soups, which vary less than
        what they are made of, do not count.
    """
    trained = []
    for seeds in systems(runs).values():
        found = [run for run in seeds if has_results(run, measure, correction)]
        if not found or found[0].params.strategy in NO_BATCHES:
            continue
        mean = clustered_mean(found, measure, correction)
        trained.append(mean if cells is None else mean.within(cells))
    return significance.seed_variance(trained)


def _file(run: Study, correction: str) -> Path:
    """Return the file that holds a run's results under a correction."""
    return run.run / ("per_query.parquet" if correction == PLAIN else CORRECTED)


def _setting(measure: str, correction: str) -> str | None:
    """Return the setting to read for a measure; None: all, of an encoder as it is."""
    if correction == PLAIN:
        return None
    return "multilingual" if measure == RANK_DISTANCE else measure


@functools.lru_cache(maxsize=1024)
def _results(file: Path, changed: int, setting: str | None) -> _Results:
    """Read a file once: every measure of the encoder as it is, or a setting of all corrections.

    Args:
        file: the results.
        changed: when the file was written; there to notice a change.
        setting: to be read; None: all.
    """
    if file.name == CORRECTED and "measure" in pq.read_schema(file).names:
        return _kept_by_question(file)
    table = _read(file, setting)
    if "correction" not in table:
        return _measures(table, PLAIN, _in_two_languages(table))
    plain = file.with_name("per_query.parquet")
    several = _queries(table).isin(_counted(_results(plain, plain.stat().st_mtime_ns, None)))
    found: _Results = {}
    for correction, rows in table.groupby("correction", observed=True).indices.items():
        found |= _measures(table.iloc[rows], str(correction), several[rows])
    return found


def corrected_by_question(run: Study) -> pd.DataFrame:
    """Return what each question got under each correction, in the little space of an export.

    Returns:
        Columns question_id, correction, measure, value: the values of
        :meth:`~hybridlib.evaluation.significance.ClusteredMean.by_question`.
    """
    parts = []
    for correction in run.metrics().get("corrections", {}):
        for measure in measures_of([run]):
            mean = clustered_mean([run], measure, correction).by_question()
            names = {"correction": correction, "measure": measure}
            values = pd.DataFrame({"question_id": mean.questions, "value": mean.sums[0, :, 0]})
            parts.append(values.assign(**names))
    return pd.concat(parts, ignore_index=True)


def _kept_by_question(file: Path) -> _Results:
    """Read what :func:`corrected_by_question` returned."""
    found: _Results = {}
    table = pd.read_parquet(file)
    table["cell"] = pd.Categorical([significance.ALL_CELLS]).repeat(len(table))
    for (measure, correction), part in table.groupby(["measure", "correction"], observed=True):
        found[str(measure), str(correction)] = ClusteredMean.of(part)
    return found


def _read(file: Path, setting: str | None) -> pd.DataFrame:
    """Read the rows of one setting, or all; names come as categories."""
    columns = _COLUMNS
    if file.name == CORRECTED:
        columns = [*_COLUMNS, "correction"]
    filters = None if setting is None else [("setting", "==", setting)]
    table = pd.read_parquet(file, columns=columns, filters=filters)
    return table.astype({"query_lang": "category", "target": "category", "setting": "category"})


def _measures(table: pd.DataFrame, correction: str, several: np.ndarray) -> _Results:
    """Return every measure of one run under one correction.

    Args:
        table: what each query got.
        correction: under which.
        several: which rows are of queries with relevant candidates in two languages, to which rank
            distance is limited, ``[rows]``.
    """
    found: _Results = {}
    for setting, rows in table.groupby("setting", observed=True):
        found[str(setting), correction] = ClusteredMean.of(
            rows.assign(cell=cell_names(rows["query_lang"], rows["target"]), value=rows["ap"])
        )
    pooled = table[(table["setting"] == "multilingual") & several]
    if len(pooled):
        found[RANK_DISTANCE, correction] = ClusteredMean.of(
            pooled.assign(cell=pooled["query_lang"].astype(str), value=pooled["rank_distance"])
        )
    return found


@functools.lru_cache(maxsize=16)
def _cells(file: Path, changed: int) -> dict[str, pd.DataFrame]:
    """Return the cells of each setting; ``changed`` is there to notice a change."""
    cells = {}
    for setting, rows in _read(file, None).groupby("setting", observed=True):
        found = rows[["query_lang", "target"]].drop_duplicates().astype(str)
        found.insert(0, "cell", [cell_name(*pair) for pair in found.to_numpy()])
        cells[str(setting)] = found
    return cells


def _in_two_languages(table: pd.DataFrame) -> np.ndarray:
    """Return which rows are of queries with relevant candidates in two languages, ``[rows]``.

    A query has a row for each language in which it has one, also in results of earlier versions.

    Args:
        table: the results of the encoder as it is, in all settings.
    """
    question, questions = pd.factorize(table["question_id"])
    query = question + len(questions) * table["query_lang"].cat.codes.to_numpy(int)
    in_language = query[(table["setting"] != "multilingual").to_numpy()]
    return np.bincount(in_language, minlength=1 + query.max(initial=0))[query] > 1


def _counted(results: _Results) -> pd.Index:
    """Return the queries that rank distance counts, by question and language."""
    if (RANK_DISTANCE, PLAIN) not in results:
        return pd.MultiIndex.from_arrays([[], []])
    mean = results[RANK_DISTANCE, PLAIN]
    question, language = np.nonzero(mean.counts)
    return pd.MultiIndex.from_arrays([mean.questions[question], mean.cells[language]])


def _queries(table: pd.DataFrame) -> pd.MultiIndex:
    """Return the query of each row, by question and language."""
    return pd.MultiIndex.from_arrays([table["question_id"], table["query_lang"].astype(str)])
