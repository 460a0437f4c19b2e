"""Vectors on disk that survive a kill, and the exact top k from blocks of them."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.search import search
from hybridlib.retrieval.vector_store import VectorStore

ROOT = Path(__file__).resolve().parent.parent
BLOCK = 32


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> DualEncoder:
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(scope="module")
def texts(fact_pairs: pd.DataFrame) -> list[str]:
    """300 texts: the last block is not full."""
    return [*fact_pairs["passage"], *fact_pairs["question"]][::3]


@pytest.fixture(scope="module")
def spawn() -> Callable[..., Any]:
    """Starts a function in a new process, forked from a server that has imported what takes long."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hybridlib.model.encoder", "hybridlib.retrieval.search"])

    def start(target: Callable, *args: Any) -> Any:
        process = context.Process(
            target=target, args=args, daemon=True
        )  # one that hangs ends with the tests
        process.start()
        return process

    return start


def build(
    folder: Path, encoder: DualEncoder, texts: Any, side: str = "passage", block: int = BLOCK
) -> VectorStore:
    return VectorStore.build(folder, encoder, texts, side, block, progress=False)


class Counting:
    """An encoder that counts the texts it encodes, and fails after so many calls."""

    def __init__(self, encoder: DualEncoder, calls: int = 10_000) -> None:
        self.encoder, self.calls, self.texts = encoder, calls, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def encode(self, texts: list[str], *args: Any, **options: Any) -> np.ndarray:
        if not self.calls:
            raise KeyboardInterrupt
        self.calls, self.texts = self.calls - 1, self.texts + len(texts)
        return self.encoder.encode(texts, *args, **options)


@dataclass
class Streamed:
    """Texts without a length or an index, as a file of lines has them."""

    texts: list[str]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)


# ------------------------------------------------------------------------------------------------------- building


@pytest.mark.parametrize("side", ["query", "passage"])
def test_vectors_are_the_encoders_in_order(side, tmp_path, encoder, texts):
    store = build(tmp_path, encoder, texts, side)
    assert (
        store.vectors.dtype == np.float16
        and isinstance(store.vectors, np.memmap)
        and not store.vectors.flags.writeable
    )
    expected = encoder.encode(texts, side)
    assert store.vectors.shape == expected.shape
    assert np.abs(store.vectors - expected).max() < 2**-11
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), store.vectors)


@pytest.mark.parametrize("kind", [tuple, pd.Series, np.array, Streamed])
def test_texts_of_any_kind_that_can_be_run_through_twice(kind, tmp_path, encoder, texts):
    assert np.array_equal(
        build(tmp_path / "a", encoder, kind(texts)).vectors,
        build(tmp_path / "b", encoder, texts).vectors,
    )


def test_texts_of_a_datasets_column(tmp_path, encoder, texts):
    from datasets import Dataset

    column = Dataset.from_dict({"text": texts})["text"]
    assert np.array_equal(
        build(tmp_path / "a", encoder, column).vectors,
        build(tmp_path / "b", encoder, texts).vectors,
    )


def test_one_block_of_texts_is_held_at_a_time(tmp_path, encoder, texts):
    """The texts are read no further ahead than the block that is encoded."""
    read = [0]

    class Watched(Streamed):
        def __iter__(self) -> Iterator[str]:
            read[0] = 0
            for text in self.texts:
                read[0] += 1
                yield text

    class Checking(Counting):
        def encode(self, texts: list[str], *args: Any, **options: Any) -> np.ndarray:
            assert len(texts) <= BLOCK and read[0] <= self.texts + BLOCK
            return super().encode(texts, *args, **options)

    assert len(build(tmp_path, Checking(encoder), Watched(texts)).vectors) == len(texts)


