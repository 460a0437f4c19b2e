"""Retrieval over a corpus larger than memory: vectors on disk, and the exact top k from one pass over them.

A :class:`VectorStore` is a folder: ``vectors.npy`` (float16, memory-mapped), ``store.json`` (what they are vectors
of) and ``done-<process>.txt`` (``#`` for each block of texts whose vectors are on disk, ``.`` for the others).
Building can be killed at any moment and takes up where it stopped. Everything here runs in one process or in all
those that accelerate or torch.distributed has connected; then every process must make the same calls.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.errors import InputError
from hybridlib.files import check_writable, read_json, write_json, write_text
from hybridlib.processes import processes
from hybridlib.retrieval import top_of

if TYPE_CHECKING:  # importing transformers takes seconds that a search need not spend
    from hybridlib.encoder import DualEncoder, Side

logger = logging.getLogger(__name__)
_QUERIES = 1024  # queries scored at a time: bounds the block of scores
_GROUP = 32  # documents whose best score is taken before any single one is looked at


@dataclass(frozen=True)
class VectorStore:
    """Vectors of texts on disk, in the texts' order.

    Attributes:
        folder: holds the files.
        vectors: ``[texts, d]`` float16, read-only, memory-mapped: only what is looked at is read.
        about: what the vectors are of: side, prefix, pooling, max_length, hashes of encoder and texts.
    """

    folder: Path
    vectors: np.ndarray
    about: dict[str, Any]

    @classmethod
    def build(
        cls,
        folder: str | Path,
        encoder: DualEncoder,
        texts: Iterable[str],
        side: Side = "passage",
        block: int = 4096,
        token_budget: int = 8192,
        progress: bool = True,
    ) -> VectorStore:
        """Encode ``texts`` into ``folder``, or what is still missing there of an earlier run that was stopped.

        Args:
            folder: made if need be.
            encoder: the same weights, tokenizer, prefix, pooling and max_length at every resume.
            texts: gone through twice (to count, to encode), so no generator: a list, a column of a
                ``datasets.Dataset``, or any object whose ``__iter__`` starts anew. Held in memory: one block.
            side: whose prefix the texts get.
            block: texts encoded, written and recorded at a time; what a kill can cost.
            token_budget: tokens of a micro-batch, padding included.

        Raises:
            InputError: the folder holds vectors of something else or cannot be written to, ``texts`` is empty,
                or runs only once, or holds something that is not a str.
        """
        folder, (process, processes) = Path(folder), _processes()
        about = _describe(encoder, texts, side, block)
        _check_same(folder, about)
        if process == 0:
            _create(folder, about)
        _wait()
        _check_same(folder, about)
        vectors, done = (
            np.lib.format.open_memmap(folder / "vectors.npy", mode="r+"),
            _done(folder, about),
        )
        record, mine = (
            folder / f"done-{process}.txt",
            sum(size for number, size in _blocks(about) if number % processes == process),
        )
        with tqdm(
            total=mine,
            desc=f"encoding {side}",
            unit="text",
            disable=not progress or process > 0,
            mininterval=2,
        ) as bar:
            for number, part in enumerate(_batched(texts, block)):
                if number % processes == process:
                    if not done[number]:
                        encoded = encoder.encode(
                            part, side, token_budget, shared=False
                        )  # the processes share blocks, not a block's texts
                        vectors[number * block : number * block + len(part)] = _finite(
                            encoded, number * block
                        )
                        vectors.flush()
                        done[number] = True
                        write_text(record, "".join(np.where(done, "#", ".")))
                    bar.update(len(part))
        _wait()
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path, encoder: DualEncoder | None = None) -> VectorStore:
        """The finished store in ``folder``.

        Raises:
            InputError: there is none, it is not finished, or its vectors are not ``encoder``'s (where given).
        """
        folder = Path(folder)
        if not (folder / "store.json").exists():
            raise InputError(
                f"{folder}: no store.json, so no vectors; VectorStore.build makes them"
            )
        about = read_json(folder / "store.json")
        missing = int((~_done(folder, about)).sum())
        if missing:
            raise InputError(
                f"{folder}: {missing} of {len(_done(folder, about))} blocks are not encoded yet; call VectorStore.build again with the same encoder and texts"
            )
        if encoder is not None:
            _refuse_difference(
                folder,
                about,
                _describe_encoder(encoder, about["side"]),
                "use the encoder that they were built with, or build another folder",
            )
        logger.info("%s: %d vectors of length %d", folder, about["texts"], about["dimension"])
        return cls(folder, np.load(folder / "vectors.npy", mmap_mode="r"), about)


def search(
    query_vectors: np.ndarray,
    store: VectorStore | np.ndarray,
    k: int,
    block: int = 16_384,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` documents of highest dot product for each query: exact, equal scores by lower row.

    Documents pass through memory once, ``block`` at a time. Beside the queries and the result that takes about
    ``4 * block * (d + min(queries, 1024))`` bytes, however many documents there are. All products have the same
    shape, so that equal vectors score equally wherever they stand.

    Args:
        query_vectors: ``[queries, d]`` float32.
        store: a store, or ``[documents, d]`` float16 or float32, such as a memory-mapped array.
        k: how many; all documents, if there are fewer.
        block: documents scored at a time; more than 32 * k of them save time when k is large.

    Returns:
        Rows ``[queries, k]`` (int64) and scores ``[queries, k]`` (float32), best first; the same in every process.

    Raises:
        InputError: shapes that do not fit, queries or documents that are not finite, a k or block below 1.
    """
    documents = store.vectors if isinstance(store, VectorStore) else store
    queries, k = _check_search(query_vectors, documents, k, block), min(k, len(documents))
    process, processes = _processes()
    blocks = -(-len(documents) // block)
    first, end = (
        blocks * process // processes * block,
        min(blocks * (process + 1) // processes * block, len(documents)),
    )
    best = _search_range(
        queries, documents, k, min(block, len(documents)), first, end, progress and process == 0
    )
    if processes > 1:
        best = _merge_processes(best, k, processes)
    return best.rows.numpy(), best.scores.numpy()


@dataclass
class _Best:
    """The best so far, in descending order: scores (float32) and rows (int64) ``[queries, k]``; -inf and -1 stand
    for none yet."""

    scores: Tensor
    rows: Tensor

    def add_block(self, queries: slice, scores: Tensor, start: int) -> None:
        """Merge in scores ``[documents, queries]`` of rows ``start`` onwards, all later than the rows so far.

        A row so late must score higher than the k-th best to enter. Few do, so groups of _GROUP rows are judged by
        their maximum, and for the queries that have a promising one the best groups alone are looked into: as many
        as are promising, or k, for k groups hold k rows at least as good as any in another group. ``documents`` is
        a multiple of _GROUP.
        """
        groups = scores.view(-1, _GROUP, scores.shape[1])
        maxima = groups.amax(1).T
        promising = (maxima > self.scores[queries, -1:]).sum(1)
        line = torch.nonzero(promising).flatten()
        if not len(line):
            return
        group, _ = top_of(maxima[line], min(self.scores.shape[1], int(promising.max())))
        group = group.sort(1).values
        rows = start + (group[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1)
        self._merge(line + queries.start, rows, groups[group, :, line[:, None]].flatten(1))

    def _merge(self, query: Tensor, rows: Tensor, scores: Tensor) -> None:
        """Merge rows and scores ``[some queries, any]``, in ascending order of row and later than the rows so far:
        what comes first of equals stays first."""
        k = self.scores.shape[1]
        columns, self.scores[query] = top_of(torch.cat([self.scores[query], scores], 1), k)
        self.rows[query] = torch.cat([self.rows[query], rows], 1).gather(1, columns)


def _search_range(
    queries: Tensor, documents: np.ndarray, k: int, block: int, first: int, end: int, progress: bool
) -> _Best:
    """The best among the documents ``[first, end)``."""
    best = _Best(torch.full((len(queries), k), -torch.inf), torch.full((len(queries), k), -1))
    padded = -(-block // _GROUP) * _GROUP
    stored, loaded = _as_tensor(documents), torch.zeros(padded, queries.shape[1])
    products = torch.empty(padded * min(_QUERIES, len(queries)))
    for start in tqdm(
        range(first, end, block),
        desc="searching",
        unit="block",
        disable=not progress,
        mininterval=2,
    ):
        size = min(block, end - start)
        loaded[:size].copy_(stored[start : start + size])
        if not loaded[:size].sum().isfinite():
            _refuse_documents(loaded[:size], start)
        for at in range(0, len(queries), _QUERIES):
            part = queries[at : at + _QUERIES]
            scores = products[: padded * len(part)].view(padded, len(part))
            torch.mm(loaded, part.T, out=scores)
            scores[size:] = -torch.inf
            best.add_block(slice(at, at + len(part)), scores, start)
    return best


def _merge_processes(best: _Best, k: int, processes: int) -> _Best:
    """The best of all processes, in each of them; each searched later documents than the one before it."""
    found: list[tuple[np.ndarray, np.ndarray]] = [None] * processes
    dist.all_gather_object(found, (best.rows.numpy(), best.scores.numpy()))
    rows, scores = (
        torch.cat([torch.from_numpy(part) for part in parts], 1) for parts in zip(*found)
    )
    columns, values = top_of(scores, k)
    return _Best(values, rows.gather(1, columns))


def _check_search(query_vectors: np.ndarray, documents: np.ndarray, k: int, block: int) -> Tensor:
    """The queries as a tensor, once everything fits together."""
    if (
        query_vectors.ndim != 2
        or documents.ndim != 2
        or query_vectors.shape[1] != documents.shape[1]
    ):
        raise InputError(
            f"queries {query_vectors.shape} and documents {documents.shape} do not fit: both must be [rows, d], with one d; are they of the same encoder?"
        )
    if not len(documents) or not len(query_vectors):
        raise InputError(
            f"nothing to search: {len(query_vectors)} queries, {len(documents)} documents"
        )
    if documents.dtype not in (np.float16, np.float32):
        raise InputError(f"documents are {documents.dtype}; store them as float16 or float32")
    if k < 1 or block < 1:
        raise InputError(f"k is {k} and block {block}; both must be 1 or more")
    queries = np.ascontiguousarray(query_vectors, dtype=np.float32)
    if not np.isfinite(queries).all():
        raise InputError(
            f"query {int(np.argmin(np.isfinite(queries).all(1)))} is not finite; encode it again"
        )
    return torch.from_numpy(queries)


def _refuse_documents(loaded: Tensor, start: int) -> None:
    """An error where a vector is not of numbers; a sum can also overflow without one."""
    good = loaded.isfinite().all(1)
    if not good.all():
        raise InputError(
            f"document {start + int(good.int().argmin())} is not finite; encode it again"
        )


def _as_tensor(vectors: np.ndarray) -> Tensor:
    """The array itself as a tensor, that nobody writes to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(vectors)


# ------------------------------------------------------------------------------------------------- what is stored


def _describe(encoder: DualEncoder, texts: Iterable[str], side: Side, block: int) -> dict[str, Any]:
    """Content of store.json: all that the vectors depend on."""
    if block < 1:
        raise InputError(f"block is {block}; it must be 1 or more")
    count, digest = _hash_texts(texts)
    return {
        "texts": count,
        "dimension": encoder.dimension,
        "block": block,
        **_describe_encoder(encoder, side),
        "texts_hash": digest,
    }


def _describe_encoder(encoder: DualEncoder, side: Side) -> dict[str, Any]:
    return {
        "side": side,
        "prefix": encoder.prefixes[side],
        "pooling": encoder.pooling,
        "max_length": encoder.max_length,
        "encoder_hash": _hash_encoder(encoder),
    }


def _hash_texts(texts: Iterable[str]) -> tuple[int, str]:
    """How many texts, and a hash of them and their order."""
    if isinstance(texts, str) or iter(texts) is texts:
        raise InputError(
            f"texts is a {type(texts).__name__}, which does not run through the texts twice; give a list, a datasets column, or an object whose __iter__ starts anew"
        )
    digest, count = hashlib.sha256(), 0
    for text in texts:
        if not isinstance(text, str):
            raise InputError(
                f"text {count} is a {type(text).__name__} ({text!r}); every text must be a str"
            )
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
        count += 1
    if not count:
        raise InputError("texts is empty; there is nothing to encode")
    return count, digest.hexdigest()


def _hash_encoder(encoder: DualEncoder) -> str:
    """A hash of weights and tokenizer."""
    digest = hashlib.sha256(_tokenizer_rules(encoder.tokenizer).encode())
    for name, weights in sorted(encoder.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _tokenizer_rules(tokenizer: Any) -> str:
    """The tokenizer as text, without the truncation and padding of its last call."""
    if not hasattr(tokenizer, "backend_tokenizer"):
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    return json.dumps({**rules, "truncation": None, "padding": None}, sort_keys=True)


def _check_same(folder: Path, about: dict[str, Any]) -> None:
    """Refuse a folder whose vectors are of something else."""
    if (folder / "store.json").exists():
        _refuse_difference(
            folder,
            read_json(folder / "store.json"),
            about,
            "give what it was begun with, or choose another folder, or delete this one to encode anew",
        )
    elif (folder / "vectors.npy").exists():
        raise InputError(
            f"{folder}: has a vectors.npy but no store.json that says of what; choose another folder"
        )


def _refuse_difference(
    folder: Path, there: dict[str, Any], here: dict[str, Any], advice: str
) -> None:
    differing = [
        f"{name} is {there.get(name)!r} there and {value!r} here"
        for name, value in here.items()
        if there.get(name) != value
    ]
    if differing:
        raise InputError(f"{folder}: holds other vectors: {'; '.join(differing)}; {advice}")


def _create(folder: Path, about: dict[str, Any]) -> None:
    """Write store.json, then an empty vectors.npy, where they are not there yet."""
    check_writable(folder)
    if not (folder / "store.json").exists():
        write_json(folder / "store.json", about)
    if not (folder / "vectors.npy").exists():
        if _done(folder, about).any():
            raise InputError(f"{folder}: vectors.npy is gone; delete the folder to encode anew")
        aside = folder / "vectors.npy.part"
        np.lib.format.open_memmap(
            aside, mode="w+", dtype=np.float16, shape=(about["texts"], about["dimension"])
        ).flush()
        aside.replace(folder / "vectors.npy")


def _finite(vectors: np.ndarray, start: int) -> np.ndarray:
    """The vectors themselves, if every one is of numbers; ``start`` is the first one's text."""
    if not np.isfinite(vectors).all():
        raise InputError(
            f"the vector of text {start + int(np.argmin(np.isfinite(vectors).all(1)))} is not finite; encode in float32 or bfloat16"
        )
    return vectors


def _done(folder: Path, about: dict[str, Any]) -> np.ndarray:
    """Which blocks are on disk, by the records of all processes: ``[blocks]`` bool."""
    done = np.zeros(-(-about["texts"] // about["block"]), dtype=bool)
    for record in folder.glob("done-*.txt"):
        done |= np.array(list(record.read_text())) == "#"
    return done


def _blocks(about: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Number and size of each block."""
    return enumerate(
        min(about["block"], about["texts"] - start)
        for start in range(0, about["texts"], about["block"])
    )


def _batched(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(texts)
    while part := list(itertools.islice(rest, size)):
        yield part


# ------------------------------------------------------------------------------------------------------ processes


def _processes() -> tuple[int, int]:
    """This process's number, and how many there are; connects those of ``accelerate launch`` if nobody has yet."""
    if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        processes()
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _wait() -> None:
    """Until all processes are here."""
    if dist.is_initialized():
        dist.barrier()
