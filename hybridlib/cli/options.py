"""What several commands' options are made of."""

from __future__ import annotations

import argparse
from typing import Any

from hybridlib.config.names import POOLINGS


def add_command(
    commands: Any, name: str, help_line: str, description: str, example: str
) -> argparse.ArgumentParser:
    """Add a command; its options are still to be added."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_line,
        description=description,
        epilog=f"example: hybridlib {name}{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_encoder_options(group: argparse._ArgumentGroup) -> None:
    """Add how an encoder is used."""
    group.add_argument(
        "--pooling",
        choices=POOLINGS,
        help="default: what the encoder's folder says, else last for a causal language model and "
        "mean for others",
    )
    for side in ("query", "passage"):
        group.add_argument(
            f"--{side}-prefix",
            help=f"default: what the encoder's folder says, else '{side}: ' for E5 and "
            f"'{side.capitalize()}: ' for others",
        )
    group.add_argument("--max-length", type=int, help="tokens kept of a text (default 128)")
