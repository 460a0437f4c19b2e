"""A corpus as a task of mteb, so that any of its models is evaluated in the three settings."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

import pandas as pd
from babel.core import get_global

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.languages import escaped
from hybridlib.errors import InputError
from hybridlib.retrieval.ranking import POOL, cell_name
from hybridlib.retrieval.trec import targets

if TYPE_CHECKING:
    from hybridlib.evaluation.mteb_pooled import PooledRetrieval


def mteb_task(corpus: RetrievalCorpus, depth: int | None = None) -> PooledRetrieval:
    """Return a task of mteb with a subset for every cell of every setting.

    Args:
        corpus: what is searched.
        depth: documents of each query that are scored. None: all, so that the figures are those of
            :func:`hybridlib.evaluate`; mteb then keeps a score for each query and document. 1000 is
            what mteb's own tasks have.

    Raises:
        InputError: mteb is not installed or has no code for a language, or the depth is below 1.

    Example:
        >>> from hybridlib import load_corpus
        >>> corpus = load_corpus("facts", languages=["de", "en"])
        >>> mteb_task(corpus).hf_subsets
        ['de-de', 'de-en', 'en-de', 'en-en', 'de-all', 'en-all']
    """
    if importlib.util.find_spec("mteb") is None:
        raise InputError(
            "mteb is not installed: in a clone of the project, run: pip install '.[mteb]'"
        )
    if depth is not None and depth < 1:
        raise InputError(f"depth is {depth}; it must be 1 or more")
    from mteb.abstasks.task_metadata import TaskMetadata  # mteb takes seconds to import

    from hybridlib.evaluation.mteb_pooled import Parts, PooledRetrieval

    codes = {name: _code(name) for name in {*corpus.languages, *corpus.queries["lang"]}}
    subsets = {}
    for query_language, target in targets(corpus):
        searched = corpus.languages if target == POOL else [target]
        names = dict.fromkeys([codes[query_language], *(codes[name] for name in searched)])
        subsets[cell_name(query_language, target)] = list(names)
    metadata = TaskMetadata(
        name=re.sub(r"[^A-Za-z0-9]+", "-", corpus.name) + "-pooled",
        description=f"{corpus.name}: monolingual, cross-lingual and multilingual retrieval.",
        dataset={"path": corpus.name, "revision": corpus.hash},
        type="Retrieval",
        category="t2t",
        eval_langs=subsets,
        main_score="ndcg_at_10",
    )
    parts = Parts(
        _texts(corpus.queries, "query_id"),
        _texts(corpus.candidates, "candidate_id"),
        _relevant(corpus),
    )
    content = {
        "metadata": metadata,
        "depth": depth,
        "parts": classmethod(lambda cls: parts),
        "__doc__": metadata.description,
    }
    return type("CorpusRetrieval", (PooledRetrieval,), content)()


def _texts(table: pd.DataFrame, name: str) -> dict[str, dict[str, str]]:
    """Return the texts of a table by language and id."""
    texts = {}
    for language, part in table.groupby("lang"):
        texts[escaped(str(language))] = dict(zip(part[name], part["text"]))
    return texts


def _relevant(corpus: RetrievalCorpus) -> dict[str, dict[str, int]]:
    """Return the grades of the relevant candidates by query."""
    query_ids = corpus.queries["query_id"].to_numpy()[corpus.qrels["query"]]
    candidate_ids = corpus.candidates["candidate_id"].to_numpy()[corpus.qrels["candidate"]]
    relevant: dict[str, dict[str, int]] = {}
    for query, candidate, grade in zip(query_ids, candidate_ids, corpus.qrels["grade"].tolist()):
        relevant.setdefault(query, {})[candidate] = grade
    return relevant


def _code(language: str) -> str:
    """Return what mteb calls a language: ISO 639-3 and the script, such as ``deu-Latn``."""
    from mteb.languages import ISO_TO_LANGUAGE

    base, *rest = re.split("[-_]", language)
    aliases = get_global("language_aliases")
    known = [code for code in ISO_TO_LANGUAGE if base in (code, aliases.get(code))]
    likely = get_global("likely_subtags").get(aliases.get(base, base))
    if not known or likely is None:
        raise InputError(
            f"{language!r} is no language that mteb has a code for; name it as ISO 639 does, such "
            "as de or deu"
        )
    scripts = [part for part in rest if re.fullmatch("[A-Z][a-z]{3}", part)]
    return f"{min(known)}-{[*scripts, likely.split('_')[1]][0]}"
