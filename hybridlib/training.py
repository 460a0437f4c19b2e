"""The training loop: one function, the same under a notebook, the command line and ``accelerate launch``.

Everything random in a step (the batch, dropout) is a function of the seed and the step. So resuming is starting at
a later step with the weights and the optimizer's state, and looking at the validation data changes nothing.

Several GPUs: ``accelerate launch -m hybridlib.training --params FILE``.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib import checkpoints, evaluation, plugins, retrieval
from hybridlib.corpora import RetrievalCorpus
from hybridlib.encoder import DualEncoder, check_precision
from hybridlib.errors import InputError
from hybridlib.gradients import Embedding, TokenGradients
from hybridlib.losses import NOBODY, ContrastiveLoss, info_nce, left_out
from hybridlib.params import Params, parse_overrides
from hybridlib.processes import processes
from hybridlib.samplers import STRATEGIES, UNTRAINED, Batch, PairTable, draw_batch

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
        vectors = retrieval.encode_corpus(
            self.encoder, self.validation, params.encode_tokens, progress=False
        )
        self.encoder.load_state_dict(trained, strict=False)
        settings = evaluation.summarise(
            retrieval.rank(*vectors, self.validation, params.top_k, params.score_block),
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


@dataclass(frozen=True)
class BatchScores:
    """A training batch as the loss sees it.

    Attributes:
        scores: cosine of every question with every passage, ``[batch, batch]``; the diagonal holds the right pairs.
        left_out: where a passage says what the right one says, and is no negative, ``[batch, batch]``.
        question_langs, passage_langs: of each row.
        loss: InfoNCE of the batch (without explicit negatives).
    """

    scores: np.ndarray
    left_out: np.ndarray
    question_langs: list[str]
    passage_langs: list[str]
    loss: float

    def part(self, rows: int) -> BatchScores:
        """At most so many rows and their passages: those with something left out first, then the first others."""
        chosen = np.sort(np.argsort(~self.left_out.any(1), kind="stable")[:rows])
        langs = [
            [part[row] for row in chosen] for part in (self.question_langs, self.passage_langs)
        ]
        return BatchScores(
            self.scores[np.ix_(chosen, chosen)],
            self.left_out[np.ix_(chosen, chosen)],
            *langs,
            self.loss,
        )


def batch_scores(
    params: Params, encoder: DualEncoder, pairs: pd.DataFrame, step: int = 1
) -> BatchScores:
    """The batch of a step under ``encoder`` as it is; for ``untrained`` a batch of languages mixed row by row."""
    table, name = PairTable.from_params(pairs, params), params.strategy
    size = params.batch_size if name != UNTRAINED else min(params.batch_size, table.capacity["x-x"])
    batch = draw_batch(
        "x-x" if name == UNTRAINED else name, table, params.seed, step, size, params.alpha
    )
    texts, (groups, _) = batch.texts(pairs), _content_ids(pairs)
    questions, passages = (
        torch.from_numpy(encoder.encode(part, side, params.encode_tokens))
        for part, side in zip(texts, ("query", "passage"))
    )
    groups, own = (groups[batch.questions], groups[batch.passages]), torch.arange(size)
    langs = [pairs["lang"].iloc[rows].tolist() for rows in (batch.questions, batch.passages)]
    loss = info_nce(questions, passages, *groups, own, params.temperature).item()
    return BatchScores(
        (questions @ passages.T).numpy(), left_out(*groups, own).numpy(), *langs, loss
    )


def main(arguments: list[str] | None = None) -> int:
    """Train one run of a study: what 02_hybrid_training does, for ``accelerate launch``."""
    from hybridlib.study import Study

    example = "example: accelerate launch -m hybridlib.training --params params/quickstart.yaml -p strategy x-y"
    parser = argparse.ArgumentParser(
        prog="hybridlib.training",
        description="Train one run of a study; 03 to 05 then find it finished.",
        epilog=example,
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's parameter file")
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter, read as YAML",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("papermill").propagate = False
    try:
        study = Study(Params.load(options.params, parse_overrides(options.p)))
        main_process = processes().is_main_process
        logger.setLevel(
            logging.INFO if main_process else logging.WARNING
        )  # what is frozen, where an interrupted run goes on
        with (
            processes().main_process_first()
        ):  # it writes the data and the built-in encoder that the others read
            if main_process:
                study.begin("training")
            encoder = study.starting_encoder(make=main_process)
        log = train(
            study.params,
            encoder,
            pd.read_parquet(study.data / "train.parquet"),
            study.validation_corpus(),
            study.run,
        )
        if main_process:
            study.finish("training", steps=len(log) - 1, source=encoder.source)
        return 0
    except InputError as error:
        sys.stderr.write(f"hybridlib: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
