"""Retrieval corpora: queries, candidates and the relevance between them.

Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather

from hybridlib.data.languages import warn_of_spellings
from hybridlib.data.schema import Field, Schema, Unique, check_frame, row_hashes
from hybridlib.data.values import KEY, LANGUAGE, TEXT, strings
from hybridlib.errors import InputError
from hybridlib.files import read_json, write_json

log = logging.getLogger(__name__)

_UNIQUE = "ids must be unique"

QUERIES = Schema(
    (
        Field("query_id", KEY),
        Field("lang", LANGUAGE),
        Field("question_id", KEY),
        Field("text", TEXT),
    ),
    (Unique(("query_id",), _UNIQUE),),
)
CANDIDATES = Schema(
    (Field("candidate_id", KEY), Field("lang", LANGUAGE), Field("group", KEY), Field("text", TEXT)),
    (Unique(("candidate_id",), _UNIQUE),),
)


@dataclass(frozen=True)
class RetrievalCorpus:
    """Queries, candidates and relevance of one evaluation.

    Every part is checked when a corpus is made, wherever it comes from: a wrong value, an id that
    stands twice, a judgment that does and one that names no row are InputErrors.

    Attributes:
        name: what results call it.
        queries: columns query_id, lang, question_id, text. The language copies of a question
            share their question_id.
        candidates: columns candidate_id, lang, group, text; sorted by (lang, candidate_id). The
            row number is the document index that breaks ties. Candidates with the same ``group``
            have the same content.
        qrels: columns query, candidate (row numbers), grade (a whole number, 1 = relevant).
        candidate_text: ``sentence``, ``context`` or ``passage``: what a candidate's text holds.
        checked: whether queries and candidates have been checked before; not kept.
    """

    name: str
    queries: pd.DataFrame
    candidates: pd.DataFrame
    qrels: pd.DataFrame
    candidate_text: str = "passage"
    checked: InitVar[bool] = False

    def __post_init__(self, checked: bool) -> None:
        """Check the parts."""
        # A part in one language may have no queries, or no candidates.
        if len(self.queries) and not checked:
            check_frame(QUERIES, f"{self.name}: queries", self.queries)
        if len(self.candidates) and not checked:
            check_frame(CANDIDATES, f"{self.name}: candidates", self.candidates)
        self._check_order()
        self._check_qrels()

    def _check_order(self) -> None:
        """Check that candidates are sorted by language and id."""
        languages = strings(self.candidates["lang"])
        ids = strings(self.candidates["candidate_id"])
        same_language = pc.equal(languages[:-1], languages[1:])
        ascending = pc.or_(
            pc.less(languages[:-1], languages[1:]),
            pc.and_(same_language, pc.less(ids[:-1], ids[1:])),
        )
        if not pc.all(ascending, min_count=0).as_py():
            row = pc.index(ascending, False).as_py() + 1
            raise InputError(
                f"{self.name}: candidates: row {row} is not in the order of (lang, candidate_id); "
                "RetrievalCorpus.build sorts them"
            )

    def _check_qrels(self) -> None:
        """Check that judgments name rows, once each, by query, and have grades from 1."""
        source = f"{self.name}: qrels"
        for column in ("query", "candidate", "grade"):
            if column not in self.qrels:
                raise InputError(f"{source}: no column {column}")
        _check_grades(source, self.qrels)
        for column, count in (("query", len(self.queries)), ("candidate", len(self.candidates))):
            numbers = self.qrels[column]
            is_whole = pd.api.types.is_integer_dtype(numbers) and not numbers.hasnans
            if len(numbers) and not is_whole:
                raise InputError(f"{source}: {column} holds no row numbers")
            outside = ~numbers.between(0, count - 1).to_numpy()
            if outside.any():
                row = int(outside.argmax())
                raise InputError(
                    f"{source}: row {row} names {column} {numbers.iloc[row]} of {count}"
                )
        back = np.diff(self.qrels["query"].to_numpy()) < 0
        if back.any():
            raise InputError(
                f"{source}: row {int(back.argmax()) + 1} is not in the order of the queries; "
                "RetrievalCorpus.build sorts them"
            )
        repeated = self.qrels.duplicated(["query", "candidate"]).to_numpy()
        if repeated.any():
            row = int(repeated.argmax())
            raise InputError(f"{source}: row {row} stands twice; a pair is judged once")
        if (self.qrels["grade"] < 1).any():
            raise InputError(f"{source}: a grade below 1; only what is relevant is kept")

    @property
    def languages(self) -> list[str]:
        """Return the languages that have candidates, sorted."""
        return sorted(self.candidates["lang"].unique())

    @property
    def hash(self) -> str:
        """Return a hash of the content, 16 hexadecimal digits."""
        digest = hashlib.sha256(self.candidate_text.encode())
        for frame in (self.queries, self.candidates, self.qrels):
            digest.update(row_hashes(frame).tobytes())
        return digest.hexdigest()[:16]

    def restrict(self, languages: Iterable[str] | None) -> RetrievalCorpus:
        """Return the corpus with the queries and candidates in ``languages`` only (None: all).

        Raises:
            InputError: the corpus has no candidates in one of the languages.
        """
        if languages is None:
            return self
        wanted = sorted(languages)
        missing = sorted(set(wanted) - set(self.languages))
        if missing:
            raise InputError(
                f"corpus {self.name!r} has no {', '.join(missing)}; "
                f"it has {', '.join(self.languages)}: change the languages (eval_languages)"
            )
        return self.keep(
            self.queries["lang"].isin(wanted).to_numpy(),
            self.candidates["lang"].isin(wanted).to_numpy(),
        )

    def keep(self, queries: np.ndarray, candidates: np.ndarray) -> RetrievalCorpus:
        """Return the corpus with some of its queries and candidates, numbered anew.

        Args:
            queries: boolean mask of the queries to keep, shape ``[queries]``.
            candidates: boolean mask of the candidates to keep, shape ``[candidates]``.
        """
        # A judgment stays if both of its ends do.
        qrels = self.qrels.assign(
            query=_new_numbers(queries)[self.qrels["query"]],
            candidate=_new_numbers(candidates)[self.qrels["candidate"]],
        )
        qrels = qrels[(qrels["query"] >= 0) & (qrels["candidate"] >= 0)]
        return replace(
            self,
            queries=self.queries[queries].reset_index(drop=True),
            candidates=self.candidates[candidates].reset_index(drop=True),
            qrels=qrels.reset_index(drop=True),
            checked=True,
        )

    def save(self, folder: Path) -> None:
        """Write queries and qrels (parquet), candidates (Arrow), and corpus.json last."""
        folder.mkdir(parents=True, exist_ok=True)
        self.queries.to_parquet(folder / "queries.parquet", index=False)
        self.qrels.to_parquet(folder / "qrels.parquet", index=False)
        _save_mapped(self.candidates, folder / "candidates.arrow")
        (folder / "candidates.parquet").unlink(missing_ok=True)  # of an earlier version
        about = {"name": self.name, "candidate_text": self.candidate_text}
        write_json(folder / "corpus.json", about)

    @classmethod
    def load(cls, folder: Path) -> RetrievalCorpus:
        """Read what :meth:`save` wrote; memory holds what is in use of the candidates.

        Raises:
            InputError: the folder has no corpus.json, or a file that cannot be read.
        """
        if not (folder / "corpus.json").exists():
            raise InputError(
                f"{folder}: no corpus.json: not a prepared corpus; "
                "run 01_data_prep for this study first"
            )
        try:
            queries = pd.read_parquet(folder / "queries.parquet")
            qrels = pd.read_parquet(folder / "qrels.parquet")
            mapped = folder / "candidates.arrow"
            if mapped.exists():
                candidates = feather.read_table(mapped, memory_map=True).to_pandas()
            else:  # of an earlier version
                candidates = pd.read_parquet(folder / "candidates.parquet")
            about = read_json(folder / "corpus.json")
            name = str(about["name"])
            candidate_text = str(about["candidate_text"])
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise InputError(
                f"{folder}: cannot be read as a prepared corpus ({error}); "
                "run 01_data_prep for this study again"
            ) from None
        return cls(name, queries, candidates, qrels, candidate_text)

    @classmethod
    def build(
        cls,
        name: str,
        queries: pd.DataFrame,
        candidates: pd.DataFrame,
        relevance: pd.DataFrame,
        candidate_text: str = "passage",
    ) -> RetrievalCorpus:
        """Sort, number and check the parts of a corpus.

        The order of the given rows does not matter: candidates are numbered by
        (lang, candidate_id). Pairs with a grade of 0 or less were judged not relevant and are
        dropped.

        Args:
            name: the name of the corpus.
            queries: columns query_id, lang, question_id, text.
            candidates: columns candidate_id, lang, group, text.
            relevance: columns query_id, candidate_id, grade.
            candidate_text: what a candidate's text holds.

        Raises:
            InputError: a repeated id, an empty text, a language that cannot name a file, a grade
                that is no whole number, or relevance that names an unknown id or stands twice;
                the message says which.
        """
        check_frame(QUERIES, f"{name}: queries", queries)
        check_frame(CANDIDATES, f"{name}: candidates", candidates)
        _check_grades(f"{name}: relevance", relevance)
        relevance = relevance[relevance["grade"] > 0]
        warn_of_spellings(name, {*queries["lang"].unique(), *candidates["lang"].unique()})

        # From here on a row number names a query or a candidate.
        queries = _sorted(queries, ["lang", "query_id"])
        candidates = _sorted(candidates, ["lang", "candidate_id"])

        # Relevance names them by row numbers too.
        columns = {
            "query": _row_numbers(name, relevance["query_id"], queries["query_id"]),
            "candidate": _row_numbers(name, relevance["candidate_id"], candidates["candidate_id"]),
            "grade": relevance["grade"].to_numpy(),
        }
        qrels = pd.DataFrame(columns).sort_values(["query", "candidate"], ignore_index=True)
        return cls(name, queries, candidates, qrels, candidate_text, checked=True)


def corpus_from_pairs(name: str, pairs: pd.DataFrame) -> RetrievalCorpus:
    """Make a corpus of training pairs.

    Every question is a query. Every passage in every language, once, is a candidate; of two
    different texts with one passage_id both are. The id of the second ends in ``~2``, or in
    ``~~2`` where a passage_id ends so itself. Relevant to a question is every candidate with its
    passage_id, in any language.

    Args:
        name: the name of the corpus.
        pairs: columns pair_id, lang, question, passage, passage_id; optional ``asked``: a pair
            where it is false gives a candidate, and no query.
    """
    pairs = pairs.sort_values(["lang", "passage_id", "pair_id"])
    asked = pairs[pairs["asked"].ne(False)] if "asked" in pairs else pairs
    queries = pd.DataFrame(
        {
            "query_id": asked["lang"] + ":" + asked["pair_id"],
            "lang": asked["lang"],
            "question_id": asked["pair_id"],
            "text": asked["question"],
        }
    )
    passages = pairs.drop_duplicates(["lang", "passage_id", "passage"])
    texts_before = passages.groupby(["lang", "passage_id"]).cumcount()
    # Of a passage_id that ends in ~2 itself, no other may become one.
    mark = "~"
    while passages["passage_id"].str.contains(rf"{mark}\d+$").any():
        mark += "~"
    endings = (mark + (texts_before + 1).astype(str)).where(texts_before > 0, "")
    candidates = pd.DataFrame(
        {
            "candidate_id": passages["lang"] + ":" + passages["passage_id"] + endings,
            "lang": passages["lang"],
            "group": passages["passage_id"],
            "text": passages["passage"],
        }
    )
    # Each question is joined with every candidate of its passage, whatever the language.
    answers = queries.assign(group=asked["passage_id"])[["query_id", "group"]]
    relevance = answers.merge(candidates[["candidate_id", "group"]], on="group").assign(grade=1)
    return RetrievalCorpus.build(name, queries, candidates, relevance)


def corpus_from_judgments(
    name: str, queries: pd.DataFrame, candidates: pd.DataFrame, relevance: pd.DataFrame
) -> RetrievalCorpus:
    """Make a corpus of judged pairs; queries without a relevant candidate are dropped.

    A warning says how many are dropped, and names the first. The arguments are those of
    :meth:`RetrievalCorpus.build`.

    Raises:
        InputError: no query has a relevant candidate, or what ``build`` raises.
    """
    _check_grades(f"{name}: relevance", relevance)
    relevance = relevance[relevance["grade"] > 0]
    answered = queries["query_id"].isin(relevance["query_id"])
    if not answered.any():
        raise InputError(
            f"{name}: no query has a relevant passage (a grade of 1 or more) among the passages; "
            "check the qrels and the languages"
        )
    if not answered.all():
        log.warning(
            "%s: left out %d of %d queries, which have no relevant passage (first: %r)",
            name,
            (~answered).sum(),
            len(queries),
            queries.loc[~answered, "query_id"].min(),
        )
    return RetrievalCorpus.build(name, queries[answered], candidates, relevance)


def _sorted(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return a table sorted by columns of strings; pandas takes several times its memory."""
    keys = pa.table({column: strings(frame[column]) for column in columns})
    order = pc.sort_indices(keys, [(column, "ascending") for column in columns])
    return frame.iloc[order.to_numpy()].reset_index(drop=True)


