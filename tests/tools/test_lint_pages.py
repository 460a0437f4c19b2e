"""The checks of pages and notebooks notice what they are there for."""

from __future__ import annotations

import importlib.util

import nbformat
import pytest
from clones import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SPEC = importlib.util.spec_from_file_location("lint_pages", ROOT / "tools" / "lint_pages.py")
lint_pages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lint_pages)


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Head, line\n[a](page.md) [b](#head-line) [c](https://arxiv.org/abs/1) [d](none.md) "
        "[e](#none) [f](http:/x) [g](../page.md)\n```\n[h](none)\n```\n"
    )
    broken = ["none.md", "#none", "http:/x", "../page.md"]
    assert lint_pages.broken_links(page, tmp_path) == broken


def test_a_page_that_no_link_leads_to_is_noticed(tmp_path):
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("# A page\n")
    readme = tmp_path / "README.md"
    readme.write_text("[a](a.md)\n")
    pages = [readme, tmp_path / "a.md", tmp_path / "b.md"]
    assert lint_pages.unreached(pages) == [tmp_path / "b.md"]


def test_what_a_page_names_has_to_be_there(tmp_path):
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(
        "`docs/page.md` `docs/` `docs/none.md` `hybridlib.none.at_all` `alpha: 0.3` `alhpa: 1`\n"
        "![short](page.md)\n\n```yaml\nsteps: 3\nstpes: 3\nstrategies: [x-y, y-x]\n```\n"
    )
    assert list(lint_pages.page_problems(page, tmp_path)) == [
        "the picture page.md needs a text of 30 characters in its place",
        "there is no docs/none.md",
        "there is no hybridlib.none.at_all",
        "there is no strategy 'y-x'",
        "there is no parameter 'alhpa'",
        "there is no parameter 'stpes'",
    ]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("hybridlib.training.loop.train", True),
        ("hybridlib.evaluate", True),
        ("hybridlib.index", False),
        ("hybridlib.training", True),
        ("tests/toys.py", True),
        ("tests/<room>/test.py", True),
        ("outputs/reference/study_*", True),
        ("params/none.yaml", False),
        ("any words", True),
    ],
)
def test_code_spans_that_name_files_and_modules(span, expected):
    assert lint_pages.exists(span, ROOT) is expected


def test_a_notebook_that_is_not_fit_to_be_read_is_noticed(tmp_path):
    file = tmp_path / "06_more.ipynb"
    cells = [
        new_markdown_cell("# More\n\n**You will learn**\n\n- one thing\n\n**Reads** nothing."),
        new_code_cell("a = 1", execution_count=1),
        new_markdown_cell("Then"),
        new_code_cell("def b():\n    return 1"),
        new_code_cell("\n".join(["c = 1"] * 11)),
        new_code_cell("d = 1"),
    ]
    metadata = {"kernelspec": {"name": "other", "display_name": "other"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), file)
    assert list(lint_pages.notebook_problems(file)) == [
        "the kernelspec is not python3",
        "the first code cell lacks the tag `parameters`",
        "a cell has been run: a = 1",
        "functions and classes belong into the package: def b():",
        "a cell is longer than 10 lines: c = 1",
        "prose stands first and last",
        "three code cells stand in a row",
        "the first cell does not list three things to learn",
        "the first cell does not say **Takes**",
        "the first cell does not say **Question.**",
        "the first cell does not say **Writes**",
        "the cell before the exercises does not say in three lines what you now know",
    ]


def test_an_exercise_without_a_solution_is_noticed(tmp_path):
    (tmp_path / "solutions").mkdir()
    exercises = "## Exercises\n\n`solutions/06.ipynb`\n\n1. One\n2. Two\n3. Three"
    solutions = "## 1 · One\n\n## 3 · Three"
    nbformat.write(new_notebook(cells=[new_markdown_cell(exercises)]), tmp_path / "06.ipynb")
    solved = new_notebook(cells=[new_markdown_cell(solutions)])
    nbformat.write(solved, tmp_path / "solutions" / "06.ipynb")
    problems = list(lint_pages.exercise_problems(tmp_path / "06.ipynb"))
    assert problems == ["not every exercise has its solution"]


def test_names_that_a_cell_gives_a_meaning():
    """A notebook reads its parameters from the names of its kernel."""
    source = "from a import seed\nsteps, x = 1, [alpha for alpha in (1, 2)]\nfor grid in x: pass"
    assert lint_pages.bound_names(source) == {"seed", "steps", "x", "grid"}
