"""Systems of a study compared: intervals, differences, and what they are over languages and alpha.

A system is an encoder trained with one strategy. Intervals are bootstrap intervals over question
ids, and over seeds where there are several (:mod:`hybridlib.evaluation.significance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import pandas as pd
from tqdm.auto import tqdm

from hybridlib.config.names import UNTRAINED
from hybridlib.config.params import Params
from hybridlib.evaluation import significance
from hybridlib.evaluation.metrics import POOL
from hybridlib.evaluation.significance import Interval
from hybridlib.study.folder import Study, label, varied
from hybridlib.study.per_query import (
    RANK_DISTANCE,
    cells_of,
    clustered_mean,
    has_results,
    measures_of,
    settings_of,
    systems,
)
from hybridlib.study.report import stacked
from hybridlib.study.results import PLAIN, over_seeds

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
    "p",
    "seeds",
]

# A bar where resampling takes a while.
_resampling = partial(tqdm, desc="resampling", mininterval=2, delay=2, leave=False)


def intervals(runs: Sequence[Study], draws: int = 2000) -> pd.DataFrame:
    """Return mAP in each setting, and rank distance, with 95 % intervals.

    Returns:
        One row per encoder, strategy and measure (a setting, or ``rank distance``): encoder,
        strategy, measure, mean, low, high, seeds.
    """
    rows = []
    for (encoder, strategy), seeds in _resampling(systems(runs).items()):
        for measure in measures_of(seeds):
            interval = significance.interval(clustered_mean(seeds, measure), draws)
            rows.append(
                {
                    "encoder": encoder,
                    "strategy": strategy,
                    "measure": measure,
                    **_values(interval),
                    "seeds": len(seeds),
                }
            )
    return pd.DataFrame(rows)


def differences(
    runs: Sequence[Study],
    draws: int = 2000,
    correction: str = PLAIN,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare every pair of strategies of an encoder, in each measure.

    The comparison is paired over question ids, and over the seeds that both have. An untrained
    encoder is the same whatever the seed, and is compared with all of them.

    Args:
        runs: of one or several encoders.
        draws: samples of the bootstrap, and of the randomisation test.
        correction: compare the encoders under this training-free correction.
        measures: only these (settings, or ``rank distance``); None: all.

    Returns:
        Columns encoder, measure, first, second, difference (first - second), low, high (95 %
        bootstrap), p (paired randomisation), seeds (how many both have).
    """
    rows = []
    for encoder in dict.fromkeys(run.params.encoder for run in runs):
        of_encoder = [run for run in runs if run.params.encoder == encoder]
        for measure in measures_of(runs) if measures is None else measures:
            # The strategies that have results of this measure, each with its seeds.
            evaluated = [run for run in of_encoder if has_results(run, measure, correction)]
            by_strategy = {name: seeds for (_, name), seeds in systems(evaluated).items()}
            for pair in _resampling(list(combinations(by_strategy, 2))):
                first, second = _of_common_seeds(by_strategy, *pair)
                difference = significance.compare(
                    clustered_mean(first, measure, correction),
                    clustered_mean(second, measure, correction),
                    draws,
                )
                rows.append(
                    {
                        "encoder": encoder,
                        "measure": measure,
                        "first": pair[0],
                        "second": pair[1],
                        "difference": difference.mean,
                        "low": difference.low,
                        "high": difference.high,
                        "p": difference.p,
                        "seeds": max(len(first), len(second)),
                    }
                )
    return pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS)


def _of_common_seeds(
    by_strategy: dict[str, list[Study]], first: str, second: str
) -> tuple[list[Study], list[Study]]:
    """Return the runs of two strategies to compare: of the seeds that both have, or else all.

    All are taken of an untrained encoder, too.
    """
    runs = by_strategy[first]
    others = by_strategy[second]
    common = {run.params.seed for run in runs} & {run.params.seed for run in others}
    if UNTRAINED in (first, second) or not common:
        return runs, others
    return (
        [run for run in runs if run.params.seed in common],
        [run for run in others if run.params.seed in common],
    )


