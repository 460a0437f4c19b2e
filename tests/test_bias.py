"""Language-bias figures, worked by hand and at their known extremes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores, sorted_ranks

from hybridlib.evaluation import bias


def parallel(questions: int):
    """Every question asked and answered once in every language."""
    names = [(f"{lang}:{number:03d}", lang) for lang in LANGUAGES for number in range(questions)]
    relevance = [
        (asked, f"{lang}:{asked.split(':')[1]}", 1) for asked, _ in names for lang in LANGUAGES
    ]
    return corpus_of(names, names, relevance)


@pytest.fixture
def worked():
    """Candidates de:a de:b en:a en:b; three queries with two or three answers, one with a single answer."""
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en"), ("en:s", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "ab"],
        [
            ("de:q", "de:a", 1),
            ("de:q", "en:a", 1),
            ("en:q", "de:a", 1),
            ("en:q", "en:a", 1),
            ("en:r", "en:b", 1),
            *(("en:s", name, 1) for name in ("de:a", "de:b", "en:b")),
        ],
    )
    scores = np.array(
        [
            [4, 3, 2, 1],  # de:a is 1st, en:a 3rd: distance 2
            [1, 3, 4, 2],  # en:a 1st, de:a 4th: distance 3
            [4, 3, 2, 1],  # one answer: left out
            [4, 3, 1, 2],  # 1st, 2nd, 3rd: distance 2
        ]
    )
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
    assert bias.same_language_share(ranking, corpus, 2).to_dict() == pytest.approx(
        {"de": 1.0, "en": 1 / 6}
    )
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
            expected.setdefault(corpus.queries["lang"].iloc[query], []).append(
                max(found) - min(found)
            )
    assert bias.rank_distance(rank_scores(scores, corpus)).to_dict() == pytest.approx(
        {lang: np.mean(found) for lang, found in expected.items()}
    )


def test_rank_distance_at_its_extremes(rng):
    corpus, questions = parallel(30), 30
    meaning = (
        corpus.queries["question_id"].to_numpy()[:, None]
        == corpus.candidates["candidate_id"].str.split(":").str[1].to_numpy()
    ).astype(float)
    language = (
        corpus.queries["lang"].to_numpy()[:, None] == corpus.candidates["lang"].to_numpy()
    ).astype(float)
    assert set(bias.rank_distance(rank_scores(meaning, corpus))) == {
        len(LANGUAGES) - 1.0
    }  # all answers on top
    biased = bias.summarise(rank_scores(meaning + 10 * language, corpus), corpus)
    # own language first (its answer 1st), then the other languages' answers: 31st to 33rd
    assert set(biased["rank_distance_per_language"].values()) == {
        float(questions + len(LANGUAGES) - 2)
    }
    assert biased["same_language_share@10"] == 1.0
    assert bias.summarise(rank_scores(meaning, corpus, top_k=4), corpus, 4)[
        "same_language_share@4"
    ] == 1 / len(LANGUAGES)


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
    corpus = corpus_of(
        [("en:q", "en"), ("fr:q", "fr")],
        [("de:a", "de"), ("en:a", "en")],
        [("en:q", "en:a", 1), ("fr:q", "en:a", 1)],
    )
    ranking = rank_scores(np.array([[0, 1], [1, 0]]), corpus, top_k=1)
    assert bias.language_share(ranking, corpus, 1).loc["fr"].to_dict() == {"de": 1.0, "en": 0.0}
    assert bias.same_language_share(ranking, corpus, 1).to_dict() == {"en": 1.0}


def test_one_language_has_no_bias_and_says_so(rng):
    corpus = random_corpus(rng, languages=("en",))
    said = bias.summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    assert set(said) == {"left_out"}
    assert (
        said["left_out"]["rank_distance"] == "needs a query with relevant passages in two languages"
    )
    assert said["left_out"]["mean_rank_correlation@10"] == "needs a question_id in two languages"
    assert len(said["left_out"]) == 10


def test_figures_without_data_are_left_out_by_name_and_the_others_stay():
    """German questions over English passages: nothing to prefer. And questions in their own language alone."""
    crossed = corpus_of(
        [("de:1", "de"), ("de:2", "de")],
        [("a", "en"), ("b", "en"), ("c", "zh")],
        [("de:1", "a", 1), ("de:1", "c", 1), ("de:2", "b", 1)],
    )
    said = bias.summarise(rank_scores(np.array([[3, 2, 1], [1, 2, 3]]), crossed), crossed, 2)
    assert set(said["left_out"]) == {
        "language_preference_rate",
        "removal_loss_same",
        "removal_loss_other",
        "mean_rank_correlation@2",
    }
    assert said["rank_distance"] == 2.0 and said["other_language_recall@2"] == pytest.approx(
        (1 / 2 + 1) / 2
    )
    assert said["language_share@2"]["de"] == pytest.approx({"en": 0.75, "zh": 0.25})
    alone = corpus_of(
        [("de:1", "de"), ("en:2", "en")],
        [("a", "de"), ("b", "en")],
        [("de:1", "a", 1), ("en:2", "b", 1)],
    )
    said = bias.summarise(rank_scores(np.array([[2, 1], [1, 2]]), alone), alone, 1)
    assert (
        set(said) - {"per_language"} == {"left_out", "same_language_share@1", "language_share@1"}
        and said["same_language_share@1"] == 1.0
    )
    assert set(said["left_out"].values()) == {
        f"needs {need}" for need in bias._NEEDS if need != "passages in two languages"
    }


def test_a_query_that_the_whole_corpus_answers_has_no_normalised_max_rank():
    corpus = corpus_of(
        [("de:1", "de"), ("en:1", "en")],
        [("a", "de"), ("b", "en")],
        [("de:1", "a", 1), ("de:1", "b", 1), ("en:1", "b", 1)],
    )
    assert bias.normalised_max_rank(
        rank_scores(np.array([[2, 1], [1, 2]]), corpus), corpus
    ).to_dict() == {"en": 100.0}


def test_the_other_figures_worked_by_hand():
    """One German query; answers at ranks 1 (de), 3 (en) and 4 (zh) of 8 candidates."""
    candidates = [
        ("a", "de"),
        ("b", "en"),
        ("c", "zh"),
        ("x", "de"),
        ("y", "de"),
        ("z", "en"),
        ("u", "zh"),
        ("v", "zh"),
    ]
    corpus = corpus_of(
        [("de:1", "de")], candidates, [("de:1", "a", 1), ("de:1", "b", 1), ("de:1", "c", 1)]
    )
    score = {"a": 9, "x": 8, "b": 7, "c": 6, "y": 5, "z": 4, "u": 3, "v": 2}
    ranking = rank_scores(
        np.array([[score[name] for name in corpus.candidates["candidate_id"]]], dtype=np.float32),
        corpus,
        top_k=3,
    )
    assert bias.max_rank(ranking)["de"] == 4
    assert bias.normalised_max_rank(ranking, corpus)["de"] == pytest.approx(
        100 * (3 - 2) / (3 - np.log2(3))
    )
    assert bias.other_language_recall(ranking, 3)["de"] == 0.5
    assert bias.language_preference_rate(ranking)["de"] == 1.0
    ap = (1 / 1 + 2 / 3 + 3 / 4) / 3
    lost = bias.removal_test(ranking).loc["de"]
    assert lost["same"] == pytest.approx(ap - (1 / 2 + 2 / 3) / 2)
    assert lost["other"] == pytest.approx(
        ((ap - (1 / 1 + 2 / 3) / 2) + (ap - (1 / 1 + 2 / 3) / 2)) / 2
    )


def test_removal_is_that_of_ranking_again_without_the_candidate(rng):
    corpus = random_corpus(rng, top_grade=1)
    scores = random_scores(rng, corpus)
    ranking = rank_scores(scores, corpus)
    lost: dict = {}
    for query, group in ranking.relevant.groupby("query"):
        own = group["candidate_lang"] == group["query_lang"]
        if own.all() or not own.any():
            continue
        full = average_precision(scores[query], set(group["candidate"]))
        losses = {
            kind: np.mean(
                [
                    full
                    - average_precision(
                        np.delete(scores[query], c),
                        {o - (o > c) for o in group["candidate"] if o != c},
                    )
                    for c in group.loc[own == (kind == "same"), "candidate"]
                ]
            )
            for kind in ("same", "other")
        }
        lost.setdefault(group["query_lang"].iloc[0], []).append(losses)
    expected = pd.DataFrame(
        {lang: pd.DataFrame(rows).mean() for lang, rows in lost.items()}
    ).T.sort_index()
    found = bias.removal_test(ranking)
    assert np.allclose(found[["same", "other"]], expected[["same", "other"]])


def average_precision(scores: np.ndarray, relevant: set[int]) -> float:
    order = np.argsort(-scores, kind="stable")
    places = np.flatnonzero([row in relevant for row in order]) + 1
    return float(np.mean(np.arange(1, len(places) + 1) / places))


def test_rank_correlation_is_spearmans_over_the_union(rng):
    first, second = (
        np.array([rng.choice(15, 6, replace=False) for _ in range(30)]) for _ in range(2)
    )
    for a, b, value in zip(first, second, bias._spearman_of_lists(first, second)):
        union = sorted(set(a) | set(b))
        places = [[list(side).index(c) + 1 if c in side else 7 for c in union] for side in (a, b)]
        assert value == pytest.approx(spearmanr(*places).statistic)
    assert bias._spearman_of_lists(first, first) == pytest.approx(np.ones(30))


def test_rank_correlation_of_equal_rankings_is_one(rng):
    corpus = random_corpus(rng, presence=1.0)
    by_question = {
        question: rng.standard_normal(len(corpus.candidates))
        for question in corpus.queries["question_id"].unique()
    }
    ranking = rank_scores(
        np.stack([by_question[question] for question in corpus.queries["question_id"]]), corpus
    )
    assert bias.mean_rank_correlation(ranking, corpus, 10) == pytest.approx(1.0)


def test_summary_holds_only_finite_figures():
    corpus = corpus_of(
        [("de:1", "de"), ("en:2", "en")],
        [("a", "de"), ("b", "en")],
        [("de:1", "a", 1), ("de:1", "b", 1), ("en:2", "b", 1), ("en:2", "a", 1)],
    )
    summary = bias.summarise(rank_scores(np.array([[2.0, 1.0], [1.0, 2.0]]), corpus), corpus, 1)
    assert "mean_rank_correlation@1" not in summary and "normalised_max_rank" not in summary
    assert summary["language_preference_rate"] == 1.0 and summary["rank_distance"] == 1.0
    assert all(np.isfinite(value) for value in summary.values() if isinstance(value, float))
