"""The training loop: one function, the same under a notebook, the command line and Accelerate.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So
resuming is starting at a later step with the weights and the optimizer's state, and looking at the
validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.study.launch --params FILE``.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator
from torch import Tensor

from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.names import UNTRAINED
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.model.encoder import DualEncoder, check_precision
from hybridlib.training import setup
from hybridlib.training.averaging import WeightAverage
from hybridlib.training.checkpoints import Checkpoints, TrainingState
from hybridlib.training.grad_cache import BatchEmbeddings, TokenGradients
from hybridlib.training.log import TrainingLog
from hybridlib.training.loss import IGNORE, ContrastiveLoss
from hybridlib.training.validation import score, validate

logger = logging.getLogger(__name__)


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
            ``negative``, explicit negatives).
        validation: its mAP is measured before the first step, every ``validate_every`` steps and
            at the end; at the end alone where that is None.
        folder: of the run.

    Returns:
        One row per step: step, loss, regime, learning_rate, temperature, pairs_per_second,
        tokens_per_second; and, where validated, ``validation <setting> mAP``. With the strategy
        ``untrained`` only step 0.

    Raises:
        InputError: the pairs cannot fill a batch, the processes cannot share one evenly, or a
            checkpoint is of other parameters or data.
        FloatingPointError: the loss became infinite or not a number.

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
    check_precision(encoder, params.precision)
    folder.mkdir(parents=True, exist_ok=True)
    steps = 0 if params.strategy == UNTRAINED else params.steps
    with setup.open_accelerator(params, folder, encoder) as accelerator:
        # The data: a table to draw from, and what each passage says, so that no passage with the
        # right content serves as a negative.
        table = setup.pair_table(params, pairs)
        contents, negative_contents = setup.content_ids(pairs)

        # The model: one encoder for both sides, InfoNCE, AdamW.
        frozen = encoder.freeze(params.freeze_embeddings, params.freeze_layers) if steps else None
        loss_function = ContrastiveLoss(
            params.temperature, params.learn_temperature, params.bidirectional
        ).to(accelerator.device)
        optimizer = setup.make_optimizer(params, encoder, loss_function, accelerator.device)
        model, optimizer = accelerator.prepare(encoder, optimizer)
        average = WeightAverage(encoder, params.trained_share if steps else 1.0)
        token_gradients = TokenGradients(encoder, accelerator.num_processes)

        # Where an interrupted run goes on.
        parts = {"model": encoder, "optimizer": optimizer, "loss": loss_function}
        identity = setup.run_identity(params, pairs)
        checkpoints = Checkpoints(params, folder / "checkpoints", accelerator, parts, identity)
        state = checkpoints.resume() if steps else TrainingState()
        log = TrainingLog(folder / "training.jsonl", accelerator, params.strategy, steps)
        log.begin(state.records)

        # Step 0 is the validation before training.
        if not state.records:
            record: dict[str, Any] = {"step": 0}
            if frozen:
                logger.info(frozen)
                record["frozen"] = frozen
            if params.validate_every or not steps:
                record |= validate(params, encoder, average, validation)
            state.records.append(record)
            log.write(record)

        while state.step < steps and not _out_of_patience(params, state):
            state.step += 1
            started = time.perf_counter()
            rate = setup.learning_rate(params, state.step)
            for group in optimizer.param_groups:
                group["lr"] = rate

            # Draw a batch: hybrid draws it monolingual with probability alpha, else cross-lingual
            # (arXiv 2408.10536). Every process draws the same batch and encodes its own slice.
            batch = draw_batch(
                params.strategy, table, params.seed, state.step, params.batch_size, params.alpha
            )
            query_ids = contents[batch.questions].to(accelerator.device)
            passage_ids = contents[batch.passages].to(accelerator.device)
            negative_ids = negative_contents[batch.passages].to(accelerator.device)
            has_negatives = bool((negative_contents[batch.passages] != IGNORE).any())
            token_ids = _tokenize(encoder, pairs, batch, accelerator, has_negatives)

            # Encode queries, passages and explicit negatives with the same weights.
            model.train()
            embeddings = BatchEmbeddings(
                accelerator,
                model,
                [ids for side in token_ids for ids in side],
                params.train_tokens,
                setup.dropout_seed(params.seed, state.step, accelerator.process_index),
                params.cached_gradients,
                token_gradients,
            )
            queries, passages, *negatives = embeddings.vectors.split([len(s) for s in token_ids])

            # InfoNCE: every other passage of the whole batch is a negative, unless it has the
            # content that the query asks for.
            loss = loss_function(
                queries,
                passages,
                query_ids,
                passage_ids,
                negatives[0] if negatives else None,
                negative_ids,
            )

            # Backward, and a step of the optimizer.
            embeddings.backward(loss)
            token_gradients.to_optimizer()
            _share_temperature_gradient(loss_function, accelerator)
            weights = [*model.parameters(), *loss_function.parameters()]
            accelerator.clip_grad_norm_(weights, params.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            token_gradients.clear()

            # Record the step, over all processes.
            value, speed = _measure(params, accelerator, loss, token_ids, started)
            record = {
                "step": state.step,
                "loss": value,
                "regime": batch.regime,
                "learning_rate": rate,
                "temperature": float(torch.as_tensor(loss_function.temperature).detach()),
                **speed,
            }
            log.show(record)

            # Validate, and keep the best weights.
            is_last = state.step == steps
            if is_last or _is_due(params.validate_every, state.step):
                measured = validate(params, encoder, average, validation)
                record |= measured
                if state.is_best(score(measured, accelerator)) and params.keep_best:
                    checkpoints.save_best(state.step)
            state.records.append(record)
            log.write(record)

            # Write a checkpoint.
            finished = is_last or _out_of_patience(params, state)
            if not finished and _is_due(params.checkpoint_every, state.step):
                checkpoints.save(state)

        # Write the model: the last weights, or the best ones.
        log.bar.close()
        token_gradients.close()
        accelerator.wait_for_everyone()
        if params.keep_best and state.best > -math.inf:
            checkpoints.load_best()
        average.apply()
        _write_model(encoder, folder, checkpoints, accelerator)
        return pd.DataFrame(state.records)


def _out_of_patience(params: Params, state: TrainingState) -> bool:
    """Return whether the validation has not become better for too long."""
    return params.patience is not None and state.without_better >= params.patience


def _is_due(every: int | None, step: int) -> bool:
    """Return whether something that happens every so many steps happens at this one."""
    return every is not None and step % every == 0


def _tokenize(
    encoder: DualEncoder,
    pairs: pd.DataFrame,
    batch: Batch,
    accelerator: Accelerator,
    has_negatives: bool,
) -> list[list[list[int]]]:
    """Tokenize this process's queries, passages and, where the batch has any, negatives."""
    part = batch.slice(accelerator.process_index, accelerator.num_processes)
    questions, passages = part.texts(pairs)
    token_ids = [encoder.tokenize(questions, "query"), encoder.tokenize(passages, "passage")]
    if has_negatives:
        negatives = pairs["negative"].to_numpy()[part.passages]
        token_ids.append(encoder.tokenize(negatives, "passage"))
    return token_ids


