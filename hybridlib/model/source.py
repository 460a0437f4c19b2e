"""Where an encoder is read from: a folder, or the snapshot of a hub repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridlib.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# What an encoder is read from; pickled weights and other formats are never fetched.
_FILES = [
    "*.json",
    "*.txt",
    "*.jinja",
    "*.model",
    "*.spm",
    "*.bpe",
    "*.codes",
    "model*.safetensors",
    "*/model*.safetensors",
    "adapter_model.safetensors",
]
_OTHER_FORMATS = ["onnx/*", "openvino/*", "coreml/*", "checkpoint-*/*", "*/checkpoint-*/*"]

_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Source:
    """The files of an encoder on disk.

    Attributes:
        name: a folder or a hub id, as it was given.
        folder: the folder, or the snapshot of the hub repository.
        revision: requested of the hub; None for a folder.
        commit: of the snapshot; None for a folder.
        complete: what is not in the folder is not in the repository either. False for a snapshot
            without a list of the repository's files.
    """

    name: str
    folder: Path
    revision: str | None = None
    commit: str | None = None
    complete: bool = True

    def file(self, path: str) -> Path | None:
        """Return a file, or None if the encoder has none of that name.

        Raises:
            InputError: the snapshot lacks the file, and the repository may have it; or it is a
                folder, or a link to nothing.
        """
        file = self.folder / path
        if file.is_file():
            return file
        if file.exists() or file.is_symlink():
            raise InputError(f"{file}: is not a file; fetch it again")
        if not self.complete and not self._known_to_be_absent(path):
            raise InputError(
                f"{self.name}: the hub's cache does not say whether the repository has a {path}, "
                "so it may hold a part of the encoder; load it once with a network, or give the "
                "path of a whole folder instead of the id"
            )
        return None

    def about(self, config: PreTrainedConfig) -> dict[str, str | None]:
        """Return name, revision and commit of the encoder; a local folder has only a name.

        Args:
            config: as it was loaded from here; it may know a commit.
        """
        if self.commit is None:
            commit = getattr(config, "_commit_hash", None)
            return {"encoder": Path(self.name).name, "revision": None, "commit": commit}
        return {"encoder": self.name, "revision": self.revision or "main", "commit": self.commit}

    def _known_to_be_absent(self, path: str) -> bool:
        """Return whether the hub once answered that the repository has no such file."""
        # The hub's library takes a second to import.
        from huggingface_hub import try_to_load_from_cache

        # For a file that is known to be absent the answer is a marker, else it is None.
        return try_to_load_from_cache(self.name, path, revision=self.commit) is not None


class HubUnreachable(InputError):
    """The hub does not answer, and its cache has not what is wanted."""


def locate(name: str) -> Source:
    """Return a folder, or the snapshot of a hub repository, fetched if it is not in the cache.

    Args:
        name: a folder, or ``name`` or ``name@revision`` of the hub.

    Raises:
        InputError: there is no such folder, the name is none of the hub, or the hub cannot be
            reached.
    """
    folder = _find_folder(name)
    if folder is not None:
        return Source(name, folder)
    hub_id, _, revision = name.partition("@")
    return _snapshot(hub_id, revision or None)


def one_file(name: str, path: str) -> Path | None:
    """Return one file of an encoder without fetching others, or None if it has none of that name.

    Args:
        name: a folder, or ``name`` or ``name@revision`` of the hub.
        path: of the file in it.

    Raises:
        HubUnreachable: the file is neither here nor to be had.
        InputError: there is no such folder and no such repository, or it is not open to the user.
    """
    # The hub's library takes a second to import.
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )
    from huggingface_hub.errors import (
        EntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    folder = _find_folder(name)
    if folder is not None:
        return Source(name, folder).file(path)
    hub_id, _, revision = name.partition("@")
    where: Any = {"repo_id": hub_id, "filename": path, "revision": revision or None}
    cached = try_to_load_from_cache(**where)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # It fails at once where there is no network; the download would try for half a minute.
        get_hf_file_metadata(hf_hub_url(**where))
        return Path(hf_hub_download(**where))
    except EntryNotFoundError:
        return None
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise InputError(
            f"{name}: no folder here, and the hub has none of that name that is open to you "
            f"({type(error).__name__}); check the name, or log in with `hf auth login`"
        ) from None
    except Exception as error:  # of several libraries, without a common class
        raise HubUnreachable(f"{name}: {type(error).__name__}: {one_line(error)}") from error


def _find_folder(name: str) -> Path | None:
    """Return a folder, or None if there is none and the name can be that of a hub repository.

    Raises:
        InputError: it is neither.
    """
    # The hub's library takes a second to import.
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    folder = Path(name).expanduser()
    try:
        if name and folder.is_dir():
            return folder
        is_file = folder.is_file()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise InputError(f"{one_line(name)}: cannot be read ({error.strerror})") from None
    hub_id, at, revision = name.partition("@")
    try:
        validate_repo_id(hub_id)
        is_hub_id = not is_file and bool(revision) == bool(at)
    except HFValidationError:
        is_hub_id = False
    if not is_hub_id:
        raise InputError(
            f"{one_line(name)!r}: no such folder; give a transformers folder or a hub id "
            "(`name` or `name@revision`)"
        )
    return None


def _snapshot(hub_id: str, revision: str | None) -> Source:
    """Return the snapshot of a hub repository."""
    # The hub's library takes a second to import.
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    # Without a network the library returns the cached snapshot, after it has compared it with the
    # list of the repository's files, where there is one.
    try:
        folder = Path(
            snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=_FILES,
                ignore_patterns=_OTHER_FORMATS,
            )
        )
    except Exception as error:  # of several libraries, without a common class
        raise InputError(_unreachable(hub_id, revision, error)) from error
    try:
        get_cached_repo_tree(hub_id, revision=folder.name)
        complete = True
    except CachedRepoTreeNotFoundError:
        complete = False
    return Source(hub_id, folder, revision, folder.name, complete)


def _unreachable(hub_id: str, revision: str | None, error: Exception) -> str:
    """Return the message for a repository that is neither in the cache nor to be fetched."""
    reason = f"{type(error).__name__}: {one_line(error)}"
    name = f"{hub_id}@{revision}" if revision else hub_id
    option = f" --revision {revision}" if revision else ""
    return (
        f"{name}: neither a folder here nor to be had from the hub ({reason}). Offline? "
        "Fetch it on a machine with a network "
        f"(`hf download {hub_id}{option} --local-dir FOLDER`), copy FOLDER here, "
        "and give its path instead of the id."
    )


def refuse_pointer(file: Path) -> None:
    """Refuse a file of which Git LFS has fetched the pointer only.

    Raises:
        InputError: names the file.
    """
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_LFS_POINTER))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    if start == _LFS_POINTER:
        raise InputError(f"{file}: a pointer of Git LFS, not the file; run `git lfs pull`")


def refuse_pointers(folder: Path) -> None:
    """Refuse a folder that has the pointer of Git LFS in place of a file that would be read."""
    for pattern in _FILES:
        if not pattern.startswith("*/"):
            for file in sorted(folder.glob(pattern)):
                refuse_pointer(file)


def one_line(error: Exception | str) -> str:
    """Return a message in one line of at most 400 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else text[:400] + " ..."
