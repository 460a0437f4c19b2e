"""What is put before queries and passages: as the caller says, the files, the family, the paper.

Encoders are trained with a prefix of their own, and lose quality with another. Many folders do not
say theirs; what is used then is never chosen in silence.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridlib.errors import InputError
from hybridlib.model.defaults import PAPER_PREFIXES
from hybridlib.model.source import Source
from hybridlib.model.st_config import read_object
from hybridlib.model.st_format import Layout

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Family:
    """Encoders that were trained with the same prefixes.

    Attributes:
        name: of the family.
        pattern: of the names of its encoders.
        prefixes: by side.
    """

    name: str
    pattern: str
    prefixes: dict[str, str]


# E5 that follows instructions has other prompts, which depend on the task.
_FAMILIES = (
    Family(
        "E5",  # arXiv 2212.03533 and 2402.05672
        r"(?<![a-z0-9])e5[-_](small|base|large)(?!.*instruct)",
        {"query": "query: ", "passage": "passage: "},
    ),
)

# What has been said already, so that it is said once for each encoder.
_said: set[str] = set()


def choose_prefixes(
    source: Source, layout: Layout, query: str | None, passage: str | None
) -> dict[str, str]:
    """Return the prefix of each side: the caller's, else the files', the family's or the paper's.

    A warning says which prefixes neither the caller nor the files have stated.

    Args:
        source: of the encoder; its name and its config tell the family.
        layout: what its files say.
        query: by the caller.
        passage: by the caller.

    Raises:
        InputError: the caller gives none where the files are unclear.
    """
    family = family_of(source, layout.subfolder)
    others = family.prefixes if family else PAPER_PREFIXES
    prefixes = {}
    unstated = {}
    for side, requested in (("query", query), ("passage", passage)):
        if requested is not None:
            prefixes[side] = requested
        elif side in layout.unclear:
            raise InputError(
                f"{source.name}: config_sentence_transformers.json has {layout.unclear[side]}; "
                f"set {side}_prefix"
            )
        elif side in layout.prefixes:
            prefixes[side] = layout.prefixes[side]
        else:
            prefixes[side] = others[side]
            unstated[side] = others[side]
    if unstated:
        _warn(source.name, family, unstated)
    return prefixes


def family_of(source: Source, subfolder: str = "") -> Family | None:
    """Return the family of an encoder by its name, or by the name that its config has.

    Args:
        source: a folder or a hub id; of a folder the last part of its path is the name.
        subfolder: of the transformer.
    """
    # A link may have the name, or what it leads to.
    names = [Path(source.name).name, source.folder.resolve().name]
    names.append(_name_in_config(source.folder / subfolder / "config.json"))
    for family in _FAMILIES:
        if any(re.search(family.pattern, name.lower()) for name in names):
            return family
    return None


def _name_in_config(file: Path) -> str:
    """Return the name under which the encoder was loaded when its config was written, or none."""
    content: Any = read_object(file) if file.is_file() else {}
    name = content.get("_name_or_path") if isinstance(content, dict) else None
    return name if isinstance(name, str) else ""


def _warn(name: str, family: Family | None, unstated: dict[str, str]) -> None:
    """Say which prefixes are used that neither the caller nor the files have stated."""
    used = " and ".join(repr(prefix) for prefix in unstated.values())
    options = " and ".join(f"{side}_prefix" for side in unstated)
    if family:
        reason = f"with which {family.name} was trained, as its name tells its family"
    else:
        reason = "the paper's; an encoder that was trained with others, or with none, loses by them"
    message = f"{name}: its folder states no prompts; used: {used}, {reason}. To choose: {options}"
    if message not in _said:
        _said.add(message)
        logger.warning(message)
