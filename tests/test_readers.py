"""Corpora from folders and from the hub's layout: real small files, every refusal, and nDCG against ir-measures."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

import datasets
import huggingface_hub
import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, R, nDCG

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.folder import load_folder
from hybridlib.data.miracl import load_miracl
from hybridlib.errors import InputError
from hybridlib.evaluation import metrics as evaluation_metrics
from hybridlib.evaluation.bias import summarise as summarise_bias
from hybridlib.retrieval.rank import rank

PAGE = Path(__file__).resolve().parents[1] / "docs" / "corpora.md"
QUERIES = [
    {"query_id": "01", "lang": "en", "question_id": "moon", "text": "How far is the Moon?"},
    {"query_id": "1", "lang": "de", "question_id": "moon", "text": "Wie weit ist der Mond?"},
    {"query_id": "q3", "lang": "en", "question_id": "", "text": "What do bees make?"},
]
PASSAGES = [
    {
        "passage_id": "007",
        "lang": "en",
        "group": "m",
        "title": "Moon",
        "text": "It is 384,400 km away.",
    },
    {"passage_id": "7", "lang": "de", "group": "m", "title": "", "text": "Er ist weit weg."},
    {"passage_id": "p3", "lang": "en", "group": "", "title": "", "text": "Honey."},
]
QRELS = [
    {"query_id": "01", "passage_id": "007", "grade": 3},
    {"query_id": "01", "passage_id": "7", "grade": 1},
    {"query_id": "01", "passage_id": "p3", "grade": 0},
    {"query_id": "1", "passage_id": "7", "grade": 2},
    {"query_id": "q3", "passage_id": "p3", "grade": 1},
]


def write_table(file: Path, records: list[dict]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(records)
    if file.suffix == ".jsonl":
        file.write_text(
            "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records),
            encoding="utf-8",
        )
    elif file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    else:
        frame.to_csv(file, index=False)
    return file


def write_trec(file: Path, records: Iterable[dict], separator: str = " ") -> None:
    file.write_text(
        "".join(
            separator.join((r["query_id"], "0", r["passage_id"], str(r["grade"]))) + "\n"
            for r in records
        ),
        encoding="utf-8",
    )


def make_folder(
    folder: Path,
    queries: list[dict] = QUERIES,
    passages: list[dict] = PASSAGES,
    qrels: list[dict] = QRELS,
    ending: str = ".jsonl",
) -> Path:
    for stem, records in {"queries": queries, "passages": passages, "qrels": qrels}.items():
        write_table(folder / f"{stem}{ending}", records)
    return folder


def pairs_of(corpus: RetrievalCorpus) -> set[tuple[str, str, int]]:
    """(query id, candidate id, grade) of everything relevant."""
    qrels = corpus.qrels
    return set(
        zip(
            corpus.queries["query_id"].iloc[qrels["query"]],
            corpus.candidates["candidate_id"].iloc[qrels["candidate"]],
            qrels["grade"].tolist(),
        )
    )


def refused(folder: Path, *parts: str, **options: list[str]) -> str:
    """The message of load_folder's InputError, which must hold all ``parts``."""
    with pytest.raises(InputError) as caught:
        load_folder(folder, **options)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    return message


# ------------------------------------------------------------------------------------------- a folder of one's own


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_folder_becomes_a_corpus(tmp_path, ending):
    corpus = load_folder(make_folder(tmp_path / "mine", ending=ending))
    assert (corpus.name, corpus.candidate_text, corpus.languages) == (
        "mine",
        "passage",
        ["de", "en"],
    )
    assert corpus.queries.to_dict("list") == {
        "query_id": ["1", "01", "q3"],
        "lang": ["de", "en", "en"],
        "question_id": ["moon", "moon", "q3"],
        "text": ["Wie weit ist der Mond?", "How far is the Moon?", "What do bees make?"],
    }
    assert corpus.candidates.to_dict("list") == {
        "candidate_id": ["7", "007", "p3"],
        "lang": ["de", "en", "en"],
        "group": ["m", "m", "p3"],
        "text": ["Er ist weit weg.", "Moon It is 384,400 km away.", "Honey."],
    }
    assert pairs_of(corpus) == {("01", "007", 3), ("01", "7", 1), ("1", "7", 2), ("q3", "p3", 1)}


