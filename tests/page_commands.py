"""The commands of the README, CONTRIBUTING and docs/, and how each is tested.

A command runs as it stands, runs with a part replaced, or does not run, for a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from clones import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_PROGRAMS = (
    r"(?:\.venv/bin/\S+|make|hybridlib|papermill|torchrun|accelerate|conda|pip|hf|apt-get|sacct)"
)
_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
# Names of commands in a sentence.
_NAMES = {
    "hybridlib run",
    "hybridlib choose",
    "hybridlib combine",
    "hybridlib evaluate",
    "hybridlib correct",
    "accelerate launch",
    "accelerate launch SCRIPT",
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


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the fenced code blocks of a page in one of the languages."""
    text = page.read_text(encoding="utf-8")
    return [code for language, code in _FENCED.findall(text) if language in languages]


def commands(page: Path) -> list[str]:
    """Return the commands of a page.

    They stand in blocks, line by line (a loop as a whole), and in sentences, unless dots cut them
    short.
    """
    commands = []
    for block in blocks(page, "bash", "sh", "shell", "console"):
        if block.startswith("#!"):
            continue  # a file to save: the command that names it runs it
        lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if any(line.startswith("for ") for line in lines):
            lines = ["; ".join(lines).replace("do; ", "do ")]
        commands += lines
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    for span in spans:
        if re.match(_PROGRAMS + r" \S", span) and "..." not in span and span not in _NAMES:
            commands.append(span)
    return commands


_ENCODER = (("ENCODER", "path/to/encoder"),)
_HUB = How(why_not="downloads from a hub")
_PAPER_DATA = "tools/paper_data.py"
_SMALL = How(why_not="test_paper_data.py runs it on small files")
_XQUAD = "--corpus xquad-r --corpus-path path/to/xquad-r --out results"
_LAUNCH = (
    "-m hybridlib.study.launch --params my-study.yaml -p encoder path/to/encoder -p strategy "
    "hybrid -p seed 0"
)
_CHOOSE = (
    ".venv/bin/hybridlib choose params/quickstart.yaml -p study choice -p seeds '[0]'    -p grid "
    "'{learning_rate: [1e-3, 3e-3], temperature: [0.02, 0.05]}'"
)

_PROJECT = {
    "make demo": How(
        prints="| hybrid ",
        leaves=(
            "outputs/quickstart/comparison/results.md",
            "outputs/quickstart/built-in-hybrid-s0/04_bias_analysis.ipynb",
        ),
    ),
    "make test": How(
        environment=(("PYTEST_ADDOPTS", "tests/evaluation/test_significance.py"),),
        prints=" passed",
    ),
    "make test-ui": How(
        environment=(("PYTEST_ADDOPTS", "--collect-only"),), prints="test_jupyterlab.py"
    ),
    "make test-slow": How(why_not="runs the tests of this table"),
    "make test-all": How(why_not="is make test, make test-slow and make test-ui"),
    "make lint": How(prints="Passed"),
    "make env": How(why_not="the clone has this environment; test_project.py reads the lock"),
    "make site": How(why_not="test_website.py builds the site of a study in miniature"),
    "make figures": How(
        why_not="test_kept_studies.py makes the same from a copy, test_make_figures.py the rest"
    ),
    "make bench ENCODER=path/to/encoder XQUAD=path/to/xquad-r": How(
        why_not="takes 20 minutes; test_run_all.py runs it with other benchmarks"
    ),
    "make help": How(prints="make demo"),
    "make lab": How(why_not="serves until it is stopped: test_make_lab_serves_the_notebooks"),
    "conda env create -f environment.yml": How(
        why_not="needs conda; test_project.py holds the file against the lock"
    ),
    "pip install .": How(why_not="test_packaging.py builds and imports the wheel"),
    "pip install '.[notebooks]'": How(why_not="test_packaging.py checks the extras of the wheel"),
    ".venv/bin/python -m pip install torch==2.13.0 --index-url <the index of your CUDA version>": (
        How(why_not="a template for another build of torch")
    ),
    ".venv/bin/pre-commit install": How(leaves=(".git/hooks/pre-commit",)),
    "apt-get install chromium": How(why_not="changes the system"),
    ".venv/bin/python -m pytest tests/config": How(prints=" passed"),
}

