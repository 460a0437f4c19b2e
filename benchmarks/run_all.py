"""Run every benchmark and write ``benchmarks/results.json``, which pages and figures are made from.

    make bench ENCODER=PATH/TO/ENCODER XQUAD=PATH/TO/xquad-r
    python benchmarks/run_all.py PATH/TO/ENCODER PATH/TO/xquad-r --gpu

The benchmarks run one after the other, each in processes of its own. Let the machine do nothing
else meanwhile. ``--only`` runs some, and leaves what the file has of the others. With ``--gpu``
training and encoding are measured on a GPU, for ``benchmarks/results_gpu.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from record import write_record

from hybridlib.study.manifest import environment

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
GPU_RESULTS = HERE / "results_gpu.json"
LIBRARIES = ("torch", "transformers", "sentence-transformers", "faiss-cpu", "numpy", "pandas")


def main() -> int:
    """Run the benchmarks; return the exit status: 1 if one failed."""
    options = parse_arguments()
    file = GPU_RESULTS if options.gpu else RESULTS
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    failed = []
    for name, command in commands(options).items():
        if options.only and name not in options.only:
            continue
        print(f"--- {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / "record.json"
            started = time.perf_counter()
            done = subprocess.run([sys.executable, *command, "--record", str(record)], cwd=HERE)
            if done.returncode:
                failed.append(name)
                continue
            figures = json.loads(record.read_text(encoding="utf-8"))
        minutes = (time.perf_counter() - started) / 60
        results[name] = {"machine": machine(), "minutes": minutes, **figures}
        write_record(file, results)
    print(f"failed: {', '.join(failed)}" if failed else f"wrote {file}")
    return 1 if failed else 0


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder", type=Path, help="a transformers folder")
    parser.add_argument("xquad", type=Path, help="XQuAD-R's folder of <lang>.json")
    parser.add_argument("--only", nargs="+", help="these benchmarks")
    parser.add_argument("--gpu", action="store_true", help="training and encoding on a GPU instead")
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch finds no GPU here")
    for path in (options.encoder, options.xquad):
        if not path.is_dir():
            parser.error(f"{path}: no such folder")
    known = commands(options)
    for name in options.only or []:
        if name not in known:
            parser.error(f"--only: {name} is none of {', '.join(known)}")
    return options


def commands(options: argparse.Namespace) -> Mapping[str, list[str]]:
    """Return the command of each benchmark, by name."""
    encoder = str(options.encoder.resolve())
    corpus = ["--corpus-path", str(options.xquad.resolve())]
    training = ["training.py", encoder, "--corpus", "xquad-r", *corpus, "--parts", "speed"]
    encoding = ["encoding.py", encoder, *corpus]
    if options.gpu:
        found = {}
        for precision in ("fp32", "bf16"):
            on_gpu = ["--device", "cuda", "--precision", precision]
            steps = ["--steps", "60", "--round", "15"]
            texts = ["--texts", "6000", "--repeats", "5"]
            found[f"training_{precision}"] = [*training, *steps, *on_gpu]
            found[f"encoding_{precision}"] = [*encoding, *texts, *on_gpu]
        return found
    return {
        "roofline": ["roofline.py", encoder, *corpus],
        "training": [*training, "--steps", "12"],
        "encoding": [*encoding, "--int8"],
        "evaluation": ["evaluation.py", "--encoder", encoder, *corpus, "--share", "0.01"],
        "search": ["large_corpus.py"],
        "growth": ["growth.py"],
        "startup": ["startup.py", "--figures"],
        "guard": ["guard.py"],
    }


def machine() -> dict[str, Any]:
    """Return what a figure depends on: commit, processor, memory, system, libraries."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        "commit": environment()["commit"],
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": memory,
        "system": platform.system(),
        "python": platform.python_version(),
        **gpu,
        **versions,
    }


def processor() -> str:
    """Return the name of the processor, on Linux as the system calls it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    sys.exit(main())
