"""Toy tables that the tests of batching share."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch_toys import full_table, partial_table

from hybridlib.batching.pair_table import PairTable


@pytest.fixture(scope="session")
def full() -> PairTable:
    return full_table()


@pytest.fixture(scope="session")
def partial() -> PairTable:
    return partial_table()


@pytest.fixture
def word_lists(tmp_path: Path) -> Path:
    """A folder of word lists from English into German and Chinese."""
    german = "passage Text\nin in\n\nquestion\tFrage\nquestion\tgute Frage\n"
    (tmp_path / "en-de.txt").write_text(german, encoding="utf-8")
    (tmp_path / "en-zh.txt").write_text("question 问题\n", encoding="utf-8")
    return tmp_path
