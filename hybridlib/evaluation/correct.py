"""A correction of language bias as a part of an encoder, so that whatever loads it is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from hybridlib.config.corrections import CorrectionName
from hybridlib.config.names import HUB_SETS
from hybridlib.data import training_sets
from hybridlib.data.pairs import load_pairs
from hybridlib.data.parallel_text import find_text_languages
from hybridlib.data.published import is_published
from hybridlib.errors import InputError
from hybridlib.evaluation.fitting import fitting_table
from hybridlib.files import resolve
from hybridlib.retrieval.fitting_texts import FittingSet
from hybridlib.retrieval.language_filter import LanguageFilter

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

# What texts to fit a correction on may be: parallel text, or training pairs of a kind.
KINDS = ("parallel", "pairs", "squad", *HUB_SETS)

# What can be a part of an encoder: what asks for no language.
_CORRECTION = "filter"


def check_can_be_a_part(name: str) -> None:
    """Refuse a correction that an encoder's folder cannot apply.

    Raises:
        InputError: no correction has that name, or it asks for more than a text.
    """
    parsed = CorrectionName.parse(name)
    if parsed.on_candidates:
        raise InputError(
            f"correction {name!r}: an encoder's folder has no candidates; write {_CORRECTION}"
        )
    if parsed.by_language:
        raise InputError(
            f"correction {name!r}: asks for the language of each text, and an encoder gets the "
            f"text alone; take {_CORRECTION}, which asks for none, or correct the vectors: "
            "docs/your_own.md"
        )


def texts_to_fit(
    source: str, kind: str | None, languages: Sequence[str] | None, count: int | None
) -> pd.DataFrame:
    """Read the texts that a correction is fitted on; see :func:`fitting_table`.

    Args:
        source: file, folder, hub id, or ``ntrex``.
        kind: an entry of KINDS; None: ``pairs`` for a file, else ``parallel``.
        languages: only these; None: all that there are.
        count: only so many texts of training pairs; None: all.

    Raises:
        InputError: the texts cannot be read, or lack one of the languages.
    """
    path = resolve(source)
    if kind is None:
        kind = "pairs" if path.is_file() else "parallel"
    if kind == "parallel":
        return _parallel_texts(source, languages)
    if kind == "pairs":
        pairs = load_pairs(path)
        present = sorted(pairs["lang"].unique())
        _check_languages(source, languages, present)
        pairs = pairs[pairs["lang"].isin(languages or present)]
    else:
        found = training_sets.find(kind, path if path.exists() else source)
        _check_languages(source, languages, found.languages)
        pairs = found.load(languages or found.languages)
    return fitting_table(None, pairs, texts=count)


def _parallel_texts(source: str, languages: Sequence[str] | None) -> pd.DataFrame:
    """Read parallel text: a folder, or a published set."""
    path = resolve(source)
    if path.is_dir():
        present = find_text_languages(path)
        _check_languages(source, languages, present)
        languages = languages or present
    elif not is_published(source):
        raise InputError(
            f"{source}: no such file or folder; give a table of training pairs, or a folder of "
            "parallel text"
        )
    elif languages is None:
        raise InputError(f"{source}: say in which languages it is to be read: --languages")
    return fitting_table(None, parallel_path=source, languages=languages)


def _check_languages(source: str, wanted: Sequence[str] | None, present: Sequence[str]) -> None:
    """Refuse languages that the texts do not have."""
    missing = sorted(set(wanted or ()) - set(present))
    if missing:
        raise InputError(
            f"{source}: has no texts in {', '.join(missing)}; it has {', '.join(sorted(present))}"
        )


def check_correctable(encoder: DualEncoder) -> None:
    """Refuse an encoder that no correction can be a part of.

    Raises:
        InputError: it has a correction already, or cuts its vectors at the end.
    """
    from hybridlib.model.layers import Truncate  # imports torch

    name = encoder.source["encoder"]
    if encoder.correction is not None:
        raise InputError(
            f"{name}: has a correction already; correct the encoder that it was made of"
        )
    if any(isinstance(layer, Truncate) for layer in encoder.dense or ()):
        raise InputError(
            f"{name}: cuts its vectors (truncate_dim), and a correction cannot follow; remove "
            "truncate_dim from its config_sentence_transformers.json to correct whole vectors"
        )


def make_a_part(
    encoder: DualEncoder, texts: FittingSet, k: float = 0.1, shrinkage: float = 0.1
) -> int:
    """Fit the filter on an encoder's vectors, and make it a part of the encoder, in place.

    Each side loses its mean before the one map of both: ``F (x - mean) = F x - F mean``, a linear
    layer with a bias for each side.

    Args:
        encoder: what :func:`check_correctable` passes.
        texts: its own vectors.
        k: see :class:`LanguageFilter`.
        shrinkage: likewise.

    Returns:
        How many texts in two languages or more it is fitted on.

    Raises:
        CorrectionError: too few texts are in two languages or more.
    """
    import torch  # takes seconds to import

    fitted = LanguageFilter(texts.queries, texts.passages, k, shrinkage)
    layers = {}
    for side, mean in (("query", fitted.query_offset), ("passage", fitted.passage_offset)):
        layer = torch.nn.Linear(*fitted.matrix.shape)
        bias = -fitted.matrix @ mean
        weights = {"weight": torch.from_numpy(fitted.matrix), "bias": torch.from_numpy(bias)}
        layer.load_state_dict(weights)
        layers[side] = layer
    encoder.correction = torch.nn.ModuleDict(layers).to(encoder.device)
    return fitted.texts
