"""What a step's result depends on: parameters, files, plugins and code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import nbformat
import pytest
from clones import ROOT

import hybridlib
from hybridlib import modules
from hybridlib.batching.strategies import known_strategies
from hybridlib.config.names import SOUP
from hybridlib.config.params import Params
from hybridlib.study import fingerprint as fingerprints
from hybridlib.study.fingerprint import content_hash, fingerprint
from hybridlib.study.folder import RUN_STEPS, Study

BUILT_IN = set(known_strategies()) - {SOUP}  # before a test registers another
STEPS = ("data", *RUN_STEPS)
PAIRS = "pair_id,lang,question,passage\n1,de,a,b\n"


def of_steps(params: Params) -> dict[str, str]:
    """Return the fingerprint of each step up to the last of a run."""
    return {step: fingerprint(Study(params), step) for step in STEPS}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [step for step in STEPS if before[step] != after[step]]


# -------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("change", "step", "same"),
    [
        ({"alpha": 0.1}, "training", BUILT_IN - {"hybrid"}),
        ({"switch_probability": 0.1}, "training", BUILT_IN - {"code-switched"}),
        (
            {"language_draw": "size"},
            "training",
            BUILT_IN - {"x-x-mono", "hybrid", "code-switched"},
        ),
        ({"trained_share": 0.5}, "training", {"untrained", "bm25"}),
        ({"dataset_tau": 0.5}, "training", {"untrained", "bm25"}),
        ({"learning_rate": 0.5}, "training", {"untrained", "bm25"}),
        ({"eval_languages": ["de", "en"]}, "training", BUILT_IN),
        ({"variants": 2}, "training", set()),
        ({"top_k": 5}, "training", BUILT_IN),
        ({"seeds": [0, 1], "grid": {"alpha": [0.5, 0.1]}}, "bias", BUILT_IN),
        ({"eval_languages": ["de", "en"]}, "evaluation", set()),
        ({"vocab_size": 2000}, "bias", set()),
        ({"checkpoint_every": 5, "output_dir": "/elsewhere", "jobs": 2}, "bias", BUILT_IN),
    ],
)
def test_which_runs_a_change_leaves_as_they_are(change, step, same):
    params = Params.load(ROOT / "params" / "smoke.yaml")
    unchanged = set()
    for strategy in BUILT_IN:
        run = params.but(strategy=strategy)
        if fingerprint(Study(run), step) == fingerprint(Study(run.but(**change)), step):
            unchanged.add(strategy)
    assert unchanged == same


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("file", "values", "steps"),
    [
        ("pairs.csv", {"train_corpus": "pairs", "train_corpus_path": "FILE"}, STEPS),
        (
            "pairs.csv",
            {"train_corpus": ["facts", "pairs"], "train_corpus_path": [None, "FILE"]},
            STEPS,
        ),
        (
            "pairs.csv",
            {"eval_corpus": "pairs", "eval_corpus_path": "FILE"},
            ("data", "evaluation", "bias"),
        ),
        (
            "lexicon/en-de.txt",
            {"strategy": "code-switched", "lexicon_path": "FOLDER"},
            RUN_STEPS,
        ),
        ("lexicon/en-de.txt", {"strategy": "x-y", "lexicon_path": "FOLDER"}, ()),
        (
            "parallel/en.txt",
            {"corrections": ["shift"], "parallel_path": "FOLDER"},
            ("evaluation", "bias"),
        ),
        ("encoder/config.json", {"encoder": "FOLDER"}, RUN_STEPS),
        ("encoder/README.md", {"encoder": "FOLDER"}, ()),
    ],
)
def test_a_changed_file_changes_the_steps_that_read_it(tmp_path, file, values, steps):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(PAIRS)
    names = {"FILE": str(path), "FOLDER": str(path.parent)}
    given = {}
    for name, value in values.items():
        is_list = isinstance(value, list)
        given[name] = [names.get(part, part) for part in value] if is_list else value
        given[name] = given[name] if is_list else names.get(value, value)
    params = Params(**given)
    before = of_steps(params)
    path.write_text(PAIRS.replace("b", "c"))
    assert changed(before, of_steps(params)) == list(steps)


def test_a_folder_is_hashed_by_names_and_contents(tmp_path):
    assert content_hash(tmp_path) is None
    assert content_hash(tmp_path / "nothing") is None
    (tmp_path / "a").write_text("1")
    first = content_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert content_hash(tmp_path) not in (first, None)
    (tmp_path / "b").rename(tmp_path / "a")
    assert content_hash(tmp_path) == first


# -------------------------------------------------------------------------------------------- code


@pytest.fixture(scope="module")
def package_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "hybridlib"
    source = Path(hybridlib.__file__).parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def package(package_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package that the fingerprints look at; a test's changes are undone."""
    monkeypatch.setattr(modules, "_PACKAGE", package_copy)
    files = [file for file in package_copy.rglob("*") if file.is_file()]
    before = {file: file.read_bytes() for file in files}
    yield package_copy
    for file in package_copy.rglob("*"):
        if file.is_file() and file not in before:
            file.unlink()
        elif file.is_file() and file.read_bytes() != before[file]:
            file.write_bytes(before[file])


