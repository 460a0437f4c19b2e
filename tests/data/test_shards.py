"""Files that hold one table in parts, and old copies that lie beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from set_files import write_table
from tables_of_sets import ANSWERED, MIRACL, write_records

from hybridlib.data import training_sets
from hybridlib.data.miracl import load_miracl
from hybridlib.data.shards import check_shards
from hybridlib.errors import InputError

HASH = "-0cd1d3a9d0e3d2c0"


def files(*names: str) -> list[Path]:
    return [Path("set/en") / name for name in names]


@pytest.mark.parametrize(
    "names",
    [
        ["dev.parquet"],
        ["dev-00000-of-00001.parquet"],
        ["dev-00000-of-00002.parquet", "dev-00001-of-00002.parquet"],
        ["dev-00001-of-00002.parquet", "dev-00002-of-00002.parquet"],
        [f"train-0000{number}-of-00002-{number}cd1d3a9d0e3d2c0.parquet" for number in range(2)],
        ["0000.parquet", "0001.parquet"],
        ["train1.jsonl", "train10.jsonl"],
    ],
)
def test_the_parts_of_one_table(names):
    check_shards(files(*names))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["dev.parquet", "dev-00000-of-00001.parquet"], "both dev.parquet and en/dev-00000"),
        (["train.jsonl", "train.jsonl.gz"], "both train.jsonl and en/train.jsonl.gz"),
        (["train.jsonl", "train.parquet"], "both train.jsonl and en/train.parquet"),
        (["train.jsonl", "train_old.jsonl"], "both train.jsonl and en/train_old.jsonl"),
        (
            ["train-00000-of-00001.parquet", "train-00000-of-00002.parquet"],
            "both train-00000-of-00001.parquet",
        ),
        (["dev-00000-of-00002.parquet"], "of the 2 parts of a table it has number 0;"),
        (
            ["dev-00000-of-00003.parquet", "dev-00002-of-00003.parquet"],
            "of the 3 parts of a table it has number 0, 2;",
        ),
        (
            ["dev-00000-of-00001.parquet", f"dev-00000-of-00001{HASH}.parquet"],
            "of the 1 parts of a table it has number 0, 0;",
        ),
        (["train/0000.parquet", "partial-train/0000.parquet"], "both 0000.parquet and "),
    ],
)
def test_files_that_are_not(names, message):
    with pytest.raises(InputError, match=message):
        check_shards(files(*names))


@pytest.mark.parametrize("old", ["train.jsonl.gz", "train-00000-of-00001.parquet", "train/0.jsonl"])
def test_an_old_copy_of_a_training_set(old, tmp_path):
    for name in ("train.jsonl", old):
        write_table(ANSWERED, tmp_path / "en" / name)
    with pytest.raises(InputError, match="keep one of them, or records count twice"):
        training_sets.find("mfaq", tmp_path).load(["en"])


def test_two_folders_of_one_language(tmp_path, caplog):
    """As in MFAQ's repository, which holds its pairs twice: the first is taken."""
    for name in ("de", "de_flat"):
        write_table(ANSWERED, tmp_path / "data" / name / "train.jsonl")
    assert len(training_sets.find("mfaq", tmp_path).load(["de"])) == len(ANSWERED)
    assert "de_flat: not read, " in caplog.text


def test_an_old_copy_of_miracl(tmp_path):
    for name, records in MIRACL.items():
        write_records(tmp_path / f"en-{name}" / "dev-00000-of-00001.parquet", records)
    assert len(load_miracl(tmp_path).qrels) == 2
    write_records(tmp_path / "en-qrels" / "dev.parquet", MIRACL["qrels"])
    with pytest.raises(InputError, match=r"both dev.parquet and en-qrels/dev-00000-of-00001"):
        load_miracl(tmp_path)
