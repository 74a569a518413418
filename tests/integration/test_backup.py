"""Backups while the daemon works, and the way back: the same collection, and nothing embedded."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from daemon import Daemon, contents, environment, eventually, ingestd

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS = 60


def write(folder: Path, number: int, edition: object = 0) -> None:
    """Write a document of ten chunks, each with a text of its own."""
    sections = "".join(
        f"\n## Section {part}\n\nFact {part} of {number}, edition {edition}.\n"
        for part in range(10)
    )
    (folder / f"{number}.md").write_text(f"# Document {number}\n{sections}", "utf-8")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance of 600 chunks."""
    place = tmp_path_factory.mktemp("backup")
    (place / "docs").mkdir()
    for number in range(DOCUMENTS):
        write(place / "docs", number)
    assert ingestd("run", place / "docs", "--once", "--state-dir", place / "state").returncode == 0
    return place


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Path:
    """A copy of its state directory."""
    shutil.copytree(template / "state", tmp_path / "state")
    return tmp_path


def answer(*arguments: str | Path) -> dict[str, Any]:
    """The JSON of a verb that must end well."""
    done = ingestd(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def once(docs: Path, state: Path) -> dict[str, int]:
    """Index what is there; returns what became of the chunks."""
    return dict(answer("run", docs, "--once", "--state-dir", state)["chunks"])


def test_a_restored_instance_embeds_nothing(template: Path, tmp_path: Path) -> None:
    """On a machine with nothing but the files, the collection is what it was; `check` agrees."""
    made = answer("backup", tmp_path / "backups", "--state-dir", template / "state")
    assert (made["documents"], made["chunks"], made["without_vector"]) == (DOCUMENTS, 600, 0)
    fresh = tmp_path / "fresh"
    restored = answer("restore", tmp_path / "backups", "--state-dir", fresh)
    assert restored["chunks"] == 600
    assert restored["missing_sources"] == []
    assert restored["other_model"] is False
    assert not (fresh / "chroma").exists()
    chunks = once(template / "docs", fresh)
    assert (chunks["embedded"], chunks["live"]) == (0, 600)
    assert contents(fresh) == contents(template / "state")
    assert ingestd("check", "--state-dir", fresh).returncode == 0


def test_a_daemon_takes_up_a_backup(template: Path, tmp_path: Path) -> None:
    """The start after a restore fills the collection, and a new text is all that is embedded."""
    docs = tmp_path / "docs"
    shutil.copytree(template / "docs", docs)  # a new machine: other inodes, other times
    state = tmp_path / "state"
    assert ingestd("run", docs, "--once", "--state-dir", state).returncode == 0
    answer("backup", tmp_path / "backups", "--state-dir", state)
    again = tmp_path / "again"
    answer("restore", tmp_path / "backups", "--state-dir", again)
    with Daemon(docs, again) as daemon:
        assert daemon.collection().count() == 600
        indexed = daemon.events("document_indexed")
        assert len(indexed) == DOCUMENTS
        assert sum(line["embedded"] for line in indexed) == 0
        write(docs, 0, "new")
        assert eventually(lambda: "edition new" in str(daemon.collection().get()["documents"]))
    assert ingestd("check", "--state-dir", again).returncode == 0


@contextmanager
def edits(docs: Path) -> Iterator[None]:
    """Edit documents, each time with new texts, as long as the block runs."""
    stop = threading.Event()

    def edit() -> None:
        edition = 0
        while not stop.wait(0.02):
            edition += 1
            write(docs, edition % 20, f"live {edition}")

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_backups_under_edits(template: Path, tmp_path: Path) -> None:
    """Each of many backups beside a busy daemon is of one moment: no chunk without its vector."""
    docs, state = tmp_path / "docs", tmp_path / "state"
    shutil.copytree(template / "docs", docs)
    seen = set()
    with Daemon(docs, state), edits(docs):
        for _ in range(8):
            made = answer("backup", tmp_path / "backups", "--keep", "3", "--state-dir", state)
            assert made["without_vector"] == 0
            seen.add(made["vectors"])
    assert len(seen) > 4  # the daemon embedded all the time
    backups = sorted((tmp_path / "backups").iterdir())
    assert len(backups) == 3
    fresh = tmp_path / "fresh"
    answer("restore", backups[0], "--state-dir", fresh)
    known = digests(fresh)
    chunks = once(docs, fresh)
    wanted = live(fresh)
    assert chunks["embedded"] == len(wanted - known)
    assert ingestd("check", "--state-dir", fresh).returncode == 0


def digests(state: Path) -> set[bytes]:
    """The texts whose vectors are in the cache."""
    return column(state / "vectors.db", "SELECT digest FROM vectors_1")


def live(state: Path) -> set[bytes]:
    """The texts that are indexed."""
    return column(state / "state.db", "SELECT digest FROM chunks WHERE status = 'live'")


def column(file: Path, query: str) -> set[bytes]:
    """One column of a table."""
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute(query)}


