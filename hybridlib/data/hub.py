"""Data sets of the Hugging Face hub: their ids, and the tables of one split at one commit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial

from hybridlib.data.records import read_arrow
from hybridlib.data.schema import Records, Schema
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

# A function that reads each table by one of several schemas, by the table's name.
Tables = dict[str, Callable[..., Records]]


def split_hub_id(source: str) -> tuple[str, str | None] | None:
    """Return name and revision of ``owner/name`` or ``owner/name@revision``; None if neither."""
    name, _, revision = source.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return None
    return name, revision or None


def hub_tables(hub_id: str, split: str, revision: str | None) -> Tables:
    """Return how to read one split of each configuration of a set, all from one commit.

    Args:
        hub_id: the set, without a revision.
        split: the split to read, such as ``train``.
        revision: commit, branch or tag; None takes the newest, and a warning says which it is.

    Raises:
        InputError: the hub or the set is out of reach; with what to do.
    """
    # Loaded late: these two take long, and only sets of the hub need them.
    from datasets import get_dataset_config_names
    from huggingface_hub import HfApi

    # The commit first: the request fails at once where there is no network, and without a commit
    # `datasets` would serve whatever revision it happens to have cached.
    try:
        commit = HfApi().dataset_info(hub_id, revision=revision, timeout=20).sha
        configurations = get_dataset_config_names(hub_id, revision=commit)
    # Connection errors come from whichever HTTP library the hub's client uses.
    except Exception as error:
        raise InputError(_unreachable(hub_id, revision, error)) from error
    if revision is None:
        log.warning(
            "%s: no revision given, taking the newest; %s@%s repeats it", hub_id, hub_id, commit
        )
    return {name: partial(_read, hub_id, name, split, commit) for name in configurations}


def _read(
    hub_id: str, configuration: str, split: str, commit: str | None, *schemas: Schema
) -> Records:
    """Read one split of one configuration."""
    # Loaded late: takes long, and only sets of the hub need it.
    from datasets import load_dataset

    try:
        data = load_dataset(hub_id, name=configuration, split=split, revision=commit)
        table = data.with_format("arrow")[:]
    # Network, disk and split each raise errors of another library.
    except Exception as error:
        raise InputError(f"{configuration}: {_unreachable(hub_id, commit, error)}") from error
    return read_arrow(f"{hub_id}: {configuration}", table, *schemas)


def _unreachable(hub_id: str, revision: str | None, error: Exception) -> str:
    """Return the message for a set that cannot be read."""
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    pin = f" --revision {revision}" if revision else ""
    return (
        f"{hub_id}: cannot be read from the hub ({reason}). Check the name and the revision; "
        f"for a machine without network, run `hf download --repo-type dataset {hub_id}{pin} "
        "--local-dir FOLDER` where there is one and give FOLDER instead"
    )
