"""Python files of one's own that a study uses: importing one registers its batch strategies.

A file named in the parameter ``plugins`` is imported before the parameters are checked, wherever they are: by the
command line, by every notebook's kernel and by ``python -m hybridlib.training``. So a strategy that it registers
(:func:`hybridlib.samplers.strategy`) can be named like a built-in one.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hybridlib.batching.strategies import STRATEGIES
from hybridlib.errors import InputError
from hybridlib.files import resolve

if TYPE_CHECKING:
    from hybridlib.config.params import Params

_loaded: dict[Path, str] = {}  # content hash of each file that has run


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


def content(params: Params) -> list[str]:
    """What a run's strategy depends on beside its parameters: a hash of each plugin, nothing for a built-in strategy."""
    entry = STRATEGIES.get(params.strategy)
    return (
        []
        if entry is None or entry.built_in
        else [hashlib.sha256(resolve(name).read_bytes()).hexdigest() for name in params.plugins]
    )


def _run(file: Path, code: bytes) -> None:
    """Execute a file as a module of its own, named after its place; what it registered before is forgotten."""
    module = ModuleType(
        f"hybridlib_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    )
    module.__file__ = str(file)
    for name in [
        name for name, entry in STRATEGIES.items() if entry.draw.__module__ == module.__name__
    ]:
        del STRATEGIES[name]
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, str(file), "exec"), module.__dict__)
    except Exception as error:
        raise InputError(
            f"plugins: {file}: {_where(file, error)}{type(error).__name__}: {error}"
        ) from None


def _where(file: Path, error: Exception) -> str:
    """``line 3: ``: the last line of the file that the error went through."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]
    lines += (
        [error.lineno] if isinstance(error, SyntaxError) and error.filename == str(file) else []
    )
    return f"line {lines[-1]}: " if lines else ""
