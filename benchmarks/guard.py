"""A quick look for a part that has become slower: four ratios beside those that were kept.

    python benchmarks/guard.py

Each is the time of a part over the time of the bare work in it, both measured here in turn, on a
small encoder that was never trained and on random vectors. So no encoder is needed, no data, and
the speed of the machine does not matter much. A ratio far above its kept one is a warning; the exit
status is 0 all the same, because a busy machine can raise it too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from growth import evaluate, parallel_corpus
from record import add_record_option, write_record
from timing import seconds_of, two_questions
from vectors import unit_vectors

from hybridlib.config.params import Params
from hybridlib.data.facts import all_facts
from hybridlib.data.phrasings import phrase
from hybridlib.model.built_in import make_encoder, make_tokenizer
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.search import search
from hybridlib.training.loop import train

KEPT = Path(__file__).parent / "results.json"
WARN_ABOVE = 1.3  # times the kept ratio

Work = Callable[[], object]


def main() -> None:
    """Measure the ratios, and warn of those that are much higher than before."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    add_record_option(parser)
    options = parser.parse_args()
    os.environ["ACCELERATE_USE_CPU"] = "true"

    kept = json.loads(KEPT.read_text(encoding="utf-8")).get("guard", {}) if KEPT.exists() else {}
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        parts = {**of_encoder(Path(folder)), **of_vectors()}
        for name, (ours, bare) in parts.items():
            ratios[name] = ratio(ours, bare, options.repeats)
            before = kept.get(name, float("nan"))
            print(f"{name:<40}{ratios[name]:6.2f}   kept {before:.2f}")
            if ratios[name] > WARN_ABOVE * before:
                print(f"warning: {name} has grown by {ratios[name] / before - 1:.0%}")
    write_record(options.record, ratios)


def ratio(ours: Work, bare: Work, repeats: int) -> float:
    """Return the median of the time of one work over that of another, done in turn."""
    ours()
    bare()
    return statistics.median(seconds_of(ours) / seconds_of(bare) for _ in range(repeats))


def of_encoder(folder: Path) -> dict[str, tuple[Work, Work]]:
    """Return training beside forward and backward passes, and encoding beside forward passes.

    Args:
        folder: where the encoder is written to.
    """
    pairs = phrase(all_facts()[::4], ["de", "en", "zh"], seed=0, variants=1)
    texts = pairs["passage"].tolist()
    tokenizer = make_tokenizer([*pairs["question"], *texts], 2_000)
    make_encoder(
        tokenizer, folder, seed=0, hidden_size=256, layers=2, attention_heads=4, max_length=64
    )
    encoder = DualEncoder.load(folder)
    params = Params(strategy="x-y", steps=4, batch_size=64, validate_every=None)
    few = two_questions(pairs)
    batch = encoder.pad(encoder.tokenize(texts[: 2 * params.batch_size], "passage"))
    everything = encoder.pad(encoder.tokenize(texts, "passage"))

    def train_some() -> object:
        with tempfile.TemporaryDirectory() as name:
            return train(params, DualEncoder.load(folder), pairs, few, Path(name))

    def forward_and_backward() -> None:
        for _ in range(params.steps):
            encoder.embed(**batch).sum().backward()

    def forward() -> object:
        with torch.inference_mode():
            return encoder.embed(**everything)

    return {
        "training / forward and backward": (train_some, forward_and_backward),
        "encoding / one forward pass": (lambda: encoder.encode(texts, "passage"), forward),
    }


def of_vectors() -> dict[str, tuple[Work, Work]]:
    """Return evaluation and search, each beside the matrix product of its vectors."""
    corpus, queries, candidates = parallel_corpus(languages=10, texts=5_000, dimension=384)
    few = unit_vectors(np.random.default_rng(0), 200, 384)
    many = unit_vectors(np.random.default_rng(1), 100_000, 384)

    def product(left: np.ndarray, right: np.ndarray) -> object:
        return torch.from_numpy(left) @ torch.from_numpy(right).T

    return {
        "evaluation / one matrix product": (
            lambda: evaluate(queries, candidates, corpus),
            lambda: product(queries, candidates),
        ),
        "search / one matrix product": (
            lambda: search(few, many, 100),
            lambda: product(few, many),
        ),
    }


if __name__ == "__main__":
    main()
