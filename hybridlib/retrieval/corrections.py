"""Training-free corrections of language bias: linear maps of vectors, one for each language.

Every correction is fitted on vectors whose language is known (the candidates themselves, or a named
parallel set), never on evaluation queries. It is then applied to the vectors of queries and
candidates. Corrected vectors are brought back to unit length, so that scores stay cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hybridlib.errors import InputError

CORRECTIONS = ("centering", "lir", "shift")


class Correction(Protocol):
    """What every correction has.

    Attributes:
        by_query_language: whether candidate vectors depend on the language of the query.
    """

    by_query_language: bool

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        """Return candidate vectors ``[n, d]`` as corrected for the queries of one language."""


class _SameForAllQueries:
    """A correction that treats candidates as it treats queries, whatever the query language."""

    by_query_language = False

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""
        raise NotImplementedError

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        """Return corrected candidate vectors ``[n, d]``; the query language changes nothing."""
        return self.queries(vectors, languages)


class Centering(_SameForAllQueries):
    """Subtract each language's mean vector.

    Args:
        vectors: what the means are taken over, for instance the candidates: ``[n, d]``.
        languages: theirs, ``[n]``.
    """

    def __init__(self, vectors: np.ndarray, languages: Sequence[str]) -> None:
        self.means = language_means(vectors, languages)

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""
        return unit(vectors - _rows_of(self.means, languages))


class LIR(_SameForAllQueries):
    """Language information removal: remove each language's first r principal directions.

    The directions are the first right singular vectors of the language's matrix of vectors, not
    centred; the first one lies close to the language's mean. Source: arXiv 2109.04727.

    Args:
        vectors: what the directions are estimated from, ``[n, d]``.
        languages: theirs, ``[n]``.
        r: directions per language.
    """

    def __init__(self, vectors: np.ndarray, languages: Sequence[str], r: int = 1) -> None:
        names = np.asarray(languages)
        self.directions = {}
        for name in np.unique(names):
            _, _, directions = np.linalg.svd(vectors[names == name], full_matrices=False)
            self.directions[name] = directions[:r]

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""
        corrected = vectors.copy()
        names = np.asarray(languages)
        for name in np.unique(names):
            basis = _entry(self.directions, name)
            rows = names == name
            corrected[rows] -= vectors[rows] @ basis.T @ basis
        return unit(corrected)


class Shift:
    """SHIFT: move candidates by the mean difference of parallel passages; queries stay.

    A candidate in language y, searched by queries in language x, loses ``mean over translations
    (vector in y - vector in x)``. So each query language has an index of its own.
    Source: arXiv 2606.18801.

    Args:
        vectors: of parallel passages, ``[n, d]``.
        languages: theirs, ``[n]``.
        groups: the same group in two languages means translation, ``[n]``. Only groups in both
            languages of a pair count for it.
    """

    by_query_language = True

    def __init__(
        self, vectors: np.ndarray, languages: Sequence[str], groups: Sequence[str]
    ) -> None:
        names = np.asarray(languages)
        keys = np.asarray(groups)
        self.tables: dict[str, dict[str, np.ndarray]] = {}
        for name in np.unique(names):
            rows = names == name
            self.tables[str(name)] = dict(zip(keys[rows], vectors[rows]))

    def offset(self, candidate_language: str, query_language: str) -> np.ndarray:
        """Return the mean of (candidate language - query language) over shared passages, ``[d]``.

        Raises:
            InputError: no passage is in both languages.
        """
        candidates = _entry(self.tables, candidate_language)
        queries = _entry(self.tables, query_language)
        shared = sorted(candidates.keys() & queries.keys())
        if not shared:
            raise InputError(
                f"shift: the parallel set has no passage in both {candidate_language!r} and "
                f"{query_language!r}; take one that has"
            )
        candidate_mean = np.mean([candidates[key] for key in shared], axis=0)
        query_mean = np.mean([queries[key] for key in shared], axis=0)
        return candidate_mean - query_mean

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return the query vectors as they are."""
        return vectors

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str
    ) -> np.ndarray:
        """Return candidate vectors ``[n, d]`` as corrected for the queries of one language."""
        offsets = {name: self.offset(name, query_language) for name in sorted(set(languages))}
        return unit(vectors - _rows_of(offsets, languages))


def fit(
    name: str,
    vectors: np.ndarray,
    languages: Sequence[str],
    groups: Sequence[str],
    directions: int = 1,
) -> Correction:
    """Fit the correction of that name to candidates or parallel passages.

    Args:
        name: ``centering``, ``lir`` or ``shift``.
        vectors: what it is estimated from, ``[n, d]``.
        languages: theirs, ``[n]``.
        groups: the same group in two languages means translation; only ``shift`` reads them.
        directions: per language, of ``lir``.

    Raises:
        InputError: no correction has that name.
    """
    if name == "centering":
        return Centering(vectors, languages)
    if name == "lir":
        return LIR(vectors, languages, directions)
    if name == "shift":
        return Shift(vectors, languages, groups)
    raise InputError(f"no correction is called {name!r}; there are {', '.join(CORRECTIONS)}")


def language_means(vectors: np.ndarray, languages: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the mean vector ``[d]`` of each language."""
    names = np.asarray(languages)
    return {str(name): vectors[names == name].mean(0) for name in np.unique(names)}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the rows scaled to length 1, float32; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)


def _rows_of(by_language: dict[str, np.ndarray], languages: Sequence[str]) -> np.ndarray:
    """Return one row for each language given, ``[n, d]``."""
    return np.stack([_entry(by_language, name) for name in languages])


def _entry(by_language: dict[str, Any], language: str) -> Any:
    """Return the entry of a language; an InputError if the correction was fitted without it."""
    if language not in by_language:
        raise InputError(
            f"correction: nothing to estimate {language!r} from; "
            f"it was fitted on {', '.join(sorted(by_language))}"
        )
    return by_language[language]
