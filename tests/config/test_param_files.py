"""The parameter files that come with the project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from hybridlib.config.params import Params
from hybridlib.study.folder import Study

PROJECT = Path(__file__).resolve().parents[2]
FILES = sorted((PROJECT / "params").rglob("*.yaml"))
PAPER = sorted((PROJECT / "params" / "paper").glob("*.yaml"))


def test_there_are_files_in_params():
    assert {"quickstart", "smoke"} <= {file.stem for file in FILES}
    assert "grid" in {file.stem for file in PAPER}


@pytest.mark.usefixtures("strategies_as_before")
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_the_files_in_params_are_valid(file):
    params = Study.open(Params.load(file)).params
    assert params.study == file.stem or file.parent.name != "params"


@pytest.mark.parametrize("file", PAPER, ids=lambda file: file.stem)
def test_the_papers_settings(file):
    params = Params.load(file)
    assert params.batch_size == 100
    assert params.learning_rate == 3e-5
    assert params.weight_decay == 0.01
    assert params.alpha == 0.5
    assert params.dataset_tau == 1.0
    assert params.strategies == ["untrained", "x-x-mono", "x-y", "hybrid"]
    assert params.study == "paper"
    assert not {"el", "vi"} & set(params.languages)
    assert not any("@" in encoder for encoder in params.encoders)

    # What the paper leaves open is marked so.
    text = file.read_text(encoding="utf-8")
    for line in ("temperature: 0.05", "steps: 20000", "warmup_fraction: 0.1"):
        assert f"{line}  # open" in text


def test_the_lines_that_add_translations_take_the_place_of_those_above():
    (file,) = PAPER
    lines = file.read_text(encoding="utf-8").splitlines()
    added = [line[2:] for line in lines if re.match(r"# \w+: \[", line)]
    values = yaml.safe_load("\n".join(added))
    assert set(values) == {"train_corpus", "train_corpus_path", "languages"}
    params = Params.load(file, values)
    assert len(params.training_sets) == 4
    assert params.training_sets[:3] == Params.load(file).training_sets
    assert set(params.languages) - set(Params.load(file).languages) == {"th", "tr"}
