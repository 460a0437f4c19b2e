"""The exact top k of a corpus, block by block, in one process and in two."""

from __future__ import annotations

import os
import re
import runpy
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from store_toys import BLOCK, Counting, build

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.search import search

ROOT = Path(__file__).resolve().parents[2]


def whole_numbers(
    rng: np.random.Generator, rows: int, levels: int, dimension: int = 12
) -> np.ndarray:
    """Return vectors whose products are exact in any order of adding, with many ties."""
    return rng.integers(-levels, levels + 1, (rows, dimension)).astype(np.float32)


def stable_sort(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best columns of each row and their scores, equal scores by column."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, 1)


def assert_same(
    result: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]
) -> None:
    """Compare rows and scores."""
    assert np.array_equal(result[0], expected[0])
    assert np.array_equal(result[1], expected[1])


@pytest.mark.parametrize(
    ("levels", "k", "block"),
    [
        pytest.param(3, 5, 100, id="ordinary"),
        pytest.param(0, 5, 100, id="all-tie"),
        pytest.param(50, 1, 19, id="best-alone-block-below-a-group"),
        pytest.param(1, 33, 32, id="k-above-a-group-block-of-one"),
        pytest.param(3, 33, 19, id="k-above-a-block"),
        pytest.param(3, 700, 512, id="all-documents"),
        pytest.param(1, 2000, 5000, id="fewer-documents-than-k-or-block"),
    ],
)
def test_search_is_a_stable_sort_of_all_scores(levels, k, block, rng, device):
    documents = whole_numbers(rng, 700, levels)
    queries = whole_numbers(rng, 9, levels)
    result = search(queries, documents.astype(np.float16), k, block, device=device)
    assert_same(result, stable_sort(queries @ documents.T, k))


@pytest.mark.parametrize("sign", [1, -1], ids=["ascending", "descending"])
def test_search_is_exact_when_every_block_is_better_or_worse_than_the_last(sign, rng):
    documents = whole_numbers(rng, 3000, 2)
    query = np.abs(whole_numbers(rng, 1, 2))
    scores = (documents @ query.T)[:, 0]
    documents = documents[np.argsort(sign * scores, kind="stable")]
    queries = np.repeat(query, 5, axis=0)
    for k in (3, 100):
        result = search(queries, documents, k, block=256)
        assert_same(result, stable_sort(queries @ documents.T, k))


def test_more_queries_than_are_scored_at_a_time(rng, monkeypatch):
    documents = whole_numbers(rng, 500, 2)
    queries = whole_numbers(rng, 50, 2)
    monkeypatch.setattr("hybridlib.retrieval.search._QUERIES", 7)
    result = search(queries, documents, 20, block=64)
    assert_same(result, stable_sort(queries @ documents.T, 20))


def test_real_vectors_are_ranked_as_in_double_precision(rng):
    documents = rng.standard_normal((20_000, 96)).astype(np.float16)
    queries = rng.standard_normal((40, 96)).astype(np.float16)
    rows, scores = search(queries.astype(np.float32), documents, 10, block=3000)
    double = queries.astype(np.float64) @ documents.astype(np.float64).T
    order, expected = stable_sort(double, 10)
    assert rows.dtype == np.int64
    assert scores.dtype == np.float32
    assert np.allclose(scores, expected, atol=1e-4)
    assert (rows == order).mean() > 0.99


@pytest.mark.parametrize("queries", [1, 3, 40])
def test_equal_vectors_score_equally_in_any_block(queries, rng):
    """One passage 31 times over, some in the last block, which is not full."""
    documents = rng.standard_normal((3001, 384)).astype(np.float16)
    copies = np.arange(0, 3001, 100)
    documents[copies] = documents[0]
    noise = 0.1 * rng.standard_normal((queries, 384))
    near = documents[:1].astype(np.float32) + noise.astype(np.float32)
    for block in (256, 1000, 5000):
        rows, scores = search(near, documents, len(copies), block)
        assert (scores == scores[:, :1]).all()
        assert (rows == copies).all()


def test_the_best_passage_of_a_store_is_the_query_itself(tmp_path, encoder, texts):
    store = build(tmp_path, encoder, texts)
    rows, scores = search(encoder.encode(texts[:50], "passage"), store, 1, block=100)
    assert [texts[row] for row in rows[:, 0]] == texts[:50]
    assert np.allclose(scores, 1, atol=2e-3)


