"""Texts of any script as HTML tables: a browser has the fonts and the reading direction that a figure lacks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.retrieval.ranking import Ranking

RIGHT = "\N{CHECK MARK}"  # the sign of a relevant candidate: never by colour alone


_CELL = [
    ("text-align", "start"),
    ("unicode-bidi", "plaintext"),
    ("max-width", "40em"),
    ("white-space", "normal"),
]


def texts(table: pd.DataFrame, digits: int = 3) -> Styler:
    """A table of texts, each read in the direction of its script; floats with ``digits`` decimals, no index."""
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
    """What a search found, best first: columns rank, lang, text, score and right (a check mark where relevant).

    Args:
        corpus: whose candidates were searched.
        rows: row numbers of the candidates found.
        scores: their scores (cosine, -1 to 1), as many.
        relevant: row numbers of the right answers.
    """
    found = corpus.candidates.iloc[np.asarray(rows, dtype=int)]
    right = [RIGHT if row in relevant else "" for row in found.index]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(found) + 1),
            "lang": found["lang"].to_numpy(),
            "text": found["text"].to_numpy(),
            "score": np.asarray(scores, dtype=float),
            "right": right,
        }
    )


def top_of_query(corpus: RetrievalCorpus, ranking: Ranking, query: int) -> pd.DataFrame:
    """:func:`result_list` of a query (its row number) in the pool of all languages."""
    return result_list(
        corpus, ranking.top[query], ranking.top_scores[query], relevant_of(corpus, query)
    )


def relevant_of(corpus: RetrievalCorpus, query: int) -> set[int]:
    """Row numbers of the candidates that answer a query."""
    return set(corpus.qrels.loc[corpus.qrels["query"] == query, "candidate"])


def example_query(corpus: RetrievalCorpus, lang: str = "en") -> int:
    """Row number of the first query in ``lang``, or of the first at all where that language has none."""
    in_language = corpus.queries.index[corpus.queries["lang"] == lang]
    return int(in_language[0]) if len(in_language) else 0
