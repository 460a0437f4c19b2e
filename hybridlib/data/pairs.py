"""Training pairs: a question and a passage that answers it, in one language.

Training pairs are one DataFrame with PAIR_COLUMNS. The same ``pair_id`` in two languages means
translation of each other; the same ``passage_id``, the same passage content in any language.
Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from hybridlib.data.checks import check_texts
from hybridlib.data.tables import read_table
from hybridlib.errors import InputError

PAIR_COLUMNS = ["pair_id", "dataset", "lang", "question", "passage", "passage_id"]


def load_pairs(file: str | Path) -> pd.DataFrame:
    """Read training pairs from a JSONL, CSV or parquet file.

    Its columns are pair_id, lang, question, passage and, optionally, passage_id (default:
    pair_id) and dataset (default: the file's name). An optional column ``negative`` holds a
    passage that does not answer the question, and nothing where none is known.

    Raises:
        InputError: a missing file or column, an empty text, or a (pair_id, lang) that stands
            twice; the message says which one.
    """
    file = Path(file)
    frame = read_table(file)

    # Optional columns get their defaults; of the others none may be missing.
    if "dataset" not in frame:
        frame["dataset"] = file.stem
    if "passage_id" not in frame:
        frame["passage_id"] = frame.get("pair_id")
    missing = [column for column in PAIR_COLUMNS if column not in frame]
    if missing:
        raise InputError(
            f"{file}: no column {', '.join(missing)}; training pairs have {', '.join(PAIR_COLUMNS)}"
        )

    # Ids and texts become strings; a missing value stays missing, so that the checks find it.
    pairs = frame[PAIR_COLUMNS].astype(str)
    if "negative" in frame:
        negatives = frame["negative"].astype(object)
        pairs["negative"] = negatives.where(negatives.notna(), "").astype(str)
    return check_pairs(pairs, str(file))


def pairs_from_rows(
    rows: Iterable[tuple], columns: Sequence[str], dataset: str, source: str
) -> pd.DataFrame:
    """Make training pairs of the rows that a reader found, and check them.

    Args:
        rows: one tuple of values for each pair.
        columns: the names of the values: those of PAIR_COLUMNS but ``dataset``, in any order, and
            any others.
        dataset: the name of the set.
        source: what an error message begins with.

    Returns:
        The pairs with PAIR_COLUMNS first, then the other columns.
    """
    frame = pd.DataFrame(list(rows), columns=list(columns)).assign(dataset=dataset)
    # The columns that every set has come first.
    others = [column for column in frame if column not in PAIR_COLUMNS]
    return check_pairs(frame[PAIR_COLUMNS + others], source)


def check_pairs(pairs: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the pairs as they are, once they keep the contract of this module.

    Raises:
        InputError: an empty text or id, or a (pair_id, lang) that stands twice.
    """
    for column in ("pair_id", "lang", "question", "passage", "passage_id"):
        check_texts(source, pairs, "pair_id", column)
    repeated = pairs[pairs.duplicated(["pair_id", "lang"])]
    if len(repeated):
        first = repeated.iloc[0]
        raise InputError(
            f"{source}: pair_id {first['pair_id']!r} stands twice in language {first['lang']!r}; "
            "a pair is one row per language"
        )
    return pairs


def load_parallel(
    path: str | Path, languages: Iterable[str], passages: int | None = None
) -> pd.DataFrame:
    """Read parallel passages; the same ``group`` in two languages means translation.

    Args:
        path: a folder of aligned ``<lang>.txt`` (UTF-8; line n of one is the translation of line
            n of another, empty lines are skipped), or a table of training pairs, whose passages
            are taken.
        languages: the languages to read.
        passages: how many passages to take of each language, the first ones; None takes all.

    Returns:
        Columns lang, group, text.

    Raises:
        InputError: a missing file, or files of different lengths; the message says which ones.
    """
    path = Path(path)
    if path.is_dir():
        table = _read_aligned_lines(path, languages)
    else:
        pairs = load_pairs(path).drop_duplicates(["lang", "passage_id"])
        pairs = pairs[pairs["lang"].isin(list(languages))]
        columns = {"lang": "lang", "passage_id": "group", "passage": "text"}
        table = pairs[list(columns)].rename(columns=columns)
    first_groups = table["group"].unique()[:passages]
    return table[table["group"].isin(first_groups)].reset_index(drop=True)


def _read_aligned_lines(folder: Path, languages: Iterable[str]) -> pd.DataFrame:
    """Read aligned text files; the group of a text is the number of its line."""
    lines: dict[str, list[str]] = {}
    for lang in languages:
        try:
            text = (folder / f"{lang}.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError(
                f"{folder / lang}.txt: cannot be read as UTF-8 text; "
                "a folder of parallel passages has a <lang>.txt for each language"
            ) from None
        lines[lang] = text.removesuffix("\n").split("\n")

    # Line n of one file is the translation of line n of another, so all are equally long.
    lengths = {lang: len(texts) for lang, texts in lines.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{folder}: the files are not aligned, they have different numbers of lines: {lengths}"
        )
    rows = [
        (lang, f"{number:07d}", line)
        for lang, texts in lines.items()
        for number, line in enumerate(texts)
        if line.strip()
    ]
    return pd.DataFrame(rows, columns=["lang", "group", "text"])
