"""The options of the commands on encoders: ``hybridlib correct``, ``card`` and ``push``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hybridlib.cli.options import add_command, add_encoder_options


def add_correct(commands: Any) -> None:
    """Add ``hybridlib correct``."""
    correct = add_command(
        commands,
        "correct",
        "make a correction a part of an encoder",
        "Write an encoder whose vectors are corrected for language bias, without training. "
        "sentence-transformers and every command here apply the correction by themselves.",
        " path/to/encoder --on path/to/parallel-text --out corrected",
    )
    correct.add_argument(
        "encoder",
        help="a transformers folder, a hub id (name or name@revision), or the folder of a finished "
        "run: its encoder, fitted as in its study",
    )
    correct.add_argument(
        "--with",
        dest="correction",
        default="filter",
        metavar="NAME",
        help="the correction (default filter); others ask for the language of each text",
    )
    correct.add_argument(
        "--on",
        metavar="TEXTS",
        help="what to fit it on: a folder of aligned <lang>.txt, a table of training pairs, or "
        "ntrex to download NTREX-128; not with the folder of a run",
    )
    correct.add_argument(
        "--kind",
        help="what TEXTS is, where it is neither: squad, mmarco, miracl-train, mr-tydi or mfaq",
    )
    correct.add_argument("--languages", nargs="+", help="only texts in these languages")
    correct.add_argument("--out", type=Path, required=True, help="a new folder for the encoder")
    add_encoder_options(correct.add_argument_group("encoder"))
