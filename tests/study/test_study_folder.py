"""The runs of a grid, their names and folders; and the studies that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from clones import ROOT

from hybridlib.batching.registry import strategy
from hybridlib.batching.strategies import STRATEGIES
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study.fingerprint import finished_runs, missing_runs
from hybridlib.study.folder import Study, label, reads, run_name

KEPT = sorted(file.parent for file in (ROOT / "outputs" / "reference").glob("*/study.yaml"))


def test_a_run_is_named_after_the_folder_or_the_hub_name_of_its_encoder():
    params = Params(encoder="org/some model@abc", strategy="x-y", seed=3)
    assert run_name(params) == "some-model-x-y-s3"


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        ("/data/me@host/e5", "e5"),
        ("/data/me@host/bge", "bge"),
        ("./models/e5@old", "e5-old"),
        ("~/a@b/c@d", "c-d"),
        ("org/name@main", "name"),
        ("name@main", "name"),
    ],
)
def test_an_at_sign_in_a_path_is_no_revision(encoder, name):
    assert run_name(Params(encoder=encoder, strategy="x-y")) == f"{name}-x-y-s0"


def test_a_grid_varies_what_a_strategy_reads(tmp_path):
    grid = {"alpha": [0.5, 0.25], "trained_share": [1.0, 0.75]}
    strategies = ["untrained", "x-y", "hybrid"]
    study = Study(Params(output_dir=tmp_path, strategies=strategies, seeds=[0, 1], grid=grid))
    first_seed = [run for run in study.runs() if run.params.seed == 0]
    assert [label(run.params) for run in first_seed] == [
        "untrained",
        "x-y",
        "x-y-trained_share-0.75",
        "hybrid",
        "hybrid-trained_share-0.75",
        "hybrid-alpha-0.25",
        "hybrid-alpha-0.25-trained_share-0.75",
    ]
    assert len(study.runs()) == 2 * 7
    last = study.runs()[-1]
    assert (last.params.alpha, last.params.trained_share, last.params.seed) == (0.25, 0.75, 1)
    name = "built-in-hybrid-alpha-0.25-trained_share-0.75-s1"
    assert last.run == tmp_path / "quickstart" / name
    assert last.marker("training") == last.run / "02_hybrid_training.done.json"


def test_a_label_leaves_out_what_the_strategy_does_not_read():
    grid = {"alpha": [0.25], "top_k": [5, 10]}
    params = Params(grid=grid, alpha=0.25, top_k=5)
    assert label(params) == "hybrid-alpha-0.25-top_k-5"
    assert label(params.but(strategy="x-y")) == "x-y-top_k-5"
    assert label(params.but(strategy="untrained")) == "untrained-top_k-5"


def test_a_pretrained_encoder_is_the_same_untrained_whatever_the_seed():
    strategies = ["untrained", "hybrid"]
    study = Study(Params(encoders=["built-in", "org/e"], strategies=strategies, seeds=[0, 1]))
    assert [run_name(run.params) for run in study.runs()] == [
        "built-in-untrained-s0",
        "built-in-untrained-s1",
        "built-in-hybrid-s0",
        "built-in-hybrid-s1",
        "e-untrained-s0",
        "e-hybrid-s0",
        "e-hybrid-s1",
    ]


def test_two_encoders_of_one_name_are_refused(tmp_path):
    params = Params(encoders=["a/e", "b/e"], strategies=["hybrid"], output_dir=tmp_path)
    with pytest.raises(InputError, match="write to 'e-hybrid-s0'"):
        Study(params).runs()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hybrd", r"no strategy is called 'hybrd' \(did you mean 'hybrid'\?\)"),
        ("hybrid-0.25", r"strategy 'hybrid-0\.25' is now hybrid, with alpha 0\.25"),
    ],
)
def test_a_study_is_opened_with_strategies_that_exist(name, message):
    with pytest.raises(InputError, match=message):
        Study.open(Params(strategies=["x-y", name]))


@pytest.mark.parametrize("kept", KEPT, ids=lambda folder: folder.name)
def test_a_kept_study_loads_under_the_names_that_it_was_run_with(kept: Path):
    values = {"output_dir": str(kept.parent)}
    study = Study.open_to_compare(Params.load(kept / "study.yaml", values))
    folders = {file.parent.name for file in kept.glob("*/metrics.json")}
    assert {run.run.name for run in finished_runs(study)} == folders
    names = {run_name(run.params) for run in study.runs()}
    assert folders | set(missing_runs(study)) == names
    assert not study.has_texts()
    assert not list(kept.rglob("*.safetensors"))
    for run in finished_runs(study):
        assert label(run.params) == (run.params.system or run.params.strategy)
        assert run.metrics()["strategy"] == run.params.strategy


def test_the_strategies_of_kept_studies_are_there_under_old_names():
    names = {folder.name for study in KEPT for folder in study.iterdir() if folder.is_dir()}
    assert "e5-small-4-hybrid-0.25-s0" in names
    assert len(KEPT) >= 7


def test_a_study_that_is_not_exported_is_opened_to_be_compared_too(tmp_path):
    params = Params(output_dir=tmp_path, strategies=["hybrid-0.25"])
    with pytest.raises(InputError, match=r"is now hybrid, with alpha 0\.25"):
        Study.open_to_compare(params)


def test_values_of_a_grid_must_go_together_in_every_run():
    """Each value may be; 40 units and 5 heads go together, 64 units and 5 heads do not."""
    together = Params(
        strategies=["x-y"], seeds=[0], grid={"hidden_size": [40, 80], "attention_heads": [5]}
    )
    assert [run.params.hidden_size for run in Study(together).runs()] == [40, 80]
    with pytest.raises(InputError, match=r"attention_heads \(5\) must divide hidden_size \(64\)"):
        Study(together.but(grid={"hidden_size": [64], "attention_heads": [5]})).runs()


def test_an_option_of_a_plugin_is_still_read_by_the_other_strategies(strategies_as_before):
    @strategy("own", "reads dataset_tau", options=("dataset_tau",))
    def own(*arguments):
        return STRATEGIES["x-y"].draw(*arguments)

    assert reads("x-y", "dataset_tau") and reads("own", "dataset_tau")
    assert not reads("x-y", "alpha") and not reads("own", "alpha")
