"""Commands on encoders: ``hybridlib correct``, ``card`` and ``push``."""

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
from hybridlib.model.card import About, hub_id, write_card
from hybridlib.study.card import about_run
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
    run = None
    if (Path(options.encoder) / "params.yaml").is_file():
        run = _run_of(options)
        params, source, table = run.params, str(run.model), _texts_of(run)
    else:
        params, source, table = _of_encoder(options)

    encoder = load_encoder(params, source)
    check_correctable(encoder)
    texts = encode_fitting_set(encoder, table, params.encode_tokens)
    count = make_a_part(encoder, texts, params.filter_k, params.filter_shrinkage)
    encoder.save(options.out)
    fitted = (
        f"{options.correction}, fitted on {count:,} texts with translations ({texts.name}; "
        f"{', '.join(sorted(table['lang'].unique()))})"
    )
    section = f"## Correction\n\n{fitted}."
    about = About(base_model=hub_id(encoder), sections=[section])
    if run is not None:
        about = about_run(run, correction=options.correction, fitted=section)
    write_card(options.out, encoder, about)
    print(f"wrote {options.out}: {fitted}")
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


def _run_of(options: argparse.Namespace) -> Study:
    """Return the run whose encoder is corrected.

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
    return Study.open_run(Path(options.encoder))


def _texts_of(run: Study) -> pd.DataFrame:
    """Return what the corrections of a run are fitted on."""
    params = run.params
    return fitting_table(
        run.evaluation_corpus(),
        run.training_pairs(),
        params.parallel_path,
        params.parallel_passages,
        params.correction_texts,
        params.data_seed,
    )


def write_run_card(options: argparse.Namespace) -> int:
    """Write the model card of a run's encoder.

    Raises:
        InputError: the folder is none of a run with a model.
    """
    run = Study.open_run(options.run)
    write_card(run.model, load_encoder(run.params, str(run.model)), about_run(run, options.licence))
    print(f"wrote {run.model / 'README.md'}")
    return 0


def push_encoder(options: argparse.Namespace) -> int:
    """Upload an encoder.

    Raises:
        InputError: it is none, or the hub cannot be reached or refuses.
    """
    from hybridlib.model.push import push  # imports torch

    print(f"pushed {options.folder}: {push(options.folder, options.repository, options.public)}")
    return 0
