"""Make every table, figure and number of the pages again, from ``outputs/reference``.

It compares all kept studies, combines the four on real data, makes the tables of the first trials
(``first_trials.py``) and of the benchmarks (``speed_pages.py``), copies figures to ``docs/figures``
and fills the pages (``fill_pages.py``). No encoder is needed, and no data.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import fill_pages
import first_trials
import speed_pages

from hybridlib.cli import main as hybridlib

ROOT = fill_pages.ROOT
KEPT = ROOT / "outputs" / "reference"
# The first one gives the answer its values.
COMBINED = (
    "edition_2_m_to_x_12_layers",
    "edition_2_x_to_m_12_layers",
    "edition_2_x_to_m_4_layers",
    "edition_2_m_to_x_4_layers",
)
_OVERVIEW = "bias_plane"  # the figure that docs/figures names after the study alone


def main() -> int:
    """Make everything; return the exit status."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["HYBRIDLIB_FIGURES"] = "png"
    # Those with most runs first, so that no kernel ends long after the others.
    studies = sorted(KEPT.glob("*/study.yaml"), key=lambda file: -len([*file.parent.iterdir()]))
    folders = [str(file.parent) for file in studies]
    status = hybridlib(["compare", *folders, "--jobs", str(min(os.cpu_count() or 1, 8))])
    together = [str(KEPT / name) for name in COMBINED]
    status = status or hybridlib(["combine", *together, "--out", str(KEPT / "combined")])
    if status:
        return status
    first_trials.write(KEPT)
    speed_pages.write(ROOT / "benchmarks/results.json", KEPT / "speed", ROOT / "docs/figures")
    copy_figures(folders)
    shutil.copyfile(KEPT / "combined" / "forest.png", ROOT / "docs/figures/combined-forest.png")
    return fill_pages.main()


def copy_figures(folders: list[str]) -> None:
    """Replace the figures of ``docs/figures`` that a comparison has made."""
    for folder in map(Path, folders):
        for made in (folder / "comparison" / "figures").glob("*.png"):
            name = folder.name if made.stem == _OVERVIEW else f"{folder.name}-{made.stem}"
            shown = ROOT / "docs" / "figures" / f"{name}.png"
            if shown.exists():
                shutil.copyfile(made, shown)


if __name__ == "__main__":
    sys.exit(main())
