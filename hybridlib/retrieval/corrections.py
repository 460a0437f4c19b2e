"""Corrections of language bias without training: linear maps of vectors.

Each is fitted on vectors whose language is known, never on evaluation queries: on texts that a user
has before searching (training pairs, parallel text), or on the candidates that are searched. What
was fitted on queries corrects queries, and what was fitted on passages corrects passages. Corrected
vectors are brought back to unit length, so that scores stay cosines. Where a correction leaves
(nearly) nothing of a vector, what is left is rounding noise without a direction: this is a
:class:`CorrectionError`, never a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from hybridlib.config.corrections import CorrectionName
from hybridlib.errors import InputError
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.language_filter import LanguageFilter
from hybridlib.retrieval.language_means import language_means
from hybridlib.retrieval.unit import (
    SMALLEST_LEFT,
    CorrectionError,
    check_directions,
    corrected_to_unit,
)

__all__ = ["LIR", "Centering", "Chain", "Correction", "Shift", "Step", "fit"]


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


class Step(Protocol):
    """A linear map of vectors, one for queries and one for passages."""

    def apply(self, vectors: np.ndarray, languages: Sequence[str], side: str) -> np.ndarray:
        """Return the vectors of a side (``query`` or ``passage``) as mapped, at any length."""


class Chain:
    """Steps, one after the other; the vectors are brought to length 1 behind the last.

    Args:
        name: of the correction, for its errors.
        steps: in order.
    """

    by_query_language = False

    def __init__(self, name: str, steps: Sequence[Step]) -> None:
        self.name = name
        self.steps = list(steps)

    def queries(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Return corrected query vectors ``[n, d]``."""
        return self._apply(vectors, languages, "query")

    def candidates(
        self, vectors: np.ndarray, languages: Sequence[str], query_language: str = ""
    ) -> np.ndarray:
        """Return corrected candidate vectors ``[n, d]``; the query language changes nothing."""
        return self._apply(vectors, languages, "passage")

    def _apply(self, vectors: np.ndarray, languages: Sequence[str], side: str) -> np.ndarray:
        corrected = vectors
        for step in self.steps:
            corrected = step.apply(corrected, languages, side)
        return corrected_to_unit(self.name, vectors, corrected, languages)


class Centering:
    """Subtract the mean vector of each language.

    Args:
        sides: what the means of ``query`` and of ``passage`` are taken over.
        plain: take the plain means of all texts of a language, instead of holding texts fixed as
            :func:`language_means` does.

    Attributes:
        means: the means, by side and language.

    Raises:
        CorrectionError: a language has one text or all of one vector.
    """

    def __init__(self, sides: dict[str, FittingTexts], plain: bool = False) -> None:
        _refuse_empty("centering", sides, _is_one_vector)
        self.means = _by_side(sides, _plain_means if plain else language_means)

    def apply(self, vectors: np.ndarray, languages: Sequence[str], side: str) -> np.ndarray:
        """Return centred vectors ``[n, d]``."""
        return vectors - _rows_of(self.means[side], languages)


class LIR:
    """Language information removal: remove each language's first r principal directions.

    The directions are the first right singular vectors of the language's matrix of vectors, not
    centred; the first one lies close to the language's mean. Source: arXiv 2109.04727.

    Args:
        sides: what the directions of ``query`` and of ``passage`` are estimated from.
        r: directions per language.

    Attributes:
        directions: ``[r, d]``, by side and language.

    Raises:
        CorrectionError: the vectors of a language span no more than r directions, so that nothing
            of them would be left.
    """

    def __init__(self, sides: dict[str, FittingTexts], r: int = 1) -> None:
        if r < 1:
            raise InputError(f"lir: removes {r} directions; it must be 1 or more")

        def spans_too_little(vectors: np.ndarray) -> bool:
            # Beyond the span of the vectors, directions are made of rounding.
            sizes = np.linalg.svd(vectors, compute_uv=False)
            return bool((sizes > SMALLEST_LEFT * sizes[0]).sum() <= r)

        def first_directions(texts: FittingTexts) -> dict[str, np.ndarray]:
            parts = _by_language(texts)
            return {
                name: np.linalg.svd(part, full_matrices=False)[2][:r]
                for name, part in parts.items()
            }

        _refuse_empty("lir", sides, spans_too_little)
        self.directions = _by_side(sides, first_directions)

    def apply(self, vectors: np.ndarray, languages: Sequence[str], side: str) -> np.ndarray:
        """Return vectors ``[n, d]`` without their language's directions."""
        left = vectors.copy()
        names = np.asarray(languages)
        for name in np.unique(names):
            basis = _entry(self.directions[side], name)
            rows = names == name
            left[rows] -= vectors[rows] @ basis.T @ basis
        return left


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
        check_directions("shift", vectors, languages)
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
        return corrected_to_unit("shift", vectors, corrected, languages)


