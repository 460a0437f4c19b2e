"""The training loop: one function, the same under a notebook, the command line and ``accelerate launch``.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So resuming is starting at
a later step with the weights and the optimizer's state, and looking at the validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.study.launch --params FILE``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import pandas as pd

from hybridlib.config.params import Params, parse_overrides
from hybridlib.distributed import processes
from hybridlib.errors import InputError
from hybridlib.training.loop import train

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Train one run of a study: what 02_hybrid_training does, for ``accelerate launch``."""
    from hybridlib.study.folder import Study

    example = "example: accelerate launch -m hybridlib.study.launch --params params/quickstart.yaml -p strategy x-y"
    parser = argparse.ArgumentParser(
        prog="hybridlib.study.launch",
        description="Train one run of a study; 03 to 05 then find it finished.",
        epilog=example,
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's parameter file")
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter, read as YAML",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("papermill").propagate = False
    try:
        study = Study(Params.load(options.params, parse_overrides(options.p)))
        main_process = processes().is_main_process
        logger.setLevel(
            logging.INFO if main_process else logging.WARNING
        )  # what is frozen, where an interrupted run goes on
        with (
            processes().main_process_first()
        ):  # it writes the data and the built-in encoder that the others read
            if main_process:
                study.begin("training")
            encoder = study.starting_encoder(make=main_process)
        log = train(
            study.params,
            encoder,
            pd.read_parquet(study.data / "train.parquet"),
            study.validation_corpus(),
            study.run,
        )
        if main_process:
            study.finish("training", steps=len(log) - 1, source=encoder.source)
        return 0
    except InputError as error:
        sys.stderr.write(f"hybridlib: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
