"""Time and memory of ``hybridlib.retrieval.search`` on a large corpus, beside faiss's IndexFlatIP.

    .venv/bin/pip install faiss-cpu        # without it, search is timed by itself
    .venv/bin/python benchmarks/large_corpus.py --figures outputs/benchmarks

The vectors are random unit vectors: the passages on disk, read through the page cache, which holds
them after the first pass; the queries float32. faiss holds the same passages as float32 in memory.
Both run in one process, in turn, on as many threads. Their results are compared before any time is
reported. First the passages are float16, and the corpus grows. Then all passages are searched for
the best 10, 100 and 1,000, float32 and float16, beside the bare matrix products of the same size,
in the number format of rough scores; once each "cold", right after the system was told to drop the
file's pages (POSIX_FADV_DONTNEED).
The default takes about five minutes, 3 GB of disk and 5 GB of memory (nearly all of it faiss's).
With --figures, time against corpus size is drawn there as large_corpus.png and .svg.

    nice -n 19 .venv/bin/python benchmarks/large_corpus.py --passages 10_000_000 --dimension 64 \
        --queries 200 --corpus outputs/reference/large_corpus.md

With --corpus, a corpus of made-up passages is prepared and ranked as a study does it, with texts
and vectors on disk, each step in a process of its own. What they took is written to the file.
Nothing is encoded.
"""

from __future__ import annotations

import argparse
import importlib.util
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from corpus_on_disk import measure_corpus
from matplotlib.figure import Figure
from memory import peak_memory
from record import add_record_option, write_record
from timing import growth
from vectors import CHUNK, make_passages, unit_vectors

from hybridlib.figures import style
from hybridlib.figures.axes import legend_above, one_axes
from hybridlib.retrieval.exact import as_tensor
from hybridlib.retrieval.rough import product_format
from hybridlib.retrieval.search import search

# Corpus sizes of the table, as shares of --passages.
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
DEPTHS = (10, 100, 1000)  # the k of the largest corpus

Result = tuple[np.ndarray, np.ndarray]  # rows and scores, [queries, k] each
Searches = dict[int, Callable[[], Result]]  # by the number of passages


def main() -> None:
    """Make the vectors, check the results, and print and draw the times."""
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    if options.corpus:
        measure_corpus(options)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        make = partial(make_passages, count=options.passages, dimension=options.dimension)
        passages = make(Path(folder) / "float16.npy")
        queries = unit_vectors(np.random.default_rng(0), options.queries, options.dimension)
        print(
            f"{options.queries:,} queries, {options.passages:,} passages of {options.dimension} "
            f"({passages.nbytes / 2**20:,.0f} MB on disk), best {options.k}, "
            f"{options.threads} threads"
        )
        searches = make_searches(options, passages, queries)
        times = measure(searches, options.repeats)
        report(times)
        if options.figures:
            draw(times, options)
        figures = grown(times, searches["hybridlib"], options)
        del searches  # with the indexes of faiss

        stored = {"": make(Path(folder) / "float32.npy", dtype=np.float32), "_float16": passages}
        for depth in DEPTHS:
            figures |= of_depth(depth, stored, queries, options)
        write_record(options.record, figures)


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Exact search in a large corpus: time, memory, and faiss beside it."
    )
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--k", type=int, default=10, help="results per query")
    parser.add_argument("--block", type=int, help="passages scored at a time; default: search's")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="timed runs of each, in turn, after one that is not counted",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        help="folder for the figure of time against corpus size; default: none is drawn",
    )
    parser.add_argument("--folder", type=Path, help="for the vectors; default: a temporary one")
    parser.add_argument(
        "--corpus",
        type=Path,
        help="instead, prepare and rank a corpus on disk, and write to this file what it took",
    )
    add_record_option(parser)
    return parser.parse_args()


# -------------------------------------------------------------------------------------- searches


def make_searches(
    options: argparse.Namespace, passages: np.ndarray, queries: np.ndarray
) -> dict[str, Searches]:
    """Return the searches of each corpus size; print our memory, and how equal the results are."""
    sizes = sorted({max(1, round(share * len(passages))) for share in SHARES})
    ours = hybridlib_searches(options, passages, queries, sizes)
    largest = sizes[-1]
    print(
        f"hybridlib: {peak_memory(ours[largest]):,.0f} MB of memory at most, "
        "beside the file's pages"
    )
    if not has_faiss():
        print("faiss is not installed: nothing to compare with")
        return {"hybridlib": ours}
    theirs = faiss_searches(options, passages, queries, sizes)
    same = check_same(ours[largest](), theirs[largest]())
    print(f"results: {same:.2%} of the rows in the same place as faiss's, scores equal to 1e-5")
    return {"hybridlib": ours, "faiss": theirs}


