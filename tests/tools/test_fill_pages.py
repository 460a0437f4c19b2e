"""Blocks of a page hold what a file says, whole or some columns of its table."""

from __future__ import annotations

import re
from pathlib import Path

import fill_pages
import pytest

TABLE = "| name   | a b   |   c |\n|:-------|:------|----:|\n| x      | 1     |   2 |\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "table.md").write_text(TABLE)
    return tmp_path


def page(head: str, between: str = "old\n") -> str:
    return f"# Page\n\n<!-- made: {head} -->\n{between}<!-- end -->\n\nrest\n"


def test_a_block_holds_the_file_and_the_rest_of_the_page_stays(root):
    text = fill_pages.filled(page("table.md"), root)
    assert text == page("table.md", f"\n{TABLE}\n")
    assert fill_pages.filled(text, root) == text
    assert fill_pages.filled("no block\n", root) == "no block\n"


def test_a_block_may_hold_some_columns(root):
    text = fill_pages.filled(page("table.md: c, name"), root)
    assert text == page("table.md: c, name", "\n| c | name |\n| :-- | :-- |\n| 2 | x |\n\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (page("none.md"), "none.md: no such file"),
        (page("table.md: d"), "no column 'd' among name, a b, c"),
        ("<!-- made: table.md -->\nold\n", "a block needs"),
        (page("table.md").replace("# Page", "<!-- made: table.md -->"), "a block needs"),
    ],
)
def test_a_block_that_cannot_be_filled_is_named(root, text, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        fill_pages.filled(text, root)
