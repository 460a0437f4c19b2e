"""Encoding speed beside sentence-transformers, on the same encoder, texts and maximum length.

    pip install sentence-transformers==6.2.*
    python benchmarks/encoding.py PATH/TO/encoder --corpus-path PATH/TO/xquad-r

Both encode the same texts in turn (ours, theirs, ours, ...), with the threads that torch takes, or
with ``--device cuda`` on a GPU. Reported are texts per second, the ratio run by run, and how far
the vectors are apart. With ``--int8``, ours in int8 and in bf16 take turns with them, and the mAP
of XQuAD-R in a few languages shows what the rounding costs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from record import add_record_option, write_record
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from hybridlib.data.lareqa import load_lareqa
from hybridlib.evaluation.evaluate import evaluate
from hybridlib.model.encoder import DualEncoder

ROUNDED = ("bf16", "int8")


def main() -> None:
    """Measure, print the comparison, and write the figures."""
    options = parse_arguments()
    texts = load_texts(options.corpus_path, options.texts)
    ours, theirs = load_encoders(options)

    def encode_ours(precision: str) -> np.ndarray:
        ours.encode_precision = precision
        return ours.encode(texts, "passage")

    def encode_theirs() -> np.ndarray:
        return theirs.encode(texts, batch_size=options.batch_size, show_progress_bar=False)

    encoders = {"ours": partial(encode_ours, options.precision), "theirs": encode_theirs}
    if options.int8:
        encoders |= {name: partial(encode_ours, name) for name in ROUNDED}
    seconds, vectors = measure(encoders, options.repeats)

    token_ids = ours.tokenize(texts, "passage")
    lengths = [len(ids) for ids in token_ids]
    print(
        f"{len(texts):,} texts, {np.mean(lengths):.0f} tokens on average, "
        f"at most {options.max_length}, median of {options.repeats}"
    )
    figures = speeds(len(texts), seconds)
    difference = np.abs(vectors["ours"] - vectors["theirs"]).max()
    print(f"largest difference of a vector's entry: {difference:.1e}")
    if options.int8:
        figures |= losses(options)
    write_record(options.record, figures)


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder")
    parser.add_argument("--corpus-path", required=True)
    parser.add_argument(
        "--texts", type=int, default=1000, help="candidates to encode, spread over all languages"
    )
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--batch-size", type=int, default=32, help="of sentence-transformers (its default)"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of both")
    parser.add_argument("--int8", action="store_true", help="also encode in int8 and bf16")
    parser.add_argument(
        "--languages", nargs="+", default=["de", "en", "zh"], help="of the mAP, with --int8"
    )
    add_record_option(parser)
    return parser.parse_args()


def load_texts(corpus_path: str, count: int) -> list[str]:
    """Return about so many candidates of XQuAD-R, spread over all languages."""
    candidates = load_lareqa(corpus_path, "xquad-r").candidates["text"]
    return candidates.iloc[:: max(1, len(candidates) // count)].tolist()


def load_encoders(options: argparse.Namespace) -> tuple[DualEncoder, SentenceTransformer]:
    """Return one encoder twice: as hybridlib and as sentence-transformers have it."""
    ours = DualEncoder.load(
        options.encoder,
        pooling="mean",
        query_prefix="",
        passage_prefix="",
        max_length=options.max_length,
    )
    transformer = modules.Transformer(options.encoder, max_seq_length=options.max_length)
    pooling = modules.Pooling(ours.dimension, "mean")
    theirs = SentenceTransformer(
        modules=[transformer, pooling, modules.Normalize()], device=options.device
    )
    if options.precision == "bf16":
        theirs.bfloat16()
    return ours.eval().to(options.device), theirs


def measure(
    encoders: dict[str, Callable[[], np.ndarray]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, np.ndarray]]:
    """Return the seconds of each run of each encoder, run in turn, and the vectors of each."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    vectors = {}
    for _ in range(repeats):
        for name, encode in encoders.items():
            start = time.perf_counter()
            vectors[name] = encode()
            seconds[name].append(time.perf_counter() - start)
    return seconds, vectors


def speeds(count: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Print the texts per second of each, and the ratios run by run; return them by name."""
    for name, times in seconds.items():
        print(f"{name:<7}{count / statistics.median(times):8.1f} texts/s")
    over = {"ours": "theirs"} | {name: "ours" for name in ROUNDED if name in seconds}
    median = {}
    for name, other in over.items():
        ratios = [slow / fast for fast, slow in zip(seconds[name], seconds[other])]
        median[name] = statistics.median(ratios)
        print(
            f"{name} / {other}: {median[name]:.2f} times as fast "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )
    figures = {
        "encoding_over_sentence_transformers": median.pop("ours"),
        "texts_per_second": count / statistics.median(seconds["ours"]),
    }
    return figures | {f"{name}_over_fp32": ratio for name, ratio in median.items()}


def losses(options: argparse.Namespace) -> dict[str, Any]:
    """Print and return what rounding takes off the mAP of each setting."""
    corpus = load_lareqa(options.corpus_path, "xquad-r", options.languages)
    encoder = DualEncoder.load(options.encoder)
    quality = {}
    for precision in ("fp32", *ROUNDED):
        encoder.encode_precision = precision
        settings = evaluate(encoder, corpus, progress=False).metrics["settings"]
        quality[precision] = {name: values["map"] for name, values in settings.items()}

    lost = {}
    for precision in ROUNDED:
        differences = {
            name: value - quality[precision][name] for name, value in quality["fp32"].items()
        }
        lost[f"{precision}_map_loss"] = differences
        words = ", ".join(f"{name} {value:.4f}" for name, value in differences.items())
        print(f"mAP lost in {precision} ({', '.join(options.languages)}): {words}")
    return lost


if __name__ == "__main__":
    main()
