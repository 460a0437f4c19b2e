"""The table of all parameters that ``hybridlib params`` prints."""

from __future__ import annotations

from typing import get_args

from hybridlib.config.describe import SECTIONS, describe
from hybridlib.config.params import Params
from hybridlib.config.study_fields import Step
from hybridlib.config.yaml_files import parse_overrides


def test_every_parameter_says_what_it_means_and_what_depends_on_it():
    table = describe().set_index("name")
    assert list(table.index) == list(Params.model_fields)
    assert table["meaning"].str.len().min() > 8
    assert set(table["step"]) <= set(get_args(Step))


def test_every_section_begins_with_a_parameter_that_there_is():
    assert list(dict.fromkeys(describe()["section"])) == list(SECTIONS.values())


def test_types_units_and_ranges_are_those_of_a_yaml_file():
    table = describe().set_index("name")
    length = table.loc["max_length", ["type", "unit", "range", "step"]].tolist()
    assert length == ["whole number | null", "tokens", ">= 4, <= 8192", "training"]
    assert table.loc["output_dir", "default"] == "outputs"
    assert table.loc["train_corpus_path", "type"] == "path | list of path or null | null"
    corrections = table.loc["corrections", ["type", "default"]].tolist()
    assert corrections == ["list of text", "[centering, centering+filter]"]
    assert table.loc["grid", ["type", "default"]].tolist() == ["mapping", "{}"]


def test_the_defaults_can_be_read_back():
    table = describe()
    assert parse_overrides(zip(table["name"], table["default"])) == Params().plain()
