"""Parallel question-passage tables to train on, and retrieval corpora to evaluate on.

Training pairs are one DataFrame with PAIR_COLUMNS: the same ``pair_id`` in two languages means translation of
each other; the same ``passage_id``, the same passage content in any language. A :class:`RetrievalCorpus` holds
queries, candidates and the relevance between them. Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hybridlib import facts
from hybridlib.errors import InputError
from hybridlib.files import read_json, resolve, write_json

if TYPE_CHECKING:
    from hybridlib.params import Params

logger = logging.getLogger(__name__)
PAIR_COLUMNS = ["pair_id", "dataset", "lang", "question", "passage", "passage_id"]
HUB_SETS = ("mmarco", "miracl-train", "mr-tydi", "mfaq")
TRAIN_CORPORA = ("facts", "pairs", "xquad-r", "mlqa-r", "squad", "parallel", *HUB_SETS)
EVAL_CORPORA = ("facts", "pairs", "xquad-r", "mlqa-r", "folder", "miracl")
LAREQA_LANGUAGES = {
    "xquad-r": ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    "mlqa-r": ("ar", "de", "en", "es", "hi", "vi", "zh"),
}


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


# ---------------------------------------------------------------------------------------------------- LAReQA


def load_lareqa(
    folder: str | Path,
    name: str,
    languages: Iterable[str] | None = None,
    candidate_text: str = "sentence",
) -> RetrievalCorpus:
    """Read a folder of LAReQA's ``<lang>.json`` (SQuAD JSON plus sentence_breaks; arXiv 2004.05484).

    A candidate is one sentence of one paragraph in one language; equal texts are not merged. Relevant to a
    question are, in every language that has its id, the sentences ``[start, end)`` that hold an answer_start.

    Args:
        folder: holds one JSON file per language.
        name: ``xquad-r`` or ``mlqa-r``.
        languages: None takes all of the set.
        candidate_text: ``sentence`` alone, or ``context``: the sentence, a space, and its paragraph.

    Raises:
        InputError: a file that is missing or malformed, an answer outside every sentence, a repeated question
            id, an empty text; with the file and the record.
    """
    folder, wanted = Path(folder), sorted(languages or LAREQA_LANGUAGES[name])
    unknown = sorted(set(wanted) - set(LAREQA_LANGUAGES[name]))
    if unknown:
        raise InputError(
            f"{name} has no {', '.join(unknown)}; it has {', '.join(LAREQA_LANGUAGES[name])}"
        )
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; it should hold {name}'s <lang>.json files from LAReQA (what the hub has of it lacks the sentence breaks: docs/corpora.md)"
        )
    queries: list[tuple] = []
    candidates: list[tuple] = []
    for lang in wanted:
        asked, sentences = _read_lareqa(folder / f"{lang}.json", lang, candidate_text)
        queries += asked
        candidates += sentences
    asked_frame = pd.DataFrame(
        queries, columns=["query_id", "lang", "question_id", "text", "answers"]
    )
    gold = (
        asked_frame[["question_id", "answers"]]
        .explode("answers", ignore_index=True)
        .rename(columns={"answers": "candidate_id"})
    )
    sentence_frame = pd.DataFrame(candidates, columns=["candidate_id", "lang", "text"])
    sentence_frame["group"] = _same_content(sentence_frame["candidate_id"], gold)
    relevance = (
        asked_frame[["query_id", "question_id"]]
        .merge(gold, on="question_id")
        .drop_duplicates(["query_id", "candidate_id"])
        .assign(grade=1)
    )
    return RetrievalCorpus.build(
        name, asked_frame.drop(columns="answers"), sentence_frame, relevance, candidate_text
    )


def _read_lareqa(file: Path, lang: str, candidate_text: str) -> tuple[list[tuple], list[tuple]]:
    """Queries (id, lang, question id, text, answer candidate ids) and candidates (id, lang, text) of one file."""
    queries, candidates, seen = [], [], set()
    for number, paragraph, title in _paragraphs(file):
        where = f"{file}: paragraph {number} ({title!r})"
        context, breaks = (
            _field(paragraph, "context", str, where),
            _field(paragraph, "sentence_breaks", list, where),
        )
        if not all(
            isinstance(limits, list) and [type(limit) for limit in limits] == [int, int]
            for limits in breaks
        ):
            raise InputError(f"{where}: 'sentence_breaks' is not a list of [start, end) offsets")
        names = [f"{lang}-{number:05d}-{position:03d}" for position in range(len(breaks))]
        for candidate_id, (start, end) in zip(names, breaks):
            sentence = context[start:end]
            if not sentence.strip():
                raise InputError(
                    f"{where}: sentence [{start}, {end}) is empty; mend its sentence_breaks"
                )
            candidates.append(
                (
                    candidate_id,
                    lang,
                    sentence if candidate_text == "sentence" else f"{sentence} {context}",
                )
            )
        for qa in _field(paragraph, "qas", list, where):
            question_id = str(_field(qa, "id", str, where))
            if question_id in seen:
                raise InputError(
                    f"{where}: question id {question_id!r} stands twice in this file; ids must be unique within a language"
                )
            seen.add(question_id)
            question = _field(qa, "question", str, f"{where}, question {question_id!r}")
            if not question.strip():
                raise InputError(
                    f"{where}, question {question_id!r}: 'question' is empty; every text needs words"
                )
            queries.append(
                (
                    f"{lang}:{question_id}",
                    lang,
                    question_id,
                    question,
                    _answers(qa, breaks, names, f"{where}, question {question_id!r}"),
                )
            )
    return queries, candidates


def articles(folder: str | Path, languages: Iterable[str]) -> dict[str, int]:
    """Article number of each question id of a LAReQA folder: articles that share a question are one, in whatever languages.

    Args:
        languages: whose files to read; with those of languages that are not trained on, articles of two languages
            are found to be one although none of their questions is in both.
    """
    rows = [
        (f"{lang}:{title}", str(qa["id"]))
        for lang in languages
        for _, paragraph, title in _paragraphs(Path(folder) / f"{lang}.json")
        for qa in paragraph["qas"]
    ]
    titles, questions = (np.array(column) for column in zip(*rows))
    return dict(zip(questions, connected(titles, questions).tolist()))


def connected(nodes: Iterable[str], links: Iterable[str]) -> np.ndarray:
    """A number per row, the same for rows that are tied together by equal nodes or equal links, ``[rows]``."""
    (left, nodes), (right, links) = (
        pd.factorize(np.asarray(list(part), dtype=object)) for part in (nodes, links)
    )
    graph = coo_matrix(
        (np.ones(len(left)), (left, len(nodes) + right)), shape=(len(nodes) + len(links),) * 2
    )
    return connected_components(graph, directed=False)[1][left]


def _paragraphs(file: Path) -> Iterable[tuple[int, dict, str]]:
    """The paragraphs of a SQuAD JSON file, numbered through."""
    try:
        articles = read_json(file)["data"]
        flat = [
            (paragraph, article["title"])
            for article in articles
            for paragraph in article["paragraphs"]
        ]
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such file; each language needs its <lang>.json, or leave that language out"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not valid JSON ({error}); fetch the file again") from None
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: not SQuAD JSON (data > paragraphs, title): {error!r}") from None
    return ((number, paragraph, title) for number, (paragraph, title) in enumerate(flat))


def _field(record: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(record, dict) or not isinstance(record.get(key), kind):
        raise InputError(f"{where}: {key!r} is missing or not a {kind.__name__}")
    return record[key]


def _answers(qa: dict, breaks: list, names: list[str], where: str) -> list[str]:
    """Ids of the sentences that hold an answer's start."""
    found = []
    for answer in _field(qa, "answers", list, where):
        at = _field(answer, "answer_start", int, where)
        inside = [name for name, (start, end) in zip(names, breaks) if start <= at < end]
        if not inside:
            raise InputError(
                f"{where}: answer_start {at} lies in no sentence (sentence_breaks {breaks}); mend the offsets or take the question out"
            )
        found += inside
    if not found:
        raise InputError(f"{where}: has no answer; every question needs one")
    return sorted(set(found))


