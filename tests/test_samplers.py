"""What each batch strategy promises of its batches."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare
from toys import LANGUAGES, pair_table

from hybridlib.batching.code_switching import Switching
from hybridlib.batching.inspect import drawable, expected_draws
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES, Batch, draw_batch, known_strategies, strategy
from hybridlib.config.parameters import UNTRAINED
from hybridlib.config.params import Params
from hybridlib.errors import InputError

BATCH = 8
MONOLINGUAL_ROWS = ["en-en", "x-x", "x-x-mono"]
CROSS_LINGUAL_ROWS = ["x-y", "x-y-pair"]
ORDERED_PAIRS = {(x, y) for x in LANGUAGES for y in LANGUAGES if x != y}


@pytest.fixture(scope="module")
def full() -> PairTable:
    return PairTable(pair_table())


@pytest.fixture(scope="module")
def partial() -> PairTable:
    """40 pairs; Chinese lacks every third, Arabic the first ten, and five pairs are English only."""
    missing = (
        [(n, "zh") for n in range(0, 40, 3)]
        + [(n, "ar") for n in range(10)]
        + [(n, lang) for n in range(35, 40) for lang in ("ar", "de", "zh")]
    )
    return PairTable(pair_table(missing=missing))


def languages_of(table: PairTable, rows: np.ndarray) -> list[str]:
    return table.frame["lang"].to_numpy()[rows].tolist()


def ordered_pairs(table: PairTable, batch: Batch) -> list[tuple[str, str]]:
    return list(zip(languages_of(table, batch.questions), languages_of(table, batch.passages)))


def same(one: Batch, other: Batch) -> bool:
    return (
        one.regime == other.regime
        and np.array_equal(one.questions, other.questions)
        and np.array_equal(one.passages, other.passages)
    )


def is_uniform(counts: Counter, kinds: int) -> bool:
    """Whether counts over ``kinds`` outcomes could come from a uniform draw (one chance in ten thousand of a no)."""
    values = [*counts.values(), *[0] * (kinds - len(counts))]
    return len(values) == kinds and chisquare(values).pvalue > 1e-4


@pytest.mark.parametrize("table_name", ["full", "partial"])
@pytest.mark.parametrize("name", list(STRATEGIES))
def test_rows_keep_their_pair_and_no_pair_stands_twice(name, table_name, request):
    table = request.getfixturevalue(table_name)
    for step in range(50):
        batch = draw_batch(name, table, 3, step, BATCH)
        questions, passages = table.frame.iloc[batch.questions], table.frame.iloc[batch.passages]
        assert len(questions) == len(passages) == BATCH
        assert questions["pair_id"].tolist() == passages["pair_id"].tolist()
        assert questions["pair_id"].is_unique


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
    assert {lang for batch in drawn for lang in languages_of(partial, batch.questions)} == {"en"}
    assert {
        pair for batch in drawn for pair in partial.frame["pair_id"].iloc[batch.questions]
    } == set(partial.frame["pair_id"])


def test_x_x_mixes_languages_within_a_batch(full):
    drawn = [
        languages_of(full, draw_batch("x-x", full, 0, step, BATCH).questions) for step in range(300)
    ]
    assert np.mean([len(set(languages)) for languages in drawn]) > 3
    assert is_uniform(Counter(lang for languages in drawn for lang in languages), len(LANGUAGES))


def test_x_x_mono_has_one_language_in_a_batch_drawn_uniformly(full, partial):
    for table in (full, partial):
        drawn = [
            set(languages_of(table, draw_batch("x-x-mono", table, 0, step, BATCH).questions))
            for step in range(2000)
        ]
        assert all(len(languages) == 1 for languages in drawn)
        assert is_uniform(
            Counter(lang for languages in drawn for lang in languages), len(LANGUAGES)
        )


def test_x_y_rows_have_each_their_own_ordered_pair_drawn_uniformly(full):
    drawn = [ordered_pairs(full, draw_batch("x-y", full, 0, step, BATCH)) for step in range(600)]
    assert np.mean([len(set(pairs)) for pairs in drawn]) > 5
    counts = Counter(pair for pairs in drawn for pair in pairs)
    assert set(counts) == ORDERED_PAIRS
    assert is_uniform(counts, len(ORDERED_PAIRS))


def test_x_y_pair_has_one_ordered_pair_in_a_batch_drawn_uniformly(full, partial):
    for table in (full, partial):
        drawn = [
            set(ordered_pairs(table, draw_batch("x-y-pair", table, 0, step, BATCH)))
            for step in range(2000)
        ]
        assert all(len(pairs) == 1 for pairs in drawn)
        counts = Counter(pair for pairs in drawn for pair in pairs)
        assert set(counts) == ORDERED_PAIRS
        assert is_uniform(counts, len(ORDERED_PAIRS))


def test_every_row_is_drawn_alike_within_a_language(full):
    counts = Counter(
        row
        for step in range(1500)
        for row in draw_batch("x-x-mono", full, 1, step, BATCH).questions.tolist()
    )
    expected = 1500 * BATCH / len(full.frame)
    assert len(counts) == len(full.frame)
    assert max(abs(count - expected) for count in counts.values()) < 0.75 * expected


@pytest.mark.parametrize("alpha", [0, 0.3, 0.5, 1])
def test_hybrid_is_monolingual_with_probability_alpha(full, alpha):
    steps = 3000
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
    drawn = [draw_batch("hybrid", full, 11, step, BATCH, 0.5) for step in range(2000)]
    mono = Counter(
        ordered_pairs(full, batch)[0][0] for batch in drawn if batch.regime == "x-x-mono"
    )
    cross = Counter(
        pair for batch in drawn if batch.regime == "x-y" for pair in ordered_pairs(full, batch)
    )
    assert is_uniform(mono, len(LANGUAGES)) and is_uniform(cross, len(ORDERED_PAIRS))


def test_only_hybrid_reads_alpha(full):
    for name, registered in STRATEGIES.items():
        reads = any(
            not same(
                draw_batch(name, full, 0, step, BATCH, 0.0),
                draw_batch(name, full, 0, step, BATCH, 1.0),
            )
            for step in range(5)
        )
        assert reads == ("alpha" in registered.options), name


@pytest.mark.parametrize("name, alpha", [("hybrid-0.25", 0.25), ("hybrid-0.75", 0.75)])
def test_the_points_of_the_alpha_curve_are_hybrid_at_their_alpha(name, alpha, full):
    for step in range(30):
        assert same(
            draw_batch(name, full, 0, step, BATCH, 0.5),
            draw_batch("hybrid", full, 0, step, BATCH, alpha),
        )


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
    steps = {tuple(draw_batch(name, full, 0, step, BATCH).questions) for step in range(100)}
    seeds = {tuple(draw_batch(name, full, seed, 0, BATCH).questions) for seed in range(100)}
    assert len(steps) == len(seeds) == 100
    assert not same(draw_batch(name, full, 0, 1, BATCH), draw_batch(name, full, 1, 0, BATCH))


def test_partly_parallel_rows_use_only_languages_that_exist(partial):
    """Pairs in one language alone never enter cross-lingual batches, and stay in the others."""
    alone = {f"p{number:03d}" for number in range(35, 40)}
    seen = {name: set() for name in STRATEGIES}
    for name in STRATEGIES:
        for step in range(150):
            seen[name] |= set(
                partial.frame["pair_id"].iloc[draw_batch(name, partial, 0, step, BATCH).questions]
            )
    assert all(not seen[name] & alone for name in CROSS_LINGUAL_ROWS)
    assert all(seen[name] >= alone for name in MONOLINGUAL_ROWS)


def test_table_knows_rows_and_languages_whatever_their_order():
    frame = pair_table(4, missing=[(0, "ar"), (2, "de")]).sample(frac=1, random_state=0)
    table = PairTable(frame)
    assert table.languages == sorted(LANGUAGES)
    assert table.languages_per_pair.tolist() == [3, 4, 3, 4]
    for pair in range(4):
        for column, lang in enumerate(table.languages):
            row = table.rows[pair, column]
            if (pair, lang) in [(0, "ar"), (2, "de")]:
                assert row == -1
            else:
                assert table.frame.loc[row, ["pair_id", "lang"]].tolist() == [f"p{pair:03d}", lang]
    assert sorted(table.frame["pair_id"].iloc[table.with_language("de")]) == [
        "p000",
        "p001",
        "p003",
    ]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["x-x-mono", "x-y", "hybrid"])
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
    assert (
        max(len(part.questions) for part in parts) - min(len(part.questions) for part in parts) <= 1
    )


@pytest.mark.parametrize(
    ("name", "count", "what"),
    [
        ("en-en", 40, "English pairs"),
        ("x-x", 40, "pairs"),
        ("x-x-mono", 40, "pairs in"),
        ("x-y", 40, "pairs in two languages"),
        ("x-y-pair", 40, "share the 41 questions"),
    ],
)
def test_too_little_data_for_the_batch_says_so(full, name, count, what):
    with pytest.raises(InputError, match=what) as error:
        draw_batch(name, full, 0, 0, count + 1)
    assert str(count) in str(error.value) and "lower batch_size" in str(error.value)
    assert len(draw_batch(name, full, 0, 0, count).questions) == count


@pytest.mark.parametrize("language_draw", ["uniform", "size"])
def test_a_language_that_is_too_small_is_left_out_and_named(language_draw, caplog):
    table = PairTable(
        pair_table(missing=[(number, "zh") for number in range(35)]), language_draw=language_draw
    )
    drawn = [
        languages_of(table, draw_batch("x-x-mono", table, 0, step, BATCH).questions)[0]
        for step in range(200)
    ]
    assert set(drawn) == {"ar", "de", "en"}
    assert [record.message for record in caplog.records] == [
        f"monolingual batches of {BATCH} leave out the languages that have fewer pairs: zh 5"
    ]


def test_no_english_says_which_languages_there_are():
    with pytest.raises(InputError, match="no 'en'; they have de, zh"):
        draw_batch("en-en", PairTable(pair_table(languages=("de", "zh"))), 0, 0, BATCH)


@pytest.mark.parametrize(
    ("name", "message"), [("x-y", "have 0"), ("x-y-pair", "no two languages share")]
)
def test_no_shared_pair_says_so(name, message):
    halves = pair_table(
        missing=[*((n, "de") for n in range(20)), *((n, "en") for n in range(20, 40))],
        languages=("de", "en"),
    )
    with pytest.raises(InputError, match=message):
        draw_batch(name, PairTable(halves), 0, 0, BATCH)


@pytest.fixture
def x_en():
    """A strategy of one's own, gone again after the test."""

    @strategy("x-en", "questions in any language, English passages")
    def draw(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
        chosen = rng.choice(len(pairs.rows), batch_size, replace=False)
        languages = rng.integers(len(pairs.languages), size=batch_size)
        return Batch(
            "x-en", pairs.rows[chosen, languages], pairs.rows[chosen, pairs.languages.index("en")]
        )

    yield draw
    del STRATEGIES["x-en"]


def test_a_strategy_of_ones_own(full, x_en):
    batch = draw_batch("x-en", full, 0, 0, BATCH)
    assert set(languages_of(full, batch.passages)) == {"en"}
    assert STRATEGIES["x-en"].meaning == "questions in any language, English passages"
    assert "x-en" in known_strategies()
    assert Params(strategy="x-en", strategies=["untrained", "x-en"]).strategy == "x-en"


def test_an_unregistered_strategy_is_unknown():
    assert known_strategies() == [
        UNTRAINED,
        "en-en",
        "x-x",
        "x-x-mono",
        "x-y",
        "x-y-pair",
        "hybrid",
        "hybrid-0.25",
        "hybrid-0.75",
        "hybrid-averaged",
        "x-y-averaged",
        "code-switched",
    ]
    with pytest.raises(InputError, match="no strategy is called 'x-en'"):
        Params.check({"strategy": "x-en"})


def test_a_share_of_the_trained_weights_is_between_none_and_all():
    with pytest.raises(InputError, match=r"'more'.*trained_share \(1.5\)"):
        strategy("more", "more than all", trained_share=1.5)
    assert {
        name: known.trained_share for name, known in STRATEGIES.items() if known.trained_share < 1
    } == {"hybrid-averaged": 0.75, "x-y-averaged": 0.75}


def test_pairs_of_one_passage_may_share_a_batch():
    """Two questions about one passage are two pairs: the loss, not the sampler, keeps them apart."""
    frame = pair_table(8)
    frame["passage_id"] = "same"
    table = PairTable(frame)
    assert set(table.frame["pair_id"].iloc[draw_batch("x-y", table, 0, 0, 8).questions]) == set(
        frame["pair_id"]
    )


# Batches of one set as they were drawn before there could be several: a study's results depend on them.
DRAWN = {
    ("full", "en-en"): "4abdc062b0bd",
    ("full", "x-x"): "7a976e737bdc",
    ("full", "x-x-mono"): "3541564a9118",
    ("full", "x-y"): "159307df8353",
    ("full", "x-y-pair"): "587c1c4d55a8",
    ("full", "hybrid"): "4f0d78a9ecc7",
    ("partial", "en-en"): "9a5fd953b1b4",
    ("partial", "x-x"): "19bb7a2a0d28",
    ("partial", "x-x-mono"): "852c816e4820",
    ("partial", "x-y"): "97132d793279",
    ("partial", "x-y-pair"): "e5cd3ecd4aa6",
    ("partial", "hybrid"): "3d3fa530e9d8",
}


@pytest.mark.parametrize(("table_name", "name"), list(DRAWN))
def test_the_draws_of_one_set_stay_what_they_were(table_name, name, request):
    table, digest = request.getfixturevalue(table_name), hashlib.sha256()
    for step in range(50):
        batch = draw_batch(name, table, 3, step, BATCH, 0.4)
        digest.update(batch.questions.tobytes() + batch.passages.tobytes())
    assert digest.hexdigest()[:12] == DRAWN[table_name, name]


# ------------------------------------------------------------------------------------------------------ several sets


def mixture(**sizes: int) -> pd.DataFrame:
    """A set of each size, in all languages; a set called ``english`` has English alone."""
    parts = [
        pair_table(count, ("en",) if name == "english" else LANGUAGES).assign(
            dataset=name, pair_id=lambda frame, name=name: name + "/" + frame["pair_id"]
        )
        for name, count in sizes.items()
    ]
    return pd.concat(parts, ignore_index=True)


def set_of(table: PairTable, batch: Batch) -> str:
    (name,) = set(table.frame["dataset"].iloc[batch.questions]) | set(
        table.frame["dataset"].iloc[batch.passages]
    )
    return name


@pytest.mark.parametrize("tau", [0, 0.5, 1])
@pytest.mark.parametrize("name", ["x-x", "x-x-mono", "x-y", "x-y-pair", "hybrid", "en-en"])
def test_a_batch_is_of_one_set_drawn_by_size_to_the_tau(name, tau):
    table = PairTable(mixture(large=90, small=10), dataset_tau=tau)
    share = np.mean(
        [set_of(table, draw_batch(name, table, 0, step, BATCH)) == "large" for step in range(1500)]
    )
    expected = 90**tau / (90**tau + 10**tau)
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 1500)


