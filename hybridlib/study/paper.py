"""What the paper claims and prints (arXiv 2408.10536), beside what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.config.names import UNTRAINED
from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.study.comparison import against
from hybridlib.study.per_query import RANK_DISTANCE
from hybridlib.study.report import written_interval, written_mean

# The strategies that the paper compares hybrid batches with.
_COMPARED = (UNTRAINED, "x-x-mono", "x-y")


def verdict(table: pd.DataFrame, strategy: str = "hybrid") -> pd.DataFrame:
    """Return the paper's claims of hybrid batches (tables 2 to 4), and whether they hold.

    Args:
        table: from :func:`hybridlib.study.comparison.differences`.
        strategy: whose claims.

    Returns:
        Columns encoder, claim, difference (text), verdict; see :func:`claims`.
    """
    rows = [_written(row) for row in claims(table, strategy).itertuples()]
    return pd.DataFrame(rows, columns=["encoder", "claim", "difference", "verdict"])


def claims(table: pd.DataFrame, strategy: str = "hybrid") -> pd.DataFrame:
    """Return the paper's claims of hybrid batches as :func:`hybridlib.figures.forest` draws them.

    A claim holds where the whole 95 % interval of the difference lies on its side of zero, does
    not hold where it lies on the other side, and cannot be told where it contains zero.

    Args:
        table: from :func:`hybridlib.study.comparison.differences`.
        strategy: whose claims.

    Returns:
        Columns encoder, first (the strategy), second, setting, difference, low, high, verdict.
    """
    found = against(table, strategy)
    found = found[found["other"].isin(_COMPARED)]
    found = found.rename(columns={"other": "second", "measure": "setting"})
    verdicts = [_verdict(row) for row in found.itertuples()]
    columns = ["encoder", "first", "second", "setting", "difference", "low", "high", "verdict"]
    return found.assign(first=strategy, verdict=verdicts)[columns].reset_index(drop=True)


def conclusion(verdicts: pd.DataFrame, strategy: str, corpus: str) -> str:
    """Return the verdicts of a study in one sentence.

    Args:
        verdicts: from :func:`verdict`.
        strategy: whose claims they are.
        corpus: what they were tested on.
    """
    if verdicts.empty:
        return (
            f"No claim of the paper was tested on {corpus}: that takes {strategy} and one of "
            f"{', '.join(_COMPARED)}."
        )
    outcomes = verdicts["verdict"].tolist()
    return (
        f"On {corpus}, {len(outcomes)} claims of the paper were tested for {strategy}: "
        f"{outcomes.count('holds')} confirmed, {outcomes.count('does not hold')} refuted, "
        f"{outcomes.count('cannot be told')} left open."
    )


def _written(row: Any) -> dict[str, str]:
    """Return a row of :func:`claims` as texts."""
    return {
        "encoder": row.encoder,
        "claim": _claim(row),
        "difference": _written_difference(row),
        "verdict": row.verdict,
    }


def _claim(row: Any) -> str:
    """Return what the paper claims of a strategy against another."""
    if row.setting == RANK_DISTANCE:
        return f"{row.first} has a lower rank distance than {row.second}"
    return f"{row.first} is better than {row.second} in {row.setting} retrieval"


def _written_difference(row: Any) -> str:
    """Return a difference with its interval, signs shown."""
    digits = "+.1f" if row.setting == RANK_DISTANCE else "+.3f"
    return f"{row.difference:{digits}} [{row.low:{digits}}, {row.high:{digits}}]"


def _verdict(row: Any) -> str:
    """Return what the interval of a difference says of the claim."""
    is_above = row.low > 0
    is_below = row.high < 0
    # A lower rank distance is the better one.
    better = is_below if row.setting == RANK_DISTANCE else is_above
    if better:
        return "holds"
    return "does not hold" if is_above or is_below else "cannot be told"


def beside_paper(table: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Return the measured figures beside the published ones for the same corpus.

    None of the two was measured on the same encoders.

    Args:
        table: from :func:`hybridlib.study.comparison.intervals`.
        corpus: ``xquad-r`` or ``mlqa-r``; of others the paper has no such figures.

    Returns:
        One row per measure and strategy: measure, strategy, a column per measured encoder (mean
        [low, high]) and one per encoder of the paper. Empty where the paper has nothing.
    """
    published = paper_results()
    of_corpus = published["corpus"] == corpus
    published = published[of_corpus & published["measure"].isin(table["measure"])]
    if published.empty:
        return pd.DataFrame()

    # One column of texts for each source.
    measured = table.assign(
        text=[written_interval(row) for row in table.itertuples()],
        source=[f"{Path(name).name}, here" for name in table["encoder"]],
    )
    published = published.assign(
        text=[written_mean(row.measure, row.value) for row in published.itertuples()],
        source=published["encoder"] + ", paper",
    )
    both = pd.concat([measured, published])
    wide = both.pivot(index=["measure", "strategy"], columns="source", values="text")
    wide = wide[list(dict.fromkeys(both["source"]))]

    # Rows by measure, strategies in the order in which they first stand.
    order = [*SETTINGS, RANK_DISTANCE]
    keys = both[["measure", "strategy"]].drop_duplicates()
    keys = keys.sort_values("measure", key=lambda names: names.map(order.index), kind="stable")
    rows = list(keys.itertuples(index=False, name=None))
    return wide.loc[rows].fillna("").reset_index().rename_axis(columns=None)


def paper_results() -> pd.DataFrame:
    """Return the figures that the paper prints.

    Returns:
        Columns encoder, strategy, corpus, measure, value, source.
    """
    return pd.read_csv(Path(__file__).with_name("paper_results.csv"))
