"""Data files of this package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def read_package_yaml(name: str) -> Any:
    """Return the content of a YAML file beside this module; read once, not to be changed."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    # libyaml reads ten times faster, where PyYAML is built with it.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
