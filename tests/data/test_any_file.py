"""Files of every kind, made by hypothesis and broken in one place.

Each is read as the right table, or refused with one InputError that names the file (and, where
there is one, the record): never with another error, never as another table.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tables_of_sets import ALL_TABLES, Table, changed, without

from hybridlib.batching.code_switching import load_lexicon
from hybridlib.data import training_sets
from hybridlib.data.lareqa import load_lareqa
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

Draw = Callable[[st.SearchStrategy[Any]], Any]


def for_any(examples: int, check: Callable[[Draw, Path], None]) -> None:
    """Run a check on drawn examples, each in a folder of its own."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            check(data.draw, Path(folder))

    run()


def few_or_many(few: int) -> pytest.MarkDecorator:
    """Run a test on a few examples, and on many among the slow tests."""
    many = pytest.param(few * 50, marks=pytest.mark.slow)
    return pytest.mark.parametrize("examples", [few, many])


CHARACTERS = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from("\",'\t\r\n;\\ \u2028\u2029\u0085\x0b\ufeff\u200b\u00a0💧é中กNA1.0{}[]:"),
)
TEXTS = st.text(CHARACTERS, min_size=1, max_size=12).filter(has_words)
IDS = st.one_of(TEXTS, st.integers(-(10**20), 10**20))
BLANKS = st.sampled_from([None, "", " ", "\t\n", "\u200b", "\ufeff\u2060"])
OF_ANOTHER_TYPE = st.one_of(
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
    st.just("half \ud83d"),
)
BAD: dict[str, st.SearchStrategy[Any]] = {
    "text": st.one_of(OF_ANOTHER_TYPE, st.integers()),
    "body": st.one_of(OF_ANOTHER_TYPE, st.integers()),
    "id": OF_ANOTHER_TYPE,
    "lang": st.one_of(OF_ANOTHER_TYPE, st.integers(), st.sampled_from(["all", "a b", "a/b"])),
    "grade": st.one_of(
        st.booleans(),
        st.integers(max_value=-1),
        st.floats(0, 9).filter(lambda grade: grade % 1 != 0),
        st.lists(st.integers(), max_size=2),
        TEXTS.filter(lambda text: text.strip("+0123456789. \t\r\n")),
    ),
}
TABLE_AND_ENDING = st.sampled_from(
    [(table, ending) for table in ALL_TABLES for ending in table.endings]
)


def refused(read: Callable[[], Any], *parts: str) -> None:
    """Reading is refused with an error that holds all parts."""
    with pytest.raises(InputError) as error:
        read()
    assert all(part in str(error.value) for part in parts), (parts, error.value)


# Tables of records.


@few_or_many(20)
def test_any_texts_are_read_as_they_stand_in_every_format(examples):
    def check(draw: Draw, folder: Path) -> None:
        table: Table = draw(st.sampled_from(ALL_TABLES))
        records = table.records
        texts = [
            column for column, kind in table.columns.items() if kind.startswith(("text", "body"))
        ]
        for row in range(len(records)):
            for column in texts:
                records = changed(records, row, column, draw(TEXTS))
        tables = []
        for ending in table.endings:
            file = table.write(folder, records, ending)
            tables.append(table.read(folder))
            file.unlink()
        assert all(one == tables[0] for one in tables)
        if table.name == "pairs":
            columns = (
                "pair_id",
                "dataset",
                "lang",
                "question",
                "passage",
                "passage_id",
                "negative",
            )
            assert tables[0] == [[tuple(one[column] for column in columns) for one in records]]

    for_any(examples, check)