def test_memory_goes_by_the_block_and_not_by_the_corpus(rng, monkeypatch):
    """No product has more documents than a block."""
    widths = []
    multiply = torch.mm

    def watched(queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        widths.append(documents.shape[1])
        return multiply(queries, documents)

    monkeypatch.setattr(torch, "mm", watched)
    for documents in (1000, 5017):
        search(whole_numbers(rng, 4, 2), whole_numbers(rng, documents, 2), 10, block=100)
    assert widths == [100] * 60 + [17]


FOUR = np.ones((4, 3), np.float16)
ONE = np.ones((1, 3))
NAN_QUERY = np.array([[1, 2, 3], [1, np.nan, 3]])
NAN_DOCUMENT = np.array([[1, 2], [1, 1], [1, 1], [1, np.nan]], np.float16)
INFINITE = np.array([[1, 2], [np.inf, -np.inf]], np.float32)


@pytest.mark.parametrize(
    ("queries", "documents", "options", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 5), np.float16), {}, r"\(2, 3\) .* \(4, 5\) do not fit"),
        (np.ones(3), FOUR, {}, r"both must be \[rows, d\]"),
        (np.ones((0, 3)), FOUR, {}, "0 queries, 4 documents"),
        (ONE, FOUR[:0], {}, "1 queries, 0 documents"),
        (ONE, np.ones((4, 3)), {}, "documents are float64; store them as float16"),
        (ONE, FOUR, {"k": 0}, "k is 0"),
        (ONE, FOUR, {"block": 0}, "block 0"),
        (NAN_QUERY, FOUR, {}, "query 1 is not finite"),
        (ONE[:, :2], NAN_DOCUMENT, {"block": 2}, "document 3 is not finite"),
        (ONE[:, :2], INFINITE, {}, "document 1 is not finite"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries, documents, options, message):
    with pytest.raises(InputError, match=message):
        search(queries, documents, **{"k": 1, **options})


@pytest.mark.parametrize("sign", [1, -1])
def test_vectors_whose_scores_overflow_are_refused(sign):
    queries = np.eye(2, dtype=np.float32)
    documents = np.concatenate([queries, np.full((1, 2), sign * 1e30, np.float32)])
    with pytest.raises(InputError, match="document 2 is too long for scores in float32; divide"):
        search(queries, documents, 1)
    with pytest.raises(InputError, match="query 2 is too long for scores in float32; divide"):
        search(documents, queries, 1)


# ---------------------------------------------------------------------------------- two processes


def free_port() -> int:
    """Return a port that nothing listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def build_and_search(
    rank: int, world: int, port: int, folder: Path, encoder: Path, texts: list[str]
) -> None:
    """Begin a store, resume it, and search it, as one of ``accelerate launch``'s processes."""
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true",
    )
    model = DualEncoder.load(encoder)
    begun = Counting(model, calls=5)
    try:
        build(folder, begun, texts)
    except KeyboardInterrupt:
        if world > 1:
            dist.barrier()
    rest = Counting(model)
    store = build(folder, rest, texts)
    queries = model.encode(texts[:20], "query")
    result = search(queries, store, 60, block=64)
    # Less than a block: one process has none.
    few = search(queries, store.vectors[:3], 10, block=64)
    encoded = begun.texts + rest.texts
    np.savez(folder / f"found-{rank}.npz", *result, *few, encoded=encoded)
    assert (dist.get_world_size() if dist.is_initialized() else 1) == world


def test_two_processes_build_and_find_what_one_does(tmp_path, tiny_encoder, texts, spawn):
    doubled = texts + texts  # ties across the processes' shares
    for world in (1, 2):
        folder = tmp_path / str(world)
        folder.mkdir()
        port = free_port()
        running = []
        for rank in range(world):
            arguments = (rank, world, port, folder, tiny_encoder, doubled)
            running.append(spawn(build_and_search, *arguments))
        for process in running:
            process.join(180)
        assert [process.exitcode for process in running] == [0] * world

    one_file = (tmp_path / "1" / "vectors.npy").read_bytes()
    assert (tmp_path / "2" / "vectors.npy").read_bytes() == one_file
    one = np.load(tmp_path / "1" / "found-0.npz")
    two = [np.load(tmp_path / "2" / f"found-{rank}.npz") for rank in range(2)]
    for name in ("arr_0", "arr_1", "arr_2", "arr_3"):
        for result in two:
            assert np.array_equal(result[name], one[name]), name
    assert one["arr_2"].shape == (20, 3)
    # Every other block of 19, the last one short.
    assert [int(result["encoded"]) for result in two] == [9 * BLOCK + 24, 9 * BLOCK]


# -------------------------------------------------------------------------------------- benchmark


def test_the_benchmark_runs(tmp_path, monkeypatch, capsys):
    options = [
        "--passages=3000",
        "--queries=20",
        "--dimension=16",
        "--repeats=2",
        "--block=500",
        f"--threads={torch.get_num_threads()}",
        f"--figures={tmp_path}",
    ]
    file = str(ROOT / "benchmarks" / "large_corpus.py")
    # As python does for a script: its folder is searched for what it imports.
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr(sys, "argv", [file, *options])
    runpy.run_path(file, run_name="__main__")
    shown = capsys.readouterr().out
    assert "MB of memory at most" in shown
    assert "hybridlib: time grows as passages^" in shown
    rows = [line.split()[0] for line in shown.splitlines() if re.match(r" +[\d,]+ ", line)]
    assert rows == ["30", "90", "300", "900", "3,000"]
    assert "hybridlib / faiss at 3,000 passages" in shown or "faiss is not installed" in shown
    assert (tmp_path / "large_corpus.png").stat().st_size > 5000
    assert "passages" in (tmp_path / "large_corpus.svg").read_text()
