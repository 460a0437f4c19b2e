"""The commands ``hybridlib mine`` and ``hybridlib score``."""

from __future__ import annotations

import argparse

import pandas as pd

from hybridlib.config.params import Params
from hybridlib.data.pairs import check_table_name, load_pairs, negatives_of, save_pairs
from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.study.encoders import load_encoder
from hybridlib.training.mining import MiningOptions, mine, score

# Options that are parameters of the same name.
_ENCODER_OPTIONS = ("pooling", "query_prefix", "passage_prefix", "max_length")


def mine_negatives(options: argparse.Namespace) -> int:
    """Write a table of pairs with mined negatives, in one process or in those of a launcher.

    Raises:
        InputError: an option, the table or the encoder cannot be used.
    """
    chosen = MiningOptions(
        options.candidates,
        options.per_query,
        options.range_min,
        options.range_max,
        options.absolute_margin,
        options.relative_margin,
    )
    params, pairs = _read(options, "hybridlib mine")
    encoder = load_encoder(params, options.encoder)
    negatives = mine(encoder, pairs, chosen, options.vectors, params.encode_tokens)

    # What the table said of other negatives goes.
    former = [name for name in ("negative", "negatives", "scores") if name in pairs]
    mined = pairs.drop(columns=former).assign(negatives=negatives)
    counts = [len(texts) for texts in negatives]
    _write(
        mined,
        options,
        f"{sum(counts):,} negatives for {len(pairs):,} pairs; {counts.count(0):,} pairs have none"
        + (f"; without the column {', '.join(former)} of {options.pairs}" if former else ""),
    )
    return 0


def score_negatives(options: argparse.Namespace) -> int:
    """Write a table of pairs with an encoder's scores, in one process or in those of a launcher.

    Raises:
        InputError: an option, the table or the encoder cannot be used.
    """
    params, pairs = _read(options, "hybridlib score")
    if not any(negatives_of(pairs)):
        raise InputError(
            f"{options.pairs}: no pair has a negative to score; `hybridlib mine` finds some"
        )
    encoder = load_encoder(params, options.encoder)
    scores = score(encoder, pairs, options.vectors, params.encode_tokens)
    _write(pairs.assign(scores=scores), options, f"scores for {len(pairs):,} pairs")
    return 0


def _read(options: argparse.Namespace, command: str) -> tuple[Params, pd.DataFrame]:
    """Return how the encoder is used, and the training pairs."""
    connect()
    check_table_name(options.out)
    if options.out.resolve() == options.pairs.resolve():
        raise InputError(f"--out: {options.out} is the table that is read; give another name")
    given = {name: getattr(options, name) for name in _ENCODER_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    params = Params.check({"encoder": options.encoder, **given}, command)
    return params, load_pairs(options.pairs)


def _write(pairs: pd.DataFrame, options: argparse.Namespace, what: str) -> None:
    """Write the table and say what it holds; of several processes, one does."""
    process, _ = connect()
    if process == 0:
        save_pairs(pairs, options.out)
        print(f"wrote {options.out}: {what}")
