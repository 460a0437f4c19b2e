"""The notebooks as a person uses them: JupyterLab in a browser, Run All, figures, clicks.

Run by ``make test-ui``. The project is a fresh clone; the smoke study is run in it first, and each
notebook's parameter cell gets the smoke study's values, as a reader would type them. Screenshots
are kept in ``build/screenshots/``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from clones import ROOT, TOKEN, ask, fresh_clone, jupyter_lab, user_environment

pytestmark = pytest.mark.ui
playwright = pytest.importorskip("playwright.sync_api")
NOTEBOOKS = sorted(file.name for file in (ROOT / "notebooks").glob("*.ipynb"))
SAVED = "03_evaluation.ipynb"
TOUR = "00_tour.ipynb"
SCREENSHOTS = ROOT / "build" / "screenshots"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STRATEGIES = ["untrained", "hybrid"]
SECONDS = 300 * 1000  # for a notebook, in Playwright's milliseconds
CELLS = "document.querySelectorAll('.jp-Notebook .jp-Cell')"
# JupyterLab draws an error like other text on stderr.
STDERR = '.jp-Notebook [data-mime-type="application/vnd.jupyter.stderr"]'
TRACEBACK = "Traceback (most recent call last)"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the smoke study is finished and the notebooks are set to it."""
    clone = fresh_clone(tmp_path_factory.mktemp("ui") / "hybridlib")
    values = {
        **yaml.safe_load((clone / "params" / "smoke.yaml").read_text()),
        "strategies": STRATEGIES,
        "grid": {},
    }
    (clone / "ui.yaml").write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [".venv/bin/hybridlib", "run", "ui.yaml"],
        cwd=clone,
        env=user_environment(clone),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-300:]}"
    for name in NOTEBOOKS:
        notebook = nbformat.read(clone / "notebooks" / name, 4)
        cell = next(
            cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
        )
        cell.source += "\n" + "\n".join(f"{key} = {value!r}" for key, value in values.items())
        nbformat.write(notebook, clone / "notebooks" / name)
    return clone


@pytest.fixture(scope="module")
def lab(project: Path) -> Iterator[str]:
    with jupyter_lab(project) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[playwright.BrowserContext]:
    """A headless Chromium of the system, with nothing in it."""
    found = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not found:
        pytest.fail(
            "no Chromium found. Debian and Ubuntu: apt-get install chromium. Elsewhere: install it "
            "and set CHROMIUM to its path.",
            pytrace=False,
        )
    with playwright.sync_playwright() as tools:
        context = tools.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("browser")),
            executable_path=found,
            headless=True,
            args=FLAGS,
            viewport={"width": 1300, "height": 1000},
            extra_http_headers={"Authorization": f"token {TOKEN}"},
        )  # fmt: skip
        yield context
        context.close()


