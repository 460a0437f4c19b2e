"""Batches, and the register of the strategies that draw them.

A strategy of one's own is one function, registered by name, in a file that the parameter
``plugins`` names::

    from hybridlib import strategy
    from hybridlib.batching.strategies import STRATEGIES

    @strategy("half-en", "hybrid of English and cross-lingual batches", options=("alpha",))
    def half_en(pairs, rng, batch_size, alpha):
        name = "en-en" if rng.random() < alpha else "x-y"
        return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hybridlib.batching.pair_table import PairTable
from hybridlib.config.names import NO_BATCHES
from hybridlib.errors import InputError


@dataclass(frozen=True)
class Batch:
    """The rows of the training table that make a batch.

    Row i of the batch is the question of table row ``questions[i]`` with the passage of table row
    ``passages[i]``.

    Attributes:
        regime: how the batch was drawn (``x-x-mono`` or ``x-y`` inside a hybrid run).
        questions: row numbers, ``[batch]``.
        passages: row numbers, ``[batch]``.
        question_texts: the questions, where a strategy changed them; None leaves the table's.
        passage_texts: the passages, where a strategy changed them; None leaves the table's.
        translations: rows whose questions translate the batch's, ``[batch]``; a question's own row
            where there is none. None where the loss does not compare translations.
    """

    regime: str
    questions: np.ndarray
    passages: np.ndarray
    question_texts: np.ndarray | None = None
    passage_texts: np.ndarray | None = None
    translations: np.ndarray | None = None

    def slice(self, rank: int, world: int) -> Batch:
        """Return the rows of one of ``world`` processes; their slices in order are the batch."""
        edges = np.linspace(0, len(self.questions), world + 1).astype(int)
        rows = np.s_[edges[rank] : edges[rank + 1]]
        return Batch(
            self.regime,
            self.questions[rows],
            self.passages[rows],
            None if self.question_texts is None else self.question_texts[rows],
            None if self.passage_texts is None else self.passage_texts[rows],
            None if self.translations is None else self.translations[rows],
        )

    def texts(self, pairs: pd.DataFrame) -> tuple[list[str], list[str]]:
        """Return the questions and the passages of the batch."""
        questions = self.question_texts
        if questions is None:
            questions = pairs["question"].to_numpy()[self.questions]
        passages = self.passage_texts
        if passages is None:
            passages = pairs["passage"].to_numpy()[self.passages]
        return list(questions), list(passages)


Strategy = Callable[[PairTable, np.random.Generator, int, float], Batch]


@dataclass(frozen=True)
class Registered:
    """A registered strategy.

    Attributes:
        draw: from (pairs, generator, batch size, alpha) to a batch.
        meaning: what it does, in one line.
        options: the parameters that it reads beyond batch size and seed.
    """

    draw: Strategy
    meaning: str
    options: tuple[str, ...] = ()

    @property
    def built_in(self) -> bool:
        """Whether it is one of this package's."""
        return self.draw.__module__.startswith("hybridlib.")


STRATEGIES: dict[str, Registered] = {}


def strategy(
    name: str, meaning: str, options: tuple[str, ...] = ()
) -> Callable[[Strategy], Strategy]:
    """Register a batch strategy under a name, for parameters, runner and figures.

    Args:
        name: letters, digits, ``.``, ``_`` and ``-``: it becomes part of a run's folder.
        meaning: what it does, in one line.
        options: the parameters that it reads beyond batch size and seed; a change of one repeats
            its runs.

    Raises:
        InputError: the name is taken, or is no name of a folder.

    Example:
        >>> from hybridlib import strategy
        >>> from hybridlib.batching.strategies import STRATEGIES
        >>> @strategy("mostly-x-y", "one batch in ten monolingual, the others cross-lingual")
        ... def mostly_x_y(pairs, rng, batch_size, alpha):
        ...     return STRATEGIES["hybrid"].draw(pairs, rng, batch_size, 0.1)
        >>> STRATEGIES["mostly-x-y"].meaning
        'one batch in ten monolingual, the others cross-lingual'
        >>> del STRATEGIES["mostly-x-y"]
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(
            f"strategy {name!r}: a name is made of letters, digits, '.', '_' and '-', and begins "
            "with a letter or a digit"
        )
    known = STRATEGIES.get(name)

    def register(draw: Strategy) -> Strategy:
        if name in NO_BATCHES or (known and known.draw.__module__ != draw.__module__):
            raise InputError(
                f"strategy {name!r}: there is one of that name already; choose another"
            )
        STRATEGIES[name] = Registered(draw, meaning, options)
        return draw

    return register
