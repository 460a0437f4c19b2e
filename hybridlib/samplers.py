"""Batch strategies: which question and which passage stand in each row of a training batch.

A batch is a pure function of (strategy, data, seed, step), drawn from a counter-based generator. Resuming is
starting at a later step, and every process of a distributed run computes the same global batch and takes its
slice, so that a batch keeps its strategy and language however many processes share it.

A table may hold several sets (column ``dataset``). Each batch is then drawn from one of those that can fill it: set d
with probability proportional to N_d^tau (N_d: its pairs, tau: ``dataset_tau``).

A strategy of one's own is one function, registered by name, in a file that the parameter ``plugins`` names::

    from hybridlib.samplers import STRATEGIES, strategy

    @strategy("half-en", "hybrid of English and cross-lingual batches")
    def half_en(pairs, rng, batch_size, alpha):
        name = "en-en" if rng.random() < alpha else "x-y"
        return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.errors import InputError
from hybridlib.files import resolve

if TYPE_CHECKING:
    from hybridlib.lexicon import Lexicon
    from hybridlib.params import Params

log = logging.getLogger(__name__)

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Batch:
    """Rows of the training table: question of ``questions[i]`` with passage of ``passages[i]``, ``[batch]`` each.

    ``regime`` is how the batch was drawn (``x-x-mono`` or ``x-y`` inside a hybrid run). A strategy that changes texts
    (code-switching) puts the changed ones into ``question_texts`` and ``passage_texts``; None leaves the table's.
    """

    regime: str
    questions: np.ndarray
    passages: np.ndarray
    question_texts: np.ndarray | None = None
    passage_texts: np.ndarray | None = None

    def slice(self, rank: int, world: int) -> Batch:
        """The rows of one of ``world`` processes; the processes' slices in order are the batch."""
        edges = np.linspace(0, len(self.questions), world + 1).astype(int)
        rows = np.s_[edges[rank] : edges[rank + 1]]
        texts = (
            None if part is None else part[rows]
            for part in (self.question_texts, self.passage_texts)
        )
        return Batch(self.regime, self.questions[rows], self.passages[rows], *texts)

    def texts(self, pairs: pd.DataFrame) -> tuple[list[str], list[str]]:
        """The questions and the passages of the batch."""
        questions = (
            pairs["question"].to_numpy()[self.questions]
            if self.question_texts is None
            else self.question_texts
        )
        passages = (
            pairs["passage"].to_numpy()[self.passages]
            if self.passage_texts is None
            else self.passage_texts
        )
        return list(questions), list(passages)


@dataclass(frozen=True)
class Switching:
    """How ``code-switched`` changes texts.

    ``probability`` of each word, ``sides``: query, passage or both, ``lexicon_path``: MUSE word lists; None makes
    the lexicon from the table's own translations.
    """

    probability: float = 0.5
    sides: str = "both"
    lexicon_path: Path | None = None


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
        switching: Switching = Switching(),
    ) -> None:
        self.frame = frame.reset_index(drop=True)
        self.dataset_tau, self.language_draw, self.switching = dataset_tau, language_draw, switching
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
        from hybridlib.lexicon import lexicon_from_pairs, load_lexicon

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


Strategy = Callable[[PairTable, np.random.Generator, int, float], Batch]


@dataclass(frozen=True)
class Registered:
    """A strategy, what it does in one line, the parameters (beyond batch size and seed) that it reads, and how much of the
    trained weights it hands on."""

    draw: Strategy
    meaning: str
    options: tuple[str, ...] = ()
    trained_share: float = 1.0

    @property
    def built_in(self) -> bool:
        return self.draw.__module__ == __name__


STRATEGIES: dict[str, Registered] = {}


