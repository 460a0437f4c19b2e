"""Training-free corrections of language bias: linear maps of vectors, by language, estimated without the queries.

Every correction is fitted on vectors whose language is known (the candidates themselves, or a named parallel
set), never on evaluation queries, and is then applied to query and candidate vectors. Corrected vectors are
brought back to unit length, so that scores stay cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hybridlib.errors import InputError

CORRECTIONS = ("centering", "lir", "shift")


class Correction(Protocol):
    """What evaluation asks of a correction.

    Attributes:
        by_query_language: whether queries of different languages meet different candidate vectors.
    """

    by_query_language: bool

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Corrected query vectors ``[n, d]``."""

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        """Corrected candidate vectors ``[n, d]``, as the queries of one language meet them."""


class Centering:
    """Subtract each language's mean vector.

    Args:
        vectors, languages: what the means are taken over, for instance the candidates: ``[n, d]`` and ``[n]``.
    """

    by_query_language = False

    def __init__(self, vectors: np.ndarray, languages: Sequence[str]) -> None:
        self.means = language_means(vectors, languages)

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        return unit(vectors - _stack(self.means, languages))

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        return self.queries(vectors, languages)


class LIR:
    """Language information removal (arXiv 2109.04727): take out each language's first r principal directions.

    The directions are the first right singular vectors of the language's matrix of vectors, not centred: the
    first one lies close to the language's mean.

    Args:
        vectors, languages: ``[n, d]`` and ``[n]``.
        r: directions per language.
    """

    by_query_language = False

    def __init__(self, vectors: np.ndarray, languages: Sequence[str], r: int = 1) -> None:
        names = np.asarray(languages)
        self.directions = {
            name: np.linalg.svd(vectors[names == name], full_matrices=False)[2][:r]
            for name in np.unique(names)
        }

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        corrected, names = vectors.copy(), np.asarray(languages)
        for name in np.unique(names):
            basis = _of(self.directions, name)
            corrected[names == name] -= vectors[names == name] @ basis.T @ basis
        return unit(corrected)

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        return self.queries(vectors, languages)


class Shift:
    """SHIFT (arXiv 2606.18801): move candidates by the mean difference of parallel passages; queries stay.

    A candidate in language y, met by queries in language x, loses ``mean over translations (vector in y - vector
    in x)``. The index so made serves the queries of one language: another language has another one.

    Args:
        vectors, languages, groups: parallel passages: ``[n, d]``, their languages, and what they say: the same
            group in two languages means translation. Only groups in both languages of a pair count for it.
    """

    by_query_language = True

    def __init__(
        self, vectors: np.ndarray, languages: Sequence[str], groups: Sequence[str]
    ) -> None:
        names, keys = np.asarray(languages), np.asarray(groups)
        self.tables = {
            str(name): dict(zip(keys[names == name], vectors[names == name]))
            for name in np.unique(names)
        }

    def offset(self, candidate_language: str, query_language: str) -> np.ndarray:
        """Mean of (candidate language - query language) over shared passages, ``[d]``."""
        theirs, ours = _of(self.tables, candidate_language), _of(self.tables, query_language)
        shared = sorted(theirs.keys() & ours.keys())
        if not shared:
            raise InputError(
                f"shift: the parallel set has no passage in both {candidate_language!r} and {query_language!r}; take one that has"
            )
        return np.mean([theirs[key] for key in shared], axis=0) - np.mean(
            [ours[key] for key in shared], axis=0
        )

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        return vectors

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        offsets = {name: self.offset(name, query_language) for name in sorted(set(languages))}
        return unit(vectors - _stack(offsets, languages))


def fit(
    name: str,
    vectors: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    directions: int = 1,
) -> Correction:
    """The correction of that name, estimated from candidates or parallel passages.

    Args:
        name: ``centering``, ``lir`` or ``shift``.
        vectors, languages, groups: what it is estimated from; only ``shift`` reads the groups.
        directions: of ``lir``.
    """
    if name == "centering":
        return Centering(vectors, languages)
    if name == "lir":
        return LIR(vectors, languages, directions)
    if name == "shift":
        return Shift(vectors, languages, groups)
    raise InputError(f"no correction is called {name!r}; there are {', '.join(CORRECTIONS)}")


def language_means(vectors: np.ndarray, languages: Sequence[str]) -> dict[str, np.ndarray]:
    """Mean vector ``[d]`` of each language."""
    names = np.asarray(languages)
    return {str(name): vectors[names == name].mean(0) for name in np.unique(names)}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1, float32; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)


def _stack(by_language: dict[str, np.ndarray], languages: Sequence[str]) -> np.ndarray:
    return np.stack([_of(by_language, name) for name in languages])


def _of(table: dict, language: str) -> np.ndarray:
    if language not in table:
        raise InputError(
            f"correction: nothing to estimate {language!r} from; it was fitted on {', '.join(sorted(table))}"
        )
    return table[language]
