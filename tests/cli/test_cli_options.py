"""Options that cannot be used are one line, before anything is loaded or computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError


@pytest.fixture
def evaluate(monkeypatch, tmp_path):
    """A function that runs ``hybridlib evaluate`` and fails as soon as something is loaded."""

    def loaded(*_: object) -> None:
        raise AssertionError("something was loaded")

    for name in ("evaluation_corpus", "load_encoder", "evaluate"):
        monkeypatch.setattr(f"hybridlib.cli.evaluation.{name}", loaded)

    def run(*options: str) -> int:
        out = ["--out", str(tmp_path / "out")]
        return main(["evaluate", "encoder", "--corpus", "facts", *out, *options])

    return run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trec", "--trec-depth", "-1"], "the depth of run files is -1; it must be 1 or more"),
        (["--trec-depth", "-1"], "the depth of run files is -1"),
        (["--trec-depth", "5"], "--trec-depth changes nothing without --trec"),
        (["--top-k", "0"], "top_k"),
        (["--top-k", "-3"], "top_k"),
        (["--max-length", "0"], "max_length"),
        (["--corrections", "lir@candidates", "--lir-directions", "0"], "lir_directions"),
        (["--lir-directions", "2"], "--lir-directions changes nothing without --corrections lir"),
        (["--corrections", "centring"], "corrections"),
        (["--corrections", "shift"], "--corrections shift is fitted on parallel text"),
        (["--corrections", "lir"], "or write lir@candidates"),
        (
            ["--corrections", "lir@candidates", "--parallel-path", "here"],
            "--parallel-path changes nothing without --corrections without @candidates",
        ),
        (["--corrections", "lir@candidates", "--vectors", "here"], "here they are on disk"),
        (["--candidate-text", "context"], "--candidate-text is of xquad-r and mlqa-r"),
        (["--tokenizer", "here"], "--tokenizer is of bm25"),
    ],
)
def test_evaluate_checks_its_options_first(options, message, evaluate, tmp_path, capsys):
    assert evaluate(*options) == 2
    error = capsys.readouterr().err
    assert error.startswith("hybridlib: ")
    assert error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_the_precision_of_encoding_reaches_the_encoder(evaluate, monkeypatch):
    taken = []

    def load_encoder(params: Params, source: str) -> None:
        taken.append(params.encode_precision)
        raise InputError("no encoder is here")

    monkeypatch.setattr("hybridlib.cli.evaluation.load_encoder", load_encoder)
    monkeypatch.setattr("hybridlib.cli.evaluation.evaluation_corpus", lambda params: None)
    assert evaluate("--encode-precision", "int8") == 2
    assert taken == ["int8"]


@pytest.mark.parametrize("taken", ["out", "out/trec"])
def test_evaluate_checks_that_it_can_write_first(taken, evaluate, tmp_path, capsys):
    file = tmp_path / taken
    file.parent.mkdir(exist_ok=True)
    file.write_text("a file")
    assert evaluate("--trec") == 2
    assert f"{tmp_path / 'out'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "abacus"], "--device: no device is called 'abacus'; there are v100"),
        (["--dry-run", "--only", "built-in-hybrid-s0"], "leave --only out"),
    ],
)
def test_run_checks_its_options_first(options, message, capsys, monkeypatch):
    monkeypatch.setattr("hybridlib.study.grid.run_study", None)
    assert main(["run", "params/quickstart.yaml", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_run_that_the_grid_does_not_have_is_named_first(tmp_path, capsys):
    options = ["-p", "output_dir", str(tmp_path), "--only", "built-in-hybrid-s9"]
    assert main(["run", "params/quickstart.yaml", *options]) == 2
    assert "is called 'built-in-hybrid-s9'; there are" in capsys.readouterr().err
    assert not Path(tmp_path / "quickstart" / "data").exists()


@pytest.mark.parametrize("option", ["--max-length", "--corrections", "--vectors"])
def test_options_of_encoders_are_refused_for_bm25(option, tmp_path, capsys):
    options = ["--corpus", "facts", "--out", str(tmp_path / "out"), option]
    value = [] if option == "--corrections" else ["8"]
    assert main(["evaluate", "bm25", *options, *value]) == 2
    assert f"{option} is of encoders, and bm25 is none" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
