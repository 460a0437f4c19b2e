"""What studies found, in four sentences: where hybrid pays, hybrid against others, the values."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd

from hybridlib.config.names import NO_TRAINING
from hybridlib.evaluation import significance
from hybridlib.evaluation.significance import Estimate
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study, label
from hybridlib.study.free import (
    best_rows,
    by_cost,
    decisive_setting,
    gain,
    written_gain,
    written_system,
)
from hybridlib.study.paper import written_difference
from hybridlib.study.per_query import RANK_DISTANCE, clustered_mean, has_results, seed_variance
from hybridlib.study.results import PLAIN

_OTHERS = ("x-x-mono", "x-y")
_WIDTH = 100


def answer(claims: pd.DataFrame, studies: Sequence[Study]) -> list[str]:
    """Return the sentences: whether hybrid pays, hybrid against two others, and the values.

    All are of the first encoder of a study. The values are those of the first study.

    Args:
        claims: those of all studies together, from :func:`hybridlib.study.combine.combine`.
        studies: all of them.
    """
    tables = [_Table(study) for study in studies]
    lines = [_training(tables)]
    lines += [_against(claims[claims["second"] == other], other) for other in _OTHERS]
    lines.append(_values(tables[0]))
    return [line for line in lines if line]


class _Table:
    """The systems of a study's first encoder.

    Args:
        study: with finished runs.

    Attributes:
        runs: of the encoder.
        rows: of :func:`by_cost`.
        setting: that decides.
        where: the study, as sentences name it.
        free: the best row that needs no training, if any.
    """

    def __init__(self, study: Study) -> None:
        runs = finished_runs(study)
        self.runs = [run for run in runs if run.params.encoder == runs[0].params.encoder]
        self.rows = by_cost(self.runs)
        self.setting = decisive_setting(self.runs)
        self.where = f"`{study.params.study}`"
        self.free, _ = best_rows(self.rows, self.setting)

    def gain(self, row: Any) -> Estimate | None:
        """Return what a system gains over the best that needs no training, if that is known."""
        return None if self.free is None else gain(self.runs, row, self.free, self.setting)


def as_list(lines: Sequence[str]) -> str:
    """Return sentences as a Markdown list, wrapped."""
    wrapped = [
        textwrap.fill(
            line, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for line in lines
    ]
    return "\n".join(wrapped) + "\n"


def _training(tables: Sequence[_Table]) -> str:
    """Return where hybrid pays; nothing where no study can say."""
    setting = tables[0].setting
    gained = {}
    for table in tables:
        is_hybrid = (table.rows["strategy"] == "hybrid") & (table.rows["correction"] == PLAIN)
        for _, row in table.rows[is_hybrid].iterrows():
            estimate = table.gain(row)
            if estimate is not None and table.setting == setting:
                gained[table.where] = estimate
    if not gained:
        return ""
    shown = sum(estimate.low > 0 for estimate in gained.values())
    parts = [f"{written_gain(estimate)} in {where}" for where, estimate in gained.items()]
    return (
        f"Hybrid training is shown to pay in {shown} of {len(gained)} studies. Over the best "
        f"system without training, its gain in {setting} mAP is {_listed(parts)}."
    )


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


def _values(table: _Table) -> str:
    """Return the values of the main systems of a study, and of the best of all."""
    decisive = f"{table.setting} mAP"
    rows = table.rows
    plain = rows["correction"] == PLAIN
    untrained = rows["strategy"].isin(NO_TRAINING)
    main = rows["strategy"].isin([*_OTHERS, "hybrid"])

    def value(row: Any) -> str:
        return f"{written_system(row)} {_value(table.runs, row, table.setting)}"

    values = [value(row) for _, row in rows[untrained | (plain & main)].iterrows()]
    best = rows.loc[rows[decisive].idxmax()]
    gained = None if best["strategy"] in NO_TRAINING else table.gain(best)
    more = "" if gained is None else f", {written_gain(gained)} over the best without training"
    # The table leaves out corrections that are fitted on what is searched.
    return (
        f"{decisive[0].upper()}{decisive[1:]} in {table.where}: {', '.join(values)}. The highest, "
        f"without fitting on what is searched, is {value(best)}{more}."
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
