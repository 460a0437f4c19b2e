"""The training loop: one function, the same under a notebook, the command line and ``accelerate launch``.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So resuming is starting at
a later step with the weights and the optimizer's state, and looking at the validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.training --params FILE``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from hybridlib.config.params import Params
from hybridlib.distributed import processes
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loss import NOBODY, ContrastiveLoss


def _accelerator(params: Params, folder: Path) -> Accelerator:
    AcceleratorState._reset_state()  # an earlier run in this kernel may have had another precision
    processes()  # before Accelerate looks around by itself: it would take each process for the only one where there is no GPU
    mixed = "no" if params.precision == "fp32" else params.precision
    try:
        accelerator = Accelerator(
            mixed_precision=mixed, log_with=params.trackers or None, project_dir=folder / "trackers"
        )
    except ValueError as error:
        raise InputError(
            f"precision ({params.precision}) or trackers ({', '.join(params.trackers) or 'none'}) cannot be had here: {error}"
        ) from None
    if (
        mixed != "no" and not accelerator.native_amp
    ):  # Accelerate would train in fp32 without a word
        raise InputError(
            f"precision ({params.precision}) cannot be had on {accelerator.device.type}; use bf16 or fp32"
        )
    missing = set(params.trackers) - {
        str(getattr(tracker, "value", tracker)) for tracker in accelerator.log_with
    }
    if missing:
        raise InputError(
            f"trackers: {', '.join(sorted(missing))} is not installed; install it with pip, or take it out of trackers"
        )
    if params.batch_size % accelerator.num_processes:
        raise InputError(
            f"batch_size ({params.batch_size}) must be a multiple of the number of processes ({accelerator.num_processes}): each takes as many rows"
        )
    if params.trackers:
        plain = {
            name: value
            for name, value in params.plain().items()
            if isinstance(value, (bool, int, float, str))
        }
        accelerator.init_trackers(params.study, config=plain)
    return accelerator


def _content_ids(pairs: pd.DataFrame) -> tuple[Tensor, Tensor]:
    """A number per row that says which passage content it holds, and one for its explicit negative.

    A negative whose text is some row's passage has that passage's number; where a row has none, it is NOBODY's.
    """
    groups, names = pd.factorize(pairs["passage_id"])
    if "negative" not in pairs:
        return torch.from_numpy(groups.copy()), torch.full((len(pairs),), NOBODY)
    known = dict(zip(pairs["passage"], groups))
    texts, unique = pd.factorize(pairs["negative"])
    number = np.array(
        [
            NOBODY if not text.strip() else known.get(text, len(names) + place)
            for place, text in enumerate(unique)
        ]
    )
    return torch.from_numpy(groups.copy()), torch.from_numpy(number[texts])


def _parameter_groups(
    encoder: DualEncoder, loss: ContrastiveLoss, params: Params
) -> list[dict[str, Any]]:
    """Weight decay on matrices only: not on biases, norms and the temperature."""
    trained = [
        parameter
        for module in (encoder, loss)
        for parameter in module.parameters()
        if parameter.requires_grad
    ]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _rate_factor(params: Params, step: int) -> float:
    """Learning-rate factor of a step (from 1): up to 1 over the warm-up, then down to 0, or as it is."""
    warmup = round(params.steps * params.warmup_fraction)
    if step <= warmup:
        return step / (warmup + 1)
    done = (step - 1 - warmup) / max(1, params.steps - warmup)
    return {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "constant": 1.0}[
        params.schedule
    ]
