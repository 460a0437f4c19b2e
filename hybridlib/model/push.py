"""An encoder's folder as a repository of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from hybridlib.errors import InputError
from hybridlib.model import st_format
from hybridlib.model.adapter import is_over_local_folder
from hybridlib.model.source import locate, one_line

_REASONS = {401: "the token is not valid", 403: "the token may not write there"}
_TOKEN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"


def push(folder: Path, repository: str, public: bool = False) -> str:
    """Upload an encoder's folder as one commit; the repository is made if need be.

    Args:
        folder: what :meth:`DualEncoder.save` has written.
        repository: ``name`` or ``owner/name``.
        public: make a new repository public; one that is there stays as it is.

    Returns:
        The address of the commit.

    Raises:
        InputError: the folder is none of an encoder, there is no token or no network, or the hub
            refuses.
    """
    # The hub's library takes a second to import.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
    )

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of an encoder")
    for file in ("modules.json", "README.md"):
        if not (folder / file).is_file():
            raise InputError(
                f"{folder}: has no {file}; give an encoder that was written here: the model/ of a "
                "run, or what `hybridlib correct` wrote"
            )
    st_format.read(locate(str(folder)))
    if is_over_local_folder(folder):
        raise InputError(
            f"{folder}: is an adapter over an encoder in a folder of this machine, which others "
            "have not; push the whole: DualEncoder.load(folder).save(whole) of hybridlib"
        )
    try:
        api = HfApi(token=True)
        made = api.create_repo(repository, private=not public, exist_ok=True)
        commit = api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, commit_message="Encoder, by hybridlib"
        )
        return str(commit.commit_url)
    except HFValidationError as error:
        raise InputError(f"{repository}: no name of a repository ({one_line(error)})") from None
    except LocalTokenNotFoundError:
        raise InputError(f"{repository}: the hub wants a token; {_TOKEN}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = _REASONS.get(status, one_line(error))
        advice = f"; {_TOKEN}" if status in _REASONS else ""
        raise InputError(f"{repository}: the hub refuses ({reason}){advice}") from error
    # Connection errors come from whichever HTTP library the hub's client uses.
    except Exception as error:
        raise InputError(
            f"{repository}: the hub cannot be reached ({type(error).__name__}: {one_line(error)}); "
            "nothing is lost: push again with a network"
        ) from error
