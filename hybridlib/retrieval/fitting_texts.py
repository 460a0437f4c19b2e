"""What a correction is fitted on: vectors of texts, in languages, grouped by translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridlib.errors import InputError


@dataclass(frozen=True)
class FittingTexts:
    """Vectors of one side, queries or passages, that a correction is fitted on.

    Attributes:
        vectors: ``[n, d]``.
        languages: theirs, ``[n]``.
        groups: theirs, ``[n]``: texts of one group are translations of each other. Where nothing is
            known of that, give each text a group of its own.
    """

    vectors: np.ndarray
    languages: Sequence[str]
    groups: Sequence[str]

    def __post_init__(self) -> None:
        """Check that each vector has a language and a group."""
        if not len(self.vectors) == len(self.languages) == len(self.groups):
            raise InputError(
                f"fitting texts: {len(self.vectors)} vectors, {len(self.languages)} languages and "
                f"{len(self.groups)} groups; each vector has one of each"
            )

    def moved_to(self, vectors: np.ndarray) -> FittingTexts:
        """Return the same texts with other vectors."""
        return replace(self, vectors=vectors)

    def one_each(self) -> FittingTexts:
        """Return the first text of each group in each language."""
        keys = pd.DataFrame({"lang": self.languages, "group": self.groups})
        first = ~keys.duplicated()
        kept = keys[first]
        return FittingTexts(self.vectors[first], kept["lang"].to_numpy(), kept["group"].to_numpy())


@dataclass(frozen=True)
class FittingSet:
    """The two sides that corrections are fitted on.

    Attributes:
        name: what results call it.
        queries: what corrects queries.
        passages: what corrects passages. It may be the same object: then there are passages alone.
    """

    name: str
    queries: FittingTexts
    passages: FittingTexts

    def save(self, file: Path) -> None:
        """Write as ``.npz``."""
        arrays: dict[str, Any] = {"name": np.array(self.name)}
        sides = {"passages": self.passages}
        if self.queries is not self.passages:
            sides["queries"] = self.queries
        for side, texts in sides.items():
            arrays[f"{side}.vectors"] = texts.vectors
            arrays[f"{side}.languages"] = np.asarray(texts.languages, dtype=str)
            arrays[f"{side}.groups"] = np.asarray(texts.groups, dtype=str)
        np.savez(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> FittingSet:
        """Read what :meth:`save` wrote."""
        with np.load(file) as arrays:
            sides = {}
            for side in ("passages", "queries"):
                if f"{side}.vectors" in arrays:
                    columns = ("vectors", "languages", "groups")
                    sides[side] = FittingTexts(*(arrays[f"{side}.{column}"] for column in columns))
            passages = sides["passages"]
            return cls(str(arrays["name"]), sides.get("queries", passages), passages)
