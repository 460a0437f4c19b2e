"""Trains one run of a study, as notebook 02 does, in one process or in several.

Several GPUs: ``accelerate launch -m hybridlib.study.launch --params FILE``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from hybridlib.config.params import Params
from hybridlib.config.yaml_files import add_overrides, parse_overrides
from hybridlib.distributed import processes
from hybridlib.errors import InputError
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study
from hybridlib.study.runner import begin, finish
from hybridlib.study.soup import starting_encoder
from hybridlib.study.stop import GO_ON, ended_by_signals
from hybridlib.training.loop import train

_EXAMPLE = (
    "example: accelerate launch -m hybridlib.study.launch --params params/quickstart.yaml "
    "-p strategy x-y"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status is 2 after an input error.

    A signal ends the process, as it ends ``hybridlib run``.
    """
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("papermill").propagate = False
    try:
        with ended_by_signals(GO_ON):
            params = Params.load(options.params, parse_overrides(options.p))
            if options.only:
                params = Study.open(params).run_called(options.only).params
            train_run(params)
    except InputError as error:
        sys.stderr.write(f"hybridlib: {error}\n")
        return 2
    return 0


def train_run(params: Params) -> None:
    """Train the run of ``params``, unless that is done; 03 to 05 then find it finished.

    Raises:
        InputError: a parameter, file or encoder cannot be used.
    """
    is_main = processes().is_main_process
    study = Study.open(params)

    # All processes look before one of them begins, so that all do the same.
    trained = is_done(study, "training")
    processes().wait_for_everyone()
    if trained:
        return

    # Say what is frozen and where an interrupted run goes on, once.
    logging.getLogger("hybridlib.training").setLevel(logging.INFO if is_main else logging.WARNING)

    # The main process writes the data and the built-in encoder that the others read.
    with processes().main_process_first():
        if is_main:
            begin(params, "training")
        encoder = starting_encoder(study, make=is_main)

    log = train(params, encoder, study.training_pairs(), study.validation_corpus(), study.run)
    if is_main:
        finish(study, "training", steps=len(log) - 1, source=encoder.source)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="hybridlib.study.launch",
        description="Train one run of a study; 03 to 05 then find it finished.",
        epilog=_EXAMPLE,
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's parameter file")
    parser.add_argument(
        "--only",
        metavar="RUN",
        help="the run of the grid, by its name or number, instead of the one that encoder, "
        "strategy and seed name",
    )
    add_overrides(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