@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_a_resume_encodes_only_what_is_missing(after, tmp_path, encoder, texts):
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Counting(encoder, after), texts)
    with pytest.raises(InputError, match=f"{10 - after} of 10 blocks are not encoded yet"):
        VectorStore.open(tmp_path)
    rest = Counting(encoder)
    store = build(tmp_path, rest, texts)
    assert rest.texts == len(texts) - after * BLOCK
    assert np.array_equal(store.vectors, build(tmp_path / "whole", encoder, texts).vectors)
    again = Counting(encoder, 0)
    assert np.array_equal(build(tmp_path, again, texts).vectors, store.vectors)


def test_a_folder_begun_but_still_without_vectors_is_taken_up(tmp_path, encoder, texts):
    build(tmp_path / "whole", encoder, texts)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "store.json").write_bytes(
        (tmp_path / "whole" / "store.json").read_bytes()
    )
    (tmp_path / "begun" / "vectors.npy.part").write_bytes(b"half a file")
    assert np.array_equal(
        build(tmp_path / "begun", encoder, texts).vectors,
        VectorStore.open(tmp_path / "whole").vectors,
    )


def build_in_process(folder: Path, encoder: Path, texts: list[str]) -> None:
    torch.set_num_threads(1)
    VectorStore.build(folder, DualEncoder.load(encoder), texts, "passage", 2, progress=False)


def test_killed_at_any_moment_it_resumes_to_the_same_file(tmp_path, tiny_encoder, texts, spawn):
    """SIGKILL time and again, a little after the first new block; blocks of 2 texts make many moments."""
    whole = spawn(build_in_process, tmp_path / "whole", tiny_encoder, texts)
    whole.join()
    record, moment, kills = tmp_path / "killed" / "done-0.txt", random.Random(), 0
    for _ in range(4):
        before = record.read_bytes() if record.exists() else b""
        process = spawn(build_in_process, tmp_path / "killed", tiny_encoder, texts)
        while process.is_alive() and (record.read_bytes() if record.exists() else b"") == before:
            time.sleep(0.001)
        time.sleep(moment.uniform(0, 0.03))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        done = record.read_text()
        assert set(done) <= {"#", "."} and done.count("#") >= before.count(b"#")
        expected, written = (
            np.load(tmp_path / name / "vectors.npy", mmap_mode="r") for name in ("whole", "killed")
        )
        kept = np.repeat(np.array(list(done)) == "#", 2)[: len(texts)]
        assert np.array_equal(expected[kept], written[kept])
    assert kills >= 2
    last = spawn(build_in_process, tmp_path / "killed", tiny_encoder, texts)
    last.join()
    assert (tmp_path / "killed" / "vectors.npy").read_bytes() == (
        tmp_path / "whole" / "vectors.npy"
    ).read_bytes()


