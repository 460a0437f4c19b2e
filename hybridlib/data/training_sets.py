"""Training sets of other origin: SQuAD files, aligned plain text, and sets as the hub holds them.

Each ends in training pairs (:data:`hybridlib.data.pairs.PAIR_COLUMNS`). An optional column
``article`` says what must not be divided between training and validation; an optional column
``negative`` holds a passage that does not answer the question. docs/training_data.md shows the
files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from hybridlib.config.names import HUB_SETS
from hybridlib.data.hub_sets import find_hub_set, load_hub_set
from hybridlib.data.parallel_text import find_text_languages, load_aligned_text
from hybridlib.data.squad import find_squad_files, load_squad
from hybridlib.errors import InputError


@dataclass(frozen=True)
class TrainingSet:
    """A training set whose texts have not been read yet.

    Attributes:
        languages: the languages that it has, sorted.
        load: reads the training pairs of some of them.
    """

    languages: list[str]
    load: Callable[[Iterable[str]], pd.DataFrame]


def find(kind: str, source: str | Path) -> TrainingSet:
    """Look at a training set without reading its texts.

    Args:
        kind: ``squad``, ``parallel``, or one of :data:`hybridlib.config.names.HUB_SETS`.
        source: its folder; for the sets of the hub also a hub id, ``name`` or ``name@revision``.

    Raises:
        InputError: no such folder, no file of that kind in it, or the hub out of reach; with what
            to do.
    """
    if kind in HUB_SETS:
        name, tables = find_hub_set(source)
        load = partial(load_hub_set, kind, name, str(source), tables)
        return TrainingSet(sorted(tables), load)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{source}: no such folder; {kind!r} training pairs are a folder with a file for each "
            "language: docs/training_data.md"
        )
    if kind == "squad":
        files = find_squad_files(folder)
        return TrainingSet(sorted(files), partial(load_squad, folder, files))
    return TrainingSet(find_text_languages(folder), partial(load_aligned_text, folder))
