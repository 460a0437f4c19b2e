"""The notebooks of the site: those that a study has executed, and those run for the site.

A study executes 01 to 05. The tour and the solutions are executed here, on a copy of the study's
folder, because one of the solutions adds a run to it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from hybridlib import figures
from hybridlib.errors import InputError
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS

ROOT = Path(__file__).resolve().parents[2]
_HEADING = re.compile(r"^#+ +(.*)$", re.M)
_ROLE = re.compile(r":\w+:(?=`)")
_WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Executed:
    """The folders of a study's executed notebooks.

    Attributes:
        study: the study's folder.
        run: the folder of the run that the site shows.
    """

    study: Path
    run: Path

    @classmethod
    def find(cls, study: Path) -> Executed:
        """Choose the run to show: the first of `hybrid`, else the first of all.

        Raises:
            InputError: the study is not there, or one of its notebooks is not executed.
        """
        last = NOTEBOOKS["bias"]
        runs = sorted(file.parent for file in study.glob(f"*/{last}.ipynb"))
        runs.sort(key=lambda run: "-hybrid-" not in run.name)
        found = cls(study, runs[0] if runs else study / "<run>")
        for file in found.notebooks():
            if not file.exists():
                raise InputError(f"{file}: not there; `make demo` runs the quickstart study")
        return found

    def notebooks(self) -> list[Path]:
        """Return the files of 01 to 05, in order."""
        files = []
        for step, name in NOTEBOOKS.items():
            folder = self.run if step in RUN_STEPS else self.study / step
            files.append(folder / f"{name}.ipynb")
        return files

    def params(self) -> dict[str, object]:
        """Return the parameters that the run was given, with the grid of the last comparison."""
        *_, last, comparison = self.notebooks()
        values = _given(last)
        grid = _given(comparison)
        for name in ("encoders", "strategies", "seeds", "grid"):
            values.pop(name, None)
            if name in grid:
                values[name] = grid[name]
        return values

    def key(self) -> str:
        """Return a hash of what the study's steps left: their markers."""
        markers = sorted(self.study.rglob("*.done.json"))
        return hashlib.sha256(b"".join(file.read_bytes() for file in markers)).hexdigest()


def _given(notebook: Path) -> dict[str, object]:
    """Return the parameters that papermill gave to an executed notebook."""
    return dict(nbformat.read(notebook, 4).metadata.papermill.parameters)


# ------------------------------------------------------------------------------ run for the site


def further_notebooks() -> list[Path]:
    """Return the notebooks that no study executes: the tour and the solutions."""
    folder = ROOT / "notebooks"
    return [folder / "00_tour.ipynb", *sorted((folder / "solutions").glob("*.ipynb"))]


def execute_further(executed: Executed, kept: Path) -> list[Path]:
    """Execute the tour and the solutions, unless ``kept`` has them of this study already.

    Args:
        executed: the study.
        kept: folder of the executed notebooks and, meanwhile, of a copy of the study.

    Returns:
        The executed notebooks, in the order of :func:`further_notebooks`.

    Raises:
        InputError: a notebook failed.
    """
    outs = {}
    for source in further_notebooks():
        key = hashlib.sha256(source.read_bytes() + executed.key().encode()).hexdigest()[:16]
        outs[source] = kept / key / source.relative_to(ROOT / "notebooks")
    missing = [source for source, out in outs.items() if not out.exists()]
    copy = copy_of_study(kept)
    shutil.rmtree(copy, ignore_errors=True)
    if missing:
        shutil.copytree(executed.study, copy / executed.study.name)
    for source in missing:
        print(f"running {source.relative_to(ROOT)}", flush=True)
        _execute(source, outs[source], {**executed.params(), "output_dir": str(copy)})
    shutil.rmtree(copy, ignore_errors=True)
    return list(outs.values())


def copy_of_study(kept: Path) -> Path:
    """Return the folder that holds the copy of the study while notebooks run on it."""
    return kept / "outputs"


def _execute(source: Path, out: Path, parameters: dict[str, object]) -> None:
    """Run a notebook; its executed copy gets its name only if no cell fails."""
    # papermill warns of every parameter that a notebook's first cell does not show.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part.ipynb")
    try:
        papermill.execute_notebook(
            source,
            part,
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
            cwd=ROOT / "notebooks",
            extra_arguments=["--log-level=ERROR"],
        )
    except PapermillExecutionError as error:
        raise InputError(
            f"{source.relative_to(ROOT)} does not run on this study: {error.ename} in "
            f"cell {error.exec_count}; see {part}"
        ) from None
    part.replace(out)


# ------------------------------------------------------------------------------ made fit to read


def readable(notebook: NotebookNode, folders: list[Path]) -> NotebookNode:
    """Return a notebook for readers: no progress bars, no warnings, a text for every figure.

    Args:
        notebook: executed.
        folders: of this machine, whose names become `outputs`, as in a reader's own clone.
    """
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    if "output_dir" in given:  # the study may have been moved since
        folders = [Path(given["output_dir"]), *folders]
    heading = ""
    cells = []
    for cell in notebook.cells:
        source = _without(cell.source, folders)
        if cell.cell_type == "markdown":
            heading = (_HEADING.findall(source) or [heading])[-1]
            cells.append(nbformat.v4.new_markdown_cell(source))
            continue
        shown = nbformat.v4.new_code_cell(source, execution_count=cell.execution_count)
        shown.outputs = [
            _output(output, folders) for output in cell.outputs if not _is_noise(output)
        ]
        if "figures." in source:
            shown.metadata["mystnb"] = {"image": {"alt": alternative(heading, source)}}
        cells.append(shown)
    metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def alternative(heading: str, source: str) -> str:
    """Return the text in the place of a cell's figure: its section and what the figure shows.

    The second is the first line of the docstring of the function that draws it.
    """
    for name in re.findall(r"\bfigures\.(\w+)\(", source):
        function = getattr(figures, name)
        if function.__annotations__.get("return") == "Figure":
            line = function.__doc__.partition("\n")[0].removeprefix("Draw ")
            section = re.sub(r"^\d+ · ", "", heading)
            text = f"{section}: {_ROLE.sub('', line)}"
            return text.replace("`", "").replace("_", " ")
    return ""


def _is_noise(output: NotebookNode) -> bool:
    """Return whether an output is a progress bar, a panel that needs a kernel, or a warning."""
    is_warning = output.output_type == "stream" and output.name == "stderr"
    return is_warning or _WIDGET in output.get("data", {})


def _output(output: NotebookNode, folders: list[Path]) -> NotebookNode:
    """Return an output without names of this machine's folders."""
    if output.output_type == "stream":
        return nbformat.v4.new_output("stream", name="stdout", text=_without(output.text, folders))
    data = {}
    for kind, value in output.data.items():
        is_text = kind.startswith("text/")
        data[kind] = _without(value, folders) if is_text else value
    return nbformat.v4.new_output("display_data", data=data)


def _without(text: str, folders: list[Path]) -> str:
    """Replace the names of folders by `outputs`, and drop the name of the project's folder."""
    for folder in folders:
        text = text.replace(str(folder), "outputs")
    return text.replace(f"{ROOT}/", "")
