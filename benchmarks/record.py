"""A benchmark's figures as a JSON file, beside what it prints."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_record_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--record``."""
    parser.add_argument("--record", type=Path, help="also write the figures to this JSON file")


def write_record(file: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures by name, numbers rounded to four digits; without a file do nothing."""
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_rounded(figures), indent=2) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Return a value with every number in it rounded to four digits."""
    if isinstance(value, Mapping):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value
