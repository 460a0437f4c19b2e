"""The project's files agree with each other."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata

import nbformat
import yaml
from clones import ROOT

import hybridlib
from hybridlib.config.params import Params
from hybridlib.study.folder import Study

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What a used notebook has and the committed one has not.
USED = {
    "version": "3.99",
    "codemirror_mode": {"name": "ipython"},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def hooks() -> dict[str, dict]:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    # Hooks of other repositories need a network.
    assert [repository["repo"] for repository in repositories] == ["local"]
    return {hook["id"]: hook for hook in repositories[0]["hooks"]}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def test_the_lock_has_every_dependency_in_its_range():
    versions = locked()
    assert versions["torch"] == "2.13.0"
    required = list(PROJECT["dependencies"])
    for names in PROJECT["optional-dependencies"].values():
        required += names
    for requirement in required:
        name, minimum = requirement.split(">=")
        assert numbers(versions[name]) >= numbers(minimum), requirement


def test_what_is_installed_is_what_the_lock_says():
    for name in ("torch", "transformers", "accelerate", "papermill", "pydantic"):
        assert metadata.version(name).partition("+")[0] == locked()[name]


def test_the_conda_environment_installs_the_lock_and_the_package():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "hybridlib"
    assert environment["channels"] == ["conda-forge"]
    python, pip, last = environment["dependencies"]
    minimum = re.match(r">=([\d.]+)", PROJECT["requires-python"]).group(1)
    assert (python, pip) == (f"python={minimum}", "pip")
    assert last == {"pip": ["-r requirements.lock", "-e ."]}


def test_one_version_everywhere():
    assert metadata.version("hybridlib") == hybridlib.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == hybridlib.__version__


def test_ci_calls_what_the_readme_and_contributing_name():
    script = (ROOT / ".ci" / "run").read_text()
    for command, page in (("make test", "README.md"), ("make lint", "CONTRIBUTING.md")):
        assert re.search(rf"^{command}$", script, re.M)
        assert command in (ROOT / page).read_text()
    assert "pre-commit run --all-files" in (ROOT / "Makefile").read_text()


def test_make_help_lists_every_target():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text()).group(1)
    assert [name for name in phony.split() if f"make {name}" not in done.stdout] == []


def test_the_hooks_run_tools_of_the_environment():
    entries = [hook["entry"] for hook in hooks().values() if hook["language"] == "system"]
    assert {"ruff", "ruff-format", "mypy", "import-linter", "nbstripout"} <= set(hooks())
    assert [entry for entry in entries if not entry.startswith(".venv/bin/")] == []


def test_the_hook_strips_a_notebook_of_all_but_what_the_project_needs(tmp_path):
    command = shlex.split(hooks()["nbstripout"]["entry"])
    assert command[0] == ".venv/bin/nbstripout"
    clean = nbformat.read(ROOT / "notebooks" / "03_evaluation.ipynb", 4)
    used = nbformat.from_dict(clean)
    used.metadata.language_info.update(USED)
    used.metadata.widgets = {"state": {}}
    for number, cell in enumerate(cell for cell in used.cells if cell.cell_type == "code"):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen")]
        cell.execution_count = number + 1
        cell.metadata["execution"] = {"iopub.status.busy": "now"}
        cell.metadata["scrolled"] = True
    file = tmp_path / "used.ipynb"
    nbformat.write(used, file)
    subprocess.run([sys.executable, "-m", "nbstripout", *command[1:], str(file)], check=True)
    assert nbformat.read(file, 4) == clean


def test_the_quickstart_is_the_default():
    assert Params.load(ROOT / "params" / "quickstart.yaml") == Params(jobs=2)


def test_every_parameter_file_can_be_opened():
    files = sorted((ROOT / "params").rglob("*.yaml"))
    assert len(files) >= 9
    for file in files:
        study = Study.open(Params.load(file))
        assert study.runs(), file
        assert len(study.params.further()) == len(study.params.also_evaluate)
