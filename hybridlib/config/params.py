"""The parameters of a run: read, checked and written.

A parameter file (YAML), ``hybridlib run -p``, papermill's ``-p`` and a notebook's first cell all
end in :class:`Params`, which refuses unknown keys, wrong types and impossible values before
anything runs. Whether a batch strategy of that name exists is checked where a study is opened:
strategies may come from plugins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hybridlib.config.corrections import NOT_ON_DISK, CorrectionName
from hybridlib.config.fields import Fields
from hybridlib.config.names import (
    BUILT_IN,
    EVAL_CORPORA,
    LANGUAGE_RULE,
    LAREQA,
    NO_PATH,
    SOUP,
    TRAIN_CORPORA,
    can_be_language,
)
from hybridlib.config.notebook import parameter_cell_names
from hybridlib.config.systems import check_systems
from hybridlib.config.yaml_files import read_yaml
from hybridlib.errors import InputError, did_you_mean

# A number as text; infinity and not-a-number are refused by what they are.
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.?(inf|nan)", re.I)


class Params(Fields):
    """All parameters of one run, checked.

    Example:
        >>> params = Params(strategy="hybrid", alpha=0.3)
        >>> params.but(seed=1).seed
        1
    """

    @field_validator("*", mode="before")
    @classmethod
    def _read_as_yaml(cls, value: Any, info: ValidationInfo) -> Any:
        """Turn numbers that are given as text (``"2e-5"``) into numbers; refuse stray booleans."""
        kind = str(cls.model_fields[str(info.field_name)].annotation)
        if _holds_bool(value) and "bool" not in kind:
            raise ValueError(
                "YAML reads an unquoted yes, no, on, off, true or false as a boolean: "
                "put it in quotes"
            )
        _check_plain(value, "Path" in kind)
        is_text = "str" in kind or "Literal" in kind
        is_number = ("float" in kind or "int" in kind) and not is_text
        if isinstance(value, str) and is_number:
            return _number(value)
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
        "matryoshka_dims",
        "truncate_dims",
    )
    @classmethod
    def _refuse_repeats(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("an entry stands twice")
        return value

    @field_validator("languages", "eval_languages")
    @classmethod
    def _refuse_other_names(cls, value: list[str] | None) -> list[str] | None:
        for name in value or []:
            if not can_be_language(name):
                raise ValueError(f"{name!r}: {LANGUAGE_RULE}")
        return value

    @field_validator("corrections")
    @classmethod
    def _refuse_other_corrections(cls, value: list[str]) -> list[str]:
        for name in value:
            CorrectionName.parse(name)
        return value

    @field_validator("eval_languages")
    @classmethod
    def _refuse_no_languages(cls, value: list[str] | None) -> list[str] | None:
        if value == []:
            raise ValueError("is empty; null takes all languages that the corpus has")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Check what no single parameter can say."""
        if self.hidden_size % self.attention_heads:
            raise ValueError(
                f"attention_heads ({self.attention_heads}) must divide "
                f"hidden_size ({self.hidden_size})"
            )
        widths = len(self.matryoshka_dims)
        if self.matryoshka_weights is not None and len(self.matryoshka_weights) != widths:
            raise ValueError(
                f"matryoshka_weights has {len(self.matryoshka_weights)} weights, and "
                f"matryoshka_dims {widths} widths; give one weight for each width, or null"
            )
        names = [corpus for corpus, _ in self.training_sets]
        if self.paragraph_negatives and not set(names) & set(LAREQA):
            raise ValueError(
                f"paragraph_negatives: only {' and '.join(LAREQA)} say where sentences of a "
                f"paragraph end, and train_corpus is {', '.join(names)}"
            )
        for corpus, path in self.training_sets:
            _check_corpus("train_corpus", TRAIN_CORPORA, corpus, path)
        _check_corpus("eval_corpus", EVAL_CORPORA, self.eval_corpus, self.eval_corpus_path)
        self._check_vectors()
        self._check_also_evaluate()
        self._check_grid()
        self._check_systems()
        return self

    def _check_vectors(self) -> None:
        """Refuse corrections that are fitted on vectors on disk."""
        for name in self.corrections:
            if self.vectors == "disk" and CorrectionName.parse(name).on_candidates:
                raise ValueError(f"vectors: disk, and the correction {name} {NOT_ON_DISK}")

    def _check_also_evaluate(self) -> None:
        """Refuse entries that are no evaluation."""
        allowed = [*names_of_step("eval-data"), *names_of_step("evaluation")]
        for number, entry in enumerate(self.also_evaluate, 1):
            problem = "" if "eval_corpus" in entry else "it has no eval_corpus"
            for name in sorted(set(entry) - set(allowed), reverse=True):
                hint = did_you_mean(name, allowed)
                problem = f"{name!r} is not a parameter of the evaluation{hint}"
            if problem:
                raise ValueError(
                    f"also_evaluate, entry {number}: {problem}; "
                    f"an entry holds some of {', '.join(allowed)}"
                )
            for name, value in entry.items():
                _check_value(f"also_evaluate, entry {number}", name, value)

    def _check_grid(self) -> None:
        """Refuse a grid over something that is no parameter of a run, or over impossible values.

        Whether values go together is checked where the runs of the grid are made.
        """
        lists = {"encoder": "encoders", "strategy": "strategies", "seed": "seeds"}
        allowed = [*names_of_step("training"), *names_of_step("evaluation")]
        for name, values in self.grid.items():
            if name in lists or name in lists.values():
                own = lists.get(name, name)
                raise ValueError(f"grid: {name!r} stands outside the grid, in the list {own!r}")
            if name not in allowed:
                hint = did_you_mean(name, allowed)
                raise ValueError(
                    f"grid: {name!r} is no parameter of training or evaluation{hint}; what "
                    "changes the data of a study needs a study of its own"
                )
            if not values:
                raise ValueError(f"grid: {name!r} has no values")
            checked = [_check_value("grid", name, value) for value in values]
            if any(value in checked[:place] for place, value in enumerate(checked)):
                raise ValueError(f"grid: a value of {name!r} stands twice")

    def _check_systems(self) -> None:
        """Refuse entries that name no run, and a grid beside them."""
        if self.systems and self.grid:
            raise ValueError("systems: stands instead of grid; give one of the two")
        settings = [*names_of_step("training"), *names_of_step("evaluation")]
        allowed = [name for name in settings if name not in ("encoder", "seed")]
        check_systems(self.systems, allowed, _check_value, self.seeds)
        if SOUP in self.strategies or (self.strategy == SOUP and self.system is None):
            raise ValueError(f"{SOUP}: stands in `systems` alone, with soup_of")

    def further(self) -> list[Params]:
        """Return the parameters of each evaluation in ``also_evaluate``.

        Each is a study of its own that takes its models from this one.

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
        studies = []
        for number, entry in enumerate(self.also_evaluate, 1):
            values = {**base, **entry, "study": f"{self.study}-{entry['eval_corpus']}"}
            studies.append(type(self).check(values, f"also_evaluate, entry {number}"))
        names = [params.study for params in studies]
        if len(set(names)) < len(names):
            raise InputError(
                "also_evaluate: a corpus stands twice; put the second one into a study of its "
                "own, with trained_in"
            )
        return studies

    @property
    def peak_learning_rate(self) -> float:
        """Return the learning rate after the warm-up: the given one, or the encoder's default."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 3e-3 if self.encoder == BUILT_IN else 3e-5

    @property
    def training_sets(self) -> list[tuple[str, Path | None]]:
        """Name and path of each training corpus."""
        names = [self.train_corpus] if isinstance(self.train_corpus, str) else self.train_corpus
        paths = self.train_corpus_path
        if paths is None:
            paths = [None] * len(names)
        elif not isinstance(paths, list):
            paths = [paths]
        if not names or len(paths) != len(names):
            raise ValueError(
                f"train_corpus names {len(names)} corpora and train_corpus_path {len(paths)} "
                "paths: give one path (null for facts) for each corpus, in the same order"
            )
        return list(zip(names, paths, strict=True))

    @classmethod
    def load(cls, file: str | Path, overrides: Mapping[str, Any] | None = None) -> Params:
        """Read a YAML file, put ``overrides`` on top, and check the whole.

        ``encoder`` is the first of ``encoders``, unless the file says another.

        Raises:
            InputError: naming the file, the key, the value, the reason and the nearest valid key.
        """
        values = {**read_yaml(Path(file)), **(overrides or {})}
        encoders = values.get("encoders")
        if isinstance(encoders, list) and encoders:
            values.setdefault("encoder", encoders[0])
        return cls.check(values, str(file))

    @classmethod
    def check(cls, values: Mapping[str, Any], source: str = "parameters") -> Params:
        """Build from plain values; ``source`` names where they come from in the error."""
        try:
            return cls(**values)
        except ValidationError as error:
            reasons = dict.fromkeys(_explain(part) for part in error.errors())
            raise InputError(f"{source}: {'; '.join(reasons)}") from None

    @classmethod
    def from_notebook(cls, namespace: Mapping[str, Any]) -> Params:
        """Collect the parameters that a notebook has set; call it first, with ``globals()``.

        Every name in the namespace that is a parameter counts, however it was set. Every name that
        the parameter cells set (the notebook's own, and the one that papermill puts behind it)
        must be a parameter, so that a misspelt one is refused.

        Raises:
            InputError: a misspelt name or an impossible value.
        """
        misspelt = [name for name in parameter_cell_names(cls.model_fields) if name in namespace]
        names = [name for name in cls.model_fields if name in namespace]
        values = {name: namespace[name] for name in (*misspelt, *names)}
        for name, value in values.items():
            if isinstance(value, ModuleType):
                raise InputError(
                    f"notebook parameters: {name} is the module {value.__name__}; import what you "
                    "need of it by name, because a parameter has the same name"
                )
        return cls.check(values, "notebook parameters")

    def but(self, **changes: Any) -> Params:
        """Return a checked copy with some values changed."""
        return type(self).check({**self.model_dump(), **changes})

    def plain(self) -> dict[str, Any]:
        """Return the values as YAML, JSON and papermill take them."""
        return self.model_dump(mode="json")

    def save(self, file: Path) -> None:
        """Write as YAML, in the order of the model."""
        text = yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")