def test_all_formats_and_orders_give_the_same_corpus(tmp_path, rng):
    expected = load_folder(make_folder(tmp_path / "a" / "mine")).hash
    for number, ending in enumerate((".jsonl", ".csv", ".parquet")):
        shuffled = [
            [records[row] for row in rng.permutation(len(records))]
            for records in (QUERIES, PASSAGES, QRELS)
        ]
        assert (
            load_folder(make_folder(tmp_path / str(number) / "mine", *shuffled, ending=ending)).hash
            == expected
        )


@pytest.mark.parametrize(("ending", "separator"), [(".txt", " "), (".tsv", "\t"), (".qrels", "  ")])
def test_trec_qrels(tmp_path, ending, separator):
    folder = make_folder(tmp_path / "mine")
    expected = load_folder(folder).hash
    (folder / "qrels.jsonl").unlink()
    write_trec(folder / f"qrels{ending}", QRELS, separator)
    assert load_folder(folder).hash == expected


def test_optional_columns_may_be_missing(tmp_path):
    bare = [
        [
            {
                key: value
                for key, value in record.items()
                if key not in ("question_id", "group", "title", "grade")
            }
            for record in records
        ]
        for records in (QUERIES, PASSAGES, QRELS)
    ]
    corpus = load_folder(make_folder(tmp_path / "mine", *bare))
    assert corpus.queries["question_id"].tolist() == corpus.queries["query_id"].tolist()
    assert corpus.candidates["group"].tolist() == corpus.candidates["candidate_id"].tolist()
    assert corpus.qrels["grade"].tolist() == [1] * 5


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_numbers_as_ids_keep_their_digits(tmp_path, ending):
    """Also where a column of numbers has a gap, which pandas would turn into decimals; and beyond 2**53."""
    large = 2**53 + 1
    queries = [
        {"query_id": large, "lang": "en", "question_id": 5, "text": "a"},
        {"query_id": 2, "lang": "de", "question_id": None, "text": "b"},
    ]
    passages = [{"passage_id": 3, "lang": "en", "text": "c"}]
    qrels = [{"query_id": large, "passage_id": 3}, {"query_id": 2, "passage_id": 3}]
    folder = make_folder(tmp_path / "mine", queries, passages, qrels)
    if ending == ".parquet":
        pd.DataFrame(queries).astype({"question_id": "Int64"}).to_parquet(
            folder / "queries.parquet"
        )
        (folder / "queries.jsonl").unlink()
    corpus = load_folder(folder)
    assert corpus.queries["query_id"].tolist() == ["2", str(large)]
    assert corpus.queries["question_id"].tolist() == ["2", "5"]


def test_texts_are_used_as_they_stand(tmp_path):
    """Line separators inside a text do not end a record; NA, null and nan are words and ids like others."""
    text = "  one\u2028two\u0085three\r\n NA "
    queries = [{"query_id": "NA", "lang": "nan", "text": text}]
    passages = [{"passage_id": "null", "lang": "nan", "text": "nan"}]
    qrels = [{"query_id": "NA", "passage_id": "null"}]
    for ending in (".jsonl", ".csv", ".parquet"):
        corpus = load_folder(make_folder(tmp_path / ending, queries, passages, qrels, ending))
        assert corpus.queries["text"].tolist() == [text], ending
        assert corpus.candidates[["candidate_id", "lang", "text"]].iloc[0].tolist() == [
            "null",
            "nan",
            "nan",
        ]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    for ending in (".jsonl", ".csv"):
        folder = make_folder(tmp_path / ending, ending=ending)
        for file in folder.iterdir():
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
        assert len(load_folder(folder).queries) == 3


def test_languages_are_kept_as_asked(tmp_path):
    folder = make_folder(tmp_path / "mine")
    corpus = load_folder(folder, ["en"])
    assert (set(corpus.queries["lang"]), corpus.languages) == ({"en"}, ["en"])
    assert pairs_of(corpus) == {("01", "007", 3), ("q3", "p3", 1)}
    assert load_folder(folder, ["en", "de"]).hash == load_folder(folder).hash
    refused(folder, str(folder), "has no fr, xx", "it has de, en", languages=["fr", "en", "xx"])
    refused(folder, "no language was asked for", languages=[])


