"""Training sets of other origin, several at once, and what keeps them apart from the evaluation corpus."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from toys import pair_table

from hybridlib.config import parameters
from hybridlib.config.params import Params
from hybridlib.data import facts, lareqa, overlap, training_sets
from hybridlib.data import pairs as data_pairs
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError


def long_pairs(
    count: int = 40, languages: Iterable[str] = ("de", "en"), start: int = 0
) -> pd.DataFrame:
    """Pairs whose texts are long enough to tell where they come from."""
    pairs = pair_table(count, languages)
    number = (pairs["pair_id"].str[1:].astype(int) + start).astype(str)
    return pairs.assign(
        question="a long enough question " + number + " in " + pairs["lang"],
        passage="a long enough passage " + number + " in " + pairs["lang"],
    )


def write(pairs: pd.DataFrame, file: Path) -> Path:
    pairs.to_json(file, orient="records", lines=True, force_ascii=False)
    return file


def study(tmp_path: Path, train: pd.DataFrame, held: pd.DataFrame, **more: Any) -> Params:
    files = write(train, tmp_path / "train.jsonl"), write(held, tmp_path / "test.jsonl")
    return Params(
        train_corpus="pairs",
        train_corpus_path=files[0],
        eval_corpus="pairs",
        eval_corpus_path=files[1],
        languages=["de", "en"],
        **more,
    )


# ---------------------------------------------------------------------------------- apart from the evaluation corpus


@pytest.mark.parametrize("column", ["question", "passage"])
def test_equal_texts_are_refused_with_an_example(column, tmp_path):
    other = long_pairs(20, start=1000).assign(pair_id=lambda frame: "x" + frame["pair_id"])
    other.loc[other["lang"] == "en", column] = f"a long enough {column} 7 in en"
    with pytest.raises(InputError, match="not different sets") as error:
        prepare(study(tmp_path, long_pairs(), other))
    for part in (
        f"1 by their {column}",
        "'p007' (en)",
        f"a long enough {column} 7 in en",
        "train on another set",
    ):
        assert part in str(error.value)


def test_white_space_around_and_another_language_do_not_matter_and_do(tmp_path):
    held = long_pairs(5, start=1000)
    held.loc[0, "question"] = " a long enough question 7 in de\n"
    with pytest.raises(InputError, match="'p007' \\(de\\)"):
        prepare(study(tmp_path, long_pairs(), held))
    held.loc[0, "question"] = "a long enough question 7 in en"  # the row is German
    assert len(prepare(study(tmp_path, long_pairs(), held)).evaluation.queries) == 10


def test_short_texts_and_short_ids_may_be_equal_by_chance(tmp_path):
    data = prepare(
        study(
            tmp_path,
            long_pairs().assign(passage="Yes."),
            long_pairs(5, start=1000).assign(passage="Yes."),
        )
    )
    assert len(data.train) + len(data.validation.queries) == 80


def test_an_equal_question_id_counts_in_any_language(tmp_path):
    train, held = long_pairs(languages=["de", "en"]), long_pairs(20, ["zh"], start=1000)
    for name, refused in (("56beb4343aeaaa14008c925b", True), ("123456789", False), ("q7", False)):
        train.loc[train["pair_id"] == train["pair_id"][8], "pair_id"] = name
        held.loc[3, "pair_id"] = name
        params = study(tmp_path, train, held)
        if refused:
            with pytest.raises(InputError, match="by their question id.*56beb4343aeaaa14008c925b"):
                prepare(params)
        else:
            prepare(params)


def test_a_few_equal_texts_are_left_out_and_counted(tmp_path, caplog):
    held = long_pairs(5, start=1000)
    held.loc[0, "passage"] = "a long enough passage 7 in de"
    with caplog.at_level(logging.WARNING):
        data = prepare(study(tmp_path, long_pairs(400), held))
    assert "training pairs left out: test holds" in caplog.text
    assert ("p007", "de") not in set(zip(data.train["pair_id"], data.train["lang"]))


def test_the_same_set_is_refused(tmp_path):
    file = write(long_pairs(), tmp_path / "mine.jsonl")
    with pytest.raises(InputError, match="are both 'pairs' .*mine.jsonl"):
        prepare(
            Params(
                train_corpus="pairs",
                train_corpus_path=file,
                eval_corpus="pairs",
                eval_corpus_path=file,
                languages=["de", "en"],
            )
        )


def test_the_same_lareqa_set_is_refused_wherever_it_lies(shared_data, tmp_path):
    copy = tmp_path / "copy"
    copy.symlink_to(shared_data("xquad-r"))
    with pytest.raises(InputError, match="are both 'xquad-r'"):
        prepare(
            Params(
                train_corpus="xquad-r",
                train_corpus_path=copy,
                eval_corpus="xquad-r",
                eval_corpus_path=shared_data("xquad-r"),
                eval_languages=["en"],
            )
        )
    with pytest.raises(
        InputError, match="not different sets.*by their question id"
    ):  # as SQuAD: other passages, the same questions
        prepare(
            Params(
                train_corpus="squad",
                train_corpus_path=copy,
                eval_corpus="xquad-r",
                eval_corpus_path=shared_data("xquad-r"),
                languages=["de", "en"],
                eval_languages=["th"],
            )
        )


def test_the_real_sets_are_apart(shared_data):
    xquad = lareqa.pairs_from_lareqa(lareqa.load_lareqa(shared_data("xquad-r"), "xquad-r"))
    mlqa = lareqa.load_lareqa(shared_data("mlqa-r"), "mlqa-r")
    assert not overlap.overlaps(xquad, mlqa).any(axis=None)


def test_the_facts_are_apart_from_their_test_facts():
    splits = facts.split_facts(facts.facts(), 0, 0.05, 0.1)
    train = facts.phrase(splits["train"], ["en", "zh"], 0, 3)
    assert not overlap.overlaps(
        train, corpus_from_pairs("facts", facts.phrase(splits["test"], ["en", "zh"], 0))
    ).any(axis=None)


def test_large_shares_of_the_facts_do_not_take_from_each_other():
    sizes = [
        {
            split: len(part)
            for split, part in facts.split_facts(facts.facts(), 0, validation, 0.1).items()
        }
        for validation in (0.05, 0.2, 0.49)
    ]
    assert (
        [size["test"] for size in sizes] == [180] * 3
        and sizes[0]["validation"] == 90
        and sizes[2]["validation"] > 300
    )


def test_validation_articles_are_not_trained_on(shared_data):
    params = Params(
        train_corpus="mlqa-r",
        train_corpus_path=shared_data("mlqa-r"),
        languages=["de", "es"],
        validation_fraction=0.3,
    )
    article = lareqa.articles(shared_data("mlqa-r"), lareqa.LAREQA_LANGUAGES["mlqa-r"])
    data = prepare(params)
    trained, held = (
        {article[name] for name in names}
        for names in (data.train["pair_id"], data.validation.queries["question_id"])
    )
    assert not trained & held and len(held) > 50
    assert list(data.train) == PAIR_COLUMNS


# ------------------------------------------------------------------------------------------------------ several sets


def test_several_sets_in_one_table(tmp_path, shared_data):
    files = (
        write(long_pairs().assign(dataset="one", negative="no"), tmp_path / "one.jsonl"),
        write(pair_table(20, ["de", "zh"]).assign(dataset="two"), tmp_path / "two.jsonl"),
    )
    data = prepare(
        Params(
            train_corpus=["facts", "pairs", "pairs"],
            train_corpus_path=[None, *files],
            languages=["de", "en", "zh"],
            validation_fraction=0.2,
        )
    )
    assert set(data.train["dataset"]) == {"facts", "one", "two"} and set(data.train["lang"]) == {
        "de",
        "en",
        "zh",
    }
    assert all(
        name.startswith(f"{dataset}/")
        for column in ("pair_id", "passage_id")
        for name, dataset in zip(data.train[column], data.train["dataset"])
    )
    assert not data.train.duplicated(["pair_id", "lang"]).any()
    assert set(data.train.loc[data.train["dataset"] == "one", "negative"]) == {"no"} and set(
        data.train.loc[data.train["dataset"] != "one", "negative"]
    ) == {""}
    assert {name.split("/")[0] for name in data.validation.queries["question_id"]} == {
        "facts",
        "one",
        "two",
    }


def test_several_sets_and_their_mistakes(tmp_path):
    file = write(pair_table(20, ["de", "zh"]), tmp_path / "two.jsonl")
    for corpus, paths in (
        (["facts", "pairs"], [None]),
        (["facts", "pairs"], file),
        (["facts"], [None, file]),
    ):
        with pytest.raises(InputError, match="give one path \\(null for facts\\) for each corpus"):
            Params.check({"train_corpus": corpus, "train_corpus_path": paths})
    for corpus, paths, said in (
        (["facts", "pairs"], [file, None], "take no path"),
        (["facts", "pairs"], None, "'pairs' needs the path"),
        (["facts", "pears"], [None, file], "did you mean 'pairs'"),
    ):
        with pytest.raises(InputError, match=said):
            Params.check({"train_corpus": corpus, "train_corpus_path": paths})
    with pytest.raises(InputError, match="two sets are called 'toy'"):
        prepare(
            Params(
                train_corpus=["pairs", "pairs"],
                train_corpus_path=[file, file],
                languages=["de", "zh"],
            )
        )
    with pytest.raises(InputError, match="no training pairs in fr"):
        prepare(
            Params(
                train_corpus=["facts", "pairs"],
                train_corpus_path=[None, file],
                languages=["de", "fr"],
            )
        )


def test_the_fingerprint_knows_every_set(tmp_path):
    from hybridlib.study.folder import Study

    files = [write(pair_table(20), tmp_path / f"{name}.jsonl") for name in "ab"]
    params = Params(train_corpus=["pairs", "pairs"], train_corpus_path=files, output_dir=tmp_path)
    before = Study(params).fingerprint("data")
    write(pair_table(21), files[1])
    assert Study(params).fingerprint("data") != before


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_negatives_of_a_table(ending, tmp_path):
    pairs = pair_table(3).assign(negative=["wrong", *[None] * 11])
    file = tmp_path / f"mine.{ending}"
    {
        "jsonl": lambda: write(pairs, file),
        "csv": lambda: pairs.to_csv(file, index=False),
        "parquet": lambda: pairs.to_parquet(file, index=False),
    }[ending]()
    loaded = data_pairs.load_pairs(file)
    assert list(loaded) == [*PAIR_COLUMNS, "negative"] and loaded["negative"].tolist() == [
        "wrong",
        *[""] * 11,
    ]


# ------------------------------------------------------------------------------------------------------------- SQuAD


def squad_file(
    folder: Path,
    name: str,
    articles: dict[str, list[tuple[str, list[tuple[str, str]]]]],
    **more: Any,
) -> None:
    """articles: title -> paragraphs (context, [(id, question), ...])."""
    data = [
        {
            "title": title,
            "paragraphs": [
                {
                    "context": context,
                    "qas": [{"id": i, "question": q, "answers": [], **more} for i, q in qas],
                }
                for context, qas in paragraphs
            ],
        }
        for title, paragraphs in articles.items()
    ]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"data": data}, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def squad(tmp_path) -> Path:
    folder = tmp_path / "my-squad"
    squad_file(
        folder,
        "train-en.json",
        {
            "Foxes": [("All of the foxes.", [("q1", "Which?"), ("q2", "Who?")])],
            "Dogs": [("All of the dogs.", [("q3", "What?")])],
        },
    )
    squad_file(
        folder,
        "de.json",
        {
            "Hunde": [("Alle Hunde.", [("q3", "Was?")])],
            "Füchse": [("Alle Füchse.", [("q2", "Wer?")])],
        },
    )
    squad_file(folder, "dev-en.json", {"Never": [("Never read.", [("q9", "Why?")])]})
    return folder


def test_squad_pairs_are_questions_with_their_paragraph(squad):
    found = training_sets.find("squad", squad)
    assert found.languages == ["de", "en"]
    pairs = found.load(["de", "en"]).set_index(["lang", "pair_id"])
    assert (
        pairs.loc[("en", "q1"), "passage"] == "All of the foxes."
        and pairs.loc[("de", "q3"), "question"] == "Was?"
    )
    assert (
        pairs.loc[("en", "q3"), "passage_id"]
        == pairs.loc[("de", "q3"), "passage_id"]
        != pairs.loc[("en", "q1"), "passage_id"]
    )
    assert (
        len(set(pairs.loc[[("en", "q1"), ("en", "q2"), ("de", "q2")], "passage_id"]))
        == 1
        == len(set(pairs.loc[[("en", "q1"), ("de", "q2")], "article"]))
    )
    assert set(pairs["dataset"]) == {"my-squad"} and pairs["article"].nunique() == 2


def test_squad_through_prepare_holds_out_an_article(squad):
    data = prepare(Params(train_corpus="squad", train_corpus_path=squad, languages=["de", "en"]))
    assert len(data.train) + len(data.validation.queries) == 5 and list(data.train) == PAIR_COLUMNS
    assert not set(data.train["passage_id"]) & set(data.validation.candidates["group"])


def test_squad_files_that_do_not_do(squad, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        training_sets.find("squad", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no <lang>.json or <split>-<lang>.json"):
        training_sets.find("squad", tmp_path / "empty")
    squad_file(squad, "dev-es.json", {})
    squad_file(squad, "test-es.json", {})
    with pytest.raises(InputError, match="dev-es.json, test-es.json: which of them"):
        training_sets.find("squad", squad)


def test_unanswerable_questions_are_left_out_and_double_ids_refused(tmp_path):
    squad_file(tmp_path / "s", "en.json", {"A": [("One.", [("q1", "Which?")])]}, is_impossible=True)
    with pytest.raises(InputError, match="holds no record"):
        training_sets.find("squad", tmp_path / "s").load(["en"])
    squad_file(tmp_path / "s", "en.json", {"A": [("One.", [("q1", "Which?"), ("q1", "Who?")])]})
    with pytest.raises(InputError, match="'q1' stands twice"):
        training_sets.find("squad", tmp_path / "s").load(["en"])


# --------------------------------------------------------------------------------------------------------- plain text


def test_parallel_text_pairs_a_sentence_with_the_next_of_its_document(tmp_path):
    (tmp_path / "docs.tsv").write_text("a\na\na\nb\nb\n")
    (tmp_path / "en.txt").write_text("one\ntwo\nthree\nfour\nfive\n")
    (tmp_path / "de.txt").write_text("eins\nzwei\n\nvier\nfünf\n")
    pairs = training_sets.find("parallel", tmp_path).load(["en", "de"])
    rows = {
        (lang, question): passage
        for lang, question, passage in pairs[["lang", "question", "passage"]].itertuples(
            index=False
        )
    }
    assert rows == {
        ("en", "one"): "two",
        ("en", "two"): "three",
        ("en", "four"): "five",
        ("de", "eins"): "zwei",
        ("de", "vier"): "fünf",
    }
    assert pairs.groupby("pair_id")["passage_id"].nunique().max() == 1 and set(
        pairs["article"]
    ) == {"a", "b"}
    (tmp_path / "docs.tsv").write_text("a\na\n")
    with pytest.raises(InputError, match="has 2 lines, the texts have at least 5"):
        training_sets.find("parallel", tmp_path).load(["en", "de"])
    (tmp_path / "docs.tsv").unlink()
    assert len(training_sets.find("parallel", tmp_path).load(["en"])) == 4
    with pytest.raises(InputError, match="no <lang>.txt"):
        (tmp_path / "empty").mkdir()
        training_sets.find("parallel", tmp_path / "empty")


def test_ntrex_as_training_text(shared_data):
    data = prepare(
        Params(
            train_corpus="parallel", train_corpus_path=shared_data("ntrex"), validation_fraction=0.1
        )
    )
    assert (
        data.train["pair_id"].nunique() + data.validation.queries["question_id"].nunique()
        == 1997 - 123
    )
    assert data.train.groupby("pair_id")["lang"].nunique().min() == 11


# --------------------------------------------------------------------------------------------------- sets of the hub


def hub_file(file: Path, records: list[dict[str, Any]]) -> Path:
    """Parquet, JSON lines, or packed JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        pd.DataFrame(records).to_parquet(file, index=False)
    else:
        text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
        file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def triples(lang: str) -> list[dict[str, Any]]:
    return [
        {
            "query": f"{lang} query {n}",
            "positive": f"{lang} text {n // 2}",
            "negative": f"{lang} text {n + 7}",
        }
        for n in range(6)
    ]


