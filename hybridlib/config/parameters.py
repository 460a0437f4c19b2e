"""Every parameter of a run, once: name, type, unit, range, default and meaning.

A parameter file (YAML), ``hybridlib run -p``, papermill's ``-p`` and a notebook's first cell all end in
:class:`Params`, which refuses unknown keys, wrong types and impossible values before anything runs.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

BUILT_IN = "built-in"


XQUAD_LANGUAGES = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]


Step = Literal[
    "study", "data", "train-data", "eval-data", "training", "evaluation", "bias", "comparison"
]


SECTIONS = {  # the first parameter of each part of the list below
    "study": "Where results go, and the grid of runs",
    "encoder": "This run: one cell of the grid",
    "train_corpus": "Data",
    "vocab_size": "The built-in encoder",
    "pooling": "How any encoder is used",
    "alpha": "Training",
    "encode_tokens": "Evaluation and language bias",
}


def _param(default: Any, step: Step, meaning: str, unit: str = "", **limits: Any) -> Any:
    """A pydantic field; ``step`` is the first step of a study whose result depends on it."""
    return Field(
        default=default,
        description=meaning,
        json_schema_extra={"step": step, "unit": unit},
        **limits,
    )


HUB_SETS = ("mmarco", "miracl-train", "mr-tydi", "mfaq")


TRAIN_CORPORA = ("facts", "pairs", "xquad-r", "mlqa-r", "squad", "parallel", *HUB_SETS)


EVAL_CORPORA = ("facts", "pairs", "xquad-r", "mlqa-r", "folder", "miracl")


UNTRAINED = "untrained"
