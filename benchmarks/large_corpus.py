"""Time and memory of ``hybridlib.retrieval.search`` on a large corpus, beside faiss's IndexFlatIP.

    .venv/bin/pip install faiss-cpu        # without it, search is timed by itself
    .venv/bin/python benchmarks/large_corpus.py --figures outputs/benchmarks

The vectors are random unit vectors: the passages float16 on disk, read through the page cache,
which holds them after the first pass; the queries float32. faiss holds the same passages as float32
in memory. Both run in one process, in turn, on as many threads. Their results are compared before
any time is reported. The default takes about five minutes, 1 GB of disk and 4 GB of memory (nearly
all of it faiss's). With --figures, time against corpus size is drawn there as large_corpus.png and
.svg.

    nice -n 19 .venv/bin/python benchmarks/large_corpus.py --passages 10_000_000 --dimension 64 \
        --queries 200 --corpus outputs/reference/large_corpus.md

With --corpus, a corpus of made-up passages is prepared and ranked as a study does it, with texts
and vectors on disk, each step in a process of its own. What they took is written to the file.
Nothing is encoded.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from matplotlib.figure import Figure
from memory import anonymous_memory, peak_memory

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.miracl import load_miracl
from hybridlib.evaluation.metrics import summarise
from hybridlib.figures import style
from hybridlib.figures.axes import legend_above, one_axes
from hybridlib.retrieval.rank import rank
from hybridlib.retrieval.search import search

# Corpus sizes of the table, as shares of --passages.
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
CHUNK = 20_000  # vectors made or copied at a time

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
        file = Path(folder) / "passages.npy"
        passages = make_passages(file, options.passages, options.dimension)
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
        default=5,
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
    return parser.parse_args()


# --------------------------------------------------------------------------------------- vectors


def make_passages(file: Path, count: int, dimension: int) -> np.ndarray:
    """Write unit vectors ``[count, dimension]`` (float16), and open them for reading."""
    vectors = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(count, dimension))
    for start in range(0, count, CHUNK):
        rng = np.random.default_rng([1, start])
        size = min(CHUNK, count - start)
        vectors[start : start + size] = unit_vectors(rng, size, dimension)
    vectors.flush()
    return np.load(file, mmap_mode="r")


def unit_vectors(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Draw unit vectors ``[count, dimension]`` (float32)."""
    vectors = rng.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


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
    if importlib.util.find_spec("faiss") is None:
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
    import faiss  # an optional package

    faiss.omp_set_num_threads(options.threads)

    def search_index(index: faiss.IndexFlatIP) -> Result:
        scores, rows = index.search(queries, options.k)
        return rows, scores

    searches: Searches = {}
    for size in sizes:
        index = faiss.IndexFlatIP(passages.shape[1])
        for start in range(0, size, CHUNK):
            index.add(passages[start : min(start + CHUNK, size)].astype(np.float32))
        searches[size] = partial(search_index, index)
    return searches


def check_same(ours: Result, theirs: Result) -> float:
    """Return the share of positions with the same row in both; scores may differ by rounding."""
    our_rows, our_scores = ours
    their_rows, their_scores = theirs
    if not np.allclose(our_scores, their_scores, atol=1e-5):
        difference = np.abs(our_scores - their_scores).max()
        raise SystemExit(f"scores differ by up to {difference:.1e}: the results are not the same")
    return float((our_rows == their_rows).mean())


# ----------------------------------------------------------------------------- a corpus on disk


