"""The table of all parameters that ``hybridlib params`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pandas as pd
import yaml

from hybridlib.config.params import Params

# The first parameter of each section.
SECTIONS = {
    "study": "Where results go, and the grid of runs",
    "encoder": "This run: one cell of the grid",
    "train_corpus": "Data",
    "vocab_size": "The built-in encoder",
    "pooling": "How any encoder is used",
    "alpha": "Training",
    "encode_tokens": "Evaluation and language bias",
}
_COLUMNS = ["section", "name", "type", "default", "unit", "range", "step", "meaning"]
_TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true | false",
    "Path": "path",
}
_LIMITS = {
    "ge": ">=",
    "gt": ">",
    "le": "<=",
    "lt": "<",
    "multiple_of": "multiple of",
    "min_length": "length at least",
    "pattern": "matches",
}


def describe() -> pd.DataFrame:
    """Return one row per parameter.

    Types and defaults are written as in a YAML file: ``null`` for nothing, ``mean | cls`` for a
    choice.

    Returns:
        Columns section, name, type, default, unit, range, step, meaning.
    """
    rows = []
    section = ""
    for name, field in Params.model_fields.items():
        section = SECTIONS.get(name, section)
        extra: Any = field.json_schema_extra
        rows.append(
            (
                section,
                name,
                _type(field.annotation),
                _as_yaml(field.default),
                extra["unit"],
                ", ".join(_limit(rule) for rule in field.metadata),
                extra["step"],
                field.description,
            )
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _type(annotation: Any) -> str:
    """Write a type as a reader of YAML does."""
    if annotation is type(None):
        return "null"
    inner = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:  # a type with limits
        return _type(inner[0])
    if origin is dict:
        return "mapping"
    if origin is list:
        return f"list of {_type(inner[0])}".replace(" | ", " or ")
    if origin is Literal:
        return " | ".join(inner)
    if inner:
        kinds = [_type(part) for part in inner]
        return " | ".join(sorted(kinds, key=lambda kind: kind == "null"))
    return _TYPES[annotation.__name__]


def _as_yaml(value: Any) -> str:
    """Write a default as YAML does, on one line."""
    plain = str(value) if isinstance(value, Path) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _limit(rule: Any) -> str:
    """Write a constraint as a reader does: ``>= 1``."""
    for name, sign in _LIMITS.items():
        bound = getattr(rule, name, None)
        if bound is not None:
            return f"{sign} {bound}"
    return ""
