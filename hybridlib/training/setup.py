"""What the loop needs before its first step, made from parameters."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import deterministic

from hybridlib.batching import plugins
from hybridlib.batching.code_switching import Switching
from hybridlib.batching.pair_table import PairTable
from hybridlib.config.params import Params, names_of_step
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.pairs import check_scores, negatives_of, scores_of, with_lists_as_json
from hybridlib.distributed import processes
from hybridlib.errors import InputError
from hybridlib.files import content_hash, resolve
from hybridlib.model.adapter import Adapter, check_base
from hybridlib.model.encoder import DualEncoder
from hybridlib.modules import code_hash
from hybridlib.training.loss import IGNORE, ContrastiveLoss

logger = logging.getLogger(__name__)


@contextmanager
def open_accelerator(params: Params, folder: Path, encoder: DualEncoder) -> Iterator[Accelerator]:
    """Give the loop its accelerator; afterwards the encoder is as it came and trackers are closed.

    Raises:
        InputError: precision, trackers or batch size do not fit this machine.
    """
    accelerator = _make_accelerator(params, folder)
    try:
        with _computation(params, accelerator.device):
            yield accelerator
    finally:
        accelerator.unwrap_model(encoder, keep_fp32_wrapper=False)
        for tracker in accelerator.trackers:
            tracker.finish()


@contextmanager
def _computation(params: Params, device: torch.device) -> Iterator[None]:
    """Set how PyTorch computes in the loop: repeatably, and fast on a CPU.

    On a GPU, sums may be added up in any order. A run that is resumed there, or repeated, gives the
    same weights only with deterministic algorithms; an operation that has none warns. PyTorch would
    then also fill new memory, which changes no result and takes time.
    """
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    was_warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    was_filling = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    attention: AbstractContextManager[None] = nullcontext()
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    elif device.type == "cpu" and params.precision == "bf16":
        # The backward pass of PyTorch's fused attention is slow in bf16 on a CPU.
        attention = sdpa_kernel(SDPBackend.MATH)
    try:
        with attention:
            yield
    finally:
        torch.use_deterministic_algorithms(was_deterministic, warn_only=was_warn_only)
        deterministic.fill_uninitialized_memory = was_filling  # type: ignore[attr-defined]


def _make_accelerator(params: Params, folder: Path) -> Accelerator:
    # An earlier run in this kernel may have had another precision.
    AcceleratorState._reset_state()
    # Connect the processes first: Accelerate alone takes each for the only one where no GPU is.
    processes()
    mixed = "no" if params.precision == "fp32" else params.precision
    trackers = ", ".join(params.trackers) or "none"
    try:
        accelerator = Accelerator(
            mixed_precision=mixed,
            log_with=params.trackers or None,
            project_dir=folder / "trackers",
        )
    except ValueError as error:
        raise InputError(
            f"precision ({params.precision}) or trackers ({trackers}) cannot be had here: {error}"
        ) from None
    _check_accelerator(params, accelerator)
    if params.trackers:
        plain = {
            name: value
            for name, value in params.plain().items()
            if isinstance(value, bool | int | float | str)
        }
        accelerator.init_trackers(params.study, config=plain)
    return accelerator


def _check_accelerator(params: Params, accelerator: Accelerator) -> None:
    """Refuse what Accelerate would leave out silently."""
    if params.precision != "fp32" and not accelerator.native_amp:
        raise InputError(
            f"precision ({params.precision}) cannot be had on {accelerator.device.type}; use bf16 "
            "or fp32"
        )
    started = {str(getattr(tracker, "value", tracker)) for tracker in accelerator.log_with}
    missing = sorted(set(params.trackers) - started)
    if missing:
        raise InputError(
            f"trackers: {', '.join(missing)} is not installed; install it with pip, or take it "
            "out of trackers"
        )
    if params.batch_size % accelerator.num_processes:
        raise InputError(
            f"batch_size ({params.batch_size}) must be a multiple of the number of processes "
            f"({accelerator.num_processes}): each takes as many rows"
        )


def pair_table(params: Params, pairs: pd.DataFrame) -> PairTable:
    """Return the table that a run draws its batches from."""
    lexicon_path = None if params.lexicon_path is None else resolve(params.lexicon_path)
    switching = Switching(params.switch_probability, params.switch_sides, lexicon_path)
    return PairTable(pairs, params.dataset_tau, params.language_draw, switching)


def content_ids(pairs: pd.DataFrame) -> tuple[Tensor, Tensor]:
    """Number the passage contents: of each row's passage, and of its explicit negatives.

    A negative whose text is some row's passage has that passage's number; places behind a row's
    last negative have IGNORE.

    Returns:
        Two tensors: ``[rows]`` and ``[rows, most negatives of a row]``.
    """
    contents, names = pd.factorize(pairs["passage_id"])
    negatives = negatives_of(pairs)
    counts = np.array([len(texts) for texts in negatives])

    # Number the texts of the negatives: as the passage they repeat, else behind all passages.
    numbers = dict(zip(pairs["passage"], contents, strict=True))
    texts = [text for row in negatives for text in row]
    for text in texts:
        numbers.setdefault(text, len(names) + len(numbers))
    ids = np.full((len(pairs), counts.max()), IGNORE)
    ids[np.arange(counts.max()) < counts[:, None]] = [numbers[text] for text in texts]
    return torch.from_numpy(contents.copy()), torch.from_numpy(ids)


def teacher_scores(pairs: pd.DataFrame) -> Tensor:
    """Return what a teacher says of each row's passage and explicit negatives.

    Returns:
        ``[rows, 1 + most negatives of a row]``; NaN behind a row's last negative, and in rows
        without scores or negatives.

    Raises:
        InputError: a row has more or fewer scores than passage and negatives.
    """
    check_scores(pairs, lambda row: f"pair_id {pairs['pair_id'].iloc[row]!r}")
    negatives = negatives_of(pairs)
    table = np.full((len(pairs), 1 + max(map(len, negatives))), np.nan, dtype=np.float32)
    for row, scores in enumerate(scores_of(pairs)):
        if len(scores) > 1:
            table[row, : len(scores)] = scores
    return torch.from_numpy(table)


def make_optimizer(
    params: Params, encoder: DualEncoder, loss: ContrastiveLoss, device: torch.device
) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on matrices only: not on biases, norms and the temperature."""
    weights = [*encoder.parameters(), *loss.parameters()]
    trained = [weight for weight in weights if weight.requires_grad]
    if not any(weight.requires_grad for weight in encoder.parameters()):
        raise InputError("every weight is frozen; lower freeze_layers, so that some are trained")
    groups = [
        {"params": [w for w in trained if w.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [w for w in trained if w.ndim < 2], "weight_decay": 0.0},
    ]
    fused = device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, lr=params.peak_learning_rate, fused=fused)


