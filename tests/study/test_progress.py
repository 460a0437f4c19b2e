"""How far a study is, and how long the rest takes."""

from __future__ import annotations

import pytest

from hybridlib.config.params import Params
from hybridlib.study.folder import Study, run_name
from hybridlib.study.progress import Progress
from hybridlib.study.runner import Outcome

STRATEGIES = ["untrained", "x-x-mono", "x-x", "x-y", "hybrid"]
RUNS = Study(Params(strategies=STRATEGIES, seeds=[0])).runs()
UNTRAINED, *TRAINED = [run_name(run.params) for run in RUNS]


@pytest.fixture
def progress() -> Progress:
    """The steps of one untrained and four trained runs, two at a time."""
    return Progress(["data", "comparison"], RUNS, jobs=2)


def end(progress: Progress, name: str, step: str, seconds: float, state: str = "done") -> None:
    progress.note(Outcome(name, step, state, seconds))


def test_nothing_is_estimated_before_a_trained_run_has_ended(progress):
    assert progress.describe() == "0 of 17"
    end(progress, "quickstart", "data", 10)
    for step, seconds in (("training", 2), ("evaluation", 8), ("bias", 6)):
        end(progress, UNTRAINED, step, seconds)
    assert progress.seconds_left is None
    assert progress.describe() == "4 of 17"


def test_a_step_takes_as_long_as_those_of_its_kind(progress):
    end(progress, "quickstart", "data", 10)
    end(progress, UNTRAINED, "training", 2)
    end(progress, TRAINED[0], "training", 40)
    end(progress, TRAINED[1], "training", 60)
    end(progress, TRAINED[0], "evaluation", 8)
    end(progress, TRAINED[0], "bias", 6)
    # Two trainings of 50, four evaluations of 8 and four of 04 of 6, two at a time; and 05.
    assert progress.seconds_left == (2 * 50 + 4 * 8 + 4 * 6) / 2 + 6
    assert progress.describe() == "6 of 17, about 1 min left"


def test_steps_that_were_kept_take_no_time(progress):
    for name in (UNTRAINED, *TRAINED[:-1]):
        for step in ("training", "evaluation", "bias"):
            end(progress, name, step, 0, "kept")
    assert progress.seconds_left is None
    end(progress, TRAINED[-1], "training", 20)
    assert progress.seconds_left is None
    end(progress, "quickstart", "data", 0, "kept")
    end(progress, TRAINED[-1], "evaluation", 4)
    end(progress, TRAINED[-1], "bias", 4)
    assert progress.describe() == "16 of 17, about 10 s left"
    end(progress, "quickstart", "comparison", 5)
    assert progress.describe() == "17 of 17"
