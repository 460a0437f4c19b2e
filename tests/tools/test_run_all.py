"""benchmarks/run_all.py: what the benchmarks found, in one file."""

import json
import sys

import pytest
from clones import ROOT

GOOD = "import json, sys; open(sys.argv[2], 'w').write(json.dumps({'ratio': 2.0}))"


@pytest.fixture
def run_all(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import run_all

    monkeypatch.setattr(run_all, "RESULTS", tmp_path / "results.json")
    commands = {"good": ["-c", GOOD], "bad": ["-c", "raise SystemExit(3)"]}
    monkeypatch.setattr(run_all, "commands", lambda options: commands)
    return run_all


def test_a_benchmark_that_fails_leaves_what_the_file_has_of_it(run_all, monkeypatch, tmp_path):
    run_all.RESULTS.write_text(json.dumps({"bad": {"ratio": 1.5}}))
    monkeypatch.setattr(sys, "argv", ["run_all.py", str(tmp_path), str(tmp_path)])
    assert run_all.main() == 1
    results = json.loads(run_all.RESULTS.read_text())
    assert results["bad"] == {"ratio": 1.5}
    assert results["good"]["ratio"] == 2.0
    assert results["good"]["machine"]["cores"] >= 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["missing", "."], "missing: no such folder"),
        ([".", ".", "--only", "x"], "x is none of"),
        ([".", ".", "--gpu"], "PyTorch finds no GPU"),
    ],
)
def test_wrong_arguments_are_named(run_all, monkeypatch, capsys, arguments, named):
    monkeypatch.setattr(run_all.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["run_all.py", *arguments])
    with pytest.raises(SystemExit):
        run_all.main()
    assert named in capsys.readouterr().err


def test_the_benchmarks_of_a_gpu_have_a_file_of_their_own(run_all, monkeypatch, tmp_path):
    monkeypatch.setattr(run_all.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(run_all, "machine", lambda: {"gpu": "NVIDIA X1"})
    monkeypatch.setattr(run_all, "GPU_RESULTS", tmp_path / "gpu.json")
    monkeypatch.setattr(
        sys, "argv", ["run_all.py", str(tmp_path), str(tmp_path), "--gpu", "--only", "good"]
    )
    assert run_all.main() == 0
    assert json.loads((tmp_path / "gpu.json").read_text())["good"]["ratio"] == 2.0
    assert not run_all.RESULTS.exists()
