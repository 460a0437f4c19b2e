"""Commands on encoders: ``hybridlib correct``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.evaluation.correct import (
    KINDS,
    check_can_be_a_part,
    check_correctable,
    make_a_part,
    texts_to_fit,
)
from hybridlib.evaluation.fitting import encode_fitting_set, fitting_table
from hybridlib.files import check_writable
from hybridlib.study.encoders import load_encoder
from hybridlib.study.folder import Study

# Options that are parameters of the same name.
_ENCODER_OPTIONS = ("pooling", "query_prefix", "passage_prefix", "max_length")


def correct_encoder(options: argparse.Namespace) -> int:
    """Write an encoder with a correction as a part of it.

    Raises:
        InputError: an option, the texts or the encoder cannot be used.
    """
    check_can_be_a_part(options.correction)
    if options.kind not in (None, *KINDS):
        raise InputError(f"--kind: {options.kind!r} is none; there are {', '.join(KINDS)}")
    if options.out.exists():
        raise InputError(f"{options.out}: is there already; give a new folder")
    check_writable(options.out.absolute().parent)
    if (Path(options.encoder) / "params.yaml").is_file():
        params, source, table = _of_run(options)
    else:
        params, source, table = _of_encoder(options)

    encoder = load_encoder(params, source)
    check_correctable(encoder)
    texts = encode_fitting_set(encoder, table, params.encode_tokens)
    count = make_a_part(encoder, texts, params.filter_k, params.filter_shrinkage)
    encoder.save(options.out)
    languages = sorted(table["lang"].unique())
    print(
        f"wrote {options.out}: {options.correction}, fitted on {count:,} texts with translations "
        f"({texts.name}; {', '.join(languages)})"
    )
    return 0


def _of_encoder(options: argparse.Namespace) -> tuple[Params, str, pd.DataFrame]:
    """Return how an encoder is used, where it is, and the texts that the options name."""
    if options.on is None:
        raise InputError("--on: give the texts to fit the correction on: parallel text, or pairs")
    given = {name: getattr(options, name) for name in _ENCODER_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    params = Params.check({"encoder": options.encoder, **given}, "hybridlib correct")
    table = texts_to_fit(options.on, options.kind, options.languages, params.correction_texts)
    return params, options.encoder, table


def _of_run(options: argparse.Namespace) -> tuple[Params, str, pd.DataFrame]:
    """Return the parameters of a run, where its encoder is, and what its corrections are fitted on.

    Raises:
        InputError: an option says otherwise than the run, or the run has no model.
    """
    names = ("on", "kind", "languages", *_ENCODER_OPTIONS)
    given = [name for name in names if getattr(options, name) is not None]
    if given:
        raise InputError(
            f"--{given[0].replace('_', '-')}: a run is corrected as in its study; leave it out, or "
            f"give {options.encoder}/model"
        )
    run = Study.open_run(Path(options.encoder))
    params = run.params
    table = fitting_table(
        run.evaluation_corpus(),
        run.training_pairs(),
        params.parallel_path,
        params.parallel_passages,
        params.correction_texts,
        params.data_seed,
    )
    return params, str(run.model), table
