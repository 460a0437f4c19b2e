"""Vectors on disk, for a corpus larger than memory.

A :class:`VectorStore` is a folder: ``vectors.npy`` (float16, memory-mapped), ``store.json`` (what
they are vectors of) and ``done-<process>.txt`` (``#`` for each block of texts whose vectors are on
disk, ``.`` for the others). Building can be killed at any moment and then resumes where it stopped.
It runs in one process or in all those that accelerate or torch.distributed has connected; then
every process must make the same calls.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from hybridlib.config.names import RUN_VECTORS
from hybridlib.distributed import barrier, connect
from hybridlib.errors import InputError
from hybridlib.files import check_writable, read_json, write_json, write_text
from hybridlib.model.identity import describe
from hybridlib.retrieval.exact import check_encoded

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder, Side

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VectorStore:
    """Vectors of texts on disk, in the texts' order.

    Attributes:
        folder: holds the files.
        vectors: ``[texts, d]`` float16, read-only, memory-mapped: only rows in use are read.
        about: what the vectors are of: side, prefix, pooling, max_length, layers behind the
            pooling, hashes of the encoder and of the texts.
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
        token_budget: int | None = None,
        progress: bool = True,
        replace: bool = False,
    ) -> VectorStore:
        """Encode ``texts`` into ``folder``, or what an earlier, stopped call has left to encode.

        Args:
            folder: made if need be.
            encoder: the same at every resume: weights, dense layers, tokenizer, config, prefix,
                pooling and max_length.
            texts: a list, a column of a ``datasets.Dataset``, or any object that can be iterated
                over twice; no generator. One block is held in memory.
            side: whose prefix the texts get.
            block: texts encoded, written and recorded at a time; what a kill can cost.
            token_budget: as in :meth:`DualEncoder.encode`.
            progress: show a progress bar.
            replace: take the place of vectors of something else, instead of refusing the folder.

        Raises:
            InputError: the folder holds vectors of something else or cannot be written to, or
                ``texts`` is empty, can be iterated over only once, or holds no strings.
        """
        folder = Path(folder)
        process, processes = connect()
        about = _describe(encoder, texts, side, block)
        if replace:
            _make_room(folder, about, process)
        _check_same(folder, about)
        if process == 0:
            _create(folder, about)
        barrier()
        _check_same(folder, about)  # again, as another process may have made the folder
        _open_vectors(folder, about)  # opened to be written to, a cut file would grow by zeros
        vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="r+")
        done = _done(folder, about)

        # The processes take the blocks in turn; each records its own.
        sizes = _block_sizes(about)
        with tqdm(
            total=sum(sizes[process::processes]),
            desc=f"encoding {side}",
            unit="text",
            disable=not progress or process > 0,
            mininterval=2,
        ) as bar:
            for number, part in enumerate(_batched(texts, block)):
                if number % processes != process:
                    continue
                if not done[number]:
                    start = number * block
                    encoded = _encode_block(encoder, part, side, token_budget, start)
                    # First the vectors, then the record: a record never stands for missing vectors.
                    vectors[start : start + len(part)] = encoded
                    vectors.flush()
                    done[number] = True
                    write_text(folder / f"done-{process}.txt", "".join(np.where(done, "#", ".")))
                bar.update(len(part))
        barrier()
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path, encoder: DualEncoder | None = None) -> VectorStore:
        """Open the finished store in ``folder``.

        Args:
            folder: where :meth:`build` wrote it.
            encoder: check that the vectors are of this encoder; None: of any.

        Raises:
            InputError: there is no store, it is not finished or damaged, or its vectors are of
                another encoder.
        """
        folder = Path(folder)
        if not (folder / "store.json").exists():
            raise InputError(
                f"{folder}: no store.json, so no vectors; VectorStore.build makes them"
            )
        about = _read_about(folder)
        done = _done(folder, about)
        if not done.all():
            raise InputError(
                f"{folder}: {int((~done).sum())} of {len(done)} blocks are not encoded yet; "
                "call VectorStore.build again with the same encoder and texts"
            )
        if encoder is not None:
            expected = _describe_encoder(encoder, about["side"])
            advice = "use the encoder that they were built with, or build another folder"
            _refuse_difference(folder, about, expected, advice)
        logger.info("%s: %d vectors of length %d", folder, about["texts"], about["dimension"])
        return cls(folder, _open_vectors(folder, about), about)


