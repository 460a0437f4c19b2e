"""Vectors of length 1, and the refusal of those that have no direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hybridlib.errors import InputError

# The share of its length that a vector must keep. float32 rounds to 1e-7 of it, and the same text
# in another batch has another vector by about 1e-6; below this share noise is the larger part.
SMALLEST_LEFT = 1e-4

_SMALLEST_LEFT_OF_FLOAT16 = 1e-2  # float16, of vectors on disk, rounds to 5e-4


class CorrectionError(InputError):
    """A correction cannot be estimated from its vectors, or leaves nothing of one."""


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


def corrected_to_unit(
    correction: str, vectors: np.ndarray, corrected: np.ndarray, languages: Sequence[str]
) -> np.ndarray:
    """Return corrected vectors at length 1; refuse those of which (nearly) nothing is left.

    Args:
        correction: whose name the error says.
        vectors: as they were before, ``[n, d]``.
        corrected: as they are after it, ``[n, d]``.
        languages: theirs, ``[n]``.

    Raises:
        CorrectionError: what is left of a vector is rounding noise, without a direction.
    """
    is_float16 = vectors.dtype == np.float16
    smallest = _SMALLEST_LEFT_OF_FLOAT16 if is_float16 else SMALLEST_LEFT
    before = _lengths(np.asarray(vectors, dtype=np.float32)) if is_float16 else _lengths(vectors)
    kept = (before > 0) & (_lengths(corrected) > smallest * before)
    lost = ~kept
    if lost.any():
        first = str(np.asarray(languages)[lost.argmax()])
        raise CorrectionError(
            f"{correction}: leaves (nearly) nothing of {int(lost.sum())} of {len(lost)} vectors, "
            f"the first of them in {first!r}; no figure follows from rounding noise"
        )
    return unit(corrected)


def check_directions(
    correction: str, vectors: np.ndarray, languages: Sequence[str], what: str = "passage"
) -> None:
    """Refuse vectors without a language or a direction, or rounded to less than float32.

    Args:
        correction: whose name the error says.
        vectors: ``[n, d]``.
        languages: theirs, ``[n]``.
        what: the vectors are of: ``query`` or ``passage``.

    Raises:
        CorrectionError: a vector is zero, not finite, or not float32 or finer.
        InputError: not as many languages as vectors.
    """
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
            f"{correction}: {what} {row}, in {str(np.asarray(languages)[row])!r}, has a vector of "
            f"length {lengths[row]}; look at what encoded it"
        )


class ChangedRows:
    """Vectors that are changed whenever rows of them are read, so that those on disk stay there.

    Args:
        vectors: ``[n, d]``, in memory or on disk.
        size: components of a changed vector.
        change: takes some vectors and their row numbers, and returns them changed.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        size: int,
        change: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        self.vectors = vectors
        self.shape = (len(vectors), size)
        self.ndim = 2
        self.change = change

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.change(self.vectors[rows], rows)


def shortened(vectors: np.ndarray, size: int) -> ChangedRows:
    """Return vectors cut to their first components, at length 1.

    Args:
        vectors: ``[n, d]``, in memory or on disk.
        size: how many components are kept.
    """

    def cut(part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return unit(np.asarray(part[:, :size], dtype=np.float32))

    return ChangedRows(vectors, size, cut)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the length of each row, ``[n]``."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.linalg.norm(vectors, axis=1)
