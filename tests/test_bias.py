"""Language-bias figures, worked by hand and at their known extremes."""

from __future__ import annotations

import numpy as np
import pytest
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores, sorted_ranks

from hybridlib import bias


def parallel(questions: int):
    """Every question asked and answered once in every language."""
    names = [(f"{lang}:{number:03d}", lang) for lang in LANGUAGES for number in range(questions)]
    relevance = [(asked, f"{lang}:{asked.split(':')[1]}", 1) for asked, _ in names for lang in LANGUAGES]
    return corpus_of(names, names, relevance)


@pytest.fixture
def worked():
    """Candidates de:a de:b en:a en:b; three queries with two or three answers, one with a single answer."""
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en"), ("en:s", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "ab"],
        [("de:q", "de:a", 1), ("de:q", "en:a", 1), ("en:q", "de:a", 1), ("en:q", "en:a", 1), ("en:r", "en:b", 1), *(("en:s", name, 1) for name in ("de:a", "de:b", "en:b"))],
    )
    scores = np.array([
        [4, 3, 2, 1],  # de:a is 1st, en:a 3rd: distance 2
        [1, 3, 4, 2],  # en:a 1st, de:a 4th: distance 3
        [4, 3, 2, 1],  # one answer: left out
        [4, 3, 1, 2],  # 1st, 2nd, 3rd: distance 2
    ])
    return corpus, rank_scores(scores, corpus, top_k=4)


def test_rank_distance_worked_by_hand(worked):
    assert bias.rank_distance(worked[1]).to_dict() == {"de": 2.0, "en": 2.5}
    said = bias.summarise(worked[1], worked[0], 2)
    assert said["rank_distance"] == pytest.approx((2.0 + 2.5) / 2)
    assert said["rank_distance_per_language"] == {"de": 2.0, "en": 2.5}


def test_language_share_worked_by_hand(worked):
    """Top 2: de:q German German; en:q English German; en:r German German; en:s German German."""
    ranking, corpus = worked[1], worked[0]
    share = bias.language_share(ranking, corpus, 2)
    assert share.loc["de"].to_dict() == {"de": 1.0, "en": 0.0}
    assert share.loc["en"].to_dict() == pytest.approx({"de": 5 / 6, "en": 1 / 6})
    assert bias.same_language_share(ranking, corpus, 2).to_dict() == pytest.approx({"de": 1.0, "en": 1 / 6})
    said = bias.summarise(ranking, corpus, 2)
    assert said["same_language_share@2"] == pytest.approx((1 + 1 / 6) / 2)
    assert said["language_share@2"]["en"] == pytest.approx({"de": 5 / 6, "en": 1 / 6})


def test_rank_distance_is_that_of_a_plain_loop(rng):
    corpus = random_corpus(rng, presence=0.6)
    scores = random_scores(rng, corpus, 20)
    ranks: dict[int, list[int]] = {}
    for query, (pool, _) in zip(corpus.qrels["query"], sorted_ranks(scores, corpus)):
        ranks.setdefault(query, []).append(pool)
    expected: dict[str, list[int]] = {}
    for query, found in ranks.items():
        if len(found) > 1:
            expected.setdefault(corpus.queries["lang"].iloc[query], []).append(max(found) - min(found))
    assert bias.rank_distance(rank_scores(scores, corpus)).to_dict() == pytest.approx({lang: np.mean(found) for lang, found in expected.items()})


def test_rank_distance_at_its_extremes(rng):
    corpus, questions = parallel(30), 30
    meaning = (corpus.queries["question_id"].to_numpy()[:, None] == corpus.candidates["candidate_id"].str.split(":").str[1].to_numpy()).astype(float)
    language = (corpus.queries["lang"].to_numpy()[:, None] == corpus.candidates["lang"].to_numpy()).astype(float)
    assert set(bias.rank_distance(rank_scores(meaning, corpus))) == {len(LANGUAGES) - 1.0}  # all answers on top
    biased = bias.summarise(rank_scores(meaning + 10 * language, corpus), corpus)
    # own language first (its answer 1st), then the other languages' answers: 31st to 33rd
    assert set(biased["rank_distance_per_language"].values()) == {float(questions + len(LANGUAGES) - 2)}
    assert biased["same_language_share@10"] == 1.0
    assert bias.summarise(rank_scores(meaning, corpus, top_k=4), corpus, 4)["same_language_share@4"] == 1 / len(LANGUAGES)


def test_a_random_ranking_has_the_expected_distance_and_no_preference():
    """Of k answers at random among n candidates, worst minus best is (n + 1)(k - 1) / (k + 1) on average."""
    corpus, rng = parallel(100), np.random.default_rng(1)
    said = bias.summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    k, n = len(LANGUAGES), len(corpus.candidates)
    assert said["rank_distance"] == pytest.approx((n + 1) * (k - 1) / (k + 1), rel=0.05)
    assert said["same_language_share@10"] == pytest.approx(1 / k, rel=0.1)


def test_rows_of_the_share_matrix_sum_to_one(rng):
    corpus = random_corpus(rng)
    share = bias.language_share(rank_scores(random_scores(rng, corpus), corpus), corpus, 10)
    assert list(share.index) == list(share.columns) == list(LANGUAGES)
    assert np.allclose(share.sum(axis=1), 1)


def test_query_languages_without_candidates_have_no_own_share():
    corpus = corpus_of([("en:q", "en"), ("fr:q", "fr")], [("de:a", "de"), ("en:a", "en")], [("en:q", "en:a", 1), ("fr:q", "en:a", 1)])
    ranking = rank_scores(np.array([[0, 1], [1, 0]]), corpus, top_k=1)
    assert bias.language_share(ranking, corpus, 1).loc["fr"].to_dict() == {"de": 1.0, "en": 0.0}
    assert bias.same_language_share(ranking, corpus, 1).to_dict() == {"en": 1.0}


def test_one_language_has_no_bias(rng):
    corpus = random_corpus(rng, languages=("en",))
    assert bias.summarise(rank_scores(random_scores(rng, corpus), corpus), corpus) == {}
