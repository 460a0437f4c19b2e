"""Checkpoints that survive a kill: written aside, renamed, and read only when whole."""

from __future__ import annotations

import logging
import math
import os
import shutil
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.model.source import one_line

logger = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """Where a run stands, beside its weights and its optimizer.

    Attributes:
        step: the last step taken.
        records: the log, one record per step.
        best: the best validation so far.
        without_better: validations since the best one.
    """

    step: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    best: float = -math.inf
    without_better: int = 0

    def take_score(self, score: float) -> bool:
        """Take note of a validation, and return whether it is the best so far."""
        if score <= self.best:
            self.without_better += 1
            return False
        self.best = score
        self.without_better = 0
        return True


class TrainedWeights:
    """The weights of a model that training changes: what a checkpoint holds of it.

    Args:
        model: what is frozen in it is what the run began with.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights by name."""
        named = self.model.named_parameters()
        return {name: weight.detach() for name, weight in named if weight.requires_grad}

    def load_state_dict(self, saved: dict[str, Tensor]) -> None:
        """Give the model what :meth:`state_dict` returned.

        Raises:
            RuntimeError: other weights are trained now, or they have other shapes.
        """
        other = sorted(saved.keys() ^ self.state_dict().keys())
        if other:
            raise RuntimeError(f"other weights are trained: {other[0]}")
        self.model.load_state_dict(saved, strict=False)


class Checkpoints:
    """The checkpoints of a run, in a folder of their own; a finished run keeps none.

    Args:
        params: how many to keep, and whether to go on from them.
        folder: where they are written.
        accelerator: the main process alone writes.
        parts: what is saved: modules and optimizers by name; ``model`` is also kept when best.
        identity: what must be the same for a resumed run to be the run that was interrupted.
    """

    def __init__(
        self,
        params: Params,
        folder: Path,
        accelerator: Accelerator,
        parts: dict[str, Any],
        identity: dict[str, str],
    ) -> None:
        self.params = params
        self.folder = folder
        self.accelerator = accelerator
        self.parts = dict(parts)
        self.identity = identity
        if accelerator.scaler is not None:
            self.parts["scaler"] = accelerator.scaler

    @property
    def best_file(self) -> Path:
        """The weights of the best validation."""
        return self.folder / "best.pt"

    def resume(self) -> TrainingState:
        """Load the newest checkpoint that may be used; without one, begin with an empty folder.

        Raises:
            InputError: it is of a run with other parameters or data.
        """
        if self.folder.is_file():
            raise InputError(f"{self.folder}: is a file, where the checkpoints would be; remove it")
        newest = None if self.params.resume == "never" else self._latest()
        state = TrainingState()
        if newest is not None:
            file, saved = newest
            self._check_identity(file, saved["identity"])
            state = self._restore(file, saved)
            if self.params.keep_best and not self._has_best(state.step):
                state.best = -math.inf
            logger.info("going on from %s", file)
        self.accelerator.wait_for_everyone()
        if newest is None:
            self.remove()
        return state

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint of this state; then the oldest go."""
        if self.accelerator.is_main_process:
            saved = {name: part.state_dict() for name, part in self.parts.items()}
            save_step(
                self.folder,
                state.step,
                {"identity": self.identity, "state": asdict(state), **saved},
                self.params.keep_checkpoints,
            )
        self.accelerator.wait_for_everyone()

    def save_best(self, step: int) -> None:
        """Keep the model's weights as the best so far."""
        if self.accelerator.is_main_process:
            save(self.best_file, {"model": self.parts["model"].state_dict(), "step": step})

    def load_best(self) -> None:
        """Give the model the best weights."""
        self.parts["model"].load_state_dict(load(self.best_file)["model"])

    def remove(self) -> None:
        """Remove all checkpoints."""
        if self.accelerator.is_main_process:
            remove_folder(self.folder)

    def _check_identity(self, file: Path, saved: dict[str, str]) -> None:
        """Refuse a checkpoint of another run, unless the parameters allow it."""
        now = self.identity
        changed = [
            f"{name} ({saved.get(name)} then, {now.get(name)} now)"
            for name in sorted(now.keys() | saved.keys())
            if now.get(name) != str(saved.get(name))
        ]
        if changed and self.params.resume != "changed":
            raise InputError(
                f"{file}: is of a run with other {', '.join(changed)}; set resume to `changed` to "
                "go on from it all the same, or to `never` to begin anew"
            )

    def _latest(self) -> tuple[Path, dict[str, Any]] | None:
        """Return the newest checkpoint that says whose it is and where it stands."""
        return latest(self.folder, identity=dict, state=dict)

    def _restore(self, file: Path, saved: dict[str, Any]) -> TrainingState:
        """Give every part what a checkpoint has for it, and return where the run stands."""
        try:
            for name, part in self.parts.items():
                part.load_state_dict(saved[name])
            return TrainingState(**saved["state"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file}: does not fit this run's model and optimizer ({one_line(error)}); set "
                "resume to `never` to begin anew"
            ) from error

    def _has_best(self, step: int) -> bool:
        """Return whether the best weights are there, whole, and of a step up to this one."""
        try:
            return load(self.best_file, model=dict, step=int)["step"] <= step
        except FileNotFoundError:
            return False
        except (ValueError, OSError) as error:
            logger.warning(
                "%s: the best weights so far are lost, the file is not whole (%s)",
                self.best_file,
                error,
            )
            return False


# ------------------------------------------------------------------------------------------- files


def save(file: Path, state: dict[str, Any]) -> None:
    """Write aside, flush to the disk, then rename: a reader sees the old file or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    with aside.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def save_step(folder: Path, step: int, state: dict[str, Any], keep: int) -> None:
    """Write ``folder/step-<step>.pt``, then remove the oldest until ``keep`` are left."""
    save(folder / f"step-{step:08d}.pt", state)
    for old in _files(folder)[keep:]:
        old.unlink()


def load(file: Path, **entries: type) -> dict[str, Any]:
    """Return the state in a file, on the CPU.

    Args:
        file: that :func:`save` wrote.
        entries: what the state must have, and of which type.

    Raises:
        ValueError: the file is not whole, or has not these entries.
    """
    # The zip format has a sum of every record, which torch.load does not check.
    try:
        with zipfile.ZipFile(file) as archive:
            torn = archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None
    if torn:
        raise ValueError(f"{torn} is damaged")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError) as error:  # an archive of another kind
        raise ValueError(one_line(error)) from None
    for name, kind in entries.items():
        if not isinstance(state, dict) or not isinstance(state.get(name), kind):
            raise ValueError(f"it has no {name}")
    return state


def latest(folder: Path, **entries: type) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest whole checkpoint; others are skipped with a warning.

    Args:
        folder: of the checkpoints.
        entries: as in :func:`load`.
    """
    for file in _files(folder):
        try:
            return file, load(file, **entries)
        except (ValueError, OSError) as error:
            logger.warning("%s: skipped, it is not whole (%s)", file, error)
    return None


def remove_folder(folder: Path) -> None:
    """Remove a folder of checkpoints: renamed first, so that a kill leaves none of it in place."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.replace(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    """Return the checkpoint files, newest first."""
    return sorted(folder.glob("step-*.pt"), reverse=True)
