"""CSV files: what is read, and what is refused with its line."""

from __future__ import annotations

import pytest
from tables_of_sets import FOLDER, write_records

from hybridlib.data.folder import load_folder
from hybridlib.data.pairs import load_pairs
from hybridlib.errors import InputError

HEADING = b"pair_id,lang,question,passage\n"


def test_quotes_commas_and_line_ends_within_a_text(tmp_path):
    content = b'a,en,"One, ""two""\r\nthree\rfour\n\nfive", six \r\nb,en,"","seven"\r\n'
    (tmp_path / "mine.csv").write_bytes(HEADING + content.replace(b'"",', b'"x",'))
    pairs = load_pairs(tmp_path / "mine.csv")
    assert pairs["question"].tolist() == ['One, "two"\r\nthree\rfour\n\nfive', "x"]
    assert pairs["passage"].tolist() == [" six ", "seven"]


def test_a_text_may_be_long(tmp_path):
    long = "x" * 200_000
    (tmp_path / "mine.csv").write_bytes(HEADING + f"a,en,{long},p\n".encode())
    assert load_pairs(tmp_path / "mine.csv")["question"].tolist() == [long]


REFUSED = {
    "a field more": (b"a,en,q,p,x\n", "line 2: has more fields (5) than the heading (4)"),
    "a field less": (b"a,en,q,p\nb,en,q\n", "line 3: has fewer fields (3) than the heading (4)"),
    "an index column": (b"0,a,en,q,p\n1,b,en,q,p\n", "line 2: has more fields (5)"),
    "a comma without quotes": (b"a,en,One, two,p\n", "line 2: has more fields"),
    "a field less behind a text of lines": (
        b'a,en,"q\nq\nq",p\nb,en,q\n',
        "line 5: has fewer fields (3)",
    ),
    "a quote that is not closed": (b'a,en,q,"p\nb,en,q,p\n', "line 2: unexpected end of data"),
    "a quote that is closed in another record": (
        b'a,en,q,"p\nb,en,q,"p"\nc,en,q,p\n',
        "line 2: ',' expected after '\"'",
    ),
    "text behind a quote": (b'a,en,"q" x,p\n', "line 2: ',' expected after '\"'"),
    "a quote that is not doubled": (b'a,en,"One "two" three",p\n', "line 2: ',' expected"),
    "a quote in a bare field": (b'a,en,5" disk,p\n', "line 2: a double quote in a field without"),
    "a quote behind a space": (b'a,en, "q",p\n', "line 2: a double quote in a field without"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_records_that_are_refused(case, tmp_path):
    content, message = REFUSED[case]
    file = tmp_path / "mine.csv"
    file.write_bytes(HEADING + content)
    with pytest.raises(InputError) as error:
        load_pairs(file)
    assert f"{file}: cannot be read as csv: {message}" in str(error.value)


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        (
            b"pair_id,lang,question,passage,passage\n",
            "line 1: its heading has the column 'passage'",
        ),
        (b"pair_id,lang,question,passage,,\n", "line 1: its heading has the column ''"),
        (b"pair_id;lang;question;passage\n", "no column pair_id, lang, question, passage"),
        (b"pair_id, lang,question,passage\n", "no column lang; it has pair_id,  lang"),
    ],
)
def test_headings_that_are_refused(heading, message, tmp_path):
    record = heading.replace(b"_", b"").replace(b"pairid", b"a")
    (tmp_path / "mine.csv").write_bytes(heading + record)
    with pytest.raises(InputError) as error:
        load_pairs(tmp_path / "mine.csv")
    assert message in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", HEADING, HEADING + b"\n \n"])
def test_files_without_a_record(content, tmp_path):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"mine.csv: holds no record"):
        load_pairs(tmp_path / "mine.csv")


@pytest.mark.parametrize("name", list(FOLDER))
def test_every_table_of_a_folder_is_read_strictly(name, tmp_path):
    for other, records in FOLDER.items():
        file = write_records(tmp_path / f"{other}.csv", records)
        if other == name:
            file.write_text(file.read_text() + "one,too,few\n" * (name != "qrels") + '"x')
    with pytest.raises(InputError, match=rf"{name}.csv: cannot be read as csv: line \d"):
        load_folder(tmp_path)


def test_joined_files_are_refused(tmp_path):
    heading = "pair_id,lang,question,passage\n"
    file = tmp_path / "mine.csv"
    file.write_text(f"{heading}a,en,One?,1.\n{heading}b,en,Two?,2.\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: the heading stands again; files were joined"):
        load_pairs(file)
    file.write_text(f"{heading}a,en,One?,1.\n\ufeffb,en,Two?,2.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"record 2: pair_id is .* it holds a byte-order mark"):
        load_pairs(file)


def test_lines_that_end_in_a_lone_cr_are_explained(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_bytes(b"pair_id,lang,question,passage\ra,en,One?,1.\r")
    with pytest.raises(InputError, match="line 1: its heading holds a lone CR; a line ends at LF"):
        load_pairs(file)