def test_queries_in_a_language_without_passages(tmp_path):
    """German questions over English passages: cross-lingual and multilingual alone."""
    passages = [passage for passage in PASSAGES if passage["lang"] == "en"]
    qrels = [{"query_id": "1", "passage_id": "007"}, {"query_id": "01", "passage_id": "007"}]
    folder = make_folder(tmp_path / "mine", QUERIES[:2], passages, qrels)
    corpus = load_folder(folder, ["de", "en"])
    ranking = rank(np.eye(2, 4, dtype=np.float32), np.eye(2, 4, dtype=np.float32), corpus)
    table = evaluation_metrics.per_query(ranking)
    assert set(zip(table["query_lang"], table["setting"])) == {
        ("de", "cross-lingual"),
        ("de", "multilingual"),
        ("en", "monolingual"),
        ("en", "multilingual"),
    }
    refused(folder, "no query has a relevant passage", languages=["de"])


def test_queries_without_a_relevant_passage_are_left_out_with_a_warning(tmp_path, caplog):
    qrels = [record for record in QRELS if record["query_id"] == "q3"] + [
        {"query_id": "1", "passage_id": "p3", "grade": 0}
    ]
    corpus = load_folder(make_folder(tmp_path / "mine", qrels=qrels))
    assert corpus.queries["query_id"].tolist() == ["q3"]
    assert (
        "mine: left out 2 of 3 queries, which have no relevant passage (first: '01')" in caplog.text
    )
    refused(
        make_folder(tmp_path / "none", qrels=[{"query_id": "1", "passage_id": "p3", "grade": 0}]),
        "no query has a relevant passage",
        "grade of 1",
    )


def test_columns_that_are_not_used_are_named(tmp_path, caplog):
    load_folder(
        make_folder(tmp_path / "mine", queries=[{**record, "question": "x"} for record in QUERIES])
    )
    assert "queries.jsonl: not used: column question" in caplog.text


# ---------------------------------------------------------------------------------------------------------- refusals