def strategy(
    name: str, meaning: str, options: tuple[str, ...] = (), trained_share: float = 1.0
) -> Callable[[Strategy], Strategy]:
    """Register a strategy under a name; it then works in params, in the runner and in every figure.

    Args:
        name: letters, digits, ``.``, ``_`` and ``-``: it becomes part of a run's folder.
        meaning: what it does, in one line.
        options: the parameters that it reads beyond batch size and seed; a change of one repeats its runs.
        trained_share: from 0 to 1; below 1 the run's model is an average of the trained weights, with this share, and of
            those that training began with (arXiv 2109.01903).

    Raises:
        InputError: the name is taken, or is no name of a folder; or the share is not between 0 and 1.
    """
    if not 0 <= trained_share <= 1:
        raise InputError(
            f"strategy {name!r}: trained_share ({trained_share}) must lie between 0 and 1"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(
            f"strategy {name!r}: a name is made of letters, digits, '.', '_' and '-', and begins with a letter or a digit"
        )
    known = STRATEGIES.get(name)

    def register(draw: Strategy) -> Strategy:
        if name == UNTRAINED or (known and known.draw.__module__ != draw.__module__):
            raise InputError(
                f"strategy {name!r}: there is one of that name already; choose another"
            )
        STRATEGIES[name] = Registered(draw, meaning, options, trained_share)
        return draw

    return register


def known_strategies() -> list[str]:
    """All values that the parameter ``strategy`` may take."""
    return [UNTRAINED, *STRATEGIES]


def draw_batch(
    name: str, pairs: PairTable, seed: int, step: int, batch_size: int, alpha: float = 0.5
) -> Batch:
    """The batch of one step: the same for the same arguments, whatever was drawn before.

    Args:
        name: a key of STRATEGIES.
        seed, step: together the counter of the generator (Philox).
        batch_size: rows; no question (pair_id) stands twice in a batch.
        alpha: probability of a monolingual batch, read by ``hybrid``.

    Raises:
        InputError: the data cannot fill such a batch.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)


def choose(rng: np.random.Generator, rows: np.ndarray, count: int, what: str) -> np.ndarray:
    """``count`` different entries of ``rows``.

    Args:
        what: what the rows are, for the error.

    Raises:
        InputError: there are not as many.
    """
    if len(rows) < count:
        raise InputError(
            f"a batch of {count} needs as many different {what}, the training pairs have {len(rows)}: lower batch_size"
        )
    return rows[rng.choice(len(rows), count, replace=False)]


@strategy("en-en", "English question, English passage (LAReQA En-En)")
def en_en(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Source: arXiv 2004.05484."""
    pairs = pairs.one_set(rng, "en-en", batch_size)
    rows = choose(rng, pairs.with_language("en"), batch_size, "English pairs")
    return Batch("en-en", rows, rows)


@strategy("x-x", "same-language pairs, languages mixed row by row (LAReQA X-X)")
def x_x(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair, then one of its languages. Source: arXiv 2004.05484."""
    pairs = pairs.one_set(rng, "x-x", batch_size)
    chosen = choose(rng, np.arange(len(pairs.rows)), batch_size, "pairs")
    rows = pairs.rows[chosen, languages_of(pairs, rng, chosen, 1)[:, 0]]
    return Batch("x-x", rows, rows)


@strategy(
    "x-x-mono",
    "monolingual: the whole batch in one language, languages drawn uniformly or by size",
    options=("language_draw",),
)
def x_x_mono(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Sources: arXiv 2004.05484, arXiv 2408.10536."""
    pairs = pairs.one_set(rng, "mono", batch_size)
    language = pairs.draw_language(rng, batch_size)
    rows = choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")
    return Batch("x-x-mono", rows, rows)


@strategy("x-y", "cross-lingual: every row its own ordered pair of different languages")
def x_y(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Each row draws a pair, then two of its languages in order. Sources: arXiv 2004.05484, arXiv 2408.10536."""
    pairs = pairs.one_set(rng, "x-y", batch_size)
    chosen = choose(
        rng, np.flatnonzero(pairs.languages_per_pair >= 2), batch_size, "pairs in two languages"
    )
    languages = languages_of(pairs, rng, chosen, 2)
    return Batch("x-y", pairs.rows[chosen, languages[:, 0]], pairs.rows[chosen, languages[:, 1]])


@strategy("x-y-pair", "cross-lingual, one ordered pair of languages for the whole batch")
def x_y_pair(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """Ordered pairs of languages that share at least a batch of questions are drawn uniformly."""
    pairs = pairs.one_set(rng, "x-y-pair", batch_size)
    usable = np.argwhere(pairs.shared >= batch_size)
    if not len(usable):
        raise InputError(
            f"no two languages share the {batch_size} questions of an x-y-pair batch (most: {pairs.shared.max()}): lower batch_size"
        )
    x, y = usable[rng.integers(len(usable))]
    chosen = choose(
        rng, np.flatnonzero((pairs.rows[:, [x, y]] >= 0).all(1)), batch_size, "shared questions"
    )
    return Batch("x-y-pair", pairs.rows[chosen, x], pairs.rows[chosen, y])


@strategy(
    "hybrid",
    "each batch monolingual with probability alpha, else cross-lingual",
    options=("alpha", "language_draw"),
)
def hybrid(pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float) -> Batch:
    """The paper's strategy (arXiv 2408.10536)."""
    return (x_x_mono if rng.random() < alpha else x_y)(pairs, rng, batch_size, alpha)


@strategy(
    "hybrid-0.25",
    "hybrid with alpha 0.25, to stand beside it in one grid",
    options=("language_draw",),
)
def hybrid_quarter(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """A point of the alpha curve: x-y is its 0, x-x-mono its 1."""
    return hybrid(pairs, rng, batch_size, 0.25)


@strategy(
    "hybrid-0.75",
    "hybrid with alpha 0.75, to stand beside it in one grid",
    options=("language_draw",),
)
def hybrid_three_quarters(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """A point of the alpha curve: x-y is its 0, x-x-mono its 1."""
    return hybrid(pairs, rng, batch_size, 0.75)


@strategy(
    "hybrid-averaged",
    "hybrid, its weights averaged with the untrained encoder's, 3 to 1",
    options=("alpha", "language_draw"),
    trained_share=0.75,
)
def hybrid_averaged(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Hybrid that keeps something of what the encoder knew; the share was chosen on held-out articles (docs/study.md)."""
    return hybrid(pairs, rng, batch_size, alpha)


@strategy(
    "x-y-averaged",
    "x-y, its weights averaged with the untrained encoder's, 3 to 1",
    trained_share=0.75,
)
def x_y_averaged(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Beside ``hybrid-averaged``: what of its gain is the average's and what the batches'."""
    return x_y(pairs, rng, batch_size, alpha)


@strategy(
    "code-switched",
    "monolingual English batches with words switched to other languages",
    options=("language_draw", "switch_probability", "switch_sides", "lexicon_path"),
)
def code_switched(
    pairs: PairTable, rng: np.random.Generator, batch_size: int, alpha: float
) -> Batch:
    """Each word by a translation with ``switch_probability``; sets without English: as x-x-mono. Source: arXiv 2305.05295."""
    from hybridlib.lexicon import switch

    pairs = pairs.one_set(rng, "mono", batch_size)
    language = (
        "en"
        if "en" in pairs.languages and pairs.capacity["en-en"] >= batch_size
        else pairs.draw_language(rng, batch_size)
    )
    rows = choose(rng, pairs.with_language(language), batch_size, f"pairs in {language!r}")
    how, texts = pairs.switching, {}
    for side, name in (("question", "query"), ("passage", "passage")):
        if how.probability > 0 and how.sides in ("both", name):
            words = pairs.lexicon(language)
            texts[f"{side}_texts"] = np.array(
                [
                    switch(text, words, rng, how.probability)
                    for text in pairs.frame[side].to_numpy()[rows]
                ],
                dtype=object,
            )
    return Batch("code-switched", rows, rows, **texts)


def drawable(table: PairTable, batch_size: int) -> list[str]:
    """The strategies for which the table can fill a batch; of code-switched texts nothing is said."""
    plain = PairTable(
        table.frame, table.dataset_tau, table.language_draw, Switching(probability=0.0)
    )

    def fills(name: str) -> bool:
        try:
            return all(
                draw_batch(name, plain, 0, step, batch_size, alpha)
                for alpha in (0.0, 1.0)
                for step in range(20)
            )
        except InputError:
            return False

    return [name for name in STRATEGIES if fills(name)]


def expected_draws(
    name: str, table: PairTable, batch_size: int, alpha: float = 0.5, batches: int = 2000
) -> pd.DataFrame:
    """What a strategy trains on in the long run: the share of rows of each set and pair of languages.

    Drawn, not derived: ``batches`` batches of a fixed seed, so a share p has a standard error of at most
    sqrt(p (1 - p) / batches). Code-switched rows count in the language they had.

    Returns:
        Columns dataset, question, passage (languages) and share (of all rows; they add up to 1), in that order.

    Raises:
        InputError: the data cannot fill such a batch.
    """
    plain = PairTable(
        table.frame, table.dataset_tau, table.language_draw, Switching(probability=0.0)
    )
    drawn = [
        draw_batch(name, plain, 0, step, batch_size, alpha)
        for step in tqdm(
            range(batches), desc=f"drawing {name}", unit="batch", mininterval=2, delay=2
        )
    ]
    questions, passages = (
        np.concatenate([getattr(batch, side) for batch in drawn])
        for side in ("questions", "passages")
    )
    frame = plain.frame.assign(dataset=plain.frame["dataset"] if "dataset" in plain.frame else "")
    rows = pd.DataFrame(
        {
            "dataset": frame["dataset"].to_numpy()[questions],
            "question": frame["lang"].to_numpy()[questions],
            "passage": frame["lang"].to_numpy()[passages],
        }
    )
    return rows.value_counts(normalize=True, sort=False).rename("share").reset_index()


def languages_of(
    pairs: PairTable, rng: np.random.Generator, chosen: np.ndarray, count: int
) -> np.ndarray:
    """For each chosen pair ``count`` different languages that it has, in random order, ``[chosen, count]``."""
    keys = rng.random((len(chosen), len(pairs.languages)))
    keys[pairs.rows[chosen] < 0] = 2.0
    return np.argsort(keys, axis=1)[:, :count]
