"""The entries of ``systems``: checked as a study file is read, and one run for each seed."""

from __future__ import annotations

import pytest

from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study.folder import Study, label, run_name

SYSTEMS = [
    {"name": "untrained", "strategy": "untrained"},
    {"name": "x-y", "strategy": "x-y", "temperature": 0.02},
    {"name": "half", "strategy": "hybrid", "trained_share": 0.5, "seeds": [3]},
]


def test_each_system_is_run_with_its_own_settings_and_seeds(tmp_path):
    params = Params(
        systems=SYSTEMS, seeds=[0, 1], encoders=["built-in", str(tmp_path)], output_dir=tmp_path
    )
    runs = [run.params for run in Study.open(params).runs()]
    names = ["untrained-s0", "untrained-s1", "x-y-s0", "x-y-s1", "half-s3"]
    # An encoder that was not made here is the same untrained whatever the seed.
    others = [name for name in names if name != "untrained-s1"]
    expected = [f"built-in-{name}" for name in names]
    expected += [f"{tmp_path.name}-{name}" for name in others]
    assert [run_name(run) for run in runs] == expected
    assert [run.temperature for run in runs[:5]] == [0.05, 0.05, 0.02, 0.02, 0.05]
    assert [run.trained_share for run in runs[:5]] == [1, 1, 1, 1, 0.5]
    assert label(runs[-1]) == "half"
    assert Study(params).run_called("built-in-half-s3").params.strategy == "hybrid"


def test_a_run_of_a_system_goes_through_a_file(tmp_path):
    run = Study.open(Params(systems=SYSTEMS)).runs()[-1].params
    run.save(tmp_path / "run.yaml")
    assert Params.load(tmp_path / "run.yaml") == run


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"strategy": "x-y"}, "systems, entry 1: it has no name"),
        ({"name": "mine"}, "systems, entry 1: it has no strategy"),
        ({"name": "a/b", "strategy": "x-y"}, "name 'a/b': use letters"),
        (
            {"name": "mine", "strategy": "x-y", "temprature": 0.1},
            "'temprature' is no parameter of training or evaluation.*temperature",
        ),
        ({"name": "mine", "strategy": "x-y", "seed": 3}, "'seed' is no parameter"),
        ({"name": "mine", "strategy": "x-y", "alpha": 2}, "alpha = 2: .*less than or equal to 1"),
        ({"name": "mine", "strategy": "x-y", "seeds": []}, r"seeds = \[\]: .*at least 1"),
    ],
)
def test_an_entry_that_names_no_run_is_refused(entry, message):
    with pytest.raises(InputError, match=message):
        Params.check({"systems": [entry]})


def test_two_systems_of_one_name_and_a_grid_beside_them_are_refused():
    with pytest.raises(InputError, match="two entries are called 'x-y'"):
        Params.check({"systems": [SYSTEMS[1], SYSTEMS[1]]})
    with pytest.raises(InputError, match="systems: stands instead of grid"):
        Params.check({"systems": SYSTEMS, "grid": {"alpha": [0.5]}})


def test_a_strategy_that_is_none_is_refused():
    params = Params(systems=[{"name": "mine", "strategy": "hybird"}])
    with pytest.raises(InputError, match=r"no strategy is called 'hybird'.*hybrid"):
        Study.open(params)


# ------------------------------------------------------------------------------------------- soups

SOUP = {"name": "soup", "strategy": "soup", "soup_of": ["x-y", "half"], "soup_share": 1.2}


def test_a_soup_has_the_seeds_that_its_parts_share(tmp_path):
    params = Params(systems=[*SYSTEMS, {**SOUP, "seeds": [3]}], seeds=[3], output_dir=tmp_path)
    run = Study.open(params).run_called("built-in-soup-s3")
    assert run.parts == [run.folder / "built-in-x-y-s3", run.folder / "built-in-half-s3"]
    assert run.params.soup_share == 1.2
    assert Study.open(params).run_called("built-in-half-s3").parts == []


def test_a_soup_of_several_seeds_has_none_in_common_with_another(tmp_path):
    soup = {**SOUP, "soup_of": ["x-y"], "soup_seeds": 2, "seeds": [0, 1]}
    params = Params(systems=[SYSTEMS[1], soup], seeds=[0, 1, 2, 3], output_dir=tmp_path)
    study = Study.open(params)
    parts = [study.run_called(f"built-in-soup-s{seed}").parts for seed in (0, 1)]
    assert [[part.name[-2:] for part in each] for each in parts] == [["s0", "s1"], ["s2", "s3"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"soup_of": []}, "systems, soup: soup_of names what is averaged"),
        ({"soup_of": ["x-y", "x-y"]}, "systems, soup: soup_of names what is averaged, each once"),
        ({"soup_of": ["x-z"]}, "soup_of: no trained entry is called 'x-z'.*x-y"),
        ({"soup_of": ["untrained"]}, "soup_of: no trained entry is called 'untrained'"),
        ({"soup_of": ["soup"]}, "soup_of: no trained entry is called 'soup'"),
        ({"soup_share": 0}, "soup_share = 0: .*greater than 0"),
        ({"seeds": [0, 3]}, "half has no run of seed 0; name the soup's seeds"),
        (
            {"seeds": [0], "soup_seeds": 2, "soup_of": ["x-y"]},
            "x-y has no run of seed 1; name the soup's seeds",
        ),
        ({"soup_seeds": 0}, "soup_seeds = 0: .*greater than or equal to 1"),
        ({"strategy": "hybrid"}, "what begins with soup_ needs the strategy soup"),
    ],
)
def test_a_soup_of_nothing_that_can_be_averaged_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Params.check({"systems": [*SYSTEMS, {**SOUP, **changes}], "seeds": [0, 3]})


@pytest.mark.parametrize("values", [{"strategies": ["soup"]}, {"strategy": "soup"}])
def test_a_soup_outside_systems_is_refused(values):
    with pytest.raises(InputError, match="soup: stands in `systems` alone"):
        Params.check(values)
