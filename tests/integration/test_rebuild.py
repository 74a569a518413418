"""``ingestd rebuild``: the index anew, whatever is left of Chroma's files, and nothing embedded."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from daemon import Daemon, contents, ingestd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOCUMENTS = 120


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance of 1,200 chunks."""
    place = tmp_path_factory.mktemp("rebuild")
    (place / "docs").mkdir()
    for number in range(DOCUMENTS):
        sections = "".join(
            f"\n## Section {part}\n\nFact {part} of {number} is {number * part}.\n"
            for part in range(10)
        )
        (place / "docs" / f"{number}.md").write_text(f"# Document {number}\n{sections}", "utf-8")
    assert ingestd("run", place / "docs", "--once", "--state-dir", place / "state").returncode == 0
    return place


@pytest.fixture
def state(template: Path, tmp_path: Path) -> Path:
    """A copy of its state directory."""
    shutil.copytree(template / "state", tmp_path / "state")
    return tmp_path / "state"


def rebuild(state: Path, *more: str) -> tuple[dict[str, Any], str]:
    """Run the verb; returns its JSON and its log."""
    done = ingestd("rebuild", "--json", "--state-dir", state, *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def index_file(state: Path, name: str) -> Path:
    """A file of the one index."""
    return next((state / "chroma").glob(f"*/{name}"))


def cut_part(name: str) -> Callable[[Path], None]:
    """Cut a file of the index in half."""

    def cut(state: Path) -> None:
        path = index_file(state, name)
        os.truncate(path, path.stat().st_size // 2)

    return cut


def cut_database(state: Path) -> None:
    """Cut Chroma's database in half."""
    path = state / "chroma" / "chroma.sqlite3"
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "none": lambda _state: None,
    **{
        name: cut_part(name)
        for name in (
            "header.bin",
            "data_level0.bin",
            "length.bin",
            "link_lists.bin",
            "index_metadata.pickle",
        )
    },
    "folder": lambda state: shutil.rmtree(index_file(state, "header.bin").parent),
    "chroma.sqlite3": cut_database,
    "no chroma.sqlite3": lambda state: (state / "chroma" / "chroma.sqlite3").unlink(),
    "everything": lambda state: shutil.rmtree(state / "chroma"),
}
WITHOUT_TEXTS = {"chroma.sqlite3", "no chroma.sqlite3", "everything"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_rebuilding(template: Path, state: Path, damage: str) -> None:
    """The collection is what it was; vectors come from the cache, lost texts from the files."""
    DAMAGES[damage](state)
    found, _ = rebuild(state)
    assert contents(state) == contents(template / "state")
    assert found["collections"] == ["ingestd"]
    assert found["embedded"] == 0
    assert (found["lost"] == 0) == (damage not in WITHOUT_TEXTS)
    assert found["refilled"] + found["lost"] == len(contents(state))


def test_a_dry_run_changes_nothing(state: Path) -> None:
    """It tells how much there is to fill, how much of it from the cache, and what is broken."""
    cut_part("length.bin")(state)
    before = {path: path.stat().st_mtime_ns for path in (state / "chroma").rglob("*")}
    found, _ = rebuild(state, "--dry-run")
    assert found["slots"] == found["cached"]
    assert found["to_embed"] == 0
    assert "length.bin" in found["broken"]
    assert {path: path.stat().st_mtime_ns for path in (state / "chroma").rglob("*")} == before


def test_a_collection_that_nobody_writes_to(state: Path) -> None:
    """An unknown name is refused before anything is touched."""
    done = ingestd("rebuild", "--collection", "other", "--state-dir", state)
    assert done.returncode == 12
    assert "other" in done.stderr


def test_beside_a_daemon(template: Path, state: Path) -> None:
    """A running daemon is named, and nothing is done."""
    with Daemon(template / "docs", state) as running:
        done = ingestd("rebuild", "--state-dir", state)
        assert done.returncode == 6
        assert f"process {running.process.pid}" in done.stderr


@pytest.mark.parametrize("verb", [("query", "Fact"), ("rebuild", "--dry-run")])
def test_readers_of_broken_files(state: Path, verb: tuple[str, ...]) -> None:
    """A verb that only reads neither hangs on a torn index nor mends it: it says what does."""
    cut_part("link_lists.bin")(state)
    done = ingestd(*verb, "--state-dir", state)
    assert "link_lists.bin" in done.stderr + done.stdout
    assert done.returncode == (0 if verb[0] == "rebuild" else 10)
    if verb[0] == "query":
        assert "ingestd rebuild" in done.stderr
    assert index_file(state, "link_lists.bin").exists()
