"""What a built site must be: every link leads somewhere, every picture has a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

_SHORTEST_ALT = 20  # characters
# Words of a kernel, a shell or a machine that a reader has no use for.
_NOISE = re.compile(
    r"Traceback \(most recent call last\)|\w+Warning:|it/s\]|/home/\w+|/tmp/|/root/|site-packages"
)


def problems_of_site(site: Path) -> list[str]:
    """Return what is wrong, a line for each fault: page and fault."""
    site = site.resolve()
    files = [file for file in sorted(site.rglob("*.html")) if "_static" not in file.parts]
    pages = {file: _Page.read(file) for file in files}
    problems = []
    for file, page in pages.items():
        faults = [
            *_picture_faults(page.content),
            *_link_faults(file, pages, site),
            *_heading_faults(page.content),
            *_noise_faults(page.content),
        ]
        problems += [f"{file.relative_to(site)}: {fault}" for fault in faults]
    return problems


@dataclass(frozen=True)
class _Page:
    """A page and the names of its places.

    Attributes:
        content: parsed.
        anchors: what a link can name behind `#`.
    """

    content: BeautifulSoup
    anchors: set[str]

    @classmethod
    def read(cls, file: Path) -> _Page:
        """Parse a page."""
        content = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        return cls(content, {str(element["id"]) for element in content.select("[id]")})

    def has(self, anchor: str) -> bool:
        """Return whether a link can name this place; no name is the top of the page."""
        return not anchor or anchor in self.anchors


def _picture_faults(page: BeautifulSoup) -> Iterator[str]:
    """Yield pictures without a text in their place; Sphinx puts the file's name there."""
    for picture in page.find_all("img"):
        text = str(picture.get("alt", ""))
        source = str(picture.get("src", ""))
        if len(text) < _SHORTEST_ALT or text == source or text.endswith((".png", ".svg")):
            yield f"the picture {source[:80]} has no text in its place"


def _link_faults(file: Path, pages: dict[Path, _Page], site: Path) -> Iterator[str]:
    """Yield links that lead nowhere, and what a page loads from another machine."""
    for tag, name in (("a", "href"), ("img", "src"), ("script", "src"), ("link", "href")):
        for element in pages[file].content.select(f"{tag}[{name}]"):
            target = str(element[name])
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if tag != "a" and parts.scheme != "data":
                    yield f"{target} is loaded from elsewhere"
                continue
            path = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not path.is_file() or not path.is_relative_to(site):
                yield f"the link to {target} leads nowhere"
            elif path in pages and not pages[path].has(unquote(parts.fragment)):
                yield f"the link to {target} leads to no heading"


def _heading_faults(page: BeautifulSoup) -> Iterator[str]:
    """Yield what is wrong with the order of headings: one of level 1, no level left out."""
    article = page.find("article")
    if article is None:
        return
    levels = [int(heading.name[1]) for heading in article.find_all(re.compile("^h[1-6]$"))]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings of level 1"
    for before, level in pairwise(levels):
        if level > before + 1:
            yield f"a heading of level {level} follows one of level {before}"


def _noise_faults(page: BeautifulSoup) -> Iterator[str]:
    """Yield outputs of a notebook that name this machine or come from its kernel."""
    for output in page.select("div.cell"):
        for word in _NOISE.findall(output.get_text()):
            yield f"a cell shows {word}"
