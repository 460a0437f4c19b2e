"""The published training sets, as their repositories hold them, become folders that are read."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from clones import ROOT
from page_commands import COMMANDS

from hybridlib.config.params import Params
from hybridlib.data import training_sets
from hybridlib.data.prepare import prepare

SPEC = importlib.util.spec_from_file_location("paper_data", ROOT / "tools" / "paper_data.py")
paper_data = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(paper_data)

NAMES = {"ar": "arabic", "de": "german", "en": "english", "es": "spanish", "hi": "hindi"}
NAMES |= {"ru": "russian", "zh": "chinese"}
COUNT = 12


def write_rows(file: Path, rows: list[tuple[object, ...]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


@pytest.fixture
def mmarco(tmp_path: Path) -> Path:
    """unicamp-dl/mmarco: query n, passages 100 + n (positive) and 200 + n (negative)."""
    folder = tmp_path / "hub" / "mmarco"
    first = [(number, 100 + number, 200 + number) for number in range(COUNT)]
    # Further triples of the queries, with passages that no language has.
    later = [(number, 100 + number, 900 + number) for number in range(COUNT)]
    write_rows(folder / paper_data.TRIPLES, first + later)
    for lang, name in NAMES.items():
        queries = [(number, f"{lang} query {number}") for number in range(COUNT)]
        passages = [(number, f"{lang} passage {number}") for number in range(300)]
        write_rows(folder / paper_data.QUERIES.format(name=name), queries)
        write_rows(folder / paper_data.PASSAGES.format(name=name), passages)
    return folder


def write_mr_tydi(folder: Path) -> None:
    folder.mkdir(parents=True)
    records = []
    for number in range(8):
        passage = {"docid": f"{number}#0", "title": f"Title {number}", "text": "of Mr. TyDi"}
        lists = {"positive_passages": [passage], "negative_passages": []}
        records.append({"query_id": str(number), "query": f"tydi query {number}", **lists})
    (folder / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def mfaq(tmp_path: Path) -> Path:
    """clips/mfaq: five pages of two pairs."""
    file = tmp_path / "hub" / "mfaq" / "data" / "en" / "train.jsonl"
    file.parent.mkdir(parents=True)
    lines = []
    for page in range(5):
        pairs = [{"question": f"Why {page}{n}?", "answer": f"Because {page}{n}."} for n in (0, 1)]
        lines.append(json.dumps({"domain": "a.b", "qa_pairs": pairs}) + "\n")
    file.write_text("".join(lines))
    return tmp_path / "hub" / "mfaq"


def test_mmarco_has_the_first_triple_of_each_query(mmarco, tmp_path, capsys):
    # A text that is missing in one language.
    file = mmarco / paper_data.PASSAGES.format(name="german")
    file.write_text(file.read_text().replace("de passage 203", " "))
    out = tmp_path / "mmarco"
    assert paper_data.main(["mmarco", str(mmarco), str(out), "--languages", "de", "hi"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "12 queries",
        "de: 11 pairs; 1 lack a text",
        "hi: 12 pairs; 0 lack a text",
    ]
    pairs = training_sets.find("mmarco", out).load(["de", "hi"]).set_index(["pair_id", "lang"])
    columns = ["question", "passage", "negative"]
    assert len(pairs) == 23
    assert ("3", "de") not in pairs.index
    third = ["hi query 3", "hi passage 103", "hi passage 203"]
    assert pairs.loc[("3", "hi"), columns].tolist() == third
    assert sorted(path.name for path in out.rglob("*.*")) == ["train.parquet"] * 2


def test_mfaq_keeps_one_pair_of_several(mfaq, tmp_path, capsys):
    out = tmp_path / "mfaq"
    assert paper_data.main(["mfaq", str(mfaq), str(out), "--every", "3"]) == 0
    assert capsys.readouterr().out == "en: 4 of 10 pairs\n"
    pairs = training_sets.find("mfaq", out).load(["en"])
    assert pairs["question"].tolist() == ["Why 00?", "Why 11?", "Why 30?", "Why 41?"]
    assert pairs["passage"].iloc[1] == "Because 11."


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (paper_data.TRIPLES, "1\t2\t3\n4\t5\n", "line 2: 2 fields where 3 are expected"),
        (paper_data.TRIPLES, "77\t2\t3\n", "no text in german for the ids"),
        (paper_data.QUERIES.format(name="german"), None, "german_queries.train.tsv: .*no such"),
        (paper_data.PASSAGES.format(name="german"), "1\n", "line 1: 1 fields"),
    ],
)
def test_a_broken_download_is_one_line(file, content, message, mmarco, tmp_path, capsys):
    if content is None:
        (mmarco / file).unlink()
    else:
        (mmarco / file).write_text(content)
    out = tmp_path / "out"
    assert paper_data.main(["mmarco", str(mmarco), str(out), "--languages", "de"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("paper_data.py: ")
    assert re.search(message, error)
    assert not out.exists()


def test_options_that_cannot_be(mmarco, mfaq, tmp_path, capsys):
    assert paper_data.main(["mmarco", str(mmarco), str(tmp_path), "--languages", "xx"]) == 2
    assert "xx; mMARCO has no such language" in capsys.readouterr().err
    assert paper_data.main(["mfaq", str(mfaq), str(tmp_path), "--every", "0"]) == 2
    assert "--every 0: must be 1 or more" in capsys.readouterr().err


def test_the_papers_grid_is_prepared_from_them_alone(mmarco, mfaq, tmp_path):
    grid = Params.load(ROOT / "params" / "paper" / "grid.yaml")
    assert grid.train_corpus == ["mmarco", "mr-tydi", "mfaq"]
    assert sorted(grid.languages) == sorted(NAMES)
    folders = [tmp_path / path.relative_to("data") for path in grid.train_corpus_path]
    write_mr_tydi(folders[1] / "mrtydi-v1.1-english")
    # The commands of docs/batches.md.
    commands = [words for words in map(shlex.split, COMMANDS) if "tools/paper_data.py" in words]
    assert len(commands) == 2
    for _, _, *options in commands:
        paths = [word.replace("data/", f"{tmp_path}/") for word in options]
        assert paper_data.main([word.replace("100", "1") for word in paths]) == 0

    evaluation = {"eval_corpus": "facts", "eval_corpus_path": None}
    train = prepare(grid.but(train_corpus_path=folders, **evaluation)).train
    pairs = train.groupby("dataset")["pair_id"].nunique()
    # One of each set is kept for validation.
    assert pairs.to_dict() == {"mmarco": COUNT - 1, "mr-tydi": 7, "mfaq": 9}
    assert set(train[train["dataset"] != "mmarco"]["lang"]) == {"en"}