def _same_content(candidate_ids: pd.Series, gold: pd.DataFrame) -> np.ndarray:
    """Group name per candidate: sentences that answer the same question, in any language, say the same thing."""
    rows = _number("answers", gold["candidate_id"], candidate_ids)
    questions, names = pd.factorize(gold["question_id"])
    count = len(candidate_ids)
    graph = coo_matrix(
        (np.ones(len(rows)), (rows, count + questions)), shape=(count + len(names),) * 2
    )
    label = connected_components(graph, directed=False)[1][:count]
    first = pd.Series(candidate_ids.to_numpy()).groupby(label).transform("min")
    return first.to_numpy()


# ---------------------------------------------------------------------------------------------- training pairs


def load_pairs(file: str | Path) -> pd.DataFrame:
    """Read training pairs from a JSONL, CSV or parquet file.

    Columns: pair_id, lang, question, passage; passage_id (default: pair_id) and dataset (default: the file's
    name) may be left out. A column ``negative``, if there is one, holds a passage that does not answer the question,
    and nothing where none is known.

    Raises:
        InputError: a missing file or column, an empty text, or a (pair_id, lang) that stands twice; which one.
    """
    file = Path(file)
    frame = read_table(file)
    frame = frame.assign(
        **{
            k: v
            for k, v in {"dataset": file.stem, "passage_id": frame.get("pair_id")}.items()
            if k not in frame
        }
    )
    missing = [column for column in PAIR_COLUMNS if column not in frame]
    if missing:
        raise InputError(
            f"{file}: no column {', '.join(missing)}; training pairs have {', '.join(PAIR_COLUMNS)}"
        )
    pairs = frame[PAIR_COLUMNS].astype(str)
    if "negative" in frame:
        pairs["negative"] = (
            frame["negative"].astype(object).where(frame["negative"].notna(), "").astype(str)
        )
    return check_pairs(pairs, str(file))


