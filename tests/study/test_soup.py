"""A soup of runs against plain averages of their weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from training_toys import Weights, fresh, weights

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.model.built_in import make_encoder
from hybridlib.model.encoder import DualEncoder
from hybridlib.study.folder import Study
from hybridlib.study.soup import starting_encoder, write_soup

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tiny_encoder: Path, tmp_path: Path) -> MakeRun:
    """Return a function that writes a finished run whose weights moved by noise of its seed."""

    def run(seed: int, finished: bool = True, **changes: object) -> Path:
        values = {"study": "mine", "encoder": str(tiny_encoder), "max_length": 64, **changes}
        study = Study(Params(output_dir=tmp_path, seed=seed, **values))
        study.run.mkdir(parents=True)
        study.params.save(study.run / "params.yaml")
        encoder = fresh(Path(str(values["encoder"])))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in encoder.parameters():
                weight += 0.01 * torch.randn(weight.shape, generator=generator)
        encoder.save(study.model)
        if finished:
            study.marker("training").write_text("{}")
        return study.run

    return run


def close(one: Weights, other: Weights) -> bool:
    """Return whether two encoders have the same weights but for rounding."""
    return one.keys() == other.keys() and all(
        torch.allclose(one[name], other[name], atol=1e-6) for name in one
    )


@pytest.mark.parametrize("share", [0.5, 1.0, 1.5])
def test_a_soup_is_the_start_and_a_share_of_the_mean_movement(
    share, make_run, tiny_encoder, tmp_path
):
    runs = [make_run(0), make_run(1), make_run(0, strategy="x-y")]
    out = tmp_path / "soup"
    write_soup(runs, share, out)
    start = weights(fresh(tiny_encoder))
    trained = [weights(fresh(run / "model")) for run in runs]
    expected = {
        name: start[name] + share * sum(each[name] - start[name] for each in trained) / 3
        for name in start
    }
    soup = DualEncoder.load(out)
    assert close(weights(soup), expected)
    assert not close(weights(soup), start)
    assert soup.prefixes == fresh(runs[0] / "model").prefixes
    assert soup.max_length == 64
    about = json.loads((out / "soup.json").read_text())
    assert about == {"share": share, "runs": [f"mine/{run.name}" for run in runs]}


def test_the_command_and_a_study_of_another_place(make_run, tmp_path, capsys):
    """A study that was moved is found by its files."""
    run = make_run(0)
    moved = tmp_path / "elsewhere" / "mine"
    run.parent.rename(moved.parent.mkdir() or moved)
    out = tmp_path / "soup"
    assert main(["soup", str(moved / run.name), "--share", "1", "--out", str(out)]) == 0
    assert "wrote the soup of 1 runs" in capsys.readouterr().out
    assert close(weights(fresh(out)), weights(fresh(moved / run.name / "model")))
    assert main(["soup", str(tmp_path), "--share", "1", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, -1.0, float("nan")])
def test_a_share_that_moves_nothing_is_refused(share, make_run, tmp_path):
    with pytest.raises(InputError, match="give a number above 0"):
        write_soup([make_run(0)], share, tmp_path / "soup")


def test_what_is_no_finished_run_is_refused(make_run, tmp_path):
    out = tmp_path / "soup"
    run = make_run(0)
    for runs, reason in (
        ([run, run], "a run stands twice"),
        ([run / "model"], "no params.yaml"),
        ([make_run(1, finished=False)], "has no finished training"),
        ([make_run(2, strategy="untrained")], "was not trained"),
    ):
        with pytest.raises(InputError, match=reason):
            write_soup(runs, 0.5, out)
    renamed = run.rename(run.with_name("another"))
    with pytest.raises(InputError, match="another: has no finished training"):
        write_soup([renamed], 0.5, out)
    assert not out.exists()


def test_a_soup_of_a_study_begins_with_the_mean_of_its_parts(make_run, tiny_encoder, tmp_path):
    systems = [
        {"name": "one", "strategy": "x-y"},
        {"name": "other", "strategy": "hybrid"},
        {"name": "soup", "strategy": "soup", "soup_of": ["one", "other"], "soup_share": 0.5},
    ]
    common = {"systems": systems, "seeds": [3], "encoders": [str(tiny_encoder)]}
    parts = [
        make_run(3, strategy=each["strategy"], system=each["name"], **common)
        for each in systems[:2]
    ]
    run = Study.open(Params(output_dir=tmp_path, study="mine", max_length=64, **common)).run_called(
        f"{tiny_encoder.name}-soup-s3"
    )
    assert run.parts == parts

    start = weights(fresh(tiny_encoder))
    trained = [weights(fresh(part / "model")) for part in parts]
    expected = {
        name: start[name] + 0.5 * sum(each[name] - start[name] for each in trained) / 2
        for name in start
    }
    assert close(weights(starting_encoder(run)), expected)


def test_a_soup_of_a_study_says_which_run_is_missing(tmp_path):
    systems = [
        {"name": "x-y", "strategy": "x-y"},
        {"name": "soup", "strategy": "soup", "soup_of": ["x-y"]},
    ]
    params = Params(output_dir=tmp_path, study="mine", seeds=[0], systems=systems)
    run = Study.open(params).run_called("built-in-soup-s0")
    message = "built-in-soup-s0: needs built-in-x-y-s0 trained; .*`--only built-in-x-y-s0`"
    with pytest.raises(InputError, match=message):
        starting_encoder(run)


def test_runs_of_other_encoders_are_refused(make_run, tiny_encoder, tmp_path):
    first = make_run(0)
    with torch.no_grad():
        other = fresh(tiny_encoder)
        next(other.parameters()).add_(1.0)
    other.save(tmp_path / "other")
    out = tmp_path / "soup"
    for run, reason in (
        (make_run(1, encoder=str(tmp_path / "other")), r"other weights\)"),
        (make_run(1, query_prefix="Q: "), r"other prefixes\)"),
        (make_run(2, max_length=32), r"other max_length\)"),
    ):
        with pytest.raises(InputError, match=f"began with another encoder than .*{reason}"):
            write_soup([first, run], 0.5, out)
    assert not out.exists()


def test_seeds_of_the_built_in_encoder_begin_apart(make_run, tiny_encoder, tmp_path):
    """Each has an encoder of its own, which its folder keeps."""
    tokenizer = fresh(tiny_encoder).tokenizer
    runs = []
    for seed in (0, 1):
        study = Study(Params(output_dir=tmp_path, study="mine", seed=seed))
        make_encoder(tokenizer, tmp_path / "made" / str(seed), seed, 32, 1, 2, 64)
        study.run.mkdir(parents=True)
        study.params.save(study.run / "params.yaml")
        for name in ("initial", "model"):
            fresh(tmp_path / "made" / str(seed)).save(study.run / name)
        study.marker("training").write_text("{}")
        runs.append(study.run)
    write_soup(runs[:1], 1.0, tmp_path / "one")
    with pytest.raises(InputError, match="of one seed, where it is the built-in one"):
        write_soup(runs, 0.5, tmp_path / "two")


def test_a_model_of_another_shape_is_refused(make_run, tiny_encoder, tmp_path):
    run = make_run(0)
    make_encoder(fresh(tiny_encoder).tokenizer, tmp_path / "wide", 0, 64, 1, 2, 64)
    fresh(tmp_path / "wide").save(run / "model")
    with pytest.raises(InputError, match="other weights than the encoder that the run began with"):
        write_soup([run], 0.5, tmp_path / "soup")