@few_or_many(12)
def test_any_ids_are_one_id_in_every_format(examples):
    """Whole numbers and texts, in the three tables of a folder."""
    tables = {table.name: table for table in ALL_TABLES}
    corpus = tables["folder queries"]

    def check(draw: Draw, folder: Path) -> None:
        ids = draw(st.lists(IDS, min_size=6, max_size=6, unique_by=str))
        names = [str(one) for one in ids]
        assume(not any(name.endswith(".0") for name in names))
        new = dict(zip(("q1", "q2", "q3", "p1", "p2", "p3"), ids))
        queries = [{**one, "query_id": new[one["query_id"]]} for one in corpus.records]
        others = {
            file: [
                {key: new.get(value, value) for key, value in record.items()} for record in records
            ]
            for file, records in corpus.others.items()
        }
        loaded = []
        for ending in corpus.endings:
            as_text = [{**one, "query_id": str(one["query_id"])} for one in queries]
            written = Table("", "queries", (), [], {}, corpus.load, others)
            file = written.write(folder, as_text if ending == ".parquet" else queries, ending)
            loaded.append(written.read(folder))
            file.unlink()
        assert loaded[0] == loaded[1] == loaded[2]
        assert {row[0] for row in loaded[0][0]} == set(names[:3])

    for_any(examples, check)


@few_or_many(100)
def test_any_wrong_value_is_named_with_its_record(examples):
    tables = [table for table in ALL_TABLES if ".jsonl" in table.endings]

    def check(draw: Draw, folder: Path) -> None:
        table: Table = draw(st.sampled_from(tables))
        column = draw(st.sampled_from(sorted(table.columns)))
        row = draw(st.integers(0, len(table.records) - 1))
        kind = table.columns[column]
        value = draw(BAD[kind.removesuffix("?")])
        records = changed(table.records, row, column, value)
        file = table.write(folder, records, ".jsonl")
        refused(lambda: table.read(folder), f"{file}: line {row + 1}: ", column.split(".")[0])

    for_any(examples, check)


@few_or_many(80)
def test_any_missing_value_is_named_or_has_its_default(examples):
    def check(draw: Draw, folder: Path) -> None:
        table, ending = draw(TABLE_AND_ENDING)
        column = draw(st.sampled_from(sorted(table.columns)))
        row = draw(st.integers(0, len(table.records) - 1))
        kind = table.columns[column]
        value = draw(BLANKS)
        # An id with a byte-order mark is an error even where it is nothing else.
        assume(not kind.startswith("id") or "\ufeff" not in (value or ""))
        assume(kind != "grade" or value is None or ending == ".csv")
        assume(kind != "grade" or not table.name.startswith("miracl") or value is None)
        records = changed(table.records, row, column, value)
        file = table.write(folder, records, ending)
        if kind.endswith("?"):
            expected = table.read(folder)
            file.unlink()
            other = changed(table.records, row, column, "" if ending == ".csv" else None)
            table.write(folder, other, ending)
            assert table.read(folder) == expected
        elif kind == "body":
            assert len(table.read(folder)[-1]) == len(table.records)
        else:
            unit = "line" if ending.startswith(".jsonl") else "record"
            refused(lambda: table.read(folder), f"{file}: {unit} {row + 1}: ")

    for_any(examples, check)


@few_or_many(30)
def test_a_text_file_that_is_written_otherwise_is_the_same_table(examples):
    """A byte-order mark, CRLF, blank lines at any place, no line end at the end."""

    def check(draw: Draw, folder: Path) -> None:
        table, ending = draw(TABLE_AND_ENDING.filter(lambda one: one[1] in (".jsonl", ".csv")))
        file = table.write(folder, table.records, ending)
        expected = table.read(folder)
        lines = file.read_text(encoding="utf-8").splitlines()
        for _ in range(draw(st.integers(0, 3))):
            blank = draw(st.sampled_from(["", " ", "\t", " \u3000"]))
            lines.insert(draw(st.integers(0, len(lines))), blank)
        end = draw(st.sampled_from(["\n", "\r\n"]))
        text = (
            draw(st.sampled_from(["", "\ufeff"]))
            + end.join(lines)
            + draw(st.sampled_from(["", end]))
        )
        file.write_bytes(text.encode())
        assert table.read(folder) == expected

    for_any(examples, check)


