"""Every command of the pages is known and parses; the slow tests run it in a fresh clone.

Studies run in miniature: the clone's quickstart.yaml and the page's my-study.yaml have small sizes,
and the paths that the pages name hold small files.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from clones import ROOT, ask, fresh_clone, jupyter_lab, user_environment
from huggingface_hub.cli.hf import app as hf
from huggingface_hub.utils import filter_repo_objects
from page_commands import COMMANDS, PAGES, blocks, commands
from papermill.cli import papermill

from hybridlib.cli import command_of
from hybridlib.cli.parser import make_parser
from hybridlib.config.names import XQUAD_LANGUAGES
from hybridlib.study import launch

MINIATURE = {
    "steps": 3,
    "batch_size": 8,
    "validate_every": 3,
    "languages": ["de", "en", "th"],
    "eval_languages": ["de", "en"],
    "corrections": [],
    "grid": {},
}
FOUND = {command: page.name for page in PAGES for command in commands(page)}
PYTHON = [code for page in PAGES for code in blocks(page, "python")]
# Those of one page need what the page has made before: test_your_own.py runs them.
ALONE = [code for code in PYTHON if "faq" not in code]


# ------------------------------------------------------------------------- without running anything


def calls(command: str, program: str) -> list[list[str]]:
    """The arguments of each call of a program in a shell command."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";|&")
    lexer.whitespace_split = True
    calls, words = [], []
    for word in [*lexer, ";"]:
        if set(word) <= set(";|&"):
            if program in words:
                calls.append(words[words.index(program) + 1 :])
            words = []
        else:
            words.append(word.removeprefix(".venv/bin/"))
    return calls


def test_commands_are_found_in_the_pages():
    assert {"make demo", "make test"} <= set(FOUND)
    assert ".venv/bin/hybridlib run my-study.yaml" in commands(ROOT / "docs" / "batches.md")


def test_the_table_knows_every_command_and_no_other():
    unknown = {command: page for command, page in FOUND.items() if command not in COMMANDS}
    assert unknown == {}, "say in page_commands.py how it is run"
    assert set(COMMANDS) - set(FOUND) == set(), "no page has it any more"


@pytest.mark.parametrize("command", [command for command in COMMANDS if "hybridlib " in command])
def test_the_options_of_hybridlib_parse(command):
    (arguments,) = calls(command, "hybridlib")
    assert callable(command_of(make_parser().parse_args(arguments)))


@pytest.mark.parametrize("command", [command for command in COMMANDS if "papermill " in command])
def test_the_options_of_papermill_parse(command):
    (arguments,) = calls(command, "papermill")
    values = papermill.make_context("papermill", list(arguments), resilient_parsing=False).params
    assert (ROOT / values["notebook_path"]).exists()
    assert values["parameters"] or values["parameters_raw"]


@pytest.mark.parametrize("command", [command for command in COMMANDS if "study.launch" in command])
def test_the_options_of_the_launcher_parse(command):
    (arguments,) = calls(command, "hybridlib.study.launch")
    assert launch.make_parser().parse_args(arguments).params == Path("my-study.yaml")


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, object]]:
    """What `hf download` asks the hub for, after the shell's expansions."""
    asked: list[dict[str, object]] = []

    def snapshot_download(**options: object) -> str:
        asked.append(options)
        return ""

    monkeypatch.setattr("huggingface_hub.cli.download.snapshot_download", snapshot_download)
    # A pattern that stands alone would be taken for the name of one file.
    monkeypatch.setattr("huggingface_hub.cli.download.hf_hub_download", None)

    def fetch(command: str) -> dict[str, object]:
        words = command.partition("hf ")[2]
        line = ["bash", "-c", f"printf '%s\\n' {words}"]
        expanded = subprocess.run(line, capture_output=True, text=True, check=True)
        hf.main(expanded.stdout.splitlines(), standalone_mode=False)
        return asked[-1]

    return fetch


@pytest.mark.parametrize("command", [command for command in COMMANDS if "hf download " in command])
def test_the_options_of_hf_parse(command, fetch):
    asked = fetch(command)
    assert asked["repo_type"] == "dataset"
    assert asked["local_dir"]


def test_what_is_fetched_of_mmarco_is_what_is_read(fetch):
    (command,) = [command for command in COMMANDS if "unicamp-dl/mmarco" in command]
    names = ["arabic", "chinese", "english", "german", "hindi", "russian", "spanish"]
    needed = ["data/triples.train.ids.small.tsv"]
    others = ["README.md", "mmarco.py", "data/qrels.dev.tsv"]
    for name in [*names, "french"]:
        google = [
            f"data/google/collections/{name}_collection.tsv",
            f"data/google/queries/train/{name}_queries.train.tsv",
        ]
        (needed if name in names else others).extend(google)
        others.append(f"data/google/runs/run.bm25_{name}-msmarco.txt")
        others.append(f"data/helsinki/collections/{name}_collection.tsv")
    patterns = fetch(command)["allow_patterns"]
    assert set(filter_repo_objects(needed + others, allow_patterns=patterns)) == set(needed)