@pytest.fixture
def page(browser: playwright.BrowserContext, lab: str) -> Iterator[playwright.Page]:
    """Give a tab; photograph its last state, then end what it started in the server."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "last.png")
    page.close()
    for session in json.loads(ask(lab, "api/sessions")):
        ask(lab, f"api/sessions/{session['id']}", "DELETE")


def run_all(page: playwright.Page, lab: str, name: str) -> None:
    """Open a notebook, choose Run > Run All Cells, wait until all cells have run or one fails."""
    page.goto(f"{lab}lab/tree/notebooks/{name}?reset&token={TOKEN}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # the kernel has started
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    page.wait_for_function(
        """([stderr, traceback]) => {
            const cells = document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt');
            const prompts = [...cells].map(p => p.textContent.trim());
            const errors = [...document.querySelectorAll(stderr)];
            const failed = errors.some(text => text.textContent.includes(traceback));
            return failed || (prompts.length && prompts.every(p => /^\\[\\d+\\]:$/.test(p)));
        }""",
        arg=[STDERR, TRACEBACK],
        timeout=SECONDS,
    )


def errors(page: playwright.Page) -> list[str]:
    shown = page.locator(STDERR, has_text=TRACEBACK).all_text_contents()
    return [text[-2000:] for text in shown] + [
        text
        for text in ("Error displaying widget", "Loading widget...")
        if page.get_by_text(text).count()
    ]


def photograph(page: playwright.Page, name: str) -> None:
    """The whole notebook on one picture."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.jp-WindowedPanel-outer')]"
        ".map(panel => panel.scrollHeight))"
    )
    page.set_viewport_size({"width": 1300, "height": min(int(height) + 150, 16_000)})
    page.evaluate(
        "document.querySelectorAll('.jp-WindowedPanel-outer').forEach(panel => panel.scrollTop = 0)"
    )
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def run_all_and_check(page: playwright.Page, lab: str, project: Path, name: str) -> None:
    """Run a notebook; fail unless every figure is shown and there is no error."""
    run_all(page, lab, name)
    photograph(page, Path(name).stem)
    assert errors(page) == []
    cells = nbformat.read(project / "notebooks" / name, 4).cells
    assert page.evaluate(f"{CELLS}.length") == len(cells)
    drawn = [
        number
        for number, cell in enumerate(cells)
        if cell.cell_type == "code" and cell.source.splitlines()[-1].strip() == "figure"
    ]
    widths = page.evaluate(
        "numbers => numbers.map(n => Math.max(0, "
        f"...[...{CELLS}[n].querySelectorAll('.jp-OutputArea img')]"
        ".map(image => image.naturalWidth)))",
        drawn,
    )
    assert drawn and min(widths) > 300, dict(zip(drawn, widths))


# Those that the next tests run are not run twice.
@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name not in (SAVED, TOUR)])
def test_run_all_shows_every_figure_and_no_error(
    name: str, page: playwright.Page, lab: str, project: Path
):
    run_all_and_check(page, lab, project, name)


def test_a_notebook_is_saved_with_its_results_and_stays_small(
    page: playwright.Page, lab: str, project: Path
):
    run_all_and_check(page, lab, project, SAVED)
    page.keyboard.press("Control+s")
    page.locator("#jp-main-dock-panel .lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)").wait_for()
    file = project / "notebooks" / SAVED
    page.wait_for_function("document.querySelector('.jp-Notebook') !== null")
    code = [cell for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code) and any(cell.outputs for cell in code)
    assert file.stat().st_size < 1_000_000


def test_a_misspelt_parameter_says_so_in_the_notebook(
    page: playwright.Page, lab: str, project: Path
):
    notebook = nbformat.read(project / "notebooks" / "04_bias_analysis.ipynb", 4)
    next(
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    ).source += "\nalhpa = 0.4"
    nbformat.write(notebook, project / "notebooks" / "misspelt.ipynb")
    run_all(page, lab, "misspelt.ipynb")
    assert "did you mean 'alpha'?" in "".join(errors(page))


def test_the_tour_answers_clicks_and_typing(page: playwright.Page, lab: str, project: Path):
    run_all_and_check(page, lab, project, TOUR)
    panel = page.locator(
        ".jp-OutputArea .jupyter-widgets.widget-vbox", has=page.locator(".widget-toggle-buttons")
    )
    results = panel.locator(".widget-html").last
    results.locator("table").wait_for()
    shown = [results.inner_text()]

    def wait_for_another() -> None:
        playwright.expect(results).not_to_have_text(shown[-1], use_inner_text=True)
        shown.append(results.inner_text())

    panel.locator(".widget-toggle-button", has_text=re.compile("^untrained$")).click()
    wait_for_another()
    panel.locator("select").first.select_option("de")
    wait_for_another()
    box = panel.locator("input[type=text]")
    box.fill("Wie heißt die Währung von Japan?")
    box.press("Enter")
    # The language's first question may still be on its way.
    playwright.expect(results).to_contain_text("Wie heißt die Währung von Japan?")
    assert panel.locator(".widget-html table").last.locator("tbody tr").count() == 10
    photograph(page, "00_tour_clicked")
    assert errors(page) == []
