"""Vectors on disk: what they are, that they survive a kill, and what is refused."""

from __future__ import annotations

import random
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from store_toys import BLOCK, Counting, Streamed, build

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.layers import UnitLength
from hybridlib.retrieval.vector_store import VectorStore


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, encoder, texts) -> VectorStore:
    """A finished store."""
    return build(tmp_path_factory.mktemp("whole"), encoder, texts)


# --------------------------------------------------------------------------------------- building


def test_vectors_are_the_encoders_in_order(whole, encoder, texts):
    assert whole.vectors.dtype == np.float16
    assert isinstance(whole.vectors, np.memmap)
    assert not whole.vectors.flags.writeable
    expected = encoder.encode(texts, "passage")
    assert whole.vectors.shape == expected.shape
    assert np.abs(whole.vectors - expected).max() < 2**-11
    assert np.array_equal(np.load(whole.folder / "vectors.npy"), whole.vectors)


def test_texts_of_either_side_have_its_prefix(tmp_path, encoder, texts):
    store = build(tmp_path, encoder, texts[:50], "query")
    assert np.abs(store.vectors - encoder.encode(texts[:50], "query")).max() < 2**-11


@pytest.mark.parametrize("kind", [tuple, pd.Series, np.array, Streamed])
def test_texts_of_any_kind_that_can_be_iterated_over_twice(kind, tmp_path, encoder, texts, whole):
    assert np.array_equal(build(tmp_path, encoder, kind(texts)).vectors, whole.vectors)


def test_texts_of_a_datasets_column(tmp_path, encoder, texts, whole):
    from datasets import Dataset

    column = Dataset.from_dict({"text": texts})["text"]
    assert np.array_equal(build(tmp_path, encoder, column).vectors, whole.vectors)


def test_one_block_of_texts_is_held_at_a_time(tmp_path, encoder, texts):
    """The texts are read no further ahead than the block that is encoded."""
    read = 0

    class Watched(Streamed):
        def __iter__(self) -> Iterator[str]:
            nonlocal read
            read = 0
            for text in self.texts:
                read += 1
                yield text

    class Checking(Counting):
        def encode(self, texts: list[str], *args: Any, **options: Any) -> np.ndarray:
            assert len(texts) <= BLOCK
            assert read <= self.texts + BLOCK
            return super().encode(texts, *args, **options)

    assert len(build(tmp_path, Checking(encoder), Watched(texts)).vectors) == len(texts)


@pytest.mark.parametrize("after", [0, 1, 9])
def test_a_resume_encodes_only_the_missing_blocks(after, tmp_path, encoder, texts, whole):
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Counting(encoder, after), texts)
    with pytest.raises(InputError, match=f"{10 - after} of 10 blocks are not encoded yet"):
        VectorStore.open(tmp_path)
    rest = Counting(encoder)
    assert np.array_equal(build(tmp_path, rest, texts).vectors, whole.vectors)
    assert rest.texts == len(texts) - after * BLOCK
    again = Counting(encoder, calls=0)
    assert np.array_equal(build(tmp_path, again, texts).vectors, whole.vectors)


def test_a_folder_begun_but_still_without_vectors_is_resumed(tmp_path, encoder, texts, whole):
    about = (whole.folder / "store.json").read_bytes()
    (tmp_path / "store.json").write_bytes(about)
    (tmp_path / "vectors.npy.part").write_bytes(b"half a file")
    assert np.array_equal(build(tmp_path, encoder, texts).vectors, whole.vectors)


def build_in_process(folder: Path, encoder: Path, texts: list[str]) -> None:
    """Build a store of many blocks in a process of its own."""
    torch.set_num_threads(1)
    build(folder, DualEncoder.load(encoder), texts, block=2)


