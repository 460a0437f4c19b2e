"""Build the site: pages, executed notebooks, kept studies and reference, into ``build/site/``.

``make site`` runs it. It fills ``build/site-source/`` with what Sphinx reads, laid out like the
project, so that the same links work on GitHub and on the site. It fails on every warning.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import shutil
import sys
from pathlib import Path

import nbformat
from site_checks import problems_of_site
from site_notebooks import (
    ROOT,
    Executed,
    copy_of_study,
    execute_further,
    further_notebooks,
    readable,
)
from sphinx.cmd.build import build_main

import hybridlib
from hybridlib.config.describe import describe
from hybridlib.errors import InputError

HERE = Path(__file__).resolve().parent
_HIDDEN_CONTENTS = """
```{toctree}
:hidden:

notebooks/index
docs/index
studies/index
api/index
CONTRIBUTING
CHANGELOG
```
"""
_TABLES = {
    "summary": "What costs nothing, and what training adds",
    "verdict": "The paper's claims",
    "intervals": "Values with 95 % intervals",
    "results": "Means over seeds, with corrections",
}
_AUTOMODULE = "```{{eval-rst}}\n.. automodule:: {}\n   :members:\n```\n"
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*?figures/([\w.-]+)\)")


def main(arguments: list[str] | None = None) -> int:
    """Build and check the site; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make site")
    parser.add_argument("study", type=Path, help="folder of a finished study")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder to write to")
    parser.add_argument(
        "--quick", action="store_true", help="show the tour and the solutions without results"
    )
    options = parser.parse_args(arguments)
    source = options.out / "site-source"
    site = options.out / "site"
    for folder in (source, site):
        shutil.rmtree(folder, ignore_errors=True)
    stage_pages(source)
    try:
        stage_notebooks(options.study.resolve(), source, options.out, options.quick)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    stage_studies(source)
    stage_reference(source)

    flags = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    doctrees = str(options.out / "site-doctrees")
    status = build_main([*flags, "-E", "-d", doctrees, "-c", str(HERE), str(source), str(site)])
    problems = problems_of_site(site)
    for problem in problems:
        print(problem, file=sys.stderr)
    if status or problems:
        return 1
    print(f"{len(list(site.rglob('*.html')))} pages, {site / 'index.html'}")
    return 0


def stage_notebooks(study: Path, source: Path, out: Path, quick: bool) -> None:
    """Put the executed notebooks, made readable, where the committed ones stand."""
    executed = Executed.find(study)
    index = source / "notebooks" / "index.md"
    text = index.read_text(encoding="utf-8").replace("STUDY", study.name)
    index.write_text(text.replace("RUN", executed.run.name), encoding="utf-8")

    kept = out / "site-notebooks"
    further = further_notebooks() if quick else execute_further(executed, kept)
    places = [file.relative_to(ROOT / "notebooks") for file in further_notebooks()]
    files = dict(zip(places, further))
    for file in executed.notebooks():
        files[Path(file.name)] = file
    for place, file in files.items():
        target = source / "notebooks" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        notebook = readable(nbformat.read(file, 4), [study.parent, copy_of_study(kept)])
        nbformat.write(notebook, target)


def stage_pages(source: Path) -> None:
    """Put the project's pages and the site's own where Sphinx reads them."""
    shutil.copytree(HERE / "pages", source, dirs_exist_ok=True)
    shutil.copytree(ROOT / "docs", source / "docs", dirs_exist_ok=True)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source)
    home = (ROOT / "README.md").read_text(encoding="utf-8")
    (source / "index.md").write_text(home + _HIDDEN_CONTENTS, encoding="utf-8")
    # The README is the site's home.
    for page in source.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("/README.md", "/index.md"), encoding="utf-8")


def stage_studies(source: Path) -> None:
    """Write a page for each kept study: how it was made, its figures, its tables."""
    texts = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        pictures = _PICTURE.findall(page.read_text(encoding="utf-8"))
        texts.update((name, text) for text, name in pictures)
    for readme in sorted((ROOT / "outputs" / "reference").glob("*/README.md")):
        study = readme.parent
        parts = [readme.read_text(encoding="utf-8")]
        for figure in sorted((ROOT / "docs" / "figures").glob("*.png")):
            is_of_study = figure.stem.partition("-")[0] == study.name
            if is_of_study and figure.name in texts:
                parts.append(f"![{texts[figure.name]}](../docs/figures/{figure.name})\n")
        for name, heading in _TABLES.items():
            table = (study / "comparison" / f"{name}.md").read_text(encoding="utf-8")
            parts.append(f"## {heading}\n\n{table}")
        page = source / "studies" / f"{study.name}.md"
        page.write_text("\n".join(parts), encoding="utf-8")


def stage_reference(source: Path) -> None:
    """Write the pages of the rooms, of the parameters, and of the public names."""
    folder = source / "api"
    rooms = []
    for room in pkgutil.iter_modules(hybridlib.__path__):
        if room.name == "cli":
            continue  # `hybridlib --help` tells it
        rooms.append(room.name)
        first, *others = modules_of(room.name)
        parts = [f"# {first}\n", _AUTOMODULE.format(first)]
        for module in others:
            parts += [f"## {module}\n", _AUTOMODULE.format(module)]
        (folder / f"{room.name}.md").write_text("\n".join(parts), encoding="utf-8")

    index = folder / "index.md"
    names = [f"   {hybridlib._HOMES[name]}.{name}" for name in hybridlib.__all__]
    text = index.read_text(encoding="utf-8").replace("PUBLIC_NAMES", "\n".join(names))
    index.write_text(text.replace("ROOMS", "\n".join(rooms)), encoding="utf-8")
    (folder / "parameters.md").write_text(parameter_page(), encoding="utf-8")


def modules_of(room: str) -> list[str]:
    """Import a room; return the names of its modules, its own first.

    Sphinx imports a new module a second time, as type checkers see it, and pydantic refuses that.
    """
    package = importlib.import_module(f"hybridlib.{room}")
    names = [package.__name__]
    for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
        names.append(f"{package.__name__}.{module.name}")
        importlib.import_module(names[-1])
    return names


def parameter_page() -> str:
    """Return the table of all parameters as a page."""
    parts = ["# Parameters\n", "What `hybridlib params` prints.\n"]
    for section, rows in describe().groupby("section", sort=False):
        table = rows[["name", "default", "meaning", "range", "unit"]].copy()
        for column in ("name", "default"):
            table[column] = [f"`{value}`" for value in table[column]]
        table["range"] = table["range"].str.replace(r"(\^.*\$)", r"`\1`", regex=True)
        parts.append(f"## {section}\n\n{table.to_markdown(index=False)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