def hybridlib_searches(
    options: argparse.Namespace, passages: np.ndarray, queries: np.ndarray, sizes: list[int]
) -> Searches:
    """Return for each size a search of the first so many passages by this package."""
    settings = {} if options.block is None else {"block": options.block}
    return {
        size: partial(search, queries, passages[:size], options.k, **settings) for size in sizes
    }


def faiss_searches(
    options: argparse.Namespace, passages: np.ndarray, queries: np.ndarray, sizes: list[int]
) -> Searches:
    """Return for each size a search of the first so many passages by faiss."""
    return {
        size: faiss_search(passages[:size], queries, options.k, options.threads) for size in sizes
    }


def has_faiss() -> bool:
    """Return whether faiss is installed."""
    return importlib.util.find_spec("faiss") is not None


def faiss_search(
    passages: np.ndarray, queries: np.ndarray, k: int, threads: int
) -> Callable[[], Result]:
    """Return a search by faiss."""
    import faiss  # an optional package

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(passages.shape[1])
    for start in range(0, len(passages), CHUNK):
        index.add(passages[start : start + CHUNK].astype(np.float32))

    def search_index() -> Result:
        scores, rows = index.search(queries, k)
        return rows, scores

    return search_index


def check_same(ours: Result, theirs: Result) -> float:
    """Return the share of positions with the same row in both; scores may differ by rounding."""
    our_rows, our_scores = ours
    their_rows, their_scores = theirs
    if not np.allclose(our_scores, their_scores, atol=1e-5):
        difference = np.abs(our_scores - their_scores).max()
        raise SystemExit(f"scores differ by up to {difference:.1e}: the results are not the same")
    return float((our_rows == their_rows).mean())


# ---------------------------------------------------------------------------------- all passages


def of_depth(
    k: int, stored: dict[str, np.memmap], queries: np.ndarray, options: argparse.Namespace
) -> dict[str, float]:
    """Return what finding the best k of all passages takes, and print it.

    Args:
        k: how many.
        stored: the passages, by what the names of their figures end in.
        queries: ``[queries, d]``.
        options: of the command line.
    """
    works: dict[str, Callable[[], object]] = {
        ending: partial(search, queries, passages, k) for ending, passages in stored.items()
    }
    whole = stored[""]
    form = product_format(torch.device("cpu"))
    works["product"] = partial(multiply, as_tensor(queries).to(form), as_tensor(whole).to(form))
    if has_faiss():
        works["faiss"] = faiss_search(whole, queries, k, options.threads)
    seconds = {name: np.array(runs) for name, runs in in_turn(works, options.repeats)}
    figures = {f"product_share_k{k}": float(np.median(seconds["product"] / seconds[""]))}
    for ending, passages in stored.items():
        name = f"k{k}{ending}"
        figures[f"seconds_{name}"] = float(np.median(seconds[ending]))
        forget(passages)
        figures[f"cold_seconds_{name}"] = timed(works[ending])[0]
        if "faiss" in seconds:
            ratios = seconds[ending] / seconds["faiss"]
            figures[f"search_over_faiss_{name}"] = float(np.median(ratios))
    for name, value in figures.items():
        print(f"{name:32}{value:8.3f}")
    return figures


def in_turn(
    works: dict[str, Callable[[], object]], repeats: int
) -> Iterator[tuple[str, list[float]]]:
    """Yield the seconds of each piece of work, done in turn, after one that is not counted."""
    rounds = [[timed(work)[0] for work in works.values()] for _ in range(repeats + 1)]
    for name, seconds in zip(works, zip(*rounds[1:])):
        yield name, list(seconds)


def multiply(queries: torch.Tensor, passages: torch.Tensor) -> None:
    """Multiply all queries with 4,096 passages at a time, and do nothing with the scores."""
    scores = torch.empty(len(queries), 4096, dtype=queries.dtype)
    for part in passages.split(4096):
        torch.mm(queries, part.T, out=scores[:, : len(part)])


