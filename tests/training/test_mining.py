"""Mined negatives against a plain loop and sentence-transformers; scores; the two commands."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from toys import pair_table
from training_toys import fresh

from hybridlib.errors import InputError
from hybridlib.training.mining import MiningOptions, mine, score


class Lookup:
    """An encoder whose vectors are random, one for each text and side."""

    def __init__(self) -> None:
        self.vectors: dict[tuple[str, str], np.ndarray] = {}
        self.rng = np.random.default_rng(0)

    def encode(self, texts: Iterable[str], side: str, *_: object, **__: object) -> np.ndarray:
        """Return unit vectors ``[texts, 8]``."""
        side = side[0]
        for text in texts:
            if (text, side) not in self.vectors:
                vector = self.rng.standard_normal(8).astype(np.float32)
                self.vectors[text, side] = vector / np.linalg.norm(vector)
        return np.array([self.vectors[text, side] for text in texts])


def tangled_pairs() -> pd.DataFrame:
    """Pairs of which some lack a language, or share a passage, a text or a question."""
    missing = [(1, "de"), (4, "zh"), (7, "ar"), (7, "en")]
    pairs = pair_table(12, missing=missing)
    number = pairs["pair_id"].str[1:].astype(int)
    pairs["passage_id"] = pairs["passage_id"].where(~number.isin([3, 9]), "shared")
    pairs["passage"] = pairs["passage"].where(~number.isin([3, 9]), "both " + pairs["lang"])
    # One text under two ids, in German alone; one question that two passages answer, in English.
    german = (pairs["lang"] == "de") & number.isin([2, 5])
    pairs["passage"] = pairs["passage"].where(~german, "the same German text")
    english = (pairs["lang"] == "en") & number.isin([6, 10])
    return pairs.assign(question=pairs["question"].where(~english, "What is it?"))


def tied(pairs: pd.DataFrame, *columns: str) -> list[set[int]]:
    """Return the rows that each row is tied to by equal values of some columns, in chains."""
    groups = [{row} for row in range(len(pairs))]
    before: list[set[int]] = []
    while groups != before:
        before = groups
        for column in columns:
            of_value: dict[str, set[int]] = {}
            for value, group in zip(pairs[column], groups):
                of_value[value] = of_value.get(value, set()) | group
            groups = [of_value[value] for value in pairs[column]]
    return groups


def plain_loop(pairs: pd.DataFrame, encoder: Lookup, options: MiningOptions) -> list[list[str]]:
    """Return the negatives of each row, one candidate at a time."""
    contents = tied(pairs, "pair_id", "passage_id", "passage")
    questions = tied(pairs, "pair_id", "question")
    langs = pairs["lang"].tolist()
    scores = encoder.encode(pairs["question"], "query") @ encoder.encode(pairs["passage"], "p").T
    place = {key: row for row, key in enumerate(zip(pairs["pair_id"], pairs["lang"]))}
    negatives = []
    for row, pair_id in enumerate(pairs["pair_id"]):
        # The best candidates that do not answer the question.
        answers = set().union(*(contents[other] for other in questions[row]))
        scored = {}
        for other, (lang, passage) in enumerate(zip(langs, pairs["passage"])):
            is_own = lang == langs[row]
            is_searched = options.candidates == "pool" or is_own == (options.candidates == "own")
            if is_searched and other not in answers:
                scored[lang, passage] = scores[row, other]
        ranked = sorted(scored.items(), key=lambda item: -item[1])[: options.last_rank]

        # Those that score far enough below the right passage.
        kept = []
        for (lang, passage), value in ranked:
            positive = scores[row, place.get((pair_id, lang), row)]
            far_enough = True
            if options.absolute_margin is not None:
                far_enough = value <= positive - options.absolute_margin
            if options.relative_margin is not None:
                far_enough &= value <= positive - abs(positive) * options.relative_margin
            if far_enough:
                kept.append(passage)
        negatives.append(kept[options.range_min : options.range_min + options.per_query])
    return negatives


@pytest.mark.parametrize("candidates", ["own", "other", "pool"])
def test_negatives_are_those_of_a_plain_loop(candidates):
    pairs = tangled_pairs()
    encoder = Lookup()
    found = []
    for guards in (
        {},
        {"range_min": 2},
        {"range_max": 3, "absolute_margin": -0.1},
        {"absolute_margin": 0.1},
        {"relative_margin": 0.2, "range_min": 1},
        {"relative_margin": 0.05, "absolute_margin": 0.05},
    ):
        options = MiningOptions(candidates, per_query=3, **guards)
        found.append(mine(encoder, pairs, options))
        assert found[-1] == plain_loop(pairs, encoder, options)
    assert all(found.count(negatives) == 1 for negatives in found)


def test_negatives_never_answer_the_question_in_any_language():
    pairs = tangled_pairs()
    negatives = mine(Lookup(), pairs, MiningOptions("pool", per_query=100))
    number = pairs["pair_id"].str[1:].astype(int)
    for row, texts in enumerate(negatives):
        same = {2: (2, 5), 5: (2, 5), 3: (3, 9), 9: (3, 9), 6: (6, 10), 10: (6, 10)}
        own = number.isin(same.get(number[row], (number[row],)))
        assert set(texts) == set(pairs["passage"][~own])
        assert len(texts) == len(set(texts))


def test_a_margin_is_taken_in_the_language_of_the_candidate():
    """The right passage scores 0.9 in its own language and 0.5 in the other."""
    encoder = Lookup()
    pairs = pair_table(3, ["de", "en"])
    pairs = pairs[pairs["pair_id"] != "p002"].reset_index(drop=True)
    cosines = {("de", 0): 0.9, ("de", 1): 0.85, ("en", 0): 0.5, ("en", 1): 0.6}
    for (lang, number), cosine in cosines.items():
        vector = np.array([cosine, np.sqrt(1 - cosine**2)] + [0.0] * 6, dtype=np.float32)
        encoder.vectors[f"passage {number} in {lang}", "p"] = vector
    encoder.vectors["question 0 in de", "q"] = np.eye(8, dtype=np.float32)[0]
    found = {}
    for margin in (0.02, 0.2):
        options = MiningOptions("pool", absolute_margin=margin)
        found[margin] = mine(encoder, pairs, options)[0]
    assert found == {0.02: ["passage 1 in de"], 0.2: []}
    only_own = pairs[(pairs["pair_id"] == "p001") | (pairs["lang"] == "de")].reset_index(drop=True)
    options = MiningOptions("pool", absolute_margin=0.2)
    assert mine(encoder, only_own, options)[0] == ["passage 1 in en"]


@pytest.mark.parametrize(
    "guards",
    [
        {"range_max": 12},
        {"range_min": 3, "range_max": 9},
        {"range_max": 40, "absolute_margin": 0.02},
        {"range_max": 40, "range_min": 2, "relative_margin": 0.002},
    ],
)
def test_one_language_agrees_with_sentence_transformers(guards, fact_pairs, tiny_encoder, tmp_path):
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    encoder = fresh(tiny_encoder)
    encoder.save(tmp_path / "encoder")
    pairs = fact_pairs[fact_pairs["lang"] == "de"].drop_duplicates("passage").iloc[:60]
    pairs = pairs.drop_duplicates("question").reset_index(drop=True)
    pairs["passage_id"] = pairs["pair_id"]
    expected = mine_hard_negatives(
        Dataset.from_pandas(pairs[["question", "passage"]]),
        SentenceTransformer(str(tmp_path / "encoder"), device="cpu"),
        num_negatives=4,
        verbose=False,
        output_scores=True,
        **guards,
    ).to_pandas()
    negatives = mine(encoder, pairs, MiningOptions("own", per_query=4, **guards))
    of_question = expected.groupby("question")["negative"].apply(list)
    assert [of_question.get(question, []) for question in pairs["question"]] == negatives
    assert 60 < sum(map(len, negatives)) <= 4 * len(pairs)

    # Its scores are the cosines.
    scores = score(encoder, pairs.assign(negatives=negatives))
    of_negatives = expected.groupby("question")["scores"].apply(list)
    for question, cosines in zip(pairs["question"], scores):
        for (positive, negative), cosine in zip(of_negatives.get(question, []), cosines[1:]):
            assert (cosines[0], cosine) == pytest.approx((positive, negative), abs=2e-6)


def test_vectors_may_be_kept_on_disk(fact_pairs, tiny_encoder, tmp_path):
    pairs = fact_pairs.iloc[:60].reset_index(drop=True)
    encoder = fresh(tiny_encoder)
    kept = mine(encoder, pairs, MiningOptions("pool"), tmp_path / "vectors")
    assert (tmp_path / "vectors/vectors.npy").is_file()
    same = [
        set(one) == set(other)
        for one, other in zip(kept, mine(encoder, pairs, MiningOptions("pool")))
    ]
    assert np.mean(same) > 0.8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"per_query": 0}, "per_query is 0"),
        ({"range_min": -1}, "range_min -1"),
        ({"range_max": 6, "range_min": 2}, r"range_max \(6\) leaves fewer than per_query \(5\)"),
        ({"relative_margin": float("nan")}, r"relative_margin \(nan\) is not finite"),
    ],
)
def test_options_that_leave_nothing_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        MiningOptions(**values)


def test_other_languages_must_be_there():
    with pytest.raises(InputError, match="all pairs are in 'de'; take own"):
        mine(Lookup(), pair_table(3, ["de"]), MiningOptions("other"))
    assert mine(Lookup(), pair_table(1, ["de"]), MiningOptions("own")) == [[]]
