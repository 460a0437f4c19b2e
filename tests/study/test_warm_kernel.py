"""Notebooks that share a kernel: modules stay, names do not, and a dead kernel is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import papermill
import pytest
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from hybridlib.study.warm_kernel import options_for, warm_kernel

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture(scope="module")
def kernel() -> Iterator[None]:
    """One kernel for all tests here: what one leaves must not matter to the next."""
    with warm_kernel():
        yield


def execute(folder: Path, code: str) -> str:
    """Run a notebook of one cell in this thread's kernel; return what it printed."""
    source, out = folder / "source.ipynb", folder / "out.ipynb"
    notebook = new_notebook(cells=[new_code_cell(code)], metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, source)
    options = options_for(folder)
    papermill.execute_notebook(source, out, cwd=folder, progress_bar=False, **options)
    (cell,) = nbformat.read(out, 4).cells
    return "".join(output.get("text", "") for output in cell.outputs)


def test_a_module_stays_and_a_name_does_not(kernel, tmp_path):
    first = execute(tmp_path, "import os, json\njson.mark, left = 1, 2\nprint(os.getpid())")
    second = execute(tmp_path, "import os\nprint(os.getpid())")
    assert first == second
    assert execute(tmp_path, "import json\nprint(json.mark, 'left' in globals())") == "1 False\n"


def test_a_notebook_that_fails_does_not_spoil_the_next(kernel, tmp_path):
    with pytest.raises(PapermillExecutionError, match="no such luck"):
        execute(tmp_path, "left = 1\nraise ValueError('no such luck')")
    assert execute(tmp_path, "print('left' in globals())") == "False\n"


def test_a_kernel_that_died_is_started_again(kernel, tmp_path):
    with pytest.raises(DeadKernelError):
        execute(tmp_path, "import os\nos._exit(1)")
    assert execute(tmp_path, "print('alive')") == "alive\n"


def test_another_thread_has_no_part_in_it(kernel, tmp_path):
    with ThreadPoolExecutor(1) as workers:
        assert workers.submit(options_for, tmp_path).result() == {}
