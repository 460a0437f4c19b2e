"""Time and memory of preparing and ranking a corpus on disk; part of ``large_corpus.py``."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from memory import anonymous_memory, peak_memory
from vectors import CHUNK, make_passages, unit_vectors

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.miracl import load_miracl
from hybridlib.evaluation.metrics import summarise
from hybridlib.retrieval.rank import rank


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
