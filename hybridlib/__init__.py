"""Hybrid batch training for multilingual retrieval (arXiv 2408.10536), and what it does.

The names below are what most people need; each is loaded when it is first used, so that
``import hybridlib`` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybridlib.batching.registry import strategy
    from hybridlib.config.params import Params
    from hybridlib.data.load import load_corpus
    from hybridlib.errors import InputError
    from hybridlib.evaluation.evaluate import evaluate
    from hybridlib.model.encoder import DualEncoder
    from hybridlib.training.loop import train

__version__ = "0.1.0"
__all__ = [
    "DualEncoder",
    "InputError",
    "Params",
    "evaluate",
    "load_corpus",
    "strategy",
    "train",
]

_HOMES = {
    "DualEncoder": "hybridlib.model.encoder",
    "InputError": "hybridlib.errors",
    "Params": "hybridlib.config.params",
    "evaluate": "hybridlib.evaluation.evaluate",
    "load_corpus": "hybridlib.data.load",
    "strategy": "hybridlib.batching.registry",
    "train": "hybridlib.training.loop",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hybridlib' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, so that they are completed while typing."""
    return [*__all__, "__version__"]