def _save_mapped(frame: pd.DataFrame, file: Path) -> None:
    """Write a table so that it is read without a copy: not packed, each column in one piece.

    It is written aside, as a table that is open may be mapped from the same file.
    """
    aside = file.with_name(f"{file.name}.part")
    rows = max(1, len(frame))
    feather.write_feather(frame, aside, compression="uncompressed", chunksize=rows)
    aside.replace(file)


def _check_grades(source: str, relevance: pd.DataFrame) -> None:
    """Check that every grade is a whole number."""
    grades = relevance["grade"]
    if len(grades) and not pd.api.types.is_integer_dtype(grades):
        raise InputError(f"{source}: grades are of type {grades.dtype}, not whole numbers")
    if grades.isna().any():
        raise InputError(f"{source}: row {int(grades.isna().to_numpy().argmax())} has no grade")


def _new_numbers(mask: np.ndarray) -> np.ndarray:
    """Return the new row number of each row if those in ``mask`` are kept, -1 for the others."""
    return np.where(mask, np.cumsum(mask) - 1, -1)


def _row_numbers(source: str, ids: pd.Series, known: pd.Series) -> np.ndarray:
    """Return the row number in ``known`` of each of ``ids``."""
    # An index of those that are named alone: of ten million ids it would take a gigabyte.
    named = np.flatnonzero(known.isin(ids.unique()))
    positions = pd.Index(known.iloc[named]).get_indexer(pd.Index(ids))
    rows = np.append(named, -1)[positions]
    if (rows < 0).any():
        raise InputError(
            f"{source}: relevance names {ids.to_numpy()[rows < 0][0]!r}, "
            "which is neither a query nor a candidate"
        )
    return rows
