"""Tables of what the runs of a study measured, from their metrics.json and training logs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pandas as pd

from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import headline, truncated_name
from hybridlib.evaluation.translate_test import translate_test
from hybridlib.study.folder import Study, label

PLAIN = "none"  # the correction that changes nothing


def headlines(runs: Sequence[Study], truncated: bool = False) -> pd.DataFrame:
    """Return the main figures of each run, as it is and under each training-free correction.

    Args:
        runs: of one study.
        truncated: also of vectors that are cut (``truncate_dims``); their rows are called
            ``first 64 dimensions`` in the column correction.

    Returns:
        One row per run and correction (``none`` first): encoder, strategy, seed, correction, and
        the figures of :func:`hybridlib.evaluation.metrics.headline`.
    """
    rows = []
    for run in runs:
        metrics = run.metrics()
        by_correction = {PLAIN: metrics, **metrics.get("corrections", {})}
        if truncated:
            for width, part in metrics.get("truncated", {}).items():
                by_correction[truncated_name(width)] = part
        for correction, part in by_correction.items():
            rows.append({**_run_key(run), "correction": correction, **headline(part)})
    return pd.DataFrame(rows)


def rank_distances(runs: Sequence[Study]) -> pd.DataFrame:
    """Return one row per run and query language: encoder, strategy, seed, lang, rank_distance."""
    rows = []
    for run in runs:
        by_language = run.metrics()["bias"].get("rank_distance_per_language", {})
        for lang, value in by_language.items():
            rows.append({**_run_key(run), "lang": lang, "rank_distance": value})
    return pd.DataFrame(rows)


def translate_tests(runs: Sequence[Study]) -> pd.DataFrame:
    """Return what each system would find if the questions were translated perfectly.

    Args:
        runs: of one corpus.

    Returns:
        One row per encoder, strategy, setting and language of the translations, as
        :func:`hybridlib.evaluation.translate_test.translate_test` has them, without intervals:
        means over seeds, so many seeds. Empty where the corpus has no translations.
    """
    keys = ["encoder", "strategy", "setting", "translated_into"]
    values = ["as_asked", "translated", "queries", "without_translation"]
    parts = []
    for run in runs:
        with suppress(InputError):  # the corpus has no translations
            found = translate_test(pd.read_parquet(run.run / "per_query.parquet"))
            parts.append(found[[*keys[2:], *values]].assign(**_run_key(run)))
    if not parts:
        return pd.DataFrame(columns=[*keys, *values, "seeds"])
    groups = pd.concat(parts, ignore_index=True).groupby(keys, sort=False)
    table = groups[values].mean().assign(seeds=groups.size())
    return table.astype({"queries": int, "without_translation": int}).reset_index()


def training_logs(runs: Sequence[Study]) -> pd.DataFrame:
    """Return the training logs of all runs, one row per step, with encoder, strategy and seed."""
    logs = []
    for run in runs:
        log = pd.read_json(run.folder_of("training") / "training.jsonl", lines=True)
        logs.append(log.assign(**_run_key(run)))
    return pd.concat(logs, ignore_index=True)


def over_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """Return the means of :func:`headlines` over seeds, in the order of the grid.

    Returns:
        One row per encoder, strategy and correction; a column seeds says how many.
    """
    groups = results.groupby(["encoder", "strategy", "correction"], sort=False)
    means = groups.mean(numeric_only=True).drop(columns="seed")
    return means.assign(seeds=groups.size()).reset_index()


def _run_key(run: Study) -> dict[str, str | int]:
    """Return the columns that name a run."""
    return {
        "encoder": run.params.encoder,
        "strategy": label(run.params),
        "seed": run.params.seed,
    }
