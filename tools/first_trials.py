"""Make tables of the first trials of settings, from the logs of their training.

A log is ``outputs/reference/choice_<direction>/<learning rate>/<strategy>.jsonl``; its last
validation counts. Later trials are records of ``hybridlib choose``, with tables of their own.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hybridlib.evaluation.metrics import SETTINGS
from hybridlib.files import write_text
from hybridlib.study.choice import MEAN, as_markdown

# The encoder and its training set, by the folder of the logs.
ENCODERS = {
    "choice_x_to_m": "e5-small-4 on XQuAD-R",
    "choice_x_to_m_12_layers": "e5-small on XQuAD-R",
    "choice_m_to_x": "e5-small-4 on MLQA-R",
    "choice_m_to_x_12_layers": "e5-small on MLQA-R",
}
STRATEGIES = ("x-x-mono", "x-y", "hybrid")
ALL = "all"  # the mean of the strategies that every learning rate was tried with

# The variants of hybrid were tried at one learning rate.
VARIANTS_OF = (ENCODERS["choice_x_to_m"], 1e-4)
VARIANTS = {
    "x-x-mono": "a batch has one language",
    "x-y": "a row has two languages, of its own",
    "hybrid": "batches of x-x-mono and of x-y, drawn alike",
    "few-2": "all rows in two languages, question and passage in either",
    "few-11": "as few-2, with all eleven languages",
    "hybrid-pair": "hybrid; a cross-lingual batch has one pair of languages",
    "multi-positive": "half as many questions, in two languages each; every translation is right",
    "hybrid-multi": "hybrid, with multi-positive in the place of x-y",
    "alpha-falling": "hybrid; alpha falls from 1 to 0 over the run",
    "alpha-rising": "hybrid; alpha rises from 0 to 1",
    "sharp-mono": "hybrid; half the temperature for monolingual batches",
    "sharp-cross": "hybrid; half the temperature for cross-lingual batches",
    "hybrid-loss-of-the-trials": "a control: hybrid with the loss that multi-positive needs",
}

# The share of the trained weights in an average, by the name of the log.
SHARES = {"hybrid": 1.0, "hybrid-averaged": 0.75, "hybrid-averaged-half": 0.5}


def write(kept: Path) -> None:
    """Write the tables to ``first_trials``, from the logs beside it.

    Args:
        kept: the folder of the logs' folders, ``outputs/reference``.
    """
    table = trials(kept)
    folder = kept / "first_trials"
    folder.mkdir(exist_ok=True)
    write_text(folder / "learning_rates.md", learning_rates(table))
    write_text(folder / "variants.md", variants(table))
    write_text(folder / "shares.md", shares(table))


def trials(kept: Path) -> pd.DataFrame:
    """Return a row per log: encoder, strategy, learning_rate, mAP of each setting, their mean."""
    rows = []
    for folder, encoder in ENCODERS.items():
        for log in sorted((kept / folder).glob("*/*.jsonl")):
            rate = float(log.parent.name)
            row = {"encoder": encoder, "strategy": log.stem, "learning_rate": rate}
            rows.append({**row, **_last_validation(log)})
    table = pd.DataFrame(rows)
    return table.assign(**{MEAN: table[list(SETTINGS)].mean(axis=1)})


def learning_rates(table: pd.DataFrame) -> str:
    """Return the table of learning rates, with a column for all strategies together."""
    chosen = table[table["strategy"].isin(STRATEGIES)]
    rates = chosen.groupby("encoder")["learning_rate"].transform("nunique")
    tried = chosen.groupby(["encoder", "strategy"])["learning_rate"].transform("nunique")
    together = chosen[tried == rates].assign(strategy=ALL)
    return as_markdown(pd.concat([chosen, together]))


def variants(table: pd.DataFrame) -> str:
    """Return the table of hybrid's variants, the best mean first, with what they are."""
    encoder, rate = VARIANTS_OF
    chosen = table[table["encoder"].eq(encoder) & table["learning_rate"].eq(rate)]
    described = chosen.assign(batches=chosen["strategy"].map(VARIANTS))
    ordered = described.sort_values(MEAN, ascending=False)[["strategy", "batches", *SETTINGS, MEAN]]
    return ordered.to_markdown(index=False, floatfmt=".3f") + "\n"


def shares(table: pd.DataFrame) -> str:
    """Return the table of averages of hybrid's weights with the untrained ones."""
    chosen = table[table["strategy"].isin(SHARES)]
    averaged = chosen.groupby(["encoder", "learning_rate"])["strategy"].transform("nunique") > 1
    by_share = chosen[averaged].assign(
        trained_share=chosen["strategy"].map(SHARES), strategy="hybrid"
    )
    return as_markdown(by_share.drop(columns="learning_rate"))


def _last_validation(log: Path) -> dict[str, float]:
    """Return mAP of each setting at the end of a training."""
    columns = {f"validation {name} mAP": name for name in SETTINGS}
    last = pd.read_json(log, lines=True)[list(columns)].dropna().iloc[-1]
    return last.rename(columns).to_dict()
