"""Batches and their slices, and the register of strategies."""

from __future__ import annotations

import numpy as np
import pytest
from batch_toys import BATCH, languages_of

from hybridlib import strategy
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import STRATEGIES, Batch
from hybridlib.batching.strategies import check_strategies, draw_batch, known_strategies
from hybridlib.errors import InputError


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["x-x-mono", "x-y"])
def test_slices_of_the_processes_make_up_the_batch(name, world, full):
    for step in range(5):
        batch = draw_batch(name, full, 0, step, 12)
        parts = [batch.slice(rank, world) for rank in range(world)]
        assert {part.regime for part in parts} == {batch.regime}
        assert [len(part.questions) for part in parts] == [12 // world] * world
        assert np.array_equal(np.concatenate([part.questions for part in parts]), batch.questions)
        assert np.array_equal(np.concatenate([part.passages for part in parts]), batch.passages)


def test_slices_lose_no_row_of_an_uneven_batch(full):
    batch = draw_batch("x-y", full, 0, 0, 10)
    parts = [batch.slice(rank, 4) for rank in range(4)]
    assert np.array_equal(np.concatenate([part.questions for part in parts]), batch.questions)
    sizes = [len(part.questions) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_texts_are_the_tables_unless_a_strategy_changed_them(full):
    rows = np.array([3, 0])
    changed = np.array(["one", "two"], dtype=object)
    batch = Batch("x-x", rows, rows, question_texts=changed)
    questions, passages = batch.texts(full.frame)
    assert questions == ["one", "two"]
    assert passages == full.frame["passage"].iloc[[3, 0]].tolist()
    questions, passages = batch.slice(1, 2).texts(full.frame)
    assert questions == ["two"]
    assert passages == [full.frame["passage"].iloc[0]]


@pytest.mark.usefixtures("strategies_as_before")
def test_a_strategy_of_ones_own(full):
    @strategy("x-en", "questions in any language, English passages")
    def draw(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
        chosen = rng.choice(len(pairs.rows), batch_size, replace=False)
        languages = rng.integers(len(pairs.languages), size=batch_size)
        english = pairs.languages.index("en")
        return Batch("x-en", pairs.rows[chosen, languages], pairs.rows[chosen, english])

    batch = draw_batch("x-en", full, 0, 0, BATCH)
    assert set(languages_of(full, batch.passages)) == {"en"}
    assert STRATEGIES["x-en"].meaning == "questions in any language, English passages"
    assert not STRATEGIES["x-en"].built_in
    assert known_strategies()[-1] == "x-en"
    check_strategies(["x-en"])


def test_an_unregistered_strategy_is_unknown():
    with pytest.raises(InputError, match="no strategy is called 'x-en'"):
        check_strategies(["x-en"])


@pytest.mark.parametrize("name", ["half/en", "", ".en", "half en", "né"])
def test_a_strategys_name_is_one_of_a_folder(name):
    with pytest.raises(InputError, match="a name is made of letters"):
        strategy(name, "what it does")


@pytest.mark.parametrize("name", ["hybrid", "untrained"])
def test_a_name_that_is_taken_is_refused(name):
    before = dict(STRATEGIES)
    with pytest.raises(InputError, match="there is one of that name already; choose another"):
        strategy(name, "what it does")(lambda *given: None)
    assert before == STRATEGIES