def measure_corpus(options: argparse.Namespace) -> None:
    """Prepare and rank a corpus on disk, and write a table of what each step took."""
    steps = {"reading, sorting and checking": prepare, "opening and ranking": rank_prepared}
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make_miracl(folder / "miracl", options.passages, options.queries)
        make_passages(folder / "passages.npy", options.passages, options.dimension)
        for step, work in steps.items():
            receiver, sender = multiprocessing.Pipe(duplex=False)
            # A new process, whose memory is that of the step alone.
            context = multiprocessing.get_context("spawn")
            process = context.Process(target=measured, args=(work, folder, options, sender))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f"{step}: failed")
            rows.append((step, *receiver.recv()))
            print(rows[-1])
        sizes = [size_of(folder / name) for name in ("corpus", "passages.npy")]
    lines = [
        f"{options.passages:,} passages of about 60 bytes ({sizes[0]:.1f} GB on disk), vectors of "
        f"{options.dimension} ({sizes[1]:.1f} GB), {options.queries:,} queries, "
        f"{options.threads} threads:",
        "",
        "| step | minutes | memory of its own, GB | with the files' pages, GB |",
        "|:--|--:|--:|--:|",
        *(f"| {step} | {s / 60:.1f} | {own:.1f} | {whole:.1f} |" for step, s, own, whole in rows),
    ]
    options.corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measured(
    work: Callable[[Path, argparse.Namespace], None],
    folder: Path,
    options: argparse.Namespace,
    sender: Connection,
) -> None:
    """Carry out a step, and send its seconds and its peaks of memory (GB)."""
    torch.set_num_threads(options.threads)
    before = anonymous_memory()
    started = time.perf_counter()
    own = before + peak_memory(lambda: work(folder, options))
    seconds = time.perf_counter() - started
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send((seconds, own * 2**20 / 1e9, whole * 2**10 / 1e9))


def prepare(folder: Path, options: argparse.Namespace) -> None:
    """Read the corpus as it was downloaded, and write it as 01_data_prep does."""
    load_miracl(folder / "miracl").save(folder / "corpus")


def rank_prepared(folder: Path, options: argparse.Namespace) -> None:
    """Open the prepared corpus and rank its vectors, as 03_evaluation does."""
    corpus = RetrievalCorpus.load(folder / "corpus")
    passages = np.load(folder / "passages.npy", mmap_mode="r")
    # A query is near its passage.
    right = np.asarray(passages[corpus.qrels["candidate"]], dtype=np.float32)
    noise = unit_vectors(np.random.default_rng(0), *right.shape)
    ranking = rank(right + noise, passages, corpus)
    print(summarise(ranking, corpus)["settings"]["multilingual"])


def make_miracl(folder: Path, count: int, queries: int) -> None:
    """Write made-up passages, questions and judgments in one language, as MIRACL's are stored."""
    rng = np.random.default_rng(2)
    tables = {}
    for name in ("sw-queries", "sw-qrels", "sw-corpus"):
        (folder / name).mkdir(parents=True)
        tables[name] = folder / name / "dev-00000-of-00001.parquet"
    ids = [f"q{number}" for number in range(queries)]
    right = rng.choice(count, queries, replace=False).astype(str)
    texts = [f"Which passage is the right one of query {number}?" for number in range(queries)]
    pd.DataFrame({"_id": ids, "text": texts}).to_parquet(tables["sw-queries"])
    judgments = {"query-id": ids, "corpus-id": right, "score": 1}
    pd.DataFrame(judgments).to_parquet(tables["sw-qrels"])

    words = pa.array(["river", "town", "north", "island", "school", "music", "people", "year"])
    columns = [("_id", pa.string()), ("title", pa.string()), ("text", pa.string())]
    with pq.ParquetWriter(tables["sw-corpus"], pa.schema(columns)) as writer:
        for start in range(0, count, 10 * CHUNK):
            numbers = np.arange(start, min(start + 10 * CHUNK, count))
            names = pa.array(numbers).cast(pa.string())
            drawn = [words.take(pa.array(rng.integers(0, 8, len(numbers)))) for _ in range(8)]
            text = pc.binary_join_element_wise(*drawn, names, " ")
            titles = pa.array([""] * len(numbers))
            writer.write_table(pa.table([names, titles, text], names=["_id", "title", "text"]))


def size_of(path: Path) -> float:
    """Return the size of a file, or of the files in a folder, in GB."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e9


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
        print(f"{name}: time grows as passages^{growth(times, name):.2f}")
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


def growth(times: pd.DataFrame, name: str) -> float:
    """Return the exponent of passages that the median time grows by: 1 is linear."""
    medians = times[times["name"] == name].groupby("passages")["seconds"].median()
    slope, _ = np.polyfit(np.log(medians.index), np.log(medians), 1)
    return slope


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
            label=f"{name}: passages^{growth(times, name):.2f}",
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
