"""Fixtures for the tests of corpora and training pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from set_files import write_lareqa

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.lareqa import load_lareqa


@pytest.fixture(scope="session")
def xquad(shared_data) -> RetrievalCorpus:
    """XQuAD-R in all its languages, sentences as candidates."""
    return load_lareqa(shared_data("xquad-r"), "xquad-r")


@pytest.fixture(scope="session")
def mlqa(shared_data) -> RetrievalCorpus:
    """MLQA-R in all its languages, sentences as candidates."""
    return load_lareqa(shared_data("mlqa-r"), "mlqa-r")


@pytest.fixture
def small(tmp_path) -> Callable[..., Path]:
    """Writes a two-language LAReQA set, its English file changed by a function."""

    def write(change: Callable[[dict[str, Any]], object] = lambda content: None) -> Path:
        return write_lareqa(tmp_path, change)

    return write
