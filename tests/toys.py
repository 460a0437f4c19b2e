"""Small parallel tables and corpora for the tests, and rankings by plain sorting to check by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.retrieval.rank import rank
from hybridlib.retrieval.ranking import Ranking

LANGUAGES = ("ar", "de", "en", "zh")


def pair_table(
    count: int = 40, languages: Iterable[str] = LANGUAGES, missing: Iterable[tuple[int, str]] = ()
) -> pd.DataFrame:
    """Training pairs ``p000``, ``p001``, ... in every language, but for those in ``missing``."""
    left_out = set(missing)
    rows = [
        (
            f"p{number:03d}",
            "toy",
            lang,
            f"question {number} in {lang}",
            f"passage {number} in {lang}",
            f"p{number:03d}",
        )
        for number in range(count)
        for lang in languages
        if (number, lang) not in left_out
    ]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def corpus_of(
    queries: Iterable[tuple[str, str]],
    candidates: Iterable[tuple[str, str]],
    relevance: Iterable[tuple[str, str, int]],
    name: str = "toy",
) -> RetrievalCorpus:
    """Build a corpus from (id, language) pairs and (query id, candidate id, grade) triples."""
    query_frame = pd.DataFrame(list(queries), columns=["query_id", "lang"])
    candidate_frame = pd.DataFrame(list(candidates), columns=["candidate_id", "lang"])
    query_frame = query_frame.assign(
        question_id=query_frame["query_id"].str.split(":").str[-1],
        text="q " + query_frame["query_id"],
    )
    query_frame["question_id"] = query_frame["question_id"].astype("str")
    candidate_frame = candidate_frame.assign(
        group=candidate_frame["candidate_id"], text="c " + candidate_frame["candidate_id"]
    )
    return RetrievalCorpus.build(
        name,
        query_frame,
        candidate_frame,
        pd.DataFrame(list(relevance), columns=["query_id", "candidate_id", "grade"]),
    )


def random_corpus(
    rng: np.random.Generator,
    languages: tuple[str, ...] = LANGUAGES,
    questions: int = 20,
    distractors: int = 12,
    presence: float = 0.75,
    top_grade: int = 3,
) -> RetrievalCorpus:
    """Build a partly parallel corpus: questions and answers exist in some languages only.

    Grades go from 1 to ``top_grade``.
    """
    queries, candidates, relevance = [], [], []
    for question in range(questions):
        asked = [lang for lang in languages if rng.random() < presence] or [languages[0]]
        answers = [
            (f"{lang}:{question}.{part}", lang, int(rng.integers(1, top_grade + 1)))
            for lang in languages
            for part in range(2)
            if rng.random() < presence
        ]
        queries += [(f"{lang}:{question}", lang) for lang in asked]
        candidates += [(name, lang) for name, lang, _ in answers]
        relevance += [
            (f"{lang}:{question}", name, grade) for lang in asked for name, _, grade in answers
        ]
    candidates += [
        (f"{lang}:x{number}", lang)
        for lang in languages
        for number in range(int(rng.integers(1, distractors + 1)))
    ]
    return corpus_of(queries, candidates, relevance)


def random_scores(
    rng: np.random.Generator, corpus: RetrievalCorpus, levels: int | None = None
) -> np.ndarray:
    """Draw scores ``[queries, candidates]``; with ``levels``, so few values that most are tied."""
    shape = len(corpus.queries), len(corpus.candidates)
    return (
        rng.standard_normal(shape) if levels is None else rng.integers(0, levels, shape)
    ).astype(np.float32)


def rank_scores(scores: np.ndarray, corpus: RetrievalCorpus, **options: int) -> Ranking:
    """The ranking of given scores: vectors are made whose products are exactly these."""
    return rank(
        np.ascontiguousarray(scores, dtype=np.float32),
        np.eye(scores.shape[1], dtype=np.float32),
        corpus,
        **options,
    )


def sorted_ranks(scores: np.ndarray, corpus: RetrievalCorpus) -> list[tuple[int, int]]:
    """(rank_pool, rank_lang) of every qrel by sorting each row, equal scores by document index."""
    languages = corpus.candidates["lang"].to_numpy()
    ranks = []
    for query, candidate in corpus.qrels[["query", "candidate"]].itertuples(index=False):
        order = np.argsort(-scores[query], kind="stable").tolist()
        own = [column for column in order if languages[column] == languages[candidate]]
        ranks.append((1 + order.index(candidate), 1 + own.index(candidate)))
    return ranks
