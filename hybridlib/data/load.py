"""Evaluation corpora by their name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hybridlib.config.names import EVAL_CORPORA, LAREQA, NO_PATH
from hybridlib.data import cldr
from hybridlib.data.belebele import load_belebele
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.data.facts import all_facts, split_facts
from hybridlib.data.facts_corpus import searched_pairs
from hybridlib.data.folder import load_folder
from hybridlib.data.ir_datasets_corpus import load_ir_datasets
from hybridlib.data.lareqa import load_lareqa
from hybridlib.data.miracl import load_miracl
from hybridlib.data.mkqa import load_mkqa
from hybridlib.data.neuclir import load_neuclir
from hybridlib.data.pairs import load_pairs
from hybridlib.data.published import fetch
from hybridlib.errors import InputError
from hybridlib.files import resolve


def load_corpus(
    name: str,
    path: str | Path | None = None,
    languages: Sequence[str] | None = None,
    *,
    candidate_text: str = "sentence",
    data_seed: int = 0,
    validation_fraction: float = 0.05,
    test_fraction: float = 0.1,
) -> RetrievalCorpus:
    """Load an evaluation corpus.

    Args:
        name: ``facts`` (built in), ``pairs`` (a table of training pairs), ``xquad-r`` or
            ``mlqa-r`` (LAReQA), ``folder`` (queries, passages and qrels of the user), or a
            published one: ``miracl``, ``belebele``, ``neuclir``, ``mkqa`` or ``ir-datasets``.
            docs/corpora.md describes their files.
        path: file or folder of the corpus, or an id of it; a relative path starts at the project
            folder. None for ``facts``; LAReQA's sets are then downloaded
            (:mod:`hybridlib.data.published`).
        languages: the languages of queries and candidates; None takes all of the corpus.
        candidate_text: LAReQA: ``sentence``, or ``context``: the sentence and its paragraph.
        data_seed: ``facts``: seed of the split and of the phrasings.
        validation_fraction: ``facts``: share of the facts that is kept for validation.
        test_fraction: ``facts``: share of the facts that is kept for evaluation.

    Raises:
        InputError: an unknown name, a path that is missing or not needed, or files that cannot be
            read as this corpus.

    Example:
        >>> corpus = load_corpus("facts", languages=["de", "en"])
        >>> corpus.languages, len(corpus.queries), len(corpus.candidates)
        (['de', 'en'], 360, 3590)
    """
    _check_arguments(name, path, candidate_text, languages)
    languages = None if languages is None else sorted(set(languages))
    if name == "facts":
        splits = split_facts(all_facts(), data_seed, validation_fraction, test_fraction)
        others = [*splits["train"], *splits["validation"]]
        wanted = languages or cldr.LANGUAGES
        pairs = searched_pairs(splits["test"], others, wanted, data_seed)
        return corpus_from_pairs("facts", pairs)
    resolved = fetch(name) if path is None else resolve(path)
    if name == "pairs":
        return corpus_from_pairs(resolved.stem, load_pairs(resolved)).restrict(languages)
    if name in LAREQA:
        return load_lareqa(resolved, name, languages, candidate_text)
    readers: dict[str, Callable[..., RetrievalCorpus]] = {
        "folder": load_folder,
        "miracl": load_miracl,
        "belebele": load_belebele,
        "neuclir": load_neuclir,
        "mkqa": load_mkqa,
        "ir-datasets": load_ir_datasets,
    }
    # A path that does not exist may be an id of the hub or of ir_datasets.
    has_ids = name in ("miracl", "belebele", "ir-datasets") and not resolved.exists()
    return readers[name](str(path) if has_ids else resolved, languages)


def _check_arguments(
    name: str,
    path: str | Path | None,
    candidate_text: str,
    languages: Sequence[str] | None,
) -> None:
    """Check what :func:`load_corpus` is given."""
    if name not in EVAL_CORPORA:
        raise InputError(f"no corpus is called {name!r}; there are {', '.join(EVAL_CORPORA)}")
    if name == "facts" and path is not None:
        raise InputError(f"the built-in facts take no path, got {str(path)!r}")
    if name not in NO_PATH and path is None:
        raise InputError(f"{name!r} needs the path of its file or folder")
    if path is not None and not str(path).strip():
        raise InputError(f"{name!r}: the path is empty; give its file or folder")
    if languages is not None:
        is_list = not isinstance(languages, str) and all(isinstance(x, str) for x in languages)
        if not is_list or not len(languages):
            raise InputError(
                f"languages={languages!r} must be a list of names, such as ['de', 'en']; None "
                "takes all of the corpus"
            )
    if candidate_text not in ("sentence", "context"):
        raise InputError(
            f"candidate_text={candidate_text!r} must be 'sentence' or 'context' (LAReQA only)"
        )
