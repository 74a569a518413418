"""One scan of a source at a time: among threads, among processes, and whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestd.reconcile import Findings, Reconciler
from ingestd.scanlock import ScanBusyError, ScanLock
from ingestd_state import changes, documents
from ingestd_state.engine import Database
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.watch.source import WatchedSource

DEADLINE_S = 60.0
HOLDER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(database: Database, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of source 1."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "scan-1.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_threads_are_kept_apart(database: Database) -> None:
    """While one holds it, another thread gets it only after its end; another source's at once."""
    with ScanLock(database, 1).held(0) as held:
        assert held
        with ScanLock(database, 1).held(0) as again:
            assert not again
        with ScanLock(database, 2).held(0) as beside:
            assert beside
    with ScanLock(database, 1).held(0) as held:
        assert held


def test_processes_are_kept_apart(database: Database, other: subprocess.Popen[str]) -> None:
    """Another process's lock is respected, and ends with it even when it is killed."""
    with ScanLock(database, 1).held(0) as held:
        assert not held
    other.send_signal(signal.SIGKILL)
    with ScanLock(database, 1).held(DEADLINE_S) as held:
        assert held


@pytest.mark.usefixtures("other")
def test_waiting_ends_when_told_to(database: Database) -> None:
    """Who waits gives up soon after it is told to."""
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    with ScanLock(database, 1).held(DEADLINE_S, stop.is_set) as held:
        assert not held
    assert time.monotonic() - started < 5


def test_without_a_file_threads_are_kept_apart() -> None:
    """A table that is no file of ours has no lock file, but threads still take turns."""
    memory = Database("sqlite://")
    with ScanLock(memory, 1).held(0) as held, ScanLock(memory, 1).held(0) as again:
        assert (held, again) == (True, False)


class TestReconciler:
    """What scans and looks do while somebody else scans."""

    def test_a_look_records_but_decides_nothing(
        self,
        database: Database,
        source: Callable[..., WatchedSource],
        other: subprocess.Popen[str],
    ) -> None:
        """A deletion seen meanwhile is marked, and buried only when the other scan has ended."""
        docs = source()
        assert docs.id == 1
        for name in ("a.md", "b.md"):
            Path(os.fsdecode(docs.root), name).write_text(name)
        reconciler = Reconciler(database)
        reconciler.note(docs, [b"a.md", b"b.md"])
        Path(os.fsdecode(docs.root), "a.md").unlink()
        findings, missed = reconciler.note(docs, [b"a.md"])
        assert missed
        assert not reconciler.decide(docs, findings)
        assert states(database) == {"a.md": "pending", "b.md": "pending"}
        other.kill()
        other.wait()
        assert reconciler.decide(docs, findings)
        assert findings.deleted == 1
        assert states(database)["a.md"] == DocumentStatus.DELETED

    @pytest.mark.usefixtures("other")
    def test_a_scan_waits_and_then_says_who_it_waits_for(
        self,
        database: Database,
        source: Callable[..., WatchedSource],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A scan beside one that never ends is an error with a hint, and has written nothing."""
        monkeypatch.setattr("ingestd.reconcile.LOCK_WAIT_S", 0.1)
        docs = source()
        Path(os.fsdecode(docs.root), "a.md").write_text("x")
        with pytest.raises(ScanBusyError, match="docs"):
            Reconciler(database).reconcile(docs)
        assert states(database) == {}

    @pytest.mark.usefixtures("other")
    def test_a_scan_that_waits_ends_with_a_stop(
        self, database: Database, source: Callable[..., WatchedSource]
    ) -> None:
        """A stop is not held up by another process's scan."""
        reconciler = Reconciler(database)
        threading.Timer(0.2, reconciler.interrupt).start()
        started = time.monotonic()
        assert reconciler.reconcile(source()) == Findings()
        assert time.monotonic() - started < 5

    def test_two_processes_scan_one_source_without_a_wipe(
        self, database: Database, source: Callable[..., WatchedSource], tmp_path: Path
    ) -> None:
        """Scans in two processes at once, while half of the files are gone: all are held."""
        docs = source()
        root = Path(os.fsdecode(docs.root))
        for number in range(200):
            (root / f"d{number % 20}").mkdir(exist_ok=True)
            (root / f"d{number % 20}" / f"{number}.md").write_text("x")
        Reconciler(database).reconcile(docs)
        for number in range(0, 200, 2):
            (root / f"d{number % 20}" / f"{number}.md").unlink()
        script = f"""
from ingestd import reconcile
from ingestd.roots import known_sources
from ingestd_state.engine import Database
reconcile.BATCH_FILES = 1
database = Database({f"sqlite:///{tmp_path / 'state.db'}"!r})
source = known_sources(database)["docs"]
for _ in range(3):
    assert reconcile.Reconciler(database).reconcile(source).deleted == 0
    assert reconcile.Reconciler(database).look(source, [b"d1/1.md", b"d0/0.md"]).deleted == 0
"""
        scans = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
        assert [process.wait(120) for process in scans] == [0, 0]
        assert set(states(database).values()) == {"pending"}
        with database.read() as connection:
            assert changes.count_missing(connection, docs.id) == 100


def states(database: Database) -> dict[str, str]:
    """Statuses by path."""
    with database.read() as connection:
        return {os.fsdecode(d.path): d.status.value for d in documents.by_path(connection)}
