"""Any set of ir_datasets (https://ir-datasets.com) as a corpus, or several as one pool."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_judgments
from hybridlib.data.folder import in_languages
from hybridlib.data.miracl import without_unknown
from hybridlib.data.values import strings
from hybridlib.data.words import have_words
from hybridlib.errors import InputError

log = logging.getLogger(__name__)


class _Parts(NamedTuple):
    """Queries, candidates and relevance of one set, as :meth:`RetrievalCorpus.build` takes them."""

    queries: pd.DataFrame
    candidates: pd.DataFrame
    relevance: pd.DataFrame


def load_ir_datasets(source: str | Path, languages: Iterable[str] | None = None) -> RetrievalCorpus:
    """Read sets of ir_datasets, which downloads them at their first use.

    Several ids are one pool, such as ``hc4/fa/test,hc4/ru/test,hc4/zh/test``. Ids of queries and
    documents get the language in front, so queries of two sets with one id, language and text are
    one query. The text of a document or query is its ``default_text``; documents without a text
    are left out, and a warning counts them. All documents are held in memory.

    Args:
        source: ids of sets, with commas between them.
        languages: the languages of queries and documents to keep; None keeps all.

    Raises:
        InputError: ir_datasets is not installed, an id that it does not have, a set without
            documents, queries, judgments or language, or one that cannot be downloaded.
    """
    ids = [each.strip() for each in str(source).split(",")]
    parts = [_read(dataset_id) for dataset_id in ids]
    queries = pd.concat([part.queries for part in parts]).drop_duplicates()
    candidates = pd.concat([part.candidates for part in parts]).drop_duplicates("candidate_id")
    relevance = pd.concat([part.relevance for part in parts]).drop_duplicates()
    relevance = without_unknown(str(source), relevance, queries, candidates)
    tables = (queries, candidates, relevance)
    if languages is not None:
        tables = in_languages(str(source), *tables, set(languages))
    return corpus_from_judgments(str(source), *tables)


def _read(dataset_id: str) -> _Parts:
    """Read one set."""
    dataset = _find(dataset_id)
    lang = dataset.docs_lang()
    query_lang = dataset.queries_lang()
    if not lang or not query_lang:
        raise InputError(
            f"ir_datasets: {dataset_id} does not say its language; make a folder of it: "
            "docs/corpora.md"
        )
    try:
        documents = [(f"{lang}:{doc.doc_id}", doc.default_text()) for doc in dataset.docs_iter()]
        topics = [
            (f"{query_lang}:{each.query_id}", each.default_text()) for each in dataset.queries
        ]
        judgments = [
            (f"{query_lang}:{each.query_id}", f"{lang}:{each.doc_id}", each.relevance)
            for each in dataset.qrels_iter()
        ]
    # A set is read by one of many readers, from the network or from disk.
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(
            f"ir_datasets: {dataset_id} cannot be read ({reason}); its page on ir-datasets.com "
            "says what it needs"
        ) from error

    candidates = pd.DataFrame(documents, columns=["candidate_id", "text"])
    candidates = candidates.assign(lang=lang, group=candidates["candidate_id"])
    has_text = have_words(strings(candidates["text"])).to_numpy(zero_copy_only=False)
    if not has_text.all():
        log.warning("%s: left out %d documents without a text", dataset_id, (~has_text).sum())
    queries = pd.DataFrame(topics, columns=["query_id", "text"])
    queries = queries.assign(lang=query_lang, question_id=queries["query_id"])
    relevance = pd.DataFrame(judgments, columns=["query_id", "candidate_id", "grade"])
    return _Parts(queries, candidates[has_text], relevance)


def _find(dataset_id: str) -> Any:
    """Return a set that has documents, queries and judgments."""
    try:
        # Loaded late: an optional package.
        import ir_datasets
    except ImportError:
        raise InputError(
            "the corpus 'ir-datasets' needs the package ir_datasets; from the folder of the "
            "project, run: pip install '.[ir-datasets]'"
        ) from None
    try:
        dataset = ir_datasets.load(dataset_id)
    except KeyError:
        raise InputError(
            f"ir_datasets: it has no set called {dataset_id!r}; ir-datasets.com lists them"
        ) from None
    parts = {
        "documents": dataset.has_docs(),
        "queries": dataset.has_queries(),
        "judgments": dataset.has_qrels(),
    }
    missing = [name for name, present in parts.items() if not present]
    if missing:
        raise InputError(
            f"ir_datasets: {dataset_id} has no {' and no '.join(missing)}; take a part of it that "
            "has all, such as its dev or test set"
        )
    return dataset
