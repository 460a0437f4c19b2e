"""Make the table of runs that were trained and evaluated on a CPU and again on a GPU.

``outputs/reference/two_machines`` holds ``run.json`` of each run on the GPU. The same runs of the
kept study were made on a CPU.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hybridlib.files import read_json, write_text

STUDY = "edition_2_m_to_x_12_layers"
MEASURES = ("monolingual mAP", "cross-lingual mAP", "multilingual mAP", "rank distance")


def write(kept: Path) -> None:
    """Write ``differences.md``: how far apart the machines are, and the seeds of a system.

    Args:
        kept: the folder of the studies, ``outputs/reference``.
    """
    folder = kept / "two_machines"
    on_gpu = _runs(folder, "*")
    systems = {name.rpartition("-s")[0] for name in on_gpu.index}
    of_system = [_runs(kept / STUDY, f"{system}-s[0-9]") for system in sorted(systems)]
    on_cpu = pd.concat(of_system).loc[on_gpu.index]

    between_machines = (on_gpu - on_cpu).abs().max()
    between_seeds = pd.DataFrame([runs.std() for runs in of_system]).mean()
    lines = [
        f"| measure | largest difference of {len(on_gpu)} runs between machines "
        "| standard deviation between seeds |",
        "| :-- | :-- | :-- |",
    ]
    for name in MEASURES:
        digits = 2 if name == "rank distance" else 4
        values = (between_machines[name], between_seeds[name])
        lines.append(f"| {name} | {' | '.join(f'{value:.{digits}f}' for value in values)} |")
    write_text(folder / "differences.md", "\n".join(lines) + "\n")


def _runs(folder: Path, names: str) -> pd.DataFrame:
    """Return the measures of runs, a row each, by the name of the run."""
    runs = {}
    for file in sorted(folder.glob(f"{names}/run.json")):
        evaluated = read_json(file)["steps"]["evaluation"]
        runs[file.parent.name] = {name: evaluated[name] for name in MEASURES}
    return pd.DataFrame(runs).T