def test_sets_take_part_where_they_can_fill_a_batch():
    table = PairTable(mixture(english=90, parallel=10, tiny=3))
    drawn = [draw_batch("hybrid", table, 0, step, BATCH) for step in range(2000)]
    assert {set_of(table, batch) for batch in drawn if batch.regime == "x-y"} == {"parallel"}
    mono = Counter(set_of(table, batch) for batch in drawn if batch.regime == "x-x-mono")
    assert (
        set(mono) == {"english", "parallel"}
        and 800 < mono.total() < 1200
        and 0.85 < mono["english"] / mono.total() < 0.95
    )
    assert {set_of(table, draw_batch("x-y-pair", table, 0, step, BATCH)) for step in range(20)} == {
        "parallel"
    }
    with pytest.raises(
        InputError,
        match="no set of the training pairs can fill a batch of 16 \\(x-y; .*english 0, parallel 10, tiny 3\\): lower batch_size",
    ):
        draw_batch("x-y", table, 0, 0, 16)


def test_rows_of_a_set_are_rows_of_the_whole_table():
    table = PairTable(mixture(a=20, b=20).sample(frac=1, random_state=0))
    for name in STRATEGIES:
        batch = draw_batch(name, table, 0, 1, BATCH)
        assert (
            table.frame["pair_id"].iloc[batch.questions].tolist()
            == table.frame["pair_id"].iloc[batch.passages].tolist()
        )
        assert set_of(table, batch) in ("a", "b")


