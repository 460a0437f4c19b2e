"""Training pairs: a question and a passage that answers it, in one language.

Training pairs are one DataFrame with PAIR_COLUMNS. The same ``pair_id`` in two languages means
translation of each other; the same ``passage_id``, the same passage content in any language.
Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from hybridlib.data.languages import warn_of_spellings
from hybridlib.data.nested import NUMBERS, TEXTS
from hybridlib.data.records import TABLE_ENDINGS, read_table
from hybridlib.data.schema import Field, Schema, Unique, check_frame
from hybridlib.data.text_files import read_aligned_lines
from hybridlib.data.values import ID, LANGUAGE, NAME, TEXT
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

PAIR_COLUMNS = ["pair_id", "dataset", "lang", "question", "passage", "passage_id"]

# Further columns of a table of pairs: a single explicit negative or several, and what a teacher
# says of the passage and of each negative.
_FURTHER = ["negative", "negatives", "scores"]
_LISTS = ("negatives", "scores")


def pairs_schema(dataset: str) -> Schema:
    """Return the schema of training pairs; ``dataset`` names those that do not say theirs."""
    fields = (
        Field("pair_id", ID),
        Field("dataset", NAME, default=dataset),
        Field("lang", LANGUAGE),
        Field("question", TEXT),
        Field("passage", TEXT),
        Field("passage_id", ID, default_from="pair_id"),
        Field("negative", TEXT, default=""),
        Field("negatives", TEXTS, optional=True),
        Field("scores", NUMBERS, optional=True),
    )
    return Schema(fields, (Unique(("pair_id", "lang"), "a pair is one row per language"),))


def load_pairs(file: str | Path) -> pd.DataFrame:
    """Read training pairs from a JSONL, CSV or parquet file.

    Its columns are pair_id, lang, question, passage and, optionally, passage_id (default:
    pair_id) and dataset (default: the file's name). An optional column ``negative`` holds a
    passage that does not answer the question, and nothing where none is known; ``negatives``
    takes its place where there are several, a list. ``scores`` is what a teacher says of the
    passage and of each negative, a list, or nothing. A warning names columns that are not used.

    Raises:
        InputError: a missing file or column, a wrong or empty value, a (pair_id, lang) that
            stands twice, or scores that do not fit the negatives; with file and record.
    """
    file = Path(file)
    records = read_table(file, pairs_schema(file.stem))
    warn_of_spellings(str(file), records.frame["lang"].unique())
    further = [column for column in _FURTHER if column in records.present]
    if "negative" in further and "negatives" in further:
        raise InputError(f"{file}: has the columns negative and negatives; take one of them out")
    pairs = records.frame[PAIR_COLUMNS + further]
    pairs = pairs.assign(**{name: pairs[name].map(tuple) for name in further if name in _LISTS})
    check_scores(pairs, records.name)
    return pairs


def check_scores(pairs: pd.DataFrame, name: Callable[[int], str]) -> None:
    """Check that a row's scores are one for its passage and one for each of its negatives.

    Args:
        pairs: training pairs.
        name: what an error message calls a row.

    Raises:
        InputError: the first row of which they are not; none is right, too.
    """
    for row, (negatives, scores) in enumerate(zip(negatives_of(pairs), scores_of(pairs))):
        if scores and len(scores) != 1 + len(negatives):
            raise InputError(
                f"{name(row)}: {len(scores)} scores and {len(negatives)} negatives; the first "
                "score is the passage's, then comes one for each negative"
            )


def negatives_of(pairs: pd.DataFrame) -> list[list[str]]:
    """Return the explicit negatives of each row, from its column ``negatives`` or ``negative``."""
    if "negatives" in pairs:
        return [list(texts) for texts in pairs["negatives"]]
    if "negative" in pairs:
        return [[text] if has_words(text) else [] for text in pairs["negative"]]
    return [[] for _ in range(len(pairs))]


def scores_of(pairs: pd.DataFrame) -> list[list[float]]:
    """Return what a teacher says of each row's passage and negatives; nothing where none did."""
    if "scores" not in pairs:
        return [[] for _ in range(len(pairs))]
    return [list(scores) for scores in pairs["scores"]]


def join_pairs(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several tables in one; what only some say of negatives is empty."""
    columns = {name for pairs in parts for name in pairs}
    alike = []
    for pairs in parts:
        # Where one table has lists of negatives, all have.
        if "negatives" in columns:
            pairs = pairs.assign(negatives=negatives_of(pairs))
            pairs = pairs.drop(columns="negative", errors="ignore")
        elif "negative" in columns and "negative" not in pairs:
            pairs = pairs.assign(negative="")
        if "scores" in columns:
            pairs = pairs.assign(scores=scores_of(pairs))
        alike.append(pairs)
    return pd.concat(alike, ignore_index=True)


def with_lists_as_json(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return training pairs with lists written as JSON, for what takes no lists."""
    texts = {
        name: [json.dumps(list(items), ensure_ascii=False, default=float) for items in pairs[name]]
        for name in _LISTS
        if name in pairs
    }
    return pairs.assign(**texts)


def save_pairs(pairs: pd.DataFrame, file: Path) -> None:
    """Write training pairs as JSONL, CSV (lists as JSON) or parquet, aside first.

    Raises:
        InputError: another ending.
    """
    check_table_name(file)
    aside = file.with_name(file.name + ".part")
    if file.suffix == ".parquet":
        pairs.to_parquet(aside, index=False)
    elif file.suffix == ".csv":
        with_lists_as_json(pairs).to_csv(aside, index=False)
    else:
        with aside.open("w", encoding="utf-8") as stream:
            for record in pairs.to_dict("records"):
                stream.write(json.dumps(record, ensure_ascii=False, default=list) + "\n")
    aside.replace(file)


def check_table_name(file: Path) -> None:
    """Check that a table of pairs can be written to a file of this name.

    Raises:
        InputError: its ending is none of a table, or its folder is not there.
    """
    if file.suffix not in TABLE_ENDINGS:
        raise InputError(f"{file}: a table ends in {', '.join(TABLE_ENDINGS)}")
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}; make it first")


def make_pairs(frame: pd.DataFrame, dataset: str, source: str) -> pd.DataFrame:
    """Make training pairs of what a reader has read, and check them.

    Args:
        frame: the columns of PAIR_COLUMNS but ``dataset``, and any others.
        dataset: the name of the set.
        source: what an error message begins with.

    Returns:
        The pairs with PAIR_COLUMNS first, then the other columns.
    """
    frame = frame.assign(dataset=dataset)
    others = [column for column in frame if column not in PAIR_COLUMNS]
    pairs = frame[PAIR_COLUMNS + others].reset_index(drop=True)
    check_frame(pairs_schema(dataset), source, pairs)
    return pairs


def load_parallel(
    path: str | Path, languages: Iterable[str], passages: int | None = None
) -> pd.DataFrame:
    """Read parallel passages; the same ``group`` in two languages means translation.

    Args:
        path: a folder of aligned ``<lang>.txt`` (line n of one is the translation of line n of
            another, lines without words are skipped), or a table of training pairs, whose
            passages are taken.
        languages: the languages to read.
        passages: how many passages to take of each language, the first ones; None takes all.

    Returns:
        Columns lang, group, text.

    Raises:
        InputError: a file that cannot be read, files of different lengths, or a passage_id with
            two texts in one language; with the file.
    """
    path = Path(path)
    if path.is_dir():
        table = aligned_table(read_aligned_lines(path, languages))
    else:
        pairs = load_pairs(path)
        pairs = pairs[pairs["lang"].isin(list(languages))]
        columns = {"lang": "lang", "passage_id": "group", "passage": "text"}
        table = pairs[list(columns)].rename(columns=columns).drop_duplicates()
        _check_one_text(path, table)
    first_groups = table["group"].unique()[:passages]
    return table[table["group"].isin(first_groups)].reset_index(drop=True)


def _check_one_text(path: Path, table: pd.DataFrame) -> None:
    """Check that no passage has two texts in one language, of which one would be a guess."""
    repeated = table[table.duplicated(["lang", "group"])]
    if len(repeated):
        lang, group = repeated.iloc[0][["lang", "group"]]
        raise InputError(
            f"{path}: passage_id {group!r} has several texts in {lang!r}; a parallel passage has "
            "one in each language: give each text a passage_id of its own"
        )


def aligned_table(lines: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the lines with words of aligned files; the group of a text is its line's number.

    Args:
        lines: all lines of each language.

    Returns:
        Columns lang, group, text.
    """
    rows = [
        (lang, f"{number:07d}", line)
        for lang, texts in lines.items()
        for number, line in enumerate(texts)
        if has_words(line)
    ]
    return pd.DataFrame(rows, columns=["lang", "group", "text"])
