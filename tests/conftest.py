"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from hybridlib.study.folder import Study

# The same tests on every machine; those of a GPU (tests/training/test_cuda.py) ask for it.
os.environ["ACCELERATE_USE_CPU"] = "true"

SHARED = Path(__file__).resolve().parents[2] / "shared"
FACT_LANGUAGES = ("de", "en", "th")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The folder of a real data set by its name.

    A test skips where it is missing, and fails in CI where the other sets are there.
    """

    def folder(name: str) -> Path:
        path = SHARED / "data" / name
        if not path.is_dir():
            reason = f"needs the {name} files in shared/data/{name}, beside the project folder"
            if os.environ.get("CI") == "true" and SHARED.exists():
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return folder


@pytest.fixture(scope="session")
def fact_pairs() -> pd.DataFrame:
    """Some of the built-in facts in three languages: 150 pairs in each."""
    from hybridlib.data.facts import all_facts
    from hybridlib.data.phrasings import phrase

    return phrase(all_facts()[::12], FACT_LANGUAGES, seed=0, variants=1)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, fact_pairs: pd.DataFrame) -> Path:
    """A folder with a one-layer encoder of width 32, never trained."""
    from hybridlib.model.built_in import make_encoder, make_tokenizer

    folder = tmp_path_factory.mktemp("tiny") / "encoder"
    tokenizer = make_tokenizer([*fact_pairs["question"], *fact_pairs["passage"]], 600)
    make_encoder(
        tokenizer, folder, seed=0, hidden_size=32, layers=1, attention_heads=2, max_length=64
    )
    return folder


@pytest.fixture
def strategies_as_before() -> Iterator[None]:
    """Forgets the strategies that a test registers, and the plugins that it loads."""
    from hybridlib.batching import plugins
    from hybridlib.batching.strategies import STRATEGIES

    places = (STRATEGIES, plugins._loaded)
    before = [dict(place) for place in places]
    yield
    for place, content in zip(places, before):
        place.clear()
        place.update(content)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study in miniature, run by its notebooks once for all workers; not to be changed."""
    from studies import made_once, miniature, run_miniature

    from hybridlib.study.folder import Study

    return Study(miniature(made_once(tmp_path_factory, "miniature", run_miniature)))