def test_a_pair_in_two_sets_is_refused():
    frame = pair_table(20)
    frame.loc[0, "dataset"] = "other"
    with pytest.raises(InputError, match="pair_id 'p000' stands in several sets"):
        draw_batch("x-y", PairTable(frame), 0, 0, BATCH)


def test_languages_by_size():
    table = PairTable(
        pair_table(missing=[(number, "zh") for number in range(20)]), language_draw="size"
    )
    drawn = Counter(
        languages_of(table, draw_batch("x-x-mono", table, 0, step, BATCH).questions)[0]
        for step in range(2000)
    )
    assert (
        chisquare(
            [drawn[lang] for lang in sorted(LANGUAGES)],
            [2000 * share / 7 for share in (2, 2, 2, 1)],
        ).pvalue
        > 1e-4
    )


def test_a_table_from_params(tmp_path):
    params = Params(
        dataset_tau=0.3,
        language_draw="size",
        switch_probability=0.2,
        switch_sides="query",
        lexicon_path=tmp_path,
    )
    table = PairTable.from_params(pair_table(), params)
    assert (table.dataset_tau, table.language_draw, table.switching) == (
        0.3,
        "size",
        Switching(0.2, "query", tmp_path),
    )
    assert PairTable.from_params(pair_table(), Params()).switching == Switching()


