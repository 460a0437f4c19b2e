"""Tables for the figures: checked, averaged over seeds, or made from what a run gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import SETTINGS

if TYPE_CHECKING:
    from hybridlib.batching.registry import Batch
    from hybridlib.retrieval.ranking import Ranking

RANK_DISTANCE = "rank distance"
MEASURES = (*SETTINGS, RANK_DISTANCE)
BARS = "bars: 95 % interval"


def batch_languages(
    pairs: pd.DataFrame, batches: Iterable[Batch]
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the languages of drawn batches, as ``batch_grid`` draws them.

    Args:
        pairs: the training pairs from which the batches were drawn; column lang.
        batches: their ``questions`` and ``passages`` are row numbers of ``pairs``.

    Returns:
        For each batch the language of every row's question, and of every row's passage.
    """
    languages = pairs["lang"].to_numpy()
    questions = []
    passages = []
    for batch in batches:
        questions.append(languages[batch.questions].tolist())
        passages.append(languages[batch.passages].tolist())
    return questions, passages


def answers_of(ranking: Ranking, queries: Collection[int], strategy: str) -> pd.DataFrame:
    """Return the ranks of some queries' answers, as ``answer_ranks`` draws them.

    Args:
        ranking: of the whole corpus, under one encoder.
        queries: row numbers of the queries, at most one of each language.
        strategy: what the row of the figure is called.

    Returns:
        The rows of ``ranking.relevant``, with columns strategy and query (``en query``).
    """
    ranks = ranking.relevant[ranking.relevant["query"].isin(queries)]
    return ranks.assign(strategy=strategy, query=ranks["query_lang"] + " query")


def two_languages(candidates: pd.DataFrame, each: int = 80) -> pd.DataFrame:
    """Return the first candidates of two languages, for ``language_projections``.

    The languages are the first two of en, zh, ar, de and all others that the candidates have.

    Args:
        candidates: of a corpus; column lang.
        each: candidates of a language at most.
    """
    present = sorted(candidates["lang"].unique())
    preferred = [lang for lang in ("en", "zh", "ar", "de") if lang in present]
    languages = list(dict.fromkeys([*preferred, *present]))[:2]
    return candidates[candidates["lang"].isin(languages)].groupby("lang").head(each)


def some_groups(candidates: pd.DataFrame, count: int = 60) -> pd.Series:
    """Return which candidates belong to some groups, for ``language_projection``.

    Args:
        candidates: of a corpus; column group.
        count: groups at most. They are drawn at random, the same ones at each call.
    """
    groups = candidates["group"].drop_duplicates()
    return candidates["group"].isin(groups.sample(count, random_state=0, replace=True))


def settings_table(metrics: Mapping[str, Mapping[str, Any]], seed: int = 0) -> pd.DataFrame:
    """Return the mAP of runs (or corrections) in each setting, as ``map_by_setting`` draws it.

    Args:
        metrics: by strategy (or any other name of a row) the content of metrics.json, or of one of
            its corrections: a mapping with ``settings``.
        seed: of the runs.

    Returns:
        Columns strategy, seed, setting, map.
    """
    rows = []
    for name, content in metrics.items():
        for setting, values in content["settings"].items():
            rows.append({"strategy": name, "seed": seed, "setting": setting, "map": values["map"]})
    return pd.DataFrame(rows, columns=["strategy", "seed", "setting", "map"])


def settings_of_intervals(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison's mAP with its intervals, as ``map_by_setting`` draws it.

    Args:
        intervals: columns strategy, measure, mean, low, high, of one encoder; the rows
            whose measure is no setting are dropped. Optional: over, see :func:`bars`.

    Returns:
        Columns strategy, seed, setting, map, low, high: means over seeds, under seed 0.
    """
    table = intervals[intervals["measure"].isin(SETTINGS)]
    table = table.rename(columns={"measure": "setting", "mean": "map"}).assign(seed=0)
    columns = ["strategy", "seed", "setting", "map", "low", "high", "over"]
    return table[[name for name in columns if name in table]]


def check_columns(table: pd.DataFrame, columns: Sequence[str], figure: str) -> None:
    """Refuse a table that lacks columns, or rows.

    Raises:
        InputError: naming the figure and what the table lacks.
    """
    missing = [column for column in columns if column not in table]
    if missing and len(table.columns):
        raise InputError(
            f"{figure}: the table has no column {', '.join(missing)}; it needs {', '.join(columns)}"
        )
    if table.empty:
        raise InputError(f"{figure}: the table is empty, there is nothing to draw")


def bars(table: pd.DataFrame) -> str:
    """Return what the bars of a figure are.

    Args:
        table: an optional column over says what each interval is over (``questions and seeds``, or
            ``questions``). Intervals over questions alone in all rows are called so.
    """
    if "over" not in table:
        return BARS
    if table["over"].dropna().str.contains("seeds").any():
        return f"{BARS} over questions and seeds"
    return f"{BARS} over questions alone"


def mean_and_bar(
    results: pd.DataFrame, by: list[str], value: str, low: str = "", high: str = ""
) -> tuple[pd.DataFrame, str]:
    """Average a column over seeds, with what its bars show.

    Args:
        results: columns ``by``, seed and ``value``; a row per seed.
        by: what the averages are of.
        value: the column to average.
        low: column with the lower ends of 95 % intervals, if there are any.
        high: column with their upper ends.

    Returns:
        Columns ``by``, mean, low, high, and a note. The bars are the range over seeds if any group
        has several, else the given intervals; without either low and high are NaN and the note is
        empty.

    Raises:
        InputError: no row has a value.
    """
    results = results.dropna(subset=value)
    if results.empty:
        raise InputError(f"there is nothing to draw: no row has a {value}")
    groups = results.groupby(by, sort=False)
    table = groups[value].agg(mean="mean", low="min", high="max").reset_index()
    seeds = int(groups["seed"].nunique().max())
    if seeds > 1:
        return table, f"bars: range over {seeds} seeds"
    if {low, high} <= set(results):
        ends = groups[[low, high]].mean().reset_index()
        return table.assign(low=ends[low], high=ends[high]), bars(results)
    return table.assign(low=np.nan, high=np.nan), ""


def settings_in(table: pd.DataFrame) -> list[str]:
    """Return the settings that a table's column setting holds, in their usual order."""
    return [setting for setting in SETTINGS if setting in set(table["setting"])]


def measures_in(table: pd.DataFrame) -> list[str]:
    """Return the measures that a table's column measure holds: settings, then rank distance."""
    return [measure for measure in MEASURES if measure in set(table["measure"])]
