"""Put tables and sentences that commands wrote into the pages, between two comments.

A block of a page begins with ``<!-- made: FILE -->`` and ends with ``<!-- end -->``. What is
between becomes the content of that Markdown file. ``<!-- made: FILE: strategy, rank distance -->``
takes those columns of its table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"^<!-- made: ([^:\n]+?)(?:: ([^\n]+?))? -->\n.*?^<!-- end -->$", re.M | re.S)


def main() -> int:
    """Fill every page; return the exit status."""
    for page in pages(ROOT):
        text = page.read_text(encoding="utf-8")
        try:
            new = filled(text, ROOT)
        except ValueError as error:
            print(f"{page.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 1
        if new != text:
            page.write_text(new, encoding="utf-8")
    return 0


def pages(root: Path) -> list[Path]:
    """Return the pages that may have blocks."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def filled(text: str, root: Path) -> str:
    """Return a page with what its blocks are to hold.

    Args:
        text: of the page.
        root: the folder that the names of files start from.

    Raises:
        ValueError: a file or a column does not exist, or a block is not closed.
    """
    if text.count("<!-- made:") != len(_BLOCK.findall(text)):
        raise ValueError("a block needs <!-- made: FILE --> and <!-- end -->, each on its own line")

    def fill(block: re.Match[str]) -> str:
        name, columns = block.groups()
        if not (root / name).is_file():
            raise ValueError(f"{name}: no such file")
        content = (root / name).read_text(encoding="utf-8").strip()
        if columns is not None:
            content = _with_columns(content, [column.strip() for column in columns.split(",")])
        first, _, _ = block[0].partition("\n")
        return f"{first}\n\n{content}\n\n<!-- end -->"

    return _BLOCK.sub(fill, text)


def _with_columns(table: str, columns: list[str]) -> str:
    """Return some columns of a Markdown table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    missing = [column for column in columns if column not in rows[0]]
    if missing:
        raise ValueError(f"no column {missing[0]!r} among {', '.join(rows[0])}")
    places = [rows[0].index(column) for column in columns]
    rows[1] = [":--"] * len(rows[0])
    return "\n".join("| " + " | ".join(row[place] for place in places) + " |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
