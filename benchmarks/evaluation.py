"""What all settings and bias figures of XQuAD-R cost once the vectors are there.

    python benchmarks/evaluation.py --corpus-path PATH/TO/xquad-r --encoder PATH/TO/ENCODER

The vectors are an encoder's, or with --run those that an evaluation of the corpus left in its
folder. Without both they are random. Then all scores have to be counted, while a trained encoder
leaves few above a query's relevant ones. Three ways over the same vectors, in one process:

(a) one matrix product of all queries with all candidates, nothing else;
(b) this package: ranks, top lists, 11 + 110 + 11 settings, every bias figure;
(c) each setting by itself: its matrix product, a full sort, and ir-measures (needs the dev extra).

(c) is timed on a share of the queries of every setting and scaled up, as the whole takes very long;
--share 0 leaves it out.
Reported are medians, ratios and the peak of memory (Linux).
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import torch
from memory import peak_memory
from record import add_record_option, write_record
from timing import seconds_of

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.lareqa import load_lareqa
from hybridlib.evaluation.metrics import summarise
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.rank import encode_corpus, rank
from hybridlib.retrieval.ranking import POOL
from hybridlib.retrieval.trec import targets
from hybridlib.retrieval.unit import unit
from hybridlib.retrieval.vector_store import read_run_vectors

MEASURES = [
    ir_measures.AP,
    ir_measures.RR,
    ir_measures.R @ 1,
    ir_measures.R @ 10,
    ir_measures.nDCG @ 10,
]


def main() -> None:
    """Measure the three ways, and print the comparison."""
    options = parse_arguments()
    corpus = load_lareqa(options.corpus_path, "xquad-r", options.languages)
    queries, candidates = vectors_of(corpus, options)

    def multiply() -> object:
        return torch.from_numpy(queries) @ torch.from_numpy(candidates).T

    def evaluate() -> object:
        return summarise(rank(queries, candidates, corpus), corpus)

    product = []
    ours = []
    for _ in range(options.repeats):
        product.append(seconds_of(multiply))
        ours.append(seconds_of(evaluate))
    memory = peak_memory(evaluate)
    ratios = [evaluation / multiplication for multiplication, evaluation in zip(product, ours)]
    figures = {
        "evaluation_over_product": statistics.median(ratios),
        "evaluation_seconds": statistics.median(ours),
        "product_seconds": statistics.median(product),
        "memory_mb": memory,
        "queries": len(queries),
        "candidates": len(candidates),
        "dimension": queries.shape[1],
        "threads": torch.get_num_threads(),
    }
    if options.share:
        separate = seconds_of_separate_settings(corpus, queries, candidates, options.share)
        figures["separate_seconds"] = separate
    write_record(options.record, figures)

    print(
        f"{len(queries):,} queries x {len(candidates):,} candidates x {queries.shape[1]}, "
        f"{torch.get_num_threads()} threads, median of {options.repeats}"
    )
    print_times(figures, ratios, options.share)
    print(f"memory of (b) beyond the vectors  {memory:8.0f} MB at its peak")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus-path", required=True)
    parser.add_argument("--encoder", help="whose vectors to evaluate; default: random vectors")
    parser.add_argument("--run", type=Path, help="folder with the vectors of an evaluation")
    parser.add_argument("--dimension", type=int, default=384, help="of random vectors")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--languages", nargs="+", help="fewer languages, for a quick try")
    parser.add_argument(
        "--share",
        type=float,
        default=0.02,
        help="share of the queries that (c) is timed on; 0: none",
    )
    add_record_option(parser)
    return parser.parse_args()


def vectors_of(
    corpus: RetrievalCorpus, options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the queries and of the candidates."""
    if options.run:
        return read_run_vectors(options.run)
    if options.encoder:
        encoder = DualEncoder.load(options.encoder)
        encoder.encode_precision = "bf16"  # the vectors are what counts here, not their last digits
        return encode_corpus(encoder, corpus)
    rng = np.random.default_rng(0)
    queries = unit(rng.standard_normal((len(corpus.queries), options.dimension)))
    candidates = unit(rng.standard_normal((len(corpus.candidates), options.dimension)))
    return queries, candidates


def print_times(figures: dict[str, float], ratios: list[float], share: float) -> None:
    """Print the seconds of the ways, and how they compare."""
    print(f"(a) one matrix product            {figures['product_seconds']:8.2f} s")
    print(
        f"(b) all settings, all bias figures{figures['evaluation_seconds']:8.2f} s   "
        f"{statistics.median(ratios):.2f} x (a), {min(ratios):.2f} to {max(ratios):.2f}"
    )
    if share:
        separate = figures["separate_seconds"]
        print(
            f"(c) each setting on its own       {separate:8.0f} s   "
            f"{separate / figures['evaluation_seconds']:.0f} x (b); "
            f"timed on {share:.0%} of the queries"
        )


def seconds_of_separate_settings(
    corpus: RetrievalCorpus, queries: np.ndarray, candidates: np.ndarray, share: float
) -> float:
    """Return the seconds of all settings, each by itself, scaled up from a share of its queries.

    Args:
        corpus: has the ids, the languages and what is relevant.
        queries: ``[queries, d]``.
        candidates: ``[candidates, d]``.
        share: of the queries of each setting.
    """
    query_ids = corpus.queries["query_id"].to_numpy()
    candidate_ids = corpus.candidates["candidate_id"].to_numpy()
    qrels = qrels_frame(corpus)
    total = 0.0
    for language, target in targets(corpus):
        # The first queries of the setting, all its candidates, and the judgments of both.
        rows = np.flatnonzero(corpus.queries["lang"] == language)
        sample = rows[: max(1, round(len(rows) * share))]
        is_candidate = (corpus.candidates["lang"] == target) | (target == POOL)
        columns = np.flatnonzero(is_candidate)
        is_judged = qrels["query_id"].isin(query_ids[sample])
        is_judged &= qrels["doc_id"].isin(candidate_ids[columns])
        judged = qrels[is_judged]

        start = time.perf_counter()
        scores = queries[sample] @ candidates[columns].T
        run = sorted_run(scores, query_ids[sample], candidate_ids[columns])
        ir_measures.calc_aggregate(MEASURES, judged, run)
        seconds = time.perf_counter() - start
        total += seconds * len(rows) / len(sample)
    return total


def qrels_frame(corpus: RetrievalCorpus) -> pd.DataFrame:
    """Return what is relevant as ir-measures takes it."""
    query_ids = corpus.queries["query_id"].to_numpy()
    candidate_ids = corpus.candidates["candidate_id"].to_numpy()
    return pd.DataFrame(
        {
            "query_id": query_ids[corpus.qrels["query"]],
            "doc_id": candidate_ids[corpus.qrels["candidate"]],
            "relevance": corpus.qrels["grade"],
        }
    )


def sorted_run(
    scores: np.ndarray, query_ids: np.ndarray, candidate_ids: np.ndarray
) -> pd.DataFrame:
    """Return all candidates of each query, sorted, as ir-measures takes them.

    Args:
        scores: ``[queries, candidates]``.
        query_ids: of the rows.
        candidate_ids: of the columns.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    return pd.DataFrame(
        {
            "query_id": np.repeat(query_ids, len(candidate_ids)),
            "doc_id": candidate_ids[order].ravel(),
            "score": np.take_along_axis(scores, order, 1).ravel(),
        }
    )


if __name__ == "__main__":
    main()
