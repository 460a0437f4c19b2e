"""What each batch strategy promises of its batches."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from batch_toys import (
    BATCH,
    ORDERED_PAIRS,
    full_table,
    languages_of,
    mixture,
    ordered_pairs,
    partial_table,
    same,
)
from scipy.stats import chisquare
from toys import LANGUAGES, pair_table

from hybridlib.batching.code_switching import Switching
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import (
    STRATEGIES,
    check_strategies,
    choose,
    draw_batch,
    known_strategies,
)
from hybridlib.errors import InputError

MONOLINGUAL_ROWS = ["en-en", "x-x", "x-x-mono"]
CROSS_LINGUAL_ROWS = ["x-y", "x-y-pair"]


def is_uniform(counts: Counter, kinds: int) -> bool:
    """Return whether counts over ``kinds`` outcomes could come from a uniform draw.

    One chance in ten thousand of a no.
    """
    values = [*counts.values(), *[0] * (kinds - len(counts))]
    return len(values) == kinds and chisquare(values).pvalue > 1e-4


# ------------------------------------------------------------------------------- rows and languages


@pytest.mark.parametrize("table_name", ["full", "partial"])
@pytest.mark.parametrize("name", list(STRATEGIES))
def test_rows_keep_their_pair_and_no_pair_stands_twice(name, table_name, request):
    table = request.getfixturevalue(table_name)
    pair_ids = table.frame["pair_id"].to_numpy()
    for step in range(50):
        batch = draw_batch(name, table, 3, step, BATCH)
        questions = pair_ids[batch.questions].tolist()
        assert questions == pair_ids[batch.passages].tolist()
        assert len(set(questions)) == len(questions) == BATCH


@pytest.mark.parametrize("table_name", ["full", "partial"])
@pytest.mark.parametrize("name", MONOLINGUAL_ROWS)
def test_monolingual_rows_have_one_language(name, table_name, request):
    table = request.getfixturevalue(table_name)
    for step in range(50):
        batch = draw_batch(name, table, 0, step, BATCH)
        assert batch.regime == name
        assert np.array_equal(batch.questions, batch.passages)


@pytest.mark.parametrize("table_name", ["full", "partial"])
@pytest.mark.parametrize("name", CROSS_LINGUAL_ROWS)
def test_cross_lingual_rows_have_two_languages(name, table_name, request):
    table = request.getfixturevalue(table_name)
    for step in range(50):
        batch = draw_batch(name, table, 0, step, BATCH)
        assert batch.regime == name
        assert all(x != y for x, y in ordered_pairs(table, batch))


def test_en_en_is_english(partial):
    drawn = [draw_batch("en-en", partial, 0, step, BATCH) for step in range(100)]
    rows = np.concatenate([batch.questions for batch in drawn])
    assert set(languages_of(partial, rows)) == {"en"}
    assert set(partial.frame["pair_id"].iloc[rows]) == set(partial.frame["pair_id"])


def test_x_x_mixes_languages_within_a_batch(full):
    drawn = []
    for step in range(300):
        batch = draw_batch("x-x", full, 0, step, BATCH)
        drawn.append(languages_of(full, batch.questions))
    assert np.mean([len(set(languages)) for languages in drawn]) > 3
    assert is_uniform(Counter(chain.from_iterable(drawn)), len(LANGUAGES))


@pytest.mark.parametrize("table_name", ["full", "partial"])
def test_x_x_mono_has_one_language_in_a_batch_drawn_uniformly(table_name, request):
    table = request.getfixturevalue(table_name)
    counts: Counter = Counter()
    for step in range(1500):
        batch = draw_batch("x-x-mono", table, 0, step, BATCH)
        (language,) = set(languages_of(table, batch.questions))
        counts[language] += 1
    assert is_uniform(counts, len(LANGUAGES))


def test_x_y_rows_have_each_their_own_ordered_pair_drawn_uniformly(full):
    drawn = [ordered_pairs(full, draw_batch("x-y", full, 0, step, BATCH)) for step in range(600)]
    assert np.mean([len(set(pairs)) for pairs in drawn]) > 5
    counts = Counter(chain.from_iterable(drawn))
    assert set(counts) == ORDERED_PAIRS
    assert is_uniform(counts, len(ORDERED_PAIRS))


@pytest.mark.parametrize("table_name", ["full", "partial"])
def test_x_y_pair_has_one_ordered_pair_in_a_batch_drawn_uniformly(table_name, request):
    table = request.getfixturevalue(table_name)
    counts: Counter = Counter()
    for step in range(1500):
        (pair,) = set(ordered_pairs(table, draw_batch("x-y-pair", table, 0, step, BATCH)))
        counts[pair] += 1
    assert set(counts) == ORDERED_PAIRS
    assert is_uniform(counts, len(ORDERED_PAIRS))


def test_every_row_is_drawn_alike_within_a_language(full):
    drawn = [draw_batch("x-x-mono", full, 1, step, BATCH).questions for step in range(1500)]
    counts = np.bincount(np.concatenate(drawn), minlength=len(full.frame))
    expected = 1500 * BATCH / len(full.frame)
    assert np.abs(counts - expected).max() < 0.75 * expected


def test_partly_parallel_rows_use_only_languages_that_exist(partial):
    """Pairs in one language alone never enter cross-lingual batches, and stay in the others."""
    alone = {f"p{number:03d}" for number in range(35, 40)}
    for name in [*MONOLINGUAL_ROWS, *CROSS_LINGUAL_ROWS]:
        drawn = [draw_batch(name, partial, 0, step, BATCH).questions for step in range(150)]
        seen = set(partial.frame["pair_id"].iloc[np.concatenate(drawn)])
        assert seen & alone == (alone if name in MONOLINGUAL_ROWS else set()), name


def test_pairs_of_one_passage_may_share_a_batch():
    """Two questions about one passage are two pairs: the loss keeps them apart, not the batch."""
    frame = pair_table(8)
    frame["passage_id"] = "same"
    table = PairTable(frame)
    batch = draw_batch("x-y", table, 0, 0, 8)
    assert set(table.frame["pair_id"].iloc[batch.questions]) == set(frame["pair_id"])


# ------------------------------------------------------------------------------------------- hybrid


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_hybrid_is_monolingual_with_probability_alpha(full, alpha):
    steps = 2000
    drawn = [draw_batch("hybrid", full, 5, step, BATCH, alpha) for step in range(steps)]
    share = np.mean([batch.regime == "x-x-mono" for batch in drawn])
    assert abs(share - alpha) <= 4 * np.sqrt(alpha * (1 - alpha) / steps)
    for batch in drawn[:200]:
        pairs = ordered_pairs(full, batch)
        if batch.regime == "x-x-mono":
            assert len(set(pairs)) == 1 and pairs[0][0] == pairs[0][1]
        else:
            assert batch.regime == "x-y" and all(x != y for x, y in pairs)


def test_hybrid_draws_its_languages_uniformly_in_both_regimes(full):
    mono: Counter = Counter()
    cross: Counter = Counter()
    for step in range(2000):
        batch = draw_batch("hybrid", full, 11, step, BATCH, 0.5)
        pairs = ordered_pairs(full, batch)
        if batch.regime == "x-x-mono":
            mono[pairs[0][0]] += 1
        else:
            cross.update(pairs)
    assert is_uniform(mono, len(LANGUAGES))
    assert is_uniform(cross, len(ORDERED_PAIRS))


def test_only_hybrid_reads_alpha(full):
    readers = []
    for name in STRATEGIES:
        for step in range(5):
            never = draw_batch(name, full, 0, step, BATCH, 0.0)
            if not same(never, draw_batch(name, full, 0, step, BATCH, 1.0)):
                readers.append(name)
                break
    assert readers == ["hybrid"]
    assert [name for name in STRATEGIES if "alpha" in STRATEGIES[name].options] == readers


# ------------------------------------------------------------------------------------ seed and step


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_a_batch_depends_on_seed_and_step_alone(name, full):
    expected = draw_batch(name, full, 1, 17, BATCH)
    for step in (0, 5, 16):
        draw_batch(name, full, 1, step, BATCH)
    np.random.default_rng(0).random(100)
    np.random.seed(3)
    assert same(draw_batch(name, full, 1, 17, BATCH), expected)
    assert same(draw_batch(name, PairTable(full.frame.copy()), 1, 17, BATCH), expected)


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_steps_and_seeds_give_different_batches(name, full):
    steps = {tuple(draw_batch(name, full, 0, step, BATCH).questions) for step in range(60)}
    seeds = {tuple(draw_batch(name, full, seed, 0, BATCH).questions) for seed in range(60)}
    assert len(steps) == len(seeds) == 60
    assert not same(draw_batch(name, full, 0, 1, BATCH), draw_batch(name, full, 1, 0, BATCH))


# The results of kept studies depend on these draws.
DRAWN = {
    ("full", "en-en"): "4abdc062b0bd",
    ("full", "x-x"): "7a976e737bdc",
    ("full", "x-x-mono"): "3541564a9118",
    ("full", "x-y"): "159307df8353",
    ("full", "x-y-pair"): "587c1c4d55a8",
    ("full", "hybrid"): "4f0d78a9ecc7",
    ("full", "code-switched"): "f40f746a676a",
    ("partial", "en-en"): "9a5fd953b1b4",
    ("partial", "x-x"): "19bb7a2a0d28",
    ("partial", "x-x-mono"): "852c816e4820",
    ("partial", "x-y"): "97132d793279",
    ("partial", "x-y-pair"): "e5cd3ecd4aa6",
    ("partial", "hybrid"): "3d3fa530e9d8",
    ("partial", "code-switched"): "064ba893e6b5",
    ("mixed", "en-en"): "ed48ef7ced7a",
    ("mixed", "x-x"): "222cace041c9",
    ("mixed", "x-x-mono"): "458ea3a9313f",
    ("mixed", "x-y"): "697958bf97a2",
    ("mixed", "x-y-pair"): "bd93e34e1d0f",
    ("mixed", "hybrid"): "1ce6bf1910b7",
    ("mixed", "code-switched"): "119214baf647",
}


@pytest.mark.parametrize("table_name", ["full", "partial", "mixed"])
def test_the_draws_stay_what_they_were(table_name, word_lists):
    switching = Switching(0.5, "both", word_lists)
    if table_name == "mixed":
        frame = mixture(english=30, large=40, small=10)
        table = PairTable(frame, 0.5, "size", switching)
    else:
        plain = full_table() if table_name == "full" else partial_table()
        table = PairTable(plain.frame, switching=switching)
    digests = {}
    for name in STRATEGIES:
        digest = hashlib.sha256()
        for step in range(50):
            batch = draw_batch(name, table, 3, step, BATCH, 0.4)
            digest.update(batch.questions.tobytes() + batch.passages.tobytes())
            if batch.question_texts is not None:
                digest.update("".join([*batch.question_texts, *batch.passage_texts]).encode())
        digests[table_name, name] = digest.hexdigest()[:12]
    assert digests == {key: DRAWN[key] for key in digests}


# ---------------------------------------------------------------------------------- too little data


@pytest.mark.parametrize(
    ("name", "count", "what"),
    [
        ("en-en", 40, "English pairs"),
        ("x-x", 40, "pairs"),
        ("x-x-mono", 40, "pairs in"),
        ("x-y", 40, "pairs in two languages"),
        ("x-y-pair", 40, "share the 41 questions"),
        ("code-switched", 40, "pairs in"),
    ],
)
def test_too_little_data_for_the_batch_says_so(full, name, count, what):
    with pytest.raises(InputError, match=what) as error:
        draw_batch(name, full, 0, 0, count + 1)
    assert str(count) in str(error.value)
    assert "lower batch_size" in str(error.value)
    assert len(draw_batch(name, full, 0, 0, count).questions) == count


def test_no_english_says_which_languages_there_are():
    with pytest.raises(InputError, match="no 'en'; they have de, zh"):
        draw_batch("en-en", PairTable(pair_table(languages=("de", "zh"))), 0, 0, BATCH)


@pytest.mark.parametrize(
    ("name", "message"), [("x-y", "have 0"), ("x-y-pair", "no two languages share")]
)
def test_no_shared_pair_says_so(name, message):
    missing = [(number, "de" if number < 20 else "en") for number in range(40)]
    halves = pair_table(missing=missing, languages=("de", "en"))
    with pytest.raises(InputError, match=message):
        draw_batch(name, PairTable(halves), 0, 0, BATCH)


def test_rows_are_chosen_without_repetition(rng):
    rows = np.arange(10, 16)
    assert sorted(choose(rng, rows, 6, "rows")) == rows.tolist()
    with pytest.raises(InputError, match=r"a batch of 7 needs as many different rows, .* have 6"):
        choose(rng, rows, 7, "rows")


# -------------------------------------------------------------------------------------------- names


def test_the_built_in_strategies():
    built_in = [name for name in STRATEGIES if STRATEGIES[name].built_in]
    names = ["en-en", "x-x", "x-x-mono", "x-y", "x-y-pair", "hybrid", "code-switched"]
    assert built_in == names
    assert known_strategies() == ["untrained", "bm25", "soup", *STRATEGIES]


def test_known_names_pass():
    check_strategies(known_strategies())


@pytest.mark.parametrize(
    ("typed", "meant"), [("hybird", "hybrid"), ("x-x-mon", "x-x-mono"), ("untraind", "untrained")]
)
def test_an_unknown_strategy_is_refused_with_the_nearest(typed, meant):
    with pytest.raises(InputError) as error:
        check_strategies(["x-y", typed])
    message = str(error.value)
    assert f"no strategy is called {typed!r} (did you mean {meant!r}?)" in message
    assert "x-y-pair" in message
    assert "one's own needs its file in plugins" in message


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("hybrid-0.25", r"hybrid, with alpha 0.25 \(grid: {alpha: \[0.25\]}\)"),
        ("hybrid-0.75", r"hybrid, with alpha 0.75 \(grid: {alpha: \[0.75\]}\)"),
        ("hybrid-averaged", r"hybrid, with trained_share 0.75 \(grid: {trained_share: \[0.75\]}\)"),
        ("x-y-averaged", r"x-y, with trained_share 0.75 \(grid: {trained_share: \[0.75\]}\)"),
    ],
)
def test_a_strategy_of_an_earlier_version_says_what_to_write(name, instead):
    with pytest.raises(InputError, match=f"strategy '{name}' is now {instead}"):
        check_strategies(["hybrid", name])


@pytest.mark.parametrize("name", ["untrained", "bm25"])
def test_what_trains_nothing_draws_no_batch(name):
    with pytest.raises(InputError, match=f"strategy '{name}' draws no batches"):
        draw_batch(name, full_table(), 0, 1, 8)
