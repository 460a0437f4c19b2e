"""Batch strategies: which question and which passage stand in each row of a training batch.

A batch is a pure function of (strategy, data, seed, step), drawn from a counter-based generator. Resuming is
starting at a later step, and every process of a distributed run computes the same global batch and takes its
slice, so that a batch keeps its strategy and language however many processes share it.

A table may hold several sets (column ``dataset``). Each batch is then drawn from one of those that can fill it: set d
with probability proportional to N_d^tau (N_d: its pairs, tau: ``dataset_tau``).

A strategy of one's own is one function, registered by name, in a file that the parameter ``plugins`` names::

    from hybridlib.batching.strategies import STRATEGIES, strategy

    @strategy("half-en", "hybrid of English and cross-lingual batches")
    def half_en(pairs, rng, batch_size, alpha):
        name = "en-en" if rng.random() < alpha else "x-y"
        return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridlib.batching.code_switching import Switching
from hybridlib.errors import InputError
from hybridlib.files import resolve

if TYPE_CHECKING:
    from hybridlib.batching.code_switching import Lexicon
    from hybridlib.config.params import Params

log = logging.getLogger(__name__)


class PairTable:
    """The training table as a matrix: ``rows[p, l]`` is the row of pair ``p`` in language ``l``, or -1.

    Args:
        frame: training pairs (columns pair_id, lang, ...); the same pair_id in two languages is a translation.
        dataset_tau: how much the sizes of several sets (column dataset) count when a batch draws its set.
        language_draw: a monolingual batch's language: ``uniform``, or by ``size``.
        switching: read by ``code-switched``.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        dataset_tau: float = 1.0,
        language_draw: str = "uniform",
        switching: Switching | None = None,
    ) -> None:
        self.frame = frame.reset_index(drop=True)
        self.dataset_tau, self.language_draw = dataset_tau, language_draw
        self.switching = switching or Switching()
        self.whole, self.name = self, ""
        self._fill(np.arange(len(self.frame)))

    @classmethod
    def from_params(cls, frame: pd.DataFrame, params: Params) -> PairTable:
        """The table of a run, with its ``dataset_tau``, ``language_draw`` and code-switching."""
        lexicon_path = None if params.lexicon_path is None else resolve(params.lexicon_path)
        return cls(
            frame,
            params.dataset_tau,
            params.language_draw,
            Switching(params.switch_probability, params.switch_sides, lexicon_path),
        )

    def _fill(self, chosen: np.ndarray) -> None:
        """Languages and matrix of some rows of the frame."""
        part = self.frame.iloc[chosen]
        self.languages: list[str] = sorted(part["lang"].unique())
        pair, _ = pd.factorize(part["pair_id"], sort=True)
        lang = pd.Categorical(part["lang"], self.languages).codes
        self.rows = np.full((pair.max() + 1, len(self.languages)), -1, dtype=np.int64)
        self.rows[pair, lang] = chosen
        self._warned: set[int] = set()

    @cached_property
    def sets(self) -> list[PairTable]:
        """The table of each set, by name; rows are those of the whole frame. A table of one set is its own.

        Raises:
            InputError: a pair_id stands in two sets.
        """
        if (
            "dataset" not in self.frame
            or self is not self.whole
            or self.frame["dataset"].nunique() < 2
        ):
            return [self]
        homes = self.frame.groupby("pair_id")["dataset"].nunique()
        if homes.max() > 1:
            raise InputError(
                f"pair_id {homes.idxmax()!r} stands in several sets (column dataset); translations of a pair belong to one set: rename its dataset or its pair_id"
            )
        return [self._set(name) for name in sorted(self.frame["dataset"].unique())]

    def _set(self, name: str) -> PairTable:
        part = PairTable.__new__(PairTable)
        part.frame, part.dataset_tau, part.language_draw, part.switching = (
            self.frame,
            self.dataset_tau,
            self.language_draw,
            self.switching,
        )
        part.whole, part.name = self, name
        part._fill(np.flatnonzero(self.frame["dataset"] == name))
        return part

    def one_set(self, rng: np.random.Generator, kind: str, batch_size: int) -> PairTable:
        """The table that a batch is drawn from; with a single set this table, and nothing is drawn.

        Args:
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
                f"no set of the training pairs can fill a batch of {batch_size} ({kind}; pairs that it could hold: {most}): lower batch_size"
            )
        weights = np.array([len(part.rows) for part in able], dtype=float) ** self.dataset_tau
        return able[rng.choice(len(able), p=weights / weights.sum())]

    @cached_property
    def capacity(self) -> dict[str, int]:
        """The largest batch of each kind: ``en-en``, ``x-x`` (any languages), ``mono``, ``x-y``, ``x-y-pair``."""
        english = len(self.with_language("en")) if "en" in self.languages else 0
        mono = max(len(rows) for rows in self._by_language)
        return {
            "en-en": english,
            "x-x": len(self.rows),
            "mono": mono,
            "x-y": int((self.languages_per_pair >= 2).sum()),
            "x-y-pair": int(self.shared.max()),
        }

    @cached_property
    def shared(self) -> np.ndarray:
        """How many pairs each two languages share, ``[languages, languages]``, 0 on the diagonal."""
        shared = (self.rows >= 0).T.astype(np.int64) @ (self.rows >= 0)
        np.fill_diagonal(shared, 0)
        return shared

    def draw_language(self, rng: np.random.Generator, batch_size: int) -> str:
        """The language of a monolingual batch, among those that can fill it.

        Raises:
            InputError: none can.
        """
        counts = np.array([len(rows) for rows in self._by_language])
        able = np.flatnonzero(counts >= batch_size)
        if not len(able):
            raise InputError(
                f"a batch of {batch_size} needs as many different pairs in one language, the training pairs have {counts.max()} ({self.languages[counts.argmax()]!r}): lower batch_size"
            )
        if len(able) < len(counts) and batch_size not in self._warned:
            self._warned.add(batch_size)
            small = ", ".join(
                f"{lang} {count}"
                for lang, count in zip(self.languages, counts)
                if count < batch_size
            )
            log.warning(
                "monolingual batches of %d leave out the languages that have fewer pairs%s: %s",
                batch_size,
                f" in {self.name}" if self.name else "",
                small,
            )
        if self.language_draw == "size":
            return self.languages[rng.choice(able, p=counts[able] / counts[able].sum())]
        return self.languages[able[rng.integers(len(able))]]

    def lexicon(self, source: str) -> Lexicon:
        """Translations of words of ``source`` into the table's other languages; made when first asked for.

        Raises:
            InputError: there are none, or a word list cannot be read.
        """
        if source not in self.whole._lexicons:
            self.whole._lexicons[source] = self.whole._make_lexicon(source)
        return self.whole._lexicons[source]

    @cached_property
    def _lexicons(self) -> dict[str, Lexicon]:
        return {}

    def _make_lexicon(self, source: str) -> Lexicon:
        from hybridlib.batching.code_switching import lexicon_from_pairs, load_lexicon

        targets = [lang for lang in self.languages if lang != source]
        path = self.switching.lexicon_path
        words = (
            lexicon_from_pairs(self.frame, source, targets)
            if path is None
            else load_lexicon(path, source, targets)
        )
        if not words:
            raise InputError(
                f"code-switched: the training pairs hold no translations of {source!r} to make a lexicon from; give lexicon_path, a folder of word lists such as {source}-de.txt"
            )
        return words

    @cached_property
    def _by_language(self) -> list[np.ndarray]:
        return [column[column >= 0] for column in self.rows.T]

    def with_language(self, language: str) -> np.ndarray:
        """Table rows in one language, ``[n]``."""
        if language not in self.languages:
            raise InputError(
                f"the training pairs have no {language!r}; they have {', '.join(self.languages)}"
            )
        return self._by_language[self.languages.index(language)]

    @cached_property
    def languages_per_pair(self) -> np.ndarray:
        """How many languages each pair has, ``[pairs]``."""
        return (self.rows >= 0).sum(1)
