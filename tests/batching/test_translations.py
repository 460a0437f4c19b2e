"""A translation of each question, drawn beside the batch."""

from __future__ import annotations

import numpy as np
from batch_toys import BATCH, full_table, languages_of, mixture, partial_table, same

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import draw_batch
from hybridlib.batching.translations import with_translations


def drawn(table: PairTable, strategy: str = "x-x", step: int = 1, seed: int = 0) -> Batch:
    """Return a batch with translations."""
    return with_translations(draw_batch(strategy, table, seed, step, BATCH), table, seed, step)


def test_translations_are_of_the_same_pair_in_another_language():
    table = full_table()
    seen = set()
    for step in range(40):
        batch = drawn(table, step=step)
        ids = table.frame["pair_id"].to_numpy()
        assert (ids[batch.translations] == ids[batch.questions]).all()
        pairs = zip(languages_of(table, batch.questions), languages_of(table, batch.translations))
        seen |= set(pairs)
    assert len(seen) == 12
    assert all(one != other for one, other in seen)


def test_a_question_without_a_translation_stands_for_its_own():
    table = partial_table()
    counts = table.frame["pair_id"].value_counts()
    found = 0
    for step in range(20):
        batch = drawn(table, step=step)
        alone = counts[table.frame["pair_id"].iloc[batch.questions]].to_numpy() == 1
        assert ((batch.translations == batch.questions) == alone).all()
        found += alone.sum()
    assert found


def test_the_batch_stays_and_every_step_has_its_own():
    table = full_table()
    plain = draw_batch("hybrid", table, 3, 5, BATCH)
    batch = with_translations(plain, table, 3, 5)
    assert same(batch, plain)
    assert plain.translations is None
    again = with_translations(plain, table, 3, 5)
    assert np.array_equal(batch.translations, again.translations)
    for seed, step in ((3, 6), (4, 5)):
        other = with_translations(plain, table, seed, step)
        assert not np.array_equal(batch.translations, other.translations)


def test_several_sets_and_several_processes():
    table = PairTable(mixture(one=20, two=30))
    batch = drawn(table, "x-y")
    ids = table.frame["pair_id"].to_numpy()
    assert (ids[batch.translations] == ids[batch.questions]).all()
    parts = [batch.slice(rank, 2).translations for rank in range(2)]
    assert np.array_equal(np.concatenate(parts), batch.translations)
