"""Parallel question-passage tables to train on, and retrieval corpora to evaluate on.

Training pairs are one DataFrame with PAIR_COLUMNS: the same ``pair_id`` in two languages means translation of
each other; the same ``passage_id``, the same passage content in any language. A :class:`RetrievalCorpus` holds
queries, candidates and the relevance between them. Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from hybridlib.errors import InputError
from hybridlib.files import read_json, write_json


@dataclass(frozen=True)
class RetrievalCorpus:
    """Queries, candidates and relevance of one evaluation.

    Attributes:
        name: what results call it.
        queries: columns query_id, lang, question_id, text. Language copies of a question share question_id.
        candidates: columns candidate_id, lang, group, text; sorted by (lang, candidate_id). The row number is
            the document index that breaks ties. Candidates with the same ``group`` say the same thing.
        qrels: columns query, candidate (row numbers), grade (int, 1 = relevant).
        candidate_text: ``sentence``, ``context`` or ``passage``: what a candidate's text holds.
    """

    name: str
    queries: pd.DataFrame
    candidates: pd.DataFrame
    qrels: pd.DataFrame
    candidate_text: str = "passage"

    @property
    def languages(self) -> list[str]:
        """Languages that have candidates, sorted."""
        return sorted(self.candidates["lang"].unique())

    @property
    def hash(self) -> str:
        """Identifies the content."""
        digest = hashlib.sha256(self.candidate_text.encode())
        for frame in (self.queries, self.candidates, self.qrels):
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
        return digest.hexdigest()[:16]

    def restrict(self, languages: Iterable[str] | None) -> RetrievalCorpus:
        """Only the queries and candidates in ``languages`` (None: all)."""
        if languages is None:
            return self
        wanted = sorted(languages)
        missing = sorted(set(wanted) - set(self.languages))
        if missing:
            raise InputError(
                f"corpus {self.name!r} has no {', '.join(missing)}; it has {', '.join(self.languages)}: change eval_languages"
            )
        return self.keep(
            self.queries["lang"].isin(wanted).to_numpy(),
            self.candidates["lang"].isin(wanted).to_numpy(),
        )

    def keep(self, queries: np.ndarray, candidates: np.ndarray) -> RetrievalCorpus:
        """Only the queries and candidates whose entry in these masks is true, numbered anew."""
        keep = [queries, candidates]
        number = [np.where(k, np.cumsum(k) - 1, -1) for k in keep]
        qrels = self.qrels.assign(
            query=number[0][self.qrels["query"]], candidate=number[1][self.qrels["candidate"]]
        )
        qrels = qrels[(qrels["query"] >= 0) & (qrels["candidate"] >= 0)].reset_index(drop=True)
        return replace(
            self,
            queries=self.queries[keep[0]].reset_index(drop=True),
            candidates=self.candidates[keep[1]].reset_index(drop=True),
            qrels=qrels,
        )

    def save(self, folder: Path) -> None:
        """Write queries, candidates and qrels as parquet, and corpus.json last."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("queries", "candidates", "qrels"):
            getattr(self, part).to_parquet(folder / f"{part}.parquet", index=False)
        write_json(
            folder / "corpus.json", {"name": self.name, "candidate_text": self.candidate_text}
        )

    @classmethod
    def load(cls, folder: Path) -> RetrievalCorpus:
        """Read what :meth:`save` wrote."""
        if not (folder / "corpus.json").exists():
            raise InputError(
                f"{folder}: no corpus.json: not a prepared corpus; run 01_data_prep for this study first"
            )
        parts = {
            part: pd.read_parquet(folder / f"{part}.parquet")
            for part in ("queries", "candidates", "qrels")
        }
        return cls(**read_json(folder / "corpus.json"), **parts)

    @classmethod
    def build(
        cls,
        name: str,
        queries: pd.DataFrame,
        candidates: pd.DataFrame,
        relevance: pd.DataFrame,
        candidate_text: str = "passage",
    ) -> RetrievalCorpus:
        """Sort, number and check. ``relevance``: columns query_id, candidate_id, grade.

        The order of the rows given does not matter: candidates are numbered by (lang, candidate_id). Pairs with a
        grade of 0 or less are judged not relevant, and left out.

        Raises:
            InputError: a repeated id, an empty text, a language that cannot name a file, or relevance that names an unknown
                id; it says which.
        """
        relevance = relevance[relevance["grade"] > 0]
        for frame in (queries, candidates):
            _check_languages_are_names(name, frame["lang"])
        queries = queries.sort_values(["lang", "query_id"], ignore_index=True)
        candidates = candidates.sort_values(["lang", "candidate_id"], ignore_index=True)
        _check_texts(name, queries, "query_id", "text")
        _check_texts(name, candidates, "candidate_id", "text")
        qrels = pd.DataFrame(
            {
                "query": _number(name, relevance["query_id"], queries["query_id"]),
                "candidate": _number(name, relevance["candidate_id"], candidates["candidate_id"]),
                "grade": relevance["grade"].to_numpy(),
            }
        )
        return cls(
            name,
            queries,
            candidates,
            qrels.sort_values(["query", "candidate"], ignore_index=True),
            candidate_text,
        )


