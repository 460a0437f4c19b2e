"""Language-bias figures, worked by hand and at their known extremes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from toys import LANGUAGES, corpus_of, random_corpus, random_scores, rank_scores, sorted_ranks

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import bias
from hybridlib.retrieval.ranking import Ranking


def parallel(questions: int) -> RetrievalCorpus:
    """Return a corpus in which every question is asked and answered once in every language."""
    names = [(f"{lang}:{number:03d}", lang) for lang in LANGUAGES for number in range(questions)]
    relevance = []
    for query, _ in names:
        question = query.split(":")[1]
        relevance += [(query, f"{lang}:{question}", 1) for lang in LANGUAGES]
    return corpus_of(names, names, relevance)


@pytest.fixture
def worked() -> tuple[RetrievalCorpus, Ranking]:
    """Candidates de:a de:b en:a en:b; three queries with two or three answers, one with one."""
    corpus = corpus_of(
        [("de:q", "de"), ("en:q", "en"), ("en:r", "en"), ("en:s", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "ab"],
        [
            ("de:q", "de:a", 1),
            ("de:q", "en:a", 1),
            ("en:q", "de:a", 1),
            ("en:q", "en:a", 1),
            ("en:r", "en:b", 1),
            ("en:s", "de:a", 1),
            ("en:s", "de:b", 1),
            ("en:s", "en:b", 1),
        ],
    )
    scores = np.array(
        [
            [4, 3, 2, 1],  # de:a is 1st, en:a 3rd: distance 2
            [1, 3, 4, 2],  # en:a 1st, de:a 4th: distance 3
            [4, 3, 2, 1],  # one answer: does not count
            [4, 3, 1, 2],  # 1st, 2nd, 3rd: distance 2
        ]
    )
    return corpus, rank_scores(scores, corpus, top_k=4)


# --------------------------------------------------------------------------------- rank distance


def test_rank_distance_worked_by_hand(worked):
    corpus, ranking = worked
    assert bias.rank_distance(ranking).to_dict() == {"de": 2.0, "en": 2.5}
    summary = bias.summarise(ranking, corpus, 2)
    assert summary["rank_distance"] == pytest.approx((2.0 + 2.5) / 2)
    assert summary["rank_distance_per_language"] == {"de": 2.0, "en": 2.5}


def test_rank_distance_is_that_of_a_plain_loop(rng):
    corpus = random_corpus(rng, presence=0.6)
    scores = random_scores(rng, corpus, 20)
    ranks: dict[int, list[int]] = {}
    languages: dict[int, set[str]] = {}
    pairs = corpus.qrels[["query", "candidate"]].itertuples(index=False)
    for (query, candidate), (pool, _) in zip(pairs, sorted_ranks(scores, corpus)):
        ranks.setdefault(query, []).append(pool)
        languages.setdefault(query, set()).add(corpus.candidates["lang"].iloc[candidate])
    distances: dict[str, list[int]] = {}
    for query, of_query in ranks.items():
        if len(languages[query]) > 1:
            lang = corpus.queries["lang"].iloc[query]
            distances.setdefault(lang, []).append(max(of_query) - min(of_query))
    expected = {lang: np.mean(of_language) for lang, of_language in distances.items()}
    found = bias.rank_distance(rank_scores(scores, corpus)).to_dict()
    assert found == pytest.approx(expected)


def test_queries_with_answers_in_one_language_have_no_distance_and_no_max_rank():
    """Answers of en:q are in two languages; those of en:r, two, in one; en:s has one."""
    corpus = corpus_of(
        [("en:q", "en"), ("en:r", "en"), ("en:s", "en")],
        [(f"{lang}:{name}", lang) for lang in ("de", "en") for name in "abc"],
        [
            ("en:q", "de:a", 1),
            ("en:q", "en:a", 1),
            ("en:r", "en:b", 1),
            ("en:r", "en:c", 1),
            ("en:s", "de:c", 1),
        ],
    )
    scores = np.array(
        [
            [5, 0, 0, 6, 0, 0],  # 2nd and 1st
            [9, 8, 7, 6, 5, 4],  # 5th and 6th
            [9, 8, 7, 6, 5, 4],  # 3rd
        ]
    )
    ranking = rank_scores(scores, corpus)
    assert bias.rank_distance(ranking).to_dict() == {"en": 1.0}
    assert bias.max_rank(ranking).to_dict() == {"en": 2.0}
    assert bias.normalised_max_rank(ranking, corpus).to_dict() == {"en": 100.0}
    assert set(bias.relevant_in_two_languages(ranking)["query"]) == {0}


def test_rank_distance_and_shares_at_their_extremes():
    questions = 30
    corpus = parallel(questions)
    question_ids = corpus.queries["question_id"].to_numpy()
    answered = corpus.candidates["candidate_id"].str.split(":").str[1].to_numpy()
    query_lang = corpus.queries["lang"].to_numpy()
    candidate_lang = corpus.candidates["lang"].to_numpy()
    meaning = (question_ids[:, None] == answered).astype(float)
    language = (query_lang[:, None] == candidate_lang).astype(float)

    # All answers on top.
    unbiased = rank_scores(meaning, corpus, top_k=4)
    assert set(bias.rank_distance(unbiased)) == {len(LANGUAGES) - 1.0}
    summary = bias.summarise(unbiased, corpus, 4)
    assert summary["same_language_share@4"] == 1 / len(LANGUAGES)

    # Own language first (its answer 1st), then the other languages' answers: 31st to 33rd.
    biased = bias.summarise(rank_scores(meaning + 10 * language, corpus), corpus)
    expected = float(questions + len(LANGUAGES) - 2)
    assert set(biased["rank_distance_per_language"].values()) == {expected}
    assert biased["same_language_share@10"] == 1.0


def test_a_random_ranking_has_the_expected_distance_and_no_preference():
    """Of k random answers among n, worst minus best is (n + 1)(k - 1) / (k + 1) on average."""
    corpus = parallel(100)
    scores = random_scores(np.random.default_rng(1), corpus)
    summary = bias.summarise(rank_scores(scores, corpus), corpus)
    k = len(LANGUAGES)
    n = len(corpus.candidates)
    assert summary["rank_distance"] == pytest.approx((n + 1) * (k - 1) / (k + 1), rel=0.05)
    assert summary["same_language_share@10"] == pytest.approx(1 / k, rel=0.1)


# ----------------------------------------------------------------------------------------- shares


def test_language_share_worked_by_hand(worked):
    """Top 2: de:q German German; en:q English German; en:r and en:s German German."""
    corpus, ranking = worked
    share = bias.language_share(ranking, corpus, 2)
    english = pytest.approx({"de": 5 / 6, "en": 1 / 6})
    assert share.loc["de"].to_dict() == {"de": 1.0, "en": 0.0}
    assert share.loc["en"].to_dict() == english
    same = bias.same_language_share(ranking, corpus, 2)
    assert same.to_dict() == pytest.approx({"de": 1.0, "en": 1 / 6})
    summary = bias.summarise(ranking, corpus, 2)
    assert summary["same_language_share@2"] == pytest.approx((1 + 1 / 6) / 2)
    assert summary["language_share@2"]["en"] == english


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


# --------------------------------------------------------------------------- figures without data


def test_one_language_has_no_bias_figures(rng):
    corpus = random_corpus(rng, languages=("en",))
    summary = bias.summarise(rank_scores(random_scores(rng, corpus), corpus), corpus)
    assert set(summary) == {"left_out"}
    missing = summary["left_out"]
    assert missing["rank_distance"] == "needs a query with relevant passages in two languages"
    assert missing["mean_rank_correlation@10"] == "needs a question_id in two languages"
    assert len(missing) == 12


def test_german_questions_over_other_passages_have_nothing_to_prefer():
    corpus = corpus_of(
        [("de:1", "de"), ("de:2", "de")],
        [("a", "en"), ("b", "en"), ("c", "zh")],
        [("de:1", "a", 1), ("de:1", "c", 1), ("de:2", "b", 1)],
    )
    summary = bias.summarise(rank_scores(np.array([[3, 2, 1], [1, 2, 3]]), corpus), corpus, 2)
    assert set(summary["left_out"]) == {
        "same_language_share@2",
        "language_preference_rate",
        "removal_loss_same",
        "removal_loss_other",
        "mean_rank_correlation@2",
        "equal_expected_rank",
        "own_language_ndcg@2",
    }
    reason = "needs passages in the language of a query"
    assert summary["left_out"]["same_language_share@2"] == reason
    assert summary["rank_distance"] == 2.0
    assert summary["other_language_recall@2"] == pytest.approx((1 / 2 + 1) / 2)
    assert summary["language_share@2"]["de"] == pytest.approx({"en": 0.75, "zh": 0.25})


def test_questions_in_their_own_language_have_shares_only():
    corpus = corpus_of(
        [("de:1", "de"), ("en:2", "en")],
        [("a", "de"), ("b", "en")],
        [("de:1", "a", 1), ("en:2", "b", 1)],
    )
    summary = bias.summarise(rank_scores(np.array([[2, 1], [1, 2]]), corpus), corpus, 1)
    shares = {"same_language_share@1", "language_share@1", "per_language"}
    assert set(summary) == {"left_out", "own_language_ndcg@1", *shares}
    assert summary["same_language_share@1"] == summary["own_language_ndcg@1"] == 1.0
    assert set(summary["left_out"].values()) == {
        "needs a query with relevant passages in two languages",
        "needs a query with a relevant passage in another language",
        "needs a query with relevant passages in its own and in another language",
        "needs a query with relevant passages of one grade in two languages, several in one of "
        "them",
        "needs a question_id in two languages",
    }


def test_a_query_that_the_whole_corpus_answers_has_no_normalised_max_rank():
    corpus = corpus_of(
        [("de:1", "de"), ("en:1", "en")],
        [("a", "de"), ("b", "en"), ("c", "en")],
        [("de:1", "a", 1), ("de:1", "b", 1), ("de:1", "c", 1), ("en:1", "a", 1), ("en:1", "b", 1)],
    )
    ranking = rank_scores(np.array([[3, 2, 1], [2, 3, 1]]), corpus)
    assert bias.normalised_max_rank(ranking, corpus).to_dict() == {"en": 100.0}


def test_summary_holds_only_finite_figures():
    corpus = corpus_of(
        [("de:1", "de"), ("en:2", "en")],
        [("a", "de"), ("b", "en")],
        [("de:1", "a", 1), ("de:1", "b", 1), ("en:2", "b", 1), ("en:2", "a", 1)],
    )
    summary = bias.summarise(rank_scores(np.array([[2.0, 1.0], [1.0, 2.0]]), corpus), corpus, 1)
    assert "mean_rank_correlation@1" not in summary
    assert "normalised_max_rank" not in summary
    reason = summary["left_out"]["normalised_max_rank"]
    assert reason.endswith("in two languages, and a passage that is not relevant to it")
    assert summary["language_preference_rate"] == 1.0
    assert summary["rank_distance"] == 1.0
    assert all(np.isfinite(value) for value in summary.values() if isinstance(value, float))


def test_a_question_that_stands_twice_in_a_language_has_no_rank_correlation():
    corpus = corpus_of(
        [("x:q", "de"), ("y:q", "en"), ("z:q", "en")], [("a", "de"), ("b", "en")], [("x:q", "a", 1)]
    )
    ranking = rank_scores(np.eye(3)[:, :2], corpus)
    summary = bias.summarise(ranking, corpus)
    assert "mean_rank_correlation@10" not in summary
    reason = "needs one query for a question_id in a language"
    assert summary["left_out"]["mean_rank_correlation@10"] == reason
    with pytest.raises(InputError, match="a question_id stands twice in a language"):
        bias.mean_rank_correlation(ranking, corpus, 2)


@pytest.mark.parametrize("k", [0, 6])
def test_a_k_that_the_top_lists_do_not_reach_is_refused(k, rng):
    corpus = random_corpus(rng)
    ranking = rank_scores(random_scores(rng, corpus), corpus, top_k=5)
    for figure in (bias.language_share, bias.mean_rank_correlation, bias.summarise):
        with pytest.raises(InputError, match=f"k is {k}, but the ranking holds the best 5"):
            figure(ranking, corpus, k)


# ------------------------------------------------------------------------------ the other figures


def test_the_other_figures_worked_by_hand():
    """One German query; answers at ranks 1 (de), 3 (en) and 4 (zh) of 8 candidates."""
    languages = dict(zip("abcxyzuv", ["de", "en", "zh", "de", "de", "en", "zh", "zh"]))
    relevance = [("de:1", name, 1) for name in "abc"]
    corpus = corpus_of([("de:1", "de")], languages.items(), relevance)
    score = dict(zip("axbcyzuv", range(9, 1, -1)))
    scores = [[score[name] for name in corpus.candidates["candidate_id"]]]
    ranking = rank_scores(np.array(scores, dtype=np.float32), corpus, top_k=3)
    assert bias.max_rank(ranking)["de"] == 4
    normalised = 100 * (3 - 2) / (3 - np.log2(3))
    assert bias.normalised_max_rank(ranking, corpus)["de"] == pytest.approx(normalised)
    assert bias.other_language_recall(ranking, 3)["de"] == 0.5
    assert bias.language_preference_rate(ranking)["de"] == 1.0

    # Without b or c the other one is 3rd; without a, b is 2nd and c 3rd.
    ap = (1 / 1 + 2 / 3 + 3 / 4) / 3
    lost = bias.removal_test(ranking).loc["de"]
    assert lost["same"] == pytest.approx(ap - (1 / 2 + 2 / 3) / 2)
    assert lost["other"] == pytest.approx(ap - (1 / 1 + 2 / 3) / 2)


def test_removal_is_that_of_ranking_again_without_the_candidate(rng):
    corpus = random_corpus(rng, top_grade=1)
    scores = random_scores(rng, corpus)
    ranking = rank_scores(scores, corpus)
    rows = []
    for query, group in ranking.relevant.groupby("query"):
        own = group["candidate_lang"] == group["query_lang"]
        if own.all() or not own.any():
            continue
        relevant = set(group["candidate"])
        full = average_precision(scores[query], relevant)
        losses: dict[str, list[float]] = {"same": [], "other": []}
        for candidate, is_own in zip(group["candidate"], own):
            rest = {other - (other > candidate) for other in relevant if other != candidate}
            without = average_precision(np.delete(scores[query], candidate), rest)
            losses["same" if is_own else "other"].append(full - without)
        means = {kind: np.mean(values) for kind, values in losses.items()}
        rows.append({"query_lang": group["query_lang"].iloc[0], **means})
    expected = pd.DataFrame(rows).groupby("query_lang").mean()
    found = bias.removal_test(ranking)
    assert found.index.tolist() == expected.index.tolist()
    assert np.allclose(found[["same", "other"]], expected[["same", "other"]])


def average_precision(scores: np.ndarray, relevant: set[int]) -> float:
    """Return AP by sorting."""
    order = np.argsort(-scores, kind="stable")
    ranks = np.flatnonzero([row in relevant for row in order]) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def test_rank_correlation_is_spearmans_over_the_union(rng):
    first = np.array([rng.choice(15, 6, replace=False) for _ in range(30)])
    second = np.array([rng.choice(15, 6, replace=False) for _ in range(30)])
    for a, b, value in zip(first, second, bias.spearman_of_lists(first, second)):
        ranks = []
        for side in (a.tolist(), b.tolist()):
            union = sorted({*a.tolist(), *b.tolist()})
            ranks.append([side.index(c) + 1 if c in side else 7 for c in union])
        assert value == pytest.approx(spearmanr(*ranks).statistic)
    assert bias.spearman_of_lists(first, first) == pytest.approx(np.ones(30))


def test_rank_correlation_of_equal_rankings_is_one(rng):
    corpus = random_corpus(rng, presence=1.0)
    by_question = {}
    for question in corpus.queries["question_id"].unique():
        by_question[question] = rng.standard_normal(len(corpus.candidates))
    scores = np.stack([by_question[question] for question in corpus.queries["question_id"]])
    correlation = bias.mean_rank_correlation(rank_scores(scores, corpus), corpus, 10)
    assert correlation == pytest.approx(1.0)
