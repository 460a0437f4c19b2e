"""The mean vector of each language, with the texts held fixed where texts are translated.

The plain mean of a language is that of its texts. Where languages have different texts, as in
partly parallel training pairs, plain means differ by topic as well as by language. So a vector is
taken as ``x(text, language) = a(text) + b(language)``, and a and b are estimated together, by least
squares. This is a two-way layout without interaction (for example Scheffe, The Analysis of
Variance, 1959, chapter 4). The mean of a language is then its b plus one mean of all texts.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from hybridlib.retrieval.fitting_texts import FittingTexts

logger = logging.getLogger(__name__)

# A language with fewer translated texts than this has an uncertain effect: a warning says so.
FEW_TRANSLATED = 20


def language_means(texts: FittingTexts) -> dict[str, np.ndarray]:
    """Return what centering subtracts in each language: ``[d]`` each, float32.

    It is the mean over all texts of ``x - b(language)``, plus ``b(language)``. If all texts are in
    all languages, this is the plain mean of the language. A text in one language alone says nothing
    about b.

    Languages that no chain of shared texts connects cannot be compared with their texts held fixed.
    Each connected part then has a mean of its own. A language that shares no text with any other
    has its plain mean.
    """
    languages, language = np.unique(np.asarray(texts.languages), return_inverse=True)
    group, _ = pd.factorize(np.asarray(texts.groups))
    vectors = np.asarray(texts.vectors, dtype=np.float64)
    counts = np.zeros((group.max() + 1, len(languages)))
    np.add.at(counts, (group, language), 1)

    # Least squares with the texts' a eliminated: ``laplacian @ b = targets``.
    sizes = counts.sum(1)
    laplacian = np.diag(counts.sum(0)) - counts.T @ (counts / sizes[:, None])
    differences = vectors - group_means(vectors, group)[group]
    targets = _sums(differences, language, len(languages))

    # Each connected part leaves a constant open; the solution of least norm sets it to something,
    # and the mean of the part takes it out again.
    effects = np.linalg.lstsq(laplacian, targets, rcond=1e-10)[0]
    part = _connected(counts)
    left = vectors - effects[language]
    means = group_means(left, part[language])[part] + effects
    _warn_of_few(languages, counts)
    return dict(zip(map(str, languages), means.astype(np.float32)))


def group_means(vectors: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the mean vector of each group, ``[groups, d]``.

    Args:
        vectors: ``[n, d]``.
        group: the number of each vector's group, from 0 on without a gap, ``[n]``.
    """
    sizes = np.bincount(group)
    return _sums(vectors, group, len(sizes)) / sizes[:, None]


def _sums(vectors: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Return the sum of the vectors of each group, ``[groups, d]``."""
    from scipy.sparse import csr_matrix  # loaded late, as in hybridlib.data.grouping

    members = csr_matrix(
        (np.ones(len(group)), (group, np.arange(len(group)))), (groups, len(group))
    )
    return members @ vectors


def _connected(counts: np.ndarray) -> np.ndarray:
    """Return the number of each language's connected part.

    Args:
        counts: texts, ``[groups, languages]``.
    """
    from scipy.sparse.csgraph import connected_components

    present = counts > 0
    return connected_components(present.T.astype(int) @ present, directed=False)[1]


def _warn_of_few(languages: np.ndarray, counts: np.ndarray) -> None:
    """Warn of languages that are connected with the others by few texts."""
    translated = (counts > 0).sum(1) > 1
    shared = (counts[translated] > 0).sum(0)
    few = [
        f"{language} ({count})"
        for language, count in zip(languages, shared)
        if 0 < count < FEW_TRANSLATED
    ]
    if few:
        logger.warning(
            "centering: few texts tell languages from topics in %s; more parallel text helps",
            ", ".join(few),
        )
