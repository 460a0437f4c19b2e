"""Which names a notebook's parameter cells set."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Collection


def parameter_cell_names(known: Collection[str]) -> list[str]:
    """Return the names set by the parameter cells that ran last (several in a row count as one).

    A parameter cell sets literals and does nothing else, or it sets a parameter, in whatever way.

    Args:
        known: the names of all parameters.
    """
    from IPython import get_ipython  # only a notebook needs IPython

    names: list[str] = []
    for source in reversed(get_ipython().user_ns["In"]):
        of_cell = literal_names(source) or _names_beside(source, known)
        if names and not of_cell:
            break
        names += of_cell
    return names


def literal_names(source: str) -> list[str]:
    """Return the names of a cell of nothing but ``name = value`` lines; none for another cell.

    A value is a literal, or papermill's ``float('nan')`` and ``float('inf')``. Lines may have a
    type: ``steps: int = 70``.
    """
    names: list[str] = []
    try:
        lines = ast.parse(source).body
    except SyntaxError:
        return []
    for line in lines:
        targets = _targets(line)
        if not targets or not _is_literal(line):
            return []
        names += targets
    return names


def _names_beside(source: str, known: Collection[str]) -> list[str]:
    """Return all names that a cell sets, if a parameter is among them, but for ``_name``."""
    try:
        symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    except (SyntaxError, ValueError):
        return []
    names = [
        symbol.get_name()
        for symbol in symbols
        if symbol.is_assigned() and not symbol.is_imported() and not symbol.is_namespace()
    ]
    if not set(names) & set(known):
        return []
    return [name for name in names if not name.startswith("_")]


def _targets(line: ast.stmt) -> list[str]:
    """Return the names that a line sets; none where it sets something else, or nothing."""
    if isinstance(line, ast.Assign):
        targets = line.targets
    elif isinstance(line, ast.AnnAssign):
        targets = [line.target]
    else:
        return []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _is_literal(line: ast.stmt) -> bool:
    """Return whether a line's value is a literal, or a number as papermill writes it."""
    value = getattr(line, "value", None)
    if value is None:
        return False
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id == "float" and all(isinstance(x, ast.Constant) for x in value.args)
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
