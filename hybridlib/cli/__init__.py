"""The command ``hybridlib``: run a study, evaluate an encoder, list parameters and strategies."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable

from hybridlib.cli.parser import make_parser
from hybridlib.errors import InputError
from hybridlib.study.stop import GO_ON, ended_by_signals

# The module and the function of each command.
_COMMANDS = {
    "run": ("studies", "run_study"),
    "choose": ("studies", "choose_settings"),
    "compare": ("studies", "compare_studies"),
    "combine": ("studies", "combine_studies"),
    "export": ("studies", "export_study"),
    "soup": ("studies", "make_soup"),
    "mine": ("mining", "mine_negatives"),
    "score": ("mining", "score_negatives"),
    "evaluate": ("evaluation", "evaluate_encoder"),
    "correct": ("models", "correct_encoder"),
    "card": ("models", "write_run_card"),
    "push": ("models", "push_encoder"),
    "params": ("listing", "list_params"),
    "strategies": ("listing", "list_strategies"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 all well, 1 a run failed, 2 bad input. A signal ends the process: 130
        after Ctrl-C, 143 after SIGTERM.
    """
    options = make_parser().parse_args(arguments)
    _set_up_logging()
    try:
        with ended_by_signals(GO_ON if options.command in ("run", "choose") else ""):
            return command_of(options)(options)
    except InputError as error:
        print(f"hybridlib: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of the output, such as `head`, has closed it: write the rest nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def command_of(options: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    """Return the function that carries out a command.

    Its module is imported now: ``--help`` need not wait for pandas, or any command but evaluate for
    torch.
    """
    module, function = _COMMANDS[options.command]
    command: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"hybridlib.cli.{module}"), function
    )
    return command


def _set_up_logging() -> None:
    """Show warnings on the screen; a study's log file takes more."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.WARNING)
    for name in ("papermill", "transformers", "traitlets"):
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
