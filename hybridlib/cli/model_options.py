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


def add_card(commands: Any) -> None:
    """Add ``hybridlib card``."""
    card = add_command(
        commands,
        "card",
        "write the model card of a run's encoder",
        "Write model/README.md of a finished run: parameters, training pairs, and the results of "
        "its study. It replaces the README.md that is there.",
        " outputs/quickstart/built-in-hybrid-s0",
    )
    card.add_argument("run", type=Path, metavar="RUN_FOLDER", help="the folder of a finished run")
    card.add_argument(
        "--licence", help="of the encoder, as the hub writes it: mit, cc-by-sa-4.0 (default: none)"
    )


def add_push(commands: Any) -> None:
    """Add ``hybridlib push``."""
    push = add_command(
        commands,
        "push",
        "upload an encoder to the Hugging Face hub",
        "Upload the folder of an encoder with its model card, as one commit. A new repository is "
        "private.",
        " outputs/quickstart/built-in-hybrid-s0/model my-name/my-encoder",
    )
    push.add_argument("folder", type=Path, help="the model/ of a run, or a corrected encoder")
    push.add_argument("repository", help="name or owner/name on the hub; made if it is not there")
    push.add_argument("--public", action="store_true", help="make a new repository public")
