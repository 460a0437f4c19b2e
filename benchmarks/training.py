"""Training speed and memory against sentence-transformers: same encoder, pairs, batches, loss and optimizer.

    python benchmarks/training.py PATH/TO/encoder --corpus xquad-r --corpus-path PATH/TO/xquad-r --out FOLDER

Cross-lingual batches, no dropout, every passage once (sentence-transformers masks no false negatives). Theirs is the
bare loop over its own tokenization, model and loss, without its trainer. ``--parts`` chooses among

- speed: both train on the same batches in turn, some steps each: pairs per second, their ratio round by round, and how
  far the losses of equal steps are apart; both curves go to ``losses.csv`` and, on top of each other, to ``losses.png``;
- cached: a large batch with cached gradients against the plain one, in cost per pair;
- memory: the peak of each, in a process of its own (Linux);
- profile: where the time of our plain and cached steps goes.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pandas as pd
import torch
from accelerate import Accelerator
from matplotlib import pyplot
from torch.profiler import ProfilerActivity, profile

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import draw_batch
from hybridlib.config.parameters import XQUAD_LANGUAGES
from hybridlib.config.params import Params
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.data.lareqa import load_lareqa, pairs_from_lareqa
from hybridlib.data.pairs import load_parallel
from hybridlib.model.encoder import DualEncoder
from hybridlib.training import loop, setup

PARTS = ("speed", "cached", "memory", "profile")
DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
Step = Callable[[int], float]  # from the number of a step to its loss


def main() -> None:
    options = _options()
    if options.alone:
        print(json.dumps(_alone(options)))
        return
    pairs = _pairs(options)
    lengths = DualEncoder.load(options.encoder, max_length=128)
    tokens = [
        len(ids)
        for side in ("query", "passage")
        for ids in lengths.tokenize(
            pairs["question" if side == "query" else "passage"].iloc[::50], side
        )
    ]
    print(
        f"{options.corpus}: {len(pairs):,} rows, {statistics.mean(tokens):.0f} tokens a text; batch {options.batch_size}, {options.threads or torch.get_num_threads()} threads"
    )
    if "speed" in options.parts:
        _report_speed(options, pairs)
    if "cached" in options.parts:
        _report_cached(options, pairs)
    if "memory" in options.parts:
        for name in ("ours", "theirs", "cached"):
            alone = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--alone", name],
                capture_output=True,
                text=True,
                check=True,
            )
            print(
                f"peak memory of {name:<7}{json.loads(alone.stdout.splitlines()[-1])['megabytes']:8,.0f} MB"
            )
    if "profile" in options.parts:
        for name in ("ours", "cached"):
            _report_profile(name, _made(name, options, pairs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder")
    parser.add_argument("--corpus", choices=["xquad-r", "mlqa-r", "ntrex"], required=True)
    parser.add_argument("--corpus-path", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3])
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder of losses.csv and losses.png"
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cached-batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument(
        "--round", type=int, default=4, help="steps of one before it is the other's turn"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="cached batches, and as many pairs in plain ones"
    )
    parser.add_argument("--train-tokens", type=int, default=Params().train_tokens)
    parser.add_argument("--freeze-embeddings", action="store_true", help="of both")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch takes")
    parser.add_argument("--alone", choices=["ours", "theirs", "cached"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def _report_speed(options: argparse.Namespace, pairs: pd.DataFrame) -> None:
    makers = {name: _made(name, options, pairs) for name in ("ours", "theirs")}
    rounds, losses = [], []
    for first in range(1, options.steps + 1, options.round):
        steps = range(first, min(first + options.round, options.steps + 1))
        found, speed = {}, {}
        for name in makers if len(rounds) % 2 else reversed(makers):
            start = time.perf_counter()
            found[name] = [makers[name](number) for number in steps]
            speed[name] = len(steps) * options.batch_size / (time.perf_counter() - start)
        rounds.append(speed)
        print(
            f"  steps {steps[0]} to {steps[-1]}: {speed['ours']:.1f} and {speed['theirs']:.1f} pairs/s, {speed['ours'] / speed['theirs']:.2f} times",
            flush=True,
        )
        losses += zip(steps, found["ours"], found["theirs"])
    timed = rounds[1:] or rounds  # the first round warms up
    ratios = [each["ours"] / each["theirs"] for each in timed]
    for name in makers:
        print(
            f"{name:<7}{statistics.median(each[name] for each in timed):8.1f} pairs/s (median of {len(timed)} rounds of {options.round} steps)"
        )
    print(
        f"ours / theirs: {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    curves = pd.DataFrame(losses, columns=["step", "ours", "theirs"])
    print(
        f"loss: {curves['ours'].iloc[0]:.4f} at the first step, {curves['ours'].iloc[-1]:.4f} at the last; largest difference of a step {(curves['ours'] - curves['theirs']).abs().max():.1e}"
    )
    _draw(curves, options.out)


def _draw(curves: pd.DataFrame, folder: Path) -> None:
    """Both losses on top of each other, and their difference below."""
    matplotlib.use("agg")
    folder.mkdir(parents=True, exist_ok=True)
    curves.to_csv(folder / "losses.csv", index=False)
    figure, (above, below) = pyplot.subplots(
        2, sharex=True, figsize=(6, 5), height_ratios=[3, 1], layout="constrained"
    )
    above.plot(curves["step"], curves["theirs"], lw=4, alpha=0.4, label="sentence-transformers")
    above.plot(curves["step"], curves["ours"], lw=1, color="black", label="hybridlib")
    above.set(ylabel="loss")
    above.legend(frameon=False)
    below.plot(curves["step"], curves["ours"] - curves["theirs"], lw=1, color="black")
    below.set(xlabel="step", ylabel="difference")
    figure.savefig(folder / "losses.png", dpi=150)


def _report_cached(options: argparse.Namespace, pairs: pd.DataFrame) -> None:
    """Cost per pair of a cached large batch against as many pairs in plain batches, in turn."""
    plain, cached = _made("ours", options, pairs), _made("cached", options, pairs)
    batches, ratios = options.cached_batch_size // options.batch_size, []
    plain(1)
    for number in range(options.repeats):
        times = {}
        for name in ("plain", "cached") if number % 2 else ("cached", "plain"):
            start = time.perf_counter()
            cached(1 + number) if name == "cached" else [
                plain(2 + number * batches + i) for i in range(batches)
            ]
            times[name] = time.perf_counter() - start
        ratios.append(times["cached"] / times["plain"])
        print(
            f"  {options.cached_batch_size / times['cached']:.1f} pairs/s cached, {options.cached_batch_size / times['plain']:.1f} plain",
            flush=True,
        )
    print(
        f"cached batch {options.cached_batch_size:,} / plain batch {options.batch_size}: {statistics.median(ratios):.2f} times the cost per pair ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _report_profile(name: str, step: Step) -> None:
    step(1)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        step(2)
    print(
        f"\nour {'plain' if name == 'ours' else 'cached'} step, by the time of each operation itself"
    )
    print(
        found.key_averages().table(
            sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=50
        )
    )


def _alone(options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of two steps of one of them (Linux)."""
    step = _made(options.alone, options, _pairs(options))
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # forget what loading took; getrusage would count the parent's as well
    for number in (1, 2):
        step(number)
    return {
        "megabytes": int(
            re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)
        )
        / 1024
    }


