"""The page on training data: it knows every kind, and its examples work."""

from __future__ import annotations

import json
import re
from pathlib import Path

from set_files import write_table

from hybridlib.config.names import TRAIN_CORPORA
from hybridlib.config.params import Params
from hybridlib.data import training_sets
from hybridlib.data.pairs import load_pairs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training_data.md"


def test_the_page_knows_every_kind():
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{kind}`" in page for kind in TRAIN_CORPORA)


def test_the_examples_of_the_page_work(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    table, squad_json, hub = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "pairs.jsonl").write_text(table, encoding="utf-8")
    negatives = load_pairs(tmp_path / "pairs.jsonl")["negative"].tolist()
    assert negatives == ["The Moon is half a degree wide.", ""]

    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "train-en.json").write_text(squad_json, encoding="utf-8")
    assert len(training_sets.find("squad", tmp_path / "squad").load(["en"])) == 1

    for kind, record in zip(("mmarco", "miracl-train", "mfaq"), hub.splitlines()):
        write_table([json.loads(record)], tmp_path / kind / "en" / "train.jsonl")
        assert len(training_sets.find(kind, tmp_path / kind).load(["en"])) == 1


def test_the_parameters_of_the_page_name_three_sets(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    sets = Params.load(tmp_path / "mine.yaml").training_sets
    assert [kind for kind, _ in sets] == ["facts", "squad", "pairs"]