def test_missing_folder_and_files(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder", "queries")
    for stem in ("queries", "passages", "qrels"):
        folder = make_folder(tmp_path / stem)
        (folder / f"{stem}.jsonl").unlink()
        refused(folder, str(folder), f"no {stem} file", f"{stem}.jsonl, {stem}.csv, {stem}.parquet")


def test_two_files_of_one_name(tmp_path):
    folder = make_folder(tmp_path / "mine")
    write_trec(folder / "qrels.txt", QRELS)
    refused(folder, "both qrels.jsonl and qrels.txt", "keep one")


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize(
    ("stem", "column"),
    [
        *(("queries", c) for c in ("query_id", "lang", "text")),
        *(("passages", c) for c in ("passage_id", "lang", "text")),
        ("qrels", "query_id"),
        ("qrels", "passage_id"),
    ],
)
def test_missing_columns(tmp_path, stem, column, ending):
    folder = make_folder(tmp_path / "mine", ending=ending)
    records = {"queries": QUERIES, "passages": PASSAGES, "qrels": QRELS}[stem]
    write_table(
        folder / f"{stem}{ending}",
        [{key: value for key, value in record.items() if key != column} for record in records],
    )
    refused(folder, f"{stem}{ending}: no column {column}", "it has ", "needs ")


def changed(records: list[dict], row: int, **values: object) -> list[dict]:
    return [
        {**record, **values} if number == row else record for number, record in enumerate(records)
    ]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_texts(tmp_path, text, ending):
    label = "line 2" if ending == ".jsonl" else "record 2"
    refused(
        make_folder(tmp_path / "q", queries=changed(QUERIES, 1, text=text), ending=ending),
        f"queries{ending}: {label}: text of query_id '1'",
        "needs words",
    )
    refused(
        make_folder(tmp_path / "p", passages=changed(PASSAGES, 0, text=text), ending=ending),
        f"passages{ending}: {label.replace('2', '1')}: text of passage_id '007'",
    )


@pytest.mark.parametrize("text", [None, 5, ["a"], True])
def test_texts_of_another_type(tmp_path, text):
    refused(
        make_folder(tmp_path / "q", queries=changed(QUERIES, 1, text=text)),
        "queries.jsonl: line 2: text of query_id '1' is",
        "missing" if text is None else repr(text),
    )


@pytest.mark.parametrize("value", [None, "", " ", 1.5, True, ["a"], {"a": 1}])
def test_ids_and_languages_of_another_type(tmp_path, value):
    for column in ("query_id", "lang"):
        refused(
            make_folder(tmp_path / column, queries=changed(QUERIES, 2, **{column: value})),
            f"queries.jsonl: line 3: {column} is",
            "missing" if value is None else repr(value),
        )
    refused(
        make_folder(tmp_path / "p", passages=changed(PASSAGES, 0, passage_id=value)),
        "passages.jsonl: line 1: passage_id is",
    )
    refused(
        make_folder(tmp_path / "r", qrels=changed(QRELS, 4, passage_id=value)),
        "qrels.jsonl: line 5: passage_id is",
    )


def test_repeated_ids(tmp_path):
    refused(
        make_folder(tmp_path / "q", queries=changed(QUERIES, 2, query_id="1")),
        "queries.jsonl: line 3: query_id '1' stands twice",
        "over all languages",
    )
    refused(
        make_folder(tmp_path / "p", passages=changed(PASSAGES, 1, passage_id="007")),
        "passages.jsonl: line 2: passage_id '007' stands twice",
    )
    refused(
        make_folder(tmp_path / "r", qrels=[*QRELS, QRELS[1]]),
        "qrels.jsonl: line 6: query_id '01' with passage_id '7' stands twice",
    )
    refused(
        make_folder(tmp_path / "c", queries=changed(QUERIES, 2, question_id="moon")),
        "line 3: question_id 'moon' with lang 'en' stands twice",
        "one per language",
    )


def test_judgments_of_unknown_ids(tmp_path):
    refused(
        make_folder(tmp_path / "q", qrels=changed(QRELS, 3, query_id="q9")),
        "qrels.jsonl: line 4 names query_id 'q9', which queries.jsonl does not hold",
    )
    refused(
        make_folder(tmp_path / "p", qrels=changed(QRELS, 2, passage_id="p9")),
        "qrels.jsonl: line 3 names passage_id 'p9', which passages.jsonl does not hold",
    )
    refused(
        make_folder(
            tmp_path / "z",
            qrels=changed(QRELS, 0, passage_id=7)[:1]
            + [{"query_id": "1", "passage_id": "07", "grade": 1}],
        ),
        "names passage_id '07'",
    )


@pytest.mark.parametrize("grade", [-1, 0.5, "high", "", None, "1e30", [1]])
def test_grades_that_are_no_whole_numbers(tmp_path, grade):
    refused(
        make_folder(tmp_path / "j", qrels=changed(QRELS, 1, grade=grade)),
        "qrels.jsonl: line 2: grade is",
        "missing" if grade is None else repr(grade),
        "whole number",
    )
    if grade not in (None, [1]):
        refused(
            make_folder(tmp_path / "c", qrels=changed(QRELS, 1, grade=grade), ending=".csv"),
            "qrels.csv: record 2: grade is",
        )


def test_a_gap_in_parquet_grades(tmp_path):
    folder = make_folder(tmp_path / "mine", ending=".parquet")
    pd.DataFrame(changed(QRELS, 1, grade=None)).to_parquet(folder / "qrels.parquet")
    refused(folder, "qrels.parquet: record 2: grade is missing")


def test_malformed_trec_lines(tmp_path):
    folder = make_folder(tmp_path / "mine")
    (folder / "qrels.jsonl").unlink()
    file = folder / "qrels.txt"
    for text, *parts in [
        ("01 0 007 1\n\n1 0 7\n", "qrels.txt: line 3 has 3 fields", "query 0 passage grade"),
        ("query-id\tcorpus-id\tscore\n", "line 1 has 3 fields", "without a heading"),
        ("01 0 007 1\n1 0 7 x\n", "qrels.txt: line 2: grade is 'x'"),
        ("\n01 0 007 -2\n", "qrels.txt: line 2: grade is '-2'"),
        ("01 0 008 1\n", "line 1 names passage_id '008'"),
        ("\n", "qrels.txt: holds no record"),
    ]:
        file.write_text(text, encoding="utf-8")
        refused(folder, *parts)


def test_malformed_files(tmp_path):
    folder = make_folder(tmp_path / "mine")
    queries = folder / "queries.jsonl"
    good = queries.read_bytes()
    for content, *parts in [
        (good + b'{"query_id": \n', "queries.jsonl: line 4 is not valid JSON"),
        (good + b"[1]\n", "queries.jsonl: line 4 is not an object"),
        (b"\n", "queries.jsonl: holds no record"),
        (good + b"\xff\xfe", "queries.jsonl: cannot be read as UTF-8"),
    ]:
        queries.write_bytes(content)
        refused(folder, *parts)
    queries.unlink()
    (folder / "queries.parquet").write_bytes(b"PAR1")
    refused(folder, "queries.parquet: cannot be read as parquet")


def test_csv_texts_with_commas_need_quotes(tmp_path):
    """pandas alone would shift every field by one without a word."""
    folder = make_folder(tmp_path / "mine")
    (folder / "queries.jsonl").unlink()
    for lines, *parts in [
        ("01,en,one, two\n", "more fields", "double quotes"),
        ("01,en,one\n1,de,one, two\n", "cannot be read as csv", "line 3"),
    ]:
        (folder / "queries.csv").write_text("query_id,lang,text\n" + lines, encoding="utf-8")
        refused(folder, "queries.csv", *parts)


# ------------------------------------------------------------------------------------------ what the metrics make of it


def graded_folder(folder: Path, rng: np.random.Generator) -> list[dict]:
    """Two languages, 12 queries and 30 passages each, grades 0 to 3 across languages; the judgments are returned."""
    queries = [
        {"query_id": f"{lang}{n}", "lang": lang, "question_id": str(n), "text": "q"}
        for lang in ("de", "en")
        for n in range(12)
    ]
    passages = [
        {"passage_id": f"{n:03d}{lang}", "lang": lang, "text": "p"}
        for lang in ("de", "en")
        for n in range(30)
    ]
    qrels = []
    for query in queries:
        for number in rng.choice(len(passages), 8, replace=False):
            qrels.append(
                {
                    "query_id": query["query_id"],
                    "passage_id": passages[number]["passage_id"],
                    "grade": int(rng.integers(0, 4)),
                }
            )
    make_folder(folder, queries, passages, [])
    (folder / "qrels.jsonl").unlink()
    write_trec(folder / "qrels.txt", qrels)
    return qrels


@pytest.mark.parametrize("seed", range(3))
def test_graded_judgments_agree_with_ir_measures(tmp_path, seed):
    """ir-measures reads the judgments as written, zeros included; the run is sorted here, by ids."""
    rng = np.random.default_rng(seed)
    judgments = graded_folder(tmp_path / "mine", rng)
    corpus = load_folder(tmp_path / "mine")
    vectors = [
        rng.standard_normal((len(frame), 16)).astype(np.float32)
        for frame in (corpus.queries, corpus.candidates)
    ]
    table = evaluation_metrics.per_query(rank(*vectors, corpus), (3, 10))
    scores = vectors[0] @ vectors[1].T
    language = dict(zip(corpus.candidates["candidate_id"], corpus.candidates["lang"]))
    for target in ("de", "en", evaluation_metrics.POOL):
        held = [
            passage
            for passage in language
            if target in (language[passage], evaluation_metrics.POOL)
        ]
        columns = corpus.candidates["candidate_id"].isin(held).to_numpy()
        qrels = [
            ir_measures.Qrel(j["query_id"], j["passage_id"], j["grade"])
            for j in judgments
            if j["passage_id"] in held
        ]
        run = [
            ir_measures.ScoredDoc(query, passage, float(score))
            for query, row in zip(corpus.queries["query_id"], scores)
            for passage, score in zip(corpus.candidates["candidate_id"][columns], row[columns])
        ]
        ours = table[table["target"] == target].set_index(
            corpus.queries["query_id"].to_numpy()[table.loc[table["target"] == target, "query"]]
        )
        theirs = [
            found
            for found in ir_measures.iter_calc([nDCG @ 3, nDCG @ 10, AP, R @ 10], qrels, run)
            if found.query_id in ours.index
        ]
        names = {
            str(nDCG @ 3): "ndcg@3",
            str(nDCG @ 10): "ndcg@10",
            str(AP): "ap",
            str(R @ 10): "recall@10",
        }
        assert len(theirs) == 4 * len(ours) > 60
        for found in theirs:
            assert ours.loc[found.query_id, names[str(found.measure)]] == pytest.approx(
                found.value, abs=1e-6
            ), (target, found)


# ------------------------------------------------------------------------------------------------------------ MIRACL


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


def write_card(
    folder: Path, languages: Iterable[str], split: str = "dev", where: str = "{config}/{split}-*"
) -> None:
    configs = [f"{lang}-{part}" for lang in languages for part in ("corpus", "qrels", "queries")]
    entries = "".join(
        f"- config_name: {config}\n  data_files:\n  - split: {split}\n    path: {where.format(config=config, split=split)}\n"
        for config in configs
    )
    (folder / "README.md").write_text(
        f"---\nlicense: cc-by-sa-4.0\nconfigs:\n{entries}---\n# A set\n", encoding="utf-8"
    )


def make_miracl(folder: Path, languages: Iterable[str] = ("sw", "ar"), card: bool = True) -> Path:
    for lang in languages:
        for part, frame in miracl_frames(lang).items():
            inner = folder / f"{lang}-{part}"
            inner.mkdir(parents=True)
            frame.iloc[:1].to_parquet(inner / "dev-00000-of-00002.parquet", index=False)
            frame.iloc[1:].to_parquet(inner / "dev-00001-of-00002.parquet", index=False)
    if card:
        write_card(folder, languages)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The hub's client refuses at once, as with HF_HUB_OFFLINE=1."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("card", [True, False], ids=["README", "folders alone"])
def test_miracl_from_a_folder(tmp_path, card):
    corpus = load_miracl(make_miracl(tmp_path / "set", card=card))
    assert (corpus.name, corpus.languages, len(corpus.queries), len(corpus.candidates)) == (
        "set",
        ["ar", "sw"],
        4,
        6,
    )
    assert corpus.candidates["candidate_id"].tolist() == [
        "ar:12#3",
        "ar:12#4",
        "ar:5#0",
        "sw:12#3",
        "sw:12#4",
        "sw:5#0",
    ]
    assert corpus.candidates["text"].tolist()[:3] == ["T ar x", "y", "z"]
    assert corpus.queries["text"].tolist() == ["first ar", "second ar", "first sw", "second sw"]
    assert pairs_of(corpus) == {
        (f"{lang}:{query}", f"{lang}:{passage}", 1)
        for lang in ("ar", "sw")
        for query, passage in (("0", "12#3"), ("1", "5#0"))
    }
    assert corpus.queries["question_id"].is_unique and corpus.candidates["group"].is_unique


def test_miracl_is_monolingual(tmp_path, rng):
    corpus = load_miracl(make_miracl(tmp_path / "set"))
    ranking = rank(
        *(
            rng.standard_normal((len(frame), 8)).astype(np.float32)
            for frame in (corpus.queries, corpus.candidates)
        ),
        corpus,
    )
    assert set(evaluation_metrics.per_query(ranking)["setting"]) == {"monolingual", "multilingual"}
    said = summarise_bias(ranking, corpus)
    assert (
        not [
            name
            for name in said
            if name.startswith(("rank_distance", "max_rank", "removal", "mean_rank"))
        ]
        and "rank_distance" in said["left_out"]
    )


def test_miracl_languages(tmp_path):
    folder = make_miracl(tmp_path / "set")
    assert load_miracl(folder, ["sw"]).languages == ["sw"]
    assert load_miracl(folder, ["sw", "ar"]).hash == load_miracl(folder).hash
    with pytest.raises(InputError, match="has no yo; it has ar, sw"):
        load_miracl(folder, ["sw", "yo"])
    with pytest.raises(InputError, match="no language was asked for"):
        load_miracl(folder, [])


def test_miracl_of_some_downloaded_languages(tmp_path):
    """The card of a partial download names languages whose files are not there."""
    folder = make_miracl(tmp_path / "set", ["sw"])
    write_card(folder, ["ar", "sw", "yo"])
    assert load_miracl(folder).languages == ["sw"]
    with pytest.raises(InputError, match="has no yo; it has sw"):
        load_miracl(folder, ["yo"])


def test_miracl_files_where_the_card_says(tmp_path):
    folder = make_miracl(tmp_path / "set", ["sw"])
    (folder / "data").mkdir()
    for part in ("corpus", "qrels", "queries"):
        (folder / f"sw-{part}").rename(folder / "data" / f"sw-{part}")
    write_card(folder, ["sw"], where="data/{config}/{split}-*")
    assert load_miracl(folder).languages == ["sw"]
    pd.DataFrame({"_id": ["0"], "text": ["fresh sw"]}).to_parquet(
        folder / "data" / "sw-queries" / "dev-00000-of-00002.parquet", index=False
    )
    assert load_miracl(folder).queries["text"][0] == "fresh sw"


@pytest.mark.parametrize("card", [True, False])
def test_miracl_files_are_read_as_they_are_now(tmp_path, card):
    folder = make_miracl(tmp_path / "set", ["sw"], card)
    before = load_miracl(folder)
    pd.DataFrame({"_id": ["0"], "text": ["fresh sw"]}).to_parquet(
        folder / "sw-queries" / "dev-00000-of-00002.parquet", index=False
    )
    after = load_miracl(folder)
    assert (before.queries["text"][0], after.queries["text"][0]) == ("first sw", "fresh sw")


def test_miracl_refusals(tmp_path):
    def refuses(source: Path | str, *parts: str, **options: object) -> None:
        with pytest.raises(InputError) as caught:
            load_miracl(source, **options)
        assert all(part in str(caught.value) for part in parts), caught.value

    refuses(tmp_path / "nowhere", "nowhere: no such folder", "hub id")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", "no <lang>-corpus with split 'dev'", "<lang>-queries")
    refuses(make_miracl(tmp_path / "a"), "no <lang>-corpus with split 'test'", split="test")
    for number, part in enumerate(("queries", "qrels")):
        folder = make_miracl(tmp_path / part, ["sw", "ar"], card=bool(number))
        for file in (folder / f"sw-{part}").iterdir():
            file.unlink()
        refuses(folder, f"no sw-{part}", "leave sw out")
        assert load_miracl(folder, ["ar"]).languages == ["ar"]
    folder = make_miracl(tmp_path / "column", ["sw"], card=False)
    pd.DataFrame({"query": ["0"], "corpus-id": ["12#3"], "score": [1]}).to_parquet(
        folder / "sw-qrels" / "dev-00000-of-00002.parquet"
    )
    (folder / "sw-qrels" / "dev-00001-of-00002.parquet").unlink()
    refuses(folder, "sw-qrels: no column query-id; it has query, corpus-id, score")
    folder = make_miracl(tmp_path / "text", ["sw"], card=False)
    pd.DataFrame({"_id": ["0"], "text": [None]}).to_parquet(
        folder / "sw-queries" / "dev-00000-of-00002.parquet"
    )
    refuses(folder, "text of query_id 'sw:0' (sw) is empty")
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "README.md").write_text("---\nconfigs: [\n---\n", encoding="utf-8")
    refuses(folder, "README.md cannot be read as a dataset card")


