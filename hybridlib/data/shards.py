"""Files that hold one table in parts: no part is missing, and none is there twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hybridlib.errors import InputError

# The hub's names of parts, of which older ones end in a hash.
_NUMBER_OF_COUNT = re.compile(r"(\d+)-of-(\d+)(-[0-9a-f]{16})?")


def check_shards(files: Sequence[Path]) -> None:
    """Check that files are the parts of one table, each of them once.

    Parts lie in one folder, and their names differ in their number alone. If a name says how many
    parts there are (``train-00000-of-00002.parquet``), all of them are there.

    Raises:
        InputError: an older copy lies beside them, or a part is missing.
    """
    first = files[0]
    for file in files[1:]:
        if (file.parent, _pattern(file)) != (first.parent, _pattern(first)):
            raise InputError(
                f"{first.parent}: both {first.name} and {file.relative_to(first.parent.parent)}, "
                "which are not parts of one table; keep one of them, or records count twice "
                "(the names of parts differ in their number alone)"
            )
    counted = [_NUMBER_OF_COUNT.search(file.name) for file in files]
    numbers = sorted(int(match[1]) for match in counted if match)
    if counted[0] is None:
        return
    count = int(counted[0][2])
    # Some tools count from 1.
    if numbers != list(range(count)) and numbers != list(range(1, count + 1)):
        raise InputError(
            f"{first.parent}: of the {count} parts of a table it has number "
            f"{', '.join(map(str, numbers))}; each part is needed once"
        )


def _pattern(file: Path) -> str:
    """Return a name with # for the number of its part; how many there are stays."""
    name = _NUMBER_OF_COUNT.sub(r"#-of-\2", file.name)
    if "#" in name:
        return name
    return re.sub(r"\d+", "#", name)
