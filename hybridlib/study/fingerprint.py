"""The folder of a study: where each step reads and writes, and whether it is finished.

A step is finished when it has written its marker, last, holding a fingerprint of everything its result depends
on: its parameters, its input files, the code of its notebook, and the steps before it. Whoever finds a marker
with the same fingerprint need not repeat the step.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from hybridlib.files import project_root, read_json

_BUILT_IN_ONLY = {"hidden_size", "layers", "attention_heads"}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _notebook_code(name: str) -> str | None:
    """A hash of a notebook's code cells; its prose and outputs do not count."""
    file = project_root() / "notebooks" / f"{name}.ipynb"
    if not file.exists():
        return None
    cells = read_json(file)["cells"]
    return _digest(
        [
            "".join(cell["source"])
            for cell in cells
            if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", [])
        ]
    )


def _content_hash(path: Path) -> str | None:
    """A hash of a file, or of all files in a folder; None where there is nothing."""
    files = (
        sorted(f for f in path.rglob("*") if f.is_file())
        if path.is_dir()
        else [path]
        if path.is_file()
        else []
    )
    return (
        _digest(
            [
                (str(f.relative_to(path)), _file_hash(f, f.stat().st_mtime_ns, f.stat().st_size))
                for f in files
            ]
        )
        if files
        else None
    )


@functools.lru_cache(maxsize=10_000)
def _file_hash(file: Path, modified: int, size: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