def test_miracl_judgments_of_passages_outside_the_pool_are_counted(tmp_path, caplog):
    folder = make_miracl(tmp_path / "set", ["sw"], card=False)
    pd.DataFrame(
        {"query-id": ["0", "1", "1"], "corpus-id": ["12#3", "9#9", "5#0"], "score": [1, 1, 1]}
    ).to_parquet(folder / "sw-qrels" / "dev-00000-of-00002.parquet")
    (folder / "sw-qrels" / "dev-00001-of-00002.parquet").unlink()
    assert pairs_of(load_miracl(folder)) == {("sw:0", "sw:12#3", 1), ("sw:1", "sw:5#0", 1)}
    assert (
        "left out 1 judgments of texts that the set does not hold (first: sw:1 sw:9#9)"
        in caplog.text
    )


@pytest.mark.parametrize(
    "source", ["mteb/MIRACLRetrievalHardNegatives", "mteb/MIRACLRetrieval@abc123"]
)
def test_miracl_without_a_network_says_at_once_what_to_do(source):
    start = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load_miracl(source)
    assert time.perf_counter() - start < 5
    name, _, revision = source.partition("@")
    pin = f" --revision {revision}" if revision else ""
    assert f"`hf download --repo-type dataset {name}{pin} --local-dir FOLDER`" in str(caught.value)
    assert "cannot be read from the hub" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "revision", "asked"),
    [("mteb/Some", None, None), ("mteb/Some@v2", None, "v2"), ("mteb/Some", "v3", "v3")],
)
def test_miracl_from_the_hub_reads_one_commit(monkeypatch, caplog, source, revision, asked):
    """Every configuration is asked of the commit that the revision stands for; the hub's answers are made here."""
    calls = []

    class Info:
        sha = "c0ffee"

    def info(self, hub_id, revision, timeout):
        calls.append(("info", hub_id, revision))
        return Info

    def names(hub_id, revision):
        calls.append(("names", hub_id, revision))
        return [
            f"{lang}-{part}" for lang in ("sw", "ar") for part in ("corpus", "qrels", "queries")
        ]

    def load(hub_id, name, split, revision):
        calls.append((name, hub_id, split, revision))
        lang, part = name.split("-")
        return datasets.Dataset.from_pandas(miracl_frames(lang)[part])

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "get_dataset_config_names", names)
    monkeypatch.setattr(datasets, "load_dataset", load)
    corpus = load_miracl(source, ["sw"], revision=revision)
    assert (corpus.name, corpus.languages, len(corpus.queries)) == ("Some", ["sw"], 2)
    assert calls[:2] == [("info", "mteb/Some", asked), ("names", "mteb/Some", "c0ffee")]
    assert sorted(calls[2:]) == [
        (f"sw-{part}", "mteb/Some", "dev", "c0ffee") for part in ("corpus", "qrels", "queries")
    ]
    assert ("mteb/Some@c0ffee repeats it" in caplog.text) == (asked is None)


