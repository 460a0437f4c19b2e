"""The parameters of a study, its data and its encoders: the first half of the fields.

The helper that makes a field (``training_field`` and its like) says which step of a study is the
first to depend on the parameter.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hybridlib.config.names import XQUAD_LANGUAGES, Pooling

Step = Literal[
    "study", "data", "train-data", "eval-data", "training", "evaluation", "bias", "comparison"
]


def _param(step: Step, default: Any, meaning: str, *, unit: str = "", **limits: Any) -> Any:
    """Make a pydantic field that carries its meaning, its unit and its step."""
    extra: dict[str, Any] = {"step": step, "unit": unit}
    return Field(default=default, description=meaning, json_schema_extra=extra, **limits)


study_field = partial(_param, "study")
_data = partial(_param, "data")
_train_data = partial(_param, "train-data")
_eval_data = partial(_param, "eval-data")
training_field = partial(_param, "training")
evaluation_field = partial(_param, "evaluation")


class StudyFields(BaseModel):
    """The parameters of a study, its data and its encoders.

    They are flat on purpose: a field here is a key of a YAML file and of papermill's ``-p``.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    # Where results go, and the grid of runs

    study: str = study_field(
        "quickstart",
        "name of the study: its folder under output_dir",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    output_dir: Path = study_field(
        Path("outputs"), "folder that holds the studies; relative paths start at the project folder"
    )
    encoders: list[str] = study_field(
        ["built-in"], "grid: encoders to run, each a value of `encoder`", min_length=1
    )
    strategies: list[str] = study_field(
        ["untrained", "x-x-mono", "x-y", "hybrid"],
        "grid: batch strategies to run, each a value of `strategy`",
        min_length=1,
    )
    seeds: list[int] = study_field(
        [0, 1, 2], "grid: seeds to run, each a value of `seed`", min_length=1
    )
    grid: dict[str, list[Any]] = study_field(
        {},
        "grid: further parameters to vary, each with its values, such as `alpha: [0.25, 0.5]`; a "
        "run is named after those of them that differ from their default",
    )
    systems: list[dict[str, Any]] = study_field(
        [],
        "grid: what to compare, instead of `strategies` and `grid`: entries with a `name` of one's "
        "own, a `strategy`, parameters that this one has for itself, and perhaps `seeds`",
    )
    system: str | None = study_field(
        None, "name of this run's entry in `systems` (what a study sets); null: of none"
    )
    also_evaluate: list[dict[str, Any]] = study_field(
        [],
        "further evaluations of the trained runs: evaluation parameters, at least eval_corpus; "
        "each a study of its own, `<study>-<eval_corpus>`",
    )
    trained_in: str | None = study_field(
        None,
        "evaluate the runs that this study has trained, instead of training (what also_evaluate "
        "sets)",
    )
    jobs: int = study_field(1, "grid: runs at a time, each on its share of the cores", ge=1)
    plugins: list[str] = study_field(
        [],
        "Python files of one's own that register batch strategies; imported before anything else",
    )

    # This run: one cell of the grid

    encoder: str = training_field(
        "built-in",
        "`built-in` (a small transformer made here), a transformers folder, or a hub id (`name` "
        "or `name@revision`)",
        min_length=1,
    )
    strategy: str = training_field(
        "hybrid", "batch strategy, `untrained` or `bm25`; `hybridlib strategies` lists them"
    )
    seed: int = training_field(0, "seed of initialisation, batches and dropout", ge=0, lt=2**31)

    # Data

    train_corpus: str | list[str] = _train_data(
        "facts",
        "training pairs: `facts` (built in), `pairs` (a table), `xquad-r` or another kind of "
        "docs/training_data.md; or a list of several",
    )
    train_corpus_path: Path | list[Path | None] | None = _train_data(
        None,
        "file or folder of the training pairs, null for `facts`, and for `xquad-r` and `mlqa-r` to "
        "download them; a list as long as train_corpus if that is one",
    )
    eval_corpus: str = _eval_data(
        "facts",
        "evaluation corpus: `facts`, `pairs`, `xquad-r`, `mlqa-r`, `folder` (one's own queries, "
        "passages and qrels), `miracl`, `belebele`, `neuclir`, `mkqa` or `ir-datasets`; "
        "docs/corpora.md",
    )
    eval_corpus_path: Path | None = _eval_data(
        None,
        "file or folder of the evaluation corpus (`miracl`, `belebele`: or its hub id); null for "
        "`facts`, and for `xquad-r` and `mlqa-r` to download them",
    )
    candidate_text: Literal["sentence", "context"] = _eval_data(
        "sentence",
        "LAReQA candidates: the sentence alone, or the sentence followed by its paragraph",
    )
    languages: list[str] = _train_data(
        XQUAD_LANGUAGES, "languages to train on", unit="ISO 639-1 codes", min_length=1
    )
    eval_languages: list[str] | None = _eval_data(
        None, "languages to evaluate on; null takes all that the corpus has", unit="ISO 639-1 codes"
    )
    validation_fraction: float = _train_data(
        0.05,
        "share of the training passages kept for validation (of whole articles, where the corpus "
        "has articles)",
        gt=0,
        lt=0.5,
    )
    test_fraction: float = _data(
        0.1, "share of the facts kept for evaluation when eval_corpus is `facts`", gt=0, lt=0.5
    )
    variants: int = _train_data(
        2, "phrasings of each training fact and language", unit="question-passage pairs", ge=1, le=3
    )
    paragraph_negatives: bool = _train_data(
        False,
        "`xquad-r`, `mlqa-r`: give each pair an explicit negative, a sentence of the answer's "
        "paragraph that is not the answer",
    )
    data_seed: int = _data(
        0,
        "seed of the split and of the phrasings: the same data for every run of a study",
        ge=0,
        lt=2**31,
    )

    # The built-in encoder

    vocab_size: int = _train_data(
        8000, "vocabulary of the built-in encoder's tokenizer", unit="tokens", ge=300, le=250_000
    )
    hidden_size: int = training_field(
        128, "width of the built-in encoder", unit="units", ge=8, multiple_of=8
    )
    layers: int = training_field(1, "transformer layers of the built-in encoder", ge=1, le=48)
    attention_heads: int = training_field(
        4, "attention heads of the built-in encoder; divides hidden_size", ge=1
    )

    # How any encoder is used

    pooling: Pooling | None = training_field(
        None,
        "vectors of tokens to that of a text: their mean, the first (cls) or the last; null takes "
        "what the encoder's folder says, else last for a causal language model and mean for others",
    )
    projection: int | None = training_field(
        None,
        "width of a linear layer behind the pooling, where the encoder's folder names none; null:"
        " none",
        unit="units",
        ge=1,
    )
    query_prefix: str | None = training_field(
        None,
        "put before every query; null takes what the encoder's folder says, else that of its "
        "family (E5: 'query: '), else the paper's 'Query: '",
    )
    passage_prefix: str | None = training_field(
        None,
        "put before every passage; null takes what the encoder's folder says, else that of its "
        "family (E5: 'passage: '), else the paper's 'Passage: '",
    )
    max_length: int | None = training_field(
        None,
        "longer texts are cut; null takes what the encoder's folder says, else 128",
        unit="tokens",
        ge=4,
        le=8192,
    )
