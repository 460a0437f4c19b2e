"""The result of a pass over the scores: ranks and top lists, readable without loading torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from hybridlib.data.languages import escaped
from hybridlib.retrieval.answers import Answers

POOL = "all"  # what results call the candidates of all languages together

Cell = tuple[str, str]  # query language, candidate language or POOL


def cell_name(query_lang: str, target: str) -> str:
    """Return the name of a cell in files: ``<query language>-<target>``.

    A hyphen within a language's name is written ``%2D`` (:func:`escaped`), so that no two cells
    have one name.

    Args:
        query_lang: language of the queries.
        target: language of the candidates, or ``all``.
    """
    return f"{escaped(query_lang)}-{escaped(target)}"


def cell_names(query_lang: pd.Series, target: pd.Series) -> pd.Categorical:
    """Return the name of each row's cell (:func:`cell_name`), made once for each pair of languages.

    Args:
        query_lang: language of each row's query.
        target: language of its candidates, or ``all``.
    """
    queries = query_lang.astype("category").cat
    targets = target.astype("category").cat
    names = [cell_name(lang, other) for lang in queries.categories for other in targets.categories]
    codes = queries.codes.to_numpy(int) * len(targets.categories) + targets.codes.to_numpy(int)
    return pd.Categorical.from_codes(codes, names)


@dataclass(frozen=True)
class Ranking:
    """Ranks of the relevant candidates, and the best candidates of each query.

    Attributes:
        relevant: one row per query and relevant candidate: query, candidate (row numbers), grade,
            query_lang, candidate_lang, rank_pool, rank_lang (1 is best).
        top: candidate row numbers of each query's best k in the whole corpus, best first,
            ``[queries, k]``.
        top_scores: their scores, ``[queries, k]``.
    """

    relevant: pd.DataFrame
    top: np.ndarray
    top_scores: np.ndarray

    @cached_property
    def answers(self) -> Answers:
        """The content of ``relevant`` as columns of numbers, made once."""
        return Answers(self.relevant)

    def save(self, folder: Path) -> None:
        """Write ranks.parquet and top.npz."""
        self.relevant.to_parquet(folder / "ranks.parquet", index=False)
        np.savez(folder / "top.npz", top=self.top, top_scores=self.top_scores)

    @classmethod
    def load(cls, folder: Path) -> Ranking:
        """Read what :meth:`save` wrote."""
        top = np.load(folder / "top.npz")
        return cls(pd.read_parquet(folder / "ranks.parquet"), top["top"], top["top_scores"])