def load_parallel(
    path: str | Path, languages: Iterable[str], passages: int | None = None
) -> pd.DataFrame:
    """Parallel passages: columns lang, group, text; the same group in two languages means translation.

    Args:
        path: a folder of aligned ``<lang>.txt`` (UTF-8, line n of one is the translation of line n of another, empty
            lines are left out), or a table of training pairs, whose passages are taken.
        languages: which to read.
        passages: only the first so many (in every language); None: all.

    Raises:
        InputError: a missing file, or files of different lengths; which ones.
    """
    path = Path(path)
    if not path.is_dir():
        pairs = (
            load_pairs(path)
            .drop_duplicates(["lang", "passage_id"])
            .rename(columns={"passage_id": "group", "passage": "text"})
        )
        return _first_groups(
            pairs.loc[pairs["lang"].isin(list(languages)), ["lang", "group", "text"]], passages
        )
    texts = {}
    for lang in languages:
        try:
            texts[lang] = (
                (path / f"{lang}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
            )
        except (OSError, UnicodeDecodeError):
            raise InputError(
                f"{path / lang}.txt: cannot be read as UTF-8 text; a folder of parallel passages has a <lang>.txt for each language"
            ) from None
    lengths = {lang: len(lines) for lang, lines in texts.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{path}: the files are not aligned, they have different numbers of lines: {lengths}"
        )
    rows = [
        (lang, f"{number:07d}", line)
        for lang, lines in texts.items()
        for number, line in enumerate(lines)
        if line.strip()
    ]
    return _first_groups(pd.DataFrame(rows, columns=["lang", "group", "text"]), passages)


def _first_groups(table: pd.DataFrame, count: int | None) -> pd.DataFrame:
    return table[table["group"].isin(table["group"].unique()[:count])].reset_index(drop=True)


def read_table(file: Path) -> pd.DataFrame:
    """A JSONL, CSV or parquet file as a DataFrame of strings."""
    readers = {
        ".jsonl": lambda: pd.read_json(file, lines=True, dtype=False),
        ".csv": lambda: pd.read_csv(file, dtype=str, keep_default_na=False),
        ".parquet": lambda: pd.read_parquet(file),
    }
    if file.suffix not in readers:
        raise InputError(f"{file}: a table ends in {', '.join(readers)}")
    try:
        return readers[file.suffix]()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read as {file.suffix[1:]}: {error}") from None


def check_pairs(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The pairs themselves, once they keep the contract of PAIR_COLUMNS; else an InputError."""
    for column in ("pair_id", "lang", "question", "passage", "passage_id"):
        _check_texts(where, frame, "pair_id", column, unique=False)
    twice = frame[frame.duplicated(["pair_id", "lang"])]
    if len(twice):
        first = twice.iloc[0]
        raise InputError(
            f"{where}: pair_id {first['pair_id']!r} stands twice in language {first['lang']!r}; a pair is one row per language"
        )
    return frame


def pairs_from_lareqa(corpus: RetrievalCorpus) -> pd.DataFrame:
    """Training pairs (question, its answer sentence in the same language) of a LAReQA set.

    A question with several answer sentences keeps the first, so that a pair is one row per language.
    """
    joined = corpus.qrels.merge(corpus.queries, left_on="query", right_index=True).merge(
        corpus.candidates, left_on="candidate", right_index=True, suffixes=("", "_candidate")
    )
    own = joined[joined["lang"] == joined["lang_candidate"]].drop_duplicates(["query"])
    frame = pd.DataFrame(
        {
            "pair_id": own["question_id"],
            "dataset": corpus.name,
            "lang": own["lang"],
            "question": own["text"],
            "passage": own["text_candidate"],
            "passage_id": own["group"],
        }
    )
    return frame.sort_values(["pair_id", "lang"], ignore_index=True)


@dataclass(frozen=True)
class StudyData:
    """What a study trains, validates and evaluates on."""

    train: pd.DataFrame
    validation: RetrievalCorpus
    evaluation: RetrievalCorpus

    def save(self, folder: Path) -> None:
        """Write train.parquet, validation/ and evaluation/."""
        self.validation.save(folder / "validation")
        self.evaluation.save(folder / "evaluation")
        self.train.to_parquet(folder / "train.parquet", index=False)


def prepare(params: Params) -> StudyData:
    """Load and split what ``params`` names: one training set, or several in one table.

    Nothing of the evaluation corpus is in training (:func:`apart_from`); validation passages, and where a set has
    articles validation articles, are never trained on. With several sets, pair_id and passage_id begin with the
    set's name, and each set gives its share to the validation.

    Raises:
        InputError: a set cannot be read or split, has none of the languages or is the evaluation corpus too; two
            sets have one name; a language is in no set.
    """
    evaluation = evaluation_corpus(params)
    parts = [_one_set(params, corpus, path, evaluation) for corpus, path in params.training_sets]
    if len(parts) > 1:
        _check_names(parts)
    train, held_out = (_together(frames) for frames in zip(*parts))
    missing = sorted(set(params.languages) - set(train["lang"]))
    if missing:
        raise InputError(
            f"no training pairs in {', '.join(missing)}; change languages to those there are: {', '.join(sorted(set(train['lang'])))}"
        )
    return StudyData(train, corpus_from_pairs("validation", held_out), evaluation)


def _one_set(
    params: Params, corpus: str, path: Path | None, evaluation: RetrievalCorpus
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation pairs of one set, apart from the evaluation corpus."""
    _check_not_evaluated(params, corpus, path)
    if corpus == "facts":
        languages = _wanted_languages("facts", facts.LANGUAGES, params)
        splits = facts.split_facts(
            facts.facts(), params.data_seed, params.validation_fraction, params.test_fraction
        )
        train = facts.phrase(splits["train"], languages, params.data_seed, params.variants)
        held_out = facts.phrase(splits["validation"], languages, params.data_seed, 1)
    else:
        train, held_out = _split_pairs(_training_pairs(params, corpus, path), params)
    return apart_from(train, evaluation), held_out


def _together(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The pairs of several sets under each other, ids told apart by the set's name; of one set, as they are."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0]
    named = [
        frame.assign(
            **{
                column: frame["dataset"] + "/" + frame[column]
                for column in ("pair_id", "passage_id")
            }
        )
        for frame in frames
    ]
    pairs = pd.concat(named, ignore_index=True)
    return pairs.assign(negative=pairs["negative"].fillna("")) if "negative" in pairs else pairs


def _check_names(parts: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    names = [name for train, _ in parts for name in train["dataset"].unique()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"train_corpus: two sets are called {twice[0]!r}, and pairs are told apart by that name; rename the file or folder of one (or change its column dataset)"
        )


def _check_not_evaluated(params: Params, corpus: str, path: Path | None) -> None:
    """Refuses the evaluation corpus itself; the facts are split into training and test."""
    if (
        corpus == params.eval_corpus
        and corpus != "facts"
        and (corpus in LAREQA_LANGUAGES or resolve(path) == resolve(params.eval_corpus_path))
    ):
        raise InputError(
            f"train_corpus and eval_corpus are both {corpus!r} ({path}): what is trained on cannot be evaluated on; choose another set for one of them"
        )


def apart_from(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """The training pairs without those whose question, or whose passage, the evaluation corpus holds too.

    Equal text in the same language is what counts, at least 20 characters of it (10 in scripts without spaces): a
    short phrase says nothing of where it comes from. So does an equal question id, in whatever language, unless it
    is a number or shorter than 8 characters.

    Raises:
        InputError: more than a hundredth of the pairs would go: the two are not different sets. It names the first.
    """
    shared = overlaps(pairs, evaluation)
    if shared.any(axis=None) and shared.any(axis=1).mean() > 0.01:
        raise InputError(_what_overlaps(pairs, shared, evaluation.name))
    gone = shared.any(axis=1)
    if gone.any():
        logger.warning(
            "%d of %d training pairs left out: %s holds their question or passage",
            gone.sum(),
            len(pairs),
            evaluation.name,
        )
    return pairs[~gone].reset_index(drop=True)


def overlaps(pairs: pd.DataFrame, evaluation: RetrievalCorpus) -> pd.DataFrame:
    """What each training pair shares with the evaluation corpus, by the rules of :func:`apart_from`.

    Returns:
        Boolean columns question, passage and pair_id, one row per pair.
    """
    held = {"question": evaluation.queries, "passage": evaluation.candidates}
    known = {
        column: set(zip(frame["lang"], frame["text"].str.strip())) for column, frame in held.items()
    }
    shared = {
        column: [
            _telling(lang, text) and (lang, text) in texts
            for lang, text in zip(pairs["lang"], pairs[column].str.strip())
        ]
        for column, texts in known.items()
    }
    ids = {
        name
        for name in evaluation.queries["question_id"].unique()
        if len(name) >= 8 and not name.isdigit()
    }
    return pd.DataFrame(
        {**shared, "pair_id": pairs["pair_id"].isin(ids).to_numpy()}, index=pairs.index
    )


def _telling(lang: str, text: str) -> bool:
    """Whether a text is long enough to stand in two corpora by its origin alone, not by chance."""
    return len(text) >= (10 if lang in ("zh", "ja") else 20)


def _what_overlaps(pairs: pd.DataFrame, shared: pd.DataFrame, name: str) -> str:
    counts = ", ".join(
        f"{shared[column].sum():,} by their {'question id' if column == 'pair_id' else column}"
        for column in shared
        if shared[column].any()
    )
    column = next(column for column in shared if shared[column].any())
    first = pairs[shared[column]].iloc[0]
    return (
        f"train_corpus and eval_corpus ({name}) are not different sets: {shared.any(axis=1).sum():,} of {len(pairs):,} training pairs of {first['dataset']!r} are evaluated on ({counts}), "
        f"for example pair_id {first['pair_id']!r} ({first['lang']}), {first[column][:80]!r}: train on another set, or take what they share out of one of them"
    )


def evaluation_corpus(params: Params) -> RetrievalCorpus:
    """The corpus that ``params`` evaluates on, in its eval_languages."""
    from hybridlib import readers

    if params.eval_corpus == "facts":
        test = facts.split_facts(
            facts.facts(), params.data_seed, params.validation_fraction, params.test_fraction
        )["test"]
        return corpus_from_pairs(
            "facts",
            facts.phrase(test, params.eval_languages or facts.LANGUAGES, params.data_seed, 1),
        )
    path = resolve(params.eval_corpus_path)
    if params.eval_corpus == "pairs":
        return corpus_from_pairs(path.stem, load_pairs(path)).restrict(params.eval_languages)
    if params.eval_corpus == "folder":
        return readers.load_folder(path, params.eval_languages)
    if params.eval_corpus == "miracl":
        return readers.load_miracl(
            path if path.exists() else str(params.eval_corpus_path), params.eval_languages
        )
    return load_lareqa(path, params.eval_corpus, params.eval_languages, params.candidate_text)


def _training_pairs(params: Params, corpus: str, path: Path | None) -> pd.DataFrame:
    """All training pairs in the wanted languages, of a corpus other than the facts; a column ``article`` where it has articles."""
    from hybridlib import training_sets

    place = resolve(path)
    if corpus == "pairs":
        pairs = load_pairs(place)
        return pairs[
            pairs["lang"].isin(_wanted_languages(str(place), pairs["lang"].unique(), params))
        ]
    if corpus in LAREQA_LANGUAGES:
        languages = (
            params.languages
            if len(params.training_sets) == 1
            else _wanted_languages(str(place), LAREQA_LANGUAGES[corpus], params)
        )
        pairs = pairs_from_lareqa(load_lareqa(place, corpus, languages))
        there = [
            lang
            for lang in LAREQA_LANGUAGES[corpus]
            if lang in languages or (place / f"{lang}.json").is_file()
        ]
        return pairs.assign(article=pairs["pair_id"].map(articles(place, there)))
    found = training_sets.find(corpus, place if place.exists() else str(path))
    languages = _wanted_languages(str(path), found.languages, params)
    return found.load(languages)


def _wanted_languages(where: str, there: Iterable[str], params: Params) -> list[str]:
    """The languages to take from a set: all of ``params``, which one of several sets need not have all."""
    there = sorted(there)
    missing = sorted(set(params.languages) - set(there))
    found = [lang for lang in params.languages if lang in there]
    if not found or (missing and len(params.training_sets) == 1):
        raise InputError(
            f"{where}: no pairs in {', '.join(missing)}; change languages to those it has: {', '.join(there)}"
        )
    return found


def _split_pairs(pairs: pd.DataFrame, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation pairs, divided by article where that is known, else by passage: none stands on both sides."""
    unit = pairs["article"] if "article" in pairs else pairs["passage_id"]
    kind = unit.name
    units, pairs = np.sort(unit.unique()), pairs.drop(columns="article", errors="ignore")
    if len(units) < 2:
        raise InputError(
            f"{pairs['dataset'].iloc[0]}: the training pairs are all of one {kind}, so none can be kept for validation; give a larger set"
        )
    held = max(1, round(len(units) * params.validation_fraction))
    inside = unit.isin(np.random.default_rng(params.data_seed).choice(units, held, replace=False))
    return pairs[~inside].reset_index(drop=True), pairs[inside].reset_index(drop=True)


# ------------------------------------------------------------------------------------------------------ checks


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