def forget(passages: np.memmap) -> None:
    """Have the system drop the pages of a file, so that they are read from the disk again."""
    passages._mmap.madvise(mmap.MADV_DONTNEED)
    with open(passages.filename, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def grown(times: pd.DataFrame, searches: Searches, options: argparse.Namespace) -> dict[str, Any]:
    """Return the growth of time and memory with the passages, and what was searched."""
    ours = times[times["name"] == "hybridlib"].groupby("passages")["seconds"].median()
    rows = []
    for size, seconds in ours.items():
        memory = peak_memory(searches[size])
        rows.append({"passages": size, "seconds": seconds, "memory_mb": memory})
    return {
        "passages": options.passages,
        "queries": options.queries,
        "dimension": options.dimension,
        "threads": options.threads,
        "memory_mb": rows[-1]["memory_mb"],
        "growth": rows,
        "growth_power": power(times, "hybridlib"),
    }


# ----------------------------------------------------------------------------------------- times


def measure(searches: dict[str, Searches], repeats: int) -> pd.DataFrame:
    """Time each search in each size, in turn, after a run that is not counted.

    Returns:
        One row per run: name, passages, seconds, cpus (busy processors, on average).
    """
    rows = []
    sizes = list(searches["hybridlib"])
    for repeat in range(repeats + 1):
        for size in sizes:
            for name, search_of in searches.items():
                time.sleep(0.05)  # until the threads of the run before sleep
                seconds, cpus = timed(search_of[size])
                if repeat > 0:
                    rows.append((name, size, seconds, cpus))
    return pd.DataFrame(rows, columns=["name", "passages", "seconds", "cpus"])


def timed(run: Callable[[], Result]) -> tuple[float, float]:
    """Return the seconds of a run, and how many processors were busy on average."""
    started = time.perf_counter()
    busy = time.process_time()
    run()
    seconds = time.perf_counter() - started
    return seconds, (time.process_time() - busy) / seconds


def report(times: pd.DataFrame) -> None:
    """Print the table of median times, how they grow, and the ratio at full size."""
    names = times["name"].unique()
    medians = times.groupby(["passages", "name"])[["seconds", "cpus"]].median()
    titles = [f"{name + ' s':>12}{'us/passage':>12}{'CPUs':>6}" for name in names]
    print(f"\n{'passages':>10}" + "".join(titles))
    for size in times["passages"].unique():
        line = f"{size:>10,}"
        for name in names:
            seconds, cpus = medians.loc[(size, name)]
            line += f"{seconds:>12.3f}{seconds / size * 1e6:>12.2f}{cpus:>6.2f}"
        print(line)
    for name in names:
        print(f"{name}: time grows as passages^{power(times, name):.2f}")
    if "faiss" in names:
        print_ratio(times)


def print_ratio(times: pd.DataFrame) -> None:
    """Print our time over faiss's in the largest corpus, run by run."""
    size = times["passages"].max()
    largest = times[times["passages"] == size]
    seconds = {name: runs["seconds"].to_numpy() for name, runs in largest.groupby("name")}
    ratios = seconds["hybridlib"] / seconds["faiss"]
    print(
        f"hybridlib / faiss at {size:,} passages: {np.median(ratios):.2f} "
        f"({ratios.min():.2f}-{ratios.max():.2f}, {len(ratios)} runs)"
    )


def power(times: pd.DataFrame, name: str) -> float:
    """Return the power of the number of passages that the median time grows with."""
    medians = times[times["name"] == name].groupby("passages")["seconds"].median()
    return growth(medians.index, medians)


def draw(times: pd.DataFrame, options: argparse.Namespace) -> None:
    """Write the figure of median time against corpus size."""
    style.save(growth_figure(times, options), options.figures, "large_corpus")
    print(f"drawn: {options.figures / 'large_corpus.png'} and .svg")


@style.styled
def growth_figure(times: pd.DataFrame, options: argparse.Namespace) -> Figure:
    """Draw median time against corpus size, both on log scales.

    Bars reach from the fastest run to the slowest. A line shows a cost in proportion to the
    passages, from our time in the largest corpus down.
    """
    figure, ax = one_axes(4.5)
    looks = [("o", "#0072B2"), ("s", "#D55E00")]
    for name, (marker, colour) in zip(times["name"].unique(), looks):
        runs = times[times["name"] == name].groupby("passages")["seconds"]
        median = runs.median()
        ax.errorbar(
            median.index,
            median,
            [median - runs.min(), runs.max() - median],
            color=colour,
            marker=marker,
            capsize=3,
            label=f"{name}: passages^{power(times, name):.2f}",
        )
    ours = times[times["name"] == "hybridlib"].groupby("passages")["seconds"].median()
    linear = ours.iloc[-1] * ours.index / ours.index[-1]
    ax.plot(ours.index, linear, color=style.GREY, linestyle=":", label="linear")
    ax.set(xscale="log", yscale="log", xlabel="passages")
    ax.set_ylabel(f"seconds for {options.queries:,} queries\n(lower is better)")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_formatter("{x:g}")
    question = "How does the time of a search grow with the corpus?"
    handles, _ = ax.get_legend_handles_labels()
    legend_above(figure, handles, 2, question)
    return figure


if __name__ == "__main__":
    main()
