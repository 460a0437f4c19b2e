"""Which parameters a notebook's parameter cells set."""

from __future__ import annotations

import ast


def parameter_cell_names() -> list[str]:
    """Return the names set by the parameter cells that ran last (several in a row count as one)."""
    from IPython import get_ipython  # only a notebook needs IPython

    names: list[str] = []
    for source in reversed(get_ipython().user_ns["In"]):
        of_cell = literal_names(source)
        if names and not of_cell:
            break
        names += of_cell
    return names


def literal_names(source: str) -> list[str]:
    """Return the names of a cell of nothing but ``name = literal`` lines; none for another cell."""
    names: list[str] = []
    try:
        for line in ast.parse(source).body:
            if not isinstance(line, ast.Assign):
                return []
            ast.literal_eval(line.value)
            for target in line.targets:
                if not isinstance(target, ast.Name):
                    return []
                names.append(target.id)
    except (SyntaxError, ValueError):
        return []
    return names
