"""Every parameter of a run, once: name, type, default, meaning, unit and range.

Those of training and evaluation are here; those of the study, its data and its encoders in
:mod:`hybridlib.config.study_fields`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hybridlib.config.study_fields import (
    StudyFields,
    evaluation_field,
    study_field,
    training_field,
)

Width = Annotated[int, Field(ge=1)]  # of a vector
Weight = Annotated[float, Field(gt=0, le=1000)]


class Fields(StudyFields):
    """All parameters as fields; :class:`hybridlib.config.params.Params` adds what checks them."""

    # Training

    alpha: float = training_field(
        0.5,
        "`hybrid`: probability that a batch is monolingual (paper: flat in 0.4-0.6)",
        unit="probability",
        ge=0,
        le=1,
    )
    language_draw: Literal["uniform", "size"] = training_field(
        "uniform",
        "`x-x-mono`, `hybrid`, `code-switched`: languages of monolingual batches drawn alike, or "
        "by their number of pairs",
    )
    dataset_tau: float = training_field(
        1.0,
        "several training sets: a batch is drawn from set d with probability proportional to "
        "pairs(d)^tau; 0 draws them alike",
        unit="exponent",
        ge=0,
        le=1,
    )
    switch_probability: float = training_field(
        0.5,
        "`code-switched`: probability that a word is replaced by a translation",
        unit="probability",
        ge=0,
        le=1,
    )
    switch_sides: Literal["both", "query", "passage"] = training_field(
        "both", "`code-switched`: whose words are replaced"
    )
    lexicon_path: Path | None = training_field(
        None,
        "`code-switched`: folder of MUSE word lists such as en-de.txt; null makes a lexicon from "
        "the translations in the training pairs",
    )
    steps: int = training_field(120, "optimizer steps", unit="batches", ge=1)
    batch_size: int = training_field(64, "pairs per batch, over all processes", unit="pairs", ge=2)
    learning_rate: float | None = training_field(
        None,
        "peak learning rate of AdamW; null: 3e-3 for the built-in encoder, else the paper's 3e-5",
        gt=0,
        lt=1,
    )
    weight_decay: float = training_field(
        0.01, "AdamW weight decay on matrices (not on biases and norms)", ge=0, lt=1
    )
    warmup_fraction: float = training_field(
        0.1,
        "share of the steps with rising learning rate; then it falls linearly to 0",
        unit="of steps",
        ge=0,
        lt=1,
    )
    schedule: Literal["linear", "cosine", "constant"] = training_field(
        "linear", "learning rate after the warm-up: down to 0 in a line or a cosine, or as it is"
    )
    temperature: float = training_field(
        0.05, "InfoNCE temperature (the paper prints none)", gt=0, le=10
    )
    learn_temperature: bool = training_field(
        False, "train the temperature too, from `temperature` on, never below 0.01"
    )
    bidirectional: bool = training_field(
        False,
        "mean of the losses query to passage and passage to query, instead of the first alone",
    )
    anchor_weight: float = training_field(
        0.0,
        "weight of the consensus anchor: the mean of 1 - cosine between each text's vector and the "
        "untrained encoder's unit mean over its translations, added to InfoNCE; 0: none, try 4",
        ge=0,
        le=1000,
    )
    anchor_filter_k: float | None = training_field(
        None,
        "`anchor_weight`: take the means over vectors that the correction `filter` has changed "
        "with this k, fitted on the same vectors; null: over plain vectors",
        gt=0,
        le=1000,
    )
    consistency_weight: float = training_field(
        0.0,
        "weight of consistency: the Jensen-Shannon divergence between a question's scores of the "
        "batch's passages and those of a translation of it, added to InfoNCE; 0: none",
        ge=0,
        le=1000,
    )
    explicit_negatives: bool = training_field(
        True, "where the training pairs have a column `negative` or `negatives`: train with it"
    )
    negative_language: Literal["question", "passage"] | None = training_field(
        None,
        "explicit negatives of cross-lingual batches: in the question's language or the passage's; "
        "null: the question's with paragraph_negatives, else the passage's",
    )
    distill: Literal["kl", "margin"] | None = training_field(
        None,
        "add the distance from a teacher's scores (column `scores`) of a question's own passage "
        "and explicit negatives: KL divergence, or mean squared error of the margins; null: none",
    )
    distill_weight: float = training_field(
        1.0, "`distill`: weight of the added loss", ge=0, le=1000
    )
    distill_temperature: float | None = training_field(
        None,
        "`distill`: what the teacher's scores are divided by; null: `temperature`, for cosines",
        gt=0,
        le=1000,
    )
    matryoshka_dims: list[Width] = training_field(
        [],
        "widths at which the loss is computed, each on so many first components of the vectors, at "
        "length 1; the whole loss is their sum (Matryoshka, arXiv 2205.13147). Name the full width "
        "too; []: at the full width alone",
        unit="dimensions",
    )
    matryoshka_weights: list[Weight] | None = training_field(
        None, "`matryoshka_dims`: the weight of each width's loss in the sum; null: 1 each"
    )
    cached_gradients: bool = training_field(
        False,
        "encode each batch twice, in micro-batches: a large batch in the memory of a small one "
        "(GradCache)",
    )
    train_tokens: int | None = training_field(
        None,
        "budget of a micro-batch in training; changes speed and, with cached_gradients, memory, "
        "not the loss; null: 2,048, on a GPU 16,384",
        unit="tokens",
        ge=16,
    )
    max_grad_norm: float = training_field(1.0, "gradients are clipped to this norm", gt=0)
    trained_share: float = training_field(
        1.0,
        "below 1 the model is an average of the trained weights, with this share, and of those "
        "that training began with (arXiv 2109.01903)",
        unit="share",
        ge=0,
        le=1,
    )
    soup_of: list[str] = training_field(
        [],
        "`soup`: names of `systems` whose runs are averaged (arXiv 2203.05482)",
    )
    soup_seeds: int = training_field(
        1,
        "`soup`: how many seeds of each are averaged; 1: the soup's own. With n, the soup of seed "
        "s takes the seeds s*n to s*n + n - 1, so that two soups have none in common",
        unit="seeds",
        ge=1,
    )
    soup_share: float = training_field(
        1.0,
        "`soup`: of the mean movement of their weights that is taken; 1: the mean of the trained "
        "weights",
        unit="share",
        gt=0,
        le=4,
    )
    dropout: float | None = training_field(
        None,
        "every dropout of the encoder; null takes what its config says (the built-in one: 0)",
        unit="probability",
        ge=0,
        lt=1,
    )
    lora_rank: int | None = training_field(
        None,
        "train adapters of this rank (LoRA, arXiv 2106.09685) instead of the transformer's own "
        "weights; null: none. It needs the extra `lora`",
        ge=1,
        le=1024,
    )
    lora_alpha: float = training_field(
        16.0,
        "`lora_rank`: an adapter's output is multiplied by this, and divided by the rank",
        gt=0,
    )
    lora_targets: list[str] | Literal["all-linear"] | None = training_field(
        None,
        "`lora_rank`: linear layers with adapters, by the ends of their names, or `all-linear`; "
        "null: those that peft takes for the architecture, and where it knows none all",
    )
    lora_save: Literal["merged", "adapter"] = training_field(
        "merged",
        "`lora_rank`: write a whole encoder, or an adapter that needs the encoder it began with",
    )
    freeze_embeddings: bool = training_field(
        False, "leave the embeddings (of tokens, positions and types) as they are"
    )
    freeze_layers: int = training_field(
        0, "leave the first so many transformer layers as they are", unit="layers", ge=0
    )
    precision: Literal["fp32", "bf16", "fp16"] = training_field(
        "fp32", "number format of the forward pass"
    )
    encode_precision: Literal["fp32", "bf16", "int8"] = training_field(
        "fp32",
        "number format in which texts are encoded for validation and evaluation; bf16 is about "
        "twice as fast where the processor has it; int8 is for a CPU that has no bf16",
    )
    validate_every: int | None = training_field(
        40,
        "validation mAP before the first step, at every so many steps and at the end; null: at "
        "the end alone",
        unit="steps",
        ge=1,
    )
    keep_best: bool = training_field(
        False,
        "keep the weights with the best validation (mean mAP of the three settings), instead of "
        "the last",
    )
    patience: int | None = training_field(
        None,
        "stop after so many validations without a better one; null: never",
        unit="validations",
        ge=1,
    )
    checkpoint_every: int | None = study_field(
        None, "write a checkpoint every so many steps; null: never", unit="steps", ge=1
    )
    keep_checkpoints: int = study_field(
        2, "checkpoints to keep while training; a finished run needs none", ge=1
    )
    resume: Literal["same", "changed", "never"] = study_field(
        "same",
        "go on from the newest checkpoint: only with the same parameters and data, also with "
        "changed ones, or begin anew",
    )
    trackers: list[str] = study_field(
        [], "Accelerate trackers to log to beside training.jsonl, for example `tensorboard`"
    )

    # Evaluation and language bias

    encode_tokens: int | None = evaluation_field(
        None,
        "budget of a micro-batch while encoding; changes speed and memory, not the vectors; null: "
        "2,048, on a GPU 65,536",
        unit="tokens",
        ge=16,
    )
    vectors: Literal["memory", "disk"] = evaluation_field(
        "memory",
        "where the candidates' vectors are held; `disk`, as float16, for a corpus larger than "
        "memory: its scores differ by about 0.00001, and a killed evaluation goes on",
    )
    score_block: int = evaluation_field(
        256, "queries scored at a time; changes memory, not the ranks", unit="queries", ge=1
    )
    corrections: list[str] = evaluation_field(
        ["centering", "centering+filter"],
        "training-free corrections to report beside the plain figures: centering, lir, shift, "
        "filter, or a chain such as centering+filter; fitted on training pairs and parallel text, "
        "with @candidates behind it on the candidates",
    )
    correction_texts: int | None = evaluation_field(
        4000,
        "fit corrections on about so many questions and passages of the training pairs, drawn by "
        "whole groups of translations; null: all",
        unit="texts",
        ge=1,
    )
    parallel_path: Path | None = evaluation_field(
        None,
        "parallel text to fit corrections on, too, for example of languages without training "
        "pairs: a folder of aligned <lang>.txt (one passage a line), a table of training pairs, or "
        "`ntrex` to download NTREX-128",
    )
    parallel_passages: int | None = evaluation_field(
        None, "only the first so many passages of it; null: all", unit="passages", ge=1
    )
    lir_directions: int = evaluation_field(
        1, "principal directions of each language that `lir` removes", unit="directions", ge=1
    )
    filter_k: float = evaluation_field(
        0.1,
        "how much `filter` damps what translations of a text differ by",
        gt=0,
        le=1000,
    )
    filter_shrinkage: float = evaluation_field(
        0.1,
        "share by which `filter` moves its covariances towards equal variances; higher for few "
        "texts",
        unit="share",
        ge=0,
        lt=1,
    )
    truncate_dims: list[Width] = evaluation_field(
        [],
        "evaluate vectors that are cut to so many first components as well, at length 1",
        unit="dimensions",
    )
    top_k: int = evaluation_field(
        10,
        "depth of the language-share matrix and of recall in the multilingual setting",
        unit="candidates",
        ge=1,
        le=1000,
    )
