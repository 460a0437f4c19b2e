"""The message that a parameter file is refused with."""

from __future__ import annotations

from typing import Any

import pytest

from hybridlib.config.params import Params
from hybridlib.errors import InputError


def refusal(**values: Any) -> str:
    """Check parameters that cannot be, and return what is said; it begins with their source."""
    with pytest.raises(InputError) as error:
        Params.check(values, "mine.yaml")
    assert str(error.value).startswith("mine.yaml: ")
    return str(error.value)
