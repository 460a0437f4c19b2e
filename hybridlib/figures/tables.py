"""Texts of any script as HTML tables: a browser has the fonts and reading directions for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.retrieval.ranking import Ranking

RIGHT = "\N{CHECK MARK}"  # marks a relevant candidate: never by colour alone

_CELL = [
    ("text-align", "start"),
    ("unicode-bidi", "plaintext"),
    ("max-width", "40em"),
    ("white-space", "normal"),
]


def texts(table: pd.DataFrame, digits: int = 3) -> Styler:
    """Show a table of texts, each read in the direction of its script.

    Args:
        table: any columns; its index is not shown.
        digits: decimals of floats.
    """
    return (
        table.style.hide(axis="index")
        .format(precision=digits, escape="html")
        .set_table_styles([{"selector": "td, th", "props": _CELL}])
    )


def result_list(
    corpus: RetrievalCorpus,
    rows: Sequence[int] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    relevant: Collection[int] = (),
) -> pd.DataFrame:
    """Return the results of a search as a table, best first.

    Args:
        corpus: the corpus whose candidates were searched.
        rows: row numbers of the resulting candidates.
        scores: their scores (cosine, -1 to 1).
        relevant: row numbers of the right answers.

    Returns:
        Columns rank, lang, text, score and right (a check mark where relevant, else "").
    """
    results = corpus.candidates.iloc[np.asarray(rows, dtype=int)]
    right = [RIGHT if row in relevant else "" for row in results.index]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(results) + 1),
            "lang": results["lang"].to_numpy(),
            "text": results["text"].to_numpy(),
            "score": np.asarray(scores, dtype=float),
            "right": right,
        }
    )


def top_of_query(corpus: RetrievalCorpus, ranking: Ranking, query: int) -> pd.DataFrame:
    """Return :func:`result_list` of a query (its row number) in the pool of all languages."""
    rows = ranking.top[query]
    return result_list(corpus, rows, ranking.top_scores[query], relevant_of(corpus, query))


def relevant_of(corpus: RetrievalCorpus, query: int) -> set[int]:
    """Return the row numbers of the candidates that answer a query."""
    return set(corpus.qrels.loc[corpus.qrels["query"] == query, "candidate"])


def example_query(
    corpus: RetrievalCorpus, lang: str = "en", among: Collection[int] | None = None
) -> int:
    """Return the row number of the first query in ``lang``, else of the first query of all.

    Args:
        corpus: its queries.
        lang: the language that is preferred.
        among: row numbers to choose from, if any of them is in ``lang``; None: all.
    """
    in_language = corpus.queries.index[corpus.queries["lang"] == lang]
    if among is not None:
        chosen = in_language[in_language.isin(among)]
        in_language = chosen if len(chosen) else in_language
    return int(in_language[0]) if len(in_language) else 0
