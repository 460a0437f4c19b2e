"""The pages (README, CONTRIBUTING, CHANGELOG, docs/) and the notebooks' prose: every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from hybridlib.batching.strategies import known_strategies
from hybridlib.config.params import Params

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def prose(file: Path) -> str:
    """Markdown without its fenced code; of a notebook, that of its Markdown cells."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        text = "\n\n".join(
            cell.source for cell in nbformat.reads(text, 4).cells if cell.cell_type == "markdown"
        )
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchors(file: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ +(.*)$", prose(file), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


def broken(file: Path) -> list[str]:
    """The links of a page that lead to no file, to no heading, or are no address."""
    bad = []
    for _, _, target in LINK.findall(prose(file)):
        parts = urlsplit(target)
        if parts.scheme:
            fine = parts.scheme == "https" and re.fullmatch(r"[\w.-]+\.[a-z]{2,}", parts.netloc)
        else:
            page = file if not parts.path else (file.parent / unquote(parts.path)).resolve()
            fine = (
                page.exists()
                and page.is_relative_to(ROOT)
                and (not parts.fragment or parts.fragment in anchors(page))
            )
        bad += [] if fine else [target]
    return bad


@pytest.mark.parametrize("file", [*PAGES, *NOTEBOOKS], ids=lambda file: file.name)
def test_every_link_leads_somewhere(file: Path):
    assert broken(file) == []


def test_a_broken_link_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# Head, line\n[a](page.md) [b](#head-line) [c](https://arxiv.org/abs/1) [d](none.md) [e](#none) [f](http:/x) [g](../page.md)\n```\n[h](none)\n```\n"
    )
    assert broken(page) == ["none.md", "#none", "http:/x", "../page.md"]


def test_every_page_is_reached_from_the_readme():
    readme = ROOT / "README.md"
    linked = {
        (readme.parent / urlsplit(target).path).resolve()
        for _, _, target in LINK.findall(prose(readme))
    }
    assert set(PAGES) - linked == {readme}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_picture_has_a_text_in_its_place(file: Path):
    assert [
        target for picture, text, target in LINK.findall(prose(file)) if picture and len(text) < 30
    ] == []


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_parameters_in_the_pages_exist(file: Path):
    """``name: value`` in a code span or a YAML block is a parameter, and its strategies are there."""
    text = file.read_text(encoding="utf-8")
    yaml_blocks = "\n".join(re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S))
    named = re.findall(r"^(\w+):", yaml_blocks, re.M) + re.findall(
        r"`([a-z_]+): [^`]+`", prose(file)
    )
    assert set(named) - set(Params.model_fields) == set()
    listed = [
        name.strip()
        for names in re.findall(r"^strategies: \[(.*)\]", yaml_blocks, re.M)
        for name in names.split(",")
    ]
    assert set(listed) <= set(known_strategies())
