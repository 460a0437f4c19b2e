"""Training speed and memory beside sentence-transformers: same encoder, batches, loss, optimizer.

    python benchmarks/training.py ENCODER --corpus xquad-r --corpus-path XQUAD-R --out FOLDER

Ours is hybridlib's ``train``; theirs the bare loop over sentence-transformers' tokenization, model
and loss, without its trainer. Batches are cross-lingual, without dropout, and every passage is
there once, because sentence-transformers masks no false negatives. Both run on the CPU, or with
``--device cuda`` on a GPU. A round trains both from the same start on the same batches; its first
step warms up and is not timed. A step is timed by itself, so loading, validation and writing do not
count. ``--parts`` chooses among

- speed: ours and theirs in turn: pairs per second, their ratio round by round, and how far the
  losses of equal steps are apart; with ``--out``, all go to ``losses.csv`` and ``losses.png``;
- cached: a large batch with cached gradients against plain batches, in cost per pair;
- memory: the peak of a process that takes two steps, for each (Linux);
- profile: where the time of our training goes, plain and cached, two steps each.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from record import add_record_option, write_record
from timing import two_questions
from torch.profiler import ProfilerActivity, profile

from hybridlib.batching.strategies import draw_batch
from hybridlib.config.names import XQUAD_LANGUAGES
from hybridlib.config.params import Params
from hybridlib.data.lareqa import load_lareqa, pairs_from_lareqa
from hybridlib.data.parallel_text import load_aligned_text
from hybridlib.model.encoder import DualEncoder
from hybridlib.training import setup
from hybridlib.training.loop import train
from hybridlib.training.loss import ContrastiveLoss

PARTS = ("speed", "cached", "memory", "profile")
PREFIXES = {"query": "query: ", "passage": "passage: "}


def main() -> None:
    """Run the chosen parts."""
    options = parse_arguments()
    os.environ["ACCELERATE_USE_CPU"] = str(options.device == "cpu").lower()
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(options, load_pairs(options), save_start(options, Path(folder)))
        if options.peak_of:
            print(peak_memory(comparison, options.peak_of))
            return
        report_data(comparison)
        if "speed" in options.parts:
            write_record(options.record, report_speed(comparison))
        if "cached" in options.parts:
            report_cached(comparison)
        if "memory" in options.parts:
            report_memory()
        if "profile" in options.parts:
            report_profile(comparison, "ours")
            report_profile(comparison, "cached")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder")
    parser.add_argument("--corpus", choices=["xquad-r", "mlqa-r", "ntrex"], required=True)
    parser.add_argument("--corpus-path", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3])
    parser.add_argument("--out", type=Path, help="folder for the losses; default: none is written")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cached-batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=24, help="timed steps of each, in all rounds")
    parser.add_argument("--round", type=int, default=4, help="timed steps of each in one round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of cached and plain")
    parser.add_argument("--train-tokens", type=int)
    parser.add_argument("--freeze-embeddings", action="store_true", help="of both")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of both")
    add_record_option(parser)
    parser.add_argument("--threads", type=int, default=0, help="0: what torch takes")
    parser.add_argument("--peak-of", choices=["ours", "theirs", "cached"], help=argparse.SUPPRESS)
    return parser.parse_args()


# --------------------------------------------------------------------------------------- reports


def report_data(comparison: Comparison) -> None:
    """Print how many pairs there are, and how long their texts."""
    options = comparison.options
    encoder = DualEncoder.load(comparison.start)
    sample = comparison.pairs.iloc[::50]
    token_ids = encoder.tokenize(sample["question"], "query")
    token_ids += encoder.tokenize(sample["passage"], "passage")
    length = statistics.mean(len(ids) for ids in token_ids)
    print(
        f"{options.corpus}: {len(comparison.pairs):,} rows, {length:.0f} tokens a text; "
        f"batch {options.batch_size}, {torch.get_num_threads()} threads"
    )


def report_speed(comparison: Comparison) -> dict[str, float]:
    """Print the pairs per second of ours and theirs, and how far their losses are apart.

    Returns:
        The same, by name.
    """
    options = comparison.options
    speeds: list[dict[str, float]] = []
    curves = []
    for number in range(math.ceil(options.steps / options.round)):
        # Both train from the same start on the same batches, which differ from round to round.
        timed_steps = min(options.round, options.steps - number * options.round)
        steps = {
            name: comparison.train(name, timed_steps + 1, seed=number)
            for name in in_turn(("ours", "theirs"), number)
        }
        speed = {name: taken.pairs_per_second for name, taken in steps.items()}
        speeds.append(speed)
        losses = {"ours": steps["ours"].losses, "theirs": steps["theirs"].losses}
        curves.append(pd.DataFrame({"round": number + 1, **losses}))
        print(
            f"  round {number + 1}: {speed['ours']:.1f} and {speed['theirs']:.1f} pairs/s, "
            f"{speed['ours'] / speed['theirs']:.2f} times",
            flush=True,
        )

    # The first round warms up.
    figures = print_speeds(speeds[1:] or speeds, options.round)
    table = pd.concat(curves)
    table.insert(1, "step", table.index + 1)
    figures["largest_loss_difference"] = print_losses(table)
    if options.out:
        draw_losses(table, options.out)
    return figures


def print_speeds(speeds: list[dict[str, float]], steps: int) -> dict[str, float]:
    """Print and return the medians over the rounds, and the ratio taken round by round."""
    medians = {}
    for name in ("ours", "theirs"):
        medians[name] = statistics.median(speed[name] for speed in speeds)
        print(
            f"{name:<7}{medians[name]:8.1f} pairs/s "
            f"(median of {len(speeds)} rounds of {steps} steps)"
        )
    ratios = [speed["ours"] / speed["theirs"] for speed in speeds]
    ratio = statistics.median(ratios)
    print(f"ours / theirs: {ratio:.2f} times as fast ({spread(ratios)})")
    return {"training_over_sentence_transformers": ratio, "pairs_per_second": medians["ours"]}


def print_losses(table: pd.DataFrame) -> float:
    """Print our first and last loss; print and return the largest difference of equal steps."""
    first = table["ours"].iloc[0]
    last = table["ours"].iloc[-1]
    difference = (table["ours"] - table["theirs"]).abs().max()
    print(
        f"loss: {first:.4f} at the first step, {last:.4f} at the last; "
        f"largest difference of a step {difference:.1e}"
    )
    return float(difference)


def draw_losses(table: pd.DataFrame, folder: Path) -> None:
    """Write losses.csv, and losses.png: both losses on top of each other, the difference below.

    Args:
        table: columns round, step, ours, theirs; one row per step.
        folder: where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "losses.csv", index=False)
    figure = Figure(figsize=(6, 5), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])

    # A line for each round, because every round begins anew.
    table = table.assign(number=range(1, len(table) + 1))
    for number, steps in table.groupby("round"):
        labels = ["sentence-transformers", "hybridlib"] if number == 1 else [None, None]
        x = steps["number"]
        upper.plot(x, steps["theirs"], "o-", lw=4, alpha=0.4, color="C0", label=labels[0])
        upper.plot(x, steps["ours"], ".-", lw=1, color="black", label=labels[1])
        lower.plot(x, steps["ours"] - steps["theirs"], ".-", lw=1, color="black")
    upper.set_ylabel("loss")
    upper.legend(frameon=False)
    lower.set(xlabel="step, counted over the rounds", ylabel="difference")
    figure.savefig(folder / "losses.png", dpi=150)


