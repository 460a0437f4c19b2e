"""Make every table, figure and number of the pages again, from ``outputs/reference``.

It compares all kept studies, combines the four on real data, makes the tables of the first trials
(``first_trials.py``), of the benchmarks (``speed_pages.py``) and of runs on two machines
(``two_machines.py``), copies figures to ``docs/figures`` and fills the pages (``fill_pages.py``).
No encoder is needed, and no data. Only figures that a page shows are drawn.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import fill_pages
import first_trials
import speed_pages
import two_machines

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
    os.environ |= {"OMP_NUM_THREADS": "1", "HYBRIDLIB_FIGURES": "png"}
    # Those with most runs first, so that no comparison ends long after the others.
    kept = [file.parent for file in KEPT.glob("*/study.yaml")]
    studies = sorted(kept, key=lambda study: -len([*study.iterdir()]))
    shown = {study: names for study in studies if (names := _shown_of(study.name))}
    others = [study for study in studies if study not in shown]

    # The comparisons run beside what this process does.
    names = {name for of_study in shown.values() for name in of_study}
    comparing = [_compare([*shown], names), _compare(others, {"none"})]
    together = [str(KEPT / name) for name in COMBINED]
    status = hybridlib(["combine", *together, "--out", str(KEPT / "combined")])
    first_trials.write(KEPT)
    two_machines.write(KEPT)
    speed_pages.write(ROOT / "benchmarks", KEPT / "speed", ROOT / "docs/figures")
    for process in comparing:
        status = process.wait() or status
    if status:
        return status

    copy_figures(shown)
    shutil.copyfile(KEPT / "combined" / "forest.png", ROOT / "docs/figures/combined-forest.png")
    return fill_pages.main()


def _shown_of(study: str) -> set[str]:
    """Return the names of a study's figures that pages show."""
    stems = [file.stem for file in (ROOT / "docs" / "figures").glob("*.png")]
    names = {stem.removeprefix(f"{study}-") for stem in stems if stem.startswith(f"{study}-")}
    return names | ({_OVERVIEW} if study in stems else set())


def _compare(studies: Sequence[Path], figures: Iterable[str]) -> subprocess.Popen[bytes]:
    """Start the comparison of some studies.

    Args:
        studies: their folders.
        figures: the names of the figures that are drawn.
    """
    jobs = max(1, min(os.cpu_count() or 1, 8) // 2)
    command = [sys.executable, "-m", "hybridlib.cli", "compare", *map(str, studies)]
    # Figures are saved, and need not be drawn again in the notebooks.
    environment = {**os.environ, "HYBRIDLIB_FIGURES": ",".join(figures), "MPLBACKEND": "agg"}
    return subprocess.Popen([*command, "--jobs", str(jobs)], env=environment)


def copy_figures(folders: Iterable[str | Path]) -> None:
    """Replace the figures of ``docs/figures`` that a comparison has made."""
    for folder in map(Path, folders):
        for made in (folder / "comparison" / "figures").glob("*.png"):
            name = folder.name if made.stem == _OVERVIEW else f"{folder.name}-{made.stem}"
            shown = ROOT / "docs" / "figures" / f"{name}.png"
            if shown.exists():
                shutil.copyfile(made, shown)


if __name__ == "__main__":
    sys.exit(main())
