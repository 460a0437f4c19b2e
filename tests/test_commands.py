"""Every command of the README and of docs/, executed in a fresh clone.

The commands are read out of the pages. ``COMMANDS`` says of each whether it runs as it stands, runs with a part replaced, or
does not run and why; a command that the table does not know fails. Studies run in miniature: the clone's quickstart.yaml and the
page's my-study.yaml have the sizes of smoke.yaml, and the paths that the pages speak of hold small files.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from clones import ROOT, ask, fresh_clone, jupyter_lab, user_environment

from hybridlib.config.parameters import XQUAD_LANGUAGES

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = (
    r"(?:\.venv/bin/\S+|make|hybridlib|papermill|torchrun|accelerate|conda|pip|hf|apt-get|sbatch)"
)
NAMES = {
    "hybridlib run",
    "hybridlib evaluate",
    "accelerate launch",
    "accelerate launch SCRIPT",
}  # of commands, in a sentence
MINIATURE = {
    "steps": 3,
    "batch_size": 8,
    "validate_every": 3,
    "languages": ["de", "en", "th"],
    "eval_languages": ["de", "en"],
    "corrections": [],
}


@dataclass(frozen=True)
class How:
    """How a command is run.

    Attributes:
        instead: (what, by what): parts that are replaced.
        environment: variables set for it.
        leaves: files that must be there afterwards.
        leaves_not: files that must not.
        prints: what must stand in its output.
        why_not: the reason not to run it.
    """

    instead: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    leaves: tuple[str, ...] = ()
    leaves_not: tuple[str, ...] = ()
    prints: str = ""
    why_not: str = ""


ENCODER = (("ENCODER", "path/to/encoder"),)
NETWORK = How(why_not="downloads from a hub")
COMMANDS = {
    # README.md and CONTRIBUTING.md
    "make demo": How(
        prints="| hybrid ",
        leaves=(
            "outputs/quickstart/comparison/results.md",
            "outputs/quickstart/built-in-hybrid-s0/04_bias_analysis.ipynb",
        ),
    ),
    "make test": How(
        environment=(("PYTEST_ADDOPTS", "tests/test_significance.py"),), prints=" passed"
    ),
    "make test-ui": How(
        environment=(("PYTEST_ADDOPTS", "--collect-only"),), prints="test_jupyterlab.py"
    ),
    "make test-all": How(why_not="is make test and make test-ui"),
    "make lint": How(prints="Passed"),
    "make env": How(
        why_not="the clone has this environment; what it would install is held against the lock by test_project.py"
    ),
    "make figures": How(why_not="test_reference.py makes the same from a copy"),
    ".venv/bin/hybridlib run params/paper/grid.yaml --dry-run": How(
        prints="40 runs, 0 of them done"
    ),
    "make help": How(prints="make demo"),
    "make lab": How(why_not="serves until it is stopped: test_make_lab_serves_the_notebooks"),
    "conda env create -f environment.yml": How(
        why_not="needs conda; the file is held against the lock by test_project.py"
    ),
    "pip install .": How(why_not="test_packaging.py builds and imports the wheel"),
    "pip install '.[notebooks]'": How(why_not="test_packaging.py checks the extras of the wheel"),
    ".venv/bin/python -m pip install torch==2.13.0 --index-url <the index of your CUDA version>": How(
        why_not="a template for another build of torch"
    ),
    ".venv/bin/pre-commit install": How(leaves=(".git/hooks/pre-commit",)),
    "apt-get install chromium": How(why_not="changes the system"),
    ".venv/bin/python -m pytest tests/test_bias.py": How(prints=" passed"),
    ".venv/bin/hybridlib params": How(prints="alpha: 0.5"),
    "hybridlib run my-study.yaml": How(prints="| hybrid "),
    "hybridlib params": How(prints="alpha: 0.5"),
    ".venv/bin/hybridlib strategies": How(prints="x-x-mono"),
    ".venv/bin/hybridlib evaluate path/to/encoder --corpus xquad-r --corpus-path path/to/xquad-r --out results": How(
        prints="multilingual mAP", leaves=("results/metrics.json", "results/per_query.parquet")
    ),
    ".venv/bin/hybridlib run my-study.yaml": How(
        prints="| hybrid ", leaves=("outputs/my-study/comparison/results.md",)
    ),
    ".venv/bin/hybridlib export my-study.yaml": How(
        leaves=("outputs/reference/my-study/study.yaml",)
    ),
    ".venv/bin/hybridlib compare outputs/reference/my-study": How(prints="2 of 2 runs"),
    ".venv/bin/papermill notebooks/02_hybrid_training.ipynb out.ipynb -f params/quickstart.yaml -p strategy hybrid": How(
        leaves=("out.ipynb",)
    ),
    # docs/study.md
    "hybridlib compare outputs/reference/study_x_to_m": How(
        why_not="test_reference.py makes the same from a copy"
    ),
    # docs/batches.md
    "mkdir -p executed; for strategy in x-y hybrid; do .venv/bin/papermill notebooks/04_bias_analysis.ipynb executed/$strategy.ipynb -f my-study.yaml -p encoder path/to/encoder -p strategy $strategy -p seed 0; done": How(
        leaves=("executed/x-y.ipynb", "executed/hybrid.ipynb"),
        leaves_not=("outputs/my-study/built-in-hybrid-s0",),
    ),
    '.venv/bin/hybridlib run my-study.yaml -p strategies "[x-y, hybrid]" -p seeds "[0]"': How(
        prints="05_comparison", leaves=("outputs/my-study/comparison/results.md",)
    ),
    ".venv/bin/hybridlib run my-study.yaml --dry-run | sed -n 's/.*--only \\([^ ]*\\).*/\\1/p' > runs.txt": How(
        leaves=("runs.txt",)
    ),
    "sbatch --wait --array=1-$(wc -l < runs.txt) grid.sh": How(
        instead=(
            (
                "sbatch --wait --array=1-$(wc -l < runs.txt)",
                "test $(wc -l < runs.txt) = 2; env SLURM_ARRAY_TASK_ID=2 bash",
            ),
        ),
        prints="encoder-hybrid-s0: 04_bias_analysis kept",
    ),
    ".venv/bin/hybridlib compare my-study.yaml": How(prints="| hybrid "),
    ".venv/bin/hybridlib run my-study.yaml --dry-run --device a100": How(
        prints="--only encoder-hybrid-s0"
    ),
    "hybridlib run my-study.yaml --only RUN": How(
        instead=(("RUN", "encoder-x-y-s0"),), prints="encoder-x-y-s0: 04_bias_analysis kept"
    ),
    # docs/training.md
    "accelerate launch --multi_gpu --num_processes 4 -m hybridlib.study.launch --params my-study.yaml -p encoder path/to/encoder -p strategy hybrid -p seed 0": How(
        why_not="needs GPUs; test_launch.py starts accelerate on the CPU"
    ),
    "torchrun --nproc-per-node 2 -m hybridlib.study.launch --params my-study.yaml -p encoder path/to/encoder -p strategy hybrid -p seed 0": How(
        environment=(("ACCELERATE_USE_CPU", "true"),),
        leaves=("outputs/my-study/encoder-hybrid-s0/model/model.safetensors",),
        leaves_not=("outputs/my-study/built-in-hybrid-s0",),
    ),
    # docs/corpora.md and docs/training_data.md
    "hybridlib evaluate ENCODER --corpus folder --corpus-path my-corpus --out results": How(
        instead=ENCODER, prints="3 queries, 5 candidates"
    ),
    "hybridlib evaluate ENCODER --corpus miracl --corpus-path path/to/miracl --languages sw --vectors vectors --out results": How(
        why_not="needs MIRACL; test_evaluate_processes.py keeps vectors with the same option"
    ),
    "hybridlib evaluate ENCODER --corpus miracl --corpus-path mteb/MIRACLRetrievalHardNegatives --languages sw yo --out results": NETWORK,
    "hybridlib evaluate ENCODER --corpus xquad-r --corpus-path path/to/xquad-r --out results": How(
        instead=ENCODER, prints="multilingual mAP"
    ),
    "hf download --repo-type dataset mteb/MIRACLRetrievalHardNegatives --include 'sw-*' 'yo-*' --local-dir miracl": NETWORK,
    "hf download --repo-type dataset castorini/mr-tydi --local-dir data/mr-tydi": NETWORK,
    "hf download --repo-type dataset clips/mfaq --local-dir data/mfaq": NETWORK,
    "hf download --repo-type dataset NAME --revision refs/convert/parquet --local-dir FOLDER": NETWORK,
}


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced code blocks of a page in one of the languages."""
    return [
        text
        for language, text in re.findall(
            r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S
        )
        if language in languages
    ]


