"""The answer in four sentences: by verdict, from combined claims and the systems of one study."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from studies import copied

from hybridlib.study.answer import answer, as_list
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study
from hybridlib.study.free import by_cost, cheapest, gain

SETTINGS = ("monolingual", "cross-lingual", "multilingual", "rank distance")
VALUE = r"0\.\d{3} \[-?0\.\d{3}, 0\.\d{3}\]"


def claims(*verdicts: str, second: str = "x-y") -> pd.DataFrame:
    """Combined claims of two studies with these verdicts, one in each setting."""
    rows = []
    for setting, verdict in zip(SETTINGS, verdicts, strict=True):
        values = {"difference": 0.1, "low": 0.05, "high": 0.15, "studies": 2}
        rows.append({"second": second, "setting": setting, "verdict": verdict, **values})
    return pd.DataFrame(rows)


HYBRID = ("hybrid", "none")
FREE = ("untrained", "centering")
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
    assert answer(claims(*verdicts), [study])[1] == f"Over 2 studies, {sentence}"


def test_training_pays_where_the_gain_over_the_best_without_training_is_shown(study, tmp_path):
    copy = copied(study, tmp_path)
    copy.folder.rename(tmp_path / "other")
    other = Study(copy.params.but(study="other"))
    first, second = (gained_by_hybrid(each) for each in (study, other))
    assert answer(NOTHING, [study, other])[0] == (
        "Hybrid training is shown to pay in 0 of 2 studies. Over the best system without training, "
        f"its gain in multilingual mAP is {first} in `made-up` and {second} in `other`."
    )


def gained_by_hybrid(study: Study) -> str:
    """Hybrid as it is minus the untrained encoder with centering, by plain means and the test."""
    runs = finished_runs(study)
    table = by_cost(runs).set_index(["strategy", "correction"])
    rows = [table.loc[[name]].reset_index().iloc[0] for name in (HYBRID, FREE)]
    gained = gain(runs, *rows, "multilingual")
    difference = rows[0]["multilingual mAP"] - rows[1]["multilingual mAP"]
    assert gained.mean == pytest.approx(difference)
    return f"{gained.mean:+.3f} [{gained.low:+.3f}, {gained.high:+.3f}]"


def test_values_are_those_of_the_study(study):
    gained = re.search(r"gains (\S+ \[.*\])", cheapest(finished_runs(study))[2])[1]
    systems = ["untrained", "untrained with centering", "x-x-mono", "x-y", "hybrid"]
    listed = ", ".join(f"{name} {VALUE}" for name in systems)
    assert re.fullmatch(
        rf"Multilingual mAP in `made-up`: {listed}. The highest, without fitting on what is "
        rf"searched, is hybrid\S* with centering {VALUE}, {re.escape(gained)} over the "
        r"best without training\.",
        answer(NOTHING, [study])[2],
    )


def test_a_study_that_cannot_say_what_training_is_worth_says_nothing_of_it(study, tmp_path):
    without = copied(study, tmp_path, strategies=["x-x-mono", "x-y", "hybrid"])
    lines = answer(NOTHING, [without])
    assert len(lines) == 2
    assert not any("pay" in line or "without training" in line for line in lines)


def test_sentences_are_a_list_whose_lines_are_short():
    text = as_list(["A short one.", "cross-lingual " * 20])
    assert text.startswith("- A short one.\n- cross-lingual cross-lingual")
    assert max(map(len, text.splitlines())) <= 100
    assert "\n  cross-lingual" in text
