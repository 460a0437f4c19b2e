"""One query under every strategy of a study: the ranks of its answers, and its top results."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridlib.figures.tables import example_query, top_of_query
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study.folder import Study, label
from hybridlib.study.per_query import systems


def answer_ranks(runs: Sequence[Study]) -> pd.DataFrame:
    """Return the ranks of one query's answers under each strategy, of the first seed.

    :func:`hybridlib.figures.answer_ranks` draws it.
    """
    query = example_query(runs[0].evaluation_corpus())
    parts = []
    for run in _first_seeds(runs):
        ranks = pd.read_parquet(run.run / "ranks.parquet", filters=[("query", "==", query)])
        parts.append(ranks.assign(strategy=label(run.params), query=ranks["query_lang"] + " query"))
    return pd.concat(parts, ignore_index=True)


def top_results(runs: Sequence[Study], k: int = 10) -> tuple[str, pd.DataFrame]:
    """Return the same query's text, and its top k under each strategy, of the first seed.

    :func:`hybridlib.figures.top_lists` draws it.

    Returns:
        The text; and columns rank, lang, text, score, right (a mark where it is relevant) and
        strategy.
    """
    corpus = runs[0].evaluation_corpus()
    query = example_query(corpus)
    parts = []
    for run in _first_seeds(runs):
        results = top_of_query(corpus, Ranking.load(run.run), query).head(k)
        parts.append(results.assign(strategy=label(run.params)))
    return corpus.queries["text"][query], pd.concat(parts, ignore_index=True)


def _first_seeds(runs: Sequence[Study]) -> list[Study]:
    """Return the first run of each encoder and strategy."""
    return [seeds[0] for seeds in systems(runs).values()]
