"""How near training and encoding come to the machine's own matrix product, and what the rest is.

    python benchmarks/roofline.py ENCODER --corpus-path XQUAD-R

The matrix product is that of the linear layers of ENCODER's transformer, bare: each weight times a
micro-batch of average size. Its rate is the limit. Against it stand the operations that the linear
layers need for the tokens of a training, or an encoding, over the time of the whole: tokenizer,
padding, attention, loss and optimizer count as time, but not as operations. A forward pass takes
two operations for each weight and token, a training step three times as many. Product, training
and encoding take turns, in float32, without dropout; the median over the rounds is reported. The
profile is that of PyTorch, by the time of each operation itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from encoding import load_texts
from record import add_record_option, write_record
from timing import seconds_of, two_questions
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function
from training import load_pairs, save_start

from hybridlib.config.params import Params
from hybridlib.model.batches import CPU_TOKENS
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.loop import train

# What is sought, in lower case, in the names of an operation and of those that it is a part of; the
# first group that fits counts.
GROUPS = {
    "tokenizer": ("tokenizer",),
    "loss": ("log_softmax", "logsoftmax", "logsumexp", "cross_entropy"),
    "optimizer": ("optimizer", "foreach", "vector_norm"),
    "embeddings": ("embedding", "index_add"),
    "attention": ("scaled_dot", "scaleddot", "bmm", "softmax"),
    "layer norm": ("layer_norm", "layernorm"),
    "GELU": ("gelu",),
    "linear layers": ("aten::linear", "addmm", "aten::mm", "mmbackward"),
    "adding up gradients": ("accumulategrad", "tbackward"),
}
ENCODING = "the encoding"  # what the profile calls it


def main() -> None:
    """Measure, print a table, and write the figures."""
    options = parse_arguments()
    os.environ["ACCELERATE_USE_CPU"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        start = save_start(options, Path(folder))
        pairs = load_pairs(options)
        texts = load_texts(options.corpus_path, options.texts)
        figures = measure(options, start, pairs, texts)
        figures["training_profile"] = profile_training(options, start, pairs)
        figures["encoding_profile"] = profile_encoding(start, texts)
    print_table(figures)
    write_record(options.record, figures)


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder")
    parser.add_argument("--corpus-path", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="timed steps of a round")
    parser.add_argument("--texts", type=int, default=500, help="that are encoded in a round")
    parser.add_argument("--rounds", type=int, default=3)
    add_record_option(parser)
    parser.set_defaults(corpus="xquad-r")
    return parser.parse_args()


# ---------------------------------------------------------------------------------------- limits


def measure(
    options: argparse.Namespace, start: Path, pairs: pd.DataFrame, texts: list[str]
) -> dict[str, Any]:
    """Return the machine's rates, and the shares that training and encoding reach."""
    encoder = DualEncoder.load(start)
    weights = linear_weights(encoder)
    operations = 2 * sum(weight.numel() for weight in weights)  # of a forward pass, for each token
    lengths = [len(ids) for ids in encoder.tokenize(texts, "passage")]
    batches = encoder.micro_batches([[0] * length for length in lengths], CPU_TOKENS)
    tokens = round(sum(lengths) / len(batches))

    rounds = []
    for _ in range(options.rounds):
        fp32 = operations * tokens / product_seconds(weights, tokens, torch.float32)
        bf16 = operations * tokens / product_seconds(weights, tokens, torch.bfloat16)
        encoding = operations * sum(lengths) / seconds_of(lambda: encoder.encode(texts, "passage"))
        training = 3 * operations * tokens_per_second(options, start, pairs)
        rounds.append(
            {
                "gflops_fp32": fp32 / 1e9,
                "gflops_bf16": bf16 / 1e9,
                "bandwidth_gb_s": bandwidth() / 1e9,
                "training_share": training / fp32,
                "encoding_share": encoding / fp32,
            }
        )
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def linear_weights(encoder: DualEncoder) -> list[Tensor]:
    """Return the weights of the linear layers of all transformer layers."""
    stacks = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    layers = max(stacks, key=len)
    return [module.weight.detach() for module in layers.modules() if isinstance(module, nn.Linear)]


def product_seconds(weights: list[Tensor], tokens: int, dtype: torch.dtype) -> float:
    """Return the time of the bare products of so many tokens with all weights."""
    weights = [weight.to(dtype) for weight in weights]
    inputs = {weight.shape[1]: torch.randn(tokens, weight.shape[1]).to(dtype) for weight in weights}
    outputs = {
        weight.shape[0]: torch.empty(tokens, weight.shape[0], dtype=dtype) for weight in weights
    }

    def multiply() -> None:
        for weight in weights:
            torch.mm(inputs[weight.shape[1]], weight.T, out=outputs[weight.shape[0]])

    multiply()  # warms up
    return statistics.median(seconds_of(multiply) for _ in range(5))


