"""Training sets as the hub holds them: where their files lie, and what a pair is."""

from __future__ import annotations

from typing import Any

import pytest
from set_files import write_table

from hybridlib.config.params import Params
from hybridlib.data import training_sets
from hybridlib.data.languages import language_of
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError

Records = list[dict[str, Any]]


def triples(lang: str) -> Records:
    """Six records of mMARCO, two on each passage."""
    return [
        {
            "query": f"{lang} query {number}",
            "positive": f"{lang} text {number // 2}",
            "negative": f"{lang} text {number + 7}",
        }
        for number in range(6)
    ]


def judged(lang: str) -> Records:
    """Four queries with judged passages, every second with a negative, and one without any."""
    negative = {"docid": "9#1", "title": "", "text": f"{lang} no"}
    records = []
    for number in range(4):
        positive = {"docid": f"{number}#0", "title": f"T{number}", "text": f"{lang} yes"}
        records.append(
            {
                "query_id": str(number),
                "query": f"{lang} query {number}",
                "positive_passages": [positive],
                "negative_passages": [negative][: number % 2],
            }
        )
    nothing = {"positive_passages": [], "negative_passages": []}
    return [*records, {"query_id": "nothing", "query": "none", **nothing}]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("de", "de"),
        ("german", "de"),
        ("german-triplet", "de"),
        ("mrtydi-v1.1-german", "de"),
        ("de_flat", "de"),
        ("fil", "fil"),
        ("all", ""),
        ("german-queries", ""),
        ("german-english", ""),
        ("default", ""),
    ],
)
def test_the_language_in_a_name(name, language):
    assert language_of(name) == language


@pytest.mark.parametrize(
    "layout",
    [
        "{name}/train-00000-of-00001.parquet",
        "{name}/train/0000.parquet",
        "{name}/train.jsonl",
        "data/{name}/train.jsonl.gz",
        "{name}.jsonl",
        "{code}/train.parquet",
        "{name}-triplet/train-0.parquet",
    ],
)
def test_mmarco_wherever_its_files_lie(layout, tmp_path):
    folder = tmp_path / "my-mmarco"
    for name, code in (("english", "en"), ("german", "de")):
        write_table(triples(code), folder / layout.format(name=name, code=code))
    training_set = training_sets.find("mmarco", folder)
    assert training_set.languages == ["de", "en"]
    pairs = training_set.load(["de", "en"])
    assert list(pairs) == [*PAIR_COLUMNS, "negative"]
    assert len(pairs) == 12
    pairs = pairs.set_index(["pair_id", "lang"])
    third = pairs.loc[("00000003", "de"), ["question", "passage", "negative", "passage_id"]]
    assert third.tolist() == ["de query 3", "de text 1", "de text 10", "00000002"]
    assert pairs.loc[("00000002", "en"), "passage_id"] == "00000002"


def test_mmarco_knows_translations_by_id_or_by_number(tmp_path):
    folder = tmp_path / "mmarco"
    write_table(triples("en"), folder / "en" / "train.jsonl")
    write_table(triples("de")[1:], folder / "de" / "train.jsonl")
    message = "the numbers of records differ: {'de': 5, 'en': 6}; add query_id"
    with pytest.raises(InputError, match=message):
        training_sets.find("mmarco", folder).load(["de", "en"])

    for lang, first in (("en", 0), ("de", 1)):
        records = [
            {"query_id": number // 2, **triple} for number, triple in enumerate(triples(lang))
        ]
        write_table(records[first:], folder / lang / "train.jsonl")
    pairs = training_sets.find("mmarco", folder).load(["de", "en"]).set_index(["pair_id", "lang"])
    assert len(pairs) == 6
    assert pairs.loc[("0", "de"), "question"] == "de query 1"
    assert pairs.loc[("0", "en"), "question"] == "en query 0"


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        ("miracl-train", "{code}/train-00000.parquet"),
        ("mr-tydi", "mrtydi-v1.1-{name}/train.jsonl.gz"),
        ("mr-tydi", "{name}/train/0000.parquet"),
    ],
)
def test_judged_passages(kind, layout, tmp_path):
    for name, code in (("english", "en"), ("thai", "th")):
        write_table(judged(code), tmp_path / "set" / layout.format(name=name, code=code))
    pairs = training_sets.find(kind, tmp_path / "set").load(["en", "th"])
    assert len(pairs) == 8
    # Equal ids in two languages mean nothing.
    assert pairs["pair_id"].is_unique
    second = pairs.iloc[1][["pair_id", "passage", "passage_id", "negative"]]
    assert second.tolist() == ["en:1", "T1 en yes", "en:1#0", "en no"]
    assert pairs.iloc[0]["negative"] == ""


