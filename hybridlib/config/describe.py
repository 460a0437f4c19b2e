"""Every parameter of a run, once: name, type, unit, range, default and meaning.

A parameter file (YAML), ``hybridlib run -p``, papermill's ``-p`` and a notebook's first cell all end in
:class:`Params`, which refuses unknown keys, wrong types and impossible values before anything runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd
import yaml

from hybridlib.config.parameters import SECTIONS
from hybridlib.config.params import Params


def describe() -> pd.DataFrame:
    """One row per parameter: section, name, type, default, unit, range, step, meaning (what ``hybridlib params`` prints).

    Types and defaults are written as in a YAML file: ``null`` for nothing, ``mean | cls`` for a choice.
    """
    rows, section = [], ""
    for name, field in Params.model_fields.items():
        section, extra = SECTIONS.get(name, section), field.json_schema_extra
        limits = ", ".join(_limit(rule) for rule in field.metadata)
        rows.append(
            (
                section,
                name,
                _kind(field.annotation),
                _as_yaml(field.default),
                extra["unit"],
                limits,
                extra["step"],
                field.description,
            )
        )
    return pd.DataFrame(
        rows, columns=["section", "name", "type", "default", "unit", "range", "step", "meaning"]
    )


def _kind(annotation: Any) -> str:
    """A type as a reader of YAML writes it."""
    if annotation is type(None):
        return "null"
    inner = get_args(annotation)
    if get_origin(annotation) is dict:
        return "mapping"
    if get_origin(annotation) is list:
        return f"list of {_kind(inner[0])}".replace(" | ", " or ")
    if get_origin(annotation) is Literal:
        return " | ".join(inner)
    if inner:
        return " | ".join(sorted((_kind(part) for part in inner), key=lambda kind: kind == "null"))
    return {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true | false",
        "Path": "path",
    }[annotation.__name__]


def _as_yaml(value: Any) -> str:
    plain = str(value) if isinstance(value, Path) else value
    return (
        yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _limit(rule: Any) -> str:
    """A constraint as a reader writes it: ``>= 1``."""
    signs = {
        "ge": ">=",
        "gt": ">",
        "le": "<=",
        "lt": "<",
        "multiple_of": "multiple of",
        "min_length": "length at least",
        "pattern": "matches",
    }
    return next(
        (
            f"{sign} {getattr(rule, name)}"
            for name, sign in signs.items()
            if getattr(rule, name, None) is not None
        ),
        "",
    )
