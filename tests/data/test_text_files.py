"""Text files of every kind: how they are decoded, and what ends a line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tables_of_sets import PAIRS, write_records

from hybridlib.batching.code_switching import load_lexicon
from hybridlib.data import training_sets
from hybridlib.data.folder import load_folder
from hybridlib.data.pairs import load_pairs
from hybridlib.data.text_files import read_lines, read_text
from hybridlib.errors import InputError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Breaks that end no line, in one text.
ODD = "one\rtwo\u2028three\u0085four\u000bfive"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (BYTE_ORDER_MARK + b"a\r\n\r\nb\n", ["a", "", "b"]),
        (b"a\rb\nc\r", ["a\rb", "c\r"]),
        (b"a\r\r\nb", ["a\r", "b"]),
        ("a\u2028b\u0085c\n".encode(), ["a\u2028b\u0085c"]),
        (b"", []),
        (b"\n", [""]),
        (b"a\n\n", ["a", ""]),
        # A mark within the text is a character of it.
        ("a\n\ufeffb".encode(), ["a", "\ufeffb"]),
    ],
)
def test_lines(content, lines, tmp_path):
    file = tmp_path / "text.txt"
    file.write_bytes(content)
    assert read_lines(file) == lines
    text = content.removeprefix(BYTE_ORDER_MARK).decode()
    assert read_text(file) == text
    packed = tmp_path / "text.txt.gz"
    packed.write_bytes(gzip.compress(content))
    assert read_lines(packed) == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\xffc\n", "line 2: 'utf-8' codec can't decode byte 0xff in position 1"),
        (b"a\n" * 9_000 + b"\xc3", "line 9001"),
        # UTF-16, and a lone surrogate as some programs write it.
        ("a\n".encode("utf-16"), "line 1"),
        (b"\xed\xa0\x80", "line 1"),
    ],
)
def test_files_that_are_no_utf_8(content, message, tmp_path):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as UTF-8 text") as error:
        read_lines(tmp_path / "text.txt")
    assert f"{tmp_path / 'text.txt'}: " in str(error.value)
    assert message in str(error.value)


def test_packed_files_that_are_broken(tmp_path):
    file = tmp_path / "en" / "train.jsonl.gz"
    whole = write_records(file, [{"question": "Why?", "answer": "Because."}]).read_bytes()
    for content in (whole[:-9], whole[: len(whole) // 2], b"no gzip", whole[:20] + b"\0" * 20):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"train\.jsonl\.gz: cannot be read"):
            training_sets.find("mfaq", tmp_path).load(["en"])


@pytest.mark.parametrize("mark", [b"", BYTE_ORDER_MARK])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_kind_of_text_file_has_the_same_lines(mark, end, tmp_path):
    """JSON lines, CSV, TREC's qrels, SQuAD JSON, aligned text and word lists."""

    def write(name: str, *lines: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(mark + end.join([*lines, ""]).encode())

    query = {"query_id": "q", "lang": "en", "text": ODD}
    write("corpus/queries.jsonl", "", json.dumps(query, ensure_ascii=False), " ")
    write("corpus/passages.csv", "passage_id,lang,text", "", f"p,en,{ODD}", "", "")
    write("corpus/qrels.txt", "", "q 0 p 2", "")
    corpus = load_folder(tmp_path / "corpus")
    assert corpus.queries["text"].tolist() == [ODD]
    assert corpus.candidates["text"].tolist() == [ODD]
    assert corpus.qrels["grade"].tolist() == [2]

    question = {"id": "q", "question": ODD}
    content = {"data": [{"title": "T", "paragraphs": [{"context": ODD, "qas": [question]}]}]}
    # JSON escapes control characters.
    write("squad/en.json", json.dumps(content, ensure_ascii=False, indent=1))
    assert training_sets.find("squad", tmp_path / "squad").load(["en"])["passage"][0] == ODD

    write("text/en.txt", ODD, "", "two", "three")
    write("text/docs.tsv", "a", "", "b", "b")
    pairs = training_sets.find("parallel", tmp_path / "text").load(["en"])
    assert pairs[["question", "passage"]].to_numpy().tolist() == [["two", "three"]]

    write("words/en-de.txt", "moon Mond", "", "far\tweit weg")
    lexicon = load_lexicon(tmp_path / "words", "en", ["de"])
    assert lexicon == {"moon": {"de": ["Mond"]}, "far": {"de": ["weit weg"]}}


def test_a_line_that_is_not_utf_8_is_named_in_every_kind(tmp_path):
    files = {
        "queries.jsonl": b'{"query_id": "q", "lang": "en", "text": "a"}\n{"text": "\xff"}\n',
        "pairs.csv": b"pair_id,lang,question,passage\na,en,\xff,b\n",
        "squad/en.json": b'{"data":\n"\xff"}',
        "text/en.txt": b"a\n\xff\n",
        "words/en-de.txt": b"a b\n\xff\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for name in ("passages.jsonl", "qrels.jsonl"):
        (tmp_path / name).touch()
    loads = {
        "queries.jsonl": lambda: load_folder(tmp_path),
        "pairs.csv": lambda: load_pairs(tmp_path / "pairs.csv"),
        "squad/en.json": lambda: training_sets.find("squad", tmp_path / "squad").load(["en"]),
        "text/en.txt": lambda: training_sets.find("parallel", tmp_path / "text").load(["en"]),
        "words/en-de.txt": lambda: load_lexicon(tmp_path / "words", "en", ["de"]),
    }
    for name, load in loads.items():
        with pytest.raises(InputError) as error:
            load()
        assert f"{tmp_path / name}: cannot be read as UTF-8 text: line 2" in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"pair_id": "a", "pair_id": "b"}', "line 4 is not valid JSON: the key 'pair_id' stands"),
        ('{"pair_id": "a", "more": {"x": 1, "x": 1}}', "the key 'x' stands twice in {'x': 1}"),
        ('{"pair_id": NaN}', "NaN is no JSON; write null"),
        ('{"pair_id": -Infinity}', "-Infinity is no JSON"),
        ('{"pair_id": ' + "1" * 5000 + "}", "line 4 is not valid JSON"),
        ("[" * 100_000, "line 4 is not valid JSON: it is nested too deeply"),
        ('{"\\ud83d": 1}', "line 4: the key '\\ud83d': it holds half of a character"),
        ("[1]", "line 4 is not an object"),
        ("\ufeff{}", "line 4 is not valid JSON"),
    ],
)
def test_json_lines_that_are_refused(line, message, tmp_path):
    file = write_records(tmp_path / "mine.jsonl", PAIRS)
    file.write_text(file.read_text() + line + "\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_pairs(file)
    assert f"{file}: line 4" in str(error.value)
    assert message in str(error.value)


# Aligned text and its side file.


def write_aligned(folder: Path, **files: str) -> Path:
    """Write text files, and ``docs.tsv`` as ``docs``."""
    for name, content in files.items():
        file = folder / ("docs.tsv" if name == "docs" else f"{name}.txt")
        file.write_text(content, encoding="utf-8", newline="")
    return folder


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\ufeff\u2060"])
def test_a_line_without_words_is_a_sentence_that_is_missing(blank, tmp_path):
    folder = write_aligned(tmp_path, en="one\ntwo\nthree", de=f"eins\n{blank}\ndrei")
    pairs = training_sets.find("parallel", folder).load(["de", "en"])
    assert set(pairs["lang"]) == {"en"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"en": "a\nb\n", "de": "a\nb\n\n"}, "not aligned, .*{'de': 3, 'en': 2}"),
        ({"en": "a\nb\n", "de": "a\nb\n", "docs": "x\nx\nx\n"}, "docs.tsv: has 3 lines.*have 2"),
        ({"en": "a\nb\n", "de": "a\nb\n", "docs": "x\n"}, "docs.tsv: has 1 lines.*have 2"),
        ({"en": "a\nb\n", "de": "\n\n", "docs": "x\n \n"}, "docs.tsv: line 2 names no document"),
        ({"en": "a\nb\n", "de": "a\nb\n", "docs": "\n\n"}, "docs.tsv: line 1 names no document"),
    ],
)
def test_files_that_are_not_as_long_as_the_texts(files, message, tmp_path):
    folder = write_aligned(tmp_path, **files)
    with pytest.raises(InputError, match=message):
        training_sets.find("parallel", folder).load(["de", "en"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["en.txt", "en-de.txt", "mine.csv", "mine.jsonl"])
def test_utf_16_is_named_with_and_without_a_mark(name, encoding, tmp_path):
    """Without one, Latin letters are valid UTF-8 with NUL characters between."""
    file = tmp_path / name
    file.write_bytes("pair_id,lang,question\nmoon Mond\n".encode(encoding))
    read = load_pairs if name.startswith("mine") else read_lines
    with pytest.raises(InputError, match=rf"{name}: .*(UTF-16|as UTF-8 text: line 1).*as UTF-8"):
        read(file)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_path_that_no_file_can_have(ending):
    with pytest.raises(InputError, match="cannot be read as"):
        load_pairs(f"a\0b{ending}")


def test_a_file_of_documents_that_cannot_be_read_is_not_passed_over(tmp_path):
    folder = write_aligned(tmp_path, de="Eins.\nZwei.\n")
    (folder / "docs.tsv").symlink_to(folder / "missing")
    with pytest.raises(InputError, match=r"docs.tsv: cannot be read .* no such file"):
        training_sets.find("parallel", folder).load(["de"])


def test_a_word_list_without_words_is_refused(tmp_path):
    (tmp_path / "en-de.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(InputError, match=r"en-de.txt: holds no word"):
        load_lexicon(tmp_path, "en", ["de"])
