"""The built-in facts as pairs to search: questions about some facts, passages about more.

The wording of a fact here is one that no training pair has (:data:`FIRST`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from hybridlib.data.facts import Fact
from hybridlib.data.phrasings import PHRASINGS, phrase

# Training pairs have the phrasings before this one.
FIRST = PHRASINGS - 1


def searched_pairs(
    asked: Sequence[Fact], others: Sequence[Fact], languages: Iterable[str], seed: int
) -> pd.DataFrame:
    """Return pairs for :func:`hybridlib.data.corpus.corpus_from_pairs`, with a column ``asked``.

    Args:
        asked: the facts that are asked for. Their passages are candidates.
        others: facts whose passages are candidates too: near misses, with the same subject,
            object or relation as what is asked for.
        languages: the languages to phrase both in.
        seed: decides the wording, as that of the training pairs.
    """
    pairs = phrase([*asked, *others], languages, seed, first=FIRST)
    asked_ids = [fact.fact_id for fact in asked]
    return pairs.assign(asked=pairs["passage_id"].isin(asked_ids))