# -------------------------------------------------------------------------------------------------------- refusing


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, encoder: DualEncoder, texts: list[str]) -> Path:
    """A store of which one block is there."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(KeyboardInterrupt):
        build(folder, Counting(encoder, 1), texts)
    return folder


def changed(encoder: DualEncoder, **attributes: Any) -> DualEncoder:
    return DualEncoder(
        **{
            "backbone": encoder.backbone,
            "tokenizer": encoder.tokenizer,
            "pooling": encoder.pooling,
            "prefixes": encoder.prefixes,
            "max_length": encoder.max_length,
            **attributes,
        }
    )


@pytest.mark.parametrize(
    "attribute",
    [{"max_length": 99}, {"pooling": "cls"}, {"prefixes": {"query": "q", "passage": "p"}}],
)
def test_another_setting_is_refused(attribute, begun, encoder, texts):
    name = {"prefixes": "prefix"}.get(*attribute, *attribute)
    with pytest.raises(
        InputError,
        match=rf"{re.escape(str(begun))}: holds other vectors: {name} is .* there and .* here; .*choose another folder",
    ):
        build(begun, changed(encoder, **attribute), texts)


def test_another_encoder_is_refused(begun, tiny_encoder, texts):
    other = DualEncoder.load(tiny_encoder)
    with torch.no_grad():
        next(other.backbone.parameters())[5, 5] += 1e-3
    with pytest.raises(InputError, match="holds other vectors: encoder_hash is"):
        build(begun, other, texts)


def test_other_texts_are_refused(begun, encoder, texts):
    for others, named in (
        (texts[:-1], "texts is 300 there and 299 here; texts_hash"),
        (texts[::-1], "texts_hash"),
        ([*texts[:-1], texts[-1] + " "], "texts_hash"),
    ):
        with pytest.raises(InputError, match=f"holds other vectors: {named}"):
            build(begun, encoder, others)
    with pytest.raises(InputError, match="holds other vectors: block is 32 there and 8 here"):
        build(begun, encoder, texts, block=8)
    with pytest.raises(
        InputError, match="holds other vectors: side is 'passage' there and 'query' here"
    ):
        build(begun, encoder, texts, "query")


def test_what_is_neither_encoder_nor_texts_changes_nothing(begun, tiny_encoder, encoder, texts):
    """Another copy of the encoder, in another folder, that has tokenised something else in between."""
    encoder.save(begun / "copy")
    other = DualEncoder.load(begun / "copy", max_length=encoder.max_length)
    other.encode(texts[:3], "query")
    with pytest.raises(KeyboardInterrupt):
        build(begun, Counting(other, 0), texts)


def test_a_strange_file_is_never_overwritten(tmp_path, encoder, texts):
    np.save(tmp_path / "vectors.npy", np.ones(3))
    with pytest.raises(InputError, match="no store.json that says of what; choose another folder"):
        build(tmp_path, encoder, texts)
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), np.ones(3))


def test_lost_vectors_are_noticed(tmp_path, encoder, texts):
    build(tmp_path, encoder, texts)
    (tmp_path / "vectors.npy").unlink()
    with pytest.raises(InputError, match="vectors.npy is gone; delete the folder to encode anew"):
        build(tmp_path, encoder, texts)


def test_texts_that_cannot_be_encoded_are_named(tmp_path, encoder, texts):
    for wrong, message in (
        (iter(texts), "does not run through the texts twice; give a list"),
        ((text for text in texts), "texts is a generator"),
        ("one text", "texts is a str"),
        ([], "texts is empty"),
        ([*texts, None], "text 300 is a NoneType"),
    ):
        with pytest.raises(InputError, match=message):
            build(tmp_path / "store", encoder, wrong)
    with pytest.raises(InputError, match="block is 0"):
        build(tmp_path / "store", encoder, texts, block=0)
    assert not (tmp_path / "store").exists()


def test_vectors_that_are_no_numbers_are_not_stored(tmp_path, encoder, texts):
    class Broken(Counting):
        def encode(self, texts: list[str], *args: Any, **options: Any) -> np.ndarray:
            vectors = super().encode(texts, *args, **options)
            vectors[7] = np.nan if self.texts > BLOCK else vectors[7]
            return vectors

    with pytest.raises(InputError, match="the vector of text 39 is not finite"):
        build(tmp_path, Broken(encoder), texts)
    assert (tmp_path / "done-0.txt").read_text().count("#") == 1


def test_opening_what_is_not_there_or_of_another_encoder(tmp_path, encoder, texts):
    with pytest.raises(
        InputError, match="no store.json, so no vectors; VectorStore.build makes them"
    ):
        VectorStore.open(tmp_path)
    build(tmp_path, encoder, texts)
    assert VectorStore.open(tmp_path, encoder).about["texts"] == len(texts)
    with pytest.raises(InputError, match="max_length .*use the encoder that they were built with"):
        VectorStore.open(tmp_path, changed(encoder, max_length=9))


# ------------------------------------------------------------------------------------------------------- searching


def whole_numbers(
    rng: np.random.Generator, rows: int, levels: int, dimension: int = 12
) -> np.ndarray:
    """Vectors whose products are exact in any order of adding, with many ties."""
    return rng.integers(-levels, levels + 1, (rows, dimension)).astype(np.float32)


def stable_sort(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, 1)


def same(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected))


@pytest.mark.parametrize("levels", [0, 1, 3, 50])
@pytest.mark.parametrize("k", [1, 5, 33, 700, 2000])
@pytest.mark.parametrize("block", [19, 32, 100, 512, 5000])
def test_search_is_a_stable_sort_of_all_scores(levels, k, block, rng):
    documents, queries = whole_numbers(rng, 700, levels), whole_numbers(rng, 9, levels)
    assert same(
        search(queries, documents.astype(np.float16), k, block),
        stable_sort(queries @ documents.T, k),
    )


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_search_is_exact_when_every_block_is_better_or_worse_than_the_last(order, rng):
    documents, queries = whole_numbers(rng, 3000, 2), np.abs(whole_numbers(rng, 1, 2))
    documents = documents[
        np.argsort(
            (documents @ queries.T)[:, 0] * (1 if order == "ascending" else -1), kind="stable"
        )
    ]
    queries = np.repeat(queries, 5, axis=0)
    for k in (3, 100):
        assert same(search(queries, documents, k, block=256), stable_sort(queries @ documents.T, k))


def test_more_queries_than_are_scored_at_a_time(rng, monkeypatch):
    documents, queries = whole_numbers(rng, 500, 2), whole_numbers(rng, 50, 2)
    monkeypatch.setattr("hybridlib.retrieval.search._QUERIES", 7)
    assert same(search(queries, documents, 20, block=64), stable_sort(queries @ documents.T, 20))


def test_real_vectors_are_found_as_in_double_precision(rng):
    documents, queries = (
        rng.standard_normal((rows, 96)).astype(np.float16) for rows in (20_000, 40)
    )
    rows, scores = search(queries.astype(np.float32), documents, 10, block=3000)
    order, expected = stable_sort(queries.astype(np.float64) @ documents.astype(np.float64).T, 10)
    assert rows.dtype == np.int64 and scores.dtype == np.float32
    assert np.allclose(scores, expected, atol=1e-4) and (rows == order).mean() > 0.99


@pytest.mark.parametrize("queries", [1, 3, 40])
def test_equal_vectors_score_equally_in_any_block_and_place(queries, rng):
    """One passage 31 times over, some in the last block, which is not full."""
    documents = rng.standard_normal((3001, 384)).astype(np.float16)
    copies = np.arange(0, 3001, 100)
    documents[copies] = documents[0]
    near = documents[:1].astype(np.float32) + 0.1 * rng.standard_normal((queries, 384)).astype(
        np.float32
    )
    for block in (256, 1000, 5000):
        rows, scores = search(near, documents, len(copies), block)
        assert (scores == scores[:, :1]).all() and (rows == copies).all()


def test_search_of_a_store_finds_each_text_itself(tmp_path, encoder, texts):
    store = build(tmp_path, encoder, texts)
    rows, scores = search(encoder.encode(texts[:50], "passage"), store, 1, block=100)
    assert [texts[row] for row in rows[:, 0]] == texts[:50] and np.allclose(scores, 1, atol=2e-3)


def test_memory_goes_by_the_block_and_not_by_the_corpus(rng, monkeypatch):
    """Every product is of one size, whatever the corpus: the block's."""
    shapes, multiply = set(), torch.mm

    def watched(documents: torch.Tensor, queries: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        shapes.add((tuple(documents.shape), tuple(queries.shape)))
        return multiply(documents, queries, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    for documents in (1000, 5000, 5017):
        search(whole_numbers(rng, 4, 2), whole_numbers(rng, documents, 2), 10, block=100)
    assert shapes == {((128, 12), (12, 4))}


@pytest.mark.parametrize(
    ("queries", "documents", "options", "message"),
    [
        (
            np.ones((2, 3)),
            np.ones((4, 5), np.float16),
            {},
            r"queries \(2, 3\) and documents \(4, 5\) do not fit",
        ),
        (np.ones(3), np.ones((4, 3), np.float16), {}, r"both must be \[rows, d\]"),
        (np.ones((0, 3)), np.ones((4, 3), np.float16), {}, "0 queries, 4 documents"),
        (np.ones((1, 3)), np.ones((0, 3), np.float16), {}, "1 queries, 0 documents"),
        (np.ones((1, 3)), np.ones((4, 3)), {}, "documents are float64; store them as float16"),
        (np.ones((1, 3)), np.ones((4, 3), np.float16), {"k": 0}, "k is 0"),
        (np.ones((1, 3)), np.ones((4, 3), np.float16), {"block": 0}, "block 0"),
        (np.array([[1, 2], [1, np.nan]]), np.ones((4, 2), np.float16), {}, "query 1 is not finite"),
        (
            np.ones((1, 2)),
            np.array([[1, 2], [1, 1], [1, 1], [1, np.nan]], np.float16),
            {"block": 2},
            "document 3 is not finite",
        ),
        (
            np.ones((1, 2)),
            np.array([[1, 2], [np.inf, -np.inf]], np.float32),
            {},
            "document 1 is not finite",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(queries, documents, options, message):
    with pytest.raises(InputError, match=message):
        search(queries, documents, **{"k": 1, **options})


# -------------------------------------------------------------------------------------------------- two processes


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def build_and_search(
    rank: int, processes: int, port: int, folder: Path, encoder: Path, texts: list[str]
) -> None:
    """One of so many processes, with the environment that ``accelerate launch`` gives it: begins a store, resumes
    it, searches it; keeps what it found."""
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(processes),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true",
    )
    model = DualEncoder.load(encoder)
    counted = Counting(model, calls=5)
    try:
        build(folder, counted, texts)
    except KeyboardInterrupt:
        if processes > 1:
            dist.barrier()
    rest = Counting(model)
    store = build(folder, rest, texts)
    found = search(model.encode(texts[:20], "query"), store, 60, block=64)
    few = search(
        model.encode(texts[:20], "query"), store.vectors[:3], 10, block=64
    )  # less than a block: one process has none
    np.savez(folder / f"found-{rank}.npz", *found, *few, encoded=counted.texts + rest.texts)
    assert (dist.get_world_size() if dist.is_initialized() else 1) == processes


def test_two_processes_build_and_find_what_one_does(tmp_path, tiny_encoder, texts, spawn):
    doubled = texts + texts  # ties across the processes' shares
    for processes in (1, 2):
        port, folder = free_port(), tmp_path / str(processes)
        folder.mkdir()
        running = [
            spawn(build_and_search, rank, processes, port, folder, tiny_encoder, doubled)
            for rank in range(processes)
        ]
        for process in running:
            process.join(180)
        assert [process.exitcode for process in running] == [0] * processes
    assert (tmp_path / "1" / "vectors.npy").read_bytes() == (
        tmp_path / "2" / "vectors.npy"
    ).read_bytes()
    one, *two = (
        np.load(tmp_path / name) for name in ("1/found-0.npz", "2/found-0.npz", "2/found-1.npz")
    )
    for name in ("arr_0", "arr_1", "arr_2", "arr_3"):
        assert all(np.array_equal(one[name], each[name]) for each in two), name
    assert one["arr_2"].shape == (20, 3)
    assert [int(each["encoded"]) for each in two] == [
        9 * BLOCK + 24,
        9 * BLOCK,
    ]  # every other block of 19, the last one short


# ------------------------------------------------------------------------------------------------------ benchmark


def test_the_benchmark_runs(tmp_path):
    tiny = [
        "--passages=3000",
        "--queries=20",
        "--dimension=16",
        "--repeats=2",
        "--block=500",
        "--threads=1",
        f"--figures={tmp_path}",
    ]
    shown = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "large_corpus.py", *tiny],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "MB of memory at most" in shown and "hybridlib: time grows as passages^" in shown
    assert [line.split()[0] for line in shown.splitlines() if re.match(r" +[\d,]+ ", line)] == [
        "30",
        "90",
        "300",
        "900",
        "3,000",
    ]
    assert (tmp_path / "large_corpus.png").stat().st_size > 5000 and "passages" in (
        tmp_path / "large_corpus.svg"
    ).read_text()
    assert "hybridlib / faiss at 3,000 passages" in shown or "faiss is not installed" in shown