@pytest.mark.parametrize(
    ("file", "steps"),
    [
        ("data/lareqa.py", STEPS),
        ("training/loss.py", RUN_STEPS),
        ("batching/pair_table.py", RUN_STEPS),
        ("model/encoder.py", STEPS),
        ("retrieval/rank.py", RUN_STEPS),
        ("evaluation/bias.py", RUN_STEPS),
        ("evaluation/evaluate.py", ("evaluation", "bias")),
        ("figures/bias.py", ()),
        ("study/plan.py", ()),
        ("config/params.py", ()),
        ("errors.py", ()),
    ],
)
def test_a_changed_module_changes_the_steps_that_use_it(package, file, steps):
    params = Params()
    before = of_steps(params)
    with (package / file).open("a") as stream:
        stream.write("\nADDED = 1\n")
    assert changed(before, of_steps(params)) == list(steps)


def test_comments_docstrings_and_layout_do_not_count(package):
    file = package / "training" / "loss.py"
    before = of_steps(Params())
    code = file.read_text().replace("\n\n\n", "\n\n\n# A comment.\n\n\n")
    file.write_text(code.replace('"""', '"""Another word. ', 1))
    assert changed(before, of_steps(Params())) == []
    file.write_text(code + "ADDED = 1\n")
    assert changed(before, of_steps(Params())) == list(RUN_STEPS)


def test_a_data_file_of_the_package_counts_for_the_module_that_names_it(package):
    before = of_steps(Params())
    (package / "data" / "unused.yaml").write_text("a: 1\n")
    assert changed(before, of_steps(Params())) == []
    with (package / "data" / "phrasings.yaml").open("a") as stream:
        stream.write("# more\n")
    assert changed(before, of_steps(Params())) == list(STEPS)


@pytest.mark.parametrize("file", ["figures/plane.py", "study/report.py", "study/paper_results.csv"])
def test_what_a_comparison_is_drawn_with_repeats_it(package, tmp_path, file):
    study = Study(Params(output_dir=tmp_path))
    before = fingerprint(study, "comparison")
    with (package / file).open("a") as stream:
        stream.write("\nADDED = 1\n")
    assert fingerprint(study, "comparison") != before


@pytest.mark.parametrize(("kind", "steps"), [("code", RUN_STEPS), ("markdown", ())])
def test_a_notebooks_code_counts_and_its_prose_does_not(tmp_path, monkeypatch, kind, steps):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    monkeypatch.setattr(fingerprints, "project_root", lambda: tmp_path)
    before = of_steps(Params())
    file = tmp_path / "notebooks" / "02_hybrid_training.ipynb"
    notebook = nbformat.read(file, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == kind]
    cells[-1].source += "\nmore = 1"
    nbformat.write(notebook, file)
    assert changed(before, of_steps(Params())) == list(steps)


def test_the_defaults_in_a_notebooks_first_cell_do_not_count(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    monkeypatch.setattr(fingerprints, "project_root", lambda: tmp_path)
    before = of_steps(Params())
    file = tmp_path / "notebooks" / "02_hybrid_training.ipynb"
    notebook = nbformat.read(file, 4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "\nsteps = 9"
    nbformat.write(notebook, file)
    assert of_steps(Params()) == before


def test_one_thread_at_a_time_parses():
    """Runs side by side are threads; two parsers at once can end in a SystemError."""
    expected = modules.code_hash(["hybridlib.data.pairs"])
    modules._imports.cache_clear()
    modules._hash_of.cache_clear()
    with ThreadPoolExecutor(1) as other:
        with modules._parsing:
            waiting = other.submit(modules.code_hash, ["hybridlib.data.pairs"])
            assert wait([waiting], timeout=0.2).not_done
        assert waiting.result(60) == expected
