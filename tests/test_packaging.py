"""The wheel and the source distribution: what is in them, and that the wheel works without this folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from clones import ROOT, fresh_clone
from packaging.specifiers import SpecifierSet

import hybridlib

NOTEBOOK_PACKAGES = ("papermill", "ipykernel", "jupyterlab", "ipywidgets")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source distribution of a fresh clone; the wheel is built from the source distribution."""
    clone = fresh_clone(tmp_path_factory.mktemp("packaging") / "hybridlib")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next((clone / "dist").glob("*.whl")), next((clone / "dist").glob("*.tar.gz"))


@pytest.fixture(scope="module")
def about(built: tuple[Path, Path]) -> Message:
    """The wheel's METADATA."""
    with zipfile.ZipFile(built[0]) as wheel:
        return message_from_bytes(
            wheel.read(next(name for name in wheel.namelist() if name.endswith("METADATA")))
        )


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    package = set(
        subprocess.run(
            ["git", "ls-files", "hybridlib"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert package <= set(names) and "hybridlib/py.typed" in package
    assert {name.split("/")[0] for name in names} == {
        "hybridlib",
        f"hybridlib-{hybridlib.__version__}.dist-info",
    }


def test_the_source_distribution_is_a_whole_project(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    kept = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    left_out = {name for name in kept if name not in names}
    assert {
        name
        for name in left_out
        if not name.startswith((".ci/", "outputs/")) and name != ".gitignore"
    } == set()


def test_the_metadata_say_what_the_project_says(about):
    assert about["Name"] == "hybridlib" and about["Version"] == hybridlib.__version__
    assert set(about.get_all("Provides-Extra")) == {"notebooks", "dev"}
    needed = about.get_all("Requires-Dist")
    for package in NOTEBOOK_PACKAGES:
        assert (
            [name for name in needed if name.startswith(package)]
            == [
                name
                for name in needed
                if name.startswith(package) and 'extra == "notebooks"' in name
            ]
            != []
        )


def test_python_versions_are_those_that_the_dependencies_support(about):
    """Every dependency allows them, and those with compiled parts, for which each version needs a wheel of its own, list them."""
    ours = {
        name.rpartition(" ")[2]
        for name in about.get_all("Classifier")
        if re.search(r"Python :: 3\.", name)
    }
    for requirement in about.get_all("Requires-Dist"):
        if "extra ==" not in requirement:
            dependency = metadata.distribution(re.match(r"[\w.-]+", requirement).group())
            assert all(
                SpecifierSet(dependency.metadata["Requires-Python"]).contains(version)
                for version in ours
            ), requirement
            if "Root-Is-Purelib: false" in dependency.read_text("WHEEL"):
                assert ours <= {
                    name.rpartition(" ")[2] for name in dependency.metadata.get_all("Classifier")
                }, requirement
    high, low = re.fullmatch(r"<3\.(\d+),>=3\.(\d+)", about["Requires-Python"]).groups()
    assert ours == {f"3.{minor}" for minor in range(int(low), int(high))}
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in ours


@pytest.fixture(scope="module")
def clean(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, and beside it the packages that it needs, but not those of the notebooks."""
    folder = tmp_path_factory.mktemp("clean") / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(packages)
    hidden = {"hybridlib", "papermill", "ipykernel", "jupyterlab", "ipywidgets"}
    for entry in Path(metadata.distribution("numpy").locate_file("")).iterdir():
        if (
            re.split(r"[-.]", entry.name)[0] not in hidden
            and not entry.name.startswith(("__editable__", "_virtualenv", "distutils-precedence"))
            and not (packages / entry.name).exists()
        ):
            (packages / entry.name).symlink_to(entry)
    return folder


def in_clean(clean: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    return subprocess.run(
        [str(clean / "bin" / "python"), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_module_of_the_wheel_imports_without_the_notebook_packages(clean, tmp_path):
    code = """
import importlib, pkgutil, sys, hybridlib
for module in pkgutil.iter_modules(hybridlib.__path__):
    importlib.import_module(f"hybridlib.{module.name}")
print(hybridlib.__version__, hybridlib.__file__)
assert importlib.util.find_spec("papermill") is None
"""
    done = in_clean(clean, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [
        hybridlib.__version__,
        str(next(clean.glob("lib/python*/site-packages/hybridlib/__init__.py"))),
    ]


def test_the_command_of_the_wheel(clean, tmp_path):
    entry = in_clean(
        clean,
        "-c",
        "from importlib.metadata import entry_points as e; print(next(iter(e(group='console_scripts', name='hybridlib'))).value)",
        cwd=tmp_path,
    )
    assert entry.stdout.strip() == "hybridlib.cli:main"
    version = in_clean(clean, "-m", "hybridlib.cli", "--version", cwd=tmp_path)
    assert version.stdout.strip() == hybridlib.__version__
    evaluated = in_clean(
        clean,
        "-m",
        "hybridlib.cli",
        "evaluate",
        "./nowhere",
        "--corpus",
        "facts",
        "--out",
        "out",
        cwd=tmp_path,
    )
    assert (
        evaluated.returncode == 2
        and "no such folder" in evaluated.stderr
        and evaluated.stderr.count("\n") == 1
    )


def test_a_study_without_the_notebook_packages_says_what_to_install(clean, tmp_path):
    (tmp_path / "study.yaml").write_text("study: mine\n")
    done = in_clean(clean, "-m", "hybridlib.cli", "run", "study.yaml", cwd=tmp_path)
    assert (
        done.returncode == 2
        and "papermill is not installed" in done.stderr
        and "pip install '.[notebooks]'" in done.stderr
    )
    assert done.stderr.count("\n") == 1 and not (tmp_path / "outputs").exists()


def test_a_study_outside_of_the_project_says_where_to_go(tmp_path):
    (tmp_path / "study.yaml").write_text("study: mine\n")
    done = subprocess.run(
        [sys.executable, "-m", "hybridlib.cli", "run", "study.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (
        done.returncode == 2
        and "run from inside a clone" in done.stderr
        and not (tmp_path / "outputs").exists()
    )
