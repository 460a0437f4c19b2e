"""What training gains over what costs nothing: the untrained encoder, corrected.

Corrections of language bias need no training (:mod:`hybridlib.retrieval.corrections`). So a
trained encoder is worth its training only if it beats the untrained one with the best of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from hybridlib.config.corrections import ON_CANDIDATES
from hybridlib.config.names import BM25, NO_TRAINING, UNTRAINED
from hybridlib.evaluation import significance
from hybridlib.evaluation.significance import Estimate
from hybridlib.files import read_json
from hybridlib.study.folder import Study, label
from hybridlib.study.per_query import (
    RANK_DISTANCE,
    clustered_mean,
    has_results,
    seed_variance,
    systems,
)
from hybridlib.study.results import PLAIN, headlines, over_seeds

# What a correction is chosen by, and encoders are compared by: mAP in the pool of all languages,
# or where a corpus has none, in the queries' own language.
_DECISIVE = ("multilingual", "monolingual")
_WHERE = {"multilingual": "in the pool", "monolingual": "in the queries' own language"}

_MEASURES = ["monolingual mAP", "cross-lingual mAP", "multilingual mAP", RANK_DISTANCE]


def by_cost(runs: Sequence[Study]) -> pd.DataFrame:
    """Return every system as it is and under its best correction, what is cheapest first.

    The best correction of a system is the one with the highest mAP in the pool. It is chosen on
    the questions that are evaluated, so it is a little lucky. One that is fitted on the candidates
    themselves knows more than a user does, and counts only where there is no other.

    Returns:
        One row per system: encoder, strategy, correction (``none``: as it is), the mAP of each
        setting, rank distance, and minutes of training (mean over seeds).
    """
    table = over_seeds(headlines(runs))
    decisive = f"{decisive_setting(runs)} mAP"
    minutes = _minutes(runs)
    rows = []
    for (encoder, strategy), part in table.groupby(["encoder", "strategy"], sort=False):
        corrected = part[part["correction"].isin(_usable(part["correction"]))]
        chosen = [part[part["correction"] == PLAIN].iloc[0]]
        if len(corrected):
            chosen.append(corrected.loc[corrected[decisive].idxmax()])
        measures = [name for name in _MEASURES if name in part]
        columns = ["encoder", "strategy", "correction", *measures]
        rows += [
            {**row[columns].to_dict(), "minutes of training": minutes[encoder, strategy]}
            for row in chosen
        ]
    found = pd.DataFrame(rows)
    # What needs no training comes first, the others in the order of the grid.
    trained = found["minutes of training"] > 0
    return found.iloc[trained.argsort(kind="stable")].reset_index(drop=True)


def _usable(corrections: Iterable[str]) -> list[str]:
    """Return the corrections that are fitted on what a user has; all, if there are none."""
    applied = [name for name in corrections if name != PLAIN]
    usable = [name for name in applied if not name.endswith(ON_CANDIDATES)]
    return usable or applied


def decisive_setting(runs: Sequence[Study]) -> str:
    """Return the setting by which encoders are compared: the pool, where there is one."""
    settings = runs[0].metrics()["settings"]
    return next(name for name in _DECISIVE if name in settings)


def _minutes(runs: Sequence[Study]) -> dict[tuple[str, str], float]:
    """Return the minutes that training took by encoder and strategy, as a mean over seeds."""
    minutes = {}
    for (encoder, strategy), seeds in systems(runs).items():
        seconds = [_training_seconds(run) for run in seeds]
        minutes[encoder, strategy] = sum(seconds) / len(seconds) / 60
    return minutes


def _training_seconds(run: Study) -> float:
    """Return how long a run was trained, a soup's parts together; untrained and BM25 were not."""
    if run.params.strategy in NO_TRAINING:
        return 0.0
    manifests = [read_json(part / "run.json") for part in run.parts or [run.folder_of("training")]]
    return sum(float(manifest["steps"]["training"]["seconds"]) for manifest in manifests)


# ------------------------------------------------------------------------------------ in sentences


def cheapest(runs: Sequence[Study]) -> list[str]:
    """Return what costs nothing, and what training adds to it: sentences for each encoder.

    The rule: it is shown that training pays where the whole 95 % interval of its gain over the best
    that needs none lies above zero, and that it does not where it lies below.
    """
    table = by_cost(runs)
    setting = decisive_setting(runs)
    lines = []
    for encoder, part in table.groupby("encoder", sort=False):
        of_encoder = [run for run in runs if run.params.encoder == encoder]
        prefix = f"{encoder}: " if table["encoder"].nunique() > 1 else ""
        lines += [prefix + line for line in _sentences(of_encoder, part, setting)]
    return lines