# ------------------------------------------------------------------------------------------------- what is compared


def _pairs(options: argparse.Namespace) -> pd.DataFrame:
    """Training pairs whose passages are all different: sentence and next sentence, or question and answer sentence."""
    if options.corpus != "ntrex":
        pairs = pairs_from_lareqa(load_lareqa(options.corpus_path, options.corpus))
        kept = (
            pairs.drop_duplicates(["lang", "passage_id"])
            .drop_duplicates(["lang", "passage"])["pair_id"]
            .value_counts()
        )
        return pairs[
            pairs["pair_id"].isin(kept.index[kept == pairs["lang"].nunique()])
        ].reset_index(drop=True)
    lines = load_parallel(options.corpus_path, XQUAD_LANGUAGES)
    following = lines.assign(group=(lines["group"].astype(int) - 1).map("{:07d}".format))
    joined = lines.merge(following, on=["lang", "group"], suffixes=("", "_next")).drop_duplicates(
        ["lang", "text_next"]
    )
    return pd.DataFrame(
        {
            "pair_id": joined["group"],
            "dataset": "ntrex",
            "lang": joined["lang"],
            "question": joined["text"],
            "passage": joined["text_next"],
            "passage_id": joined["group"],
        }
    )


def _made(name: str, options: argparse.Namespace, pairs: pd.DataFrame) -> Step:
    """``ours``, ``theirs`` or, with cached gradients, ``cached``: from the number of a step to its loss."""
    params = Params(
        strategy="x-y", steps=1000, batch_size=options.cached_batch_size if name == "cached" else options.batch_size, learning_rate=2e-5, max_length=128,
        train_tokens=options.train_tokens, freeze_embeddings=options.freeze_embeddings, cached_gradients=name == "cached",
    )  # fmt: skip
    return (_theirs if name == "theirs" else _ours)(options, pairs, params)


def _encoder(options: argparse.Namespace) -> DualEncoder:
    return DualEncoder.load(
        options.encoder,
        pooling="mean",
        query_prefix="query: ",
        passage_prefix="passage: ",
        max_length=128,
        **DROPOUT,
    )


def _ours(options: argparse.Namespace, pairs: pd.DataFrame, params: Params) -> Step:
    run = loop._Run(
        params,
        Accelerator(),
        _encoder(options),
        pairs,
        corpus_from_pairs("none", pairs[:50]),
        Path(tempfile.gettempdir()),
    )
    run.bar.disable = True
    return lambda step: run._step(step)["loss"]


def _theirs(options: argparse.Namespace, pairs: pd.DataFrame, params: Params) -> Step:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    with tempfile.TemporaryDirectory() as folder:
        _encoder(options).save(Path(folder) / "model")
        model = SentenceTransformer(str(Path(folder) / "model"), device="cpu")
    model[0].auto_model.get_input_embeddings().requires_grad_(not params.freeze_embeddings)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)
    loss_of, table = (
        MultipleNegativesRankingLoss(model, scale=1 / params.temperature),
        PairTable(pairs),
    )

    def step(number: int) -> float:
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * setup._rate_factor(params, number)
        batch = draw_batch(params.strategy, table, params.seed, number, params.batch_size)
        questions, passages = batch.texts(pairs)
        model.train()
        loss = loss_of(
            [
                model.preprocess(["query: " + text for text in questions]),
                model.preprocess(["passage: " + text for text in passages]),
            ],
            None,
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


if __name__ == "__main__":
    main()
