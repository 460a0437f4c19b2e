"""Every parameter of a run, once: name, type, unit, range, default and meaning.

A parameter file (YAML), ``hybridlib run -p``, papermill's ``-p`` and a notebook's first cell all end in
:class:`Params`, which refuses unknown keys, wrong types and impossible values before anything runs.
"""

from __future__ import annotations

import ast


def _parameter_cell_names() -> list[str]:
    """Names set by the parameter cells that ran last (several in a row count as one)."""
    from IPython import get_ipython

    names: list[str] = []
    for source in reversed(get_ipython().user_ns["In"]):
        found = _literal_names(source)
        if names and not found:
            break
        names += found
    return names


def _literal_names(source: str) -> list[str]:
    """The names of a cell that is nothing but ``name = literal`` lines; none for any other cell."""
    try:
        body = ast.parse(source).body
        for line in body:
            ast.literal_eval(line.value)
        return [target.id for line in body for target in line.targets]
    except (SyntaxError, ValueError, AttributeError):
        return []
