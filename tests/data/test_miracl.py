"""MIRACL from folders and from the hub, whose answers are made for the tests."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pandas as pd
import pytest
from set_files import relevant_pairs, write_table

from hybridlib.data.miracl import load_miracl
from hybridlib.errors import InputError
from hybridlib.evaluation import metrics
from hybridlib.evaluation.bias import summarise as summarise_bias
from hybridlib.retrieval.rank import rank

PARTS = ("corpus", "queries", "qrels")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The hub's client refuses at once, as with HF_HUB_OFFLINE=1."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def miracl_frames(lang: str) -> dict[str, pd.DataFrame]:
    """Equal ids in every language, a passage without title, a judgment of 0."""
    return {
        "corpus": pd.DataFrame(
            {
                "_id": ["12#3", "12#4", "5#0"],
                "title": [f"T {lang}", "", None],
                "text": ["x ", "y", "z"],
            }
        ),
        "queries": pd.DataFrame({"_id": ["0", "1"], "text": [f"first {lang}", f"second {lang}"]}),
        "qrels": pd.DataFrame(
            {"query-id": ["0", "0", "1"], "corpus-id": ["12#3", "12#4", "5#0"], "score": [1, 0, 1]}
        ),
    }


def write_card(folder: Path, languages: Iterable[str], prefix: str = "") -> None:
    """Write a README.md that names the files of each table."""
    lines = ["---", "license: cc-by-sa-4.0", "configs:"]
    for lang in languages:
        for part in PARTS:
            name = f"{lang}-{part}"
            lines += [f"- config_name: {name}", "  data_files:", "  - split: dev"]
            lines += [f"    path: {prefix}{name}/dev-*"]
    lines += ["---", "# A set", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def make_miracl(folder: Path, languages: Iterable[str] = ("sw", "ar"), card: bool = True) -> Path:
    """Write a set in two files for each table."""
    for lang in languages:
        for part, frame in miracl_frames(lang).items():
            table = folder / f"{lang}-{part}"
            write_table(frame.iloc[:1], table / "dev-00000-of-00002.parquet")
            write_table(frame.iloc[1:], table / "dev-00001-of-00002.parquet")
    if card:
        write_card(folder, languages)
    return folder


def replace_table(table: Path, **columns: list[Any]) -> None:
    """Write another table in place of one that is there."""
    for file in table.iterdir():
        file.unlink()
    write_table(pd.DataFrame(columns), table / "dev-00000-of-00001.parquet")


@pytest.mark.parametrize("card", [True, False], ids=["README", "folders alone"])
def test_miracl_from_a_folder(tmp_path, card):
    corpus = load_miracl(make_miracl(tmp_path / "set", card=card))
    assert (corpus.name, corpus.languages) == ("set", ["ar", "sw"])
    ids = ["12#3", "12#4", "5#0"]
    candidate_ids = [f"{lang}:{passage}" for lang in ("ar", "sw") for passage in ids]
    assert corpus.candidates["candidate_id"].tolist() == candidate_ids
    assert corpus.candidates["text"].tolist()[:3] == ["T ar x", "y", "z"]
    assert corpus.queries["text"].tolist() == ["first ar", "second ar", "first sw", "second sw"]
    assert relevant_pairs(corpus) == {
        ("ar:0", "ar:12#3", 1),
        ("ar:1", "ar:5#0", 1),
        ("sw:0", "sw:12#3", 1),
        ("sw:1", "sw:5#0", 1),
    }
    assert corpus.queries["question_id"].is_unique
    assert corpus.candidates["group"].is_unique


def test_miracl_is_monolingual(tmp_path, rng):
    corpus = load_miracl(make_miracl(tmp_path / "set"))
    queries = rng.standard_normal((len(corpus.queries), 8)).astype(np.float32)
    candidates = rng.standard_normal((len(corpus.candidates), 8)).astype(np.float32)
    ranking = rank(queries, candidates, corpus)
    assert set(metrics.per_query(ranking)["setting"]) == {"monolingual", "multilingual"}
    bias = summarise_bias(ranking, corpus)
    cross_lingual = ("rank_distance", "max_rank", "removal", "mean_rank")
    assert not [name for name in bias if name.startswith(cross_lingual)]
    assert "rank_distance" in bias["left_out"]


def test_miracl_languages(tmp_path):
    folder = make_miracl(tmp_path / "set")
    assert load_miracl(folder, ["sw"]).languages == ["sw"]
    assert load_miracl(folder, ["sw", "ar"]).hash == load_miracl(folder).hash
    with pytest.raises(InputError, match="has no yo; it has ar, sw"):
        load_miracl(folder, ["sw", "yo"])
    with pytest.raises(InputError, match="no language was asked for"):
        load_miracl(folder, [])


def test_miracl_of_some_downloaded_languages(tmp_path):
    """The card of a partial download names languages whose files are missing."""
    folder = make_miracl(tmp_path / "set", ["sw"])
    write_card(folder, ["ar", "sw", "yo"])
    assert load_miracl(folder).languages == ["sw"]
    with pytest.raises(InputError, match="has no yo; it has sw"):
        load_miracl(folder, ["yo"])


def test_miracl_files_where_the_card_says(tmp_path):
    folder = make_miracl(tmp_path / "set", ["sw"])
    (folder / "data").mkdir()
    for part in PARTS:
        (folder / f"sw-{part}").rename(folder / "data" / f"sw-{part}")
    write_card(folder, ["sw"], prefix="data/")
    assert load_miracl(folder).queries["text"][0] == "first sw"
    fresh = pd.DataFrame({"_id": ["0"], "text": ["fresh sw"]})
    write_table(fresh, folder / "data" / "sw-queries" / "dev-00000-of-00002.parquet")
    assert load_miracl(folder).queries["text"][0] == "fresh sw"


@pytest.mark.parametrize("card", [True, False])
def test_miracl_files_are_read_as_they_are_now(tmp_path, card):
    folder = make_miracl(tmp_path / "set", ["sw"], card)
    assert load_miracl(folder).queries["text"][0] == "first sw"
    fresh = pd.DataFrame({"_id": ["0"], "text": ["fresh sw"]})
    write_table(fresh, folder / "sw-queries" / "dev-00000-of-00002.parquet")
    assert load_miracl(folder).queries["text"][0] == "fresh sw"


def refused(source: Path | str, *messages: str, **options: Any) -> None:
    """load_miracl raises an InputError that holds all ``messages``."""
    with pytest.raises(InputError) as error:
        load_miracl(source, **options)
    assert all(message in str(error.value) for message in messages), error.value


def test_folders_that_are_no_miracl(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder", "hub id")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no <lang>-corpus with split 'dev'", "<lang>-queries")
    refused(make_miracl(tmp_path / "a"), "no <lang>-corpus with split 'test'", split="test")
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "README.md").write_text("---\nconfigs: [\n---\n", encoding="utf-8")
    refused(tmp_path / "card", "README.md cannot be read as a dataset card")


@pytest.mark.parametrize(("part", "card"), [("queries", False), ("qrels", True)])
def test_a_missing_table(tmp_path, part, card):
    folder = make_miracl(tmp_path / "set", ["sw", "ar"], card)
    for file in (folder / f"sw-{part}").iterdir():
        file.unlink()
    refused(folder, f"no sw-{part}", "leave sw out")
    assert load_miracl(folder, ["ar"]).languages == ["ar"]


def test_tables_that_are_refused(tmp_path):
    folder = make_miracl(tmp_path / "column", ["sw"], card=False)
    replace_table(folder / "sw-qrels", **{"query": ["0"], "corpus-id": ["12#3"], "score": [1]})
    refused(
        folder, "dev-00000-of-00001.parquet: no column query-id; it has query, corpus-id, score"
    )
    folder = make_miracl(tmp_path / "text", ["sw"], card=False)
    replace_table(folder / "sw-queries", _id=["0", "1"], text=[None, "second"])
    refused(folder, "sw-queries", "record 1: text of _id '0' is missing")


def test_judgments_of_passages_outside_the_pool_are_counted(tmp_path, caplog):
    folder = make_miracl(tmp_path / "set", ["sw"], card=False)
    judgments = {"query-id": ["0", "1", "1"], "corpus-id": ["12#3", "9#9", "5#0"]}
    replace_table(folder / "sw-qrels", **judgments, score=[1, 1, 1])
    assert relevant_pairs(load_miracl(folder)) == {("sw:0", "sw:12#3", 1), ("sw:1", "sw:5#0", 1)}
    warning = "left out 1 judgments of texts that the set does not hold (first: sw:1 sw:9#9)"
    assert warning in caplog.text


@pytest.mark.parametrize(
    ("source", "download"),
    [
        ("mteb/MIRACLRetrievalHardNegatives", "mteb/MIRACLRetrievalHardNegatives"),
        ("mteb/MIRACLRetrieval@abc123", "mteb/MIRACLRetrieval --revision abc123"),
    ],
)
def test_without_a_network_the_error_says_at_once_what_to_do(source, download):
    start = time.perf_counter()
    command = f"`hf download --repo-type dataset {download} --local-dir FOLDER`"
    refused(source, "cannot be read from the hub", command)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("source", "revision", "requested"),
    [("mteb/Some", None, None), ("mteb/Some@v2", None, "v2"), ("mteb/Some", "v3", "v3")],
)
def test_miracl_from_the_hub_reads_one_commit(monkeypatch, caplog, source, revision, requested):
    """Every table is read at the commit that the revision stands for."""
    calls = []

    class Info:
        sha = "c0ffee"

    def dataset_info(self, hub_id, revision, timeout):
        calls.append(("info", hub_id, revision))
        return Info

    def config_names(hub_id, revision):
        calls.append(("names", hub_id, revision))
        return [f"{lang}-{part}" for lang in ("sw", "ar") for part in PARTS]

    def load_dataset(hub_id, name, split, revision):
        calls.append((name, hub_id, split, revision))
        lang, part = name.split("-")
        return datasets.Dataset.from_pandas(miracl_frames(lang)[part])

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "get_dataset_config_names", config_names)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = load_miracl(source, ["sw"], revision=revision)
    assert (corpus.name, corpus.languages, len(corpus.queries)) == ("Some", ["sw"], 2)
    assert calls[:2] == [("info", "mteb/Some", requested), ("names", "mteb/Some", "c0ffee")]
    tables = [(f"sw-{part}", "mteb/Some", "dev", "c0ffee") for part in PARTS]
    assert calls[2:] == tables
    assert ("mteb/Some@c0ffee repeats it" in caplog.text) == (requested is None)
