"""How long one waits before anything is computed: imports, the command line, the notebooks.

    python benchmarks/startup.py

Each is a process of its own, several times; the first time, which fills the page cache, does not
count. A notebook's imports are those of all its cells. With ``--figures`` also `make figures`, in a
copy.
"""

from __future__ import annotations

import argparse
import ast
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from record import add_record_option, write_record
from timing import seconds_of

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure, and print seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--figures", action="store_true", help="also measure `make figures`")
    add_record_option(parser)
    options = parser.parse_args()

    python = [sys.executable, "-c"]
    commands = {
        "import hybridlib": [*python, "import hybridlib"],
        "hybridlib --help": [sys.executable, "-m", "hybridlib.cli", "--help"],
    }
    for notebook in sorted((ROOT / "notebooks").glob("0*.ipynb")):
        commands[f"imports of notebook {notebook.stem[:2]}"] = [*python, imports_of(notebook)]
    seconds = {name: median_seconds(command, options.repeats) for name, command in commands.items()}
    if options.figures:
        seconds["make figures"] = seconds_of_figures()
    for name, value in seconds.items():
        print(f"{name:<28}{value:8.2f} s")
    write_record(options.record, seconds)


def imports_of(notebook: Path) -> str:
    """Return the import statements of all cells of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    statements = [statement for source in sources for statement in ast.parse(source).body]
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(map(ast.unparse, imports))


def median_seconds(command: list[str], repeats: int) -> float:
    """Return the median of the seconds that a command takes; the first run does not count."""
    times = [seconds_of(lambda: run(command)) for _ in range(repeats + 1)]
    return statistics.median(times[1:])


def run(command: list[str]) -> None:
    """Run a command, without its output."""
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)


def seconds_of_figures() -> float:
    """Return the seconds that `make figures` takes, on a copy of what it reads and writes."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("tools", "docs", "benchmarks", "outputs/reference"):
            shutil.copytree(ROOT / name, copy / name)
        for page in ROOT.glob("*.md"):
            shutil.copyfile(page, copy / page.name)
        return seconds_of(lambda: run([sys.executable, str(copy / "tools" / "make_figures.py")]))


if __name__ == "__main__":
    main()
