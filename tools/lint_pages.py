"""Check the pages and the notebooks: links, named files and parameters, the order of a lesson.

``make lint`` runs it; each problem is one line, and the exit status is 1 if there are any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import yaml
from nbformat import NotebookNode

import hybridlib
from hybridlib.batching.strategies import known_strategies
from hybridlib.config.params import Params

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_SPAN = re.compile(r"`([^`\n]+)`")
_FOLDERS = ("hybridlib", "tests", "docs", "params", "benchmarks", "notebooks", "outputs", "tools")
_SHORTEST_ALT = 30  # characters of a text in the place of a picture
_LONGEST_CELL = 10  # lines, imports not counted
_REFUSED = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.While)
_LESSONS = re.compile(r"\*\*You will learn\*\*\n\n((?:- .+\n)+)")
_KNOWN = re.compile(r"## What you now know\n\n((?:- .+(?:\n|$)){3})$")


def main() -> int:
    """Print every problem; return the exit status."""
    problems = list(problems_in(ROOT))
    for file, problem in problems:
        print(f"{file.relative_to(ROOT)}: {problem}")
    return 1 if problems else 0


def problems_in(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file with what is wrong in it."""
    pages = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    pages += sorted((root / "docs").rglob("*.md"))
    notebooks = sorted((root / "notebooks").rglob("*.ipynb"))
    for file in [*pages, *notebooks]:
        for target in broken_links(file, root):
            yield file, f"the link to {target} leads nowhere"
    for page in unreached(pages):
        yield page, "README.md has no link to it"
    for page in pages:
        yield from ((page, problem) for problem in page_problems(page, root))
    for file in notebooks:
        yield from ((file, problem) for problem in notebook_problems(file))
    for file in notebooks:
        if file.parent.name != "solutions" and file.stem != "00_tour":
            yield from ((file, problem) for problem in exercise_problems(file))


# ------------------------------------------------------------------------------------------- pages