def save_run_vectors(folder: Path, queries: np.ndarray, candidates: np.ndarray) -> None:
    """Write the vectors of a run; those of candidates on disk stay in its store.

    Args:
        folder: of the run.
        queries: ``[queries, d]``.
        candidates: ``[candidates, d]``, in memory, or of the store in ``folder / RUN_VECTORS``.
    """
    np.save(folder / "queries.npy", queries)
    if isinstance(candidates, np.memmap):
        (folder / "candidates.npy").unlink(missing_ok=True)
    else:
        np.save(folder / "candidates.npy", candidates)
        shutil.rmtree(folder / RUN_VECTORS, ignore_errors=True)


def read_run_vectors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`save_run_vectors` wrote; candidates of a store are float16 on disk.

    Raises:
        InputError: the store is not finished, or damaged.
    """
    queries = np.load(folder / "queries.npy")
    if (folder / "candidates.npy").exists():
        return queries, np.load(folder / "candidates.npy")
    return queries, VectorStore.open(folder / RUN_VECTORS).vectors


def _encode_block(
    encoder: DualEncoder, texts: list[str], side: Side, token_budget: int | None, start: int
) -> np.ndarray:
    """Encode the texts from number ``start`` on, as float16; refuse what has no direction in it."""
    # The processes share the blocks, not the texts of a block.
    vectors = encoder.encode(texts, side, token_budget, shared=False)
    stored = vectors.astype(np.float16)
    check_encoded(stored, "text", range(start, start + len(texts)))
    return stored


def _describe(encoder: DualEncoder, texts: Iterable[str], side: Side, block: int) -> dict[str, Any]:
    """Return the content of store.json: all that the vectors depend on."""
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
    """Return what of the encoder the vectors depend on."""
    return {
        "side": side,
        "prefix": encoder.prefixes[side],
        **describe(encoder),
    }


def _hash_texts(texts: Iterable[str]) -> tuple[int, str]:
    """Return how many texts there are, and a hash of them and their order."""
    if isinstance(texts, str) or iter(texts) is texts:
        raise InputError(
            f"texts is a {type(texts).__name__}, which does not run through the texts twice; "
            "give a list, a datasets column, or an object whose __iter__ starts anew"
        )
    digest = hashlib.sha256()
    count = 0
    for text in texts:
        if not isinstance(text, str):
            raise InputError(
                f"text {count} is a {type(text).__name__} ({text!r}); every text must be a str"
            )
        # With its length before it, a text cannot run into the next.
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
        count += 1
    if not count:
        raise InputError("texts is empty; there is nothing to encode")
    return count, digest.hexdigest()


def _check_same(folder: Path, about: dict[str, Any]) -> None:
    """Refuse a folder whose vectors are of something else."""
    if (folder / "store.json").exists():
        advice = (
            "give what it was begun with, or choose another folder, "
            "or delete this one to encode anew"
        )
        _refuse_difference(folder, _read_about(folder), about, advice)
    elif (folder / "vectors.npy").exists():
        raise InputError(
            f"{folder}: has a vectors.npy but no store.json that says of what; "
            "choose another folder"
        )


def _make_room(folder: Path, about: dict[str, Any], process: int) -> None:
    """Remove vectors of something else from a folder, in the first process."""
    if process == 0:
        try:
            _check_same(folder, about)
        except InputError as error:
            logger.info("%s; they are encoded anew", error)
            for name in ("vectors.npy", *(file.name for file in folder.glob("done-*.txt"))):
                (folder / name).unlink(missing_ok=True)
            # The last, so that a kill before it leaves what is removed the next time.
            (folder / "store.json").unlink(missing_ok=True)
    barrier()


def _refuse_difference(
    folder: Path, stored: dict[str, Any], expected: dict[str, Any], advice: str
) -> None:
    """Raise an InputError that names every entry in which the two differ."""
    differences = []
    for name, value in expected.items():
        if stored.get(name) != value:
            differences.append(f"{name} is {stored.get(name)!r} there and {value!r} here")
    if differences:
        raise InputError(f"{folder}: holds other vectors: {'; '.join(differences)}; {advice}")


def _create(folder: Path, about: dict[str, Any]) -> None:
    """Write store.json, then an empty vectors.npy, unless they exist."""
    check_writable(folder)
    if not (folder / "store.json").exists():
        write_json(folder / "store.json", about)
    if not (folder / "vectors.npy").exists():
        if _done(folder, about).any():
            raise InputError(f"{folder}: vectors.npy is gone; delete the folder to encode anew")
        # Written aside and renamed, so that a kill leaves no half file of that name.
        aside = folder / "vectors.npy.part"
        shape = (about["texts"], about["dimension"])
        np.lib.format.open_memmap(aside, mode="w+", dtype=np.float16, shape=shape).flush()
        aside.replace(folder / "vectors.npy")


def _done(folder: Path, about: dict[str, Any]) -> np.ndarray:
    """Return which blocks are on disk, by the records of all processes: ``[blocks]`` bool."""
    done = np.zeros(len(_block_sizes(about)), dtype=bool)
    for record in folder.glob("done-*.txt"):
        try:
            marks = record.read_bytes().decode("ascii")
        except (OSError, ValueError) as error:
            raise _damaged(record, str(error)) from None
        if len(marks) != len(done) or not set(marks) <= set("#."):
            raise _damaged(record, f"it must have a # or . for each of {len(done)} blocks")
        done |= np.array(list(marks)) == "#"
    return done


def _read_about(folder: Path) -> dict[str, Any]:
    """Return the content of store.json, of which the numbers and the side are checked."""
    file = folder / "store.json"
    try:
        about = read_json(file)
    except (OSError, ValueError) as error:
        raise _damaged(file, str(error)) from None
    numbers = ("texts", "block", "dimension")
    for name in numbers:
        value = about.get(name) if isinstance(about, dict) else None
        if type(value) is not int or value < 1:
            raise _damaged(file, f"{name} is {value!r}, not a number from 1")
    if about.get("side") not in ("query", "passage"):
        raise _damaged(file, f"side is {about.get('side')!r}, not query or passage")
    return about


def _open_vectors(folder: Path, about: dict[str, Any]) -> np.ndarray:
    """Return the vectors on disk, read-only; refuse a file that is cut or of something else."""
    file = folder / "vectors.npy"
    try:
        vectors = np.lib.format.open_memmap(file, mode="r")
    except (OSError, ValueError) as error:
        raise _damaged(file, str(error)) from None
    expected = (about["texts"], about["dimension"])
    if vectors.shape != expected or vectors.dtype != np.float16:
        raise _damaged(
            file,
            f"it holds {vectors.shape} {vectors.dtype}, and by store.json it must be {expected} "
            "float16",
        )
    return vectors


def _damaged(file: Path, reason: str) -> InputError:
    """Return the error for a file of a store that is not as :meth:`VectorStore.build` wrote it."""
    return InputError(f"{file}: damaged ({reason}); delete the folder to encode anew")


def _block_sizes(about: dict[str, Any]) -> list[int]:
    """Return how many texts each block has; the last may have fewer than the others."""
    starts = range(0, about["texts"], about["block"])
    return [min(about["block"], about["texts"] - start) for start in starts]


def _batched(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the texts in lists of ``size``; the last may be shorter."""
    rest = iter(texts)
    while part := list(itertools.islice(rest, size)):
        yield part
