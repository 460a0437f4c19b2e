"""Checkpoints that survive a kill: written aside, renamed, and read only when whole."""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)


def save(file: Path, state: dict[str, Any]) -> None:
    """Write aside, flush to the disk, then rename: the file is there whole, or the old one is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    with aside.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def save_step(folder: Path, step: int, state: dict[str, Any], keep: int) -> None:
    """:func:`save` as ``folder/step-<step>.pt``; then the oldest go, until ``keep`` are left."""
    save(folder / f"step-{step:08d}.pt", state)
    for old in _steps(folder)[keep:]:
        old.unlink()


def load(file: Path) -> dict[str, Any]:
    """The state in a file, on the CPU; ValueError where it is torn."""
    try:
        with zipfile.ZipFile(
            file
        ) as archive:  # checks the sum of every record, which torch.load does not
            torn = archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None
    if torn:
        raise ValueError(f"{torn} is damaged")
    return torch.load(file, map_location="cpu", weights_only=True)


def latest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint; torn ones are skipped with a warning. None where there is none."""
    for file in _steps(folder):
        try:
            return file, load(file)
        except ValueError as error:
            logger.warning("%s: skipped, it is not whole (%s)", file, error)
    return None


def forget(folder: Path) -> None:
    """Remove a folder of checkpoints: it is gone at once, whole, also for who is killed meanwhile."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.replace(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _steps(folder: Path) -> list[Path]:
    """Checkpoint files, newest first."""
    return sorted(folder.glob("step-*.pt"), reverse=True)
