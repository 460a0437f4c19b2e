"""The folder of a study: where each step reads and writes, and whether it is finished.

A step is finished when it has written its marker, last, holding a fingerprint of everything its result depends
on: its parameters, its input files, the code of its notebook, and the steps before it. Whoever finds a marker
with the same fingerprint need not repeat the step.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

from hybridlib import __version__
from hybridlib.files import project_root

_VERSIONS = ("torch", "transformers", "accelerate", "numpy", "pandas", "babel")


_STARTED: dict[tuple[str, str], float] = {}


def environment() -> dict[str, Any]:
    """Commit, versions and hardware of this run."""
    torch = sys.modules.get("torch")  # a step that did not need it did not compute on a GPU either
    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch else []
    )
    versions = {name: metadata.version(name) for name in _VERSIONS}
    return {
        "commit": _commit(),
        "versions": {"hybridlib": __version__, "python": platform.python_version(), **versions},
        "hardware": {"cpus": os.cpu_count(), "machine": platform.machine(), "gpus": gpus},
    }


def _commit() -> str | None:
    run = functools.partial(subprocess.run, cwd=project_root(), capture_output=True, text=True)
    try:
        commit = run(["git", "rev-parse", "HEAD"])
        changed = run(["git", "status", "--porcelain"])
    except OSError:
        return None
    return (
        None
        if commit.returncode
        else commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
    )
