"""Reading tables: JSON lines, CSV and parquet files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hybridlib.errors import InputError

TABLE_ENDINGS = (".jsonl", ".csv", ".parquet")


def read_table(file: Path) -> pd.DataFrame:
    """Read a JSONL, CSV or parquet file; the values of a CSV file are strings as they stand.

    Raises:
        InputError: another ending, no such file, or a file that cannot be read.
    """
    if file.suffix not in TABLE_ENDINGS:
        raise InputError(f"{file}: a table ends in {', '.join(TABLE_ENDINGS)}")
    try:
        if file.suffix == ".jsonl":
            return pd.read_json(file, lines=True, dtype=False)
        if file.suffix == ".csv":
            return pd.read_csv(file, dtype=str, keep_default_na=False)
        return pd.read_parquet(file)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read as {file.suffix[1:]}: {error}") from None