_STUDY = {
    ".venv/bin/hybridlib params": How(prints="alpha: 0.5"),
    "hybridlib params": How(prints="alpha: 0.5"),
    ".venv/bin/hybridlib strategies": How(prints="x-x-mono"),
    # The recipe for a cluster, from the data on.
    "srun --cpus-per-task=4 --mem=32G --time=01:00:00 .venv/bin/hybridlib run my-study.yaml --only "
    "data": How(
        instead=(("srun --cpus-per-task=4 --mem=32G --time=01:00:00 ", ""),),
        prints="my-study: 01_data_prep done",
    ),
    ".venv/bin/hybridlib run my-study.yaml --only data": How(prints="01_data_prep kept"),
    ".venv/bin/accelerate launch --multi_gpu --num_processes 4 -m hybridlib.study.launch --params "
    'my-study.yaml --only "$SLURM_ARRAY_TASK_ID"': How(
        instead=(
            ("accelerate launch --multi_gpu --num_processes 4", "torchrun --nproc-per-node 2"),
        ),
        environment=(("ACCELERATE_USE_CPU", "true"), ("SLURM_ARRAY_TASK_ID", "1")),
        leaves=("outputs/my-study/encoder-x-y-s0/model/model.safetensors",),
    ),
    "mkdir -p logs && sbatch --wait --array=1-10%4 grid.sh": How(
        instead=(("sbatch --wait --array=1-10%4", "SLURM_ARRAY_TASK_ID=2 bash"),),
        prints="encoder-hybrid-s0: 04_bias_analysis done",
        leaves=("logs",),
    ),
    "sacct --format=JobID,Elapsed,MaxRSS": How(why_not="needs SLURM"),
    "seq 10 | OMP_NUM_THREADS=4 xargs -P 4 -I{} --process-slot-var=CUDA_VISIBLE_DEVICES "
    ".venv/bin/hybridlib run my-study.yaml --only {}": How(
        instead=(
            ("seq 10 | OMP_NUM_THREADS=4 xargs -P 4", "seq 2 | OMP_NUM_THREADS=1 xargs -P 2"),
        ),
        prints="encoder-x-y-s0: 04_bias_analysis done",
    ),
    ".venv/bin/hybridlib compare my-study.yaml": How(prints="2 of 2 runs"),
    ".venv/bin/hybridlib run my-study.yaml": How(
        prints="| hybrid ", leaves=("outputs/my-study/comparison/results.md",)
    ),
    "hybridlib run my-study.yaml": How(prints="| hybrid "),
    "hybridlib soup outputs/my-study/e5-hybrid-s0 outputs/my-study/e5-hybrid-s1 --share 0.5 --out "
    "soup": How(
        instead=(("e5-hybrid-s0", "encoder-x-y-s0"), ("e5-hybrid-s1", "encoder-hybrid-s0")),
        prints="wrote the soup of 2 runs",
        leaves=("soup/soup.json",),
    ),
    ".venv/bin/hybridlib mine path/to/encoder path/to/pairs.jsonl --relative-margin 0.05 --out "
    "mined.jsonl": How(
        # An encoder that was never trained scores nearly all alike.
        instead=(("--relative-margin 0.05", "--relative-margin 0.001"),),
        prints="wrote mined.jsonl: ",
        leaves=("mined.jsonl",),
    ),
    ".venv/bin/hybridlib score path/to/encoder mined.jsonl --out scored.jsonl": How(
        prints="wrote scored.jsonl: scores for ", leaves=("scored.jsonl",)
    ),
    "hybridlib correct outputs/my-study/e5-hybrid-s0 --out corrected": How(
        instead=(("e5-hybrid-s0", "encoder-hybrid-s0"),),
        prints="texts with translations",
        leaves=("corrected/README.md",),
    ),
    "hybridlib card outputs/my-study/e5-hybrid-s0 --licence mit": How(
        instead=(("e5-hybrid-s0", "encoder-hybrid-s0"),), prints="README.md"
    ),
    "hybridlib push outputs/my-study/e5-hybrid-s0/model my-name/my-encoder": How(
        why_not="needs the hub; test_push.py pushes to a stand-in"
    ),
    _CHOOSE: How(
        instead=(("[1e-3, 3e-3]", "[1e-3]"),),
        prints="Trials: ",
        leaves=("outputs/choice/choice/choice.csv",),
    ),
    "hybridlib export params/quickstart.yaml --choice -p study choice": How(
        leaves=("outputs/reference/choice/choice.csv",)
    ),
    "hybridlib combine STUDY STUDY --out FOLDER": How(
        instead=(
            ("STUDY STUDY", "outputs/reference/quickstart outputs/reference/quickstart_e5"),
            ("FOLDER", "combined"),
        ),
        prints="Over 2 studies",
        leaves=("combined/answer.md", "combined/forest.png"),
    ),
    ".venv/bin/hybridlib export my-study.yaml": How(
        leaves=("outputs/reference/my-study/study.yaml",)
    ),
    ".venv/bin/hybridlib compare outputs/reference/my-study": How(prints="2 of 2 runs"),
    "hybridlib compare outputs/reference/study_x_to_m": How(
        why_not="test_kept_studies.py makes the same from a copy"
    ),
    ".venv/bin/papermill notebooks/02_hybrid_training.ipynb out.ipynb -f params/quickstart.yaml "
    "-p strategy hybrid": How(leaves=("out.ipynb",)),
    ".venv/bin/hybridlib run my-study.yaml --dry-run --device a100": How(
        prints="--only encoder-hybrid-s0"
    ),
    ".venv/bin/hybridlib run params/paper/grid.yaml --dry-run": How(
        prints="40 runs, 0 of them done"
    ),
    "hybridlib run my-study.yaml --only 3": How(
        instead=(("--only 3", "--only 1"),), prints="encoder-x-y-s0: 04_bias_analysis kept"
    ),
    f"accelerate launch --multi_gpu --num_processes 4 {_LAUNCH}": How(
        why_not="needs GPUs; test_launch.py starts accelerate on the CPU"
    ),
    f"torchrun --nproc-per-node 2 {_LAUNCH}": How(
        environment=(("ACCELERATE_USE_CPU", "true"),),
        leaves=("outputs/my-study/encoder-hybrid-s0/model/model.safetensors",),
        leaves_not=("outputs/my-study/built-in-hybrid-s0",),
    ),
}

