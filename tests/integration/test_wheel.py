"""What is in the archives that are published."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*command, "-t", "wheel", "-t", "sdist"], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel_names(archives: Path) -> set[str]:
    """The names of all files in the wheel."""
    [wheel] = archives.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        return set(content.namelist())


@pytest.fixture(scope="module")
def sdist_names(archives: Path) -> set[str]:
    """The names of all files in the source archive, below its one folder."""
    [sdist] = archives.glob("*.tar.gz")
    with tarfile.open(sdist) as content:
        return {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in content.getnames()}


def source_files(folder: Path, pattern: str) -> set[str]:
    """Files of the checkout that match, relative to the folder's parent."""
    return {str(path.relative_to(folder.parent)) for path in folder.rglob(pattern)}


def test_wheel_brings_two_packages_and_nothing_else(wheel_names: set[str]) -> None:
    """Only `ingestd` and `ingestd_state` appear in site-packages: no tests, no `state`."""
    top = {PurePosixPath(name).parts[0] for name in wheel_names}
    packages = {name for name in top if not name.endswith((".dist-info", ".data"))}
    assert packages == {"ingestd", "ingestd_state"}
    beside = {
        PurePosixPath(*PurePosixPath(name).parts[1:]) for name in wheel_names if ".data/" in name
    }
    assert beside == {PurePosixPath("data/share/man/man1/ingestd.1")}


def test_wheel_brings_every_module(wheel_names: set[str]) -> None:
    """Every module of both packages is in it, the migrations too."""
    state = source_files(ROOT / "state" / "ingestd_state", "*.py")
    assert {name for name in state if "migrations/versions/" in name}
    assert source_files(ROOT / "ingestd", "*.py") | state <= wheel_names


def test_wheel_tells_that_it_is_typed(wheel_names: set[str]) -> None:
    """Type checkers find the marker of both packages."""
    assert {"ingestd/py.typed", "ingestd_state/py.typed"} <= wheel_names


def test_wheel_carries_the_licence(wheel_names: set[str]) -> None:
    """The licence goes with the code."""
    assert [name for name in wheel_names if name.endswith("licenses/LICENSE")]


def test_source_archive_holds_what_the_wheel_is_built_from(sdist_names: set[str]) -> None:
    """Sources, units, documentation and pins are in it; tests and measurements are not."""
    assert {
        "ingestd/__init__.py",
        "state/ingestd_state/__init__.py",
        "systemd/ingestd.service",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "pyproject.toml",
    } <= sdist_names
    left_out = ("tests/", "profiling/", "benchmarks/", "scripts/", ".venv/")
    assert not [name for name in sdist_names if name.startswith(left_out)]
