"""The site: it builds without a warning, and its checks notice what they are there for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from clones import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from studies import copied, made_once

from hybridlib.config.yaml_files import read_yaml
from hybridlib.errors import InputError
from hybridlib.study.folder import NOTEBOOKS

WEBSITE = ROOT / "tools" / "website"
sys.path.insert(0, str(WEBSITE))

from site_checks import problems_of_site  # noqa: E402
from site_notebooks import Executed, alternative, readable  # noqa: E402


def build(study: Path, out: Path, *options: str) -> str:
    """Build the site; return what the command printed."""
    command = [sys.executable, str(WEBSITE / "make_site.py"), str(study), "--out", str(out)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(finished_study, tmp_path_factory) -> Path:
    """The site of the study in miniature; the tour and the solutions without results."""
    made = made_once(
        tmp_path_factory, "site", lambda folder: build(finished_study.folder, folder, "--quick")
    )
    return made / "site"


def page(site: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


# -------------------------------------------------------------------------------- the built site


@pytest.mark.parametrize("name", NOTEBOOKS.values())
def test_a_notebook_shows_its_figures(site, finished_study, name):
    pictures = page(site, f"notebooks/{name}").select("div.cell_output img")
    texts = [picture["alt"] for picture in pictures]
    (file,) = (
        file for file in Executed.find(finished_study.folder).notebooks() if file.stem == name
    )
    outputs = [
        output for cell in nbformat.read(file, 4).cells for output in cell.get("outputs", [])
    ]
    assert len(texts) == sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert len(set(texts)) >= len(texts) - 1


def test_no_page_names_this_machine(site, finished_study):
    machine = (str(ROOT), str(finished_study.folder.parent), "0%|")
    for file in site.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert [name for name in machine if name in text] == [], file


def test_every_page_of_the_project_is_on_the_site(site):
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").rglob("*.ipynb")]
    missing = [
        file for file in pages if not (site / file.relative_to(ROOT)).with_suffix(".html").exists()
    ]
    assert missing == []
    for study in (ROOT / "outputs" / "reference").glob("*/README.md"):
        assert "mAP" in page(site, f"studies/{study.parent.name}").get_text()
    assert "study smoke. 02 to 04 show its run built-in-hybrid-alpha-0.25-s0" in " ".join(
        page(site, "notebooks/index").get_text().split()
    )
    home = page(site, "index")
    assert home.h1.get_text().startswith("hybridlib")
    assert home.find("a", href="docs/study.html")


def test_the_reference_has_the_public_names_and_every_parameter(site):
    names = page(site, "api/index").get_text()
    assert "DualEncoder" in names
    assert "Maps texts to unit vectors" in names
    assert page(site, "api/evaluation").find(id="hybridlib.evaluation.evaluate.evaluate")
    parameters = page(site, "api/parameters").get_text()
    assert "trained_share" in parameters
    assert "language_draw" in parameters


@pytest.mark.slow
def test_the_tour_and_the_solutions_are_executed_once(finished_study, tmp_path):
    """The solution of the comparison needs a run of `x-y`, which the study in miniature lacks."""
    study = copied(finished_study, tmp_path, strategies=["untrained", "x-y", "hybrid"])
    study.params.save(tmp_path / "study.yaml")
    run = [sys.executable, "-m", "hybridlib.cli", "run", str(tmp_path / "study.yaml")]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    printed = build(study.folder, tmp_path)
    assert printed.count("running notebooks/") == 6
    for name in ("00_tour", "solutions/02_hybrid_training", "solutions/03_evaluation"):
        assert page(tmp_path / "site", f"notebooks/{name}").select("div.cell_output img"), name
    for file in (tmp_path / "site").rglob("*.html"):
        assert str(tmp_path) not in file.read_text(encoding="utf-8"), file
    assert "running" not in build(study.folder, tmp_path)


@pytest.mark.slow
def test_a_solution_that_fails_is_one_line(finished_study, tmp_path):
    command = [sys.executable, str(WEBSITE / "make_site.py"), str(finished_study.folder)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("notebooks/solutions/05_comparison.ipynb does not run on this study: ")


# ------------------------------------------------------------------------------------ notebooks


def test_a_study_that_has_not_run_is_one_error(tmp_path):
    with pytest.raises(InputError, match=r"01_data_prep\.ipynb: not there; `make demo`"):
        Executed.find(tmp_path / "quickstart")


def test_the_run_of_hybrid_is_shown(tmp_path):
    for name in ("e-hybrid-s0", "e-untrained-s0", "data", "comparison"):
        (tmp_path / name).mkdir()
        for notebook in NOTEBOOKS.values():
            (tmp_path / name / f"{notebook}.ipynb").touch()
    assert Executed.find(tmp_path).run.name == "e-hybrid-s0"


def test_a_notebook_loses_what_readers_have_no_use_for():
    bar = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0%|"}
    cell = new_code_cell(f"figures.bias_plane(points)  # {ROOT}/docs")
    cell.outputs = [
        new_output("stream", name="stderr", text="UserWarning: slow"),
        new_output("display_data", data=bar),
        new_output("stream", name="stdout", text="in /a/b/outputs-1/quick"),
        new_output("execute_result", data={"image/png": "iVBO", "text/plain": "<Figure>"}),
    ]
    notebook = new_notebook(cells=[new_markdown_cell("## 2 · Two `words`"), cell])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    shown = readable(notebook, [Path("/a/b/outputs-1")]).cells[1]
    assert shown.source.endswith("# docs")
    first, second = shown.outputs
    assert first.text == "in outputs/quick"
    assert second.data["image/png"] == "iVBO"
    text = shown.metadata["mystnb"]["image"]["alt"]
    assert text.startswith("Two words: multilingual mAP against rank distance")


def test_a_cell_without_a_figure_function_has_no_alternative():
    assert alternative("Heading", "figures.texts(table)") == ""


# --------------------------------------------------------------------------------------- checks

GOOD = (
    '<article><h1 id="a">A</h1><h2>B</h2><img src="p.png" alt="what the picture shows"></article>'
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GOOD + '<a href="index.html#a">x</a><a href="https://arxiv.org/abs/1">y</a>', None),
        ('<img src="p.png" alt="p.png">', "the picture p.png has no text in its place"),
        ('<img src="p.png">', "the picture p.png has no text in its place"),
        ('<a href="none.html">x</a>', "the link to none.html leads nowhere"),
        ('<a href="../outside.html">x</a>', "the link to ../outside.html leads nowhere"),
        (GOOD + '<a href="#none">x</a>', "the link to #none leads to no heading"),
        (
            '<script src="https://a.org/b.js"></script>',
            "https://a.org/b.js is loaded from elsewhere",
        ),
        ("<article><h1>A</h1><h3>B</h3></article>", "a heading of level 3 follows one of level 1"),
        ("<article><h2>A</h2></article>", "0 headings of level 1"),
        ('<div class="cell">in /root/project</div>', "a cell shows /root/"),
        ('<div class="cell">a FutureWarning: b</div>', "a cell shows FutureWarning:"),
    ],
)
def test_a_fault_of_a_page_is_noticed(tmp_path, content, problem):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.html").touch()
    (site / "p.png").touch()
    (site / "index.html").write_text(content)
    expected = [] if problem is None else [f"index.html: {problem}"]
    assert problems_of_site(site) == expected


# ------------------------------------------------------------------------------------ workflows


@pytest.mark.parametrize(
    ("name", "command"), [("test", "make lint test"), ("pages", "make demo site")]
)
def test_a_workflow_runs_the_projects_own_commands(name, command):
    workflow = read_yaml(ROOT / ".github" / "workflows" / f"{name}.yml")
    assert "main" in workflow["on"]["push"]["branches"]
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert command in [step.get("run") for step in steps]
    (python,) = [step for step in steps if "setup-python" in step.get("uses", "")]
    assert python["with"]["python-version"] == "3.11"
    for target in command.split()[1:]:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
