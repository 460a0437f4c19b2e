"""What a study will cost before it is run: its runs, and a rough estimate of hours and disk on a named device.

The estimate counts 6 floating-point operations per weight of the transformer layers and token in training, 2 in
encoding (the usual rule, arXiv 2001.08361, sec. 2.1), every text at max_length, on a device that reaches UTILISATION
of its peak. So it is an upper bound for short texts, and no more than an order of magnitude for anything else.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from hybridlib.config.names import BUILT_IN, UNTRAINED
from hybridlib.config.params import Params
from hybridlib.data.prepare import evaluation_corpus
from hybridlib.errors import InputError
from hybridlib.files import read_json, resolve
from hybridlib.model.defaults import DEFAULT_LENGTH
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study, run_name

UTILISATION = 0.35


# Peak TFLOP/s of dense bf16 (V100: fp16) by the makers' data sheets; the CPU: what two cores reached in benchmarks/training.py.
DEVICES = {"v100": 125.0, "a100": 312.0, "h100": 989.0, "l4": 121.0, "rtx4090": 165.0, "cpu": 0.3}


# Layers, width, feed-forward width, vocabulary, as published: for encoders whose config.json is not at hand.
_PUBLISHED = {
    "bert-base-multilingual-cased": (12, 768, 3072, 119_547),
    "xlm-roberta-base": (12, 768, 3072, 250_002),
    "xlm-roberta-large": (24, 1024, 4096, 250_002),
    "mt5-base": (12, 768, 2048, 250_112),
    "LaBSE": (12, 768, 3072, 501_153),
    "multilingual-e5-small": (12, 384, 1536, 250_037),
}


_TEXTS = {
    "xquad-r": 13_090 + 13_014,
    "mlqa-r": 4_199 + 20_534,
}  # queries and candidates (arXiv 2004.05484)


@dataclass(frozen=True)
class Size:
    """Weights of an encoder: of its transformer layers (each works on every token), and in all."""

    layers: int
    total: int


@dataclass(frozen=True)
class Plan:
    """One run of a study and what it will cost.

    Attributes:
        name: the run's folder.
        done: whether nothing of it is left to do.
        steps: optimizer steps left.
        hours: estimate of training and of encoding the corpora that can be counted.
        uncounted: evaluation corpora that cannot, because they are not here.
        disk: bytes that stay: the model and the vectors' share of it.
        peak_disk: bytes while training: checkpoints on top.
        command: runs it, alone.
    """

    name: str
    done: bool
    steps: int
    hours: float
    uncounted: tuple[str, ...]
    disk: float
    peak_disk: float
    command: str


def plan(params: Params, file: Path, device: str, overrides: list[list[str]]) -> list[Plan]:
    """What :func:`pipeline.run_study` would do, run by run; nothing is loaded but configs and local corpora, nothing written.

    Args:
        params: the study.
        file, overrides: how the command line names it.
        device: a key of DEVICES.

    Raises:
        InputError: the device is unknown, the grid cannot be used, or an encoder's size is not to be had.
    """
    if device not in DEVICES:
        raise InputError(f"no device is called {device!r}; there are {', '.join(DEVICES)}")
    speed = DEVICES[device] * 1e12 * (1 if device == "cpu" else UTILISATION)
    studies = [Study(part) for part in (params, *params.further())]
    texts = [_texts_of(study.params) for study in studies]
    return [
        _plan_run(
            run,
            [Study(study.params.but(**_cell(run))) for study in studies],
            texts,
            speed,
            _command(file, overrides, run),
        )
        for run in studies[0].runs()
    ]


def _plan_run(
    run: Study, evaluations: list[Study], texts: list[int | None], speed: float, command: str
) -> Plan:
    params, size = run.params, _size(run)
    length = params.max_length or DEFAULT_LENGTH
    steps = 0 if params.strategy == UNTRAINED or is_done(run, "training") else params.steps
    training = 6 * size.layers * steps * params.batch_size * 2 * length
    left = {
        study.params.eval_corpus: count
        for study, count in zip(evaluations, texts)
        if not is_done(study, "bias")
    }
    hours = (
        (training + 2 * size.layers * length * sum(count or 0 for count in left.values()))
        / speed
        / 3600
    )
    uncounted = tuple(name for name, count in left.items() if count is None)
    weights, trained = (
        4 * size.total,
        4 * (size.total if not params.freeze_embeddings else size.layers),
    )
    checkpoints = (
        0 if params.checkpoint_every is None else params.keep_checkpoints * (weights + 2 * trained)
    )
    peak = (checkpoints + weights * params.keep_best) if steps else 0
    return Plan(
        run_name(params),
        not left and not steps,
        steps,
        hours,
        uncounted,
        weights,
        weights + peak,
        command,
    )


def _cell(run: Study) -> dict[str, object]:
    return {name: getattr(run.params, name) for name in ("encoder", "strategy", "seed")}


def _command(file: Path, overrides: list[list[str]], run: Study) -> str:
    words = [
        "hybridlib",
        "run",
        str(file),
        *(word for name, value in overrides for word in ("-p", name, value)),
        "--only",
        run_name(run.params),
    ]
    return shlex.join(words)


def _texts_of(params: Params) -> int | None:
    """Queries and candidates of the evaluation: counted where the corpus is there, else as published, else None."""
    if params.eval_corpus == "facts" or (
        params.eval_corpus_path is not None and resolve(params.eval_corpus_path).exists()
    ):
        corpus = evaluation_corpus(params)
        return len(corpus.queries) + len(corpus.candidates)
    return _TEXTS.get(params.eval_corpus)


def _size(run: Study) -> Size:
    """From the built-in encoder's parameters, the folder's config.json, or what is published of a hub id."""
    params, folder = run.params, resolve(run.params.encoder)
    gated = "mt5" in params.encoder.lower()
    if params.encoder == BUILT_IN:
        shape = (params.layers, params.hidden_size, 4 * params.hidden_size, params.vocab_size)
    elif (folder / "config.json").exists():
        config = read_json(folder / "config.json")
        gated = "gated" in config.get("feed_forward_proj", "")
        names = (
            ("num_hidden_layers", "num_layers", "n_layers"),
            ("hidden_size", "d_model", "dim"),
            ("intermediate_size", "d_ff", "hidden_dim"),
            ("vocab_size",),
        )
        shape = tuple(
            next((config[name] for name in alike if name in config), None) for alike in names
        )
        if None in shape:
            raise InputError(
                f"{folder / 'config.json'}: does not say how many layers, what widths and what vocabulary the encoder has; the estimate needs them"
            )
    else:
        name = Path(params.encoder.partition("@")[0]).name
        if name not in _PUBLISHED:
            raise InputError(
                f"{params.encoder}: no folder here, and its size is not known ({', '.join(_PUBLISHED)} are); fetch it first, or plan without it: -p encoders '[...]'"
            )
        shape = _PUBLISHED[name]
    layers, width, inner, vocabulary = shape
    per_layer = (
        4 * width * width + (3 if gated else 2) * width * inner
    )  # mT5's feed-forward is gated: three matrices
    return Size(layers * per_layer, layers * per_layer + vocabulary * width)


def describe(plans: list[Plan], device: str) -> str:
    """The plan as text: totals, then one line per run, its command last."""
    left = [each for each in plans if not each.done]
    uncounted = ", ".join(sorted({name for each in left for name in each.uncounted}))
    lines = [
        f"{len(plans)} runs, {len(plans) - len(left)} of them done; {sum(each.steps for each in left):,} optimizer steps to go",
        f"about {_hours(sum(each.hours for each in left))} on one {device}, with every text at max_length"
        + (f"; without encoding {uncounted}, which is not here to be counted" if uncounted else ""),
        f"about {_bytes(sum(each.disk for each in plans))} of disk for the models, and up to {_bytes(max((each.peak_disk for each in left), default=0))} for a run while it trains",
        "",
        "One command for each run, for any scheduler; `hybridlib compare` then compares what has landed.",
    ]
    return "\n".join(
        [*lines, *(f"{each.command}  # {'done' if each.done else _cost(each)}" for each in plans)]
    )


def _cost(each: Plan) -> str:
    return f"{each.steps:,} steps, {_hours(each.hours)}, {_bytes(each.disk)}"


def _hours(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
