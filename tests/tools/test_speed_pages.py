"""Tables and figures of speed are made of what the benchmarks wrote, and of nothing else."""

from __future__ import annotations

import json

import pytest
import speed_pages
from clones import ROOT

KEPT = ROOT / "benchmarks" / "results.json"
GPU = ROOT / "benchmarks" / "results_gpu.json"
TABLES = ROOT / "outputs" / "reference" / "speed"


def test_the_kept_tables_are_made_of_the_kept_results(tmp_path):
    speed_pages.write(KEPT.parent, tmp_path, tmp_path)
    made = {file.name: file.read_text() for file in tmp_path.glob("*.md")}
    assert made == {file.name: file.read_text() for file in TABLES.glob("*.md")}
    assert {file.name for file in tmp_path.glob("*.png")} == {"speed-limit.png", "speed-growth.png"}


def test_what_a_benchmark_could_not_compare_has_no_row():
    results = json.loads(KEPT.read_text())
    kept = speed_pages.ratios(results)
    results["search"] = {}  # as without faiss
    rows = speed_pages.ratios(results).splitlines()
    assert len(rows) == len([line for line in kept.splitlines() if "faiss" not in line])


@pytest.mark.parametrize("name", speed_pages.RATIOS)
def test_a_ratio_is_that_of_the_results(name: str):
    part, figure = speed_pages.RATIOS[name]
    results = json.loads(KEPT.read_text())
    results[part][figure] = 12.345
    assert f"| {name}" in speed_pages.ratios(results)
    assert "12.35" in speed_pages.ratios(results) or "12.34" in speed_pages.ratios(results)


def test_the_table_of_a_gpu_is_that_of_its_results():
    results = json.loads(GPU.read_text())
    results["training_bf16"] |= {"training_over_sentence_transformers": 12.5}
    results["encoding_bf16"] |= {"texts_per_second": 98_765.0}
    results["training_bf16"]["machine"]["gpu"] = "NVIDIA X1"
    row = speed_pages.gpu(results).splitlines()[-1]
    assert "12.50" in row and "98,765" in row
    assert "one NVIDIA X1:" in speed_pages.gpu_machine(results)


def test_each_part_stands_with_the_machine_it_was_measured_on():
    results = json.loads(KEPT.read_text())
    for part in speed_pages.PARTS:
        results[part]["machine"] |= {"processor": "A", "cores": 2, "memory_gb": 24.0}
    results["search"]["machine"] |= {"processor": "B", "cores": 4}
    lines = speed_pages.machine(results).splitlines()
    assert lines[-2].startswith("- On 2 cores (A, 24 GB): training, encoding, the limits")
    assert lines[-1] == "- On 4 cores (B, 24 GB): search."
