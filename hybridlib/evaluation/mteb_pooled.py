"""A retrieval task of mteb in three settings over one parallel corpus.

It needs nothing of this package: with a ``parts`` that reads a published data set and with its
metadata, a subclass is a task of mteb. :mod:`hybridlib.evaluation.mteb_task` makes one of a corpus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval

POOL = "all"
TOP = 10  # depth of the shares and recalls of the language bias


@dataclass(frozen=True)
class Parts:
    """A corpus in several languages.

    Attributes:
        queries: of each language: id and text.
        documents: likewise.
        relevant: grades from 1 of the relevant documents, by query.
    """

    queries: Mapping[str, Mapping[str, str]]
    documents: Mapping[str, Mapping[str, str]]
    relevant: Mapping[str, Mapping[str, int]]


class PooledRetrieval(AbsTaskRetrieval):
    """Monolingual, cross-lingual and multilingual retrieval.

    The subset ``de-de`` searches German documents with German queries, ``de-en`` English documents,
    and ``de-all`` the documents of all languages together. The scores of a pooled subset also say
    how much a ranking depends on languages, see :func:`language_bias`.

    Attributes:
        depth: documents of each query that are scored; None: all, so that ``map`` and the ranks
            are exact.
    """

    depth: ClassVar[int | None] = 1000

    @classmethod
    def parts(cls) -> Parts:
        """Return the corpus."""
        raise NotImplementedError

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Make the subsets that are to be run."""
        if self.data_loaded:
            return
        parts = self.parts()
        self._languages: dict[str, str] = {}
        for language, documents in parts.documents.items():
            self._languages |= dict.fromkeys(documents, language)
        self.dataset = {}
        for subset in self.hf_subsets:
            query_language, target = subset.rsplit("-", 1)
            self.dataset[subset] = {"test": self._split(parts, query_language, target)}
        if self.depth is None:
            self._top_k = len(self._languages)
            self.k_values = tuple(sorted({*type(self).k_values, self._top_k}))
        self.data_loaded = True

    def _split(self, parts: Parts, query_language: str, target: str) -> Any:
        """Return the queries of a language, the documents of a target, and what is relevant."""
        targets = parts.documents if target == POOL else {target: parts.documents[target]}
        documents = {key: text for part in targets.values() for key, text in part.items()}
        relevant = {}
        for query in parts.queries[query_language]:
            grades = parts.relevant.get(query, {})
            inside = {
                document: grade for document, grade in grades.items() if document in documents
            }
            if inside:
                relevant[query] = inside
        queries = {key: parts.queries[query_language][key] for key in relevant}
        return {
            "queries": _table(queries),
            "corpus": _table(documents),
            "relevant_docs": relevant,
            "top_ranked": None,
        }

    def task_specific_scores(
        self,
        scores: dict[str, dict[str, float]],
        qrels: Mapping[str, Mapping[str, int]],
        results: dict[str, dict[str, float]],
        hf_split: str,
        hf_subset: str,
    ) -> dict[str, float]:
        """Return mAP over all documents, and of a pool the language bias."""
        query_language, target = hf_subset.rsplit("-", 1)
        found: dict[str, float] = {}
        if self.depth is None:
            name = f"map_cut_{self._top_k}"
            found["map"] = float(np.mean([values[name] for values in scores.values()]))
        if target == POOL:
            found |= language_bias(results, qrels, self._languages, query_language)
        return found


def language_bias(
    results: Mapping[str, Mapping[str, float]],
    relevant: Mapping[str, Mapping[str, int]],
    languages: Mapping[str, str],
    query_language: str,
) -> dict[str, float]:
    """Return how much the rankings of a pool depend on the languages of its documents.

    Each figure is a mean over the queries that it says something about:

    - ``same_language_share_at_10``: share of the query's language in the top 10.
    - ``other_language_recall_at_10``: share of the relevant documents in other languages that are
      in the top 10.
    - ``language_preference_rate``: share of queries whose best relevant document is in their own
      language; of queries that have some there and elsewhere.
    - ``rank_distance``: worst minus best rank of the relevant documents, and ``max_rank``: the
      worst (arXiv 2408.10536, 2604.05684); of queries that have some in two languages. They are
      missing where a ranking ends before its last relevant document.

    Args:
        results: score of each retrieved document, by query.
        relevant: of each query.
        languages: of the documents.
        query_language: of the queries.
    """
    values: dict[str, list[float]] = defaultdict(list)
    complete = True
    for query, scores in results.items():
        # Of equal scores the higher id comes first, as in mteb's other scores.
        ordered = sorted(scores, key=lambda document: (scores[document], document), reverse=True)
        top = ordered[:TOP]
        own_on_top = [languages[document] == query_language for document in top]
        values[f"same_language_share_at_{TOP}"].append(float(np.mean(own_on_top)))

        wanted = {document: languages[document] for document in relevant.get(query, {})}
        others = [document for document in wanted if wanted[document] != query_language]
        if others:
            in_top = [document in top for document in others]
            values[f"other_language_recall_at_{TOP}"].append(float(np.mean(in_top)))
        ranks = {document: rank for rank, document in enumerate(ordered, 1) if document in wanted}
        if 0 < len(others) < len(wanted) and ranks:
            best = min(ranks, key=lambda document: ranks[document])
            values["language_preference_rate"].append(wanted[best] == query_language)
        if len(set(wanted.values())) > 1:
            complete &= len(ranks) == len(wanted)
            if len(ranks) == len(wanted):
                values["rank_distance"].append(max(ranks.values()) - min(ranks.values()))
                values["max_rank"].append(max(ranks.values()))
    if not complete:
        values.pop("rank_distance", None)
        values.pop("max_rank", None)
    return {name: float(np.mean(part)) for name, part in values.items()}


def _table(texts: Mapping[str, str]) -> Dataset:
    """Return texts as mteb reads them."""
    return Dataset.from_dict({"id": list(texts), "text": list(texts.values())})
