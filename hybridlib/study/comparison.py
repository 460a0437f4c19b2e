"""Systems of a study compared: intervals, differences, and what they are over languages and alpha.

A system is an encoder trained with one strategy. Intervals are over question ids, and over seeds
where any strategy of an encoder has several (:mod:`hybridlib.evaluation.significance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from hybridlib.config.names import UNTRAINED
from hybridlib.config.params import Params
from hybridlib.evaluation import significance
from hybridlib.evaluation.metrics import POOL
from hybridlib.evaluation.significance import Estimate
from hybridlib.study.folder import Study, label, varied
from hybridlib.study.per_query import (
    RANK_DISTANCE,
    by_encoder,
    cells_of,
    clustered_mean,
    has_results,
    measures_of,
    seed_variance,
    systems,
)
from hybridlib.study.report import stacked
from hybridlib.study.results import PLAIN

# The strategies that the paper compares hybrid batches with.
COMPARED = (UNTRAINED, "x-x-mono", "x-y")

# Shares of monolingual batches; the kept studies have the strategies of earlier versions.
_FIXED_SHARES = {"x-y": 0.0, "x-x-mono": 1.0, "hybrid-0.25": 0.25, "hybrid-0.75": 0.75}
_DIFFERENCE_COLUMNS = [
    "encoder",
    "measure",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "standard_error",
    "degrees_of_freedom",
    "p",
    "first_seeds",
    "second_seeds",
    "over",
]


def intervals(runs: Sequence[Study]) -> pd.DataFrame:
    """Return mAP in each setting, and rank distance, with 95 % intervals.

    Returns:
        One row per encoder, strategy and measure (a setting, or ``rank distance``): encoder,
        strategy, measure, mean, low, high, over (what the interval is over: ``questions and
        seeds``, or ``questions``), seeds (how many).
    """
    rows = []
    for encoder, of_encoder in by_encoder(runs).items():
        variances = {name: seed_variance(of_encoder, name) for name in measures_of(of_encoder)}
        for (_, strategy), seeds in systems(of_encoder).items():
            for measure, variance in variances.items():
                estimate = significance.interval(clustered_mean(seeds, measure), variance)
                row = {"encoder": encoder, "strategy": strategy, "measure": measure}
                rows.append({**row, **_values(estimate), "seeds": len(seeds)})
    return pd.DataFrame(rows)


def differences(
    runs: Sequence[Study],
    correction: str = PLAIN,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare every pair of strategies of an encoder, in each measure.

    The comparison is paired over question ids. All seeds of both strategies count.

    Args:
        runs: of one or several encoders.
        correction: compare the encoders under this training-free correction.
        measures: only these (settings, or ``rank distance``); None: all.

    Returns:
        Columns encoder, measure, first, second, difference (first - second), low, high (95 %
        interval), standard_error, degrees_of_freedom, p (of this one comparison), first_seeds,
        second_seeds (how many), over (as in :func:`intervals`).
    """
    rows = []
    for encoder, of_encoder in by_encoder(runs).items():
        for measure in measures_of(runs) if measures is None else measures:
            # The strategies that have results of this measure, each with its seeds.
            evaluated = [run for run in of_encoder if has_results(run, measure, correction)]
            variance = seed_variance(evaluated, measure, correction)
            means = {
                strategy: clustered_mean(seeds, measure, correction)
                for (_, strategy), seeds in systems(evaluated).items()
            }
            for first, second in combinations(means, 2):
                estimate = significance.compare(means[first], means[second], variance)
                rows.append(
                    {
                        "encoder": encoder,
                        "measure": measure,
                        "first": first,
                        "second": second,
                        **_difference_values(estimate),
                        "first_seeds": len(means[first].sums),
                        "second_seeds": len(means[second].sums),
                    }
                )
    return pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS)


