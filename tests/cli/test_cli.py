"""The command line: listings, help, errors, and the evaluation of one encoder."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from toys import pair_table

from hybridlib.batching.strategies import STRATEGIES
from hybridlib.cli import command_of, main
from hybridlib.cli.parser import make_parser
from hybridlib.config.params import Params
from hybridlib.study.folder import Study

COMMANDS = [
    *("", "run", "compare", "combine", "export", "soup", "mine", "score", "evaluate", "correct"),
    *("card", "push", "params", "strategies"),
]
ALPHA = """# Training

alpha: 0.5
    number (probability), >= 0, <= 1
    `hybrid`: probability that a batch is monolingual (paper: flat in 0.4-0.6)
"""


def test_every_parameter_is_listed(capsys):
    assert main(["params"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in Params.model_fields if f"\n{name}: " not in printed] == []
    assert printed.startswith("# Where results go, and the grid of runs\n\nstudy: quickstart\n")
    assert "\n\n# Training\n\nalpha: 0.5\n" in printed


def test_one_parameter_is_listed_and_a_wrong_one_is_not(capsys):
    assert main(["params", "alpha"]) == 0
    assert capsys.readouterr().out == ALPHA
    assert main(["params", "alhpa"]) == 2
    assert "did you mean 'alpha'?" in capsys.readouterr().err


def test_every_strategy_is_listed(capsys):
    assert main(["strategies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["untrained", "bm25", "soup", *STRATEGIES]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    epilog = printed[printed.index("example") :]
    examples = re.findall(r"^(?:example:)? *hybridlib (.*)$", epilog, re.M)
    assert examples
    for example in examples:
        if "--help" not in example:
            assert callable(command_of(make_parser().parse_args(shlex.split(example))))


@pytest.mark.parametrize("command", ["run", "compare", "export"])
def test_a_parameter_file_that_is_missing_is_one_line(command, tmp_path, capsys):
    assert main([command, str(tmp_path / "none.yaml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hybridlib: ")
    assert error.count("\n") == 1
    assert "none.yaml: no such" in error


def test_a_reader_that_stops_reading_is_no_error():
    line = f"{sys.executable} -m hybridlib.cli params | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("#")


@pytest.mark.parametrize("arguments", [["strategies"], ["params", "alpha"]])
def test_the_command_line_starts_without_importing_torch(arguments):
    code = (
        "import sys; from hybridlib.cli import main; "
        f"main({arguments}); assert not {{'torch', 'matplotlib'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# ---------------------------------------------------------------------------------------- evaluate


def write_corpus(study: Study, folder: Path) -> Path:
    """Write the study's evaluation corpus as a folder of a user."""
    corpus = study.evaluation_corpus()
    folder.mkdir()
    corpus.queries.to_parquet(folder / "queries.parquet")
    passages = corpus.candidates.rename(columns={"candidate_id": "passage_id"})
    passages.to_parquet(folder / "passages.parquet")
    columns = {
        "query_id": corpus.queries["query_id"].to_numpy()[corpus.qrels["query"]],
        "passage_id": corpus.candidates["candidate_id"].to_numpy()[corpus.qrels["candidate"]],
    }
    pd.DataFrame(columns).to_parquet(folder / "qrels.parquet")
    return folder


def test_evaluate_writes_what_the_notebook_writes(finished_study, tmp_path, capsys):
    run = finished_study.runs()[-1]
    corpus = write_corpus(run, tmp_path / "corpus")
    out = tmp_path / "out"
    command = [
        *("evaluate", str(run.model)),
        *("--corpus", "folder", "--corpus-path", str(corpus)),
        *("--max-length", "64", "--corrections", "centering@candidates"),
        *("--trec", "--trec-depth", "5", "--out", str(out)),
    ]
    assert main(command) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    expected = run.metrics()
    assert set(expected) - {"strategy", "seed"} <= set(metrics)
    name = "centering@candidates"
    for part in ((metrics, expected), (metrics["corrections"], expected["corrections"])):
        ours, theirs = (side.get(name, side)["settings"] for side in part)
        for setting in ("monolingual", "cross-lingual", "multilingual"):
            assert ours[setting]["map"] == pytest.approx(theirs[setting]["map"], abs=1e-6)
    # Two languages, their two ordered pairs, and two query languages of the pool.
    assert len(list((out / "trec").glob("*.run"))) == 2 + 2 + 2
    printed = capsys.readouterr().out
    assert "multilingual mAP" in printed
    assert "centering" in printed
    assert f"wrote {out / 'metrics.json'}" in printed


