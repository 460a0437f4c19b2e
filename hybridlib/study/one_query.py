"""One query under every strategy of a study: the ranks of its answers, and its top results."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridlib.figures.tables import example_query, top_of_query
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study, label
from hybridlib.study.per_query import systems

# A run is shown beside the first of these that is not its own strategy: the most biased one of the
# paper, and for that one the least biased.
_BESIDE = ("x-x-mono", "hybrid", "x-y", "untrained")


def beside(run: Study) -> Study | None:
    """Return a run of another strategy to show beside a run, of the same encoder and seed.

    It need be evaluated only, and is ``x-x-mono`` where that is another one. None: no other run is
    evaluated yet.
    """
    here = run.params
    for name in _BESIDE:
        for other in run.runs():
            there = other.params
            is_same = (there.encoder, there.seed) == (here.encoder, here.seed)
            is_other = there.strategy == name and name != here.strategy
            if is_same and is_other and is_done(other, "evaluation"):
                return other
    return None


def answer_ranks(runs: Sequence[Study], lang: str = "en") -> pd.DataFrame:
    """Return the ranks of one query's answers under each strategy, of the first seed.

    :func:`hybridlib.figures.answer_ranks` draws it.

    Args:
        runs: of one corpus.
        lang: language of the query, as in :func:`top_results`.
    """
    query = example_query(runs[0].evaluation_corpus(), lang)
    parts = []
    for run in _first_seeds(runs):
        ranks = pd.read_parquet(run.run / "ranks.parquet", filters=[("query", "==", query)])
        parts.append(ranks.assign(strategy=label(run.params), query=ranks["query_lang"] + " query"))
    return pd.concat(parts, ignore_index=True)


def top_results(runs: Sequence[Study], k: int = 10, lang: str = "en") -> tuple[str, pd.DataFrame]:
    """Return a query's text, and its top k under each strategy, of the first seed.

    :func:`hybridlib.figures.top_lists` draws it.

    Args:
        runs: of one corpus.
        k: results of each.
        lang: language of the query, where the corpus has it; the query is the first one.

    Returns:
        The text; and columns rank, lang, text, score, right (a mark where it is relevant) and
        strategy.
    """
    corpus = runs[0].evaluation_corpus()
    query = example_query(corpus, lang)
    parts = []
    for run in _first_seeds(runs):
        results = top_of_query(corpus, Ranking.load(run.run), query).head(k)
        parts.append(results.assign(strategy=label(run.params)))
    return corpus.queries["text"][query], pd.concat(parts, ignore_index=True)


def _first_seeds(runs: Sequence[Study]) -> list[Study]:
    """Return the first run of each encoder and strategy."""
    return [seeds[0] for seeds in systems(runs).values()]