def judged(lang: str) -> list[dict[str, Any]]:
    return [
        {
            "query_id": str(n),
            "query": f"{lang} query {n}",
            "positive_passages": [{"docid": f"{n}#0", "title": f"T{n}", "text": f"{lang} yes"}],
            "negative_passages": [{"docid": "9#1", "title": "", "text": f"{lang} no"}][: n % 2],
        }
        for n in range(4)
    ] + [{"query_id": "nothing", "query": "none", "positive_passages": [], "negative_passages": []}]


@pytest.mark.parametrize(
    "place",
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
def test_mmarco_wherever_its_files_lie(place, tmp_path):
    for name, code in (("english", "en"), ("german", "de")):
        hub_file(tmp_path / "my-mmarco" / place.format(name=name, code=code), triples(code))
    found = training_sets.find("mmarco", tmp_path / "my-mmarco")
    pairs = found.load(found.languages)
    assert (
        found.languages == ["de", "en"]
        and list(pairs) == [*PAIR_COLUMNS, "negative"]
        and len(pairs) == 12
    )
    both = pairs.set_index(["pair_id", "lang"])
    assert both.loc[
        ("00000003", "de"), ["question", "passage", "negative", "passage_id"]
    ].tolist() == ["de query 3", "de text 1", "de text 10", "00000002"]
    assert both.loc[("00000002", "en"), "passage_id"] == "00000002"


def test_mmarco_knows_translations_by_id_or_by_number(tmp_path):
    folder = tmp_path / "mmarco"
    hub_file(folder / "en" / "train.jsonl", triples("en"))
    hub_file(folder / "de" / "train.jsonl", triples("de")[1:])
    with pytest.raises(
        InputError, match="the numbers of records differ: {'de': 5, 'en': 6}; add query_id"
    ):
        training_sets.find("mmarco", folder).load(["de", "en"])
    for lang, first in (("en", 0), ("de", 1)):
        hub_file(
            folder / lang / "train.jsonl",
            [{"query_id": n // 2, **triple} for n, triple in enumerate(triples(lang))][first:],
        )
    pairs = training_sets.find("mmarco", folder).load(["de", "en"]).set_index(["pair_id", "lang"])
    assert (
        len(pairs) == 6
        and pairs.loc[("0", "de"), "question"] == "de query 1"
        and pairs.loc[("0", "en"), "question"] == "en query 0"
    )


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("miracl-train", "{code}/train-00000.parquet"),
        ("mr-tydi", "mrtydi-v1.1-{name}/train.jsonl.gz"),
        ("mr-tydi", "{name}/train/0000.parquet"),
    ],
)
def test_judged_passages(kind, place, tmp_path):
    for name, code in (("english", "en"), ("thai", "th")):
        hub_file(tmp_path / "set" / place.format(name=name, code=code), judged(code))
    pairs = training_sets.find(kind, tmp_path / "set").load(["en", "th"])
    assert len(pairs) == 8 and pairs["pair_id"].is_unique  # equal ids in two languages mean nothing
    assert pairs.iloc[1][["pair_id", "passage", "passage_id", "negative"]].tolist() == [
        "en:1",
        "T1 en yes",
        "en:1#0",
        "en no",
    ]
    assert pairs.iloc[0]["negative"] == ""


@pytest.mark.parametrize("flat", [False, True])
def test_mfaq(flat, tmp_path):
    pages = [
        [{"question": f"Why {page} {n}?", "answer": f"Because {page} {n}."} for n in range(2)]
        for page in range(3)
    ]
    records = (
        [pair for page in pages for pair in page]
        if flat
        else [{"qa_pairs": page} for page in pages]
    )
    for lang in ("de", "no"):
        hub_file(
            tmp_path
            / "faq"
            / "data"
            / (lang + "_flat" * flat if lang == "de" else lang)
            / "train.jsonl",
            records,
        )
    pairs = training_sets.find("mfaq", tmp_path / "faq").load(["de", "no"])
    assert (
        len(pairs) == 12 and list(pairs) == PAIR_COLUMNS and pairs["question"].iloc[5] == "Why 2 1?"
    )


def test_hub_sets_that_do_not_do(tmp_path):
    with pytest.raises(InputError, match="no such folder; give a downloaded folder or a hub id"):
        training_sets.find("mmarco", tmp_path / "nowhere")
    (tmp_path / "script").mkdir()
    with pytest.raises(InputError, match="refs/convert/parquet"):
        training_sets.find("mmarco", tmp_path / "script")
    folder = tmp_path / "bad"
    for kind, records, said in (
        ("mmarco", [{"query": "a"}], "en: no column positive; it has query"),
        (
            "mr-tydi",
            [{"query_id": "1", "query": "a", "positive_passages": ["text"]}],
            "query_id '1': a passage is",
        ),
        (
            "mmarco",
            [{"query": " ", "positive": "b"}],
            "question of pair_id '00000000' \\(en\\) is empty",
        ),
    ):
        hub_file(folder / "en" / "train.jsonl", records)
        with pytest.raises(InputError, match=said):
            training_sets.find(kind, folder).load(["en"])
    (folder / "en" / "train.jsonl").write_text("{")
    with pytest.raises(InputError, match="train.jsonl: cannot be read as JSON"):
        training_sets.find("mfaq", folder).load(["en"])


def test_a_hub_id_out_of_reach_says_what_to_do(monkeypatch):
    def offline(*args: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", offline)
    with pytest.raises(
        InputError,
        match="someone/mmarco: cannot be read from the hub \\(no network\\).*hf download",
    ):
        prepare(
            Params(
                train_corpus="mmarco", train_corpus_path="someone/mmarco", languages=["de", "en"]
            )
        )


# ------------------------------------------------------------------------------------------------------ the page


def test_the_page_knows_every_kind_and_its_examples_work(tmp_path):
    import re

    page = (Path(__file__).resolve().parents[1] / "docs" / "training_data.md").read_text(
        encoding="utf-8"
    )
    assert all(f"`{kind}`" in page for kind in parameters.TRAIN_CORPORA)
    table, squad_json, hub = re.findall(r"```json\n(.*?)```", page, re.S)
    (tmp_path / "pairs.jsonl").write_text(table)
    assert data_pairs.load_pairs(tmp_path / "pairs.jsonl")["negative"].tolist() == [
        "The Moon is half a degree wide.",
        "",
    ]
    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "train-en.json").write_text(squad_json)
    assert len(training_sets.find("squad", tmp_path / "squad").load(["en"])) == 1
    for kind, record in zip(("mmarco", "miracl-train", "mfaq"), hub.splitlines()):
        hub_file(tmp_path / kind / "en" / "train.jsonl", [json.loads(record)])
        assert len(training_sets.find(kind, tmp_path / kind).load(["en"])) == 1
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (tmp_path / "mine.yaml").write_text(block)
    assert [kind for kind, _ in Params.load(tmp_path / "mine.yaml").training_sets] == [
        "facts",
        "squad",
        "pairs",
    ]
