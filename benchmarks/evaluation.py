"""What all settings and bias figures of XQuAD-R cost once the vectors are there.

    python benchmarks/evaluation.py --corpus-path PATH/TO/xquad-r

Three ways over the same random unit vectors, in one run: (a) one matrix product of all queries with all candidates,
nothing else; (b) this package: ranks, top lists, 11 + 110 + 11 settings, every bias figure; (c) each setting on its
own: its matrix product, a full sort, and ir-measures (needs the dev extra). (c) is timed on a share of the queries
of every setting and scaled up, as the whole takes very long. Reported are medians, ratios and the peak of memory.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import torch

from hybridlib.data import corpus as data_corpus
from hybridlib.data import lareqa
from hybridlib.evaluation import metrics
from hybridlib.retrieval import rank, trec
from hybridlib.retrieval.corrections import unit

MEASURES = [
    ir_measures.AP,
    ir_measures.RR,
    ir_measures.R @ 1,
    ir_measures.R @ 10,
    ir_measures.nDCG @ 10,
]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--corpus-path", required=True)
    options.add_argument("--dimension", type=int, default=384)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--languages", nargs="+", help="fewer languages, for a quick try")
    options.add_argument(
        "--share",
        type=float,
        default=0.02,
        help="share of the queries that the slow way is timed on",
    )
    options = options.parse_args()
    corpus = lareqa.load_lareqa(options.corpus_path, "xquad-r", options.languages)
    rng = np.random.default_rng(0)
    queries, candidates = (
        unit(rng.standard_normal((len(frame), options.dimension)))
        for frame in (corpus.queries, corpus.candidates)
    )

    product, ours = [], []
    for _ in range(options.repeats):
        product.append(timed(lambda: torch.from_numpy(queries) @ torch.from_numpy(candidates).T))
        ours.append(
            timed(lambda: metrics.summarise(rank.rank(queries, candidates, corpus), corpus))
        )
    ratios = [b / a for a, b in zip(product, ours)]
    with peak_memory() as peak:
        metrics.summarise(rank.rank(queries, candidates, corpus), corpus)
    slow = each_on_its_own(corpus, queries, candidates, options.share)

    print(
        f"{len(queries):,} queries x {len(candidates):,} candidates x {options.dimension}, {torch.get_num_threads()} threads, median of {options.repeats}"
    )
    print(f"(a) one matrix product            {statistics.median(product):8.2f} s")
    print(
        f"(b) all settings, all bias figures{statistics.median(ours):8.2f} s   {statistics.median(ratios):.2f} x (a), {min(ratios):.2f} to {max(ratios):.2f}"
    )
    print(
        f"(c) each setting on its own       {slow:8.0f} s   {slow / statistics.median(ours):.0f} x (b); timed on {options.share:.0%} of the queries"
    )
    print(f"memory of (b) beyond the vectors  {peak['MB']:8.0f} MB at its peak")


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def each_on_its_own(
    corpus: data_corpus.RetrievalCorpus, queries: np.ndarray, candidates: np.ndarray, share: float
) -> float:
    """Seconds for every setting by itself, scaled up from a share of its queries."""
    names, ids = corpus.queries["query_id"].to_numpy(), corpus.candidates["candidate_id"].to_numpy()
    qrels = pd.DataFrame(
        {
            "query_id": names[corpus.qrels["query"]],
            "doc_id": ids[corpus.qrels["candidate"]],
            "relevance": corpus.qrels["grade"],
        }
    )
    total = 0.0
    for asked, target in trec.targets(corpus):
        rows = np.flatnonzero(corpus.queries["lang"] == asked)
        sample = rows[: max(1, round(len(rows) * share))]
        columns = np.flatnonzero((corpus.candidates["lang"] == target) | (target == metrics.POOL))
        wanted = qrels[qrels["query_id"].isin(names[sample]) & qrels["doc_id"].isin(ids[columns])]

        def score(
            sample: np.ndarray = sample,
            columns: np.ndarray = columns,
            wanted: pd.DataFrame = wanted,
        ) -> None:
            scores = queries[sample] @ candidates[columns].T
            order = np.argsort(-scores, axis=1, kind="stable")
            run = pd.DataFrame(
                {
                    "query_id": np.repeat(names[sample], len(columns)),
                    "doc_id": ids[columns][order].ravel(),
                    "score": np.take_along_axis(scores, order, 1).ravel(),
                }
            )
            ir_measures.calc_aggregate(MEASURES, wanted, run)

        total += timed(score) * len(rows) / len(sample)
    return total


@contextmanager
def peak_memory():
    """The growth of this process's own memory while inside, in MB (Linux)."""

    def now() -> float:
        (line,) = [
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("RssAnon")
        ]
        return int(line.split()[1]) / 1024

    before, found, over = now(), {"MB": 0.0}, threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            found["MB"] = max(found["MB"], now() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield found
    over.set()
    watcher.join()


if __name__ == "__main__":
    main()