# ----------------------------------------------------------------------------------------------------------- the page


def test_the_worked_example_of_the_page_is_a_corpus(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    files = re.findall(r"`(my-corpus/[\w.]+)`\n\n```\w+\n(.*?)```", page, flags=re.DOTALL)
    assert [name for name, _ in files] == [
        "my-corpus/queries.jsonl",
        "my-corpus/passages.csv",
        "my-corpus/qrels.txt",
    ]
    (tmp_path / "my-corpus").mkdir()
    for name, text in files:
        (tmp_path / name).write_text(text, encoding="utf-8")
    corpus = load_folder(tmp_path / "my-corpus")
    assert (len(corpus.queries), len(corpus.candidates), corpus.languages) == (3, 5, ["de", "en"])
    assert "three queries, five passages, two languages" in page
    assert pairs_of(corpus) == {
        ("en-1", "p1", 2),
        ("en-1", "p2", 2),
        ("de-1", "p1", 2),
        ("de-1", "p2", 2),
        ("en-2", "p4", 1),
    }
    ranking = rank(np.eye(3, 5, dtype=np.float32), np.eye(5, dtype=np.float32), corpus)
    metrics = evaluation_metrics.summarise(ranking, corpus)
    assert (
        metrics["settings"]["cross-lingual"]["queries"] == 2
        and metrics["settings"]["monolingual"]["queries"] == 3
    )
    assert metrics["bias"]["rank_distance"] >= 0


@pytest.mark.parametrize("lang", ["all", "zh/Hans", "zh Hans"])
def test_languages_that_results_cannot_be_filed_under(tmp_path, lang):
    make_folder(
        tmp_path,
        [{"query_id": "q", "lang": lang, "text": "who"}],
        [{"passage_id": "p", "lang": lang, "text": "her"}],
        [{"query_id": "q", "passage_id": "p"}],
    )
    refused(tmp_path, f"{lang!r} cannot be a language")


def test_ids_with_other_white_space_in_trec_qrels(tmp_path):
    """TREC's columns end at spaces and tabs; a no-break space is part of an id."""
    queries, passages = (
        [{**QUERIES[0], "query_id": "q\u00a01"}],
        [{**PASSAGES[0], "passage_id": "p\u3000x"}],
    )
    make_folder(tmp_path, queries, passages, [])
    (tmp_path / "qrels.jsonl").unlink()
    (tmp_path / "qrels.txt").write_bytes("q\u00a01 0\t p\u3000x 2\r\n".encode())
    assert pairs_of(load_folder(tmp_path)) == {("q\u00a01", "p\u3000x", 2)}