def make_adapter(params: Params, encoder: DualEncoder) -> Adapter | None:
    """Put the adapter of the parameters into an encoder, if they name one."""
    if params.lora_rank is None:
        return None
    if params.lora_save == "adapter":
        check_base(encoder)
    return Adapter(encoder, params.lora_rank, params.lora_alpha, params.lora_targets, params.seed)


def first_record(frozen: str | None = None, adapter: Adapter | None = None) -> dict[str, Any]:
    """Return the record of step 0, which says what stays as it is."""
    record: dict[str, Any] = {"step": 0}
    if adapter is not None:
        record["adapter"] = adapter.describe()
    if frozen is not None:
        record["frozen"] = frozen
    for name in ("adapter", "frozen"):
        if name in record:
            logger.info(record[name])
    return record


def set_learning_rate(params: Params, optimizer: torch.optim.Optimizer, step: int) -> float:
    """Give the optimizer the learning rate of a step, and return it."""
    rate = learning_rate(params, step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def learning_rate(params: Params, step: int) -> float:
    """Return the learning rate of a step (from 1).

    It rises over the warm-up to its peak, then falls to 0, or stays as it is.
    """
    warmup = round(params.steps * params.warmup_fraction)
    if step <= warmup:
        return params.peak_learning_rate * (step / (warmup + 1))
    done = (step - 1 - warmup) / max(1, params.steps - warmup)
    factors = {
        "linear": 1 - done,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
        "constant": 1.0,
    }
    return params.peak_learning_rate * factors[params.schedule]


def dropout_seed(seed: int, step: int, process: int) -> int:
    """Return the seed of a step's dropout in one process."""
    state = np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(2))


def run_identity(
    params: Params,
    pairs: pd.DataFrame,
    validation: RetrievalCorpus,
    encoder: dict[str, Any],
    processes: int,
) -> dict[str, str]:
    """Return what must be the same for a resumed run to be the run that was interrupted.

    It is what the run began with: parameters, training pairs, validation data, the encoder, word
    lists, plugins, the code that trains, and in how many processes, as each has a dropout of its
    own.

    Args:
        params: of the run.
        pairs: that it is trained on.
        validation: that its best weights are chosen on.
        encoder: what :func:`describe` says of it before the first step.
        processes: that share the run.
    """
    identity = {name: str(getattr(params, name)) for name in names_of_step("training")}
    data = np.bitwise_xor.reduce(pd.util.hash_pandas_object(with_lists_as_json(pairs)).to_numpy())
    identity["training pairs"] = f"{data:016x}"
    identity["validation data"] = validation.hash
    identity |= {f"starting {name}": str(value) for name, value in encoder.items()}
    identity["processes"] = str(processes)
    identity["code of hybridlib"] = code_hash(["hybridlib.training.loop"])
    if params.lexicon_path is not None:
        identity["word lists"] = str(content_hash(resolve(params.lexicon_path)))
    for number, content in enumerate(plugins.content(params.strategy, params.plugins)):
        identity[f"plugin {number}"] = content
    return identity
