"""One query under every strategy of a study: its answers' ranks, and the languages on top."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridlib.figures.tables import example_query
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


def top_languages(runs: Sequence[Study], k: int = 10) -> tuple[str, pd.DataFrame]:
    """Return the same query's text, and the languages of its top k under each strategy.

    Returns:
        The text; and a row per strategy (of the first seed), a column per rank, with the
        candidate's language, and a star where it is relevant.
    """
    corpus = runs[0].evaluation_corpus()
    query = example_query(corpus)
    languages = corpus.candidates["lang"]
    relevant = set(corpus.qrels.loc[corpus.qrels["query"] == query, "candidate"])
    rows = {}
    for run in _first_seeds(runs):
        top = Ranking.load(run.run).top[query, :k].tolist()
        rows[label(run.params)] = [languages[row] + "*" * (row in relevant) for row in top]
    ranks = range(1, len(next(iter(rows.values()))) + 1)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=ranks)
    return corpus.queries["text"][query], table


def _first_seeds(runs: Sequence[Study]) -> list[Study]:
    """Return the first run of each encoder and strategy."""
    return [seeds[0] for seeds in systems(runs).values()]