def fit(
    name: str,
    passages: FittingTexts,
    queries: FittingTexts | None = None,
    *,
    directions: int = 1,
    k: float = 0.1,
    shrinkage: float = 0.1,
    plain_means: bool = False,
) -> Correction:
    """Fit the correction of that name (:mod:`hybridlib.config.corrections`).

    Each step of a chain is fitted on the vectors as the steps before it leave them.

    Args:
        name: such as ``centering+filter``; what stands behind an ``@`` is not looked at.
        passages: what corrects passages, and queries too if ``queries`` is None.
        queries: what corrects queries; ``shift`` does not read them.
        directions: per language, of ``lir``.
        k: of the filter, see :class:`LanguageFilter`.
        shrinkage: likewise.
        plain_means: of ``centering``, see :class:`Centering`.

    Raises:
        InputError: no correction has that name.
        CorrectionError: the correction cannot be estimated from these vectors.
    """
    steps = CorrectionName.parse(name).steps
    check_directions(steps[0], passages.vectors, passages.languages)
    if steps == ("shift",):
        return Shift(passages.vectors, passages.languages, passages.groups)
    if queries is not None:
        check_directions(steps[0], queries.vectors, queries.languages, "query")
    sides = {"query": passages if queries is None else queries, "passage": passages}
    fitted: list[Step] = []
    for step in steps:
        if step == "centering":
            fitted.append(Centering(sides, plain_means))
        elif step == "lir":
            fitted.append(LIR(sides, directions))
        else:
            fitted.append(LanguageFilter(sides["query"], sides["passage"], k, shrinkage))
        sides = _mapped(sides, fitted[-1])
    return Chain(name, fitted)


def _mapped(sides: dict[str, FittingTexts], step: Step) -> dict[str, FittingTexts]:
    """Return what a step leaves of its own fitting texts."""

    def mapped(side: str) -> FittingTexts:
        texts = sides[side]
        return texts.moved_to(step.apply(texts.vectors, texts.languages, side))

    passages = mapped("passage")
    shared = sides["query"] is sides["passage"]
    return {"query": passages if shared else mapped("query"), "passage": passages}


def _by_side(sides: dict[str, FittingTexts], estimate: Callable[[FittingTexts], Any]) -> dict:
    """Return what is estimated from each side, and from shared texts once."""
    of_passages = estimate(sides["passage"])
    shared = sides["query"] is sides["passage"]
    return {
        "query": of_passages if shared else estimate(sides["query"]),
        "passage": of_passages,
    }


def _by_language(texts: FittingTexts) -> dict[str, np.ndarray]:
    """Return the vectors of each language."""
    names = np.asarray(texts.languages)
    return {str(name): texts.vectors[names == name] for name in np.unique(names)}


def _plain_means(texts: FittingTexts) -> dict[str, np.ndarray]:
    """Return the mean vector ``[d]`` of each language, as though no text were translated."""
    own_groups = [str(number) for number in range(len(texts.vectors))]
    return language_means(replace(texts, groups=own_groups))


def _is_one_vector(vectors: np.ndarray) -> bool:
    """Return whether all rows are (nearly) the same; a single one is."""
    distances = np.linalg.norm(vectors - vectors[0], axis=1)
    return bool(distances.max() <= SMALLEST_LEFT * np.linalg.norm(vectors[0]))


def _refuse_empty(
    correction: str, sides: dict[str, FittingTexts], is_empty: Callable[[np.ndarray], bool]
) -> None:
    """Refuse a correction that leaves nothing of what it is estimated from, in some languages."""
    nouns = {"passage": "passages", "query": "queries"}
    if sides["query"] is sides["passage"]:
        del nouns["query"]
    for side, noun in nouns.items():
        parts = _by_language(sides[side])
        empty = [f"{name} ({len(part)})" for name, part in parts.items() if is_empty(part)]
        if empty:
            raise CorrectionError(
                f"{correction}: nothing would be left of the {noun} in {', '.join(empty)}: too few "
                "in number, or too much alike"
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
