"""docs/teaching.md: its plans fit the notebooks, and its cell for Colab installs what they need."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import nbformat
import pytest
from clones import ROOT
from IPython.core.inputtransformer2 import TransformerManager
from page_commands import blocks

PAGE = ROOT / "docs" / "teaching.md"
NOTEBOOKS = {file.stem: file for file in sorted((ROOT / "notebooks").glob("*.ipynb"))}
ROW = re.compile(r"^\| (\d+)–(\d+) \| `?(\w+)`? \|(.*)\|$", re.M)
NAMED = re.compile(r"(?<!\*)\*([^*]+)\*(?!\*)")


def plan(minutes: int) -> list[tuple[int, int, str, str]]:
    """The rows of a plan: first minute, last minute, notebook, the other columns."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {minutes} minutes\n")[1]
    rows = ROW.findall(section.split("\n## ")[0])
    return [(int(first), int(last), name, rest) for first, last, name, rest in rows]


def markdown(name: str) -> str:
    cells = nbformat.read(NOTEBOOKS[name], 4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("minutes", [90, 180])
def test_a_plan_fills_its_time_with_all_notebooks(minutes):
    rows = plan(minutes)
    assert [first for first, *_ in rows] == [0, *(last for _, last, *_ in rows[:-1])]
    assert rows[-1][1] == minutes
    assert [name for *_, name, _ in rows if name != "break"] == list(NOTEBOOKS)


@pytest.mark.parametrize("minutes", [90, 180])
def test_the_sections_and_exercises_of_a_plan_are_there(minutes):
    for _, _, name, rest in plan(minutes):
        if name == "break":
            continue
        text = markdown(name)
        headings = set(re.findall(r"^#+ (.*)$", text, re.M))
        assert set(NAMED.findall(rest)) <= headings, name
        exercises = set(re.findall(r"^(\d)\. \*\*", text, re.M))
        wanted = rest.rpartition("|")[2] if minutes == 180 else ""
        assert set(re.findall(r"\d", wanted)) <= exercises, name


def test_the_mistakes_are_answered_by_sections_that_are_there():
    section = PAGE.read_text(encoding="utf-8").split("## What students get wrong\n")[1]
    answers = re.findall(r"\| (0\d),([^|]*)\|$", section.split("\n## ")[0], re.M)
    assert len(answers) > 5
    for number, answer in answers:
        (name,) = [name for name in NOTEBOOKS if name.startswith(number)]
        headings = set(re.findall(r"^#+ (.*)$", markdown(name), re.M))
        assert set(NAMED.findall(answer)) <= headings, answer


def test_the_cell_for_colab_installs_what_the_notebooks_import():
    (cell,) = blocks(PAGE, "ipython")
    calls = [
        [argument.value for argument in node.args]
        for node in ast.walk(ast.parse(TransformerManager().transform_cell(cell)))
        if isinstance(node, ast.Call) and node.args
    ]
    (clone,), (magic, folder), (pip, options) = calls
    assert clone.endswith(f"https://github.com/OWNER/REPOSITORY {folder}")
    assert (magic, pip) == ("cd", "pip")
    installed = options.removeprefix("install --quiet ").split()
    assert installed[0] == "."  # the folder that holds pyproject.toml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = [re.split(r"\W", line)[0] for line in project["optional-dependencies"]["notebooks"]]
    assert set(installed[1:]) <= set(extra)
    available = {re.split(r"[><=\[]", line)[0] for line in project["dependencies"]}
    available |= {"hybridlib", *installed, *sys.stdlib_module_names}
    for file in (ROOT / "notebooks").rglob("*.ipynb"):
        for code in nbformat.read(file, 4).cells:
            if code.cell_type == "code":
                assert imported(code.source) <= available, file.name


def imported(source: str) -> set[str]:
    """The packages that a cell imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    return names


def test_binder_gets_jupyterlab_and_the_panel_of_the_tour():
    assert "-r requirements.lock" in (ROOT / "environment.yml").read_text()
    locked = (ROOT / "requirements.lock").read_text()
    assert all(f"\n{name}==" in locked for name in ("jupyterlab", "ipywidgets", "papermill"))
