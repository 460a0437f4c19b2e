"""Time and memory of ``hybridlib.index.search`` on a large corpus, beside faiss's exact IndexFlatIP.

    .venv/bin/pip install faiss-cpu        # only this benchmark uses it; without it, search is timed alone
    .venv/bin/python benchmarks/large_corpus.py --figures outputs/benchmarks

Random unit vectors: the passages as float16 on disk (read through the page cache, which holds them after the first
pass), the queries as float32. faiss holds the same passages as float32 in memory. Both run in one process, in turn,
on as many threads, and their results are compared before any time is reported. The default takes about five
minutes, 1 GB of disk and 4 GB of memory (nearly all of it faiss's). With --figures, time against corpus size is drawn
there as large_corpus.png and .svg.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from hybridlib.figures import style
from hybridlib.retrieval.search import search

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)  # corpus sizes of the table, as shares of --passages
Result = tuple[np.ndarray, np.ndarray]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Exact search in a large corpus: time, memory, and faiss beside it."
    )
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--k", type=int, default=10, help="results per query")
    parser.add_argument(
        "--block", type=int, default=None, help="passages scored at a time (default: search's own)"
    )
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
        default=None,
        help="folder for the figure of time against corpus size (default: none is drawn)",
    )
    parser.add_argument(
        "--folder", type=Path, default=None, help="for the vectors (default: a temporary one)"
    )
    return parser.parse_args()


def random_vectors(file: Path, count: int, dimension: int) -> np.ndarray:
    """Unit vectors ``[count, dimension]`` (float16) on disk, opened for reading."""
    vectors = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(count, dimension))
    for start in range(0, count, 20_000):
        vectors[start : start + 20_000] = unit_vectors(
            np.random.default_rng([1, start]), min(20_000, count - start), dimension
        )
    vectors.flush()
    return np.load(file, mmap_mode="r")


def unit_vectors(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    vectors = rng.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def faiss_searches(
    passages: np.ndarray, queries: np.ndarray, k: int, sizes: list[int], threads: int
) -> dict[int, Callable[[], Result]]:
    """A search of the first n passages by faiss, for each size n; nothing where faiss is not installed."""
    if importlib.util.find_spec("faiss") is None:
        return {}
    import faiss

    faiss.omp_set_num_threads(threads)
    searches = {}
    for size in sizes:
        index = faiss.IndexFlatIP(passages.shape[1])
        for start in range(0, size, 20_000):
            index.add(passages[start : min(start + 20_000, size)].astype(np.float32))
        searches[size] = lambda index=index: index.search(queries, k)[::-1]
    return searches


def check_same(ours: Result, theirs: Result) -> float:
    """Share of places with the same row in both; an error unless the others are exchanged by rounding alone."""
    if not np.allclose(ours[1], theirs[1], atol=1e-5):
        raise SystemExit(
            f"scores differ by up to {np.abs(ours[1] - theirs[1]).max():.1e}: the results are not the same"
        )
    return float((ours[0] == theirs[0]).mean())


def timed(run: Callable[[], Result]) -> tuple[float, float]:
    """Seconds, and how many processors were busy on average."""
    started, busy = time.perf_counter(), time.process_time()
    run()
    seconds = time.perf_counter() - started
    return seconds, (time.process_time() - busy) / seconds


def anonymous_memory() -> float:
    """Memory of this process that is not a file's, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def peak_memory(run: Callable[[], Result]) -> float:
    """MB of anonymous memory that ``run`` adds at its highest, looked at every 2 ms."""
    before, peak, over = anonymous_memory(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            peak[0] = max(peak[0], anonymous_memory() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    over.set()
    watcher.join()
    return peak[0]


def measure(
    run: dict[str, dict[int, Callable[[], Result]]], sizes: list[int], repeats: int
) -> dict[tuple[str, int], np.ndarray]:
    """Seconds and busy processors ``[repeats, 2]`` of each search and size, run in turn."""
    times: dict[tuple[str, int], list] = {(name, size): [] for name in run for size in sizes}
    for _ in range(repeats + 1):
        for size in sizes:
            for name in run:
                time.sleep(0.05)  # threads of the one before go to sleep
                times[name, size].append(timed(run[name][size]))
    return {key: np.array(values[1:]) for key, values in times.items()}


def report(times: dict[tuple[str, int], np.ndarray], names: list[str], sizes: list[int]) -> None:
    """The table of times, how they grow, and the ratio at full size."""
    print(
        f"\n{'passages':>10}"
        + "".join(f"{name + ' s':>12}{'us/passage':>12}{'CPUs':>6}" for name in names)
    )
    for size in sizes:
        cells = [np.median(times[name, size], axis=0) for name in names]
        print(
            f"{size:>10,}"
            + "".join(
                f"{seconds:>12.3f}{seconds / size * 1e6:>12.2f}{busy:>6.2f}"
                for seconds, busy in cells
            )
        )
    for name in names:
        print(f"{name}: time grows as passages^{growth(times, name, sizes):.2f}")
    if "faiss" in names:
        ratio = times["hybridlib", sizes[-1]][:, 0] / times["faiss", sizes[-1]][:, 0]
        print(
            f"hybridlib / faiss at {sizes[-1]:,} passages: {np.median(ratio):.2f} ({ratio.min():.2f}-{ratio.max():.2f}, {len(ratio)} runs)"
        )


def growth(times: dict[tuple[str, int], np.ndarray], name: str, sizes: list[int]) -> float:
    """The exponent of passages that time grows by: 1 is linear."""
    return np.polyfit(
        np.log(sizes), np.log([np.median(times[name, size][:, 0]) for size in sizes]), 1
    )[0]


def draw(
    times: dict[tuple[str, int], np.ndarray],
    names: list[str],
    sizes: list[int],
    options: argparse.Namespace,
) -> None:
    """Median time against corpus size, both on logarithmic scales, bars from the fastest run to the slowest, and what
    a cost in proportion to the passages would be from the largest corpus down."""
    figure = Figure(figsize=(style.WIDTH, 4.5), layout="constrained")
    axes = figure.add_subplot(
        xscale="log", yscale="log", xlabel="passages", ylabel="seconds (lower is better)"
    )
    for name, marker in zip(names, "os"):
        runs = np.array([times[name, size][:, 0] for size in sizes])
        middle = np.median(runs, axis=1)
        axes.errorbar(
            sizes,
            middle,
            [middle - runs.min(1), runs.max(1) - middle],
            marker=marker,
            capsize=3,
            label=f"{name}: passages^{growth(times, name, sizes):.2f}",
        )
    last = np.median(times[names[0], sizes[-1]][:, 0])
    axes.plot(
        sizes, last * np.array(sizes) / sizes[-1], color=style.GREY, linestyle=":", label="linear"
    )
    axes.set_title(
        f"Best {options.k} of each of {options.queries:,} queries, {options.dimension} dimensions, {options.threads} threads"
    )
    axes.legend()
    style.save(figure, options.figures, "large_corpus")
    print(f"drawn: {options.figures / 'large_corpus.png'} and .svg")


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    sizes = sorted({max(1, round(share * options.passages)) for share in SHARES})
    settings = {} if options.block is None else {"block": options.block}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        passages = random_vectors(
            Path(folder) / "passages.npy", options.passages, options.dimension
        )
        queries = unit_vectors(np.random.default_rng(0), options.queries, options.dimension)
        print(
            f"{options.queries:,} queries, {options.passages:,} passages of {options.dimension} ({passages.nbytes / 2**20:,.0f} MB on disk), best {options.k}, {options.threads} threads"
        )
        run = {
            "hybridlib": {
                size: lambda size=size: search(queries, passages[:size], options.k, **settings)
                for size in sizes
            }
        }
        print(
            f"hybridlib: {peak_memory(run['hybridlib'][sizes[-1]]):,.0f} MB of memory at most, beside the file's pages"
        )
        theirs = faiss_searches(passages, queries, options.k, sizes, options.threads)
        if theirs:
            run["faiss"] = theirs
            print(
                f"results: {check_same(run['hybridlib'][sizes[-1]](), theirs[sizes[-1]]()):.2%} of the rows in the same place as faiss's, scores equal to 1e-5"
            )
        else:
            print("faiss is not installed: nothing to compare with")
        times = measure(run, sizes, options.repeats)
        report(times, list(run), sizes)
        if options.figures:
            draw(times, list(run), sizes, options)


if __name__ == "__main__":
    main()
