"""papermill on every notebook, with each parameter of its first cell changed once: it runs, and the result is another."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from papermill.cli import papermill
from toys import pair_table

from hybridlib.config.params import Params
from hybridlib.study import runner
from hybridlib.study.fingerprint import _content_hash
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study

ROOT = Path(__file__).resolve().parent.parent
ALL = sorted(file.stem for file in (ROOT / "notebooks").glob("*.ipynb"))
STEPS = {name: step for step, name in NOTEBOOKS.items()}  # the others leave nothing behind
RESULTS = {
    "data": ("train.parquet", "evaluation", "tokenizer"),
    "training": ("model/model.safetensors",),
    "evaluation": ("metrics.json",),
    "bias": ("bias.csv", "language_share.csv"),
    "comparison": ("results.csv",),
}
CHANGES = {  # of a parameter: what papermill is told, as on its command line
    "study": ("-p", "study", "another"),
    "train_corpus": ("-p", "train_corpus", "pairs", "-p", "train_corpus_path", "PAIRS"),
    "eval_corpus": ("-p", "eval_corpus", "pairs", "-p", "eval_corpus_path", "PAIRS"),
    "variants": ("-p", "variants", "2"),
    "vocab_size": ("-p", "vocab_size", "900"),
    "data_seed": ("-p", "data_seed", "1"),
    "encoder": ("-p", "encoder", "ENCODER"),
    "strategy": ("-p", "strategy", "untrained"),
    "seed": ("-p", "seed", "1"),
    "alpha": ("-p", "alpha", "0.1"),
    "steps": ("-p", "steps", "4"),
    "batch_size": ("-p", "batch_size", "12"),
    "learning_rate": ("-p", "learning_rate", "1e-2"),
    "temperature": ("-p", "temperature", "0.1"),
    "top_k": ("-p", "top_k", "5"),
    "encoders": ("-y", "encoders: [built-in, ENCODER]"),
    "strategies": ("-y", "strategies: [untrained]"),
    "seeds": ("-y", "seeds: [0, 1]"),
}
DEAR = {  # (notebook, parameter): why it is not changed here
    **{
        (name, "study"): "runs all notebooks before it again, as test_pipeline.py does"
        for name in ALL
        if name != "01_data_prep"
    },
    **{
        (name, parameter): "trains again, which is 02's part"
        for name in ALL
        if name.startswith(("00", "03", "04"))
        for parameter in ("encoder", "seed")
    },
}
LEFT_OUT = {
    ("05_comparison", "encoders"),
    ("05_comparison", "seeds"),
}  # a run that is not finished changes no table


def documented(name: str) -> list[str]:
    """The parameters that a notebook's first cell shows."""
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    return [line.targets[0].id for line in ast.parse(source).body]


CASES = [(name, parameter) for name in ALL for parameter in documented(name)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study in miniature, finished: two strategies."""
    sizes = {
        "strategies": ["untrained", "hybrid"],
        "languages": ["de", "en", "zh"],
        "eval_languages": ["de", "en"],
        "steps": 3,
        "batch_size": 8,
        "validate_every": 3,
        "jobs": 1,
    }
    params = Params.load(
        ROOT / "params" / "smoke.yaml",
        {**sizes, "output_dir": str(tmp_path_factory.mktemp("base"))},
    )
    assert [
        outcome for outcome in runner.run_study(params, progress=False) if not outcome.good
    ] == []
    return Study(params)


@pytest.fixture(scope="module")
def pairs(finished: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tables of pairs: for training half of the study's own, for evaluation what it has never seen."""
    rows = pd.read_parquet(finished.data / "train.parquet")
    tables = {
        "train": rows[pd.factorize(rows["passage_id"])[0] % 2 == 0],
        "eval": pair_table(30, finished.params.languages),
    }
    folder = tmp_path_factory.mktemp("pairs")
    for name, table in tables.items():
        table.drop(columns="dataset").to_json(
            folder / f"{name}.jsonl", orient="records", lines=True, force_ascii=False
        )
    return {name: folder / f"{name}.jsonl" for name in tables}


def test_every_parameter_is_changed_once_or_a_reason_is_given():
    shown = {name: documented(name) for name in ALL}
    assert {parameter for names in shown.values() for parameter in names} <= set(CHANGES), (
        "give it a value in CHANGES"
    )
    assert all(parameter in shown[name] for name, parameter in [*DEAR, *LEFT_OUT])


@pytest.mark.parametrize(("name", "parameter"), [case for case in CASES if case not in DEAR])
def test_papermill_takes_the_parameter(
    name: str,
    parameter: str,
    finished: Study,
    pairs: dict[str, Path],
    tiny_encoder: Path,
    tmp_path: Path,
):
    outputs = tmp_path / "outputs"
    shutil.copytree(finished.folder, outputs / finished.params.study)
    base = finished.params.but(output_dir=outputs, strategy="hybrid")
    base.save(tmp_path / "base.yaml")
    words = {
        "PAIRS": str(pairs[parameter.split("_")[0]]) if parameter.endswith("_corpus") else "",
        "ENCODER": str(tiny_encoder),
    }
    change = [
        next((word.replace(key, value) for key, value in words.items() if key in word), word)
        for word in CHANGES[parameter]
    ]
    done = CliRunner().invoke(
        papermill,
        [
            str(ROOT / "notebooks" / f"{name}.ipynb"),
            str(tmp_path / "out.ipynb"),
            "-f",
            str(tmp_path / "base.yaml"),
            *change,
            "--no-progress-bar",
            "--cwd",
            str(ROOT / "notebooks"),
        ],
    )
    assert done.exit_code == 0, f"{done.output[-2000:]}\n{done.exception}"
    if name not in STEPS:
        return
    step, after = STEPS[name], Study(base.but(**told(change)))
    assert after.is_done(step)
    if step in RUN_STEPS:
        assert Params.load(after.run / "params.yaml") == after.params
    if (name, parameter) not in LEFT_OUT and parameter != "study":
        assert any(
            _content_hash(after.place(step) / file)
            != _content_hash(Study(finished.params.but(strategy="hybrid")).place(step) / file)
            for file in RESULTS[step]
        )


def told(change: list[str]) -> dict:
    """Names and values of papermill's options."""
    values: dict = {}
    for position, word in enumerate(change):
        if word == "-p":
            values[change[position + 1]] = yaml.safe_load(change[position + 2])
        elif word == "-y":
            values |= yaml.safe_load(change[position + 1])
    return values
