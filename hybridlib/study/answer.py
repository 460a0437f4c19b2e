"""What studies found, in four sentences: does training pay, do hybrid batches, and how much?"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd

from hybridlib.config.names import NO_TRAINING
from hybridlib.evaluation import significance
from hybridlib.evaluation.significance import Estimate
from hybridlib.study.folder import Study, label
from hybridlib.study.free import best_rows, by_cost, decisive_setting, gain, written_system
from hybridlib.study.paper import written_difference
from hybridlib.study.per_query import RANK_DISTANCE, clustered_mean, has_results, seed_variance
from hybridlib.study.results import PLAIN

_OTHERS = ("x-x-mono", "x-y")
_WIDTH = 100


def answer(claims: pd.DataFrame, study: Study, runs: Sequence[Study]) -> list[str]:
    """Return the sentences: what training is worth, hybrid against two others, and the values.

    Those on training and on values are of the first encoder of one study.

    Args:
        claims: those of all studies together, from :func:`hybridlib.study.combine.combine`.
        study: the one study.
        runs: its finished runs.
    """
    of_encoder = [run for run in runs if run.params.encoder == runs[0].params.encoder]
    table = by_cost(of_encoder)
    setting = decisive_setting(of_encoder)
    where = f"`{study.params.study}`"
    lines = [_training(of_encoder, table, setting, where)]
    lines += [_against(claims[claims["second"] == other], other) for other in _OTHERS]
    lines.append(_values(of_encoder, table, setting, where))
    return [line for line in lines if line]


def as_list(lines: Sequence[str]) -> str:
    """Return sentences as a Markdown list, wrapped."""
    wrapped = [
        textwrap.fill(
            line, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for line in lines
    ]
    return "\n".join(wrapped) + "\n"


def _training(runs: list[Study], table: pd.DataFrame, setting: str, where: str) -> str:
    """Return whether hybrid pays, and what the best gains; nothing where the study cannot say."""
    free, best = best_rows(table, setting)
    if free is None or best is None:
        return ""
    is_hybrid = (table["strategy"] == "hybrid") & (table["correction"] == PLAIN)
    named = [("hybrid", row) for _, row in table[is_hybrid].iterrows()]
    named.append((f"the best trained system, {written_system(best)},", best))
    gains = [(name, gain(runs, row, free, setting)) for name, row in named]
    estimates = [(name, gained) for name, gained in gains if gained is not None]
    if len(estimates) < len(gains):
        return ""

    # The verdict is that of the first of them.
    (name, first), *others = estimates
    verdict = "is not shown to pay"
    if first.low > 0:
        verdict = "is shown to pay"
    elif first.high < 0:
        verdict = "is shown not to pay"
    over = "" if first.has_seeds else " over questions alone"
    rest = [f"; {other} {_interval(each)}" for other, each in others]
    return (
        f"Training {verdict}: {name} minus the best untrained system, {written_system(free)}, is "
        f"{_interval(first)} {setting} mAP in {where}{over}{''.join(rest)}."
    )


def _interval(gained: Estimate) -> str:
    """Return a difference with its interval."""
    return f"{gained.mean:+.3f} [{gained.low:+.3f}, {gained.high:+.3f}]"


def _against(claims: pd.DataFrame, other: str) -> str:
    """Return in what hybrid is better or worse than another strategy, over all studies."""
    if claims.empty:
        return ""
    parts: dict[str, list[str]] = {}
    for row in claims.itertuples():
        name = row.setting if row.setting == RANK_DISTANCE else f"{row.setting} mAP"
        figures = "" if row.verdict == "not shown" else f" ({written_difference(row)})"
        parts.setdefault(row.verdict, []).append(name + figures)
    start = f"Over {claims['studies'].max()} studies, hybrid"
    shown = []
    if "shown" in parts:
        shown.append(f"better than {other} in {_listed(parts['shown'])}")
    if "shown the other way" in parts:
        than = "" if shown else f" than {other}"
        shown.append(f"worse{than} in {_listed(parts['shown the other way'])}")
    if not shown:
        return f"{start} and {other} are not shown to differ."
    sentence = f"{start} is shown to be {', and '.join(shown)}"
    if "not shown" in parts:
        sentence += f"; no difference is shown in {_listed(parts['not shown'])}"
    return sentence + "."


def _values(runs: list[Study], table: pd.DataFrame, setting: str, where: str) -> str:
    """Return the values of the main systems of a study, and of the best of all."""
    decisive = f"{setting} mAP"
    plain = table["correction"] == PLAIN
    untrained = table["strategy"].isin(NO_TRAINING)
    main = table["strategy"].isin([*_OTHERS, "hybrid"])
    chosen = table[untrained | (plain & main)]
    values = [f"{written_system(row)} {_value(runs, row, setting)}" for _, row in chosen.iterrows()]
    best = table.loc[table[decisive].idxmax()]
    # The table leaves out corrections that are fitted on what is searched.
    return (
        f"{decisive[0].upper()}{decisive[1:]} in {where}: {', '.join(values)}; the best, without "
        f"fitting on what is searched, is {written_system(best)}, {_value(runs, best, setting)}."
    )


def _value(runs: list[Study], row: Any, setting: str) -> str:
    """Return a system's mAP, with its interval where its queries are known."""
    correction = row["correction"]
    seeds = [run for run in runs if label(run.params) == row["strategy"]]
    if not all(has_results(run, setting, correction) for run in seeds):
        return f"{row[f'{setting} mAP']:.3f}"
    variance = seed_variance(runs, setting, correction)
    estimate = significance.interval(clustered_mean(seeds, setting, correction), variance)
    return f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _listed(parts: Sequence[str]) -> str:
    """Return parts of a sentence with commas, and ``and`` before the last."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
