"""A fresh clone of the project, as a new user has it, and JupyterLab served from it.

The clone uses this environment, so that nothing is installed once more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "known"


def fresh_clone(folder: Path) -> Path:
    """``git clone`` into ``folder``, with a ``.venv`` that links to this Python's environment.

    Uncommitted changes to known files are taken along, new files are not. Make takes the
    environment as installed. Skips where the project is not a git repository, but an unpacked
    source distribution.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("needs the project's git repository, to clone it")
    subprocess.run(
        ["git", "clone", "--quiet", str(ROOT), str(folder)], check=True, capture_output=True
    )
    changes = subprocess.run(
        ["git", "diff", "--binary", "HEAD"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    if changes:
        subprocess.run(["git", "apply"], cwd=folder, input=changes, check=True, capture_output=True)
    environment = folder / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != "installed":
            (environment / entry.name).symlink_to(entry)
    (environment / "installed").touch()
    return folder


def user_environment(clone: Path, **more: str) -> dict[str, str]:
    """Return the environment of a user of the clone: its package, its settings, its caches."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "JUPYTER", "JPY_", "MAKE", "MFLAGS"))
    }
    jupyter = {
        f"JUPYTER_{kind.upper()}_DIR": str(_beside(clone, "jupyter") / kind)
        for kind in ("config", "data", "runtime")
    }
    path = f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {
        **ours,
        **jupyter,
        "PRE_COMMIT_HOME": str(_beside(clone, "pre-commit")),
        "PYTHONPATH": str(clone),
        "OMP_NUM_THREADS": "1",
        "PATH": path,
        **more,
    }


@contextmanager
def jupyter_lab(clone: Path, seconds: float = 60) -> Iterator[str]:
    """The address of what ``make lab`` serves in the clone, with the token in it left out.

    A configuration file adds what a test needs: no window, a known token, root allowed, no news.
    """
    config = _beside(clone, "jupyter") / "config"
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    server = {"open_browser": False, "allow_root": True, "ip": "127.0.0.1", "port": 0}
    (config / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": server, "IdentityProvider": {"token": TOKEN}})
    )
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    with (_beside(clone, "jupyter") / "server.log").open("w") as log:
        served = subprocess.Popen(
            ["make", "lab"],
            cwd=clone,
            env=user_environment(clone),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _address(clone, served, seconds)
    finally:
        os.killpg(served.pid, signal.SIGTERM)
        try:
            served.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(served.pid, signal.SIGKILL)


def ask(address: str, path: str, method: str = "GET") -> bytes:
    """What the server answers to a request."""
    request = urllib.request.Request(
        address + path, method=method, headers={"Authorization": f"token {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def _address(clone: Path, served: subprocess.Popen, seconds: float) -> str:
    for _ in range(int(seconds * 2)):
        for file in (_beside(clone, "jupyter") / "runtime").glob("jpserver-*.json"):
            try:
                address = json.loads(file.read_text())["url"]
                ask(address, "api/status")
                return address
            except (OSError, ValueError):
                pass  # it is still starting
        if served.poll() is not None:
            break
        time.sleep(0.5)
    pytest.fail(
        "make lab served nothing:\n"
        + (_beside(clone, "jupyter") / "server.log").read_text()[-3000:]
    )


def _beside(clone: Path, name: str) -> Path:
    return clone.parent / f"{clone.name}-{name}"
