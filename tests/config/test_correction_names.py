"""The names of corrections, taken apart."""

from __future__ import annotations

import pytest

from hybridlib.config.corrections import CorrectionName
from hybridlib.config.params import Params
from hybridlib.errors import InputError


@pytest.mark.parametrize(
    ("text", "steps", "on_candidates", "by_language"),
    [
        ("centering", ("centering",), False, True),
        ("filter", ("filter",), False, False),
        ("shift@candidates", ("shift",), True, True),
        ("centering+lir+filter", ("centering", "lir", "filter"), False, True),
    ],
)
def test_a_name_is_taken_apart(text, steps, on_candidates, by_language):
    name = CorrectionName.parse(text)
    assert name == CorrectionName(steps, on_candidates)
    assert name.by_language == by_language
    assert Params(corrections=[text]).corrections == [text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("centring", r"no correction is called 'centring' \(did you mean 'centering'\?\)"),
        ("", "no correction is called ''"),
        ("centering+", "no correction is called ''"),
        ("lir@train", "behind the @ stands 'candidates' or nothing"),
        ("lir@candidates+filter", "behind the @ stands 'candidates' or nothing"),
        ("lir@candidates@candidates", "behind the @ stands 'candidates' or nothing"),
        ("lir+lir", "a step stands twice"),
        ("shift+filter", "shift depends on the language of the query"),
        ("filter+centering", "the filter is the last step of a chain"),
    ],
)
def test_a_name_without_a_meaning_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        CorrectionName.parse(text)
    with pytest.raises(InputError, match=message):
        Params.check({"corrections": [text]})
