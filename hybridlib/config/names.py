"""Names that parameters may take as values and that several rooms share."""

from __future__ import annotations

import re
from typing import Literal, get_args

BUILT_IN = "built-in"  # the encoder made here
UNTRAINED = "untrained"  # the strategy that trains nothing
BM25 = "bm25"  # the strategy that searches by words, without an encoder
SOUP = "soup"  # the strategy that averages the weights of other systems
NO_TRAINING = (UNTRAINED, BM25)
NO_BATCHES = (*NO_TRAINING, SOUP)

Pooling = Literal["mean", "cls", "last"]  # of the vectors of a text's tokens
POOLINGS = get_args(Pooling)

XQUAD_LANGUAGES = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]

LAREQA = ("xquad-r", "mlqa-r")
NO_PATH = ("facts", *LAREQA)  # built in, or downloaded where no path is given
HUB_SETS = ("mmarco", "miracl-train", "mr-tydi", "mfaq")
TRAIN_CORPORA = ("facts", "pairs", *LAREQA, "squad", "parallel", *HUB_SETS)
EVAL_CORPORA = (
    "facts",
    "pairs",
    *LAREQA,
    "folder",
    "miracl",
    "belebele",
    "neuclir",
    "mkqa",
    "ir-datasets",
)

RUN_VECTORS = "vectors"  # the folder of a run's vectors on disk (`vectors: disk`)

LANGUAGE_RULE = (
    "it cannot be a language: use letters, digits, '-', '_' and '.' (results name files by it), a "
    "letter or digit first, 40 at most, and not 'all', which means all languages pooled"
)


def can_be_language(name: str) -> bool:
    """Return whether a name can be that of a language (:data:`LANGUAGE_RULE`)."""
    return name != "all" and re.fullmatch(r"\w[\w.-]{,39}", name) is not None
