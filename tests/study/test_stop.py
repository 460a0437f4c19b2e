"""Ctrl-C and SIGTERM end a study, its kernels and its launched processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest
from clones import ROOT
from nbformat.v4 import new_code_cell, new_notebook
from studies import copied

from hybridlib.study.folder import Study
from hybridlib.study.stop import ended_by_signals

MESSAGE = "hybridlib: interrupted. To go on, run the same command again: finished steps are kept.\n"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TRAINED = "training.jsonl"


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


def start(*words: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores Ctrl-C, and so would what this starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def check_end(
    process: subprocess.Popen, signals: list[int], status: int, again: bool = False
) -> str:
    """Send signals; all its processes must then end soon. Returns what it wrote to stderr.

    With ``again`` the last signal is sent once more if nothing happens, as a person would.
    """
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    began = time.monotonic()
    for number in signals:
        process.send_signal(number)
    try:
        _, error = process.communicate(timeout=8 if again else 60)
    except subprocess.TimeoutExpired:
        assert again
        began = time.monotonic()
        process.send_signal(signals[-1])
        _, error = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == status, error
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive
    return error


def waiting_notebook(file: Path, started: Path) -> Path:
    """Write a notebook whose cell notes its process and then takes minutes."""
    code = (
        "import os, time\n"
        f"open(os.path.join({str(started)!r}, str(os.getpid())), 'w').close()\n"
        "time.sleep(300)"
    )
    notebook = new_notebook(cells=[new_code_cell(code)], metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, file)
    return file


@pytest.mark.parametrize(
    ("signals", "status"),
    [
        pytest.param([signal.SIGINT, signal.SIGINT], 130, id="ctrl-c-twice"),
        pytest.param([signal.SIGTERM], 143, id="sigterm"),
    ],
)
def test_a_signal_ends_all_runs_side_by_side(finished_study: Study, tmp_path, signals, status):
    params = copied(finished_study, tmp_path / "out", seeds=[5, 6], jobs=2).params
    params.save(tmp_path / "study.yaml")
    started = tmp_path / "started"
    started.mkdir()
    notebook = waiting_notebook(tmp_path / "02_hybrid_training.ipynb", started)
    program = Path(__file__).parent / "waiting_study.py"
    process = start(program, notebook, "run", tmp_path / "study.yaml")
    wait_for(lambda: len(list(started.iterdir())) == 2)
    error = check_end(process, signals, status)
    assert error.endswith("\n" + MESSAGE)
    assert "KeyboardInterrupt" not in error
    assert "Traceback" not in error


IN_THIS_THREAD = """
import sys
from pathlib import Path
from hybridlib.config.params import Params
from hybridlib.study import runner
from hybridlib.study.folder import Study
notebook, out = map(Path, sys.argv[1:])
runner.notebook_of = lambda step: notebook
runner._execute(Study(Params()), "data", out)
"""


def test_a_notebook_that_runs_another_one_is_interrupted_with_it(tmp_path):
    """As in JupyterLab, where the interrupt is an exception; what it ends says nothing itself."""
    notebook = waiting_notebook(tmp_path / "01_data_prep.ipynb", tmp_path / "started")
    (tmp_path / "started").mkdir()
    process = start("-c", IN_THIS_THREAD, notebook, tmp_path / "out.ipynb")
    wait_for(lambda: list((tmp_path / "started").iterdir()))
    # Python may lose an interrupt that falls into a callback, such as that of the kernel's news.
    error = check_end(process, [signal.SIGINT], -signal.SIGINT, again=True)
    assert error.endswith("\nKeyboardInterrupt\n")
    assert "IPKernelApp" not in error
    assert "DeadKernelError" not in error


@pytest.mark.slow
def test_a_signal_ends_a_training(finished_study: Study, tmp_path):
    study = copied(finished_study, tmp_path / "out", seeds=[5], steps=10**6)
    study.params.save(tmp_path / "study.yaml")
    process = start("-m", "hybridlib.cli", "run", tmp_path / "study.yaml")
    logs = Study(study.params.but(seed=5)).folder
    wait_for(lambda: list(logs.glob(f"*-s5/{TRAINED}")))
    error = check_end(process, [signal.SIGINT], 130)
    assert error.endswith("\n" + MESSAGE)
    assert "Traceback" not in error
    assert not list(logs.glob("*-s5/02_hybrid_training.done.json"))


@pytest.mark.slow
def test_a_launched_training_ends_with_its_launcher(finished_study: Study, tmp_path):
    study = copied(finished_study, tmp_path / "out", strategy="x-y", steps=10**6)
    study.params.save(tmp_path / "study.yaml")
    launcher = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    options = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    module = ["-m", "hybridlib.study.launch", "--params", tmp_path / "study.yaml"]
    process = start(*launcher, *options, *module)
    wait_for((study.run / TRAINED).exists)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert children
    assert not alive


def test_what_handled_the_signals_before_handles_them_after():
    before = signal.getsignal(signal.SIGINT)
    with ended_by_signals():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_leaves_the_signals_alone():
    seen = []

    def body() -> None:
        with ended_by_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
