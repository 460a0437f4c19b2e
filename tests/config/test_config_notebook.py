"""Which cells of a notebook are parameter cells, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hybridlib.config.notebook import literal_names
from hybridlib.config.params import Params
from hybridlib.errors import InputError

CALL = "params = Params.from_notebook(globals())"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("steps = 3", ["steps"]),
        (
            "# Parameters\nsteps = 3  # few\nalpha = -0.5\nlanguages = ['de', 'en']\n\nstudy = 'a'",
            ["steps", "alpha", "languages", "study"],
        ),
        (
            "dropout = None\nfreeze_embeddings = True\nx = {'a': (1, 2)}",
            ["dropout", "freeze_embeddings", "x"],
        ),
        ("a = b = 1", ["a", "b"]),
        ("a = 1; b = 2", ["a", "b"]),
        ("", []),
        ("# only a comment", []),
        ("'''only a text'''", []),
        ("steps = 3\nprint(steps)", []),
        ("steps = int('3')", []),
        ("steps = other", []),
        ("steps = 2 * 3", []),
        ("steps: int = 3", ["steps"]),
        ("steps: int", []),
        ("temperature = float('inf')\ntop_p = float('nan')", ["temperature", "top_p"]),
        ("steps += 1", []),
        ("a, b = 1, 2", []),
        ("a.b = 1", []),
        ("a['b'] = 1", []),
        ("steps = 3\na, b = 1, 2", []),
        ("steps = 3\na.b = 1", []),
        ("steps = a['b'] = 1", []),
        ("import os", []),
        ("del steps", []),
        ("def f():\n    return 1", []),
        ("for i in [1]:\n    x = 1", []),
        ("%matplotlib inline", []),
        ("steps = ", []),
    ],
)
def test_only_cells_of_literal_assignments_are_parameter_cells(source, names):
    assert literal_names(source) == names


class Shell:
    """What is left in an IPython session by the cells that ran."""

    def __init__(self, *cells: str) -> None:
        self.user_ns = {"In": ["", *cells]}


def from_cells(monkeypatch, *cells: str) -> Params:
    namespace: dict[str, Any] = {"get_ipython": None, "unrelated": 1}
    for cell in cells[:-1]:
        exec(cell, namespace)
    monkeypatch.setattr("IPython.get_ipython", lambda: Shell(*cells))
    return Params.from_notebook(namespace)


def test_a_notebook_takes_its_cell_and_the_injected_one(monkeypatch):
    injected = "# Parameters\nsteps = 5\nalpha = 0.25"
    params = from_cells(monkeypatch, "import os", "steps = 3\nseed = 1", injected, CALL)
    assert params.steps == 5
    assert params.seed == 1
    assert params.alpha == 0.25


def test_a_notebook_leaves_earlier_cells_alone(monkeypatch):
    """Cells before other code are no parameter cells, even when they look like some."""
    params = from_cells(monkeypatch, "width = 3", "import os", "steps = 4", CALL)
    assert params.steps == 4


def test_a_misspelt_name_in_a_parameter_cell_is_refused(monkeypatch):
    with pytest.raises(InputError, match="notebook parameters: there is no parameter 'stepz'"):
        from_cells(monkeypatch, "seed = 1", "stepz = 3", CALL)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("steps = 7 * 10", "steps", 70),
        ("steps: int = 70", "steps", 70),
        ("from pathlib import Path\noutput_dir = Path('a')", "output_dir", Path("a")),
        ("import os\nstudy = os.sep.join(['a'])", "study", "a"),
        ("steps, seed = 70, 3", "steps", 70),
    ],
)
def test_a_line_that_is_no_literal_drops_nothing(line, name, value, monkeypatch):
    params = from_cells(monkeypatch, f"strategy = 'x-y'\nstudy = 'mine'\n{line}", CALL)
    assert params.strategy == "x-y"
    assert getattr(params, name) == value
    assert params.study == ("a" if name == "study" else "mine")


@pytest.mark.parametrize(
    "line",
    [
        "stepz = 7 * 10",
        "from pathlib import Path\nstepz = Path('a')",
        "stepz, alpha = 70, 0.5",
        "if seed:\n    stepz = 70",
        "for stepz in [70]:\n    pass",
        "print(stepz := 70)",
        "stepz = 1\nstepz += 69",
    ],
)
def test_a_misspelt_name_beside_a_parameter_is_refused_however_it_is_set(line, monkeypatch):
    with pytest.raises(InputError, match="notebook parameters: there is no parameter 'stepz'"):
        from_cells(monkeypatch, f"seed = 1\n{line}", CALL)


def test_helpers_of_a_parameter_cell_begin_with_an_underscore(monkeypatch):
    cell = "import math\n_tens = 7\ndef _times(x):\n    ten = 10\n    return x * ten"
    params = from_cells(monkeypatch, f"{cell}\nsteps = _times(_tens)\nseed = 2", CALL)
    assert (params.steps, params.seed) == (70, 2)


@pytest.mark.parametrize("number", ["float('inf')", "float('nan')"])
def test_numbers_that_papermill_writes_are_read_and_refused(number, monkeypatch):
    with pytest.raises(InputError, match="notebook parameters: temperature = "):
        from_cells(monkeypatch, f"strategy = 'x-y'\ntemperature = {number}", CALL)


def test_a_module_of_a_parameters_name_is_refused(monkeypatch):
    cell = "from hybridlib.batching import strategies"
    with pytest.raises(InputError, match=r"strategies is the module hybridlib\.batching"):
        from_cells(monkeypatch, "steps = 3", cell, CALL)
