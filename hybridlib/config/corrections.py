"""The names of corrections, as the parameter ``corrections`` and every table of results has them.

A name is ``centering``, ``lir``, ``shift`` or ``filter``; or a chain of them, such as
``centering+filter``, applied from left to right. ``@candidates`` behind it says that it is fitted
on the candidates of the evaluation, instead of on what a user has before searching: training pairs
and parallel text.
"""

from __future__ import annotations

from dataclasses import dataclass

from hybridlib.errors import InputError, did_you_mean

CORRECTIONS = ("centering", "lir", "shift", "filter")
ON_CANDIDATES = "@candidates"
NOT_ON_DISK = (
    "is fitted on the vectors of all candidates in memory, and here they are on disk; fit on "
    "training pairs or parallel text"
)
_BY_LANGUAGE = {"centering", "lir", "shift"}
_EXAMPLES = "centering, centering+filter, centering@candidates"


@dataclass(frozen=True)
class CorrectionName:
    """A name, taken apart.

    Attributes:
        steps: entries of CORRECTIONS, in the order in which they are applied.
        on_candidates: fitted on the candidates of the evaluation.

    Example:
        >>> CorrectionName.parse("centering+filter@candidates")
        CorrectionName(steps=('centering', 'filter'), on_candidates=True)
    """

    steps: tuple[str, ...]
    on_candidates: bool = False

    @classmethod
    def parse(cls, text: str) -> CorrectionName:
        """Take a name apart.

        Raises:
            InputError: no correction has that name.
        """
        chain = text.removesuffix(ON_CANDIDATES)
        if "@" in chain:
            raise InputError(
                f"correction {text!r}: behind the @ stands 'candidates' or nothing; "
                f"for example {_EXAMPLES}"
            )
        steps = tuple(chain.split("+"))
        for step in steps:
            if step not in CORRECTIONS:
                raise InputError(
                    f"no correction is called {step!r}{did_you_mean(step, CORRECTIONS)}; there are "
                    f"{', '.join(CORRECTIONS)}, and chains of them: for example {_EXAMPLES}"
                )
        _check_chain(text, steps)
        return cls(steps, text.endswith(ON_CANDIDATES))

    @property
    def by_language(self) -> bool:
        """Whether it asks for the language of each vector that is searched."""
        return not _BY_LANGUAGE.isdisjoint(self.steps)


def _check_chain(text: str, steps: tuple[str, ...]) -> None:
    """Refuse chains that have no meaning."""
    if len(set(steps)) < len(steps):
        raise InputError(f"correction {text!r}: a step stands twice")
    if "shift" in steps and len(steps) > 1:
        raise InputError(
            f"correction {text!r}: shift depends on the language of the query, so it is no step "
            "of a chain; take it alone"
        )
    if "filter" in steps[:-1]:
        raise InputError(f"correction {text!r}: the filter is the last step of a chain")
