"""What the paper claims and prints (arXiv 2408.10536), beside what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.evaluation.significance import LEVEL
from hybridlib.study.comparison import COMPARED, against
from hybridlib.study.per_query import RANK_DISTANCE
from hybridlib.study.report import written_interval, written_mean


def verdict(table: pd.DataFrame, strategy: str = "hybrid") -> pd.DataFrame:
    """Return the paper's claims of hybrid batches (tables 2 to 4), and whether they are shown.

    Args:
        table: from :func:`hybridlib.study.comparison.differences`.
        strategy: whose claims.

    Returns:
        Columns encoder, claim, difference (text), over, p_holm (text), verdict; see :func:`claims`.
    """
    rows = [_written(row) for row in claims(table, strategy).itertuples()]
    columns = ["encoder", "claim", "difference", "over", "p_holm", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def claims(table: pd.DataFrame, strategy: str = "hybrid") -> pd.DataFrame:
    """Return the paper's claims of hybrid batches as :func:`hybridlib.figures.forest` draws them.

    See :func:`verdict_of`. The correction is over these claims.

    Args:
        table: from :func:`hybridlib.study.comparison.differences`, of all encoders.
        strategy: whose claims.

    Returns:
        Columns encoder, first (the strategy), second, setting, difference, low, high,
        standard_error, p_holm, over, verdict.
    """
    found = against(table, strategy)
    found = found[found["other"].isin(COMPARED)]
    found = found.rename(columns={"other": "second", "measure": "setting"})
    verdicts = [verdict_of(row.setting, row.difference, row.p_holm) for row in found.itertuples()]
    columns = ["encoder", "first", "second", "setting", "difference", "low", "high"]
    columns += ["standard_error", "p_holm", "over", "verdict"]
    return found.assign(first=strategy, verdict=verdicts)[columns].reset_index(drop=True)


def verdict_of(measure: str, difference: float, p_holm: float) -> str:
    """Return whether it is shown that the first strategy is the better one.

    It is shown, or shown the other way, where p stays below 0.05 after Holm's correction.

    Args:
        measure: of retrieval, or ``rank distance``, of which less is better.
        difference: first - second.
        p_holm: its corrected p.
    """
    if not p_holm < 1 - LEVEL:
        return "not shown"
    is_better = difference < 0 if measure == RANK_DISTANCE else difference > 0
    return "shown" if is_better else "shown the other way"


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
            f"{', '.join(COMPARED)}."
        )
    outcomes = verdicts["verdict"].tolist()
    return (
        f"On {corpus}, {len(outcomes)} claims of the paper were tested for {strategy}: "
        f"{outcomes.count('shown')} shown, {outcomes.count('shown the other way')} shown the other "
        f"way, {outcomes.count('not shown')} not shown."
    )


def _written(row: Any) -> dict[str, str]:
    """Return a row of :func:`claims` as texts."""
    return {
        "encoder": row.encoder,
        "claim": written_claim(row),
        "difference": written_difference(row),
        "over": row.over,
        "p_holm": written_p(row.p_holm),
        "verdict": row.verdict,
    }


def written_claim(row: Any) -> str:
    """Return what the paper claims of a strategy against another."""
    if row.setting == RANK_DISTANCE:
        return f"{row.first} has a lower rank distance than {row.second}"
    return f"{row.first} is better than {row.second} in {row.setting} retrieval"


def written_difference(row: Any) -> str:
    """Return a difference with its interval, signs shown."""
    digits = "+.1f" if row.setting == RANK_DISTANCE else "+.3f"
    return f"{row.difference:{digits}} [{row.low:{digits}}, {row.high:{digits}}]"


def written_p(p: float) -> str:
    """Return a p-value to three digits."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


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
