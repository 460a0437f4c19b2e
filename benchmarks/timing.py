"""The time of a piece of work, how it grows, and the least validation that a training takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def growth(sizes: Iterable[float], seconds: Iterable[float]) -> float:
    """Return the power of the size that time grows with; 1 is in proportion.

    It is the slope of the least squares line of the logarithms.
    """
    power, _ = np.polyfit(np.log([*sizes]), np.log([*seconds]), 1)
    return float(power)


def two_questions(pairs: pd.DataFrame) -> RetrievalCorpus:
    """Return a corpus of two questions of the pairs.

    ``train()`` validates after the last step: on these, to lose little time.
    """
    few = pairs[pairs["pair_id"].isin(pairs["pair_id"].unique()[:2])]
    return corpus_from_pairs("two questions", few)