def names_of_step(step: str) -> list[str]:
    """Return the parameters whose first dependent step is ``step``, in the order of the model."""
    return [name for name, field in Params.model_fields.items() if step_of(field) == step]


def step_of(field: Any) -> str:
    """Return the first step of a study that depends on a field of :class:`Params`."""
    return str(field.json_schema_extra["step"])


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """Return what checks the values of one parameter."""
    field = Params.model_fields[name]
    kind: Any = Annotated[field.annotation, field]
    return TypeAdapter(kind)


def _check_value(source: str, name: str, value: Any) -> Any:
    """Return a value of the grid, or of another list, as the parameter takes it."""
    read: Any = Params._read_as_yaml
    try:
        plain = read(value, SimpleNamespace(field_name=name))
        return _adapter(name).validate_python(plain)
    except ValidationError as error:
        reasons = "; ".join(part["msg"] for part in error.errors())
        raise ValueError(f"{source}: {name} = {value!r}: {reasons}") from None
    except ValueError as error:
        raise ValueError(f"{source}: {name} = {value!r}: {error}") from None


def _check_plain(value: Any, is_path: bool) -> None:
    """Refuse values of which it would be a guess what they mean."""
    values = value if isinstance(value, list) else [value]
    for entry in values:
        if isinstance(entry, bytes | bytearray):
            raise ValueError("is binary; give a text")
        if isinstance(entry, set | frozenset):
            raise ValueError("is a set, which has no order; give a list")
        if is_path and isinstance(entry, str) and not entry.strip():
            raise ValueError("an empty path; null stands for none")
        if isinstance(entry, int) and abs(entry) >= 2**63:
            raise ValueError("is too large")


