"""The training loop: one function, the same under a notebook, the command line and ``accelerate launch``.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So resuming is starting at
a later step with the weights and the optimizer's state, and looking at the validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.study.launch --params FILE``.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.batching import plugins
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, Batch, draw_batch
from hybridlib.config.parameters import UNTRAINED
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import metrics
from hybridlib.model.encoder import DualEncoder, check_precision
from hybridlib.retrieval import rank
from hybridlib.training import checkpoints
from hybridlib.training.grad_cache import Embedding, TokenGradients
from hybridlib.training.loss import NOBODY, ContrastiveLoss
from hybridlib.training.setup import _accelerator, _content_ids, _parameter_groups, _rate_factor

logger = logging.getLogger(__name__)

_CHECKPOINTS, _BEST = "checkpoints", "best.pt"


def train(
    params: Params,
    encoder: DualEncoder,
    pairs: pd.DataFrame,
    validation: RetrievalCorpus,
    folder: Path,
) -> pd.DataFrame:
    """Train ``encoder`` in place; write ``folder/model`` and ``folder/training.jsonl``.

    A strategy with a ``trained_share`` below 1 trains as any other does; what is validated and handed on is its weights
    averaged with those it began with.

    A run that was killed goes on from its newest checkpoint in ``folder/checkpoints`` (``checkpoint_every``), and
    ends with the same weights as one that was not, to the bit in one process on a CPU. A finished run keeps no checkpoints.

    Args:
        params: strategy, batch size, steps, learning rate and the rest; see ``hybridlib params``.
        encoder: changed in place, and left on the device it was trained on.
        pairs: the training table (corpora.PAIR_COLUMNS; where it has a column ``negative``, explicit negatives).
        validation: its mAP is measured before the first step, every ``validate_every`` steps and at the end; at the end
            alone where that is None.

    Returns:
        One row per step: step, loss, regime, learning_rate, temperature, pairs_per_second, tokens_per_second; and,
        where validated, ``validation <setting> mAP``. With the strategy ``untrained`` only step 0.

    Raises:
        InputError: the pairs cannot fill a batch, the processes cannot share one evenly, or a checkpoint is of
            other parameters or data.
        FloatingPointError: the loss became infinite or not a number.
    """
    check_precision(encoder, params.precision)
    accelerator = _accelerator(params, folder)
    try:
        run = _Run(params, accelerator, encoder, pairs, validation, folder)
        run.resume()
        while not run.is_finished:
            run.advance()
        run.finish()
        return pd.DataFrame(run.state.records)
    finally:
        accelerator.unwrap_model(encoder, keep_fp32_wrapper=False)
        for tracker in accelerator.trackers:
            tracker.finish()


@dataclass
class _State:
    """What a checkpoint holds beside the weights and the optimizer."""

    step: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    best: float = -math.inf
    without_better: int = 0


class _Run:
    """A run in progress: its model, optimizer, log and checkpoints."""

    def __init__(
        self,
        params: Params,
        accelerator: Accelerator,
        encoder: DualEncoder,
        pairs: pd.DataFrame,
        validation: RetrievalCorpus,
        folder: Path,
    ) -> None:
        self.params, self.accelerator, self.encoder, self.folder = (
            params,
            accelerator,
            encoder,
            folder,
        )
        self.pairs, self.validation, self.table, self.state = (
            pairs,
            validation,
            PairTable.from_params(pairs, params),
            _State(),
        )
        self.steps = 0 if params.strategy == UNTRAINED else params.steps
        self.frozen = (
            encoder.freeze(params.freeze_embeddings, params.freeze_layers) if self.steps else None
        )
        if self.frozen:
            logger.info(self.frozen)
        self.loss = ContrastiveLoss(
            params.temperature, params.learn_temperature, params.bidirectional
        ).to(accelerator.device)
        optimizer = torch.optim.AdamW(
            _parameter_groups(encoder, self.loss, params),
            lr=params.learning_rate,
            fused=accelerator.device.type in ("cpu", "cuda"),
        )
        self.model, self.optimizer = accelerator.prepare(encoder, optimizer)
        self.share = STRATEGIES[params.strategy].trained_share if self.steps else 1.0
        self.start = (
            {
                name: weight.detach().clone()
                for name, weight in encoder.named_parameters()
                if weight.requires_grad
            }
            if self.share < 1
            else {}
        )
        self.token_gradients = TokenGradients(encoder, accelerator.num_processes)
        self.groups, self.negative_groups = _content_ids(pairs)
        self.bar = tqdm(
            total=self.steps,
            desc=params.strategy,
            unit="step",
            disable=not accelerator.is_main_process or not self.steps,
            mininterval=2,
        )

    @property
    def is_finished(self) -> bool:
        out_of_patience = (
            self.params.patience is not None and self.state.without_better >= self.params.patience
        )
        return bool(self.state.records) and (self.state.step >= self.steps or out_of_patience)

    # ------------------------------------------------------------------------------------------------ one step

    def advance(self) -> None:
        """The next step, its validation, its record and its checkpoint. Step 0 is the validation before training."""
        state, params = self.state, self.params
        if not state.records:
            measured = self._validate() if params.validate_every or not self.steps else {}
            self._record(
                {"step": 0, **({"frozen": self.frozen} if self.frozen else {}), **measured}
            )
            return
        state.step += 1
        record = self._step(state.step)
        if state.step == self.steps or (
            params.validate_every and state.step % params.validate_every == 0
        ):
            record.update(self._validate())
            self._note_best(record)
        self._record(record)
        if (
            params.checkpoint_every
            and state.step % params.checkpoint_every == 0
            and not self.is_finished
        ):
            self._checkpoint()

    def _step(self, step: int) -> dict[str, Any]:
        """One optimizer step on this process's slice of the batch; the record of the whole batch."""
        params, accelerator = self.params, self.accelerator
        started, rate = time.perf_counter(), params.learning_rate * _rate_factor(params, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = draw_batch(
            params.strategy, self.table, params.seed, step, params.batch_size, params.alpha
        )
        self.model.train()
        tokens = self._tokens(batch)
        seed = int(
            np.random.SeedSequence((params.seed, step, accelerator.process_index)).generate_state(
                1, np.uint64
            )[0]
            >> np.uint64(2)
        )
        embedding = Embedding(
            accelerator,
            self.model,
            [ids for part in tokens for ids in part],
            params.train_tokens,
            seed,
            params.cached_gradients,
            self.token_gradients,
        )
        loss = self._loss_of(batch, embedding.vectors.split([len(part) for part in tokens]))
        embedding.backward(loss)
        self.token_gradients.hand_over()
        self._share_temperature_gradient()
        accelerator.clip_grad_norm_(
            [*self.model.parameters(), *self.loss.parameters()], params.max_grad_norm
        )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.token_gradients.clear()
        count = sum(len(ids) for part in tokens for ids in part)
        value, total = accelerator.reduce(
            torch.stack([loss.detach(), torch.tensor(float(count), device=loss.device)]), "mean"
        ).tolist()
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss became {value}: lower learning_rate ({params.learning_rate}) or raise temperature ({params.temperature})"
            )
        seconds = time.perf_counter() - started
        speed = {
            "pairs_per_second": params.batch_size / seconds,
            "tokens_per_second": total * accelerator.num_processes / seconds,
        }
        self.bar.set_postfix_str(
            f"loss {value:.3f}, {speed['pairs_per_second']:.0f} pairs/s, {speed['tokens_per_second']:.0f} tokens/s",
            refresh=False,
        )
        self.bar.update()
        return {
            "step": step,
            "loss": value,
            "regime": batch.regime,
            "learning_rate": rate,
            "temperature": float(torch.as_tensor(self.loss.temperature).detach()),
            **speed,
        }

    def _tokens(self, batch: Batch) -> list[list[list[int]]]:
        """Token ids of this process's questions, passages and, where the batch has any, explicit negatives."""
        mine = batch.slice(self.accelerator.process_index, self.accelerator.num_processes)
        questions, passages = mine.texts(self.pairs)
        tokens = [
            self.encoder.tokenize(questions, "query"),
            self.encoder.tokenize(passages, "passage"),
        ]
        if (self.negative_groups[batch.passages] != NOBODY).any():
            tokens.append(
                self.encoder.tokenize(self.pairs["negative"].to_numpy()[mine.passages], "passage")
            )
        return tokens

    def _loss_of(self, batch: Batch, vectors: tuple[Tensor, ...]) -> Tensor:
        groups = [
            ids.to(vectors[0].device)
            for ids in (
                self.groups[batch.questions],
                self.groups[batch.passages],
                self.negative_groups[batch.passages],
            )
        ]
        negatives = vectors[2:] and (vectors[2], groups[2])
        return self.loss(vectors[0], vectors[1], tuple(groups[:2]), *negatives)

    def _share_temperature_gradient(self) -> None:
        """What DDP does for the encoder's parameters."""
        gradient = self.loss.log_temperature.grad
        if gradient is not None:
            gradient.copy_(self.accelerator.reduce(gradient, "mean"))

    # ------------------------------------------------------------------------------------------ validation and log

    def _validate(self) -> dict[str, float]:
        """Validation mAP in each setting, of the weights as they would be handed on (every process computes the same)."""
        params = self.params
        trained = {
            name: weight.detach().clone()
            for name, weight in self.encoder.named_parameters()
            if name in self.start
        }
        self._average()
        vectors = rank.encode_corpus(
            self.encoder, self.validation, params.encode_tokens, progress=False
        )
        self.encoder.load_state_dict(trained, strict=False)
        settings = metrics.summarise(
            rank.rank(*vectors, self.validation, params.top_k, params.score_block),
            self.validation,
            params.top_k,
        )["settings"]
        return {
            f"validation {setting} mAP": float(values["map"])
            for setting, values in settings.items()
        }

    @torch.no_grad()
    def _average(self) -> None:
        """Average the encoder's weights with those that training began with, where the strategy asks for that."""
        for name, weight in self.encoder.named_parameters():
            if name in self.start:
                weight.copy_(torch.lerp(self.start[name], weight, self.share))

    def _note_best(self, record: dict[str, Any]) -> None:
        """Whether this validation is the best so far; the main process's word counts."""
        mean = np.mean([value for name, value in record.items() if name.startswith("validation ")])
        score = broadcast(
            torch.tensor(mean, dtype=torch.float64, device=self.accelerator.device)
        ).item()
        if score <= self.state.best:
            self.state.without_better += 1
            return
        self.state.best, self.state.without_better = score, 0
        if self.params.keep_best and self.accelerator.is_main_process:
            checkpoints.save(
                self.folder / _CHECKPOINTS / _BEST,
                {"model": self.encoder.state_dict(), "step": record["step"]},
            )

    def _record(self, record: dict[str, Any]) -> None:
        self.state.records.append(record)
        self.accelerator.log(
            {name: value for name, value in record.items() if isinstance(value, float)},
            step=record["step"],
        )
        if self.accelerator.is_main_process:
            with (self.folder / "training.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")

    # ------------------------------------------------------------------------------------------------- checkpoints

    def resume(self) -> None:
        """Begin: from the newest checkpoint where there is one that may be used, else from step 0."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found = (
            None
            if self.params.resume == "never" or not self.steps
            else checkpoints.latest(self.folder / _CHECKPOINTS)
        )
        if found:
            self._load(*found)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            if not found:
                checkpoints.forget(self.folder / _CHECKPOINTS)
            (self.folder / "training.jsonl").write_text(
                "".join(json.dumps(record) + "\n" for record in self.state.records),
                encoding="utf-8",
            )
        self.bar.update(self.state.step)

    def _load(self, file: Path, said: dict[str, Any]) -> None:
        now = self._identity()
        changed = sorted(
            name
            for name in now.keys() | said["identity"].keys()
            if now.get(name) != str(said["identity"].get(name))
        )
        if changed and self.params.resume != "changed":
            differences = ", ".join(
                f"{name} ({said['identity'].get(name)} then, {now.get(name)} now)"
                for name in changed
            )
            raise InputError(
                f"{file}: is of a run with other {differences}; set resume to `changed` to go on from it all the same, or to `never` to begin anew"
            )
        self.encoder.load_state_dict(said["model"])
        self.optimizer.load_state_dict(said["optimizer"])
        self.loss.load_state_dict(said["loss"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(said["scaler"])
        self.state = _State(**said["state"])
        if self.params.keep_best and not self._holds_best():
            self.state.best = -math.inf
        logger.info("going on from %s", file)

    def _holds_best(self) -> bool:
        """Whether the best weights on disk are those of this state: there, whole, and not of a step that is to come again."""
        try:
            return checkpoints.load(self.folder / _CHECKPOINTS / _BEST)["step"] <= self.state.step
        except OSError:
            return False
        except ValueError as error:
            logger.warning(
                "%s: the best weights so far are lost, the file is not whole (%s)",
                self.folder / _CHECKPOINTS / _BEST,
                error,
            )
            return False

    def _checkpoint(self) -> None:
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            state = {
                "identity": self._identity(),
                "model": self.encoder.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "loss": self.loss.state_dict(),
            }
            state |= {"scaler": scaler and scaler.state_dict(), "state": vars(self.state)}
            checkpoints.save_step(
                self.folder / _CHECKPOINTS, self.state.step, state, self.params.keep_checkpoints
            )
        self.accelerator.wait_for_everyone()

    def _identity(self) -> dict[str, str]:
        """What must be the same for a resumed run to be the run that was interrupted."""
        names = [
            name
            for name, info in Params.model_fields.items()
            if info.json_schema_extra["step"] == "training"
        ]
        data = np.bitwise_xor.reduce(pd.util.hash_pandas_object(self.pairs).to_numpy())
        return {
            **{name: str(getattr(self.params, name)) for name in names},
            "training pairs": f"{data:016x}",
            **{
                f"plugin {number}": content
                for number, content in enumerate(plugins.content(self.params))
            },
        }

    def finish(self) -> None:
        """Write the model, the best one if that is wanted, and forget the checkpoints."""
        self.bar.close()
        self.token_gradients.end()
        self.accelerator.wait_for_everyone()
        if self.params.keep_best and self.state.best > -math.inf:
            self.encoder.load_state_dict(
                checkpoints.load(self.folder / _CHECKPOINTS / _BEST)["model"]
            )
        self._average()
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.encoder.save(self.folder / "model")
            checkpoints.forget(self.folder / _CHECKPOINTS)
        self.accelerator.wait_for_everyone()