def _share_temperature_gradient(loss_function: ContrastiveLoss, accelerator: Accelerator) -> None:
    """Average the temperature's gradient over processes, as DDP does for the encoder's."""
    gradient = loss_function.log_temperature.grad
    if gradient is not None:
        gradient.copy_(accelerator.reduce(gradient, "mean"))


def _measure(
    params: Params,
    accelerator: Accelerator,
    loss: Tensor,
    token_ids: list[list[list[int]]],
    started: float,
) -> tuple[float, dict[str, float]]:
    """Return the loss of the whole batch, and the speed of the step.

    Raises:
        FloatingPointError: the loss is infinite or not a number.
    """
    count = sum(len(ids) for side in token_ids for ids in side)
    tokens = torch.tensor(float(count), device=loss.device)
    means = accelerator.reduce(torch.stack([loss.detach(), tokens]), "mean")
    value, tokens_per_process = means.tolist()
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the loss became {value}: lower learning_rate ({params.learning_rate}) or raise "
            f"temperature ({params.temperature})"
        )
    seconds = time.perf_counter() - started
    return value, {
        "pairs_per_second": params.batch_size / seconds,
        "tokens_per_second": tokens_per_process * accelerator.num_processes / seconds,
    }


def _write_model(
    encoder: DualEncoder, folder: Path, checkpoints: Checkpoints, accelerator: Accelerator
) -> None:
    """Write the model in the main process; a finished run needs no checkpoints."""
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        encoder.save(folder / "model")
        checkpoints.remove()
    accelerator.wait_for_everyone()