_CORPORA = {
    ".venv/bin/hybridlib evaluate path/to/encoder --corpus xquad-r --out results": How(
        instead=(("--corpus xquad-r", "--corpus xquad-r --corpus-path path/to/xquad-r"),),
        prints="multilingual mAP",
        leaves=("results/metrics.json", "results/per_query.parquet"),
    ),
    f"hybridlib evaluate bm25 {_XQUAD}": How(
        prints="translate-test", leaves=("results/translate_test.csv",)
    ),
    f"hybridlib evaluate ENCODER {_XQUAD}": How(instead=_ENCODER, prints="multilingual mAP"),
    "hybridlib evaluate ENCODER --corpus folder --corpus-path my-corpus --out results": How(
        instead=_ENCODER, prints="3 queries, 5 candidates"
    ),
    "hybridlib evaluate ENCODER --corpus miracl --corpus-path path/to/miracl --languages sw "
    "--vectors vectors --out results": How(
        why_not="needs MIRACL; test_evaluate_processes.py keeps vectors with the same option"
    ),
    "hybridlib evaluate intfloat/multilingual-e5-small --corpus xquad-r --corrections "
    "centering+filter --parallel-path ntrex --out results": _HUB,
    "hybridlib evaluate ENCODER --corpus miracl --corpus-path mteb/MIRACLRetrievalHardNegatives "
    "--languages sw yo --out results": _HUB,
    "hybridlib evaluate ENCODER --corpus belebele --corpus-path facebook/belebele --languages de "
    "sw th --out results": _HUB,
    "hf download --repo-type dataset neuclir/bench --local-dir neuclir": _HUB,
    "hf download --repo-type dataset neuclir/neuclir1 --include 'data/fas-*' --include "
    "'data/rus-*' --include 'data/zho-*' --local-dir neuclir": _HUB,
    "hybridlib evaluate ENCODER --corpus neuclir --corpus-path neuclir --out results": _HUB,
    "hybridlib evaluate ENCODER --corpus mkqa --corpus-path mkqa.jsonl.gz --languages de en ja "
    "--out results": _HUB,
    "hybridlib evaluate ENCODER --corpus ir-datasets --corpus-path "
    "hc4/fa/test,hc4/ru/test,hc4/zh/test --out results": _HUB,
    "pip install '.[ir-datasets]'": _HUB,
    "pip install '.[mteb]'": _HUB,
    "pip install '.[lora]'": _HUB,
    "hf download --repo-type dataset mteb/MIRACLRetrievalHardNegatives --include 'sw-*' --include "
    "'yo-*' --local-dir miracl": _HUB,
    ".venv/bin/hf download --repo-type dataset unicamp-dl/mmarco --local-dir data/hub/mmarco "
    "--include={'data/triples*','data/google/*/'{arabic,chinese,english,german,hindi,russian,"
    "spanish}'_*'}": _HUB,
    ".venv/bin/hf download --repo-type dataset clips/mfaq --local-dir data/hub/mfaq "
    "--include='data/en/*'": _HUB,
    ".venv/bin/hf download --repo-type dataset castorini/mr-tydi --local-dir data/mr-tydi "
    "--include='mrtydi-v1.1-english/train*'": _HUB,
    ".venv/bin/hf download --repo-type dataset mteb/MIRACLRetrievalHardNegatives --local-dir "
    "data/miracl": _HUB,
    f".venv/bin/python {_PAPER_DATA} mmarco data/hub/mmarco data/mmarco --languages ar zh en de es "
    "ru hi": _SMALL,
    f".venv/bin/python {_PAPER_DATA} mfaq data/hub/mfaq data/mfaq --every 100": _SMALL,
    "hf download --repo-type dataset NAME --revision refs/convert/parquet --local-dir FOLDER": _HUB,
}

_CORRECT = "hybridlib correct ENCODER --on path/to/parallel-text --out corrected"
_OWN_PAGE = How(why_not="test_your_own.py runs its page from top to bottom")
_YOUR_OWN = {
    ".venv/bin/hybridlib evaluate multilingual-e5-small --corpus pairs --corpus-path "
    "docs/examples/library_faq.csv --corrections centering@candidates lir@candidates "
    "--out results": _OWN_PAGE,
    ".venv/bin/hybridlib run faq.yaml --dry-run -p batch_size 100": _OWN_PAGE,
    ".venv/bin/hybridlib run faq.yaml": _OWN_PAGE,
    _CORRECT: How(why_not="test_correct.py corrects with the same options"),
}

# The order is that in which they run: some need what another leaves.
COMMANDS = {**_PROJECT, **_STUDY, **_CORPORA, **_YOUR_OWN}