def prose(file: Path) -> str:
    """Return Markdown without its fenced code; of a notebook, that of its Markdown cells."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = nbformat.reads(text, 4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return _FENCED.sub("", text)


def broken_links(file: Path, root: Path) -> list[str]:
    """Return the links of a page that lead to no file, to no heading, or are no address."""
    broken = []
    for _, _, target in _LINK.findall(prose(file)):
        parts = urlsplit(target)
        if parts.scheme:
            is_good = parts.scheme == "https" and re.fullmatch(r"[\w.-]+\.[a-z]{2,}", parts.netloc)
        else:
            page = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            is_good = page.exists() and page.is_relative_to(root)
            if is_good and parts.fragment:
                is_good = parts.fragment in anchors(page)
        if not is_good:
            broken.append(target)
    return broken


def anchors(file: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ +(.*)$", prose(file), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def unreached(pages: list[Path]) -> list[Path]:
    """Return the pages that the first one, the README, does not link to."""
    readme, *others = pages
    linked = set()
    for _, _, target in _LINK.findall(prose(readme)):
        linked.add((readme.parent / urlsplit(target).path).resolve())
    return [page for page in others if page not in linked]


def page_problems(page: Path, root: Path) -> Iterator[str]:
    """Yield what a page names and is not there: files, modules, parameters, strategies."""
    text = prose(page)
    for is_picture, words, target in _LINK.findall(text):
        if is_picture and len(words) < _SHORTEST_ALT:
            yield f"the picture {target} needs a text of {_SHORTEST_ALT} characters in its place"
    # A page of changes names what is gone.
    spans = [] if page.name == "CHANGELOG.md" else _SPAN.findall(text)
    for span in spans:
        if not exists(span, root):
            yield f"there is no {span}"

    yaml_blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    names = re.findall(r"`([a-z_]+): [^`]+`", text)
    for block in yaml_blocks:
        values = yaml.safe_load(block)
        names += values
        for strategy in values.get("strategies", []):
            if strategy not in known_strategies() and "plugins" not in values:
                yield f"there is no strategy {strategy!r}"
    for name in sorted(set(names) - set(Params.model_fields)):
        yield f"there is no parameter {name!r}"


def exists(span: str, root: Path) -> bool:
    """Return whether a file or module that a code span names is there; true of any other span."""
    if re.fullmatch(r"hybridlib(\.\w+)+", span):
        # The last part may be a name in a module, such as a function.
        parts = span.split(".")
        modules = [parts, parts[:-1]] if len(parts) > 2 else [parts]
        paths = [root.joinpath(*module) for module in modules]
        is_module = any(path.is_dir() or path.with_suffix(".py").exists() for path in paths)
        return is_module or parts[1] in dir(hybridlib)
    is_path = re.fullmatch(r"[\w./*-]+", span) and span.split("/")[0] in _FOLDERS and "/" in span
    return not is_path or any(root.glob(span.rstrip("/")))


# --------------------------------------------------------------------------------------- notebooks


def notebook_problems(file: Path) -> Iterator[str]:
    """Yield what a notebook must not have: outputs, long cells, code without prose."""
    notebook = nbformat.read(file, 4)
    nbformat.validate(notebook)
    cells = notebook.cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    if notebook.metadata.kernelspec.name != "python3":
        yield "the kernelspec is not python3"
    if code[0].metadata.get("tags") != ["parameters"]:
        yield "the first code cell lacks the tag `parameters`"
    for cell in code:
        yield from cell_problems(cell)
    for cell in code[1:]:
        for name in sorted(bound_names(cell.source) & set(Params.model_fields)):
            yield f"a cell gives a parameter's name, {name}, another meaning"
    is_solution = file.parent.name == "solutions"
    kinds = "".join(cell.cell_type[0] for cell in cells)
    if kinds[0] != "m" or (kinds[-1] != "m" and not is_solution):
        yield "prose stands first and last"
    if "ccc" in kinds.removeprefix("mcc"):
        yield "three code cells stand in a row"
    yield from opening_problems(cells[0].source, file)
    if not is_solution and not _KNOWN.match(cells[-2].source):
        yield "the cell before the exercises does not say in three lines what you now know"


def cell_problems(cell: NotebookNode) -> Iterator[str]:
    """Yield what a code cell must not have."""
    first_line = cell.source.partition("\n")[0]
    if cell.outputs or cell.execution_count is not None:
        yield f"a cell has been run: {first_line}"
    if any(isinstance(node, _REFUSED) for node in ast.walk(ast.parse(cell.source))):
        yield f"functions and classes belong into the package: {first_line}"
    lines = [line for line in cell.source.splitlines() if not line.startswith(("import ", "from "))]
    if len(lines) > _LONGEST_CELL:
        yield f"a cell is longer than {_LONGEST_CELL} lines: {first_line}"


def bound_names(source: str) -> set[str]:
    """Return the names that a cell sets or imports, those inside comprehensions left out."""
    tree = ast.parse(source)
    inner = set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension):
            inner |= {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names - inner


def opening_problems(text: str, file: Path) -> Iterator[str]:
    """Yield what the first cell of a notebook does not say."""
    words = ["**Takes**", "**Reads**"]
    is_solution = file.parent.name == "solutions"
    if not is_solution:
        words.append("**Question.**")
    if not is_solution and file.stem != "05_comparison":
        words.append("**Writes**")
        lessons = _LESSONS.search(text)
        if lessons is None or lessons[1].count("- ") != 3:
            yield "the first cell does not list three things to learn"
    for word in words:
        if word not in text:
            yield f"the first cell does not say {word}"


def exercise_problems(file: Path) -> Iterator[str]:
    """Yield exercises without a solution."""
    exercises = nbformat.read(file, 4).cells[-1].source
    numbers = re.findall(r"^(\d)\. ", exercises, re.M)
    if not exercises.startswith("## Exercises") or not 3 <= len(numbers) <= 5:
        yield "the last cell does not have three to five exercises"
    if f"solutions/{file.name}" not in exercises:
        yield "the exercises do not name the notebook with their solutions"
    solutions = prose(file.parent / "solutions" / file.name)
    if re.findall(r"^## (\d) ", solutions, re.M) != numbers:
        yield "not every exercise has its solution"


if __name__ == "__main__":
    sys.exit(main())