def report_cached(comparison: Comparison) -> None:
    """Print the cost per pair of a cached large batch against as many pairs in plain batches."""
    options = comparison.options
    timed_steps = {"ours": options.cached_batch_size // options.batch_size, "cached": 1}
    ratios = []
    for number in range(options.repeats):
        speed = {
            name: comparison.train(name, timed_steps[name] + 1, seed=number).pairs_per_second
            for name in in_turn(("cached", "ours"), number)
        }
        ratios.append(speed["ours"] / speed["cached"])
        print(f"  {speed['cached']:.1f} pairs/s cached, {speed['ours']:.1f} plain", flush=True)
    print(
        f"cached batch {options.cached_batch_size:,} / plain batch {options.batch_size}: "
        f"{statistics.median(ratios):.2f} times the cost per pair ({spread(ratios)})"
    )


def report_memory() -> None:
    """Print the peak memory of each, in a process of its own with the same options."""
    for name in ("ours", "theirs", "cached"):
        command = [sys.executable, __file__, *sys.argv[1:], "--peak-of", name]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        print(f"peak memory of {name:<7}{float(output.splitlines()[-1]):8,.0f} MB", flush=True)


def peak_memory(comparison: Comparison, name: str) -> float:
    """Return the peak memory of this process in MB, from the loading of the start to two steps."""
    # Forget the peak so far: that of making the start.
    Path("/proc/self/clear_refs").write_text("5")
    comparison.train(name, steps=2)
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    if peak is None:
        raise SystemExit("/proc/self/status has no VmHWM: the memory cannot be measured")
    return int(peak[1]) / 1024


def report_profile(comparison: Comparison, name: str) -> None:
    """Print the operations that take most of the time of a training of two steps."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        comparison.train(name, steps=2)
    table = profiler.key_averages().table(
        sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=50
    )
    kind = "plain" if name == "ours" else "cached"
    print(f"\ntwo of our {kind} steps, by the time of each operation itself")
    print(table)


def in_turn(names: Sequence[str], number: int) -> list[str]:
    """Return the names in the order of a round: another one is first in every other round."""
    return list(names) if number % 2 == 0 else list(reversed(names))


def spread(values: list[float]) -> str:
    """Return the smallest and the largest value as text."""
    return f"{min(values):.2f} to {max(values):.2f}"


# ------------------------------------------------------------------------------ what is compared


@dataclass(frozen=True)
class Steps:
    """The steps of one training.

    Attributes:
        batch_size: pairs of a step.
        losses: of each step.
        seconds: of each step.
    """

    batch_size: int
    losses: list[float]
    seconds: list[float]

    @property
    def pairs_per_second(self) -> float:
        """The speed of all steps but the first, which warms up."""
        timed = self.seconds[1:]
        return self.batch_size * len(timed) / sum(timed)


@dataclass(frozen=True)
class Comparison:
    """What is trained in every round, and on what.

    Attributes:
        options: of the command line.
        pairs: the training table.
        start: folder of the encoder that every training begins with.
    """

    options: argparse.Namespace
    pairs: pd.DataFrame
    start: Path

    def train(self, name: str, steps: int, seed: int = 0) -> Steps:
        """Train from the start.

        Args:
            name: ``ours``, ``theirs`` or, with cached gradients, ``cached``.
            steps: how many.
            seed: of the batches.
        """
        params = self._params(name, steps, seed)
        if name == "theirs":
            return train_theirs(params, self.pairs, self.start, self.options.device)
        return train_ours(params, self.pairs, self.start)

    def _params(self, name: str, steps: int, seed: int) -> Params:
        """Return the parameters of a training."""
        options = self.options
        is_cached = name == "cached"
        return Params(
            strategy="x-y",
            steps=steps,
            seed=seed,
            batch_size=options.cached_batch_size if is_cached else options.batch_size,
            learning_rate=2e-5,
            train_tokens=options.train_tokens,
            freeze_embeddings=options.freeze_embeddings,
            precision=options.precision,
            cached_gradients=is_cached,
            validate_every=None,
        )


def load_pairs(options: argparse.Namespace) -> pd.DataFrame:
    """Return training pairs whose passages are all different.

    They are questions and their answer sentences, or sentences and the next ones.
    """
    if options.corpus == "ntrex":
        pairs = load_aligned_text(options.corpus_path, XQUAD_LANGUAGES)
    else:
        pairs = pairs_from_lareqa(load_lareqa(options.corpus_path, options.corpus))

    # One pair for each passage, and no text twice in a language.
    first = pairs.drop_duplicates("passage_id")["pair_id"]
    pairs = pairs[pairs["pair_id"].isin(first)]
    repeated = pairs.loc[pairs.duplicated(["lang", "passage"]), "pair_id"]
    return pairs[~pairs["pair_id"].isin(repeated)].reset_index(drop=True)


def save_start(options: argparse.Namespace, folder: Path) -> Path:
    """Write the encoder that both begin with, without dropout; return its folder."""
    encoder = DualEncoder.load(
        options.encoder,
        pooling="mean",
        query_prefix=PREFIXES["query"],
        passage_prefix=PREFIXES["passage"],
        max_length=128,
        dropout=0.0,
    )
    start = folder / "start"
    encoder.save(start)
    return start


def train_ours(params: Params, pairs: pd.DataFrame, start: Path) -> Steps:
    """Train with hybridlib."""
    encoder = DualEncoder.load(start)
    with tempfile.TemporaryDirectory() as folder:
        log = train(params, encoder, pairs, two_questions(pairs), Path(folder))
    steps = log[log["step"] > 0]
    seconds = params.batch_size / steps["pairs_per_second"]
    return Steps(params.batch_size, steps["loss"].tolist(), seconds.tolist())


def train_theirs(params: Params, pairs: pd.DataFrame, start: Path, device: str) -> Steps:
    """Train with sentence-transformers' model and loss, and the batches and optimizer of ours."""
    # Loaded for this function alone, so that it does not count in the memory of ours.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.util import batch_to_device

    model: Any = SentenceTransformer(str(start), device=device)
    DualEncoder(model[0].auto_model, model.tokenizer).freeze(params.freeze_embeddings)
    loss_function = MultipleNegativesRankingLoss(model, scale=1 / params.temperature)
    fixed_temperature = ContrastiveLoss(params.temperature)
    optimizer = setup.make_optimizer(params, model, fixed_temperature, model.device)
    table = setup.pair_table(params, pairs)
    model.train()

    losses = []
    seconds = []
    for step in range(1, params.steps + 1):
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = setup.learning_rate(params, step)
        batch = draw_batch(params.strategy, table, params.seed, step, params.batch_size)
        questions, passages = batch.texts(pairs)
        queries = model.preprocess([PREFIXES["query"] + text for text in questions])
        candidates = model.preprocess([PREFIXES["passage"] + text for text in passages])
        features = [batch_to_device(each, model.device) for each in (queries, candidates)]
        with torch.autocast(device, torch.bfloat16, enabled=params.precision == "bf16"):
            loss = loss_function(features, None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - started)
    return Steps(params.batch_size, losses, seconds)


if __name__ == "__main__":
    main()
