"""The options of the commands on explicit negatives: ``hybridlib mine`` and ``score``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hybridlib.cli.options import add_command, add_encoder_options


def add_mine(commands: Any) -> None:
    """Add ``hybridlib mine``."""
    mine = add_command(
        commands,
        "mine",
        "find hard negatives for training pairs",
        "Write a table of pairs with a column negatives: passages that an encoder scores high for "
        "the question, and that have another content than the right one.",
        " path/to/encoder pairs.jsonl --relative-margin 0.05 --out mined.jsonl",
    )
    _add_tables(mine)
    negatives = mine.add_argument_group("negatives")
    negatives.add_argument(
        "--candidates",
        choices=["own", "other", "pool"],
        default="own",
        help="passages in the question's language (default), in the others, or in all together",
    )
    negatives.add_argument(
        "--per-query", type=int, default=5, help="negatives of a question at most (default 5)"
    )
    negatives.add_argument(
        "--range-min",
        type=int,
        default=0,
        help="leave out the first so many of those that are allowed (default 0)",
    )
    negatives.add_argument(
        "--range-max",
        type=int,
        help="look at the first so many candidates (default: RANGE_MIN, and 10 for each negative)",
    )
    negatives.add_argument(
        "--absolute-margin",
        type=float,
        help="a negative scores at least so much below the right passage",
    )
    negatives.add_argument(
        "--relative-margin",
        type=float,
        help="a negative scores at least this share of the right passage's score below it",
    )
    add_encoder_options(mine.add_argument_group("encoder"))


def add_score(commands: Any) -> None:
    """Add ``hybridlib score``."""
    score = add_command(
        commands,
        "score",
        "write an encoder's scores of explicit negatives",
        "Write a table of pairs with a column scores: the cosines of each question with its "
        "passage and with its negatives, for distillation.",
        " path/to/encoder mined.jsonl --out scored.jsonl",
    )
    _add_tables(score)
    add_encoder_options(score.add_argument_group("encoder"))


def _add_tables(parser: argparse.ArgumentParser) -> None:
    """Add the encoder, and what is read and written."""
    parser.add_argument(
        "encoder", help="a transformers folder, or a hub id (name or name@revision)"
    )
    parser.add_argument("pairs", type=Path, help="training pairs: .jsonl, .csv or .parquet")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the new table: .jsonl or .parquet, or .csv with lists as JSON",
    )
    parser.add_argument(
        "--vectors",
        type=Path,
        help="keep the passages' vectors in this folder, as float16 on disk, for a table whose "
        "vectors are larger than memory; a killed command goes on from there",
    )