def bandwidth() -> float:
    """Return how many bytes of memory are read and written in a second, in a large copy."""
    source = torch.ones(2**26)
    target = torch.zeros(2**26)
    fastest = min(seconds_of(lambda: target.copy_(source)) for _ in range(5))
    return 2 * source.nbytes / fastest


def tokens_per_second(options: argparse.Namespace, start: Path, pairs: pd.DataFrame) -> float:
    """Return the speed of training; the first step warms up."""
    steps = run_training(options, DualEncoder.load(start), pairs).iloc[2:]
    taken = options.batch_size / steps["pairs_per_second"]
    return float((steps["tokens_per_second"] * taken).sum() / taken.sum())


def run_training(
    options: argparse.Namespace, encoder: DualEncoder, pairs: pd.DataFrame
) -> pd.DataFrame:
    """Train for one step that warms up and those that are timed; return the log."""
    params = Params(
        strategy="x-y",
        steps=1 + options.steps,
        batch_size=options.batch_size,
        learning_rate=2e-5,
        validate_every=None,
    )
    with tempfile.TemporaryDirectory() as folder:
        return train(params, encoder, pairs, two_questions(pairs), Path(folder))


# --------------------------------------------------------------------------------------- profiles


def profile_training(
    options: argparse.Namespace, start: Path, pairs: pd.DataFrame
) -> dict[str, float]:
    """Return the share of each group of operations in the time of training."""
    encoder = with_tokenizer_noted(DualEncoder.load(start))
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run_training(options, encoder, pairs)

    # From the end of the first step to the end of the last one.
    events = profiler.events()
    ends = [event.time_range.end for event in events if event.name.startswith("Optimizer.step")]
    return shares(events, min(ends), max(ends))


def profile_encoding(start: Path, texts: list[str]) -> dict[str, float]:
    """Return the share of each group of operations in the time of encoding."""
    encoder = with_tokenizer_noted(DualEncoder.load(start))
    encoder.encode(texts[:50], "passage")  # warms up
    with profile(activities=[ProfilerActivity.CPU]) as profiler, record_function(ENCODING):
        encoder.encode(texts, "passage")
    events = profiler.events()
    (whole,) = [event for event in events if event.name == ENCODING]
    return shares(events, whole.time_range.start, whole.time_range.end)


def with_tokenizer_noted(encoder: DualEncoder) -> DualEncoder:
    """Return an encoder whose tokenizer has a name in the profile."""
    tokenize = encoder.tokenize

    def noted(*arguments: Any) -> list[list[int]]:
        with record_function("tokenizer"):
            return tokenize(*arguments)

    encoder.tokenize = noted  # type: ignore[method-assign]
    return encoder


def shares(events: Iterable[Any], start: float, end: float) -> dict[str, float]:
    """Return the share of each group of operations in a span of time, the largest first.

    Args:
        events: what PyTorch's profiler has noted.
        start: of the span, in microseconds.
        end: of the span.
    """
    time_of: Counter[str] = Counter()
    for event in events:
        if start <= event.time_range.start < end and event.name != ENCODING:
            time_of[group(event)] += event.self_cpu_time_total
    time_of["Python"] = end - start - sum(time_of.values())
    return {name: taken / (end - start) for name, taken in time_of.most_common()}


def group(event: Any) -> str:
    """Return the group of an operation: by its own name, or else by what it is a part of."""
    while event is not None:
        name = event.name.lower()
        for group_name, parts in GROUPS.items():
            if any(part in name for part in parts):
                return group_name
        event = event.cpu_parent
    return "other operations"


def print_table(figures: dict[str, Any]) -> None:
    """Print the limits, the shares, and the profiles side by side."""
    print(
        f"matrix product: {figures['gflops_fp32']:.0f} GFLOP/s in float32, "
        f"{figures['gflops_bf16']:.0f} in bf16; memory: {figures['bandwidth_gb_s']:.1f} GB/s"
    )
    columns = {}
    for name in ("training", "encoding"):
        columns[f"{name}, share of time"] = figures[f"{name}_profile"]
        print(f"{name}: {figures[f'{name}_share']:.0%} of the matrix product's rate")
    print(pd.DataFrame(columns).fillna(0.0).map("{:.1%}".format).to_string())


if __name__ == "__main__":
    main()
