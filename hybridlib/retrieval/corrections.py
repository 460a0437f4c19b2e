"""Training-free corrections of language bias: linear maps of vectors, one for each language.

Every correction is fitted on vectors whose language is known (the candidates themselves, or a named
parallel set), never on evaluation queries. It is then applied to the vectors of queries and
candidates. Corrected vectors are brought back to unit length, so that scores stay cosines. Where a
correction leaves (nearly) nothing of a vector, what is left is rounding noise without a direction:
this is a :class:`CorrectionError`, never a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hybridlib.errors import InputError

CORRECTIONS = ("centering", "lir", "shift")

# The share of its length that a vector must keep. float32 rounds to 1e-7 of it, and the same text
# in another batch has another vector by about 1e-6; below this share noise is the larger part.
SMALLEST_LEFT = 1e-4


class CorrectionError(InputError):
    """A correction cannot be estimated from its vectors, or leaves nothing of one."""


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

    Raises:
        CorrectionError: a language has one passage or all of one vector, or a vector is zero or
            not finite.
    """

    def __init__(self, vectors: np.ndarray, languages: Sequence[str]) -> None:
        parts = _by_language("centering", vectors, languages)
        _refuse_empty("centering", parts, [name for name in parts if _is_one_vector(parts[name])])
        self.means = language_means(vectors, languages)

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""
        corrected = vectors - _rows_of(self.means, languages)
        return _to_unit("centering", vectors, corrected, languages)


class LIR(_SameForAllQueries):
    """Language information removal: remove each language's first r principal directions.

    The directions are the first right singular vectors of the language's matrix of vectors, not
    centred; the first one lies close to the language's mean. Source: arXiv 2109.04727.

    Args:
        vectors: what the directions are estimated from, ``[n, d]``.
        languages: theirs, ``[n]``.
        r: directions per language.

    Raises:
        CorrectionError: the vectors of a language span no more than r directions, so that nothing
            of them would be left, or one of them is zero or not finite.
    """

    def __init__(self, vectors: np.ndarray, languages: Sequence[str], r: int = 1) -> None:
        if r < 1:
            raise InputError(f"lir: removes {r} directions; it must be 1 or more")
        parts = _by_language("lir", vectors, languages)
        self.directions = {}
        empty = []
        for name, part in parts.items():
            _, sizes, directions = np.linalg.svd(part, full_matrices=False)
            # Beyond the span of the vectors, directions are made of rounding.
            span = (sizes > SMALLEST_LEFT * sizes[0]).sum()
            if span <= r:
                empty.append(name)
            self.directions[name] = directions[:r]
        _refuse_empty("lir", parts, empty)

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""
        corrected = vectors.copy()
        names = np.asarray(languages)
        for name in np.unique(names):
            basis = _entry(self.directions, name)
            rows = names == name
            corrected[rows] -= vectors[rows] @ basis.T @ basis
        return _to_unit("lir", vectors, corrected, languages)


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

    Raises:
        CorrectionError: a vector is zero or not finite.
        InputError: a language has two passages of one group.
    """

    by_query_language = True

    def __init__(
        self, vectors: np.ndarray, languages: Sequence[str], groups: Sequence[str]
    ) -> None:
        _check_directions("shift", vectors, languages)
        names = np.asarray(languages)
        keys = np.asarray(groups)
        self.tables: dict[str, dict[str, np.ndarray]] = {}
        for name in np.unique(names):
            rows = names == name
            self.tables[str(name)] = dict(zip(keys[rows], vectors[rows], strict=True))
            if len(self.tables[str(name)]) < rows.sum():
                raise InputError(
                    f"shift: {str(name)!r} has two passages of one group; which counts?"
                )

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
        corrected = vectors - _rows_of(offsets, languages)
        return _to_unit("shift", vectors, corrected, languages)


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
        CorrectionError: the correction cannot be estimated from these vectors.
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
    """Return the rows scaled to length 1, float32.

    Raises:
        InputError: a row is zero or not finite, so that it has no direction.
    """
    lengths = _lengths(vectors)
    usable = (lengths > 0) & np.isfinite(lengths)
    if not usable.all():
        row = int(usable.argmin())
        raise InputError(f"vector {row} has the length {lengths[row]}, so it has no direction")
    return (vectors / lengths[:, None]).astype(np.float32)


def _to_unit(
    correction: str, vectors: np.ndarray, corrected: np.ndarray, languages: Sequence[str]
) -> np.ndarray:
    """Return corrected vectors at length 1; refuse those of which (nearly) nothing is left."""
    before = _lengths(vectors)
    kept = (before > 0) & (_lengths(corrected) > SMALLEST_LEFT * before)
    lost = ~kept
    if lost.any():
        first = str(np.asarray(languages)[lost.argmax()])
        raise CorrectionError(
            f"{correction}: leaves (nearly) nothing of {int(lost.sum())} of {len(lost)} vectors, "
            f"the first of them in {first!r}; no figure follows from rounding noise"
        )
    return unit(corrected)


def _check_directions(correction: str, vectors: np.ndarray, languages: Sequence[str]) -> None:
    """Refuse vectors without a language or a direction, or rounded to less than float32."""
    if len(vectors) != len(languages):
        raise InputError(f"{correction}: {len(vectors)} vectors and {len(languages)} languages")
    if vectors.dtype.itemsize < np.dtype(np.float32).itemsize:
        raise CorrectionError(
            f"{correction}: the vectors are {vectors.dtype}, whose rounding is as large as what a "
            "correction may leave; give float32"
        )
    lengths = _lengths(vectors)
    usable = (lengths > 0) & np.isfinite(lengths)
    if not usable.all():
        row = int(usable.argmin())
        raise CorrectionError(
            f"{correction}: passage {row}, in {str(np.asarray(languages)[row])!r}, has a vector of "
            f"length {lengths[row]}; look at what encoded it"
        )


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the length of each row, ``[n]``."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.linalg.norm(vectors, axis=1)


def _by_language(
    correction: str, vectors: np.ndarray, languages: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the vectors of each language, after checking that all have a direction."""
    _check_directions(correction, vectors, languages)
    names = np.asarray(languages)
    return {str(name): vectors[names == name] for name in np.unique(names)}


def _is_one_vector(vectors: np.ndarray) -> bool:
    """Return whether all rows are (nearly) the same; a single one is."""
    distances = np.linalg.norm(vectors - vectors[0], axis=1)
    return bool(distances.max() <= SMALLEST_LEFT * np.linalg.norm(vectors[0]))


def _refuse_empty(correction: str, parts: dict[str, np.ndarray], empty: list[str]) -> None:
    """Refuse a correction that leaves nothing of what it is estimated from, in some languages."""
    if empty:
        counts = ", ".join(f"{name} ({len(parts[name])})" for name in empty)
        raise CorrectionError(
            f"{correction}: nothing would be left of the passages in {counts}: too few in number, "
            "or too much alike"
        )


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
