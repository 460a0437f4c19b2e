"""How far a study is, and how long the rest will take."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from hybridlib.config.names import NO_BATCHES
from hybridlib.study.folder import RUN_STEPS, Study, run_name
from hybridlib.study.runner import Outcome

# A step, and whether it is of an encoder that is not trained: that one takes no time to train.
Kind = tuple[str, bool]


class Progress:
    """The steps of a study that are over, and an estimate of the time that the others need.

    Attributes:
        total: how many steps there are.
        over: how many of them have ended, in whatever state.
    """

    def __init__(self, study_steps: Iterable[str], runs: Iterable[Study], jobs: int) -> None:
        """Count the steps of a study.

        Args:
            study_steps: those that are done once.
            runs: each has all of RUN_STEPS.
            jobs: runs at a time.
        """
        self._jobs = jobs
        self._untrained: dict[str, bool] = {}
        self._left: Counter[Kind] = Counter((step, False) for step in study_steps)
        for run in runs:
            untrained = run.params.strategy in NO_BATCHES
            self._untrained[run_name(run.params)] = untrained
            self._left.update((step, untrained) for step in RUN_STEPS)
        self._seconds: dict[Kind, list[float]] = defaultdict(list)
        self.total = self._left.total()
        self.over = 0

    def note(self, outcome: Outcome) -> None:
        """Count a step that has ended."""
        kind = (outcome.step, self._untrained.get(outcome.name, False))
        self._left[kind] -= 1
        self.over += 1
        if outcome.state == "done":
            self._seconds[kind].append(outcome.seconds)

    @property
    def seconds_left(self) -> float | None:
        """Return about how long the other steps take; None before a step of each kind has ended.

        A step takes as long as those of its kind have, on average.
        """
        seconds = 0.0
        for kind, count in self._left.items():
            if count <= 0:
                continue
            typical = self._typical(kind)
            if typical is None:
                return None
            at_a_time = self._jobs if kind[0] in RUN_STEPS else 1
            seconds += count * typical / at_a_time
        return seconds

    def _typical(self, kind: Kind) -> float | None:
        """Return how long a step of a kind takes."""
        known = self._seconds[kind]
        if not known and kind[0] != "training":
            # Encoders are evaluated alike, and 05 draws figures as 04 does.
            step = "bias" if kind[0] == "comparison" else kind[0]
            known = self._seconds[step, False] or self._seconds[step, True]
        return sum(known) / len(known) if known else None

    def describe(self) -> str:
        """Return ``7 of 32`` and the time left, where it is known."""
        text = f"{self.over} of {self.total}"
        seconds = self.seconds_left
        if seconds is None or self.over == self.total:
            return text
        if seconds < 55:
            return f"{text}, about {10 * math.ceil(seconds / 10)} s left"
        return f"{text}, about {round(seconds / 60)} min left"
