"""Where paths start, what files hold, and writing that no reader sees unfinished."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hybridlib.errors import InputError


def project_root() -> Path:
    """Return the folder that relative paths start at.

    It is the nearest folder from here upwards that holds this project, else the current one.
    """
    current = Path.cwd()
    for folder in (current, *current.parents):
        has_notebooks = (folder / "notebooks" / "01_data_prep.ipynb").exists()
        if has_notebooks and (folder / "pyproject.toml").exists():
            return folder
    return current


def resolve(path: Path | str) -> Path:
    """Return an absolute path.

    Relative ones start at the project folder, so that a notebook and a shell agree.
    """
    return Path(os.path.normpath(project_root() / Path(path).expanduser()))


def check_writable(folder: Path) -> None:
    """Make the folder and try to write into it.

    Raises:
        InputError: neither is possible; with the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to ({error.strerror}); choose another output folder"
        ) from None


def write_text(file: Path, text: str) -> None:
    """Write aside, then rename: a reader sees the old file or the new one."""
    aside = file.with_name(file.name + ".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON, as :func:`write_text` does; paths become strings."""
    write_text(file, json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def read_json(file: Path) -> Any:
    """Return the value in a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


@contextmanager
def written_aside(
    folder: Path, marker: str | None = None, earlier: Iterable[Path] = ()
) -> Iterator[Path]:
    """Give an empty folder for results, and put them in place together when all are written.

    An error leaves the earlier results as they were. A kill while files are moved leaves no marker.

    Args:
        folder: where the results are to be; made if need be.
        marker: the file that says that they are complete: the first to go, the last to come.
        earlier: files of earlier results that the new ones need not replace.
    """
    aside = folder / ".results.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        if marker:
            (folder / marker).unlink(missing_ok=True)
        for file in earlier:
            file.unlink(missing_ok=True)
        names = [file.relative_to(aside) for file in aside.rglob("*") if file.is_file()]
        for name in sorted(names, key=lambda name: str(name) == marker):
            (folder / name).parent.mkdir(exist_ok=True)
            (aside / name).replace(folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def content_hash(path: Path) -> str | None:
    """Return a hash of a file, or of all files in a folder; None where there is nothing.

    A README.md in a folder does not count: no step reads it, and that of an encoder is written
    again when more is known.
    """
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and file.name != "README.md"]
        files.sort()
    else:
        files = [path] if path.is_file() else []
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        content = _file_hash(file, status.st_mtime_ns, status.st_size)
        digest.update(f"{file.relative_to(path)} {content}\n".encode())
    return digest.hexdigest()[:16]


@functools.lru_cache(maxsize=10_000)
def _file_hash(file: Path, modified: int, size: int) -> str:
    """Return the hash of a file's content, read again when time or size have changed."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
