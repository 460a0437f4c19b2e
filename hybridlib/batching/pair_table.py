"""The training pairs as a matrix of pairs and languages, which batch strategies draw from.

A table may hold several sets (column ``dataset``). Each batch is then drawn from one of those that
can fill it: set d with probability proportional to N_d^tau, where N_d is its number of pairs and
tau is ``dataset_tau``.
"""

from __future__ import annotations

import logging
from functools import cached_property

import numpy as np
import pandas as pd

from hybridlib.batching.code_switching import (
    Lexicon,
    Switching,
    lexicon_from_pairs,
    load_lexicon,
)
from hybridlib.errors import InputError

logger = logging.getLogger(__name__)


class PairTable:
    """The training table as a matrix: ``rows[p, l]`` is the row of pair p in language l, or -1.

    Args:
        frame: training pairs (columns pair_id, lang, ...); the same pair_id in two languages is a
            translation.
        dataset_tau: how much the sizes of several sets (column dataset) count when a batch draws
            its set.
        language_draw: a monolingual batch's language is drawn ``uniform`` or by ``size``.
        switching: read by ``code-switched``.
        whole: the table that this one is a set of; None for a table of its own.
        name: the set's name in ``whole``.

    Attributes:
        languages: the table's languages, sorted.
        rows: row numbers of ``frame``, ``[pairs, languages]``; -1 where a pair lacks a language.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        dataset_tau: float = 1.0,
        language_draw: str = "uniform",
        switching: Switching | None = None,
        *,
        whole: PairTable | None = None,
        name: str = "",
    ) -> None:
        self.frame = frame.reset_index(drop=True) if whole is None else frame
        self.dataset_tau = dataset_tau
        self.language_draw = language_draw
        self.switching = switching or Switching()
        self.whole = whole or self
        self.name = name
        self._warned: set[int] = set()

        # A set keeps the row numbers of the whole frame.
        chosen = np.arange(len(frame))
        if whole is not None:
            chosen = np.flatnonzero(frame["dataset"] == name)
        part = self.frame.iloc[chosen]

        # Fill the matrix: one line a pair, one column a language.
        self.languages: list[str] = sorted(part["lang"].unique())
        pair, _ = pd.factorize(part["pair_id"], sort=True)
        lang = pd.Categorical(part["lang"], self.languages).codes
        self.rows = np.full((pair.max() + 1, len(self.languages)), -1, dtype=np.int64)
        self.rows[pair, lang] = chosen

    # ------------------------------------------------------------------------------- several sets

    @cached_property
    def sets(self) -> list[PairTable]:
        """The table of each set, by name; a table of one set is its own.

        Raises:
            InputError: a pair_id stands in two sets.
        """
        is_set = self is not self.whole
        if is_set or "dataset" not in self.frame or self.frame["dataset"].nunique() < 2:
            return [self]
        sets_per_pair = self.frame.groupby("pair_id")["dataset"].nunique()
        if sets_per_pair.max() > 1:
            raise InputError(
                f"pair_id {sets_per_pair.idxmax()!r} stands in several sets (column dataset); "
                "translations of a pair belong to one set: rename its dataset or its pair_id"
            )
        return [
            PairTable(
                self.frame,
                self.dataset_tau,
                self.language_draw,
                self.switching,
                whole=self,
                name=name,
            )
            for name in sorted(self.frame["dataset"].unique())
        ]

    def one_set(self, rng: np.random.Generator, kind: str, batch_size: int) -> PairTable:
        """Draw the set of a batch; with a single set nothing is drawn.

        Args:
            rng: the batch's generator.
            kind: a key of :attr:`capacity`: what the batch is to hold.
            batch_size: only sets that can fill such a batch take part.

        Raises:
            InputError: none of several sets can.
        """
        if len(self.sets) == 1:
            return self.sets[0]
        able = [part for part in self.sets if part.capacity[kind] >= batch_size]
        if not able:
            most = ", ".join(f"{part.name} {part.capacity[kind]}" for part in self.sets)
            raise InputError(
                f"no set of the training pairs can fill a batch of {batch_size} ({kind}; pairs "
                f"that it could hold: {most}): lower batch_size"
            )
        weights = np.array([len(part.rows) for part in able], dtype=float) ** self.dataset_tau
        return able[rng.choice(len(able), p=weights / weights.sum())]

    # ------------------------------------------------------------------------------- what there is

    @cached_property
    def capacity(self) -> dict[str, int]:
        """The largest batch of each kind.

        Kinds: ``en-en``, ``x-x`` (any languages), ``mono``, ``x-y``, ``x-y-pair``.
        """
        return {
            "en-en": len(self.with_language("en")) if "en" in self.languages else 0,
            "x-x": len(self.rows),
            "mono": max(len(rows) for rows in self._by_language),
            "x-y": int((self.languages_per_pair >= 2).sum()),
            "x-y-pair": int(self.shared.max()),
        }

    @cached_property
    def shared(self) -> np.ndarray:
        """How many pairs each two languages share, ``[languages, languages]``; diagonal 0."""
        has = self.rows >= 0
        shared = has.T.astype(np.int64) @ has
        np.fill_diagonal(shared, 0)
        return shared

    @cached_property
    def languages_per_pair(self) -> np.ndarray:
        """How many languages each pair has, ``[pairs]``."""
        return (self.rows >= 0).sum(1)

    @cached_property
    def pair_of_row(self) -> np.ndarray:
        """The pair of each row of the whole frame, ``[rows]``; -1 for rows of other sets."""
        pairs = np.full(len(self.frame), -1)
        numbers, languages = np.nonzero(self.rows >= 0)
        pairs[self.rows[numbers, languages]] = numbers
        return pairs

    def with_language(self, language: str) -> np.ndarray:
        """Return the table's rows in one language, ``[n]``.

        Raises:
            InputError: there are none.
        """
        if language not in self.languages:
            raise InputError(
                f"the training pairs have no {language!r}; they have {', '.join(self.languages)}"
            )
        return self._by_language[self.languages.index(language)]

    @cached_property
    def _by_language(self) -> list[np.ndarray]:
        """The rows of each language."""
        return [column[column >= 0] for column in self.rows.T]

    # ------------------------------------------------------------------------------------- drawing

    def draw_language(self, rng: np.random.Generator, batch_size: int) -> str:
        """Draw the language of a monolingual batch, among those that can fill it.

        Raises:
            InputError: none can.
        """
        counts = np.array([len(rows) for rows in self._by_language])
        able = np.flatnonzero(counts >= batch_size)
        if not len(able):
            raise InputError(
                f"a batch of {batch_size} needs as many different pairs in one language, the "
                f"training pairs have {counts.max()} ({self.languages[counts.argmax()]!r}): "
                "lower batch_size"
            )
        if len(able) < len(counts):
            self._warn_of_small_languages(counts, batch_size)
        if self.language_draw == "size":
            return self.languages[rng.choice(able, p=counts[able] / counts[able].sum())]
        return self.languages[able[rng.integers(len(able))]]

    def _warn_of_small_languages(self, counts: np.ndarray, batch_size: int) -> None:
        """Say once which languages cannot fill a monolingual batch."""
        if batch_size in self._warned:
            return
        self._warned.add(batch_size)
        small = [
            f"{lang} {count}"
            for lang, count in zip(self.languages, counts, strict=True)
            if count < batch_size
        ]
        logger.warning(
            "monolingual batches of %d leave out the languages that have fewer pairs%s: %s",
            batch_size,
            f" in {self.name}" if self.name else "",
            ", ".join(small),
        )

    # -------------------------------------------------------------------------------------- lexicon

    def lexicon(self, source: str) -> Lexicon:
        """Return translations of words of ``source`` into the table's other languages.

        They are made when first asked for, once for all sets.

        Raises:
            InputError: there are none, or a word list cannot be read.
        """
        lexicons = self.whole._lexicons
        if source not in lexicons:
            lexicons[source] = self.whole._make_lexicon(source)
        return lexicons[source]

    @cached_property
    def _lexicons(self) -> dict[str, Lexicon]:
        """The lexicons made so far, by source language."""
        return {}

    def _make_lexicon(self, source: str) -> Lexicon:
        """Read the word lists, or align the words of the training pairs."""
        targets = [lang for lang in self.languages if lang != source]
        path = self.switching.lexicon_path
        if path is None:
            words = lexicon_from_pairs(self.frame, source, targets)
        else:
            words = load_lexicon(path, source, targets)
        if not words:
            raise InputError(
                f"code-switched: the training pairs hold no translations of {source!r} to make a "
                f"lexicon from; give lexicon_path, a folder of word lists such as {source}-de.txt"
            )
        return words
