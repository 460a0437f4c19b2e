"""The project's files agree with each other."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml

import hybridlib
from hybridlib.batching.strategies import STRATEGIES
from hybridlib.cli import _parser, main
from hybridlib.config.notebook import _literal_names
from hybridlib.config.params import Params

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def required() -> list[str]:
    return PROJECT["dependencies"] + [
        name for extra in PROJECT["optional-dependencies"].values() for name in extra
    ]


def test_the_lock_holds_every_dependency_in_its_range():
    versions = locked()
    assert versions["torch"] == "2.13.0"
    for requirement in required():
        name, minimum = requirement.split(">=")
        assert tuple(map(int, re.findall(r"\d+", versions[name]))) >= tuple(
            map(int, minimum.split("."))
        ), requirement


def test_what_is_installed_is_what_the_lock_says():
    for name in ("torch", "transformers", "accelerate", "papermill", "pydantic"):
        assert metadata.version(name).partition("+")[0] == locked()[name]


def test_the_conda_environment_installs_the_lock_and_the_package():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "hybridlib" and environment["channels"] == ["conda-forge"]
    python, pip, last = environment["dependencies"]
    minimum = re.match(r">=([\d.]+)", PROJECT["requires-python"]).group(1)
    assert (python, pip) == (f"python={minimum}", "pip") and last == {
        "pip": ["-r requirements.lock", "-e ."]
    }


def test_one_version_everywhere():
    assert metadata.version("hybridlib") == hybridlib.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == hybridlib.__version__


def test_ci_calls_what_the_readme_and_contributing_name():
    script = (ROOT / ".ci" / "run").read_text()
    for command, page in (("make test", "README.md"), ("make lint", "CONTRIBUTING.md")):
        assert (
            re.search(rf"^{command}$", script, re.M) and f"{command}" in (ROOT / page).read_text()
        )
    assert "pre-commit run --all-files" in (ROOT / "Makefile").read_text()


def hooks() -> dict[str, dict]:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"], (
        "hooks of other repositories need a network"
    )
    return {hook["id"]: hook for hook in repositories[0]["hooks"]}


def test_the_hook_strips_a_notebook_of_everything_but_what_the_project_needs(tmp_path):
    command = shlex.split(hooks()["nbstripout"]["entry"])
    assert command[0] == ".venv/bin/nbstripout"
    clean = nbformat.read(ROOT / "notebooks" / "03_evaluation.ipynb", 4)
    used = nbformat.from_dict(clean)
    used.metadata.language_info.update(
        version="3.99",
        codemirror_mode={"name": "ipython"},
        file_extension=".py",
        mimetype="text/x-python",
        nbconvert_exporter="python",
        pygments_lexer="ipython3",
    )
    used.metadata.widgets = {"state": {}}
    for number, cell in enumerate(cell for cell in used.cells if cell.cell_type == "code"):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen")]
        cell.execution_count, cell.metadata["execution"], cell.metadata["scrolled"] = (
            number + 1,
            {"iopub.status.busy": "now"},
            True,
        )
    nbformat.write(used, tmp_path / "used.ipynb")
    subprocess.run(
        [sys.executable, "-m", "nbstripout", *command[1:], str(tmp_path / "used.ipynb")], check=True
    )
    assert nbformat.read(tmp_path / "used.ipynb", 4) == clean


def test_the_hooks_pass_and_ruff_is_one_of_them():
    assert hooks()["ruff"]["entry"].startswith(".venv/bin/ruff check")
    found = [str(file) for file in NOTEBOOKS]
    assert (
        subprocess.run(
            [
                sys.executable,
                "-m",
                "nbstripout",
                "--verify",
                *shlex.split(hooks()["nbstripout"]["entry"])[1:],
                *found,
            ]
        ).returncode
        == 0
    )
    assert (
        subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", "."], cwd=ROOT).returncode
        == 0
    )


def test_make_help_lists_every_target():
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text()).group(1).split()
    assert all(f"make {target}" in shown for target in targets)


def test_the_readme_names_only_files_that_exist():
    text = (ROOT / "README.md").read_text()
    tree = text[text.index("## The tree") :]
    for name in re.findall(r"^  (\w+\.py)", tree, re.M):
        assert (ROOT / "hybridlib" / name).exists(), name
    listed = set(re.findall(r"^  (\w+\.py)", tree, re.M)) | {"__init__.py", "errors.py", "files.py"}
    assert {file.name for file in (ROOT / "hybridlib").glob("*.py")} == listed
    for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
    "file", NOTEBOOKS + SOLUTIONS, ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_notebooks_are_clean(file):
    notebook = nbformat.read(file, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.metadata.get("tags") for cell in code[:1]] == [["parameters"]]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert notebook.cells[0].cell_type == "markdown"
    for cell in code:
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
        assert not any(isinstance(node, kinds) for node in ast.walk(ast.parse(cell.source))), (
            cell.source
        )
        assert len(cell.source.splitlines()) <= 12


@pytest.mark.parametrize(
    "file", NOTEBOOKS + SOLUTIONS, ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_prose_stands_before_and_after_the_code(file):
    """At most two code cells in a row, and a first cell that says what is to be learnt, how long it takes, and what is read and written."""
    cells = nbformat.read(file, 4).cells
    kinds = "".join("m" if cell.cell_type == "markdown" else "c" for cell in cells)
    assert kinds[0] == kinds[-1] == "m" or file in SOLUTIONS
    assert "ccc" not in kinds.removeprefix("mcc")
    first = cells[0].source
    assert all(word in first for word in ("**Takes**", "**Reads**"))
    if file not in SOLUTIONS and file.stem != "05_comparison":
        lessons = re.search(r"\*\*You will learn\*\*\n\n((?:- .+\n)+)", first)
        assert lessons and lessons[1].count("- ") == 3 and "**Writes**" in first


def test_every_exercise_has_its_solution():
    for file in NOTEBOOKS[1:]:
        asked = nbformat.read(file, 4).cells[-1].source
        numbers = re.findall(r"^(\d)\. ", asked, re.M)
        assert (
            asked.startswith("## Exercises")
            and f"solutions/{file.name}" in asked
            and 3 <= len(numbers) <= 5
        ), file
        solved = "\n".join(
            cell.source
            for cell in nbformat.read(file.parent / "solutions" / file.name, 4).cells
            if cell.cell_type == "markdown"
        )
        assert re.findall(r"^## (\d) ", solved, re.M) == numbers, file


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_parameters_are_the_defaults(file):
    code = [cell.source for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]
    shown: dict = {}
    exec(code[0], shown)
    shown.pop("__builtins__")
    assert Params.check(shown) == Params()
    assert [source for source in code[1:] if _literal_names(source)] == []


def test_the_quickstart_is_the_default():
    assert Params.load(ROOT / "params" / "quickstart.yaml") == Params(jobs=2)


def test_params_and_strategies_are_listed(capsys):
    assert main(["params"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n{name}: " in f"\n{shown}" for name in Params.model_fields)
    assert main(["strategies"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in STRATEGIES)
    assert main(["params", "alpha"]) == 0
    assert (
        capsys.readouterr().out
        == "# Training\n\nalpha: 0.5\n    number (probability), >= 0, <= 1\n    `hybrid`: probability that a batch is monolingual (paper: flat in 0.4-0.6)\n"
    )
    assert main(["params", "alhpa"]) == 2
    assert "did you mean 'alpha'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "run", "evaluate", "params", "strategies"])
def test_every_help_has_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0 and "example" in shown
    for example in re.findall(
        r"^(?:example:)? *hybridlib (.*)$", shown[shown.index("example") :], re.M
    ):
        if "--help" not in example:
            assert _parser().parse_args(shlex.split(example)).command


def test_a_reader_that_stops_reading_is_no_error():
    line = f"{sys.executable} -m hybridlib.cli params | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("#")


def test_the_package_does_not_print():
    allowed = {"cli.py"}
    for file in (ROOT / "hybridlib").glob("*.py"):
        calls = [
            node
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        ]
        assert file.name in allowed or not calls, file


def test_every_public_function_is_documented_and_annotated():
    for file in (ROOT / "hybridlib").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.FunctionDef)
                and not node.name.startswith("_")
                and node.name not in ("register", "factor", "validate")
            ):
                missing = [
                    a.arg
                    for a in node.args.args
                    if a.annotation is None and a.arg not in ("self", "cls")
                ]
                assert node.returns is not None and not missing, f"{file.name}: {node.name}"


def test_the_command_line_starts_without_importing_torch():
    code = "import sys; from hybridlib.cli import main; main(['strategies']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
