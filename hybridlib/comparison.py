"""Results of a study's runs, gathered from their metrics.json into tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridlib import evaluation
from hybridlib.study import Study

RUN_KEYS = ["encoder", "strategy", "seed"]


def _key(run: Study) -> dict[str, object]:
    return {name: getattr(run.params, name) for name in RUN_KEYS}


def headlines(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run: encoder, strategy, seed, and the figures of :func:`evaluation.headline`."""
    return pd.DataFrame([{**_key(run), **evaluation.headline(run.metrics())} for run in runs])


def by_setting(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and setting: encoder, strategy, seed, setting, map."""
    return pd.DataFrame([{**_key(run), "setting": setting, "map": values["map"]} for run in runs for setting, values in run.metrics()["settings"].items()])


def rank_distances(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and query language: encoder, strategy, seed, lang, rank_distance."""
    return pd.DataFrame([
        {**_key(run), "lang": lang, "rank_distance": value} for run in runs for lang, value in run.metrics()["bias"].get("rank_distance_per_language", {}).items()
    ])


def training_logs(runs: Sequence[Study]) -> pd.DataFrame:
    """The training logs of all runs, one row per step, with the run's encoder, strategy and seed."""
    return pd.concat([pd.read_json(run.run / "training.jsonl", lines=True).assign(**_key(run)) for run in runs], ignore_index=True)


def over_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row per encoder and strategy, in the order of the grid; with the number of seeds."""
    groups = results.groupby(["encoder", "strategy"], sort=False)
    return groups.mean(numeric_only=True).drop(columns="seed").assign(seeds=groups.size()).reset_index()


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each figure written as a reader wants it: rank distance to 0.1, the rest to four decimals."""
    written = table.copy()
    for column in table.select_dtypes("float"):
        written[column] = table[column].map("{:.1f}".format if column == "rank distance" else "{:.4f}".format)
    return written
