"""run.json: commit, versions, hardware and durations of a run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

from hybridlib import __version__
from hybridlib.files import project_root, read_json, write_json
from hybridlib.study.fingerprint import inputs
from hybridlib.study.folder import Study, run_name

_VERSIONS = ("torch", "transformers", "accelerate", "numpy", "pandas", "babel")


def write_manifest(study: Study, step: str, record: dict[str, Any]) -> None:
    """Write or extend run.json in the folder of a step with what the step says of itself."""
    file = study.folder_of(step) / "run.json"
    steps = read_json(file).get("steps", {}) if file.exists() else {}
    write_json(
        file,
        {
            "run": run_name(study.params),
            "seed": study.params.seed,
            "processes": int(os.environ.get("WORLD_SIZE", 1)),
            "inputs": inputs(study, "data"),
            **environment(),
            "steps": {**steps, step: record},
        },
    )


def environment() -> dict[str, Any]:
    """Return commit, versions and hardware of this process."""
    versions = {name: metadata.version(name) for name in _VERSIONS}
    return {
        "commit": _commit(),
        "versions": {"hybridlib": __version__, "python": platform.python_version(), **versions},
        "hardware": {"cpus": os.cpu_count(), "machine": platform.machine(), "gpus": _gpus()},
    }


def _gpus() -> list[str]:
    """Return the names of the GPUs; a step that did not load torch did not compute on one."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]


def _commit() -> str | None:
    """Return the commit, marked where files have changed since; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain")
    except OSError:
        return None
    if commit.returncode:
        return None
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=project_root(), capture_output=True, text=True, check=False
    )
