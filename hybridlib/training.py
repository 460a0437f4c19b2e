"""The training loop: one function, the same under a notebook, the command line and ``accelerate launch``."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from tqdm.auto import tqdm

from hybridlib import evaluation, retrieval
from hybridlib.corpora import RetrievalCorpus
from hybridlib.encoder import DualEncoder
from hybridlib.errors import InputError
from hybridlib.losses import gather_with_gradient, info_nce
from hybridlib.params import Params
from hybridlib.samplers import UNTRAINED, Batch, PairTable, draw_batch

logger = logging.getLogger(__name__)
_TRAINING_TOKENS = 2048  # micro-batches of one step, in length order: less padding, same loss


@dataclass
class _Progress:
    """The log of a run: one record per step, written as JSON lines when the run ends."""

    records: list[dict[str, Any]]

    def add(self, **record: Any) -> None:
        self.records.append(record)

    def write(self, file: Path) -> None:
        file.write_text("".join(json.dumps(record) + "\n" for record in self.records), encoding="utf-8")


def train(params: Params, encoder: DualEncoder, pairs: pd.DataFrame, validation: RetrievalCorpus, folder: Path) -> pd.DataFrame:
    """Train ``encoder`` in place; write ``folder/model`` and ``folder/training.jsonl``.

    Args:
        params: strategy, batch size, steps, learning rate and the rest; see ``hybridlib params``.
        encoder: changed in place, and left on the device it was trained on.
        pairs: the training table (corpora.PAIR_COLUMNS).
        validation: its mAP is measured before the first step, every ``validate_every`` steps and at the end.

    Returns:
        One row per step: step, loss, regime, learning_rate, pairs_per_second; and, where validated,
        ``validation <setting> mAP``. With the strategy ``untrained`` only step 0.

    Raises:
        InputError: the pairs cannot fill a batch, or the processes cannot share one evenly.
        FloatingPointError: the loss became infinite or not a number.
    """
    accelerator = Accelerator(mixed_precision="no" if params.precision == "fp32" else params.precision)
    if params.batch_size % accelerator.num_processes:
        raise InputError(f"batch_size ({params.batch_size}) must be a multiple of the number of processes ({accelerator.num_processes}): each takes as many rows")
    set_seed(params.seed)
    table, log = PairTable(pairs), _Progress([])
    steps = 0 if params.strategy == UNTRAINED else params.steps
    if steps:
        _freeze(encoder, params)
    optimizer = torch.optim.AdamW(_parameter_groups(encoder, params.weight_decay), lr=params.learning_rate, fused=_can_fuse(accelerator))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_then_linear(params))
    model, optimizer = accelerator.prepare(encoder, optimizer)
    groups = _content_ids(pairs)
    validate = _validator(accelerator, model, validation, params)
    log.add(step=0, **validate())
    bar = tqdm(range(1, steps + 1), desc=params.strategy, unit="step", disable=not accelerator.is_main_process or not steps, mininterval=2)
    for step in bar:
        started = time.perf_counter()
        batch = draw_batch(params.strategy, table, params.seed, step, params.batch_size, params.alpha)
        loss = _step(accelerator, model, optimizer, batch, pairs, groups, params)
        record = {"step": step, "loss": loss, "regime": batch.regime, "learning_rate": schedule.get_last_lr()[0], "pairs_per_second": params.batch_size / (time.perf_counter() - started)}
        schedule.step()
        if step % params.validate_every == 0 or step == steps:
            record.update(validate())
        log.add(**record)
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        accelerator.unwrap_model(model).save(folder / "model")
        log.write(folder / "training.jsonl")
    return pd.DataFrame(log.records)


def _step(accelerator: Accelerator, model: nn.Module, optimizer: Any, batch: Batch, pairs: pd.DataFrame, groups: Tensor, params: Params) -> float:
    """One optimizer step on this process's slice of the batch; the loss of the whole batch."""
    encoder = accelerator.unwrap_model(model)
    model.train()
    mine = batch.slice(accelerator.process_index, accelerator.num_processes)
    tokens = encoder.tokenize(pairs["question"].iloc[mine.questions], "query") + encoder.tokenize(pairs["passage"].iloc[mine.passages], "passage")
    with accelerator.autocast():
        vectors = model(tokens, _TRAINING_TOKENS)
    queries, passages = vectors.float().split(len(mine.questions))
    positives = torch.arange(len(queries), device=queries.device) + accelerator.process_index * len(queries)
    local = groups[mine.questions].to(queries.device), groups[batch.passages].to(queries.device)
    loss = info_nce(queries, gather_with_gradient(passages), *local, positives, params.temperature)
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), params.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    value = accelerator.reduce(loss.detach(), "mean").item()
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss became {value}: lower learning_rate ({params.learning_rate}) or raise temperature ({params.temperature})")
    return value


def _content_ids(pairs: pd.DataFrame) -> Tensor:
    """A number per row that says which passage content it holds."""
    return torch.from_numpy(pd.factorize(pairs["passage_id"])[0].copy())


def _parameter_groups(encoder: DualEncoder, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only: not on biases and norms."""
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _freeze(encoder: DualEncoder, params: Params) -> None:
    if params.freeze_embeddings:
        embeddings = encoder.backbone.get_input_embeddings()
        embeddings.requires_grad_(False)
        logger.info("frozen: token embeddings (%.1f M parameters)", embeddings.weight.numel() / 1e6)


def _can_fuse(accelerator: Accelerator) -> bool:
    return accelerator.device.type in ("cpu", "cuda")


def _warmup_then_linear(params: Params) -> Callable[[int], float]:
    """Learning-rate factor by step: up to 1 over the warm-up, then down to 0."""
    warmup = round(params.steps * params.warmup_fraction)

    def factor(step: int) -> float:
        return (step + 1) / (warmup + 1) if step < warmup else (params.steps - step) / max(1, params.steps - warmup)

    return factor


def _validator(accelerator: Accelerator, model: nn.Module, corpus: RetrievalCorpus, params: Params) -> Callable[[], dict[str, float]]:
    """A function that measures validation mAP in each setting (every process computes the same)."""

    def validate() -> dict[str, float]:
        vectors = retrieval.encode_corpus(accelerator.unwrap_model(model), corpus, params.encode_tokens, progress=False)
        settings = evaluation.summarise(retrieval.rank(*vectors, corpus, params.top_k, params.score_block), corpus, params.top_k)["settings"]
        return {f"validation {setting} mAP": values["map"] for setting, values in settings.items()}

    return validate
