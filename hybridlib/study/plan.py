"""Plan a study: its runs, and a rough estimate of hours and disk on a named device.

The estimate counts 6 floating-point operations per weight of the transformer layers and token in
training, and 2 in encoding (the usual rule, arXiv 2001.08361, sec. 2.1). With LoRA it counts 4: the
weights have no gradient of their own. It takes every text at
max_length, on a device that reaches UTILISATION of its peak. So it is an upper bound for short
texts, and no more than an order of magnitude for anything else.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridlib.config.names import BM25, BUILT_IN, NO_BATCHES
from hybridlib.config.params import Params
from hybridlib.data.prepare import evaluation_corpus
from hybridlib.data.published import is_here, is_published, to_download
from hybridlib.errors import InputError
from hybridlib.files import resolve
from hybridlib.model.defaults import DEFAULT_LENGTH
from hybridlib.model.size import NO_ENCODER, Size, config_size, encoder_size
from hybridlib.model.source import HubUnreachable
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study, run_name

UTILISATION = 0.35

# Peak TFLOP/s of dense bf16 (V100: fp16) by the makers' data sheets; of the CPU what two cores
# reached in benchmarks/training.py.
DEVICES = {"v100": 125.0, "a100": 312.0, "h100": 989.0, "l4": 121.0, "rtx4090": 165.0, "cpu": 0.3}

# Queries and candidates (arXiv 2004.05484).
_TEXTS = {"xquad-r": 13_090 + 13_014, "mlqa-r": 4_199 + 20_534}


@dataclass(frozen=True)
class Plan:
    """One run of a study and what it will cost.

    Attributes:
        name: the run's folder.
        done: whether nothing of it is left to do.
        steps: optimizer steps left.
        hours: estimate of training and of encoding the corpora that can be counted.
        uncounted: evaluation corpora that cannot be counted, because they are missing.
        unsized: the encoder, where its size is not known: then hours and disk are 0.
        disk: bytes of the trained model.
        peak_disk: bytes while training: checkpoints on top.
        vectors: bytes on disk of the texts of the corpora that can be counted.
        command: runs it, alone.
    """

    name: str
    done: bool
    steps: int
    hours: float
    uncounted: tuple[str, ...]
    unsized: str | None
    disk: float
    peak_disk: float
    vectors: float
    command: str


def plan(params: Params, file: Path, device: str, overrides: list[list[str]]) -> list[Plan]:
    """Return what :func:`hybridlib.study.grid.run_study` would do, run by run.

    Nothing is loaded but configs and local corpora. Of a hub id config.json is fetched into the
    hub's cache; nothing else is written.

    Args:
        params: the study.
        file: its parameter file, as the command line names it.
        device: a key of DEVICES.
        overrides: names and values of ``-p``, as on the command line.

    Raises:
        InputError: the device is unknown, a strategy is, the grid cannot be used, or there is
            no such encoder.
    """
    if device not in DEVICES:
        raise InputError(f"no device is called {device!r}; there are {', '.join(DEVICES)}")
    utilisation = 1 if device == "cpu" else UTILISATION
    speed = DEVICES[device] * 1e12 * utilisation
    parts = [params, *params.further()]
    texts = [_count_texts(part) for part in parts]
    sizes: dict[str, Size | None] = {}
    plans = []
    grids = [Study.open(part).runs() for part in parts]
    for run, *further in zip(*grids, strict=True):
        command = _command(file, overrides, run)
        size = _size(run.params, sizes)
        plans.append(_plan_run(run, [run, *further], texts, size, speed, command))
    return plans


def downloads(params: Params) -> list[str]:
    """Return what a study downloads at most before it can run, a sentence for each set.

    Encoders and sets of the hub are not among them.
    """
    names: list[str] = []
    for part in (params, *params.further()):
        corpora = [*part.training_sets, (part.eval_corpus, part.eval_corpus_path)]
        names += [corpus for corpus, path in corpora if path is None]
        parallel = [path for corpus, path in part.training_sets if corpus == "parallel"]
        if part.corrections:
            parallel.append(part.parallel_path)
        names += [str(path) for path in parallel if path and not resolve(path).exists()]
    sentences = [to_download(name) for name in dict.fromkeys(names) if is_published(name)]
    return [sentence for sentence in sentences if sentence]


def _plan_run(
    run: Study,
    evaluations: list[Study],
    texts: list[int | None],
    size: Size | None,
    speed: float,
    command: str,
) -> Plan:
    """Plan one run.

    Args:
        run: the run.
        evaluations: the run in the study itself and in each of ``also_evaluate``.
        texts: how many texts each of these encodes; None where that is not known.
        size: of the encoder; None where it is not known.
        speed: operations per second.
        command: runs it, alone.
    """
    params = run.params
    unsized = params.encoder if size is None else None
    size = size or NO_ENCODER
    needs_training = params.strategy not in NO_BATCHES and not is_done(run, "training")
    steps = params.steps if needs_training else 0

    # The corpora whose evaluation is not finished.
    left = {}
    for study, count in zip(evaluations, texts, strict=True):
        if not is_done(study, "bias"):
            left[study.params.eval_corpus] = count
    uncounted = tuple(name for name, count in left.items() if count is None)

    # A training step encodes a question and a passage of each pair.
    length = params.max_length or DEFAULT_LENGTH
    adapter = _adapter(params, size)
    per_weight = 4 if adapter else 6
    training = per_weight * size.layers * steps * params.batch_size * 2 * length
    encoding = 2 * size.layers * length * sum(count or 0 for count in left.values())
    hours = (training + encoding) / speed / 3600

    is_adapter = adapter and params.lora_save == "adapter"
    weights = 4 * (adapter if is_adapter else size.total)
    peak = _checkpoint_bytes(params, size) if steps else 0
    done = not left and not steps
    name = run_name(params)
    disk = (weights, weights + peak, _vector_bytes(evaluations, texts, size))
    return Plan(name, done, steps, hours, uncounted, unsized, *disk, command)


def _vector_bytes(evaluations: list[Study], texts: list[int | None], size: Size) -> int:
    """Return the disk that the vectors of all texts take: float16 with ``vectors: disk``."""
    total = 0
    for study, count in zip(evaluations, texts, strict=True):
        each = 2 if study.params.vectors == "disk" else 4
        total += (count or 0) * (study.params.projection or size.width) * each
    return total


def _checkpoint_bytes(params: Params, size: Size) -> int:
    """Return the disk that training takes beside the model: checkpoints and the best weights."""
    trained = 4 * (size.layers if params.freeze_embeddings else size.total)
    adapter = _adapter(params, size)
    if adapter:
        trained = 4 * adapter
    best = trained if params.keep_best else 0
    if params.checkpoint_every is None:
        return best
    # A checkpoint has the trained weights, and two numbers that AdamW keeps for each of them.
    return params.keep_checkpoints * 3 * trained + best


def _command(file: Path, overrides: list[list[str]], run: Study) -> str:
    """Return the shell command of one run."""
    words = ["hybridlib", "run", str(file)]
    for name, value in overrides:
        words += ["-p", name, value]
    return shlex.join([*words, "--only", run_name(run.params)])


def _count_texts(params: Params) -> int | None:
    """Return the queries and candidates of the evaluation.

    They are counted where the corpus is there, else as published, else None.
    """
    if is_here(params.eval_corpus, params.eval_corpus_path):
        corpus = evaluation_corpus(params)
        return len(corpus.queries) + len(corpus.candidates)
    return _TEXTS.get(params.eval_corpus)


def _size(params: Params, known: dict[str, Size | None]) -> Size | None:
    """Return the size of the run's encoder; None where only the hub could tell it.

    Args:
        params: of the run.
        known: sizes of folders and hub ids so far; a new one is added.
    """
    if params.strategy == BM25:
        return NO_ENCODER
    name = params.encoder
    if name == BUILT_IN:
        from hybridlib.model.built_in import make_config  # imports transformers

        length = params.max_length or DEFAULT_LENGTH
        shape = (params.hidden_size, params.layers, params.attention_heads, length)
        return config_size(name, make_config(params.vocab_size, *shape))
    if name not in known:
        folder = resolve(name)
        try:
            known[name] = encoder_size(str(folder) if folder.is_dir() else name)
        except HubUnreachable:
            known[name] = None
    return known[name]


def _adapter(params: Params, size: Size) -> int:
    """Return the weights of the run's adapter (LoRA), or 0.

    It has two factors for each matrix: by peft's default for two of attention, else for all at
    most.
    """
    two = 2 * 2 * size.width * size.depth
    return (params.lora_rank or 0) * (two if params.lora_targets is None else size.sides)


def describe(plans: list[Plan], device: str, to_fetch: Sequence[str] = ()) -> str:
    """Return the plan as text: totals, then one line per run, its command last.

    Args:
        plans: from :func:`plan`.
        device: a key of DEVICES.
        to_fetch: from :func:`downloads`.
    """
    left = [part for part in plans if not part.done]
    steps = sum(part.steps for part in left)
    uncounted = sorted({name for part in left for name in part.uncounted})
    hours = _hours(sum(part.hours for part in left))
    limits = "with every text at max_length"
    if uncounted:
        limits += f"; without encoding {', '.join(uncounted)}, which is not here to be counted"
    disk = _bytes(sum(part.disk for part in plans))
    peak = _bytes(max((part.peak_disk for part in left), default=0))
    vectors = _bytes(sum(part.vectors for part in plans))
    lines = [
        f"{len(plans)} runs, {len(plans) - len(left)} of them done; {steps:,} optimizer steps to "
        "go",
        f"about {hours} on one {device}, {limits}",
        f"about {disk} of disk for the models, and up to {peak} for a run while it trains",
        f"about {vectors} of disk for the vectors of what is evaluated",
        *_without_size(left),
        *(f"{sentence}, before the first run" for sentence in to_fetch),
        "",
        "`--only data` prepares the data, without a GPU. Then one command for each run, for any "
        "scheduler",
        "(`--only 1` is the first of them). `hybridlib compare` compares what has landed.",
    ]
    return "\n".join([*lines, *(f"{part.command}  # {_cost(part)}" for part in plans)])


def _without_size(plans: Sequence[Plan]) -> list[str]:
    """Return a line that names the encoders whose size is not known, or none."""
    names = sorted({part.unsized for part in plans if part.unsized})
    if not names:
        return []
    return [
        f"without the hours and the disk of {', '.join(names)}: no folder here, and the hub does "
        "not answer for config.json"
    ]


def _cost(part: Plan) -> str:
    """Return what is left to do of a run."""
    if part.done:
        return "done"
    if part.unsized:
        return f"{part.steps:,} steps"
    return f"{part.steps:,} steps, {_hours(part.hours)}, {_bytes(part.disk)}"


def _hours(hours: float) -> str:
    """Return a duration."""
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"


def _bytes(count: float) -> str:
    """Return a size."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
