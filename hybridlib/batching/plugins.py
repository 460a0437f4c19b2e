"""Python files of one's own that a study uses: importing one registers its batch strategies.

A file named in the parameter ``plugins`` is imported where a study is opened: by the command line,
by every notebook's kernel and by ``python -m hybridlib.study.launch``. A strategy that it registers
(:func:`hybridlib.strategy`) can then be named like a built-in one.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from hybridlib.batching.strategies import STRATEGIES
from hybridlib.errors import InputError
from hybridlib.files import resolve

# The hash of each file that has been run.
_loaded: dict[Path, str] = {}


def load(files: Iterable[str | Path]) -> None:
    """Run each file once; again only if it has changed since.

    Args:
        files: Python files; relative paths start at the project folder.

    Raises:
        InputError: a file is missing, is no Python file, or fails; the message names its line.
    """
    for name in files:
        file = resolve(name)
        if file.suffix != ".py":
            raise InputError(f"plugins: {name}: is no Python file (.py)")
        try:
            code = file.read_bytes()
        except OSError as error:
            raise InputError(f"plugins: {file}: cannot be read ({error.strerror})") from None
        digest = hashlib.sha256(code).hexdigest()
        if _loaded.get(file) != digest:
            _loaded.pop(file, None)
            _run(file, code)
            _loaded[file] = digest


def content(strategy: str, files: Iterable[str | Path]) -> list[str]:
    """Return a hash of each plugin file; nothing for a built-in strategy, which needs none."""
    entry = STRATEGIES.get(strategy)
    if entry is None or entry.built_in:
        return []
    return [hashlib.sha256(resolve(name).read_bytes()).hexdigest() for name in files]


def _run(file: Path, code: bytes) -> None:
    """Run a file as a module named after its path; what it registered before is forgotten."""
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    module = ModuleType(f"hybridlib_plugin_{file.stem}_{digest}")
    module.__file__ = str(file)
    for name, entry in list(STRATEGIES.items()):
        if entry.draw.__module__ == module.__name__:
            del STRATEGIES[name]
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, str(file), "exec"), module.__dict__)
    except Exception as error:
        raise InputError(
            f"plugins: {file}: {_line(file, error)}{type(error).__name__}: {error}{_hint(error)}"
        ) from None


def _line(file: Path, error: Exception) -> str:
    """Return ``line 3: ``: the last line of the file that the error went through."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(file):
        lines.append(error.lineno)
    return f"line {lines[-1]}: " if lines else ""


def _hint(error: Exception) -> str:
    """Return what to write instead of what earlier versions had."""
    is_import = isinstance(error, ImportError) and str(error.name).partition(".")[0] == "hybridlib"
    if is_import:
        return (
            "; write `from hybridlib import strategy`, and "
            "`from hybridlib.batching.registry import STRATEGIES, Batch`"
        )
    if isinstance(error, TypeError) and "trained_share" in str(error):
        return "; trained_share is a parameter of the study, beside `alpha`"
    return ""