@pytest.mark.slow
def test_a_killed_backup_leaves_none(place: Path) -> None:
    """Killed at any moment, a backup is whole or not there, and the next one clears away."""
    backups = place / "backups"
    for wait_ms in range(0, 400, 40):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ingestd", "backup", str(backups)),
                *("--state-dir", str(place / "state")),
            ],
            env=environment("hash"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        number = len(list(backups.glob("*"))) if backups.exists() else 0

        def begun(number: int = number) -> bool:
            return backups.exists() and len(list(backups.glob("*"))) > number

        eventually(lambda: begun() or process.poll() is not None)  # noqa: B023 - asked at once
        with_deadline = threading.Event()
        with_deadline.wait(wait_ms / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert ingestd("backup", backups, "--state-dir", place / "state").returncode == 0
    found = sorted(backups.iterdir())
    assert not [path for path in found if path.name.startswith(".")]
    for backup in found:
        answer("restore", backup, "--dry-run", "--state-dir", place / "nowhere")
    assert not (place / "nowhere").exists()


@pytest.mark.slow
def test_what_is_there_is_set_aside(template: Path, place: Path) -> None:
    """Without `--force` nothing happens; with it the old instance is moved, whole."""
    state, backups = place / "state", place / "backups"
    answer("backup", backups, "--state-dir", state)
    before = contents(state)
    done = ingestd("restore", backups, "--state-dir", state)
    assert done.returncode == 11
    assert "--force" in done.stderr
    found = answer("restore", backups, "--force", "--state-dir", state)
    [aside] = map(Path, found["set_aside"])
    assert {"state.db", "vectors.db", "chroma"} <= {path.name for path in aside.iterdir()}
    assert contents(aside) == before
    assert once(template / "docs", state)["embedded"] == 0
    assert contents(state) == before


def test_beside_a_daemon(template: Path, place: Path) -> None:
    """A running daemon keeps its state: a restore names it and does nothing."""
    answer("backup", place / "backups", "--state-dir", place / "state")
    with Daemon(template / "docs", place / "state") as daemon:
        for more in ((), ("--dry-run",)):
            done = ingestd(
                "restore", place / "backups", "--force", *more, "--state-dir", place / "state"
            )
            assert done.returncode == 6
            assert f"process {daemon.process.pid}" in done.stderr


@pytest.mark.slow
def test_folders_that_are_not_there(template: Path, tmp_path: Path) -> None:
    """Where the files are missing nothing is deleted; in another place nothing is embedded."""
    docs, state = tmp_path / "docs", tmp_path / "state"
    shutil.copytree(template / "docs", docs)
    config = tmp_path / "config.toml"
    config.write_text(f'[[sources]]\npath = "{docs}"\nname = "docs"\n', "utf-8")
    assert ingestd("run", "--once", "-c", config, "--state-dir", state).returncode == 0
    answer("backup", tmp_path / "backups", "-c", config, "--state-dir", state)
    moved, again, there = tmp_path / "moved", tmp_path / "again", tmp_path / "there.toml"
    docs.rename(moved)
    found = answer("restore", tmp_path / "backups", "-c", there, "--state-dir", again)
    assert found["missing_sources"] == ["docs"]
    assert found["config"] == str(there)
    assert there.read_text("utf-8") == config.read_text("utf-8")
    report = answer("run", "--once", "-c", there, "--state-dir", again)
    assert report["documents"]["deleted"] == 0
    status = answer("status", "-c", there, "--state-dir", again)
    assert status["sources"][0]["status"] == "offline"
    there.write_text(f'[[sources]]\npath = "{moved}"\nname = "docs"\n', "utf-8")
    report = answer("run", "--once", "-c", there, "--state-dir", again)
    assert report["chunks"]["embedded"] == 0
    assert report["chunks"]["live"] == 600
    assert report["documents"]["deleted"] == 0