@pytest.mark.parametrize("flat", [False, True])
def test_mfaq(flat, tmp_path):
    """German is in a folder whose name says more, where the records are flat."""
    pairs = [{"question": f"Why {number}?", "answer": f"Because {number}."} for number in range(6)]
    records: Records = [{"qa_pairs": pairs[page : page + 2]} for page in (0, 2, 4)]
    if flat:
        records = pairs
    for name in ("de_flat" if flat else "de", "no"):
        write_table(records, tmp_path / "faq" / "data" / name / "train.jsonl")
    loaded = training_sets.find("mfaq", tmp_path / "faq").load(["de", "no"])
    assert len(loaded) == 12
    assert list(loaded) == PAIR_COLUMNS
    assert loaded["question"].iloc[5] == "Why 5?"


def test_folders_without_a_set(tmp_path):
    with pytest.raises(InputError, match="no such folder; give a downloaded folder or a hub id"):
        training_sets.find("mmarco", tmp_path / "nowhere")
    (tmp_path / "script").mkdir()
    with pytest.raises(InputError, match="refs/convert/parquet"):
        training_sets.find("mmarco", tmp_path / "script")


@pytest.mark.parametrize(
    ("kind", "record", "message"),
    [
        ("mmarco", {"query": "a"}, "no column positive; it has query and needs query, positive"),
        (
            "mr-tydi",
            {"query_id": "1", "query": "a", "positive_passages": ["text"]},
            "line 1: positive_passages is 'text'; it is a list of {docid, title, text}",
        ),
        (
            "mmarco",
            {"query": " ", "positive": "b"},
            "line 1: query is ' '; every text needs words",
        ),
        ("mfaq", {"qa_pairs": ["text"]}, "line 1: qa_pairs is 'text'; it is a list of {question"),
    ],
)
def test_records_that_are_refused(kind, record, message, tmp_path):
    write_table([record], tmp_path / "bad" / "en" / "train.jsonl")
    with pytest.raises(InputError, match=message):
        training_sets.find(kind, tmp_path / "bad").load(["en"])


def test_a_file_that_cannot_be_read(tmp_path):
    file = write_table([], tmp_path / "bad" / "en" / "train.jsonl")
    file.write_text("{")
    with pytest.raises(InputError, match=r"train.jsonl: line 1 is not valid JSON"):
        training_sets.find("mfaq", tmp_path / "bad").load(["en"])


def test_a_hub_id_out_of_reach_says_what_to_do(monkeypatch):
    def offline(*args: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", offline)
    params = Params(
        train_corpus="mmarco", train_corpus_path="someone/mmarco", languages=["de", "en"]
    )
    message = "someone/mmarco: cannot be read from the hub \\(no network\\).*hf download"
    with pytest.raises(InputError, match=message):
        prepare(params)


def test_a_query_does_not_lend_its_id_to_a_passage_if_another_has_it(tmp_path):
    """Two contents would be one."""
    first = {"query_id": "7", "query": "One?", "positive_passages": [{"text": "1."}]}
    other = {"query_id": "8", "query": "Two?", "positive_passages": [{"docid": 7, "text": "2."}]}
    write_table([first, other], tmp_path / "en" / "train.jsonl")
    with pytest.raises(InputError, match=r"line 1: .* takes the id of its query, '7', which is"):
        training_sets.find("mr-tydi", tmp_path).load(["en"])
    other["positive_passages"] = [None]
    write_table([first, other], tmp_path / "en" / "train.jsonl")
    with pytest.raises(InputError, match=r"line 2: positive_passages is \[None\]; it is a list of"):
        training_sets.find("mr-tydi", tmp_path).load(["en"])


def test_parts_of_a_table_have_the_same_kind_of_record(tmp_path):
    """Ids in the second part alone would be passed over."""
    folder = tmp_path / "en"
    write_table(triples("en"), folder / "train-00000-of-00002.jsonl")
    with_ids = [{"query_id": f"q{row}", **triple} for row, triple in enumerate(triples("en"))]
    write_table(with_ids, folder / "train-00001-of-00002.jsonl")
    with pytest.raises(InputError, match=r"00001-of-00002.jsonl: has the column query_id, which"):
        training_sets.find("mmarco", tmp_path).load(["en"])


def test_a_training_file_that_cannot_be_read_is_not_passed_over(tmp_path):
    """A broken download leaves links to nothing."""
    write_table(triples("en"), tmp_path / "en" / "train-1.jsonl")
    (tmp_path / "en" / "train-2.jsonl").symlink_to("nothing")
    with pytest.raises(InputError, match=r"train-2.jsonl: cannot be read .*: no such file"):
        training_sets.find("mmarco", tmp_path).load(["en"])
