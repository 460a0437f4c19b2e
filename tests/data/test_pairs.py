"""Training pairs and parallel passages from files: what is read, and what is refused."""

from __future__ import annotations

import pandas as pd
import pytest
from set_files import write_table
from toys import pair_table

from hybridlib.data.pairs import PAIR_COLUMNS, load_pairs, load_parallel
from hybridlib.errors import InputError

ENDINGS = pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])


@ENDINGS
def test_pairs_come_back_as_written(ending, tmp_path):
    pairs = pair_table(3)
    # Texts are data, and ids that look like numbers keep their zeros.
    pairs.loc[0, ["question", "passage"]] = ["NA", '\ufeff ค่า, "é"\nnull']
    pairs["pair_id"] = pairs["pair_id"].str.replace("p", "0")
    file = write_table(pairs, tmp_path / f"table{ending}")
    pd.testing.assert_frame_equal(load_pairs(file), pairs)


@ENDINGS
def test_optional_columns_and_number_ids(ending, tmp_path):
    table = pair_table(3)[["lang", "question", "passage"]]
    table = table.assign(pair_id=[number for number in range(3) for _ in range(4)], extra=1)
    pairs = load_pairs(write_table(table, tmp_path / f"mine{ending}"))
    assert list(pairs) == PAIR_COLUMNS
    assert set(pairs["dataset"]) == {"mine"}
    assert pairs["passage_id"].tolist() == pairs["pair_id"].tolist()
    assert set(pairs["pair_id"]) == {"0", "1", "2"}


@ENDINGS
def test_negatives_of_a_table(ending, tmp_path):
    pairs = pair_table(3).assign(negative=["wrong", *[None] * 11])
    loaded = load_pairs(write_table(pairs, tmp_path / f"mine{ending}"))
    assert list(loaded) == [*PAIR_COLUMNS, "negative"]
    assert loaded["negative"].tolist() == ["wrong", *[""] * 11]


def bad_tables() -> list[tuple[pd.DataFrame, str]]:
    """Tables with one mistake each, and what the error says of it."""
    good = pair_table(3)
    others = good.index != 6
    tables = [
        (good.drop(columns=["question", "lang"]), "no column lang, question; it has "),
        (good.drop(columns=["pair_id", "passage_id"]), "no column pair_id"),
        (pd.concat([good, good[5:6]]), "pair_id 'p001' with lang 'de' stands twice"),
        (
            good.assign(question=good["question"].where(others, " ")),
            " 7: question of pair_id 'p001' is ' '; every text needs words",
        ),
    ]
    messages = {
        "passage": "passage of pair_id 'p001' is ",
        "pair_id": "pair_id is ",
        "lang": "lang is ",
    }
    for column, message in messages.items():
        table = good.assign(**{column: good[column].where(others, None)})
        tables.append((table, f" 7: {message}"))
    return tables


@ENDINGS
def test_bad_pairs_are_named(ending, tmp_path):
    for number, (table, message) in enumerate(bad_tables()):
        file = write_table(table, tmp_path / f"bad{number}{ending}")
        with pytest.raises(InputError) as error:
            load_pairs(file)
        assert str(error.value).startswith(f"{file}: ")
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("ending", "content", "message"),
    [
        (".jsonl", b'{"pair_id": 1}\n{"pair', "line 2 is not valid JSON"),
        (".csv", b'a,b\n"1,2', "cannot be read as csv: line 2: "),
        (".parquet", b"PAR0", "cannot be read as parquet"),
    ],
)
def test_files_of_pairs_that_cannot_be_read(ending, content, message, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_pairs(tmp_path / f"nowhere{ending}")
    broken = tmp_path / f"broken{ending}"
    broken.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_pairs(broken)
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(InputError):
        load_pairs(tmp_path / f"folder{ending}")


def test_other_kinds_of_files_are_refused(tmp_path):
    for name in ("pairs.xlsx", "pairs.tsv", "pairs.jsonl.gz", "pairs"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=r"a table ends in .jsonl, .csv, .parquet"):
            load_pairs(tmp_path / name)


def test_parallel_passages_can_be_cut_to_the_first_ones(tmp_path):
    for lang in ("de", "en"):
        lines = [f"{lang} {number}\n" for number in range(5)]
        (tmp_path / f"{lang}.txt").write_text("".join(lines), encoding="utf-8")
    cut = load_parallel(tmp_path, ["de", "en"], 2)
    assert cut["text"].tolist() == ["de 0", "de 1", "en 0", "en 1"]
    assert len(load_parallel(tmp_path, ["de", "en"])) == 10


def test_parallel_passages_of_a_table_of_pairs(tmp_path):
    file = write_table(pair_table(3), tmp_path / "pairs.jsonl")
    table = load_parallel(file, ["zh", "de"], 2)
    assert list(table) == ["lang", "group", "text"]
    assert sorted(table["group"] + table["lang"]) == ["p000de", "p000zh", "p001de", "p001zh"]
    assert table["text"][0] == "passage 0 in de"


def test_a_parallel_passage_has_one_text_in_a_language(tmp_path):
    """Two questions may share it, but of two texts one would be a guess."""
    pairs = pair_table(3).assign(passage_id="p0")
    pairs["passage"] = "the passage in " + pairs["lang"]
    file = write_table(pairs, tmp_path / "pairs.csv")
    assert load_parallel(file, ["de", "en"])["text"].str[-2:].tolist() == ["de", "en"]
    pairs.loc[(pairs["lang"] == "en") & (pairs["pair_id"] == "p002"), "passage"] = "Another."
    file = write_table(pairs, tmp_path / "pairs.csv")
    with pytest.raises(InputError, match=r"pairs.csv: passage_id 'p0' has several texts in 'en'"):
        load_parallel(file, ["de", "en"])
    assert len(load_parallel(file, ["de"])) == 1


def test_parallel_files_that_are_not_aligned(tmp_path):
    (tmp_path / "de.txt").write_text("eins\nzwei\n", encoding="utf-8")
    (tmp_path / "en.txt").write_text("one\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"not aligned.*{'de': 2, 'en': 1}"):
        load_parallel(tmp_path, ["de", "en"])
    with pytest.raises(InputError, match=r"fr.txt: cannot be read as UTF-8 text"):
        load_parallel(tmp_path, ["fr"])
