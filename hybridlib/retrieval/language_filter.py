"""The language filter: keep the directions along which texts differ, damp those of languages.

Derivation. A vector is ``x(text, language) = m + a(text) + e(text, language)``: a mean, what the
text adds in every language, and what is left. Translations of one text share a, so their covariance
is that of e: ``S_w`` (within). The covariance between the means of texts is that of a, ``S_b``
(between), plus ``S_w / n`` for a mean over n translations, which is subtracted.

Of x a search wants a. The linear estimate of a with the least squared error is
``S_b (S_b + S_w)^-1 (x - m)``: the Wiener filter (Wiener, Extrapolation, Interpolation, and
Smoothing of Stationary Time Series, 1949), with a as the signal and e as the noise. With a factor k
before S_w the noise is damped less (k < 1) or more.

Assumptions: a and e are uncorrelated; e has one covariance, whatever the text and the language; and
what texts differ by in training is what they differ by in the search. Nothing is assumed to be
normally distributed. In the coordinates in which S_b and S_w are both diagonal, the filter
multiplies the direction i by ``b_i / (b_i + k w_i)``, with its variances b_i between texts and w_i
between translations. These are the directions of linear discriminant analysis with the texts as
classes. Within-class covariance normalisation (Hatch, Kajarekar and Stolcke, Interspeech 2006)
divides by S_w instead, and so raises directions of little variance, which the filter leaves out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.language_means import group_means
from hybridlib.retrieval.unit import CorrectionError

logger = logging.getLogger(__name__)

# Texts in two languages or more: fewer are refused, and below the second number a warning is given.
FEWEST_TEXTS = 100
ENOUGH_TEXTS = 200

# Below this share of the largest variance, a variance is rounding.
_SMALLEST_VARIANCE = 1e-12


class LanguageFilter:
    """A linear map of centred vectors, the same for every language: ``F (x - offset)``.

    Args:
        queries: what it is fitted on.
        passages: likewise; the same object if there are passages alone. A text of the queries and
            one of the passages count as one text if they have the same group.
        k: the weight of the covariance between translations.
        shrinkage: both covariances are moved by this share towards their mean variance.

    Attributes:
        matrix: F, ``[d, d]`` float64; applied to row vectors as ``x @ matrix.T``.
        query_offset: the mean of the queries, ``[d]``.
        passage_offset: the mean of the passages, ``[d]``.
        between: S_b, ``[d, d]``.
        within: S_w, ``[d, d]``.
        k: as given.
        texts: how many texts in two languages or more it is fitted on.

    Raises:
        CorrectionError: too few texts are in two languages or more, or the covariances are singular
            together.
    """

    def __init__(
        self,
        queries: FittingTexts,
        passages: FittingTexts,
        k: float = 0.1,
        shrinkage: float = 0.1,
    ) -> None:
        sides = [passages] if queries is passages else [queries, passages]
        self.texts = _check_texts(sides)
        self.query_offset = queries.vectors.mean(0, dtype=np.float64)
        self.passage_offset = passages.vectors.mean(0, dtype=np.float64)
        self.between, self.within = covariances(sides)
        self.between = _shrunk(self.between, shrinkage)
        self.within = _shrunk(self.within, shrinkage)
        self.k = k
        self.matrix = _wiener(self.between, k * self.within)

    def apply(self, vectors: np.ndarray, languages: Sequence[str], side: str) -> np.ndarray:
        """Return filtered vectors ``[n, d]``, not at length 1; languages change nothing.

        Args:
            vectors: ``[n, d]``.
            languages: not read.
            side: ``query`` or ``passage``.
        """
        offset = self.query_offset if side == "query" else self.passage_offset
        matrix = self.matrix.astype(vectors.dtype)
        return (vectors - offset.astype(vectors.dtype)) @ matrix.T

    def directions(self) -> pd.DataFrame:
        """Return the directions that the filter keeps or damps, the most kept first.

        Returns:
            Columns between and within: the variance of the texts and that among translations, along
            each direction at length 1; kept: what the filter leaves of it, 0 to 1.
        """
        from scipy.linalg import eigh

        kept, directions = eigh(self.between, self.between + self.k * self.within)
        directions = directions / np.linalg.norm(directions, axis=0)
        between = np.einsum("di,de,ei->i", directions, self.between, directions)
        within = np.einsum("di,de,ei->i", directions, self.within, directions)
        table = pd.DataFrame({"between": between, "within": within, "kept": kept.clip(0, 1)})
        return table[::-1].reset_index(drop=True)


def covariances(sides: Sequence[FittingTexts]) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance between texts and that among translations of a text.

    Both are pooled over the sides, each around its own mean. Of a group's repeated texts in one
    language the first counts.

    Returns:
        S_b, positive semidefinite, and S_w, both ``[d, d]`` float64.
    """
    dimension = sides[0].vectors.shape[1]
    within = np.zeros((dimension, dimension))
    between = np.zeros((dimension, dimension))
    within_freedom = 0
    between_freedom = 0
    inverse_sizes = []
    for texts in map(FittingTexts.one_each, sides):
        vectors = np.asarray(texts.vectors, dtype=np.float64)
        group, _ = pd.factorize(texts.groups)
        means = group_means(vectors, group)

        # Around the mean of the text, with n - 1 degrees of freedom for n translations.
        left = vectors - means[group]
        within += left.T @ left
        within_freedom += len(vectors) - len(means)

        # The texts' means around their mean.
        centred = means - means.mean(0)
        between += centred.T @ centred
        between_freedom += len(means) - 1
        inverse_sizes.append(1 / np.bincount(group))

    within /= within_freedom
    noise_of_means = within * np.concatenate(inverse_sizes).mean()
    return _positive(between / between_freedom - noise_of_means), within


