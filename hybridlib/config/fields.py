"""Every parameter of a run, once: name, type, default, meaning, unit and range.

The helper that makes a field (``_training`` and its like) says which step of a study is the
first to depend on the parameter.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hybridlib.config.names import XQUAD_LANGUAGES

Step = Literal[
    "study", "data", "train-data", "eval-data", "training", "evaluation", "bias", "comparison"
]


def _param(step: Step, default: Any, meaning: str, *, unit: str = "", **limits: Any) -> Any:
    """Make a pydantic field that carries its meaning, its unit and its step."""
    extra: dict[str, Any] = {"step": step, "unit": unit}
    return Field(default=default, description=meaning, json_schema_extra=extra, **limits)


_study = partial(_param, "study")
_data = partial(_param, "data")
_train_data = partial(_param, "train-data")
_eval_data = partial(_param, "eval-data")
_training = partial(_param, "training")
_evaluation = partial(_param, "evaluation")


class Fields(BaseModel):
    """The parameters as fields; :class:`hybridlib.config.params.Params` adds what checks them.

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

    study: str = _study(
        "quickstart",
        "name of the study: its folder under output_dir",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    output_dir: Path = _study(
        Path("outputs"), "folder that holds the studies; relative paths start at the project folder"
    )
    encoders: list[str] = _study(
        ["built-in"], "grid: encoders to run, each a value of `encoder`", min_length=1
    )
    strategies: list[str] = _study(
        ["untrained", "x-x-mono", "x-y", "hybrid"],
        "grid: batch strategies to run, each a value of `strategy`",
        min_length=1,
    )
    seeds: list[int] = _study([0, 1, 2], "grid: seeds to run, each a value of `seed`", min_length=1)
    grid: dict[str, list[Any]] = _study(
        {},
        "grid: further parameters to vary, each with its values, such as `alpha: [0.25, 0.5]`; a "
        "run is named after those of them that differ from their default",
    )
    systems: list[dict[str, Any]] = _study(
        [],
        "grid: what to compare, instead of `strategies` and `grid`: entries with a `name` of one's "
        "own, a `strategy`, parameters that this one has for itself, and perhaps `seeds`",
    )
    system: str | None = _study(
        None, "name of this run's entry in `systems` (what a study sets); null: of none"
    )
    also_evaluate: list[dict[str, Any]] = _study(
        [],
        "further evaluations of the trained runs: evaluation parameters, at least eval_corpus; "
        "each a study of its own, `<study>-<eval_corpus>`",
    )
    trained_in: str | None = _study(
        None,
        "evaluate the runs that this study has trained, instead of training (what also_evaluate "
        "sets)",
    )
    jobs: int = _study(1, "grid: runs at a time, each on its share of the cores", ge=1)
    plugins: list[str] = _study(
        [],
        "Python files of one's own that register batch strategies; imported before anything else",
    )

    # This run: one cell of the grid

    encoder: str = _training(
        "built-in",
        "`built-in` (a small transformer made here), a transformers folder, or a hub id (`name` "
        "or `name@revision`)",
        min_length=1,
    )
    strategy: str = _training(
        "hybrid", "batch strategy, or `untrained`; `hybridlib strategies` lists them"
    )
    seed: int = _training(0, "seed of initialisation, batches and dropout", ge=0, lt=2**31)

    # Data

    train_corpus: str | list[str] = _train_data(
        "facts",
        "training pairs: `facts` (built in), `pairs` (a table), `xquad-r` or another kind of "
        "docs/training_data.md; or a list of several",
    )
    train_corpus_path: Path | list[Path | None] | None = _train_data(
        None,
        "file or folder of the training pairs, null for `facts`; a list as long as train_corpus "
        "if that is one",
    )
    eval_corpus: str = _eval_data(
        "facts",
        "evaluation corpus: `facts`, `pairs`, `xquad-r`, `mlqa-r`, `folder` (one's own queries, "
        "passages and qrels) or `miracl`; docs/corpora.md",
    )
    eval_corpus_path: Path | None = _eval_data(
        None, "file or folder of the evaluation corpus (`miracl`: or its hub id); none for `facts`"
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
    hidden_size: int = _training(
        128, "width of the built-in encoder", unit="units", ge=8, multiple_of=8
    )
    layers: int = _training(1, "transformer layers of the built-in encoder", ge=1, le=48)
    attention_heads: int = _training(
        4, "attention heads of the built-in encoder; divides hidden_size", ge=1
    )

    # How any encoder is used

    pooling: Literal["mean", "cls"] | None = _training(
        None,
        "token vectors to one text vector; null takes what the encoder's folder says, else mean",
    )
    projection: int | None = _training(
        None,
        "width of a linear layer behind the pooling, where the encoder's folder names none; null:"
        " none",
        unit="units",
        ge=1,
    )
    query_prefix: str | None = _training(
        None,
        "put before every query; null takes what the encoder's folder says, else that of its "
        "family (E5: 'query: '), else the paper's 'Query: '",
    )
    passage_prefix: str | None = _training(
        None,
        "put before every passage; null takes what the encoder's folder says, else that of its "
        "family (E5: 'passage: '), else the paper's 'Passage: '",
    )
    max_length: int | None = _training(
        None,
        "longer texts are cut; null takes what the encoder's folder says, else 128",
        unit="tokens",
        ge=4,
        le=8192,
    )

    # Training

    alpha: float = _training(
        0.5,
        "`hybrid`: probability that a batch is monolingual (paper: flat in 0.4-0.6)",
        unit="probability",
        ge=0,
        le=1,
    )
    language_draw: Literal["uniform", "size"] = _training(
        "uniform",
        "`x-x-mono`, `hybrid`, `code-switched`: languages of monolingual batches drawn alike, or "
        "by their number of pairs",
    )
    dataset_tau: float = _training(
        1.0,
        "several training sets: a batch is drawn from set d with probability proportional to "
        "pairs(d)^tau; 0 draws them alike",
        unit="exponent",
        ge=0,
        le=1,
    )
    switch_probability: float = _training(
        0.5,
        "`code-switched`: probability that a word is replaced by a translation",
        unit="probability",
        ge=0,
        le=1,
    )
    switch_sides: Literal["both", "query", "passage"] = _training(
        "both", "`code-switched`: whose words are replaced"
    )
    lexicon_path: Path | None = _training(
        None,
        "`code-switched`: folder of MUSE word lists such as en-de.txt; null makes a lexicon from "
        "the translations in the training pairs",
    )
    steps: int = _training(120, "optimizer steps", unit="batches", ge=1)
    batch_size: int = _training(64, "pairs per batch, over all processes", unit="pairs", ge=2)
    learning_rate: float | None = _training(
        None,
        "peak learning rate of AdamW; null: 3e-3 for the built-in encoder, else the paper's 3e-5",
        gt=0,
        lt=1,
    )
    weight_decay: float = _training(
        0.01, "AdamW weight decay on matrices (not on biases and norms)", ge=0, lt=1
    )
    warmup_fraction: float = _training(
        0.1,
        "share of the steps with rising learning rate; then it falls linearly to 0",
        unit="of steps",
        ge=0,
        lt=1,
    )
    schedule: Literal["linear", "cosine", "constant"] = _training(
        "linear", "learning rate after the warm-up: down to 0 in a line or a cosine, or as it is"
    )
    temperature: float = _training(0.05, "InfoNCE temperature (the paper prints none)", gt=0, le=10)
    learn_temperature: bool = _training(
        False, "train the temperature too, from `temperature` on, never below 0.01"
    )
    bidirectional: bool = _training(
        False,
        "mean of the losses query to passage and passage to query, instead of the first alone",
    )
    anchor_weight: float = _training(
        0.0,
        "weight of the consensus anchor: the mean of 1 - cosine between each text's vector and the "
        "untrained encoder's unit mean over its translations, added to InfoNCE; 0: none, try 4",
        ge=0,
        le=1000,
    )
    consistency_weight: float = _training(
        0.0,
        "weight of consistency: the Jensen-Shannon divergence between a question's scores of the "
        "batch's passages and those of a translation of it, added to InfoNCE; 0: none",
        ge=0,
        le=1000,
    )
    negative_language: Literal["question", "passage"] | None = _training(
        None,
        "explicit negatives of cross-lingual batches: in the question's language or the passage's; "
        "null: the question's with paragraph_negatives, else the passage's",
    )
    cached_gradients: bool = _training(
        False,
        "encode each batch twice, in micro-batches: a large batch in the memory of a small one "
        "(GradCache)",
    )
    train_tokens: int = _training(
        2048,
        "budget of a micro-batch in training; changes speed and, with cached_gradients, memory, "
        "not the loss",
        unit="tokens",
        ge=16,
    )
    max_grad_norm: float = _training(1.0, "gradients are clipped to this norm", gt=0)
    trained_share: float = _training(
        1.0,
        "below 1 the model is an average of the trained weights, with this share, and of those "
        "that training began with (arXiv 2109.01903)",
        unit="share",
        ge=0,
        le=1,
    )
    dropout: float | None = _training(
        None,
        "every dropout of the encoder; null takes what its config says (the built-in one: 0)",
        unit="probability",
        ge=0,
        lt=1,
    )
    freeze_embeddings: bool = _training(
        False, "leave the embeddings (of tokens, positions and types) as they are"
    )
    freeze_layers: int = _training(
        0, "leave the first so many transformer layers as they are", unit="layers", ge=0
    )
    precision: Literal["fp32", "bf16", "fp16"] = _training(
        "fp32", "number format of the forward pass"
    )
    encode_precision: Literal["fp32", "bf16"] = _training(
        "fp32",
        "number format in which texts are encoded for validation and evaluation; bf16 is about "
        "twice as fast where the processor has it",
    )
    validate_every: int | None = _training(
        40,
        "validation mAP before the first step, at every so many steps and at the end; null: at "
        "the end alone",
        unit="steps",
        ge=1,
    )
    keep_best: bool = _training(
        False,
        "keep the weights with the best validation (mean mAP of the three settings), instead of "
        "the last",
    )
    patience: int | None = _training(
        None,
        "stop after so many validations without a better one; null: never",
        unit="validations",
        ge=1,
    )
    checkpoint_every: int | None = _study(
        None, "write a checkpoint every so many steps; null: never", unit="steps", ge=1
    )
    keep_checkpoints: int = _study(
        2, "checkpoints to keep while training; a finished run needs none", ge=1
    )
    resume: Literal["same", "changed", "never"] = _study(
        "same",
        "go on from the newest checkpoint: only with the same parameters and data, also with "
        "changed ones, or begin anew",
    )
    trackers: list[str] = _study(
        [], "Accelerate trackers to log to beside training.jsonl, for example `tensorboard`"
    )

    # Evaluation and language bias

    encode_tokens: int = _evaluation(
        8192,
        "budget of a micro-batch while encoding; changes speed and memory, not the vectors",
        unit="tokens",
        ge=16,
    )
    score_block: int = _evaluation(
        256, "queries scored at a time; changes memory, not the ranks", unit="queries", ge=1
    )
    corrections: list[str] = _evaluation(
        ["centering", "lir"],
        "training-free corrections to report beside the plain figures: centering, lir, shift, "
        "filter, or a chain such as centering+filter; fitted on training pairs and parallel text, "
        "with @candidates behind it on the candidates",
    )
    correction_texts: int | None = _evaluation(
        4000,
        "fit corrections on about so many questions and passages of the training pairs, drawn by "
        "whole groups of translations; null: all",
        unit="texts",
        ge=1,
    )
    parallel_path: Path | None = _evaluation(
        None,
        "parallel text to fit corrections on, too, for example of languages without training "
        "pairs: a folder of aligned <lang>.txt (one passage a line), or a table of training pairs",
    )
    parallel_passages: int | None = _evaluation(
        None, "only the first so many passages of it; null: all", unit="passages", ge=1
    )
    lir_directions: int = _evaluation(
        1, "principal directions of each language that `lir` removes", unit="directions", ge=1
    )
    filter_k: float = _evaluation(
        0.1,
        "how much `filter` damps what translations of a text differ by",
        gt=0,
        le=1000,
    )
    filter_shrinkage: float = _evaluation(
        0.1,
        "share by which `filter` moves its covariances towards equal variances; higher for few "
        "texts",
        unit="share",
        ge=0,
        lt=1,
    )
    top_k: int = _evaluation(
        10,
        "depth of the language-share matrix and of recall in the multilingual setting",
        unit="candidates",
        ge=1,
        le=1000,
    )
