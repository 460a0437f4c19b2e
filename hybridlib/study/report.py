"""Tables for a reader: figures as texts, and files in Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.files import write_text
from hybridlib.study.per_query import RANK_DISTANCE

_TO_A_TENTH = (RANK_DISTANCE, "minutes of training")


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its figures as texts.

    Rank distance and minutes are written to 0.1, the rest to four decimals.
    """
    written = table.copy()
    for column in table.select_dtypes("float"):
        digits = "{:.1f}" if column in _TO_A_TENTH else "{:.4f}"
        written[column] = table[column].map(digits.format)
    return written


def interval_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return intervals for a reader.

    Args:
        table: from :func:`hybridlib.study.comparison.intervals`.

    Returns:
        One row per encoder and strategy, a column per measure: ``mean [low, high]``; and a column
        that says what the intervals are over.
    """
    measures = table["measure"]
    names = measures.where(measures == RANK_DISTANCE, measures + " mAP")
    keys = ["encoder", "strategy", "seeds", "over"]
    texts = [written_interval(row) for row in table.itertuples()]
    wide = table.assign(measure=names, text=texts).pivot(
        index=keys, columns="measure", values="text"
    )
    # pivot sorts; the order is that of the given table.
    rows = list(table[keys].drop_duplicates().itertuples(index=False, name=None))
    wide = wide.loc[rows, names.unique()].fillna("")
    return wide.reset_index().rename_axis(columns=None)


def written_interval(row: Any) -> str:
    """Return ``mean [low, high]`` of a row of :func:`hybridlib.study.comparison.intervals`."""
    mean = written_mean(row.measure, row.mean)
    low = written_mean(row.measure, row.low)
    high = written_mean(row.measure, row.high)
    return f"{mean} [{low}, {high}]"


def written_mean(measure: str, value: float) -> str:
    """Return a measure's value to the digits that a reader wants."""
    return f"{value:.1f}" if measure == RANK_DISTANCE else f"{value:.3f}"


def write_tables(table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write ``name.md`` (Markdown) and ``name.tex`` (LaTeX) of a table of texts."""
    markdown = table.to_markdown(index=False, disable_numparse=True)
    write_text(folder / f"{name}.md", markdown + "\n")
    latex = table.style.hide(axis="index").to_latex(hrules=True)
    write_text(folder / f"{name}.tex", latex.replace("_", "\\_"))


def write_lines(lines: Sequence[str], folder: Path, name: str) -> None:
    """Write ``name.md``: sentences as a list."""
    write_text(folder / f"{name}.md", "".join(f"- {line}\n" for line in lines))


def stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables under each other; of none, an empty one."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
