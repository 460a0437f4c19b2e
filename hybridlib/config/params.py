"""Every parameter of a run, once: name, type, unit, range, default and meaning.

A parameter file (YAML), ``hybridlib run -p``, papermill's ``-p`` and a notebook's first cell all end in
:class:`Params`, which refuses unknown keys, wrong types and impossible values before anything runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from hybridlib.config.notebook import _parameter_cell_names
from hybridlib.config.parameters import XQUAD_LANGUAGES, _param
from hybridlib.errors import InputError


class Params(BaseModel):
    """All parameters of one run. Flat on purpose: a key here is a key of papermill's ``-p`` and of a YAML file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=()
    )

    # study: where results go, and the grid of runs
    study: str = _param(
        "quickstart",
        "study",
        "name of the study: its folder under output_dir",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    output_dir: Path = _param(
        Path("outputs"),
        "study",
        "folder that holds the studies; relative paths start at the project folder",
    )
    encoders: list[str] = _param(
        ["built-in"], "study", "grid: encoders to run, each a value of `encoder`", min_length=1
    )
    strategies: list[str] = _param(
        ["untrained", "x-x-mono", "x-y", "hybrid"],
        "study",
        "grid: batch strategies to run, each a value of `strategy`",
        min_length=1,
    )
    seeds: list[int] = _param(
        [0], "study", "grid: seeds to run, each a value of `seed`", min_length=1
    )
    also_evaluate: list[dict[str, Any]] = _param(
        [],
        "study",
        "further evaluations of the trained runs: evaluation parameters, at least eval_corpus; each a study of its own, `<study>-<eval_corpus>`",
    )
    trained_in: str | None = _param(
        None,
        "study",
        "evaluate the runs that this study has trained, instead of training (what also_evaluate sets)",
    )
    jobs: int = _param(1, "study", "grid: runs at a time, each on its share of the cores", ge=1)
    plugins: list[str] = _param(
        [],
        "study",
        "Python files of one's own that register batch strategies; imported before anything else",
    )

    # this run: one cell of the grid
    encoder: str = _param(
        "built-in",
        "training",
        "`built-in` (a small transformer made here), a transformers folder, or a hub id (`name` or `name@revision`)",
        min_length=1,
    )
    strategy: str = _param(
        "hybrid", "training", "batch strategy, or `untrained`; `hybridlib strategies` lists them"
    )
    seed: int = _param(0, "training", "seed of initialisation, batches and dropout", ge=0, lt=2**31)

    # data
    train_corpus: str | list[str] = _param(
        "facts",
        "train-data",
        "training pairs: `facts` (built in), `pairs` (a table), `xquad-r` or another kind of docs/training_data.md; or a list of several",
    )
    train_corpus_path: Path | None | list[Path | None] = _param(
        None,
        "train-data",
        "file or folder of the training pairs, null for `facts`; a list as long as train_corpus if that is one",
    )
    eval_corpus: str = _param(
        "facts",
        "eval-data",
        "evaluation corpus: `facts`, `pairs`, `xquad-r`, `mlqa-r`, `folder` (one's own queries, passages and qrels) or `miracl`; docs/corpora.md",
    )
    eval_corpus_path: Path | None = _param(
        None,
        "eval-data",
        "file or folder of the evaluation corpus (`miracl`: or its hub id); none for `facts`",
    )
    candidate_text: Literal["sentence", "context"] = _param(
        "sentence",
        "eval-data",
        "LAReQA candidates: the sentence alone, or the sentence followed by its paragraph",
    )
    languages: list[str] = _param(
        XQUAD_LANGUAGES, "train-data", "languages to train on", "ISO 639-1 codes", min_length=1
    )
    eval_languages: list[str] | None = _param(
        None,
        "eval-data",
        "languages to evaluate on; null takes all that the corpus has",
        "ISO 639-1 codes",
    )
    validation_fraction: float = _param(
        0.05,
        "train-data",
        "share of the training passages kept for validation (of whole articles, where the corpus has articles)",
        gt=0,
        lt=0.5,
    )
    test_fraction: float = _param(
        0.1,
        "data",
        "share of the facts kept for evaluation when eval_corpus is `facts`",
        gt=0,
        lt=0.5,
    )
    variants: int = _param(
        3,
        "train-data",
        "phrasings of each training fact and language",
        "question-passage pairs",
        ge=1,
        le=3,
    )
    data_seed: int = _param(
        0,
        "data",
        "seed of the split and of the phrasings: the same data for every run of a study",
        ge=0,
        lt=2**31,
    )

    # the built-in encoder
    vocab_size: int = _param(
        8000,
        "train-data",
        "vocabulary of the built-in encoder's tokenizer",
        "tokens",
        ge=300,
        le=250_000,
    )
    hidden_size: int = _param(
        128, "training", "width of the built-in encoder", "units", ge=8, multiple_of=8
    )
    layers: int = _param(1, "training", "transformer layers of the built-in encoder", ge=1, le=48)
    attention_heads: int = _param(
        4, "training", "attention heads of the built-in encoder; divides hidden_size", ge=1
    )

    # how any encoder is used
    pooling: Literal["mean", "cls"] | None = _param(
        None,
        "training",
        "token vectors to one text vector; null takes what the encoder's folder says, else mean",
    )
    projection: int | None = _param(
        None,
        "training",
        "width of a linear layer behind the pooling, where the encoder's folder names none; null: none",
        "units",
        ge=1,
    )
    query_prefix: str | None = _param(
        None,
        "training",
        "put before every query; null takes what the encoder's folder says, else the paper's 'Query: '",
    )
    passage_prefix: str | None = _param(
        None,
        "training",
        "put before every passage; null takes what the encoder's folder says, else the paper's 'Passage: '",
    )
    max_length: int | None = _param(
        None,
        "training",
        "longer texts are cut; null takes what the encoder's folder says, else 128",
        "tokens",
        ge=4,
        le=8192,
    )

    # training
    alpha: float = _param(
        0.5,
        "training",
        "`hybrid`: probability that a batch is monolingual (paper: flat in 0.4-0.6)",
        "probability",
        ge=0,
        le=1,
    )
    language_draw: Literal["uniform", "size"] = _param(
        "uniform",
        "training",
        "`x-x-mono`, `hybrid`, `code-switched`: languages of monolingual batches drawn alike, or by their number of pairs",
    )
    dataset_tau: float = _param(
        1.0,
        "training",
        "several training sets: a batch is drawn from set d with probability proportional to pairs(d)^tau; 0 draws them alike",
        "exponent",
        ge=0,
        le=1,
    )
    switch_probability: float = _param(
        0.5,
        "training",
        "`code-switched`: probability that a word is replaced by a translation",
        "probability",
        ge=0,
        le=1,
    )
    switch_sides: Literal["both", "query", "passage"] = _param(
        "both", "training", "`code-switched`: whose words are replaced"
    )
    lexicon_path: Path | None = _param(
        None,
        "training",
        "`code-switched`: folder of MUSE word lists such as en-de.txt; null makes a lexicon from the translations in the training pairs",
    )
    steps: int = _param(700, "training", "optimizer steps", "batches", ge=1)
    batch_size: int = _param(256, "training", "pairs per batch, over all processes", "pairs", ge=2)
    learning_rate: float = _param(
        3e-3,
        "training",
        "peak learning rate of AdamW (paper: 3e-5, for pretrained encoders)",
        gt=0,
        lt=1,
    )
    weight_decay: float = _param(
        0.01, "training", "AdamW weight decay on matrices (not on biases and norms)", ge=0, lt=1
    )
    warmup_fraction: float = _param(
        0.1,
        "training",
        "share of the steps with rising learning rate; then it falls linearly to 0",
        "of steps",
        ge=0,
        lt=1,
    )
    schedule: Literal["linear", "cosine", "constant"] = _param(
        "linear",
        "training",
        "learning rate after the warm-up: down to 0 in a line or a cosine, or as it is",
    )
    temperature: float = _param(
        0.05, "training", "InfoNCE temperature (the paper prints none)", gt=0, le=10
    )
    learn_temperature: bool = _param(
        False, "training", "train the temperature too, from `temperature` on, never below 0.01"
    )
    bidirectional: bool = _param(
        False,
        "training",
        "mean of the losses query to passage and passage to query, instead of the first alone",
    )
    cached_gradients: bool = _param(
        False,
        "training",
        "encode each batch twice, in micro-batches: a large batch in the memory of a small one (GradCache)",
    )
    train_tokens: int = _param(
        2048,
        "training",
        "budget of a micro-batch in training; changes speed and, with cached_gradients, memory, not the loss",
        "tokens",
        ge=16,
    )
    max_grad_norm: float = _param(1.0, "training", "gradients are clipped to this norm", gt=0)
    dropout: float | None = _param(
        None,
        "training",
        "every dropout of the encoder; null takes what its config says (the built-in one: 0)",
        "probability",
        ge=0,
        lt=1,
    )
    freeze_embeddings: bool = _param(
        False, "training", "leave the embeddings (of tokens, positions and types) as they are"
    )
    freeze_layers: int = _param(
        0, "training", "leave the first so many transformer layers as they are", "layers", ge=0
    )
    precision: Literal["fp32", "bf16", "fp16"] = _param(
        "fp32", "training", "number format of the forward pass"
    )
    validate_every: int | None = _param(
        140,
        "training",
        "validation mAP before the first step, at every so many steps and at the end; null: at the end alone",
        "steps",
        ge=1,
    )
    keep_best: bool = _param(
        False,
        "training",
        "keep the weights with the best validation (mean mAP of the three settings), instead of the last",
    )
    patience: int | None = _param(
        None,
        "training",
        "stop after so many validations without a better one; null: never",
        "validations",
        ge=1,
    )
    checkpoint_every: int | None = _param(
        None, "study", "write a checkpoint every so many steps; null: never", "steps", ge=1
    )
    keep_checkpoints: int = _param(
        2, "study", "checkpoints to keep while training; a finished run needs none", ge=1
    )
    resume: Literal["same", "changed", "never"] = _param(
        "same",
        "study",
        "go on from the newest checkpoint: only with the same parameters and data, also with changed ones, or begin anew",
    )
    trackers: list[str] = _param(
        [],
        "study",
        "Accelerate trackers to log to beside training.jsonl, for example `tensorboard`",
    )

    # evaluation and bias
    encode_tokens: int = _param(
        8192,
        "evaluation",
        "budget of a micro-batch while encoding; changes speed and memory, not the vectors",
        "tokens",
        ge=16,
    )
    score_block: int = _param(
        256,
        "evaluation",
        "queries scored at a time; changes memory, not the ranks",
        "queries",
        ge=1,
    )
    corrections: list[Literal["centering", "lir", "shift"]] = _param(
        ["centering", "lir"],
        "evaluation",
        "training-free corrections to report beside the plain figures; `shift` needs parallel_path",
    )
    lir_directions: int = _param(
        1,
        "evaluation",
        "principal directions of each language that `lir` removes",
        "directions",
        ge=1,
    )
    parallel_path: Path | None = _param(
        None,
        "evaluation",
        "parallel passages for `shift`: a folder of aligned <lang>.txt (one passage a line), or a table of training pairs",
    )
    parallel_passages: int | None = _param(
        None,
        "evaluation",
        "`shift`: only the first so many parallel passages; null: all",
        "passages",
        ge=1,
    )
    top_k: int = _param(
        10,
        "evaluation",
        "depth of the language-share matrix and of recall in the multilingual setting",
        "candidates",
        ge=1,
        le=1000,
    )

    @model_validator(mode="before")
    @classmethod
    def _import_plugins(cls, values: Any) -> Any:
        """First of all: the strategies that they register are then known."""
        files = values.get("plugins") if isinstance(values, dict) else None
        if isinstance(files, list) and all(isinstance(name, str) for name in files):
            from hybridlib.batching import plugins

            plugins.load(files)
        return values

    @field_validator("*", mode="before")
    @classmethod
    def _yaml_habits(cls, value: Any, info: Any) -> Any:
        """Numbers that YAML reads as text (``2e-5``) become numbers; booleans that nobody meant are explained."""
        kind = str(cls.model_fields[info.field_name].annotation)
        if _holds_bool(value) and "bool" not in kind:
            raise ValueError(
                "YAML reads an unquoted yes, no, on, off, true or false as a boolean: put it in quotes"
            )
        if isinstance(value, str) and ("float" in kind or "int" in kind) and "str" not in kind:
            try:
                return float(value)
            except ValueError:
                return value
        return value

    @field_validator(
        "languages",
        "eval_languages",
        "encoders",
        "strategies",
        "seeds",
        "corrections",
        "trackers",
        "plugins",
    )
    @classmethod
    def _no_repeats(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("an entry stands twice")
        return value

    @field_validator("strategy", "strategies")
    @classmethod
    def _known_strategy(cls, value: str | list[str]) -> str | list[str]:
        from hybridlib.batching.strategies import known_strategies

        for name in [value] if isinstance(value, str) else value:
            if name not in known_strategies():
                raise ValueError(
                    f"no strategy is called {name!r}{_nearest(name, known_strategies())}; there are {', '.join(known_strategies())}; one's own needs its file in plugins"
                )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Params:
        if self.hidden_size % self.attention_heads:
            raise ValueError(
                f"attention_heads ({self.attention_heads}) must divide hidden_size ({self.hidden_size})"
            )
        if "shift" in self.corrections and self.parallel_path is None:
            raise ValueError(
                "corrections: 'shift' is estimated from parallel passages: give parallel_path"
            )
        for corpus, path in self.training_sets:
            _check_corpus("train_corpus", corpus, path)
        _check_corpus("eval_corpus", self.eval_corpus, self.eval_corpus_path)
        for number, entry in enumerate(self.also_evaluate):
            allowed = [
                name
                for name, info in type(self).model_fields.items()
                if info.json_schema_extra["step"] in ("eval-data", "evaluation")
            ]
            unknown = sorted(set(entry) - set(allowed))
            if unknown or "eval_corpus" not in entry:
                what = (
                    f"{unknown[0]!r} is not a parameter of the evaluation{_nearest(unknown[0], allowed)}"
                    if unknown
                    else "it has no eval_corpus"
                )
                raise ValueError(
                    f"also_evaluate, entry {number + 1}: {what}; an entry holds some of {', '.join(allowed)}"
                )
        return self

    def further(self) -> list[Params]:
        """The parameters of each evaluation in ``also_evaluate``, as studies that take their models from this one.

        Raises:
            InputError: two of them would have one name, or one of them cannot be.
        """
        base = {
            **self.model_dump(),
            "also_evaluate": [],
            "trained_in": self.study,
            "eval_languages": None,
            "eval_corpus_path": None,
        }
        found = [
            type(self).check(
                {**base, **entry, "study": f"{self.study}-{entry['eval_corpus']}"},
                f"also_evaluate, entry {number + 1}",
            )
            for number, entry in enumerate(self.also_evaluate)
        ]
        names = [params.study for params in found]
        if len(set(names)) < len(names):
            raise InputError(
                "also_evaluate: a corpus stands twice; put the second one into a study of its own, with trained_in"
            )
        return found

    @property
    def training_sets(self) -> list[tuple[str, Path | None]]:
        """Name and path of each training corpus."""
        names = [self.train_corpus] if isinstance(self.train_corpus, str) else self.train_corpus
        paths = self.train_corpus_path
        if not isinstance(paths, list):
            paths = (
                [paths] if len(names) == 1 else [None] * len(names) if paths is None else [paths]
            )
        if not names or len(paths) != len(names):
            raise ValueError(
                f"train_corpus names {len(names)} corpora and train_corpus_path {len(paths)} paths: give one path (null for facts) for each corpus, in the same order"
            )
        return list(zip(names, paths))

    @classmethod
    def load(cls, file: str | Path, overrides: Mapping[str, Any] | None = None) -> Params:
        """Read a YAML file, put ``overrides`` on top, and check the whole. A grid's ``encoder`` is its first, unless it says another.

        Raises:
            InputError: naming the file, the key, the value, the reason and the nearest valid key.
        """
        values = {**read_yaml(Path(file)), **(overrides or {})}
        grid = values.get("encoders")
        if isinstance(grid, list) and grid:
            values.setdefault("encoder", grid[0])
        return cls.check(values, str(file))

    @classmethod
    def check(cls, values: Mapping[str, Any], source: str = "parameters") -> Params:
        """Build from plain values; ``source`` names where they come from in the error."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise InputError(
                f"{source}: " + "; ".join(_explain(e) for e in error.errors())
            ) from None

    @classmethod
    def from_notebook(cls, namespace: Mapping[str, Any]) -> Params:
        """Collect what a notebook's parameter cells set; call it first, with ``globals()``.

        Parameter cells hold nothing but ``name = literal`` lines: the notebook's own, and the one that papermill
        puts behind it. Every name in them must be a parameter, so that a misspelt one is refused.
        """
        names = _parameter_cell_names()
        return cls.check(
            {name: namespace[name] for name in names if name in namespace}, "notebook parameters"
        )

    def but(self, **changes: Any) -> Params:
        """A checked copy with some values changed."""
        return type(self).check({**self.model_dump(), **changes})

    def plain(self) -> dict[str, Any]:
        """Values as YAML, JSON and papermill take them."""
        return self.model_dump(mode="json")

    def save(self, file: Path) -> None:
        """Write as YAML, in the order of the model."""
        file.write_text(
            yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file, or an InputError that says what is wrong with the file."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such parameter file; params/ holds some to start from"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read as YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{file}: expected `key: value` lines, found {type(values).__name__}")
    return values


def parse_override(text: str) -> Any:
    """A command line's value, read as YAML would read it (``0.3``, ``[de, en]``, ``null``)."""
    return yaml.safe_load(text)


def parse_overrides(given: Iterable[Sequence[str]]) -> dict[str, Any]:
    """What ``-p NAME VALUE`` set, from pairs of name and text."""
    return {name: parse_override(text) for name, text in given}


def _holds_bool(value: Any) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, list) and any(isinstance(v, bool) for v in value)
    )


def _nearest(name: str, valid: Any) -> str:
    match = difflib.get_close_matches(str(name), list(valid), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def _check_corpus(key: str, corpus: str, path: Path | None) -> None:
    from hybridlib.config.parameters import EVAL_CORPORA, TRAIN_CORPORA

    known = TRAIN_CORPORA if key == "train_corpus" else EVAL_CORPORA
    if corpus not in known:
        raise ValueError(
            f"{key}: no corpus is called {corpus!r}{_nearest(corpus, known)}; there are {', '.join(known)}"
        )
    if corpus == "facts" and path is not None:
        raise ValueError(f"{key}_path: the built-in facts take no path, got {str(path)!r}")
    if corpus != "facts" and path is None:
        raise ValueError(f"{key}_path: {corpus!r} needs the path of its file or folder")


def _explain(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"there is no parameter {key!r}{_nearest(key, Params.model_fields)}; `hybridlib params` lists them all"
    reason = error["msg"].removeprefix("Value error, ")
    return f"{key} = {error['input']!r}: {reason}" if key else reason
