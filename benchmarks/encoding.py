"""Encoding speed against sentence-transformers, on the same encoder, texts and maximum length.

    pip install sentence-transformers==6.2.*
    python benchmarks/encoding.py PATH/TO/encoder --corpus-path PATH/TO/xquad-r

Both encode the same texts in turn (ours, theirs, ours, ...), with the threads that torch takes. Reported are texts
per second, the ratio run by run, the padding each of our batches carries, and how far the vectors are apart.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from hybridlib.data.lareqa import load_lareqa
from hybridlib.model.encoder import DualEncoder, micro_batches


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("encoder")
    options.add_argument("--corpus-path", required=True)
    options.add_argument(
        "--texts", type=int, default=1000, help="candidates to encode, spread over all languages"
    )
    options.add_argument("--max-length", type=int, default=128)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument(
        "--batch-size", type=int, default=32, help="of sentence-transformers (its default)"
    )
    options = options.parse_args()
    from sentence_transformers import SentenceTransformer, models

    candidates = load_lareqa(options.corpus_path, "xquad-r").candidates["text"]
    texts = candidates.iloc[:: max(1, len(candidates) // options.texts)].tolist()
    ours = DualEncoder.load(
        options.encoder,
        pooling="mean",
        query_prefix="",
        passage_prefix="",
        max_length=options.max_length,
    )
    transformer = models.Transformer(options.encoder, max_seq_length=options.max_length)
    theirs = SentenceTransformer(
        modules=[transformer, models.Pooling(ours.dimension, "mean"), models.Normalize()],
        device="cpu",
    )

    lengths = [len(ids) for ids in ours.tokenize(texts, "passage")]
    padded = sum(
        len(rows) * max(lengths[row] for row in rows) for rows in micro_batches(lengths, 8192)
    )
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    vectors = {}
    for _ in range(options.repeats):
        for name, encode in (
            ("ours", lambda: ours.encode(texts, "passage")),
            (
                "theirs",
                lambda: theirs.encode(
                    texts, batch_size=options.batch_size, show_progress_bar=False
                ),
            ),
        ):
            start = time.perf_counter()
            vectors[name] = encode()
            seconds[name].append(time.perf_counter() - start)
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["theirs"])]
    print(
        f"{len(texts):,} texts, {np.mean(lengths):.0f} tokens on average, at most {options.max_length}, median of {options.repeats}"
    )
    for name, times in seconds.items():
        print(f"{name:<7}{len(texts) / statistics.median(times):8.1f} texts/s")
    print(
        f"ours / theirs: {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    print(
        f"padding in our batches: {1 - sum(lengths) / padded:.1%} of tokens; largest difference of a vector's entry: {np.abs(vectors['ours'] - vectors['theirs']).max():.1e}"
    )


if __name__ == "__main__":
    main()