def test_killed_at_any_moment_it_resumes_to_the_same_file(tmp_path, tiny_encoder, texts, spawn):
    """SIGKILL three times, a little after the first new block; small blocks make many moments."""
    spawn(build_in_process, tmp_path / "whole", tiny_encoder, texts).join()
    expected = np.load(tmp_path / "whole" / "vectors.npy")
    record = tmp_path / "killed" / "done-0.txt"
    moment = random.Random()
    kills = 0
    for _ in range(3):
        before = record.read_text() if record.exists() else ""
        process = spawn(build_in_process, tmp_path / "killed", tiny_encoder, texts)
        while process.is_alive() and (record.read_text() if record.exists() else "") == before:
            time.sleep(0.001)
        time.sleep(moment.uniform(0, 0.03))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL

        # What is recorded as done has its vectors.
        done = record.read_text()
        assert set(done) <= {"#", "."}
        assert done.count("#") >= before.count("#")
        written = np.load(tmp_path / "killed" / "vectors.npy", mmap_mode="r")
        recorded = np.repeat(np.array(list(done)) == "#", 2)[: len(texts)]
        assert np.array_equal(written[recorded], expected[recorded])
    assert kills >= 2
    spawn(build_in_process, tmp_path / "killed", tiny_encoder, texts).join()
    finished = (tmp_path / "killed" / "vectors.npy").read_bytes()
    assert finished == (tmp_path / "whole" / "vectors.npy").read_bytes()


