"""The code that a step uses: a hash of some modules of this package and of all that they import.

Comments, docstrings and layout do not count, nor do the parameters' definitions (their values
count by themselves) and the wording of errors.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path

import hybridlib

_PACKAGE = Path(hybridlib.__file__).parent
_NOT_COUNTED = ("hybridlib.config", "hybridlib.errors")

# Runs side by side are threads, and Python 3.11 cannot parse in two threads at once: it counts the
# depth of both trees together.
_parsing = threading.Lock()


def code_hash(modules: Iterable[str]) -> str:
    """Return a hash of the code of these modules and of the modules that they import."""
    digest = hashlib.sha256()
    for name in modules_used(modules):
        file = _file_of(name)
        if file is None or name.startswith(_NOT_COUNTED):
            continue
        digest.update(f"{name} {_hash_of(file, file.stat().st_mtime_ns)}\n".encode())
        for data in _data_files(file):
            digest.update(data.read_bytes())
    return digest.hexdigest()[:16]


def modules_used(modules: Iterable[str]) -> list[str]:
    """Return these modules of the package and all that they import from it, sorted.

    A room among them stands for all its modules.
    """
    used: set[str] = set()
    waiting = [name for module in modules for name in _modules_in(module)]
    while waiting:
        name = waiting.pop()
        file = _file_of(name)
        if name not in used and file is not None:
            used.add(name)
            waiting += _imports(file, file.stat().st_mtime_ns)
    return sorted(used)


def _modules_in(name: str) -> list[str]:
    """Return a module; of a room, all its modules."""
    folder = _PACKAGE.joinpath(*name.split(".")[1:])
    files = sorted(folder.glob("*.py")) if folder.is_dir() else []
    return [name, *(f"{name}.{file.stem}" for file in files if file.stem != "__init__")]


def _file_of(name: str) -> Path | None:
    """Return the file of a module of the package; None where there is no such module."""
    path = _PACKAGE.joinpath(*name.split(".")[1:])
    if path.is_dir():
        path = path / "__init__"
    file = path.with_suffix(".py")
    return file if file.exists() else None


def _data_files(file: Path) -> list[Path]:
    """Return the data files beside a module that its code names, such as ``phrasings.yaml``."""
    code = file.read_text(encoding="utf-8")
    beside = [other for other in file.parent.iterdir() if other.suffix in (".csv", ".yaml")]
    return sorted(other for other in beside if f'"{other.name}"' in code)


@functools.lru_cache(maxsize=1000)
def _imports(file: Path, modified: int) -> list[str]:
    """Return what a file imports from the package when it runs; names of classes come along."""
    names = []
    for node in ast.walk(_without_type_checking(_parse(file))):
        if isinstance(node, ast.ImportFrom) and node.module:
            # `from hybridlib.room import module` names a module by its last part.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.startswith("hybridlib.")]


@functools.lru_cache(maxsize=1000)
def _hash_of(file: Path, modified: int) -> str:
    """Return a hash of a file's code without comments, docstrings and layout."""
    tree = _parse(file)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _without_type_checking(tree: ast.Module) -> ast.Module:
    """Return a module without its ``if TYPE_CHECKING`` blocks, which never run."""
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(body=body, type_ignores=[])


def _parse(file: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    with _parsing:
        return ast.parse(file.read_text(encoding="utf-8"))
