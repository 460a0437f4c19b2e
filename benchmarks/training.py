"""Training speed and memory against sentence-transformers: same encoder, pairs, batches, loss and optimizer.

    python benchmarks/training.py PATH/TO/encoder --corpus xquad-r --corpus-path PATH/TO/xquad-r

Cross-lingual batches, no dropout, every passage once (sentence-transformers masks no false negatives). Both train on
the same batches in turn, some steps each: pairs per second, their ratio round by round, how far the losses of equal
steps are apart, and the peak memory of each in a process of its own. Then cached gradients: a large batch against
the plain one, in cost per pair. Theirs is the bare loop over its own tokenization, model and loss, without its trainer.
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

import pandas as pd
import torch
from accelerate import Accelerator

from hybridlib import training
from hybridlib.corpora import corpus_from_pairs, load_lareqa, load_parallel, pairs_from_lareqa
from hybridlib.encoder import DualEncoder
from hybridlib.params import XQUAD_LANGUAGES, Params
from hybridlib.samplers import PairTable, draw_batch

DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def main() -> None:
    options = _options()
    if options.only:
        print(json.dumps(_alone(options)))
        return
    pairs, params = _pairs(options), _params(options)
    ours, theirs = _ours(options, pairs, params), _theirs(options, pairs, params)
    rounds, losses = [], []
    for first in range(1, options.steps, options.round):
        steps = range(first, first + options.round)
        times = {}
        for name, step in (("ours", ours), ("theirs", theirs)) if first % 2 else (("theirs", theirs), ("ours", ours)):
            start = time.perf_counter()
            times[name] = ([step(number) for number in steps], time.perf_counter() - start)
        rounds.append({name: options.round * options.batch_size / seconds for name, (_, seconds) in times.items()})
        losses += zip(times["ours"][0], times["theirs"][0])
    timed = rounds[1:] or rounds  # the first round warms up
    ratios = [each["ours"] / each["theirs"] for each in timed]
    print(f"{options.corpus}: {len(pairs):,} rows, batch {options.batch_size}, {options.threads or torch.get_num_threads()} threads; medians of {len(timed)} rounds of {options.round} steps")
    for name in ("ours", "theirs"):
        print(f"{name:<7}{statistics.median(each[name] for each in timed):8.1f} pairs/s")
    print(f"ours / theirs: {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"loss: {losses[0][0]:.4f} at the first step, {losses[-1][0]:.4f} at the last; largest difference of a step {max(abs(a - b) for a, b in losses):.1e}")
    del ours, theirs
    _report_cached(options, pairs, params)
    for name in ("ours", "theirs", "cached"):
        alone = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", name], capture_output=True, text=True, check=True)
        print(f"peak memory of {name:<7}{json.loads(alone.stdout.splitlines()[-1])['megabytes']:8,.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder")
    parser.add_argument("--corpus", choices=["xquad-r", "mlqa-r", "ntrex"], required=True)
    parser.add_argument("--corpus-path", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cached-batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--round", type=int, default=4, help="steps of one before it is the other's turn")
    parser.add_argument("--train-tokens", type=int, default=Params().train_tokens)
    parser.add_argument("--freeze-embeddings", action="store_true", help="of both")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch takes")
    parser.add_argument("--only", choices=["ours", "theirs", "cached"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def _pairs(options: argparse.Namespace) -> pd.DataFrame:
    """Training pairs whose passages are all different: sentence and next sentence, or question and answer sentence."""
    if options.corpus != "ntrex":
        pairs = pairs_from_lareqa(load_lareqa(options.corpus_path, options.corpus))
        kept = pairs.drop_duplicates(["lang", "passage_id"]).drop_duplicates(["lang", "passage"])["pair_id"].value_counts()
        return pairs[pairs["pair_id"].isin(kept.index[kept == pairs["lang"].nunique()])].reset_index(drop=True)
    lines = load_parallel(options.corpus_path, XQUAD_LANGUAGES)
    following = lines.assign(group=(lines["group"].astype(int) - 1).map("{:07d}".format))
    joined = lines.merge(following, on=["lang", "group"], suffixes=("", "_next")).drop_duplicates(["lang", "text_next"])
    return pd.DataFrame({"pair_id": joined["group"], "dataset": "ntrex", "lang": joined["lang"], "question": joined["text"], "passage": joined["text_next"], "passage_id": joined["group"]})


def _params(options: argparse.Namespace, **changes: object) -> Params:
    values = {"strategy": "x-y", "steps": 1000, "batch_size": options.batch_size, "learning_rate": 2e-5, "train_tokens": options.train_tokens, "freeze_embeddings": options.freeze_embeddings}
    return Params(**{**values, "max_length": 128, **changes})


def _ours(options: argparse.Namespace, pairs: pd.DataFrame, params: Params) -> Callable[[int], float]:
    encoder = DualEncoder.load(options.encoder, pooling="mean", query_prefix="query: ", passage_prefix="passage: ", max_length=128, **DROPOUT)
    run = training._Run(params, Accelerator(), encoder, pairs, corpus_from_pairs("none", pairs[:50]), Path(tempfile.gettempdir()))
    run.bar.close()
    return lambda step: run._step(step)["loss"]


def _theirs(options: argparse.Namespace, pairs: pd.DataFrame, params: Params) -> Callable[[int], float]:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    with tempfile.TemporaryDirectory() as folder:
        encoder = DualEncoder.load(options.encoder, pooling="mean", query_prefix="query: ", passage_prefix="passage: ", max_length=128, **DROPOUT)
        encoder.save(Path(folder) / "model")
        del encoder
        model = SentenceTransformer(str(Path(folder) / "model"), device="cpu")
    model[0].auto_model.get_input_embeddings().requires_grad_(not params.freeze_embeddings)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if p.ndim >= 2], "weight_decay": params.weight_decay}, {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)
    loss_of, table = MultipleNegativesRankingLoss(model, scale=1 / params.temperature), PairTable(pairs)

    def step(number: int) -> float:
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * training._rate_factor(params, number)
        batch = draw_batch(params.strategy, table, params.seed, number, params.batch_size)
        questions, passages = batch.texts(pairs)
        model.train()
        loss = loss_of([model.preprocess(["query: " + text for text in questions]), model.preprocess(["passage: " + text for text in passages])], None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def _cached(options: argparse.Namespace, pairs: pd.DataFrame) -> Callable[[int], float]:
    return _ours(options, pairs, _params(options, batch_size=options.cached_batch_size, cached_gradients=True))


def _report_cached(options: argparse.Namespace, pairs: pd.DataFrame, params: Params) -> None:
    """Cost per pair of a cached large batch against as many pairs in plain batches, in turn."""
    plain, cached = _ours(options, pairs, params), _cached(options, pairs)
    batches, ratios = options.cached_batch_size // options.batch_size, []
    plain(1)
    for number in range(1, 4):
        times = []
        for work in (lambda n=number: [plain(1 + n * batches + i) for i in range(batches)], lambda n=number: cached(n)):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        ratios.append(times[1] / times[0])
    print(f"cached batch {options.cached_batch_size:,} / plain batch {options.batch_size}: {statistics.median(ratios):.2f} times the cost per pair ({min(ratios):.2f} to {max(ratios):.2f})")


def _alone(options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of two steps of one of them (Linux)."""
    pairs = _pairs(options)
    step = {"ours": lambda: _ours(options, pairs, _params(options)), "theirs": lambda: _theirs(options, pairs, _params(options)), "cached": lambda: _cached(options, pairs)}[options.only]()
    for number in (1, 2):
        step(number)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())  # getrusage would count the parent's as well
    return {"megabytes": int(peak.group(1)) / 1024}


if __name__ == "__main__":
    main()