def test_a_study_ends_with_a_table_a_picture_and_what_it_means(finished_study, tmp_path, capsys):
    file = tmp_path / "study.yaml"
    finished_study.params.save(file)
    assert main(["run", str(file)]) == 0
    *steps, end = capsys.readouterr().out.split("\n\n", 1)
    assert steps[0].count("kept") == 2 + 3 * len(finished_study.runs())
    table = (finished_study.comparison / "intervals.md").read_text()
    summary = (finished_study.comparison / "summary.md").read_text()
    assert end.index(table) < end.index("In one picture: ") < end.index(summary)
    (picture,) = re.findall(r"In one picture: (.*)", end)
    assert Path(picture).is_file()
    assert f"`hybridlib compare {file}` prints all tables" in end.splitlines()[-1]


def test_an_evaluation_replaces_an_earlier_one_with_its_trec_files(
    tiny_encoder, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    options = ["--corpus", "facts", "--trec", "--trec-depth", "2", "--out", str(out)]
    command = ["evaluate", str(tiny_encoder), *options, "--languages"]
    assert main([*command, "de", "en", "--corrections", "centering@candidates"]) == 0
    (out / "trec" / "bm25.run").touch()
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}

    # What cannot be written leaves the earlier evaluation as it was.
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr("hybridlib.cli.evaluation.write_scores", no_space)
        main([*command, "en", "th"])
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before

    assert main([*command, "en", "th"]) == 0
    cells = {"en-en", "th-th", "en-th", "th-en", "en-all", "th-all"}
    names = {f"{cell}.{kind}" for cell in cells for kind in ("run", "qrels")}
    assert {file.name for file in (out / "trec").iterdir()} == {*names, "bm25.run"}
    assert not (out / "corrected.parquet").exists()

    # Without new ones, those of an earlier encoder go too.
    options = ["--corpus", "facts", "--languages", "de", "--out", str(out)]
    assert main(["evaluate", str(tiny_encoder), *options]) == 0
    assert {file.name for file in (out / "trec").iterdir()} == {"bm25.run"}


def no_space(*_: object) -> None:
    raise OSError("no space left")


def test_a_correction_without_figures_is_said_once(tiny_encoder, tmp_path, capsys, caplog):
    rows = [("1", "de", "Wo?", "Hier."), ("1", "en", "Where?", "Here."), ("2", "en", "Who?", "I.")]
    columns = ["pair_id", "lang", "question", "passage"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "pairs.csv", index=False)
    options = ["--corpus", "pairs", "--corpus-path", str(tmp_path / "pairs.csv")]
    options += ["--corrections", "centering@candidates", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tiny_encoder), *options]) == 0
    reason = "centering: nothing would be left"
    printed = capsys.readouterr().out
    assert printed.count(reason) + caplog.text.count(reason) == 1


def test_paths_of_the_command_line_start_at_the_current_folder(
    finished_study, tmp_path, monkeypatch, capsys
):
    file = tmp_path / "some.jsonl"
    pair_table(5).to_json(file, orient="records", lines=True)
    monkeypatch.chdir(tmp_path)
    model = str(finished_study.runs()[0].model)
    options = ["--corpus", "pairs", "--corpus-path", "some.jsonl", "--out", "out"]
    assert main(["evaluate", model, *options]) == 0
    assert Path(tmp_path / "out" / "metrics.json").exists()
    assert "out/metrics.json" in capsys.readouterr().out


def test_an_encoder_that_cannot_be_loaded_is_one_line(tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["evaluate", str(tmp_path), "--corpus", "facts", "--out", out]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "config.json" in error


def test_a_correction_is_not_fitted_on_vectors_on_disk(tiny_encoder, tmp_path, capsys):
    correction = ["--corrections", "lir@candidates"]
    options = ["--corpus", "facts", *correction, "--vectors", str(tmp_path / "v")]
    out = str(tmp_path / "out")
    assert main(["evaluate", str(tiny_encoder), *options, "--out", out]) == 2
    assert "here they are on disk" in capsys.readouterr().err