def with_holm(table: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Return the rows of :func:`differences` with a column p_holm.

    It is p corrected within a family of comparisons with one strategy. The paper's claims, against
    ``COMPARED``, are one family; comparisons with further strategies are another, so that a
    study that tries more does not weaken the claims. Rows without the strategy have none.
    """
    is_first = table["first"].eq(strategy)
    is_second = table["second"].eq(strategy)
    other = table["second"].where(is_first, table["first"])
    is_claim = other.isin(COMPARED)
    adjusted = pd.Series(float("nan"), table.index)
    for family in (is_claim, ~is_claim):
        chosen = (is_first | is_second) & family
        adjusted[chosen] = significance.holm(table["p"][chosen])
    return table.assign(p_holm=adjusted)


def against(table: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Return the rows of :func:`differences` that concern one strategy, each strategy - other.

    Returns:
        Columns encoder, measure, other, difference, low, high, standard_error, over, p, p_holm
        (see :func:`with_holm`).
    """
    corrected = with_holm(table, strategy)
    first = corrected[corrected["first"] == strategy]
    second = corrected[corrected["second"] == strategy]
    # Turn the rows that name the strategy second: signs and the ends of the interval change.
    turned = second.assign(
        second=second["first"],
        difference=-second["difference"],
        low=-second["high"],
        high=-second["low"],
    )
    both = pd.concat([first, turned]).rename(columns={"second": "other"}).reset_index(drop=True)
    columns = ["encoder", "measure", "other", "difference", "low", "high", "standard_error"]
    return both[[*columns, "over", "p", "p_holm"]]


def corrected_gains(
    runs: Sequence[Study], corrections: Sequence[str], strategy: str
) -> pd.DataFrame:
    """Return what one strategy gains over the others in the pool, all of them corrected.

    Args:
        runs: of one or several encoders.
        corrections: training-free corrections, each applied to both sides of a difference.
        strategy: the one that the differences are of.

    Returns:
        As :func:`against`, with a column correction: multilingual mAP, and rank distance. Empty
        where there is no correction or no pool.
    """
    pooled = [name for name in ("multilingual", RANK_DISTANCE) if name in measures_of(runs)]
    parts = []
    for name in corrections:
        table = differences(runs, correction=name, measures=pooled)
        parts.append(against(table, strategy).assign(correction=name))
    return stacked(parts)


def alpha_curve(runs: Sequence[Study], table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of :func:`intervals` that differ in the share of monolingual batches alone.

    These are x-y (alpha 0), hybrid with any alpha, and x-x-mono (alpha 1).

    Returns:
        The rows, with a column alpha; empty unless there are three different ones.
    """
    shares = {}
    for run in runs:
        share = _monolingual_share(run.params)
        if share is not None:
            shares[label(run.params)] = share
    part = table[table["strategy"].isin(shares)]
    part = part.assign(alpha=part["strategy"].map(shares)).sort_values("alpha")
    return part if part["alpha"].nunique() > 2 else part.iloc[:0]


def _monolingual_share(params: Params) -> float | None:
    """Return the share of a run's batches that are monolingual; None where more is different."""
    if set(varied(params)) - {"alpha"}:
        return None
    if params.strategy == "hybrid":
        return params.alpha
    return _FIXED_SHARES.get(params.strategy)


def by_language(runs: Sequence[Study]) -> pd.DataFrame:
    """Return mAP of each query language in each setting, with 95 % intervals.

    Returns:
        Columns encoder, strategy, setting, lang, seen (whether it was trained on), mean, low, high,
        over (as in :func:`intervals`).
    """
    rows = []
    for setting, cells in cells_of(runs[0]).items():
        for lang, of_language in cells.groupby("query_lang")["cell"]:
            seen = lang in runs[0].params.languages
            part = _within(runs, setting, of_language)
            rows += [{**row, "lang": lang, "seen": seen} for row in part]
    return pd.DataFrame(rows)


def seen_unseen(runs: Sequence[Study]) -> pd.DataFrame:
    """Return mAP over the languages that were trained on, and over the others.

    A cell (a language, or an ordered pair) is unseen if one of its languages was not trained on;
    the pool itself, which always holds all languages, does not count.

    Returns:
        Columns encoder, strategy, setting, languages (``seen`` or ``unseen``), mean, low, high,
        over (as in :func:`intervals`); empty where there are no other languages.
    """
    rows = []
    trained = {*runs[0].params.languages, POOL}
    for setting, cells in cells_of(runs[0]).items():
        seen = cells["query_lang"].isin(trained) & cells["target"].isin(trained)
        if seen.all():
            continue
        for languages, chosen in (("seen", seen), ("unseen", ~seen)):
            if chosen.any():
                part = _within(runs, setting, cells["cell"][chosen])
                rows += [{**row, "languages": languages} for row in part]
    columns = ["encoder", "strategy", "setting", "languages", "mean", "low", "high", "over"]
    return pd.DataFrame(rows, columns=columns)


def _within(runs: Sequence[Study], setting: str, cells: pd.Series) -> list[dict[str, Any]]:
    """Return the mAP of every system over some cells of a setting, a row each."""
    rows = []
    for encoder, of_encoder in by_encoder(runs).items():
        variance = seed_variance(of_encoder, setting, cells=cells)
        for (_, strategy), seeds in systems(of_encoder).items():
            estimate = significance.interval(clustered_mean(seeds, setting).within(cells), variance)
            row = {"encoder": encoder, "strategy": strategy, "setting": setting}
            rows.append({**row, **_values(estimate)})
    return rows


def plane(table: pd.DataFrame, results: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the points that :func:`hybridlib.figures.bias_plane` draws.

    Args:
        table: from :func:`intervals`: the encoders as they are.
        results: from :func:`hybridlib.study.free.by_cost`: each system under its best correction,
            as a mean over the same seeds, without an interval.

    Returns:
        Columns strategy, correction, map and rank_distance, with low and high; empty where the
        corpus has no pool of languages.
    """
    if not {"multilingual", RANK_DISTANCE} <= set(table["measure"]):
        return pd.DataFrame()
    parts = [_coordinate(table, "multilingual", "map")]
    parts.append(_coordinate(table, RANK_DISTANCE, "rank_distance"))
    over = table[table["measure"] == "multilingual"].set_index(["encoder", "strategy"])["over"]
    points = pd.concat([*parts, over], axis=1).reset_index().assign(correction=PLAIN)
    if results is not None:
        names = {"multilingual mAP": "map", RANK_DISTANCE: "rank_distance"}
        corrected = results[results["correction"] != PLAIN].rename(columns=names)
        columns = ["encoder", "strategy", "correction", "map", "rank_distance"]
        points = pd.concat([points, corrected[columns]], ignore_index=True)
    if points["encoder"].nunique() > 1:
        points["strategy"] = points["encoder"] + " " + points["strategy"]
    return points.assign(seed=0)


def _coordinate(table: pd.DataFrame, measure: str, name: str) -> pd.DataFrame:
    """Return a measure by encoder and strategy, its columns named after an axis of the plane."""
    part = table[table["measure"] == measure].set_index(["encoder", "strategy"])
    names = {"mean": name, "low": f"{name}_low", "high": f"{name}_high"}
    return part[["mean", "low", "high"]].rename(columns=names)


def _values(estimate: Estimate) -> dict[str, Any]:
    """Return the columns of a mean with its interval."""
    return {
        "mean": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "over": "questions and seeds" if estimate.has_seeds else "questions",
    }


def _difference_values(estimate: Estimate) -> dict[str, Any]:
    """Return the columns of a difference with its interval and its test."""
    values = _values(estimate)
    return {
        "difference": values.pop("mean"),
        **values,
        "standard_error": estimate.standard_error,
        "degrees_of_freedom": estimate.degrees_of_freedom,
        "p": estimate.p,
    }
