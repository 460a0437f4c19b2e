"""Checkpoints that are whole or torn, of this run or of another."""

from __future__ import annotations

import json
import logging
import os
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from training_toys import Data, equal, fresh, tiny_params, weights

from hybridlib.batching.registry import Batch
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.training import checkpoints, loop

# -------------------------------------------------------------------------------------------- files


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    checkpoints.save_step(tmp_path, 1, {"step": 1}, keep=2)

    def no_space(descriptor: int) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(OSError, match="no space left"):
            checkpoints.save_step(tmp_path, 2, {"step": 2}, keep=2)
    assert checkpoints.latest(tmp_path) == (tmp_path / "step-00000001.pt", {"step": 1})


def test_the_newest_checkpoints_are_kept(tmp_path):
    for step in range(1, 12):
        checkpoints.save_step(tmp_path, step, {"step": step}, keep=3)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["step-00000009.pt", "step-00000010.pt", "step-00000011.pt"]
    assert checkpoints.latest(tmp_path)[1] == {"step": 11}


def test_there_may_be_no_checkpoint(tmp_path):
    assert checkpoints.latest(tmp_path / "nowhere") is None
    with pytest.raises(OSError, match=r"best\.pt"):
        checkpoints.load(tmp_path / "best.pt")


def test_a_folder_is_removed_with_what_a_kill_left_of_it(tmp_path):
    folder = tmp_path / "checkpoints"
    checkpoints.save_step(folder, 1, {"step": 1}, keep=2)
    checkpoints.save_step(tmp_path / "checkpoints.part", 1, {"step": 1}, keep=2)
    checkpoints.remove_folder(folder)
    checkpoints.remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------- a run that goes on

STEPS = 10
DROPOUT = 0.2
# So high that the encoder gets worse: the best weights are of the first validation, in step 4.
LEARNING_RATE = 0.3


class Killed(Exception):
    """Raised in place of a kill."""


def run(data: Data, source: Path, folder: Path, **changes: object) -> pd.DataFrame:
    """Train ten steps, with a checkpoint of each, from the newest checkpoint on."""
    values = {
        "steps": STEPS,
        "learning_rate": LEARNING_RATE,
        "keep_checkpoints": 3,
        "checkpoint_every": 1,
        "validate_every": 4,
        "keep_best": True,
        "trained_share": 0.75,
        "learn_temperature": True,
    }
    encoder = fresh(source, DROPOUT)
    return loop.train(tiny_params(**values | changes), encoder, *data, folder)


def interrupt(data: Data, source: Path, folder: Path, **changes: object) -> None:
    """Begin a run that ends in its eighth step."""
    draw_batch = loop.draw_batch

    def draw(*args: object) -> Batch:
        if args[3] == 8:
            raise Killed
        return draw_batch(*args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "draw_batch", draw)
        run(data, source, folder, **changes)


