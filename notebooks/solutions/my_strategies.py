"""A batch strategy of one's own. The parameter `plugins` names this file; then `x-en` is a strategy like any other."""

import numpy as np

from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.strategies import Batch, strategy
from hybridlib.errors import InputError


@strategy("x-en", "questions in any language, passages in English")
def x_en(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair that exists in English, then one of the pair's languages for the question."""
    pairs = pairs.one_set(
        rng, "en-en", batch_size
    )  # of several training sets, one that can fill the batch
    english = pairs.languages.index("en")
    able = np.flatnonzero(pairs.rows[:, english] >= 0)
    if len(able) < batch_size:
        raise InputError(
            f"x-en: a batch of {batch_size} needs as many pairs in English, there are {len(able)}: lower batch_size"
        )
    chosen = rng.choice(able, batch_size, replace=False)
    languages = [rng.choice(np.flatnonzero(pairs.rows[pair] >= 0)) for pair in chosen]
    return Batch("x-en", pairs.rows[chosen, languages], pairs.rows[chosen, english])
