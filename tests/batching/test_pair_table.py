"""The training pairs as a matrix, in one set or several."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from batch_toys import BATCH, languages_of, mixture, set_of
from scipy.stats import chisquare
from toys import LANGUAGES, pair_table

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, draw_batch
from hybridlib.errors import InputError


def test_table_knows_rows_and_languages_whatever_their_order():
    missing = [(0, "ar"), (2, "de")]
    frame = pair_table(4, missing=missing).sample(frac=1, random_state=0)
    table = PairTable(frame)
    assert table.languages == sorted(LANGUAGES)
    assert table.languages_per_pair.tolist() == [3, 4, 3, 4]
    for pair, column in np.ndindex(table.rows.shape):
        lang = table.languages[column]
        row = table.rows[pair, column]
        if (pair, lang) in missing:
            assert row == -1
        else:
            assert table.frame.loc[row, ["pair_id", "lang"]].tolist() == [f"p{pair:03d}", lang]
    german = table.frame["pair_id"].iloc[table.with_language("de")]
    assert sorted(german) == ["p000", "p001", "p003"]


def test_capacities_are_the_largest_batches(partial):
    assert partial.capacity == {"en-en": 40, "x-x": 40, "mono": 40, "x-y": 35, "x-y-pair": 35}
    shared = partial.shared
    assert shared.diagonal().tolist() == [0, 0, 0, 0]
    both = partial.languages.index("ar"), partial.languages.index("zh")
    has = partial.rows >= 0
    assert shared[both] == shared[both[::-1]] == (has[:, both[0]] & has[:, both[1]]).sum() == 17


@pytest.mark.parametrize("language_draw", ["uniform", "size"])
def test_a_language_that_is_too_small_is_excluded_and_named(language_draw, caplog):
    frame = pair_table(missing=[(number, "zh") for number in range(35)])
    table = PairTable(frame, language_draw=language_draw)
    drawn = set()
    for step in range(200):
        batch = draw_batch("x-x-mono", table, 0, step, BATCH)
        drawn.add(languages_of(table, batch.questions)[0])
    assert drawn == {"ar", "de", "en"}
    assert [record.message for record in caplog.records] == [
        f"monolingual batches of {BATCH} leave out the languages that have fewer pairs: zh 5"
    ]


def test_languages_by_size():
    frame = pair_table(missing=[(number, "zh") for number in range(20)])
    table = PairTable(frame, language_draw="size")
    drawn: Counter = Counter()
    for step in range(2000):
        batch = draw_batch("x-x-mono", table, 0, step, BATCH)
        drawn[languages_of(table, batch.questions)[0]] += 1
    counts = [drawn[lang] for lang in sorted(LANGUAGES)]
    expected = [2000 * share / 7 for share in (2, 2, 2, 1)]
    assert chisquare(counts, expected).pvalue > 1e-4


# ------------------------------------------------------------------------------------- several sets


@pytest.mark.parametrize(
    ("name", "tau"),
    [
        ("hybrid", 0),
        ("hybrid", 0.5),
        ("hybrid", 1),
        ("en-en", 0.5),
        ("x-x", 0.5),
        ("x-y-pair", 0.5),
    ],
)
def test_a_batch_is_of_one_set_drawn_by_size_to_the_tau(name, tau):
    table = PairTable(mixture(large=90, small=10), dataset_tau=tau)
    drawn = [set_of(table, draw_batch(name, table, 0, step, BATCH)) for step in range(1500)]
    share = drawn.count("large") / 1500
    expected = 90**tau / (90**tau + 10**tau)
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 1500)


def test_sets_take_part_where_they_can_fill_a_batch():
    table = PairTable(mixture(english=90, parallel=10, tiny=3))
    mono: Counter = Counter()
    cross: Counter = Counter()
    for step in range(1200):
        batch = draw_batch("hybrid", table, 0, step, BATCH)
        counts = mono if batch.regime == "x-x-mono" else cross
        counts[set_of(table, batch)] += 1
    assert set(cross) == {"parallel"}
    assert set(mono) == {"english", "parallel"}
    assert 480 < mono.total() < 720
    assert 0.85 < mono["english"] / mono.total() < 0.95
    pair_sets = {set_of(table, draw_batch("x-y-pair", table, 0, step, BATCH)) for step in range(20)}
    assert pair_sets == {"parallel"}


def test_a_batch_that_no_set_can_fill_is_refused():
    table = PairTable(mixture(english=90, parallel=10, tiny=3))
    reason = (
        r"no set of the training pairs can fill a batch of 16 \(x-y; .*"
        r"english 0, parallel 10, tiny 3\): lower batch_size"
    )
    with pytest.raises(InputError, match=reason):
        draw_batch("x-y", table, 0, 0, 16)


def test_rows_of_a_set_are_rows_of_the_whole_table():
    table = PairTable(mixture(a=20, b=20).sample(frac=1, random_state=0))
    pair_ids = table.frame["pair_id"].to_numpy()
    for name in STRATEGIES:
        batch = draw_batch(name, table, 0, 1, BATCH)
        assert (pair_ids[batch.questions] == pair_ids[batch.passages]).all()
        assert set_of(table, batch) in ("a", "b")


def test_a_table_of_one_set_is_its_own(full):
    assert full.sets == [full]
    assert full.whole is full
    assert PairTable(full.frame.drop(columns="dataset")).sets[0].name == ""


def test_a_pair_in_two_sets_is_refused():
    frame = pair_table(20)
    frame.loc[0, "dataset"] = "other"
    with pytest.raises(InputError, match="pair_id 'p000' stands in several sets"):
        draw_batch("x-y", PairTable(frame), 0, 0, BATCH)
