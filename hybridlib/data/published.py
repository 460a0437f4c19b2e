"""Published sets that are downloaded at their first use, and then read from a folder of the user.

``published.yaml`` pins each to one commit and each file to its SHA-256.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from hybridlib.data.package_data import read_package_yaml
from hybridlib.errors import InputError
from hybridlib.files import check_writable, resolve

log = logging.getLogger(__name__)

CACHE = "HYBRIDLIB_CACHE"  # environment variable: the folder that downloads go to


@dataclass(frozen=True)
class PublishedFile:
    """A file of a published set.

    Attributes:
        name: its name on this machine.
        url: where it is published.
        size: bytes.
        sha256: of its content, 64 hexadecimal digits.
    """

    name: str
    url: str
    size: int
    sha256: str

    @property
    def language(self) -> str | None:
        """Return the language that the file is of; None for a file of all languages."""
        stem, ending = os.path.splitext(self.name)
        return stem if ending in (".json", ".txt") else None


def is_published(name: str | Path) -> bool:
    """Return whether a set of this name can be downloaded."""
    return str(name) in _sets()


def licence_of(name: str) -> str | None:
    """Return the licence of a published set; None of any other."""
    return str(_sets()[name]["licence"]) if is_published(name) else None


def local_path(path: str | Path, languages: Iterable[str] | None = None) -> Path:
    """Return an absolute path; a name of a published set stands for its downloaded folder.

    A file or folder of one's own that is called so comes first.

    Args:
        path: of a file or folder, or the name of a published set.
        languages: see :func:`fetch`.
    """
    own = resolve(path)
    return fetch(str(path), languages) if is_published(path) and not own.exists() else own


def fetch(name: str, languages: Iterable[str] | None = None) -> Path:
    """Return the folder of a published set; what is missing in it is downloaded.

    Args:
        name: a set of ``published.yaml``.
        languages: only the files of these languages, as far as the set has them; None: all files.

    Raises:
        InputError: the set has none of the languages, a file cannot be downloaded, or another file
            than the pinned one stands at its address. Nothing of that file is kept.
    """
    folder = folder_of(name)
    files = _files_of(name, languages)
    if not _missing(folder, files):
        return folder
    check_writable(folder)
    # Of several processes one downloads, and the others wait.
    with FileLock(folder.parent / f".{name}.lock"):
        missing = _missing(folder, files)
        if missing:
            log.warning("%s", _announcement(name, missing))
        for file in missing:
            _download(name, file, folder)
    return folder


def is_here(corpus: str, path: Path | None) -> bool:
    """Return whether a corpus can be read without a network.

    Args:
        corpus: what a parameter file calls it.
        path: of its file or folder; None: built in or downloaded.
    """
    if path is not None:
        return resolve(path).exists()
    return not is_published(corpus) or to_download(corpus) is None


def to_download(name: str | Path, languages: Iterable[str] | None = None) -> str | None:
    """Return what :func:`fetch` would download, as a sentence; None if all is here."""
    missing = _missing(folder_of(str(name)), _files_of(str(name), languages))
    return _announcement(str(name), missing) if missing else None


def folder_of(name: str) -> Path:
    """Return the folder of a published set, which need not be there.

    It is in the user's cache, or in the folder that the environment variable HYBRIDLIB_CACHE names.
    Another commit has another folder.
    """
    # Loaded late: no other set needs it.
    import pooch

    cache = Path(os.environ.get(CACHE) or pooch.os_cache("hybridlib")).expanduser()
    commit = _sets()[name]["commit"]
    return cache.absolute() / commit[:12] / name


def _sets() -> dict[str, Any]:
    """Return the content of ``published.yaml``: url, commit, licence and files of each set."""
    sets: dict[str, Any] = read_package_yaml("published.yaml")
    return sets


def _files_of(name: str, languages: Iterable[str] | None) -> list[PublishedFile]:
    """Return the files of some languages of a set, and those that are of no language."""
    about = _sets()[name]
    files = []
    for file_name, pin in about["files"].items():
        url = about["url"].format(commit=about["commit"]) + pin.get("path", file_name)
        files.append(PublishedFile(file_name, url, pin["bytes"], pin["sha256"]))
    if languages is None:
        return files
    wanted = set(languages)
    present = {file.language for file in files if file.language}
    if not wanted & present:
        raise InputError(
            f"{name}: has none of the languages {', '.join(sorted(wanted))}; "
            f"it has {', '.join(sorted(present))}"
        )
    return [file for file in files if file.language is None or file.language in wanted]


def _missing(folder: Path, files: Iterable[PublishedFile]) -> list[PublishedFile]:
    """Return the files that are not in the folder as they were published."""
    return [file for file in files if _sha256(folder / file.name) != file.sha256]


def _sha256(file: Path) -> str | None:
    """Return the SHA-256 of a file; None where there is none."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _announcement(name: str, missing: list[PublishedFile]) -> str:
    """Return how much of a set is downloaded, from where, into which folder, and its licence."""
    size = sum(file.size for file in missing) / 1e6
    host = "/".join(missing[0].url.split("/")[2:6])
    licence = _sets()[name]["licence"]
    return f"{name}: download of {size:.1f} MB from {host} to {folder_of(name)}; licence: {licence}"


def _download(name: str, file: PublishedFile, folder: Path) -> None:
    """Download one file; it comes into the folder when its content is the pinned one."""
    # Loaded late: only a download needs them.
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    instead = (
        f"give a folder with its files as the path, or copy {folder} from a machine that has it"
    )
    try:
        pooch.retrieve(file.url, f"sha256:{file.sha256}", file.name, folder)
    except (requests.RequestException, OSError) as error:
        offline = isinstance(error, ConnectionError | requests.ConnectionError)
        reason = "no connection" if offline else str(error).split("\n")[0]
        raise InputError(
            f"{name}: {file.url} cannot be downloaded ({reason}). "
            f"Try again with a network, or {instead}"
        ) from error
    # What pooch raises where the content is another.
    except ValueError as error:
        raise InputError(
            f"{name}: {file.url} is not the pinned file (its SHA-256 is another), and was not "
            f"kept. Try again, or {instead}"
        ) from error