# --------------------------------------------------------------------------------------- refusing


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, encoder, texts) -> Path:
    """A store with one block encoded."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(KeyboardInterrupt):
        build(folder, Counting(encoder, 1), texts)
    return folder


def changed(encoder: DualEncoder, **attributes: Any) -> DualEncoder:
    """Return an encoder with the same weights and other settings."""
    settings = {
        "pooling": encoder.pooling,
        "prefixes": encoder.prefixes,
        "max_length": encoder.max_length,
        **attributes,
    }
    return DualEncoder(encoder.backbone, encoder.tokenizer, **settings)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"max_length": 99}, "max_length"),
        ({"pooling": "cls"}, "pooling"),
        ({"prefixes": {"query": "q", "passage": "p"}}, "prefix"),
    ],
)
def test_another_setting_is_refused(setting, name, begun, encoder, texts):
    differs = rf"{re.escape(str(begun))}: holds other vectors: {name} is .* there and .* here; "
    with pytest.raises(InputError, match=differs + r".*choose another folder"):
        build(begun, changed(encoder, **setting), texts)


def test_another_encoder_is_refused(begun, tiny_encoder, texts):
    other = DualEncoder.load(tiny_encoder)
    with torch.no_grad():
        next(other.backbone.parameters())[5, 5] += 1e-3
    with pytest.raises(InputError, match="holds other vectors: weights is"):
        build(begun, other, texts)


def test_other_dense_layers_are_refused(tmp_path, tiny_encoder, texts):
    """Another layer, other weights of it, or another activation behind it."""
    first = DualEncoder.load(tiny_encoder, projection=8)
    build(tmp_path, first, texts)
    for other, name in (
        (DualEncoder.load(tiny_encoder), "dimension"),
        (DualEncoder.load(tiny_encoder, projection=8, seed=1), "weights"),
        (changed(first, dense=torch.nn.Sequential(first.dense[0], torch.nn.Tanh())), "layers"),
        (changed(first, dense=torch.nn.Sequential(first.dense[0], UnitLength())), "layers"),
    ):
        with pytest.raises(InputError, match=f"holds other vectors: {name} is"):
            build(tmp_path, other, texts)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda encoder: setattr(encoder.tokenizer, "truncation_side", "left"), "tokenizer"),
        (lambda encoder: setattr(encoder.backbone.config, "hidden_act", "relu"), "config"),
    ],
)
def test_another_use_of_the_same_weights_is_refused(change, name, begun, tiny_encoder, texts):
    other = DualEncoder.load(tiny_encoder)
    change(other)
    with pytest.raises(InputError, match=f"holds other vectors: {name} is"):
        build(begun, other, texts)


def test_other_texts_are_refused(begun, encoder, texts):
    shorter = "texts is 300 there and 299 here; texts_hash"
    with pytest.raises(InputError, match=f"holds other vectors: {shorter}"):
        build(begun, encoder, texts[:-1])
    for others in (texts[::-1], [*texts[:-1], texts[-1] + " "]):
        with pytest.raises(InputError, match="holds other vectors: texts_hash"):
            build(begun, encoder, others)
    with pytest.raises(InputError, match="holds other vectors: block is 32 there and 8 here"):
        build(begun, encoder, texts, block=8)
    side = "side is 'passage' there and 'query' here"
    with pytest.raises(InputError, match=f"holds other vectors: {side}"):
        build(begun, encoder, texts, "query")


def test_a_copy_of_the_encoder_is_the_same_encoder(begun, encoder, texts):
    """In another folder, after it has tokenised something else."""
    encoder.save(begun / "copy")
    other = DualEncoder.load(begun / "copy", max_length=encoder.max_length)
    other.encode(texts[:3], "query")
    with pytest.raises(KeyboardInterrupt):
        build(begun, Counting(other, 0), texts)


def test_a_strange_file_is_never_overwritten(tmp_path, encoder, texts):
    np.save(tmp_path / "vectors.npy", np.ones(3))
    with pytest.raises(InputError, match=r"no store.json that says of what; choose another folder"):
        build(tmp_path, encoder, texts)
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), np.ones(3))


def test_lost_vectors_are_noticed(tmp_path, encoder, texts):
    build(tmp_path, encoder, texts[:BLOCK])
    (tmp_path / "vectors.npy").unlink()
    with pytest.raises(InputError, match=r"vectors.npy is gone; delete the folder to encode anew"):
        build(tmp_path, encoder, texts[:BLOCK])


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


def test_vectors_that_are_not_finite_are_not_stored(tmp_path, encoder, texts):
    class Broken(Counting):
        def encode(self, texts: list[str], *args: Any, **options: Any) -> np.ndarray:
            vectors = super().encode(texts, *args, **options)
            if self.texts > BLOCK:
                vectors[7] = np.nan
            return vectors

    with pytest.raises(InputError, match="the vector of text 39 is not finite"):
        build(tmp_path, Broken(encoder), texts)
    assert (tmp_path / "done-0.txt").read_text().count("#") == 1


def test_opening_a_missing_store_or_one_of_another_encoder(tmp_path, encoder, texts, whole):
    missing = "no store.json, so no vectors; VectorStore.build makes them"
    with pytest.raises(InputError, match=missing):
        VectorStore.open(tmp_path)
    assert VectorStore.open(whole.folder, encoder).about["texts"] == len(texts)
    other = r"max_length .*use the encoder that they were built with"
    with pytest.raises(InputError, match=other):
        VectorStore.open(whole.folder, changed(encoder, max_length=9))


DAMAGED = {
    "a list": ("store.json", b"[]", "texts is None, not a number from 1"),
    "a cut file": ("store.json", b'{"te', "Unterminated string"),
    "a text for a number": ("store.json", b'{"texts": "20"}', "texts is '20', not a number"),
    "cut vectors": ("vectors.npy", None, "mmap length is greater than file size"),
    "no array": ("vectors.npy", b"x" * 500, "magic string is not correct"),
    "a mark too few": ("done-0.txt", b"#", "a # or . for each of 10 blocks"),
    "other marks": ("done-0.txt", b"#########\n", "a # or . for each of 10 blocks"),
    "no text": ("done-0.txt", b"\xff" * 10, "can't decode byte"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_named(kind, whole, encoder, texts, tmp_path):
    name, content, reason = DAMAGED[kind]
    folder = Path(shutil.copytree(whole.folder, tmp_path / "store"))
    file = folder / name
    file.write_bytes(file.read_bytes()[:300] if content is None else content)
    message = rf"{re.escape(str(file))}: damaged \(.*{re.escape(reason)}.*\); delete the folder"
    with pytest.raises(InputError, match=message):
        VectorStore.open(folder)
    with pytest.raises(InputError, match=message):
        build(folder, encoder, texts)


def test_vectors_of_another_shape_or_type_are_refused(whole, encoder, texts, tmp_path):
    folder = Path(shutil.copytree(whole.folder, tmp_path / "store"))
    for vectors in (whole.vectors[:-1], np.asarray(whole.vectors, dtype=np.float32)):
        np.save(folder / "vectors.npy", vectors)
        with pytest.raises(InputError, match=r"vectors.npy: damaged \(it holds .* it must be"):
            build(folder, encoder, texts)
