"""LAReQA files, training pairs and prepared data: what is read, and what each bad input is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from toys import pair_table

from hybridlib.config.params import Params
from hybridlib.data import cldr, facts
from hybridlib.data import prepare as data_prepare
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.data.lareqa import LAREQA_LANGUAGES, load_lareqa, pairs_from_lareqa
from hybridlib.data.pairs import PAIR_COLUMNS, load_pairs, load_parallel
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError

XQUAD_CANDIDATES = {
    "ar": 1222,
    "de": 1276,
    "el": 1234,
    "en": 1180,
    "es": 1215,
    "hi": 1244,
    "ru": 1219,
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}
MLQA_CANDIDATES = {
    "ar": 2545,
    "de": 2362,
    "en": 6264,
    "es": 1787,
    "hi": 2426,
    "vi": 2828,
    "zh": 2322,
}
MLQA_QUERIES = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}


@pytest.fixture(scope="module")
def xquad(shared_data) -> RetrievalCorpus:
    return load_lareqa(shared_data("xquad-r"), "xquad-r")


@pytest.fixture(scope="module")
def mlqa(shared_data) -> RetrievalCorpus:
    return load_lareqa(shared_data("mlqa-r"), "mlqa-r")


def counts(frame: pd.DataFrame) -> dict[str, int]:
    return frame["lang"].value_counts().sort_index().to_dict()


def relevant_per_query(corpus: RetrievalCorpus) -> set[int]:
    return set(
        corpus.qrels["query"].value_counts().reindex(range(len(corpus.queries)), fill_value=0)
    )


# ----------------------------------------------------------------------------------------------- the real files


def test_xquad_r_counts(xquad):
    assert counts(xquad.queries) == dict.fromkeys(LAREQA_LANGUAGES["xquad-r"], 1190)
    assert counts(xquad.candidates) == XQUAD_CANDIDATES
    assert (len(xquad.queries), len(xquad.candidates)) == (13090, 13014)
    assert relevant_per_query(xquad) == {11}
    assert xquad.queries["question_id"].nunique() == 1190
    assert set(xquad.qrels["grade"]) == {1} and xquad.candidate_text == "sentence"


def test_mlqa_r_counts(mlqa):
    assert counts(mlqa.queries) == MLQA_QUERIES and len(mlqa.queries) == 4199
    assert counts(mlqa.candidates) == MLQA_CANDIDATES and len(mlqa.candidates) == 20534
    assert relevant_per_query(mlqa) == {2, 3, 4}


def test_mlqa_r_languages_share_some_questions(mlqa):
    asked = {lang: set(part["question_id"]) for lang, part in mlqa.queries.groupby("lang")}
    shared = [len(asked[x] & asked[y]) for x, y in combinations(asked, 2) if "en" not in (x, y)]
    assert (min(shared), max(shared)) == (161, 207)
    assert all(asked[lang] <= asked["en"] for lang in asked)


@pytest.mark.parametrize("name", ["xquad", "mlqa"])
def test_every_question_has_an_answer_in_each_of_its_languages_and_no_other(name, request):
    corpus = request.getfixturevalue(name)
    answered = corpus.qrels.assign(
        lang=corpus.candidates["lang"].to_numpy()[corpus.qrels["candidate"]]
    )
    found = answered.groupby("query")["lang"].agg(frozenset)
    asked = corpus.queries.groupby("question_id")["lang"].agg(frozenset)
    assert found.tolist() == corpus.queries["question_id"].map(asked).tolist()


def test_texts_are_those_of_the_files_byte_order_marks_included(xquad, shared_data):
    data = json.loads((shared_data("xquad-r") / "th.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
    sentences = [
        paragraph["context"][start:end]
        for paragraph in paragraphs
        for start, end in paragraph["sentence_breaks"]
    ]
    thai = xquad.candidates[xquad.candidates["lang"] == "th"]["text"].tolist()
    assert thai == sentences
    assert (
        sum(text.startswith("\ufeff") for text in thai)
        == sum(text.startswith("\ufeff") for text in sentences)
        > 0
    )
    assert thai[0].startswith("\ufeff") and len(thai[0]) == 57


def test_the_answer_stands_in_the_relevant_sentence(xquad, shared_data):
    data = json.loads((shared_data("xquad-r") / "th.json").read_text(encoding="utf-8"))["data"]
    answers = {
        qa["id"]: qa["answers"][0]["text"]
        for article in data
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    }
    queries, candidates = xquad.queries, xquad.candidates
    thai = xquad.qrels[
        (queries["lang"].to_numpy()[xquad.qrels["query"]] == "th")
        & (candidates["lang"].to_numpy()[xquad.qrels["candidate"]] == "th")
    ]
    held = [
        answers[queries["question_id"][query]] in candidates["text"][candidate]
        for query, candidate in zip(thai["query"], thai["candidate"])
    ]
    assert (
        len(held) == 1190 and sum(held) > 1180
    )  # a few answers run over the end of their sentence


def test_fewer_languages_and_paragraphs_as_candidates(shared_data, xquad):
    part = load_lareqa(shared_data("xquad-r"), "xquad-r", ["th", "en"], "context")
    assert part.languages == ["en", "th"] and part.candidate_text == "context"
    assert relevant_per_query(part) == {2}
    sentences = xquad.restrict(["en", "th"]).candidates
    assert part.candidates["candidate_id"].tolist() == sentences["candidate_id"].tolist()
    assert all(
        text.startswith(f"{sentence} ") and sentence in text[len(sentence) + 1 :]
        for text, sentence in zip(part.candidates["text"], sentences["text"])
    )


def test_training_pairs_of_xquad_r(xquad):
    pairs = pairs_from_lareqa(xquad)
    assert list(pairs) == PAIR_COLUMNS
    assert counts(pairs) == dict.fromkeys(LAREQA_LANGUAGES["xquad-r"], 1190)
    assert (
        pairs.groupby("pair_id")["passage_id"].nunique() == 1
    ).all()  # translations share the passage
    candidates = dict(
        zip(zip(xquad.candidates["lang"], xquad.candidates["text"]), xquad.candidates["group"])
    )
    assert all(
        (lang, passage) in candidates for lang, passage in zip(pairs["lang"], pairs["passage"])
    )


# --------------------------------------------------------------------------------------------- a small LAReQA set

CONTEXTS = {"en": "One fox. Two dogs. Three.", "de": "Ein Fuchs. Zwei Hunde. Drei."}
BREAKS = {"en": [[0, 8], [9, 18], [19, 25]], "de": [[0, 10], [11, 22], [23, 28]]}


def lareqa_file(lang: str) -> dict[str, Any]:
    """One paragraph of three sentences; q0 asks for the first, q1 for the second."""
    starts = {"en": (4, 13), "de": (4, 16)}[lang]
    qas = [
        {
            "id": f"q{number}",
            "question": f"{lang} question {number}?",
            "answers": [{"answer_start": at, "text": ""}],
        }
        for number, at in enumerate(starts)
    ]
    return {
        "data": [
            {
                "title": "Animals",
                "paragraphs": [
                    {"context": CONTEXTS[lang], "sentence_breaks": [*BREAKS[lang]], "qas": qas}
                ],
            }
        ]
    }


@pytest.fixture
def small(tmp_path) -> Callable[..., Path]:
    """Writes a two-language set, its English file changed by a function."""

    def write(change: Callable[[dict[str, Any]], object] = lambda content: None) -> Path:
        for lang in ("de", "en"):
            content = lareqa_file(lang)
            if lang == "en":
                change(content)
            (tmp_path / f"{lang}.json").write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    return write


def another_article(content: dict[str, Any]) -> None:
    """The second question goes to an article of its own; the German file still has it in the first."""
    paragraph = json.loads(json.dumps(paragraph_of(content)))
    paragraph["qas"] = [{**paragraph["qas"][1], "id": "q2"}]
    content["data"].append({"title": "Dogs", "paragraphs": [paragraph]})


def load_small(folder: Path, candidate_text: str = "sentence") -> RetrievalCorpus:
    return load_lareqa(folder, "xquad-r", ["en", "de"], candidate_text)


def paragraph_of(content: dict[str, Any]) -> dict[str, Any]:
    return content["data"][0]["paragraphs"][0]


def test_a_small_set_is_read_as_it_stands(small):
    corpus = load_small(small())
    assert corpus.candidates["text"].tolist() == [
        "Ein Fuchs.",
        "Zwei Hunde.",
        "Drei.",
        "One fox.",
        "Two dogs.",
        "Three.",
    ]
    assert corpus.queries["text"].tolist() == [
        "de question 0?",
        "de question 1?",
        "en question 0?",
        "en question 1?",
    ]
    assert corpus.qrels[["query", "candidate"]].to_numpy().tolist() == [
        [0, 0],
        [0, 3],
        [1, 1],
        [1, 4],
        [2, 0],
        [2, 3],
        [3, 1],
        [3, 4],
    ]
    groups = corpus.candidates["group"].tolist()
    assert groups[0] == groups[3] and groups[1] == groups[4] and len(set(groups)) == 4


def test_candidate_text_sentence_or_context(small):
    assert load_small(small(), "sentence").candidates["text"][4] == "Two dogs."
    assert (
        load_small(small(), "context").candidates["text"][4]
        == "Two dogs. One fox. Two dogs. Three."
    )


def test_an_answer_on_a_sentence_edge_belongs_to_the_sentence_that_it_starts(small):
    def at(start):
        return load_small(
            small(
                lambda content: paragraph_of(content)["qas"][0]["answers"][0].update(
                    answer_start=start
                )
            )
        )

    def answers(corpus):
        return corpus.qrels[corpus.qrels["query"] == 2]["candidate"].tolist()

    assert answers(at(0)) == [0, 3] and answers(at(7)) == [0, 3]
    assert answers(at(9)) == [0, 4] and answers(at(24)) == [0, 5]


def test_several_answers_make_several_sentences_relevant(small):
    corpus = load_small(
        small(
            lambda content: paragraph_of(content)["qas"][0]["answers"].append({"answer_start": 20})
        )
    )
    assert corpus.qrels[corpus.qrels["query"] == 0]["candidate"].tolist() == [0, 3, 5]
    assert (
        corpus.candidates["group"][0]
        == corpus.candidates["group"][3]
        == corpus.candidates["group"][5]
    )
    pairs = pairs_from_lareqa(corpus)
    assert len(pairs) == 4 and not pairs.duplicated(["pair_id", "lang"]).any()


def test_questions_in_some_languages_only(small):
    corpus = load_small(small(lambda content: paragraph_of(content)["qas"].pop()))
    assert corpus.queries["query_id"].tolist() == ["de:q0", "de:q1", "en:q0"]
    assert corpus.qrels[corpus.qrels["query"] == 1]["candidate"].tolist() == [1]


BAD_FILES = {
    "answer at the gap between sentences": (
        lambda c: paragraph_of(c)["qas"][1]["answers"][0].update(answer_start=8),
        ["'q1'", "answer_start 8 lies in no sentence", "Animals"],
    ),
    "answer behind the end": (
        lambda c: paragraph_of(c)["qas"][1]["answers"][0].update(answer_start=99),
        ["'q1'", "answer_start 99 lies in no sentence"],
    ),
    "answer before the start": (
        lambda c: paragraph_of(c)["qas"][1]["answers"][0].update(answer_start=-1),
        ["'q1'", "answer_start -1 lies in no sentence"],
    ),
    "no answer": (
        lambda c: paragraph_of(c)["qas"][0].update(answers=[]),
        ["'q0'", "has no answer"],
    ),
    "no answers key": (
        lambda c: paragraph_of(c)["qas"][0].pop("answers"),
        ["'q0'", "'answers' is missing"],
    ),
    "answer without start": (
        lambda c: paragraph_of(c)["qas"][0].update(answers=[{"text": "fox"}]),
        ["'q0'", "'answer_start' is missing"],
    ),
    "answer_start as text": (
        lambda c: paragraph_of(c)["qas"][0].update(answers=[{"answer_start": "4"}]),
        ["'q0'", "'answer_start' is missing or not a int"],
    ),
    "question id twice": (
        lambda c: paragraph_of(c)["qas"][1].update(id="q0"),
        ["'q0' stands twice", "paragraph 0"],
    ),
    "no question id": (
        lambda c: paragraph_of(c)["qas"][1].pop("id"),
        ["'id' is missing", "paragraph 0"],
    ),
    "empty question": (
        lambda c: paragraph_of(c)["qas"][1].update(question=" "),
        ["'q1'", "is empty"],
    ),
    "question missing": (
        lambda c: paragraph_of(c)["qas"][1].pop("question"),
        ["'q1'", "'question' is missing"],
    ),
    "empty sentence": (
        lambda c: paragraph_of(c)["sentence_breaks"].append([8, 9]),
        ["sentence [8, 9) is empty", "paragraph 0"],
    ),
    "sentence behind the end": (
        lambda c: paragraph_of(c)["sentence_breaks"].append([90, 99]),
        ["sentence [90, 99) is empty"],
    ),
    "breaks are no pairs": (
        lambda c: paragraph_of(c).update(sentence_breaks=[8, 18, 25]),
        ["'sentence_breaks' is not a list of [start, end)", "paragraph 0"],
    ),
    "breaks are text": (
        lambda c: paragraph_of(c).update(sentence_breaks=[["0", "8"]]),
        ["'sentence_breaks' is not a list of [start, end)"],
    ),
    "no breaks": (
        lambda c: paragraph_of(c).pop("sentence_breaks"),
        ["'sentence_breaks' is missing", "'Animals'"],
    ),
    "no context": (
        lambda c: paragraph_of(c).update(context=None),
        ["'context' is missing or not a str"],
    ),
    "no qas": (lambda c: paragraph_of(c).update(qas={}), ["'qas' is missing or not a list"]),
    "paragraph is text": (
        lambda c: c["data"][0]["paragraphs"].append("text"),
        ["paragraph 1", "'context' is missing"],
    ),
    "no paragraphs": (lambda c: c["data"][0].pop("paragraphs"), ["not SQuAD JSON", "paragraphs"]),
    "no title": (lambda c: c["data"][0].pop("title"), ["not SQuAD JSON", "title"]),
    "no data": (lambda c: c.pop("data"), ["not SQuAD JSON", "data"]),
    "articles are text": (lambda c: c.update(data=["text"]), ["not SQuAD JSON"]),
}


@pytest.mark.parametrize("case", list(BAD_FILES))
def test_a_bad_file_is_named_with_its_record(case, small):
    change, said = BAD_FILES[case]
    folder = small(change)
    with pytest.raises(InputError) as error:
        load_small(folder)
    for part in (str(folder / "en.json"), *said):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[]", "not SQuAD JSON"),
        ("3", "not SQuAD JSON"),
    ],
)
def test_a_file_that_is_no_squad_json(text, reason, small):
    folder = small()
    (folder / "de.json").write_text(text)
    with pytest.raises(InputError, match=reason) as error:
        load_small(folder)
    assert str(folder / "de.json") in str(error.value)


def test_a_file_in_another_encoding(small):
    folder = small()
    (folder / "de.json").write_bytes('{"data": "Ä"}'.encode("latin-1"))
    with pytest.raises(InputError, match="not valid JSON"):
        load_small(folder)


def test_files_that_are_not_there(small, tmp_path):
    folder = small()
    (folder / "de.json").unlink()
    with pytest.raises(InputError, match="de.json: no such file"):
        load_small(folder)
    with pytest.raises(InputError, match="no such folder; it should hold mlqa-r"):
        load_lareqa(tmp_path / "nowhere", "mlqa-r")


def test_a_language_that_the_set_has_not(small):
    with pytest.raises(InputError, match="mlqa-r has no el, th; it has ar, de, en, es, hi, vi, zh"):
        load_lareqa(small(), "mlqa-r", ["th", "en", "el"])


# ------------------------------------------------------------------------------------------------ building corpora


def parts() -> dict[str, pd.DataFrame]:
    return {
        "queries": pd.DataFrame(
            {"query_id": ["en:q"], "lang": ["en"], "question_id": ["q"], "text": ["which?"]}
        ),
        "candidates": pd.DataFrame(
            {
                "candidate_id": ["en:a", "en:b"],
                "lang": ["en", "en"],
                "group": ["a", "b"],
                "text": ["this", "that"],
            }
        ),
        "relevance": pd.DataFrame({"query_id": ["en:q"], "candidate_id": ["en:a"], "grade": [1]}),
    }


def test_build_checks_ids_texts_and_relevance():
    assert len(RetrievalCorpus.build("mine", **parts()).qrels) == 1
    cases = [
        ("candidates", {"candidate_id": ["en:a", "en:a"]}, "candidate_id 'en:a' stands twice"),
        ("candidates", {"text": ["this", "\n"]}, "text of candidate_id 'en:b' (en) is empty"),
        ("queries", {"text": [None]}, "text of query_id 'en:q' (en) is empty"),
        ("relevance", {"candidate_id": ["en:z"]}, "'en:z', which is neither"),
        ("relevance", {"query_id": ["en:z"]}, "'en:z', which is neither"),
    ]
    for part, change, message in cases:
        given = parts()
        given[part] = given[part].assign(**change)
        with pytest.raises(InputError) as error:
            RetrievalCorpus.build("mine", **given)
        assert str(error.value).startswith("mine: ") and message in str(error.value)
    with pytest.raises(InputError, match="holds no record"):
        RetrievalCorpus.build("mine", **{**parts(), "queries": parts()["queries"][:0]})


def test_corpus_from_pairs():
    """Two questions on one passage; a passage stands once per language; relevant in every language."""
    pairs = pair_table(3, ("de", "en"), missing=[(2, "de")])
    pairs.loc[pairs["pair_id"] == "p001", ["passage_id", "passage"]] = ["p000", "the same"]
    pairs.loc[pairs["pair_id"] == "p000", "passage"] = "the same"
    corpus = corpus_from_pairs("pairs", pairs)
    assert corpus.queries["query_id"].tolist() == [
        "de:p000",
        "de:p001",
        "en:p000",
        "en:p001",
        "en:p002",
    ]
    assert corpus.candidates["candidate_id"].tolist() == ["de:p000", "en:p000", "en:p002"]
    assert corpus.qrels[["query", "candidate"]].to_numpy().tolist() == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
        [2, 0],
        [2, 1],
        [3, 0],
        [3, 1],
        [4, 2],
    ]
    assert corpus_from_pairs("pairs", pairs.sample(frac=1, random_state=1)).hash == corpus.hash


# ------------------------------------------------------------------------------------------------- training pairs


def write_table(frame: pd.DataFrame, file: Path) -> Path:
    if file.suffix == ".jsonl":
        frame.to_json(file, orient="records", lines=True, force_ascii=False)
    elif file.suffix == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file, index=False)
    return file


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_pairs_come_back_as_written(suffix, tmp_path):
    pairs = pair_table(3)
    pairs.loc[0, ["question", "passage"]] = ["NA", '\ufeff ค่า, "é"\nnull']  # texts are data
    pairs["pair_id"] = pairs["pair_id"].str.replace(
        "p", "0"
    )  # ids that look like numbers keep their zeros
    pd.testing.assert_frame_equal(
        load_pairs(write_table(pairs, tmp_path / f"table{suffix}")), pairs
    )


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_optional_columns_and_number_ids(suffix, tmp_path):
    table = pair_table(3)[["lang", "question", "passage"]].assign(
        pair_id=[n for n in range(3) for _ in range(4)], extra=1
    )
    pairs = load_pairs(write_table(table, tmp_path / f"mine{suffix}"))
    assert list(pairs) == PAIR_COLUMNS
    assert set(pairs["dataset"]) == {"mine"} and pairs["passage_id"].equals(
        pairs["pair_id"].rename("passage_id")
    )
    assert set(pairs["pair_id"]) == {"0", "1", "2"}


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_bad_pairs_are_named(suffix, tmp_path):
    good = pair_table(3)
    cases = [
        (good.drop(columns=["question", "lang"]), "no column lang, question; training pairs have"),
        (good.drop(columns=["pair_id", "passage_id"]), "no column pair_id"),
        (pd.concat([good, good[5:6]]), "pair_id 'p001' stands twice in language 'de'"),
        (
            good.assign(question=good["question"].where(good.index != 6, " ")),
            "question of pair_id 'p001' (en) is empty",
        ),
        (
            good.assign(passage=good["passage"].where(good.index != 6, None)),
            "passage of pair_id 'p001' (en) is empty",
        ),
        (good.assign(pair_id=good["pair_id"].where(good.index != 6, None)), "pair_id of pair_id"),
        (good.assign(lang=good["lang"].where(good.index != 6, None)), "lang of pair_id 'p001'"),
        (
            good.assign(passage_id=good["passage_id"].where(good.index != 6, None)),
            "passage_id of pair_id 'p001' (en) is empty",
        ),
    ]
    for number, (table, message) in enumerate(cases):
        file = write_table(table, tmp_path / f"bad{number}{suffix}")
        with pytest.raises(InputError) as error:
            load_pairs(file)
        assert str(error.value).startswith(f"{file}: ") and message in str(error.value), message


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_files_of_pairs_that_cannot_be_read(suffix, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_pairs(tmp_path / f"nowhere{suffix}")
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(
        {".jsonl": b'{"pair_id": 1}\n{"pair', ".csv": b'a,b\n"1,2', ".parquet": b"PAR0"}[suffix]
    )
    with pytest.raises(InputError, match=f"cannot be read as {suffix[1:]}"):
        load_pairs(broken)
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(InputError):
        load_pairs(tmp_path / f"folder{suffix}")


def test_other_kinds_of_files_are_refused(tmp_path):
    (tmp_path / "pairs.xlsx").touch()
    with pytest.raises(InputError, match="a table ends in .jsonl, .csv, .parquet"):
        load_pairs(tmp_path / "pairs.xlsx")


# ------------------------------------------------------------------------------------------------- prepared data

FACT_LANGUAGES = ["de", "en", "th"]


@pytest.fixture
def few_facts(monkeypatch):
    """Every sixth fact: enough for the split."""
    some = facts.facts()[::6]
    monkeypatch.setattr(facts, "facts", lambda: list(some))
    return some


def test_facts_are_split_by_passage(few_facts):
    data = prepare(
        Params(
            languages=FACT_LANGUAGES,
            eval_languages=FACT_LANGUAGES,
            variants=2,
            validation_fraction=0.1,
            test_fraction=0.1,
        )
    )
    train, validation, evaluation = (
        set(data.train["passage_id"]),
        set(data.validation.candidates["group"]),
        set(data.evaluation.candidates["group"]),
    )
    assert not train & validation and not train & evaluation and not validation & evaluation
    assert (
        len(train | validation | evaluation) == len(few_facts)
        and len(evaluation) > 10
        and len(validation) > 10
    )
    assert counts(data.train) == dict.fromkeys(FACT_LANGUAGES, 2 * len(train))
    assert data.validation.languages == data.evaluation.languages == FACT_LANGUAGES


def test_test_facts_are_the_same_for_every_training_set(few_facts):
    """The seed of the data decides the split; languages, variants and the seed of the run do not."""
    one = prepare(Params(languages=["de", "en"], eval_languages=FACT_LANGUAGES, variants=1, seed=5))
    other = prepare(Params(languages=FACT_LANGUAGES, eval_languages=FACT_LANGUAGES, variants=3))
    assert one.evaluation.hash == other.evaluation.hash
    assert (
        one.evaluation.hash
        != prepare(
            Params(languages=["de", "en"], eval_languages=FACT_LANGUAGES, data_seed=1)
        ).evaluation.hash
    )


def test_facts_in_untrained_languages_can_be_evaluated(few_facts):
    data = prepare(Params(languages=["de", "en"], eval_languages=["th", "vi"]))
    assert set(data.train["lang"]) == {"de", "en"} and data.evaluation.languages == ["th", "vi"]
    assert prepare(Params(languages=["de", "en"])).evaluation.languages == list(cldr.LANGUAGES)


def test_pairs_of_a_file_are_split_by_passage(tmp_path):
    pairs = pair_table(40)
    pairs["passage_id"] = "c" + pairs["pair_id"].str[-2:-1]  # ten pairs to a passage
    file, other = (
        write_table(pairs, tmp_path / "mine.jsonl"),
        write_table(pair_table(3, ["ar"]), tmp_path / "other.jsonl"),
    )
    data = prepare(
        Params(
            train_corpus="pairs",
            train_corpus_path=file,
            languages=["de", "en", "zh"],
            validation_fraction=0.25,
            eval_corpus="pairs",
            eval_corpus_path=other,
        )
    )
    assert set(data.train["lang"]) == {"de", "en", "zh"}
    held = set(data.validation.candidates["group"])
    assert len(held) == 1 and not held & set(data.train["passage_id"])
    assert len(data.train) + len(data.validation.queries) == 3 * 40


def test_a_language_without_pairs_is_named(tmp_path):
    file = write_table(pair_table(40), tmp_path / "mine.csv")
    with pytest.raises(
        InputError, match="no pairs in fr, ru; change languages to those it has: ar, de, en, zh"
    ):
        prepare(Params(train_corpus="pairs", train_corpus_path=file, languages=["de", "ru", "fr"]))


def test_evaluating_on_pairs_of_a_file(tmp_path):
    file = write_table(pair_table(5), tmp_path / "mine.parquet")
    corpus = data_prepare.evaluation_corpus(
        Params(eval_corpus="pairs", eval_corpus_path=file, eval_languages=["zh", "ar"])
    )
    assert (corpus.name, corpus.languages, len(corpus.queries)) == ("mine", ["ar", "zh"], 10)
    with pytest.raises(InputError, match="no fr"):
        data_prepare.evaluation_corpus(
            Params(eval_corpus="pairs", eval_corpus_path=file, eval_languages=["fr"])
        )


def test_lareqa_sets_train_and_evaluate(small):
    folder = small(another_article)
    training = dict(
        train_corpus="xquad-r",
        train_corpus_path=folder,
        languages=["de", "en"],
        validation_fraction=0.4,
    )
    data = prepare(
        Params(
            **training,
            eval_corpus="mlqa-r",
            eval_corpus_path=folder,
            eval_languages=["en"],
            candidate_text="context",
        )
    )
    assert sorted([len(data.train), len(data.validation.queries)]) == [
        1,
        4,
    ]  # Animals in both languages, or Dogs
    assert not set(data.train["passage_id"]) & set(data.validation.candidates["group"])
    assert (data.evaluation.name, data.evaluation.candidate_text, data.evaluation.languages) == (
        "mlqa-r",
        "context",
        ["en"],
    )
    assert data.train["passage"].str.len().max() < 12  # training passages are the sentences alone


def test_parallel_passages_can_be_cut_to_the_first_ones(tmp_path):
    for lang in ("de", "en"):
        (tmp_path / f"{lang}.txt").write_text(
            "".join(f"{lang} {number}\n" for number in range(5)), encoding="utf-8"
        )
    cut = load_parallel(tmp_path, ["de", "en"], 2)
    assert cut["text"].tolist() == ["de 0", "de 1", "en 0", "en 1"]
    assert len(load_parallel(tmp_path, ["de", "en"])) == 10
