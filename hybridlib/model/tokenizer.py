"""The tokenizer of an encoder, without the encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hybridlib.errors import InputError
from hybridlib.model import st_format
from hybridlib.model.source import locate, one_line, refuse_pointers


def load_tokenize(name: str) -> Callable[[str], list[str]]:
    """Return the function from a text to its subwords of an encoder's tokenizer.

    Args:
        name: a folder with a tokenizer, or a hub id (``name`` or ``name@revision``).

    Raises:
        InputError: there is no such folder or id, or no tokenizer in it.
    """
    from transformers import AutoTokenizer  # takes seconds to import

    source = locate(name)
    folder = source.folder / st_format.read(source).subfolder
    refuse_pointers(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of any kind, as transformers raises for a malformed file
        raise InputError(
            f"{name}: no tokenizer can be loaded ({type(error).__name__}: {one_line(error)}); "
            "give an encoder's folder or hub id"
        ) from None
    # Without tokenizer files transformers makes up one that has special tokens only.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise InputError(f"{name}: has no tokenizer; give an encoder's folder or hub id")
    return tokenizer.tokenize


def learn_tokenize(texts: Iterable[str], vocab_size: int) -> Callable[[str], list[str]]:
    """Return the same of a byte-pair tokenizer that is learned from texts.

    Args:
        texts: what the subwords are learned from; the same texts give the same subwords.
        vocab_size: subwords at most, or as many as the texts have different characters.
    """
    from hybridlib.model.built_in import make_tokenizer

    kept = list(texts)
    characters = len(set("".join(kept)))
    return make_tokenizer(kept, max(vocab_size, 2 * characters)).tokenize