def test_the_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = {words[0] for command in COMMANDS for words in calls(command, "make")}
    assert "demo" in targets
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.M)] == []


def test_what_python_of_the_pages_imports_exists():
    assert PYTHON
    for code in PYTHON:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


# --------------------------------------------------------------------------------- in a fresh clone


@pytest.fixture(scope="module")
def clone(
    tmp_path_factory: pytest.TempPathFactory, fact_pairs: pd.DataFrame, tiny_encoder: Path
) -> Path:
    """A clone in which the files that the pages name are there, and small."""
    folder = fresh_clone(tmp_path_factory.mktemp("commands") / "hybridlib")
    shrink_quickstart(folder)
    write_data(folder / "path" / "to", fact_pairs)
    (folder / "path" / "to" / "encoder").symlink_to(tiny_encoder)
    write_study(folder)
    write_worked_corpus(folder)
    return folder


def shrink_quickstart(folder: Path) -> None:
    smoke = yaml.safe_load((folder / "params" / "smoke.yaml").read_text())
    file = folder / "params" / "quickstart.yaml"
    values = yaml.safe_load(file.read_text())
    kept = {"study": values["study"], "strategies": ["untrained", "hybrid"]}
    file.write_text(yaml.safe_dump({**values, **smoke, **MINIATURE, **kept}))


def write_data(folder: Path, pairs: pd.DataFrame) -> None:
    """Write tables of pairs for training and evaluation, and a small XQuAD-R."""
    (folder / "xquad-r").mkdir(parents=True)
    third = pd.factorize(pairs["pair_id"])[0] % 3
    for name, part in {"pairs": pairs[third > 0], "held-out-pairs": pairs[third == 0]}.items():
        table = part.drop(columns="dataset", errors="ignore")
        file = folder / f"{name}.jsonl"
        table.to_json(file, orient="records", lines=True, force_ascii=False)
    english = json.dumps(lareqa(pairs[pairs["lang"] == "en"].head(20)))
    for lang in XQUAD_LANGUAGES:
        (folder / "xquad-r" / f"{lang}.json").write_text(english)


def lareqa(rows: pd.DataFrame) -> dict:
    """A file of LAReQA with one paragraph of one sentence for each pair."""
    paragraphs = []
    for row in rows.itertuples():
        answers = [{"text": row.passage[:3], "answer_start": 0}]
        paragraphs.append(
            {
                "context": row.passage,
                "sentence_breaks": [[0, len(row.passage)]],
                "qas": [{"id": row.pair_id, "question": row.question, "answers": answers}],
            }
        )
    return {"data": [{"title": "Facts", "paragraphs": paragraphs}]}


def write_study(folder: Path) -> None:
    """Write the study and the job script of the pages."""
    studies = [block for block in blocks(ROOT / "README.md", "yaml") if "study: my-study" in block]
    values = {**yaml.safe_load(studies[0]), **MINIATURE, "strategies": ["x-y", "hybrid"]}
    (folder / "my-study.yaml").write_text(yaml.safe_dump({**values, "seeds": [0]}))
    scripts = blocks(ROOT / "docs" / "batches.md", "bash")
    (script,) = [block for block in scripts if "#SBATCH" in block]
    (folder / "grid.sh").write_text(script)


def write_worked_corpus(folder: Path) -> None:
    """Write the files that docs/corpora.md shows."""
    page = (ROOT / "docs" / "corpora.md").read_text()
    for name, text in re.findall(r"`(my-corpus/\S+)`\n\n```\w+\n(.*?)```", page, re.S):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [command for command, how in COMMANDS.items() if not how.why_not]
)
def test_a_command_does_what_its_page_says(command: str, clone: Path):
    how = COMMANDS[command]
    for what, by_what in how.instead:
        assert what in command
        command = command.replace(what, by_what)
    done = subprocess.run(
        ["bash", "-c", f"set -e; {command}"],
        cwd=clone,
        env=user_environment(clone, **dict(how.environment)),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert how.prints in done.stdout, done.stdout[-2000:]
    assert [name for name in how.leaves if not (clone / name).exists()] == []
    assert [name for name in how.leaves_not if (clone / name).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("code", ALONE, ids=lambda code: code.partition("\n")[0])
def test_python_of_the_pages_runs(clone: Path, code: str):
    done = subprocess.run(
        [str(clone / ".venv" / "bin" / "python"), "-c", code],
        cwd=clone,
        env=user_environment(clone),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_make_lab_serves_the_notebooks(clone: Path):
    with jupyter_lab(clone) as address:
        listed = json.loads(ask(address, "api/contents/notebooks"))["content"]
        served = {entry["name"] for entry in listed}
        assert {file.name for file in (ROOT / "notebooks").glob("*.ipynb")} <= served
        assert "jupyter-config-data" in ask(address, "lab").decode()
