"""The data of the runs in miniature."""

from __future__ import annotations

import pandas as pd
import pytest
from training_toys import Data, split


@pytest.fixture(scope="session")
def data(fact_pairs: pd.DataFrame) -> Data:
    """Training pairs, and a validation corpus of other passages."""
    return split(fact_pairs)
