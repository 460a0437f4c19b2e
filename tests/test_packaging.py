"""The wheel and the source distribution: what is in them, and that the wheel works by itself."""

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
from studies import made_once

import hybridlib

NOTEBOOK_PACKAGES = ("papermill", "ipykernel", "jupyterlab", "ipywidgets")
OTHER_PACKAGES = ("mteb",)  # of another extra
NOT_LINKED = ("__editable__", "_virtualenv", "distutils-precedence")
IMPORT_ALL = """
import importlib, pkgutil, hybridlib
for module in pkgutil.walk_packages(hybridlib.__path__, "hybridlib."):
    if not module.name.endswith(("__main__", "mteb_pooled")):
        importlib.import_module(module.name)
print(hybridlib.__version__, hybridlib.__file__)
assert importlib.util.find_spec("papermill") is None
"""


def build(folder: Path) -> None:
    """Build the source distribution of a fresh clone, and the wheel from it."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)],
        cwd=fresh_clone(folder / "hybridlib"),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    return made_once(tmp_path_factory, "packaging", build)


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def about(wheel: Path) -> Message:
    """The wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        return message_from_bytes(archive.read(name))


def tracked(*folders: str) -> set[str]:
    command = ["git", "ls-files", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split() if (ROOT / name).exists()}


def python_versions(about: metadata.PackageMetadata | Message) -> set[str]:
    classifiers = about.get_all("Classifier")
    return {name.rpartition(" ")[2] for name in classifiers if re.search(r"Python :: 3\.", name)}


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = tracked("hybridlib")
    assert package <= names
    assert "hybridlib/py.typed" in package
    info = f"hybridlib-{hybridlib.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"hybridlib", info}


def test_the_source_distribution_is_a_whole_project(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = {name for name in tracked() - names if not name.startswith((".ci/", "outputs/"))}
    assert missing <= {".gitignore", ".git-blame-ignore-revs"}


def test_the_metadata_say_what_the_project_says(about):
    assert about["Name"] == "hybridlib"
    assert about["Version"] == hybridlib.__version__
    assert set(about.get_all("Provides-Extra")) == {
        "notebooks",
        "dev",
        "ir-datasets",
        "lora",
        "mteb",
        "site",
    }
    for package in NOTEBOOK_PACKAGES:
        needed = [name for name in about.get_all("Requires-Dist") if name.startswith(package)]
        assert needed
        assert all('extra == "notebooks"' in name for name in needed)


def test_python_versions_are_those_that_the_dependencies_support(about):
    """Compiled dependencies list each version, if it needs a wheel of its own."""
    ours = python_versions(about)
    for requirement in about.get_all("Requires-Dist"):
        if "extra ==" in requirement:
            continue
        dependency = metadata.distribution(re.match(r"[\w.-]+", requirement).group())
        supported = SpecifierSet(dependency.metadata.get("Requires-Python", ""))
        assert all(supported.contains(version) for version in ours), requirement
        wheel = dependency.read_text("WHEEL")
        # A wheel of the stable interface (abi3) serves all later versions.
        if "Root-Is-Purelib: false" in wheel and "-abi3-" not in wheel:
            assert ours <= python_versions(dependency.metadata), requirement
    high, low = re.fullmatch(r"<3\.(\d+),>=3\.(\d+)", about["Requires-Python"]).groups()
    assert ours == {f"3.{minor}" for minor in range(int(low), int(high))}
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in ours


# --------------------------------------------------------------------------- in a clean environment


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel and what it needs, without the packages of the notebooks."""
    folder = tmp_path_factory.mktemp("clean") / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    hidden = {"hybridlib", *NOTEBOOK_PACKAGES, *OTHER_PACKAGES}
    for entry in Path(metadata.distribution("numpy").locate_file("")).iterdir():
        is_hidden = re.split(r"[-.]", entry.name)[0] in hidden
        is_linked = not is_hidden and not entry.name.startswith(NOT_LINKED)
        if is_linked and not (packages / entry.name).exists():
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
    done = in_clean(clean, "-c", IMPORT_ALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    (installed,) = clean.glob("lib/python*/site-packages/hybridlib/__init__.py")
    assert done.stdout.split() == [hybridlib.__version__, str(installed)]


def test_the_command_of_the_wheel(clean, wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "hybridlib = hybridlib.cli:main" in archive.read(name).decode()
    version = in_clean(clean, "-m", "hybridlib.cli", "--version", cwd=tmp_path)
    assert version.stdout.strip() == hybridlib.__version__


def test_a_study_without_the_notebook_packages_says_what_to_install(clean, tmp_path):
    (tmp_path / "study.yaml").write_text("study: mine\n")
    done = in_clean(clean, "-m", "hybridlib.cli", "run", "study.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "papermill is not installed" in done.stderr
    assert "pip install '.[notebooks]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


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
    assert done.returncode == 2
    assert "run from inside a clone" in done.stderr
    assert not (tmp_path / "outputs").exists()
