"""The training loop: one function, the same under a notebook, the command line and Accelerate.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So
resuming is starting at a later step with the weights and the optimizer's state, and looking at the
validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.study.launch --params FILE``.
"""

from __future__ import annotations

import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator
from torch import Tensor

from hybridlib.batching.strategies import draw_batch
from hybridlib.batching.translations import with_translations
from hybridlib.config.names import NO_BATCHES
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import check_judged
from hybridlib.model.batches import advised_on_memory
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.identity import describe
from hybridlib.model.trainable import check_trainable
from hybridlib.training import setup
from hybridlib.training.averaging import WeightAverage
from hybridlib.training.checkpoints import Checkpoints, TrainedWeights, TrainingState
from hybridlib.training.grad_cache import BatchEmbeddings, TokenGradients
from hybridlib.training.log import TrainingLog
from hybridlib.training.loss import ContrastiveLoss
from hybridlib.training.objective import Objective
from hybridlib.training.validation import score, validate


def train(
    params: Params,
    encoder: DualEncoder,
    pairs: pd.DataFrame,
    validation: RetrievalCorpus,
    folder: Path,
) -> pd.DataFrame:
    """Train ``encoder`` in place; write ``folder/model`` and ``folder/training.jsonl``.

    With a ``trained_share`` below 1, what is validated and handed on is the average of the trained
    weights and those that training began with.

    A run that was killed goes on from its newest checkpoint in ``folder/checkpoints``
    (``checkpoint_every``) and ends with the same weights as one that was not, to the bit in one
    process on a CPU. A finished run keeps no checkpoints.

    Args:
        params: strategy, batch size, steps, learning rate and the rest; see ``hybridlib params``.
        encoder: changed in place, and left on the device it was trained on.
        pairs: the training table (``hybridlib.data.pairs.PAIR_COLUMNS``; where it has a column
            ``negative`` or ``negatives``, explicit negatives, perhaps with a teacher's ``scores``).
        validation: its mAP is measured before the first step, every ``validate_every`` steps and
            at the end; at the end alone where that is None.
        folder: of the run.

    Returns:
        One row per step: step, loss, regime, learning_rate, temperature, pairs_per_second,
        tokens_per_second; and, where validated, ``validation <setting> mAP``. With the
        strategies ``untrained`` and ``soup`` only step 0.

    Raises:
        InputError: no validation query has a relevant passage, the pairs cannot fill a batch, the
            processes cannot share one evenly, a checkpoint is of another run, a vector or the loss
            became infinite or not a number, or a GPU's memory does not suffice.

    Example:
        >>> import tempfile
        >>> from hybridlib import DualEncoder, Params, load_corpus, train
        >>> from hybridlib.data.facts import all_facts
        >>> from hybridlib.data.phrasings import phrase
        >>> params = Params(strategy="x-y", steps=2, batch_size=8, max_length=32)
        >>> pairs = phrase(all_facts()[:40], ["de", "en"], seed=0)
        >>> corpus = load_corpus("facts", languages=["de", "en"])
        >>> log = train(params, DualEncoder.load(tiny), pairs, corpus, Path(tempfile.mkdtemp()))
        >>> list(log["step"])
        [0, 1, 2]
    """
    check_judged(validation)
    folder.mkdir(parents=True, exist_ok=True)
    if params.strategy in NO_BATCHES:
        return _hand_on(params, encoder, validation, folder)
    check_trainable(encoder, params.precision)
    with setup.open_accelerator(params, folder, encoder) as accelerator:
        # The model: one encoder for both sides, InfoNCE, AdamW. `model` is the encoder, wrapped
        # where several processes share the work. The loss has one parameter at most and stays
        # unwrapped. With LoRA, an adapter in the encoder is trained in place of its weights.
        adapter = setup.make_adapter(params, encoder)
        frozen = encoder.freeze(params.freeze_embeddings, params.freeze_layers)
        loss_function = ContrastiveLoss(
            params.temperature, params.learn_temperature, params.bidirectional
        ).to(accelerator.device)
        optimizer = setup.make_optimizer(params, encoder, loss_function, accelerator.device)
        model, optimizer = accelerator.prepare(encoder, optimizer)
        average = WeightAverage(encoder, params.trained_share)
        token_gradients = TokenGradients(encoder, accelerator.num_processes)

        # The data: a table to draw from. The objective: which texts of a batch are encoded, and
        # the loss of their vectors. It sees the encoder as it is before any checkpoint is loaded.
        table = setup.pair_table(params, pairs)
        objective = Objective(params, encoder, pairs, table, loss_function, accelerator)

        # Go on from a checkpoint, or begin with step 0: the validation before training.
        parts = {"model": TrainedWeights(encoder), "optimizer": optimizer, "loss": loss_function}
        about = {"prefixes": encoder.prefixes, **describe(encoder)}
        identity = setup.run_identity(params, pairs, validation, about, accelerator.num_processes)
        checkpoints = Checkpoints(params, folder / "checkpoints", accelerator, parts, identity)
        state = checkpoints.resume()
        log = TrainingLog(folder / "training.jsonl", accelerator, params, state.records)
        if not state.records:
            record = setup.first_record(frozen, adapter)
            if params.validate_every:
                record |= validate(params, encoder, average, validation)
            log.write(record)

        memory = advised_on_memory(
            "lower batch_size or max_length, or set cached_gradients: true, and then train_tokens"
        )
        with closing(log), closing(token_gradients), memory:
            while not _is_over(params, state):
                state.step += 1
                started = time.perf_counter()
                rate = setup.set_learning_rate(params, optimizer, state.step)

                # Draw a batch: hybrid draws it monolingual with probability alpha, else
                # cross-lingual (arXiv 2408.10536). Every process draws the same batch.
                batch = draw_batch(
                    params.strategy, table, params.seed, state.step, params.batch_size, params.alpha
                )
                if params.consistency_weight:
                    batch = with_translations(batch, table, params.seed, state.step)

                # Encode this process's slice of it, all sides with the same weights: queries,
                # passages and what else the objective needs.
                model.train()
                embeddings = BatchEmbeddings(
                    accelerator,
                    model,
                    objective.tokenize(batch),
                    params.train_tokens,
                    setup.dropout_seed(params.seed, state.step, accelerator.process_index),
                    params.cached_gradients,
                    token_gradients,
                )

                # InfoNCE, and what the parameters add to it.
                loss = objective(batch, embeddings.sides)

                # Backward, and a step of the optimizer.
                embeddings.backward(loss)
                token_gradients.to_optimizer()
                _share_temperature_gradient(loss_function, accelerator)
                weights = [*model.parameters(), *loss_function.parameters()]
                accelerator.clip_grad_norm_(weights, params.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
                token_gradients.clear()

                # Measure the step over all processes. Validate, and keep the best weights.
                value, speed = _measure(params, accelerator, loss, embeddings.tokens, started)
                temperature = float(torch.as_tensor(loss_function.temperature).detach())
                record = {
                    "step": state.step,
                    "loss": value,
                    "regime": batch.regime,
                    "learning_rate": rate,
                    "temperature": temperature,
                    **speed,
                }
                if state.step == params.steps or _is_due(params.validate_every, state.step):
                    measured = validate(params, encoder, average, validation)
                    record |= measured
                    is_best = state.take_score(score(measured, accelerator))
                    if is_best and params.keep_best:
                        checkpoints.save_best(state.step)
                log.write(record)

                # Write a checkpoint, unless the run ends with this step.
                if _is_due(params.checkpoint_every, state.step) and not _is_over(params, state):
                    checkpoints.save(state)

        # Write the model: the last weights, or the best ones where there are any.
        if params.keep_best and state.best > -math.inf:
            accelerator.wait_for_everyone()
            checkpoints.load_best()
        average.apply()
        _write_model(params, encoder, folder, checkpoints, accelerator)
        return pd.DataFrame(state.records)


def _hand_on(
    params: Params, encoder: DualEncoder, validation: RetrievalCorpus, folder: Path
) -> pd.DataFrame:
    """Validate the encoder as it is and write it; the log has step 0 alone."""
    with setup.open_accelerator(params, folder, encoder) as accelerator:
        encoder.to(accelerator.device)
        records: list[dict[str, Any]] = []
        with closing(TrainingLog(folder / "training.jsonl", accelerator, params, records)) as log:
            measured = validate(params, encoder, WeightAverage(encoder, 1.0), validation)
            log.write({**setup.first_record(), **measured})
        if accelerator.is_main_process:
            encoder.save(folder / "model")
        accelerator.wait_for_everyone()
        return pd.DataFrame(records)


def _is_over(params: Params, state: TrainingState) -> bool:
    """Return whether all steps are taken, or the validation has been no better for too long."""
    out_of_patience = params.patience is not None and state.without_better >= params.patience
    return state.step >= params.steps or out_of_patience


def _is_due(every: int | None, step: int) -> bool:
    """Return whether something that happens every so many steps happens at this one."""
    return every is not None and step % every == 0


def _share_temperature_gradient(loss_function: ContrastiveLoss, accelerator: Accelerator) -> None:
    """Average the temperature's gradient over processes, as DDP does for the encoder's."""
    gradient = loss_function.log_temperature.grad
    if gradient is not None:
        gradient.copy_(accelerator.reduce(gradient, "mean"))


def _measure(
    params: Params,
    accelerator: Accelerator,
    loss: Tensor,
    tokens: int,
    started: float,
) -> tuple[float, dict[str, float]]:
    """Return the loss of the whole batch, and the speed of the step.

    Raises:
        InputError: the loss is infinite or not a number.
    """
    count = torch.tensor(float(tokens), device=loss.device)
    means = accelerator.reduce(torch.stack([loss.detach(), count]), "mean")
    value, tokens_per_process = means.tolist()
    if not math.isfinite(value):
        raise InputError(
            f"the loss became {value}: lower learning_rate ({params.peak_learning_rate}) or raise "
            f"temperature ({params.temperature})"
        )
    seconds = time.perf_counter() - started
    return value, {
        "pairs_per_second": params.batch_size / seconds,
        "tokens_per_second": tokens_per_process * accelerator.num_processes / seconds,
    }


def _write_model(
    params: Params,
    encoder: DualEncoder,
    folder: Path,
    checkpoints: Checkpoints,
    accelerator: Accelerator,
) -> None:
    """Write the model in the main process; a finished run needs no checkpoints.

    An adapter is merged before, or else after it is written.
    """
    if encoder.adapter is not None and params.lora_save == "merged":
        encoder.adapter.merge()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        encoder.save(folder / "model")
        checkpoints.remove()
    accelerator.wait_for_everyone()
    if encoder.adapter is not None:
        encoder.adapter.merge()
