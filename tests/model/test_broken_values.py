"""One value of one file of a folder is changed: one error, or the vectors of the library."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from st_folders import DENSE, POOLING, TRANSFORMER, USE, read, write

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

FILES = (
    "modules.json",
    TRANSFORMER,
    POOLING,
    DENSE,
    USE,
    "config.json",
    "tokenizer_config.json",
    "tokenizer.json",
)
ABSENT = object()
VALUES = (
    *(None, "", "x", "mean", "cls", "8", -1, 0, 1, 2, 7, 1.5, 10**9, True, False),
    *([], ["x"], {}, {"x": 1}, ABSENT, ABSENT, ABSENT),
)
TEXTS = ["Yen", "IM LAND ODER GEBIET gilt diese Währung", "many words " * 60]


def places(content: Any, place: tuple = ()) -> Iterator[tuple]:
    """Yield the keys to every value of a JSON file, but for a vocabulary."""
    yield place
    if place and place[-1] in ("vocab", "merges"):
        return
    if isinstance(content, dict):
        for key in content:
            yield from places(content[key], (*place, key))
    elif isinstance(content, list):
        for number in range(min(len(content), 5)):
            yield from places(content[number], (*place, number))


def changed(content: Any, place: tuple, value: Any) -> Any:
    """Return the content with one value replaced or removed."""
    if not place:
        return None if value is ABSENT else value
    content = copy.deepcopy(content)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    if value is ABSENT:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return content


def break_one_value(folder: Path, rng: random.Random) -> str:
    """Change one value of one file, and say which."""
    file = rng.choice(FILES)
    content = read(folder / file)
    place = rng.choice(list(places(content)))
    value = rng.choice(VALUES)
    write(folder / file, changed(content, place, value))
    return f"{file} {place} {'absent' if value is ABSENT else repr(value)}"


def library_vectors(folder: Path, encoder: DualEncoder) -> dict[str, np.ndarray] | None:
    """Return the vectors of sentence-transformers with the same prefixes; None if it fails."""
    try:
        model = SentenceTransformer(str(folder), device="cpu")
        vectors = {}
        for side, prefix in encoder.prefixes.items():
            texts = [prefix + text for text in TEXTS]
            vectors[side] = model.encode(texts, prompt="", normalize_embeddings=True)
        return vectors
    except Exception:
        return None


def check_one(base: Path, folder: Path, seed: int) -> str:
    """Break a copy of the folder, and hold what comes of it against the library."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    what = break_one_value(folder, random.Random(seed))
    try:
        encoder = DualEncoder.load(folder)
        vectors = {side: encoder.encode(TEXTS, side) for side in encoder.prefixes}
    except InputError as error:
        assert "\n" not in str(error), what
        assert str(folder) in str(error), what
        return "refused"
    except Exception as error:
        pytest.fail(f"{what}: {type(error).__name__}: {error}")
    expected = library_vectors(folder, encoder)
    if expected is None:
        return "the library fails"
    for side in vectors:
        assert np.abs(vectors[side] - expected[side]).max() < 1e-5, what
    return "same"


def check_many(base: Path, folder: Path, seeds: range) -> None:
    """Both must happen, or nothing was tested."""
    results = [check_one(base, folder, seed) for seed in seeds]
    assert results.count("refused") > len(results) / 4
    assert results.count("same") > len(results) / 20
    assert results.count("the library fails") < len(results) / 10


def test_one_broken_value_is_one_error_or_has_no_effect(st_base, tmp_path):
    check_many(st_base, tmp_path / "broken", range(40))


@pytest.mark.slow
def test_many_broken_values_are_errors_or_have_no_effect(st_base, tmp_path):
    check_many(st_base, tmp_path / "broken", range(1000, 1300))