@few_or_many(100)
def test_a_file_that_is_broken_in_one_place_is_refused(examples):
    """A record with one key twice, or without one; a field too many; bytes that are no UTF-8."""

    def check(draw: Draw, folder: Path) -> None:
        table, ending = draw(TABLE_AND_ENDING.filter(lambda one: one[1] in (".jsonl", ".csv")))
        file = table.write(folder, table.records, ending)
        lines = file.read_bytes().splitlines(keepends=True)
        number = draw(st.integers(int(ending == ".csv"), len(lines) - 1))
        name = f"line {number + 1}"
        damages = [_cut_bytes, _add_bytes]
        damages += [_add_key, _drop_brace] if ending == ".jsonl" else [_add_field, _open_quote]
        damage = draw(st.sampled_from(damages))
        lines[number] = damage(draw, lines[number])
        file.write_bytes(b"".join(lines))
        refused(lambda: table.read(folder), f"{file}: ", name)

    for_any(examples, check)


def _add_bytes(draw: Draw, line: bytes) -> bytes:
    """Put a byte that no UTF-8 text has at any place of a line."""
    at = draw(st.integers(0, len(line) - 1))
    return line[:at] + draw(st.sampled_from([b"\xff", b"\xc0", b"\xed\xa0\x80"])) + line[at:]


def _cut_bytes(draw: Draw, line: bytes) -> bytes:
    """Cut a character of several bytes at the beginning of a line."""
    return "é".encode()[:1] + line


def _add_key(draw: Draw, line: bytes) -> bytes:
    """Put one key of a record at its beginning, too."""
    key = draw(st.sampled_from(sorted(json.loads(line))))
    return b"{" + json.dumps(key).encode() + b": 1, " + line[1:]


def _drop_brace(draw: Draw, line: bytes) -> bytes:
    """Take the end of a record away."""
    return line[: draw(st.integers(1, len(line) - 2))] + b"\n"


def _add_field(draw: Draw, line: bytes) -> bytes:
    """Put one field more, or one less, into a record."""
    fields = line.split(b",")
    if draw(st.booleans()):
        return b",".join([b"more", *fields])
    return b",".join(fields[1:])


def _open_quote(draw: Draw, line: bytes) -> bytes:
    """Put a quote at any place of a record, where it is not closed or stands alone."""
    at = draw(st.integers(0, len(line.rstrip())))
    return line[:at] + b'"' + line[at:]


@few_or_many(60)
def test_a_record_that_stands_twice_is_refused(examples):
    tables = [table for table in ALL_TABLES if not table.name.startswith(("mmarco", "mfaq"))]
    choice = st.sampled_from([(table, ending) for table in tables for ending in table.endings])

    def check(draw: Draw, folder: Path) -> None:
        table, ending = draw(choice)
        copied = draw(st.sampled_from(table.records))
        at = draw(st.integers(0, len(table.records)))
        records = [*table.records[:at], copied, *table.records[at:]]
        file = table.write(folder, records, ending)
        refused(lambda: table.read(folder), f"{file}: ", "stands twice")

    for_any(examples, check)


@few_or_many(60)
def test_a_packed_or_binary_file_that_is_cut_is_refused(examples):
    choice = TABLE_AND_ENDING.filter(lambda one: one[1] in (".jsonl.gz", ".parquet"))

    def check(draw: Draw, folder: Path) -> None:
        table, ending = draw(choice)
        file = table.write(folder, table.records, ending)
        content = file.read_bytes()
        file.write_bytes(content[: draw(st.integers(1, len(content) - 1))])
        refused(lambda: table.read(folder), f"{file}: ")

    for_any(examples, check)


@few_or_many(40)
def test_a_table_without_a_needed_column_is_refused(examples):
    def check(draw: Draw, folder: Path) -> None:
        table, ending = draw(TABLE_AND_ENDING)
        needed = {
            column.split(".")[0]
            for column, kind in table.columns.items()
            if not kind.endswith("?") and not column.startswith(("grade", "negative"))
        }
        needed -= {"query_id"} if table.name == "mmarco" else set()
        column = draw(st.sampled_from(sorted(needed)))
        records = without(table.records, column)
        assume(records[0])
        file = table.write(folder, records, ending)
        refused(lambda: table.read(folder), f"{file}: no column {column}")

    for_any(examples, check)


