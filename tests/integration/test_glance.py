"""A single pass where nothing changed: neither Chroma nor the model is opened."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from daemon import ingestd

from ingestd.config import load
from ingestd.embed.chroma import ended
from ingestd.glance import Glance, glance
from ingestd_state.engine import Database

if TYPE_CHECKING:
    from pathlib import Path

FILES = 3


class Home:
    """A folder that was indexed once, and its state directory."""

    def __init__(self, place: Path) -> None:
        self.docs, self.state = place / "docs", place / "state"
        self.docs.mkdir()
        for number in range(FILES):
            (self.docs / f"{number}.md").write_text(f"# Page {number}\n\nText {number}.\n")
        self.once()

    def once(self, code: int = 0) -> dict[str, Any]:
        """Run once; returns the report."""
        done = ingestd("run", self.docs, "--once", "--json", "--state-dir", self.state)
        assert done.returncode == code, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def glance(self, *, stopped: bool = False, **more: Any) -> Glance:
        """Have a glance, in this process."""
        overrides = {"sources": [{"path": self.docs}], "model.name": "hash", **more}
        settings, location = load(state_dir=self.state, overrides=overrides)

        async def look() -> Glance:
            stop = asyncio.Event()
            if stopped:
                stop.set()
            return await glance(settings, location, stop, verb="run --once")

        return asyncio.run(look())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An instance with everything indexed."""
    found = Home(tmp_path)
    with Database(f"sqlite:///{found.state / 'state.db'}").write() as connection:
        # Files that were just written are due once more, seconds later.
        connection.exec_driver_sql("UPDATE documents SET recheck_at = NULL")
    return found


def test_a_pass_without_a_change_opens_nothing(home: Home) -> None:
    """No library of Chroma's is loaded, and its files stay as they were; the report is whole."""
    before = ended.matches(home.state / "chroma")
    command = [sys.executable, "-X", "importtime", "-m", "ingestd", "run", str(home.docs)]
    done = subprocess.run(
        [*command, "--once", "--json", "--state-dir", str(home.state)],
        env={**os.environ, "INGESTD_MODEL__NAME": "hash"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ingestd.glance" in loaded
    for name in ("chromadb", "onnxruntime", "numpy", "ingestd.instance"):
        assert name not in loaded
    report = json.loads(done.stdout)
    assert report["documents"]["seen"] == report["documents"]["unchanged"] == FILES
    assert report["chunks"]["live"] == FILES
    assert before
    assert ended.matches(home.state / "chroma")


def test_who_only_read_is_no_reason_to_open_it(home: Home) -> None:
    """An application's client leaves its mark in the files; a writer's is another one."""
    script = (
        "import sys, chromadb\n"
        "found = chromadb.PersistentClient(sys.argv[1]).get_collection('ingestd')\n"
        "print(len(found.get(limit=1)['ids']))\n"
        "if len(sys.argv) > 2: found.delete(found.get(limit=1)['ids'])\n"
    )
    chroma = home.state / "chroma"
    command = [sys.executable, "-c", script, str(chroma)]
    subprocess.run(command, check=True, capture_output=True)
    assert not ended.matches(chroma)
    assert ended.unwritten(chroma)
    assert home.glance().report is not None
    subprocess.run([*command, "delete"], check=True, capture_output=True)
    assert not ended.unwritten(chroma)
    assert home.glance() == Glance()


def test_what_changed_is_told_and_done(home: Home) -> None:
    """An edit, a move, a deletion and a new file: the report is that of one pass."""
    (home.docs / "0.md").write_text("# Page 0\n\nAnother text.\n")
    (home.docs / "1.md").rename(home.docs / "moved.md")
    (home.docs / "2.md").unlink()
    (home.docs / "new.md").write_text("# New\n\nA new text.\n")
    seen = home.glance()
    assert seen.report is None
    assert seen.findings is not None
    assert (seen.findings.moved, seen.findings.new, seen.findings.changed) == (1, 1, 1)
    report = home.once()["documents"]
    assert report["indexed"] >= 2
    assert report["failed"] == 0
    assert home.once()["chunks"]["live"] == FILES


def test_a_change_is_reported_once(home: Home) -> None:
    """What the glance found is not looked for again, and not lost."""
    (home.docs / "1.md").rename(home.docs / "moved.md")
    report = home.once()["documents"]
    assert (report["moved"], report["seen"]) == (1, FILES)


def test_files_of_chroma_that_changed_are_not_trusted(home: Home) -> None:
    """Who opened them may have emptied them."""
    (home.state / "chroma" / "another").write_bytes(b"")
    assert home.glance() == Glance()
    assert home.once()["documents"]["unchanged"] == FILES
    assert home.glance().report is not None


@pytest.mark.parametrize(
    "left",
    [
        "UPDATE documents SET status = 'working' WHERE path = CAST('0.md' AS BLOB)",
        "UPDATE documents SET status = 'pending' WHERE path = CAST('0.md' AS BLOB)",
        "UPDATE chunks SET status = 'planned' WHERE ordinal = 0",
        "UPDATE chunks SET status = 'doomed' WHERE ordinal = 0",
        "INSERT INTO orphans (collection, slot) VALUES ('ingestd', 'x')",
        "INSERT INTO collections (name, refill_since, reason) VALUES ('ingestd', 1.0, 'torn')",
    ],
)
def test_what_was_left_undone_is_done(home: Home, left: str) -> None:
    """Whatever an earlier process left, a glance does not pass over it."""
    with Database(f"sqlite:///{home.state / 'state.db'}").write() as connection:
        assert connection.exec_driver_sql(left).rowcount
    assert home.glance() == Glance()
    home.once()
    assert home.glance().report is not None


def test_another_pipeline_is_no_rest(home: Home) -> None:
    """Other chunks are wanted: all documents are to be read again."""
    assert home.glance(**{"chunk.tokens": 64}) == Glance()


def test_a_document_that_failed_is_told_again(home: Home) -> None:
    """Also by a pass that has nothing to do: the exit code is that of failed documents."""
    with Database(f"sqlite:///{home.state / 'state.db'}").write() as connection:
        connection.exec_driver_sql(
            "UPDATE documents SET status = 'dead', error_text = 'no sense' "
            "WHERE path = CAST('0.md' AS BLOB)"
        )
    report = home.once(code=3)
    assert report["documents"]["failed"] == 1
    assert report["errors"][0]["error"] == "no sense"
    assert home.glance().report is not None


def test_a_stop_ends_a_glance(home: Home) -> None:
    """What was found until then is the report, and nothing is decided."""
    (home.docs / "2.md").unlink()
    seen = home.glance(stopped=True)
    assert seen.report is not None
    assert seen.report["documents"]["deleted"] == 0
