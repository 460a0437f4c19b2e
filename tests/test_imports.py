"""What must start fast imports no heavy library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hybridlib

HEAVY = ("torch", "transformers", "pandas")
HELP = """
import sys
from hybridlib.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""


@pytest.mark.parametrize("code", ["import hybridlib", HELP], ids=["import", "help"])
def test_no_heavy_library_is_imported(code):
    report = f"\nimport sys\nprint('imported:', *[name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(hybridlib.__file__).parents[1])},
    )
    assert result.stdout.splitlines()[-1] == "imported:"
