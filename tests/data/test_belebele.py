"""Belebele: its languages' names, what is relevant, and records that are not Belebele's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hybridlib.data.belebele import load_belebele
from hybridlib.data.languages import tag_of_code
from hybridlib.data.load import load_corpus
from hybridlib.errors import InputError


def record(lang: str, link: int, number: int, **other: object) -> dict:
    """A record as the hub has it, with all its columns."""
    return {
        "link": f"https://en.wikinews.org/{link}",
        "question_number": number,
        "flores_passage": f"{lang} passage {link}",
        "question": f"{lang} question {link}.{number}",
        **{f"mc_answer{each}": f"{lang} {each}" for each in range(1, 5)},
        "correct_answer_num": "2",
        "dialect": lang,
        "ds": "2023-05-03",
        **other,
    }


def write(folder: Path, lang: str, records: list[dict]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{lang}.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in records))
    return file


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two passages with three questions in German, Korean and Chinese, as the hub's repository."""
    for lang in ("deu_Latn", "kor_Hang", "zho_Hant"):
        records = [record(lang, 1, 1), record(lang, 1, 2), record(lang, 2, 1)]
        write(tmp_path / "belebele" / "data", lang, records)
    return tmp_path / "belebele"


def test_a_question_finds_its_passage_in_every_language(folder):
    corpus = load_corpus("belebele", folder)
    assert corpus.name == "belebele"
    assert corpus.languages == ["de", "ko", "zh-Hant"]
    assert (len(corpus.queries), len(corpus.candidates), len(corpus.qrels)) == (9, 6, 27)
    relevant = corpus.qrels.merge(corpus.queries, left_on="query", right_index=True)
    relevant = relevant.merge(corpus.candidates, left_on="candidate", right_index=True)
    links = relevant["text_x"].str.extract(r"question (\d)")[0]
    assert (links == relevant["text_y"].str[-1]).all()
    assert corpus.queries["question_id"].nunique() == 3
    assert corpus.candidates["group"].nunique() == 2
    assert load_corpus("belebele", folder, ["de"]).languages == ["de"]


def test_what_is_no_belebele_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="belebele: has no sw; it has de, ko, zh-Hant"):
        load_belebele(folder, ["sw"])
    with pytest.raises(InputError, match=r"nowhere: no such folder; .* facebook/belebele"):
        load_belebele(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no <code>\.jsonl such as deu_Latn\.jsonl"):
        load_belebele(tmp_path)
    file = write(folder / "data", "deu_Latn", [record("deu_Latn", 1, 1)] * 2)
    with pytest.raises(InputError, match=r"deu_Latn\.jsonl: line 2: link .* stands twice"):
        load_belebele(folder)
    other = record("deu_Latn", 1, 2, flores_passage="another")
    write(folder / "data", "deu_Latn", [record("deu_Latn", 1, 1), other])
    with pytest.raises(InputError, match=r"line 2: the passage of link .* is another text"):
        load_belebele(folder)
    # In the archive of its authors a link may be in two splits.
    splits = [record("deu_Latn", 1, 1, split="dev"), {**other, "split": "test"}]
    write(folder / "data", "deu_Latn", splits)
    assert len(load_belebele(folder, ["de"]).candidates) == 2
    file.rename(folder / "deu_Latn.jsonl")
    write(folder / "data", "de", [record("de", 1, 1)])
    with pytest.raises(InputError, match="two tables are of 'de', the second is deu_Latn"):
        load_belebele(folder)


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("deu_Latn", "de"),
        ("arb_Arab", "ar"),
        ("arz_Arab", "arz"),
        ("zho_Hans", "zh"),
        ("zho_Hant", "zh-Hant"),
        ("hin_Latn", "hi-Latn"),
        ("kor_Hang", "ko"),
        ("fas", "fa"),
    ],
)
def test_codes_become_the_shortest_tag(code, tag):
    assert tag_of_code(code) == tag