def _sentences(runs: list[Study], table: pd.DataFrame, setting: str) -> list[str]:
    """Return the sentences of one encoder.

    Args:
        runs: of the encoder.
        table: their rows of :func:`by_cost`.
        setting: that decides.
    """
    decisive = f"{setting} mAP"
    free, best = best_rows(table, setting)
    if free is None:
        return [
            "Not compared with what costs nothing: this study has no untrained run; add `untrained`"
            " to strategies."
        ]
    lines = [
        f"Cheapest: {written_system(free)} has {free[decisive]:.3f} {_WHERE[setting]}, no training."
    ]
    tried = _corrections(runs)
    if tried:
        others = [BM25] if (table["strategy"] == BM25).any() else []
        lines[0] += f" It is the best of: as it is, {', '.join([*tried, *others])}."
    else:
        lines.append(
            "No correction of the untrained encoder was computed (corrections: []). They need no "
            "training: set corrections: [centering, centering+filter] before training is said to "
            "pay."
        )
    if best is None:
        return lines
    minutes = f"{best['minutes of training']:.1f} minutes of training"
    lines.append(f"Best trained: {written_system(best)} has {best[decisive]:.3f}, after {minutes}.")
    lines.append(_judged(runs, best, free, setting))
    return lines


def best_rows(table: pd.DataFrame, setting: str) -> tuple[Any, Any]:
    """Return the best row of :func:`by_cost` that needs no training, and the best that does.

    Args:
        table: of one encoder.
        setting: that decides.

    Returns:
        Two rows; None for one that is not there.
    """
    decisive = table[f"{setting} mAP"]
    is_free = table["strategy"].isin(NO_TRAINING)
    free = table.loc[decisive[is_free].idxmax()] if is_free.any() else None
    best = table.loc[decisive[~is_free].idxmax()] if not is_free.all() else None
    return free, best


def _corrections(runs: Sequence[Study]) -> list[str]:
    """Return the corrections under which the untrained encoder was evaluated."""
    untrained = [run for run in runs if run.params.strategy == UNTRAINED]
    return _usable(untrained[0].metrics().get("corrections", {})) if untrained else []


def _judged(runs: list[Study], best: Any, free: Any, setting: str) -> str:
    """Return what training gains over the best that is free, and whether it pays.

    Args:
        runs: of one encoder.
        best: the row of :func:`by_cost` of the best trained system.
        free: the row of the best untrained one.
        setting: that decides.
    """
    gained = gain(runs, best, free, setting)
    if gained is None:
        return f"Training gains {best[f'{setting} mAP'] - free[f'{setting} mAP']:+.3f}."
    written = f"Training gains {written_gain(gained)}"
    if gained.low > 0:
        return f"{written}: it is shown that it pays."
    if gained.high < 0:
        return f"{written}: it is shown that it does not pay, take the cheapest."
    return f"{written}: it is not shown that it pays, take the cheapest."


def gain(runs: Sequence[Study], best: Any, free: Any, setting: str) -> Estimate | None:
    """Return how much more mAP one system has than another.

    Args:
        runs: of one encoder.
        best: the row of :func:`by_cost` of the first system.
        free: of the second.
        setting: that decides.

    Returns:
        The difference; None where the results of single queries are not there.
    """
    sides = []
    for row in (best, free):
        seeds = [run for run in runs if label(run.params) == row["strategy"]]
        if not all(has_results(run, setting, row["correction"]) for run in seeds):
            return None
        sides.append(clustered_mean(seeds, setting, row["correction"]))
    variance = seed_variance(runs, setting, best["correction"])
    return significance.compare(sides[0], sides[1], variance)


def written_gain(gained: Estimate) -> str:
    """Return what :func:`gain` returned as a text."""
    over = "" if gained.has_seeds else " over questions alone"
    return f"{gained.mean:+.3f} [{gained.low:+.3f}, {gained.high:+.3f}]{over}"


def written_system(row: Any) -> str:
    """Return a system, a row of :func:`by_cost`, as a text."""
    if row["correction"] == PLAIN:
        return str(row["strategy"])
    return f"{row['strategy']} with {row['correction']}"
