"""What strategies draw in the long run, and which can fill a batch."""

from __future__ import annotations

import pandas as pd
import pytest
from batch_toys import BATCH, ORDERED_PAIRS, mixture
from toys import LANGUAGES, pair_table

from hybridlib.batching.code_switching import Switching
from hybridlib.batching.inspect import drawable, expected_draws, largest_batch
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import STRATEGIES

SAME_LANGUAGE = {(x, x) for x in LANGUAGES}


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("en-en", {("en", "en")}),
        ("x-x-mono", SAME_LANGUAGE),
        ("x-y", ORDERED_PAIRS),
        ("hybrid", ORDERED_PAIRS | SAME_LANGUAGE),
        ("code-switched", {("en", "en")}),
    ],
)
def test_expected_draws_add_up_over_the_languages_of_a_strategy(name, pairs, full):
    table = expected_draws(name, full, BATCH, batches=300)
    assert list(table) == ["dataset", "question", "passage", "share"]
    assert table["share"].sum() == pytest.approx(1)
    assert set(zip(table["question"], table["passage"])) == pairs
    assert set(table["dataset"]) == {"toy"}


def test_expected_draws_are_the_shares_in_the_long_run(full):
    table = expected_draws("hybrid", full, BATCH, alpha=0.25)
    shares = table.set_index(["question", "passage"])["share"]
    assert sum(shares[x, x] for x in LANGUAGES) == pytest.approx(0.25, abs=0.05)
    assert shares["ar", "de"] == pytest.approx(0.75 / 12, abs=0.01)


def test_expected_draws_know_the_sets():
    frame = mixture(english=90, parallel=10)
    table = expected_draws("hybrid", PairTable(frame), BATCH)
    shares = table.groupby("dataset")["share"].sum()
    assert shares["english"] == pytest.approx(0.45, abs=0.05)
    assert shares["parallel"] == pytest.approx(0.55, abs=0.05)
    unnamed = expected_draws("x-y", PairTable(frame.drop(columns="dataset")), BATCH, batches=20)
    assert set(unnamed["dataset"]) == {""}


def test_words_are_not_switched_to_count_languages(full, tmp_path):
    """Else an empty folder of word lists would be an error."""
    table = PairTable(full.frame, switching=Switching(1.0, "both", tmp_path))
    assert "code-switched" in drawable(table, BATCH)
    assert expected_draws("code-switched", table, BATCH, batches=5)["share"].tolist() == [1.0]


def test_drawable_strategies(full):
    assert drawable(full, BATCH) == list(STRATEGIES)
    assert drawable(full, 41) == []
    english = PairTable(pair_table(languages=["en"]))
    assert drawable(english, BATCH) == ["en-en", "x-x", "x-x-mono", "code-switched"]


@pytest.mark.parametrize(
    ("name", "alpha", "expected"),
    [
        ("en-en", 0.5, 25),
        ("x-x", 0.5, 30),
        ("x-x-mono", 0.5, 25),
        ("x-y", 0.5, 10),
        ("hybrid", 0.5, 10),
        ("hybrid", 1.0, 25),
        ("hybrid", 0.0, 10),
    ],
)
def test_the_largest_batch_is_found_without_a_word(name, alpha, expected, caplog):
    """Of 15 pairs in English alone, 5 in German alone and 10 in both."""
    rows = [(n, lang) for n in range(30) for lang in ("de", "en")]
    rows = [(n, lang) for n, lang in rows if lang == ("en" if n < 15 else "de") or n >= 20]
    frame = pd.DataFrame(rows, columns=["pair_id", "lang"])
    table = PairTable(frame)
    assert largest_batch(name, table, 100, alpha) == expected
    assert caplog.records == []
    assert largest_batch(name, table, expected, alpha) == expected
    assert largest_batch(name, table, 3, alpha) == 3


def test_no_batch_can_be_the_largest():
    frame = pd.DataFrame({"pair_id": ["a", "b"], "lang": ["de", "fr"]})
    assert largest_batch("en-en", PairTable(frame), 8) == 0
    assert largest_batch("x-y", PairTable(frame), 8) == 0
    assert largest_batch("x-x-mono", PairTable(frame), 8) == 1