def corpus_from_pairs(name: str, pairs: pd.DataFrame) -> RetrievalCorpus:
    """Every question of ``pairs`` is a query; every passage in every language, once, a candidate.

    Relevant to a question is every candidate with its passage_id, in any language.
    """
    pairs = pairs.sort_values(["lang", "passage_id", "pair_id"])
    queries = pd.DataFrame(
        {
            "query_id": pairs["lang"] + ":" + pairs["pair_id"],
            "lang": pairs["lang"],
            "question_id": pairs["pair_id"],
            "text": pairs["question"],
        }
    )
    unique = pairs.drop_duplicates(["lang", "passage_id"])
    candidates = pd.DataFrame(
        {
            "candidate_id": unique["lang"] + ":" + unique["passage_id"],
            "lang": unique["lang"],
            "group": unique["passage_id"],
            "text": unique["passage"],
        }
    )
    asked = queries.assign(group=pairs["passage_id"])[["query_id", "group"]]
    relevance = asked.merge(candidates[["candidate_id", "group"]], on="group").assign(grade=1)
    return RetrievalCorpus.build(name, queries, candidates, relevance)


def _check_texts(
    where: str, frame: pd.DataFrame, key: str, column: str, unique: bool = True
) -> None:
    if not len(frame):
        raise InputError(f"{where}: holds no record")
    empty = frame[frame[column].isna() | (frame[column].str.strip() == "")]
    if len(empty):
        raise InputError(
            f"{where}: {column} of {key} {empty.iloc[0][key]!r} ({empty.iloc[0]['lang']}) is empty; every text needs words"
        )
    if unique and frame[key].duplicated().any():
        raise InputError(
            f"{where}: {key} {frame.loc[frame[key].duplicated(), key].iloc[0]!r} stands twice; ids must be unique"
        )


def _check_languages_are_names(where: str, languages: pd.Series) -> None:
    strange = [
        lang for lang in languages.unique() if lang == "all" or not re.fullmatch(r"[\w.-]+", lang)
    ]
    if strange:
        raise InputError(
            f"{where}: {strange[0]!r} cannot be a language: use letters, digits, '-', '_' and '.' (results name files by it), and not 'all', which means all languages pooled"
        )


def _number(where: str, ids: pd.Series, known: pd.Series) -> np.ndarray:
    """Row numbers of ``ids`` in ``known``."""
    rows = pd.Index(known).get_indexer(pd.Index(ids))
    if (rows < 0).any():
        raise InputError(
            f"{where}: relevance names {ids.to_numpy()[rows < 0][0]!r}, which is neither a query nor a candidate"
        )
    return rows
