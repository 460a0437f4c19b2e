"""``hybridlib run`` with a stand-in for notebook 02: ``waiting_study.py NOTEBOOK ARGUMENTS``."""

from __future__ import annotations

import sys
from pathlib import Path

from hybridlib.cli import main
from hybridlib.study import runner

if __name__ == "__main__":
    real = runner.notebook_of
    waiting = Path(sys.argv[1])
    runner.notebook_of = lambda step: waiting if step == "training" else real(step)
    sys.exit(main(sys.argv[2:]))