# SQuAD and LAReQA JSON.


def draw_paragraph(draw: Draw) -> tuple[dict[str, Any], list[str]]:
    """Return a paragraph of some sentences, each with a question, and the sentences."""
    sentences = draw(st.lists(TEXTS, min_size=1, max_size=4))
    gap = draw(st.sampled_from(["", " ", "\n"]))
    breaks = []
    questions = []
    start = 0
    for number, sentence in enumerate(sentences):
        breaks.append([start, start + len(sentence)])
        at = draw(st.integers(0, len(sentence) - 1))
        end = draw(st.integers(at + 1, len(sentence)))
        answer = {"text": sentence[at:end], "answer_start": start + at}
        questions.append({"id": f"q{number}", "question": f"{number}?", "answers": [answer]})
        start += len(sentence) + len(gap)
    context = gap.join(sentences)
    return {"context": context, "sentence_breaks": breaks, "qas": questions}, sentences


def write_paragraph(folder: Path, paragraph: dict[str, Any]) -> Path:
    """Write a file of one paragraph."""
    content = {"data": [{"title": "T", "paragraphs": [paragraph]}]}
    (folder / "en.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "en.json"


@few_or_many(25)
def test_any_answer_that_stands_at_its_offset(examples):
    def check(draw: Draw, folder: Path) -> None:
        paragraph, sentences = draw_paragraph(draw)
        write_paragraph(folder, paragraph)
        corpus = load_lareqa(folder, "xquad-r", ["en"])
        assert corpus.candidates["text"].tolist() == sentences
        rows = list(range(len(sentences)))
        assert corpus.qrels[["query", "candidate"]].to_numpy().tolist() == [[n, n] for n in rows]
        pairs = training_sets.find("squad", folder).load(["en"])
        assert set(pairs["passage"]) == {paragraph["context"]}
        assert len(pairs) == len(sentences)

    for_any(examples, check)


@few_or_many(80)
def test_any_other_offset_is_refused_unless_the_text_stands_there(examples):
    def check(draw: Draw, folder: Path) -> None:
        paragraph, _ = draw_paragraph(draw)
        question = draw(st.sampled_from(paragraph["qas"]))
        answer = question["answers"][0]
        context = paragraph["context"]
        before = context[: answer["answer_start"]]
        answer["answer_start"] = draw(
            st.one_of(
                st.integers(-3, len(context) + 3),
                st.just(len(before.encode())),
                st.just(len(before.encode("utf-16-le")) // 2),
            )
        )
        start = answer["answer_start"]
        file = write_paragraph(folder, paragraph)
        if start >= 0 and context.startswith(answer["text"], start):
            assert len(training_sets.find("squad", folder).load(["en"])) == len(paragraph["qas"])
            return
        record = f"{file}: paragraph 0 ('T'), question {question['id']!r}: "
        refused(lambda: training_sets.find("squad", folder).load(["en"]), record)
        refused(lambda: load_lareqa(folder, "xquad-r", ["en"]), record)

    for_any(examples, check)


@few_or_many(60)
def test_any_other_sentences_are_refused_or_in_order(examples):
    def check(draw: Draw, folder: Path) -> None:
        paragraph, _ = draw_paragraph(draw)
        breaks = paragraph["sentence_breaks"]
        limits = draw(st.sampled_from(breaks))
        limits[draw(st.integers(0, 1))] += draw(st.integers(-30, 30))
        file = write_paragraph(folder, paragraph)
        context = paragraph["context"]
        flat = [limit for pair in breaks for limit in pair]
        in_order = flat == sorted(flat) and flat[0] >= 0 and flat[-1] <= len(context)
        filled = in_order and all(has_words(context[start:end]) for start, end in breaks)
        starts = [question["answers"][0]["answer_start"] for question in paragraph["qas"]]
        answered = all(any(start <= at < end for start, end in breaks) for at in starts)
        if not (filled and answered):
            refused(lambda: load_lareqa(folder, "xquad-r", ["en"]), f"{file}: paragraph 0 ('T')")
            return
        corpus = load_lareqa(folder, "xquad-r", ["en"])
        assert corpus.candidates["text"].tolist() == [context[start:end] for start, end in breaks]

    for_any(examples, check)


@few_or_many(40)
def test_squad_json_that_is_cut_or_of_another_type_is_refused(examples):
    def check(draw: Draw, folder: Path) -> None:
        paragraph, _ = draw_paragraph(draw)
        key = draw(st.sampled_from(["context", "qas", "id", "question"]))
        value = draw(st.one_of(OF_ANOTHER_TYPE, st.none()))
        record = paragraph if key in paragraph else draw(st.sampled_from(paragraph["qas"]))
        assume(key != "qas" or not isinstance(value, list))
        record[key] = value
        file = write_paragraph(folder, paragraph)
        refused(lambda: training_sets.find("squad", folder).load(["en"]), f"{file}: paragraph 0")
        content = file.read_bytes()
        file.write_bytes(content[: draw(st.integers(0, len(content) - 1))])
        refused(lambda: training_sets.find("squad", folder).load(["en"]), f"{file}: ")

    for_any(examples, check)


# Aligned text and word lists.

LINES = st.text(
    st.characters(codec="utf-8", exclude_characters="\n", exclude_categories=["Cs"]), max_size=8
).filter(lambda line: not line.endswith("\r"))


@few_or_many(30)
def test_any_aligned_lines(examples):
    def check(draw: Draw, folder: Path) -> None:
        count = draw(st.integers(2, 5))
        end = draw(st.sampled_from(["\n", "\r\n"]))
        mark = draw(st.sampled_from(["", "\ufeff"]))
        lines = {
            lang: draw(st.lists(LINES, min_size=count, max_size=count)) for lang in ("en", "pt_BR")
        }
        for lang, texts in lines.items():
            assume(mark or not texts[0].startswith("\ufeff"))
            content = mark + end.join(texts) + end
            (folder / f"{lang}.txt").write_bytes(content.encode())
        expected = {
            (lang, texts[number], texts[number + 1])
            for lang, texts in lines.items()
            for number in range(count - 1)
            if has_words(texts[number]) and has_words(texts[number + 1])
        }
        training_set = training_sets.find("parallel", folder)
        if not expected:
            refused(lambda: training_set.load(["en", "pt_BR"]), str(folder))
            return
        pairs = training_set.load(["en", "pt_BR"])
        assert set(zip(pairs["lang"], pairs["question"], pairs["passage"])) == expected

        # One line more or less in a text, or in the file of documents.
        other = draw(st.sampled_from(["en.txt", "docs.tsv"]))
        file = folder / other
        names = lines["en"] if other == "en.txt" else ["a"] * count
        names = [*names, "more"] if draw(st.booleans()) else names[:-1]
        file.write_bytes((end.join(names) + end).encode())
        refused(lambda: training_set.load(["en", "pt_BR"]), str(folder))

    for_any(examples, check)


@few_or_many(60)
def test_any_word_list(examples):
    def check(draw: Draw, folder: Path) -> None:
        line = draw(st.text(CHARACTERS, max_size=8).filter(lambda line: "\n" not in line))
        assume(not line.endswith("\r"))
        file = folder / "en-de.txt"
        file.write_bytes(f"moon Mond\n{line}\nfar\tweit\n".encode())
        fields = line.split("\t") if "\t" in line else line.split(" ")
        expected = {"moon": {"de": ["Mond"]}, "far": {"de": ["weit"]}}
        if len(fields) == 2 and all(map(has_words, fields)):
            word, translation = (field.strip() for field in fields)
            expected.setdefault(word.lower(), {}).setdefault("de", []).append(translation)
        elif line.strip():
            refused(lambda: load_lexicon(folder, "en", ["de"]), f"{file}: line 2 is ")
            return
        lexicon = load_lexicon(folder, "en", ["de"])
        assert {word: sorted(one["de"]) for word, one in lexicon.items()} == {
            word: sorted(one["de"]) for word, one in expected.items()
        }

    for_any(examples, check)
