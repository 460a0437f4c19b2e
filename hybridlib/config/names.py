"""Names that parameters may take as values and that several rooms share."""

from __future__ import annotations

BUILT_IN = "built-in"  # the encoder made here
UNTRAINED = "untrained"  # the strategy that trains nothing

XQUAD_LANGUAGES = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]

HUB_SETS = ("mmarco", "miracl-train", "mr-tydi", "mfaq")
TRAIN_CORPORA = ("facts", "pairs", "xquad-r", "mlqa-r", "squad", "parallel", *HUB_SETS)
EVAL_CORPORA = ("facts", "pairs", "xquad-r", "mlqa-r", "folder", "miracl")
