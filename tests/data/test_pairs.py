"""Training pairs and parallel passages from files: what is read, and what is refused."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from set_files import write_table
from toys import pair_table

from hybridlib.data.pairs import (
    PAIR_COLUMNS,
    join_pairs,
    load_pairs,
    load_parallel,
    negatives_of,
    save_pairs,
    scores_of,
)
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


def with_lists(ending: str) -> pd.DataFrame:
    """Return pairs with lists of negatives and scores, as a file of this ending has them."""
    pairs = pair_table(2, ["de", "en"])
    lists = {
        "negatives": [["one", 'an "other", 2'], [], None, ["one"]],
        "scores": [[9, 0.25, -1.5], None, [], []],
    }
    if ending == ".csv":
        lists = {name: [json.dumps(row) for row in rows] for name, rows in lists.items()}
        lists["scores"][1] = ""
    return pairs.assign(**lists)


@ENDINGS
def test_lists_of_negatives_and_scores(ending, tmp_path):
    loaded = load_pairs(write_table(with_lists(ending), tmp_path / f"mine{ending}"))
    assert list(loaded) == [*PAIR_COLUMNS, "negatives", "scores"]
    assert loaded["negatives"].tolist() == [("one", 'an "other", 2'), (), (), ("one",)]
    assert loaded["scores"].tolist() == [(9.0, 0.25, -1.5), (), (), ()]

    # A table that was written is the table that was read.
    save_pairs(loaded, tmp_path / f"again{ending}")
    loaded["dataset"] = "again"
    again = load_pairs(tmp_path / f"again{ending}").assign(dataset="again")
    pd.testing.assert_frame_equal(again, loaded)
    assert negatives_of(pd.DataFrame({"negative": ["one", " "]})) == [["one"], []]


@ENDINGS
@pytest.mark.parametrize(
    ("column", "row", "message"),
    [
        ("negatives", ["one", " "], " 1: a text of negatives is ' '; every text needs words"),
        ("negatives", ["one", 2], " 1: a text of negatives is 2; a text is a string"),
        ("negatives", "one", " 1: negatives is 'one'; it is a list of texts"),
        ("scores", [1, None, 2], " 1: scores is .1, None, 2.; it is a list of finite numbers"),
        ("scores", [True, 1, 2], " 1: scores is .True, 1, 2.; it is a list of finite numbers"),
        ("scores", [1, 2], " 1: 2 scores and 2 negatives; the first score is the passage's"),
    ],
)
def test_bad_lists_are_named(ending, column, row, message, tmp_path):
    table = with_lists(ending)
    others: list[object] = [None] * 3
    if ending == ".csv" and row != "one":
        row = json.dumps(row)
    if ending == ".parquet" and len({*map(type, row)} - {type(None)}) > 1:
        return  # a column of parquet has one type
    table[column] = [row, *others]
    file = write_table(table, tmp_path / f"mine{ending}")
    with pytest.raises(InputError, match=message):
        load_pairs(file)


def test_one_table_has_one_column_of_negatives(tmp_path):
    pairs = pair_table(2).assign(negative="one", negatives=[["two"]] * 8)
    file = write_table(pairs, tmp_path / "mine.jsonl")
    with pytest.raises(InputError, match="has the columns negative and negatives; take one"):
        load_pairs(file)


def test_tables_with_and_without_lists_of_negatives_are_joined():
    one = pair_table(1, ["de"])
    single = one.assign(negative="one")
    several = one.assign(negatives=[("two", "three")], scores=[(1.0, 0.5, 0.2)])
    joined = join_pairs([one, single, several])
    assert list(joined) == [*PAIR_COLUMNS, "negatives", "scores"]
    assert negatives_of(joined) == [[], ["one"], ["two", "three"]]
    assert scores_of(joined) == [[], [], [1.0, 0.5, 0.2]]
    assert join_pairs([one, single])["negative"].tolist() == ["", "one"]
    assert list(join_pairs([one, one])) == PAIR_COLUMNS


def test_tables_are_not_written_to_other_files(tmp_path):
    with pytest.raises(InputError, match=r"mine.txt: a table ends in .jsonl"):
        save_pairs(pair_table(1), tmp_path / "mine.txt")
    with pytest.raises(InputError, match=r"there is no folder .*nowhere; make it first"):
        save_pairs(pair_table(1), tmp_path / "nowhere/mine.jsonl")


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
