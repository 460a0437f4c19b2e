"""The built-in facts as a corpus to search: questions about some facts, passages about more.

The wording of a fact here is one that no training pair has (:data:`FIRST`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.data.facts import Fact
from hybridlib.data.phrasings import PHRASINGS, phrase

# Training pairs have the phrasings before this one.
FIRST = PHRASINGS - 1


def facts_corpus(
    name: str, asked: Sequence[Fact], others: Sequence[Fact], languages: Iterable[str], seed: int
) -> RetrievalCorpus:
    """Make a corpus of facts.

    Args:
        name: the name of the corpus.
        asked: the facts that are asked for. Their passages are candidates.
        others: facts whose passages are candidates too: near misses, with the same subject,
            object or relation as what is asked for.
        languages: the languages to phrase both in.
        seed: decides the wording, as that of the training pairs.
    """
    pairs = phrase([*asked, *others], languages, seed, first=FIRST)
    corpus = corpus_from_pairs(name, pairs)
    # The questions about the other facts are no queries.
    question_ids = {f"{fact.fact_id}/{FIRST}" for fact in asked}
    is_asked = corpus.queries["question_id"].isin(question_ids).to_numpy()
    return corpus.keep(is_asked, np.ones(len(corpus.candidates), dtype=bool))