def _number(text: str) -> int | float:
    """Return a number that is given as text, such as ``2e-5`` in quotes."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("is a text that is no number")
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _holds_bool(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(entry, bool) for entry in values)


def _check_corpus(key: str, known: tuple[str, ...], corpus: str, path: Path | None) -> None:
    if corpus not in known:
        hint = did_you_mean(corpus, known)
        raise ValueError(
            f"{key}: no corpus is called {corpus!r}{hint}; there are {', '.join(known)}"
        )
    if corpus == "facts" and path is not None:
        raise ValueError(f"{key}_path: the built-in facts take no path, got {str(path)!r}")
    if corpus not in NO_PATH and path is None:
        raise ValueError(f"{key}_path: {corpus!r} needs the path of its file or folder")


def _explain(error: Any) -> str:
    """Say in one line what pydantic found."""
    # Only a grid has keys of its own; other parts of a place are types that were tried.
    name, *places = error["loc"] or ("",)
    inner = [place for place in places if isinstance(place, int) or name == "grid"]
    key = ".".join(str(part) for part in [name, *inner] if part not in ("", "[key]"))
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(key, Params.model_fields)
        return f"there is no parameter {key!r}{hint}; `hybridlib params` lists them all"
    reason = error["msg"].removeprefix("Value error, ")
    return f"{key} = {error['input']!r}: {reason}" if key else reason