# --------------------------------------------------------------------------------------------------- expected draws


def test_expected_draws_are_the_shares_in_the_long_run(full):
    for name, pairs in (
        ("en-en", {("en", "en")}),
        ("x-x-mono", {(x, x) for x in LANGUAGES}),
        ("x-y", ORDERED_PAIRS),
        ("hybrid", ORDERED_PAIRS | {(x, x) for x in LANGUAGES}),
        ("code-switched", {("en", "en")}),
    ):
        table = expected_draws(name, full, BATCH)
        assert list(table) == ["dataset", "question", "passage", "share"] and table[
            "share"
        ].sum() == pytest.approx(1)
        assert set(zip(table["question"], table["passage"])) == pairs and set(table["dataset"]) == {
            "toy"
        }
    shares = expected_draws("hybrid", full, BATCH, alpha=0.25).set_index(["question", "passage"])[
        "share"
    ]
    assert sum(shares[x, x] for x in LANGUAGES) == pytest.approx(0.25, abs=0.05) and shares[
        "ar", "de"
    ] == pytest.approx(0.75 / 12, abs=0.01)


def test_expected_draws_know_the_sets():
    table = expected_draws("hybrid", PairTable(mixture(english=90, parallel=10)), BATCH)
    shares = table.groupby("dataset")["share"].sum()
    assert shares["english"] == pytest.approx(0.45, abs=0.05) and shares[
        "parallel"
    ] == pytest.approx(0.55, abs=0.05)


def test_drawable_strategies(full):
    assert drawable(full, BATCH) == list(STRATEGIES) and drawable(full, 41) == []
    assert drawable(PairTable(pair_table(languages=["en"])), BATCH) == [
        "en-en",
        "x-x",
        "x-x-mono",
        "code-switched",
    ]