def commands(page: Path) -> list[str]:
    """The commands of a page: line by line, a loop as a whole; and those inside a sentence, unless they are cut short by dots."""
    found = []
    for block in blocks(page, "bash", "sh", "shell", "console"):
        if block.startswith("#!"):
            continue  # a file to save: it is run by the command that names it
        lines = [
            line
            for line in block.replace("\\\n", " ").splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
        found += (
            ["; ".join(line.strip() for line in lines).replace("do; ", "do ")]
            if any(line.startswith("for ") for line in lines)
            else lines
        )
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return found + [
        span
        for span in spans
        if re.match(PROGRAMS + r" \S", span) and "..." not in span and span not in NAMES
    ]


FOUND = {command: page.name for page in PAGES for command in commands(page)}


@pytest.fixture(scope="module")
def clone(
    tmp_path_factory: pytest.TempPathFactory, fact_pairs: pd.DataFrame, tiny_encoder: Path
) -> Path:
    """A clone in which the files that the pages name are there, and small."""
    folder = fresh_clone(tmp_path_factory.mktemp("commands") / "hybridlib")
    smoke = yaml.safe_load((folder / "params" / "smoke.yaml").read_text())
    quickstart = folder / "params" / "quickstart.yaml"
    given = yaml.safe_load(quickstart.read_text())
    quickstart.write_text(
        yaml.safe_dump(
            {
                **given,
                **smoke,
                **MINIATURE,
                "study": given["study"],
                "strategies": ["untrained", "hybrid"],
            }
        )
    )

    (folder / "path" / "to" / "xquad-r").mkdir(parents=True)
    (folder / "path" / "to" / "encoder").symlink_to(tiny_encoder)
    third = pd.factorize(fact_pairs["pair_id"])[0] % 3
    for name, part in {
        "pairs": fact_pairs[third > 0],
        "held-out-pairs": fact_pairs[third == 0],
    }.items():
        part.drop(columns="dataset", errors="ignore").to_json(
            folder / "path" / "to" / f"{name}.jsonl",
            orient="records",
            lines=True,
            force_ascii=False,
        )
    for lang in XQUAD_LANGUAGES:
        (folder / "path" / "to" / "xquad-r" / f"{lang}.json").write_text(
            json.dumps(lareqa(fact_pairs[fact_pairs["lang"] == "en"].head(20)))
        )

    study = next(
        yaml.safe_load(block)
        for block in blocks(ROOT / "README.md", "yaml")
        if "study: my-study" in block
    )
    (folder / "my-study.yaml").write_text(
        yaml.safe_dump({**study, **MINIATURE, "strategies": ["x-y", "hybrid"], "seeds": [0]})
    )
    (folder / "grid.sh").write_text(
        next(block for block in blocks(ROOT / "docs" / "batches.md", "bash") if "#SBATCH" in block)
    )
    worked = (ROOT / "docs" / "corpora.md").read_text()
    for name, text in re.findall(r"`(my-corpus/\S+)`\n\n```\w+\n(.*?)```", worked, re.S):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def lareqa(rows: pd.DataFrame) -> dict:
    """A file of LAReQA with one paragraph of one sentence for each pair."""
    paragraphs = [
        {
            "context": row.passage,
            "sentence_breaks": [[0, len(row.passage)]],
            "qas": [
                {
                    "id": row.pair_id,
                    "question": row.question,
                    "answers": [{"text": row.passage[:3], "answer_start": 0}],
                }
            ],
        }
        for row in rows.itertuples()
    ]
    return {"data": [{"title": "Facts", "paragraphs": paragraphs}]}


def test_commands_are_found_in_the_pages():
    assert {"make demo", "make test", ".venv/bin/hybridlib run my-study.yaml"} <= set(
        commands(ROOT / "README.md")
    )


def test_the_table_knows_every_command_and_no_other():
    assert {command: page for command, page in FOUND.items() if command not in COMMANDS} == {}, (
        "say in COMMANDS how it is run"
    )
    assert set(COMMANDS) - set(FOUND) == set(), "no page has it any more"


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


def test_python_of_the_pages_runs(clone: Path):
    found = [block for page in PAGES for block in blocks(page, "python")]
    assert found
    for code in found:
        done = subprocess.run(
            [str(clone / ".venv" / "bin" / "python"), "-c", code],
            cwd=clone,
            env=user_environment(clone),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{code}\n{done.stderr[-2000:]}"


def test_make_lab_serves_the_notebooks(clone: Path):
    with jupyter_lab(clone) as address:
        listed = json.loads(ask(address, "api/contents/notebooks"))["content"]
        assert {file.name for file in (ROOT / "notebooks").glob("*.ipynb")} <= {
            entry["name"] for entry in listed
        }
        assert "jupyter-config-data" in ask(address, "lab").decode()