def _check_texts(sides: Sequence[FittingTexts]) -> int:
    """Return how many texts are in two languages or more; refuse too few, warn of few."""
    translated: set[str] = set()
    for texts in sides:
        frame = pd.DataFrame({"lang": texts.languages, "group": texts.groups})
        languages = frame.groupby("group")["lang"].nunique()
        translated.update(languages.index[languages > 1])
    count = len(translated)
    advice = "give more training pairs, or parallel text (parallel_path)"
    if count < FEWEST_TEXTS:
        raise CorrectionError(
            f"filter: {count} texts are in two languages or more; it needs {FEWEST_TEXTS}, better "
            f"{ENOUGH_TEXTS}: {advice}"
        )
    if count < ENOUGH_TEXTS:
        logger.warning(
            "filter: %d texts are in two languages or more; below %d it is uncertain: %s",
            count,
            ENOUGH_TEXTS,
            advice,
        )
    return count


def _wiener(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return ``signal (signal + noise)^-1``, both symmetric."""
    from scipy.linalg import cho_factor, cho_solve  # loaded late, as in hybridlib.data.grouping

    total = signal + noise
    variances = np.linalg.eigvalsh(total)
    if variances[0] <= _SMALLEST_VARIANCE * variances[-1]:
        raise CorrectionError(
            "filter: the fitting texts do not vary in all directions of the vectors (too few texts,"
            " or too much alike); give more texts, or a filter_shrinkage above 0"
        )
    return cho_solve(cho_factor(total), signal).T


def _positive(matrix: np.ndarray) -> np.ndarray:
    """Return a symmetric matrix with its negative eigenvalues set to 0."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values.clip(min=0)) @ vectors.T


def _shrunk(matrix: np.ndarray, share: float) -> np.ndarray:
    """Return a covariance moved towards the identity times its mean variance."""
    mean_variance = np.trace(matrix) / len(matrix)
    return (1 - share) * matrix + share * mean_variance * np.eye(len(matrix))