@pytest.fixture(scope="module")
def whole(data, tiny_encoder, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """Folder and log of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(data, tiny_encoder, folder)


@pytest.fixture(scope="module")
def seven_steps(data, tiny_encoder, tmp_path_factory) -> Path:
    """The folder of a run that ended after step 7, with the checkpoints of the last three."""
    folder = tmp_path_factory.mktemp("seven")
    interrupt(data, tiny_encoder, folder)
    return folder


@pytest.fixture
def interrupted(seven_steps, tmp_path) -> Path:
    """A copy of that folder to go on in."""
    return Path(shutil.copytree(seven_steps, tmp_path / "interrupted"))


def model(folder: Path) -> dict[str, torch.Tensor]:
    return weights(fresh(folder / "model"))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "checkpoints").iterdir())


def test_the_last_ones_and_the_best_are_kept(interrupted):
    steps = [f"step-{step:08d}.pt" for step in (5, 6, 7)]
    assert names(interrupted) == ["best.pt", *steps]


def test_it_goes_on_where_it_was(interrupted, whole, data, tiny_encoder, caplog):
    with caplog.at_level(logging.INFO, "hybridlib"):
        log = run(data, tiny_encoder, interrupted)
    assert "going on from" in caplog.text and "step-00000007.pt" in caplog.text
    assert log["step"].tolist() == list(range(STEPS + 1))
    timing = ["pairs_per_second", "tokens_per_second"]
    pd.testing.assert_frame_equal(log.drop(columns=timing), whole[1].drop(columns=timing))
    assert len((interrupted / "training.jsonl").read_text().splitlines()) == STEPS + 1
    assert equal(model(interrupted), model(whole[0]))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_torn_checkpoint_is_skipped(damage, interrupted, whole, data, tiny_encoder, caplog):
    file = interrupted / "checkpoints" / "step-00000007.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged = {"cut": content[: len(content) // 2], "flipped": content, "empty": b""}
    file.write_bytes(damaged[damage])
    with caplog.at_level(logging.INFO, "hybridlib"):
        run(data, tiny_encoder, interrupted)
    assert "step-00000007.pt: skipped, it is not whole" in caplog.text
    assert "going on from" in caplog.text and "step-00000006.pt" in caplog.text
    assert equal(model(interrupted), model(whole[0]))


def test_other_parameters_are_refused(interrupted, data, tiny_encoder):
    before = names(interrupted)
    reason = (
        r"step-00000007\.pt: is of a run with other learning_rate \(0\.3 then, 0\.001 now\); "
        "set resume to `changed`"
    )
    with pytest.raises(InputError, match=reason):
        run(data, tiny_encoder, interrupted, learning_rate=1e-3)
    assert names(interrupted) == before


def test_other_parameters_are_taken_when_asked_for(interrupted, data, tiny_encoder):
    log = run(data, tiny_encoder, interrupted, learning_rate=1e-3, resume="changed")
    assert log["learning_rate"].iloc[7] > 2e-3 > log["learning_rate"].iloc[8]


def test_code_that_has_changed_is_refused(interrupted, data, tiny_encoder, monkeypatch):
    monkeypatch.setattr("hybridlib.training.setup.code_hash", lambda modules: "new")
    with pytest.raises(
        InputError, match=r"of a run with other code of hybridlib \(\w+ then, new now"
    ):
        run(data, tiny_encoder, interrupted)


def test_other_data_is_refused(interrupted, data, tiny_encoder):
    pairs = data[0].copy()
    pairs.loc[0, "question"] += "?"
    with pytest.raises(InputError, match="other training pairs"):
        run((pairs, data[1]), tiny_encoder, interrupted)


def test_it_begins_anew_when_asked(interrupted, data, tiny_encoder, caplog):
    with caplog.at_level(logging.INFO, "hybridlib"):
        log = run(data, tiny_encoder, interrupted, resume="never", learning_rate=1e-3)
    assert "going on" not in caplog.text
    assert log["learning_rate"].max() < 2e-3


def test_best_weights_of_steps_that_come_again_are_forgotten(data, tiny_encoder, tmp_path):
    """The best weights are of step 4; the run goes on from step 3, with other parameters.

    The state of step 3 knows a validation that no later one surpasses.
    """
    interrupt(data, tiny_encoder, tmp_path, keep_checkpoints=10)
    folder = tmp_path / "checkpoints"
    best = checkpoints.load(folder / "best.pt")
    assert best["step"] == 4
    for step in range(4, 8):
        (folder / f"step-{step:08d}.pt").unlink()
    third = checkpoints.load(folder / "step-00000003.pt")
    third["state"]["best"] = 2.0
    checkpoints.save(folder / "step-00000003.pt", third)

    # The model is an average: with a share of 1 it would be the best weights themselves.
    run(data, tiny_encoder, tmp_path, trained_share=1.0, learning_rate=1e-3, resume="changed")
    after = model(tmp_path)
    same = [name for name in after if torch.equal(after[name], best["model"][name])]
    assert not [name for name in same if after[name].ndim > 1]


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_best_weights_that_are_lost(damage, interrupted, data, tiny_encoder, caplog):
    """The run goes on and ends with the best of the steps that are left."""
    best = interrupted / "checkpoints" / "best.pt"
    if damage == "torn":
        best.write_bytes(best.read_bytes()[:1000])
    else:
        best.unlink()
    log = run(data, tiny_encoder, interrupted)
    assert log["step"].iloc[-1] == STEPS
    assert (interrupted / "model").is_dir()
    assert ("best.pt: the best weights so far are lost" in caplog.text) == (damage == "torn")


def test_a_kill_while_the_checkpoints_are_removed(
    interrupted, whole, data, tiny_encoder, monkeypatch
):
    """Of a finished run with ``keep_best``: started again, it still has its best weights."""
    remove = shutil.rmtree
    removed = []

    def half(folder: Path, **options: object) -> None:
        if not removed and list(folder.glob("*.pt")):
            removed.append(folder)
            (folder / "best.pt").unlink()
            raise Killed
        remove(folder, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints.shutil, "rmtree", half)
        run(data, tiny_encoder, interrupted)
    log = run(data, tiny_encoder, interrupted)
    assert removed
    assert log["loss"].equals(whole[1]["loss"])
    assert equal(model(interrupted), model(whole[0]))
    assert not list(interrupted.glob("checkpoints*"))


def test_a_checkpoint_that_does_not_fit_is_one_error(interrupted, data, tiny_encoder, tmp_path):
    """`changed` allows another encoder, but not one of another size."""
    other = DualEncoder.load(tiny_encoder, projection=8)
    other.save(tmp_path / "other")
    with pytest.raises(InputError, match=r"other .*starting layers.*starting weights"):
        run(data, tmp_path / "other", interrupted)
    with pytest.raises(InputError, match=r"step-00000007\.pt: does not fit this run's model"):
        run(data, tmp_path / "other", interrupted, resume="changed")


def test_what_is_no_checkpoint_is_skipped(interrupted, whole, data, tiny_encoder, caplog):
    """An archive of another kind, a state of another kind, a folder, a link to nothing."""
    folder = interrupted / "checkpoints"
    with zipfile.ZipFile(folder / "step-00000009.pt", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    torch.save([1], folder / "step-00000010.pt")
    (folder / "step-00000011.pt").mkdir()
    (folder / "step-00000012.pt").symlink_to("nothing")
    torch.save([1], folder / "best.pt")
    run(data, tiny_encoder, interrupted)
    for number in (9, 10, 11, 12):
        assert f"step-{number:08d}.pt: skipped, it is not whole" in caplog.text
    assert "best.pt: the best weights so far are lost" in caplog.text


def test_a_file_in_place_of_the_checkpoints_is_refused(data, tiny_encoder, tmp_path):
    (tmp_path / "checkpoints").write_text("notes")
    with pytest.raises(InputError, match="checkpoints: is a file"):
        run(data, tiny_encoder, tmp_path)


def test_other_validation_data_is_refused(interrupted, data, tiny_encoder):
    fewer = data[1].restrict(data[1].languages[:1])
    with pytest.raises(InputError, match="other validation data"):
        run((data[0], fewer), tiny_encoder, interrupted)


def test_another_tokenizer_or_config_of_the_same_weights_is_refused(
    interrupted, data, tiny_encoder, tmp_path
):
    for file, key, value, name in (
        ("config.json", "layer_norm_eps", 1e-3, "starting config"),
        ("tokenizer_config.json", "truncation_side", "left", "starting tokenizer"),
    ):
        folder = Path(shutil.copytree(tiny_encoder, tmp_path / file))
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(content | {key: value}))
        with pytest.raises(InputError, match=rf"is of a run with other {name} \("):
            run(data, folder, interrupted)
