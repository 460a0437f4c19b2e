"""The answer in four sentences: by verdict, from combined claims and the systems of one study."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from studies import copied

from hybridlib.study.answer import answer, as_list
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.free import cheapest

SETTINGS = ("monolingual", "cross-lingual", "multilingual", "rank distance")
VALUE = r"0\.\d{3} \[-?0\.\d{3}, 0\.\d{3}\]"


def claims(*verdicts: str, second: str = "x-y") -> pd.DataFrame:
    """Combined claims of two studies with these verdicts, one in each setting."""
    rows = []
    for setting, verdict in zip(SETTINGS, verdicts, strict=True):
        values = {"difference": 0.1, "low": 0.05, "high": 0.15, "studies": 2}
        rows.append({"second": second, "setting": setting, "verdict": verdict, **values})
    return pd.DataFrame(rows)


NOTHING = claims(*["not shown"] * 4)


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        (["not shown"] * 4, "hybrid and x-y are not shown to differ."),
        (
            ["shown", "not shown", "shown the other way", "shown"],
            "hybrid is shown to be better than x-y in monolingual mAP (+0.100 [+0.050, +0.150]) "
            "and rank distance (+0.1 [+0.1, +0.1]), and worse in multilingual mAP (+0.100 [+0.050, "
            "+0.150]); no difference is shown in cross-lingual mAP.",
        ),
        (
            ["shown the other way", "not shown", "not shown", "not shown"],
            "hybrid is shown to be worse than x-y in monolingual mAP (+0.100 [+0.050, +0.150]); no "
            "difference is shown in cross-lingual mAP, multilingual mAP and rank distance.",
        ),
    ],
)
def test_the_sentence_on_hybrid_follows_the_verdicts(study, verdicts, sentence):
    lines = answer(claims(*verdicts), study, finished_runs(study))
    assert lines[1] == f"Over 2 studies, {sentence}"


def test_what_training_gains_is_that_of_the_study(study):
    runs = finished_runs(study)
    training = answer(NOTHING, study, runs)[0]
    gained = re.search(r"gains (\S+ \[.*\])", cheapest(runs)[2])[1]
    difference = r"[-+]0\.\d{3} \[[-+]0\.\d{3}, [-+]0\.\d{3}\]"
    assert re.fullmatch(
        "Training is not shown to pay: hybrid minus the best untrained system, untrained with "
        rf"centering, is {difference} multilingual mAP in `made-up`; the best trained system, "
        rf"hybrid\S* with centering, {re.escape(gained)}\.",
        training,
    )


def test_without_hybrid_the_best_trained_system_says_whether_training_pays(study, tmp_path):
    without = copied(study, tmp_path, strategies=["untrained", "x-x-mono", "x-y"])
    training = answer(NOTHING, without, finished_runs(without))[0]
    assert re.match(
        r"Training is (not )?shown (not )?to pay: the best trained system, x\S*( with centering)?, "
        "minus the best untrained system, untrained with centering, is ",
        training,
    )


def test_values_are_those_of_the_study(study):
    runs = finished_runs(study)
    values = answer(NOTHING, study, runs)[2]
    systems = ["untrained", "untrained with centering", "x-x-mono", "x-y", "hybrid"]
    listed = ", ".join(f"{name} {VALUE}" for name in systems)
    start = f"Multilingual mAP in `made-up`: {listed}"
    assert re.fullmatch(
        rf"{start}; the best, without fitting on what is searched, is hybrid\S* with "
        rf"centering, {VALUE}\.",
        values,
    )


def test_a_study_that_cannot_say_what_training_is_worth_says_nothing_of_it(study, tmp_path):
    without = copied(study, tmp_path, strategies=["x-x-mono", "x-y", "hybrid"])
    lines = answer(NOTHING, without, finished_runs(without))
    assert len(lines) == 2
    assert not any("pay" in line for line in lines)


def test_sentences_are_a_list_whose_lines_are_short():
    text = as_list(["A short one.", "cross-lingual " * 20])
    assert text.startswith("- A short one.\n- cross-lingual cross-lingual")
    assert max(map(len, text.splitlines())) <= 100
    assert "\n  cross-lingual" in text