def against(table: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Return the rows of :func:`differences` that concern one strategy, each strategy - other.

    Returns:
        Columns encoder, measure, other, difference, low, high, seeds, p_holm (p corrected over all
        these rows).
    """
    first = table[table["first"] == strategy]
    second = table[table["second"] == strategy]
    # Turn the rows that name the strategy second: signs and the ends of the interval change.
    turned = second.assign(
        second=second["first"],
        difference=-second["difference"],
        low=-second["high"],
        high=-second["low"],
    )
    both = pd.concat([first, turned]).rename(columns={"second": "other"}).reset_index(drop=True)
    columns = ["encoder", "measure", "other", "difference", "low", "high", "seeds"]
    return both[columns].assign(p_holm=significance.holm(both["p"]))


def corrected_gains(
    runs: Sequence[Study], corrections: Sequence[str], strategy: str, draws: int = 2000
) -> pd.DataFrame:
    """Return what one strategy gains over the others in the pool, all of them corrected.

    Args:
        runs: of one or several encoders.
        corrections: training-free corrections, each applied to both sides of a difference.
        strategy: the one that the differences are of.
        draws: as in :func:`differences`.

    Returns:
        As :func:`against`, with a column correction: multilingual mAP, and rank distance. Empty
        where there is no correction or no pool.
    """
    pooled = [name for name in ("multilingual", RANK_DISTANCE) if name in measures_of(runs)]
    parts = []
    for name in corrections:
        table = differences(runs, draws, correction=name, measures=pooled)
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


def by_language(runs: Sequence[Study], draws: int = 1000) -> pd.DataFrame:
    """Return mAP of each query language in each setting, with 95 % intervals.

    Returns:
        Columns encoder, strategy, setting, lang, seen (whether it was trained on), mean, low, high.
    """
    rows = []
    cells = cells_of(runs[0])
    for (encoder, strategy), seeds in _resampling(systems(runs).items()):
        for setting in settings_of(seeds):
            whole = clustered_mean(seeds, setting)
            for lang, of_language in cells[setting].groupby("query_lang")["cell"]:
                interval = significance.interval(whole.within(of_language), draws)
                rows.append(
                    {
                        "encoder": encoder,
                        "strategy": strategy,
                        "setting": setting,
                        "lang": lang,
                        "seen": lang in seeds[0].params.languages,
                        **_values(interval),
                    }
                )
    return pd.DataFrame(rows)


def seen_unseen(runs: Sequence[Study], draws: int = 2000) -> pd.DataFrame:
    """Return mAP over the languages that were trained on, and over the others.

    A cell (a language, or an ordered pair) is unseen if one of its languages was not trained on;
    the pool itself, which always holds all languages, does not count.

    Returns:
        Columns encoder, strategy, setting, languages (``seen`` or ``unseen``), mean, low, high;
        empty where there are no other languages.
    """
    rows = []
    cells = cells_of(runs[0])
    for (encoder, strategy), seeds in _resampling(systems(runs).items()):
        trained = {*seeds[0].params.languages, POOL}
        for setting in settings_of(seeds):
            of_setting = cells[setting]
            seen = of_setting["query_lang"].isin(trained) & of_setting["target"].isin(trained)
            if seen.all():
                continue
            whole = clustered_mean(seeds, setting)
            for languages, chosen in (("seen", seen), ("unseen", ~seen)):
                if not chosen.any():
                    continue
                part = whole.within(of_setting["cell"][chosen])
                rows.append(
                    {
                        "encoder": encoder,
                        "strategy": strategy,
                        "setting": setting,
                        "languages": languages,
                        **_values(significance.interval(part, draws)),
                    }
                )
    columns = ["encoder", "strategy", "setting", "languages", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def plane(table: pd.DataFrame, results: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the points that :func:`hybridlib.figures.bias_plane` draws.

    Args:
        table: from :func:`intervals`: the encoders as they are.
        results: from :func:`hybridlib.study.results.headlines`: the encoders under each correction,
            as means over the same seeds, without intervals.

    Returns:
        Columns strategy, correction, map and rank_distance, with low and high; empty where the
        corpus has no pool of languages.
    """
    if not {"multilingual", RANK_DISTANCE} <= set(table["measure"]):
        return pd.DataFrame()
    parts = [_coordinate(table, "multilingual", "map")]
    parts.append(_coordinate(table, RANK_DISTANCE, "rank_distance"))
    points = pd.concat(parts, axis=1).reset_index().assign(correction=PLAIN)
    if results is not None:
        names = {"multilingual mAP": "map", RANK_DISTANCE: "rank_distance"}
        corrected = over_seeds(results[results["correction"] != PLAIN]).rename(columns=names)
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


def _values(interval: Interval) -> dict[str, float]:
    """Return the columns of an interval."""
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
