"""A batch strategy of your own, `x-en`. It needs this file's name in the parameter `plugins`."""

import numpy as np

from hybridlib import strategy
from hybridlib.batching.pair_table import PairTable
from hybridlib.batching.registry import Batch
from hybridlib.batching.strategies import choose


@strategy("x-en", "questions in any language, passages in English")
def x_en(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Draw pairs that exist in English, then one of its languages for each question."""
    # Of several training sets, take one that can fill the batch.
    pairs = pairs.one_set(rng, "en-en", batch_size)

    # Draw pairs that have an English passage.
    english = pairs.languages.index("en")
    with_english = np.flatnonzero(pairs.rows[:, english] >= 0)
    chosen = choose(rng, with_english, batch_size, "pairs in English")

    # Draw the language of each question among those of its pair.
    languages = [rng.choice(np.flatnonzero(pairs.rows[pair] >= 0)) for pair in chosen]
    return Batch("x-en", pairs.rows[chosen, languages], pairs.rows[chosen, english])
