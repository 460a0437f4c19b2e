"""The encoders of a run: the one that training begins with, and the trained one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hybridlib.config.names import BUILT_IN
from hybridlib.config.params import Params
from hybridlib.files import resolve
from hybridlib.model.source import locate
from hybridlib.study.folder import Study

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder


def untrained_encoder(study: Study, make: bool = True) -> DualEncoder:
    """Return the encoder that no run has trained: made here, or loaded.

    Args:
        study: the run.
        make: write the built-in encoder first; false where another process of the run did.
    """
    params = study.params
    source = params.encoder
    if source == BUILT_IN:
        source = str(study.run / "initial")
        if make:
            _make_built_in(study, Path(source))
    elif resolve(source).is_dir():
        source = str(resolve(source))
    return load_encoder(params, source)


def fetch_encoders(sources: Iterable[str]) -> None:
    """Bring the encoders of the hub into its cache, for machines without a network.

    Raises:
        InputError: one of them is neither a folder nor to be had from the hub.
    """
    for source in sources:
        if source != BUILT_IN and not resolve(source).is_dir():
            locate(source)


def say_prefixes(params: Params) -> None:
    """Warn of encoders in folders that do not state their prefixes, before a study runs.

    The notebooks warn, too, but in their own outputs.

    Raises:
        InputError: a folder cannot be read, or is unclear about its prefixes.
    """
    for source in params.encoders:
        if source == BUILT_IN or not resolve(source).is_dir():
            continue
        # Reading an encoder's files imports torch.
        from hybridlib.model import st_format
        from hybridlib.model.prefixes import choose_prefixes

        requested = {}
        for side in ("query", "passage"):
            name = f"{side}_prefix"
            requested[side] = "" if name in params.grid else getattr(params, name)
        files = locate(str(resolve(source)))
        choose_prefixes(files, st_format.read(files), requested["query"], requested["passage"])


def load_encoder(params: Params, source: str) -> DualEncoder:
    """Load the encoder at ``source`` as ``params`` want it, on this process's device.

    Pooling, prefixes, length, dropout, projection and precision are those of ``params``.
    """
    # Importing transformers takes seconds that the rest of a study need not spend.
    from hybridlib.distributed import processes
    from hybridlib.model.encoder import DualEncoder

    encoder = DualEncoder.load(
        source,
        params.pooling,
        params.query_prefix,
        params.passage_prefix,
        params.max_length,
        params.dropout,
        params.projection,
        params.seed,
    )
    encoder.encode_precision = params.encode_precision
    return encoder.to(processes().device)


def _make_built_in(study: Study, folder: Path) -> None:
    """Write a small transformer that knows some translations."""
    from transformers import PreTrainedTokenizerFast  # takes seconds to import

    from hybridlib.data.phrasings import translations
    from hybridlib.model.built_in import make_encoder
    from hybridlib.model.defaults import DEFAULT_LENGTH

    params = study.params
    shutil.rmtree(folder, ignore_errors=True)
    make_encoder(
        PreTrainedTokenizerFast.from_pretrained(study.data / "tokenizer"),
        folder,
        params.seed,
        params.hidden_size,
        params.layers,
        params.attention_heads,
        params.max_length or DEFAULT_LENGTH,
        translations(params.languages),
    )
