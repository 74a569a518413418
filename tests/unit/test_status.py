"""What ``status`` tells of the watchers and of a daemon that waits."""

from __future__ import annotations

import os
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.cli import live
from ingestd.cli.status import snapshot
from ingestd.cli.status_page import page
from ingestd.location import Location
from ingestd.lock import FileLock, Owner
from ingestd_state import changes, due, runs, sources, work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingestd_state.engine import Database


@pytest.fixture
def location(tmp_path: Path) -> Location:
    """The places of the instance whose state table is ``database``."""
    return Location(None, tmp_path, tmp_path / "cache", f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def running(location: Location, database: Database) -> Iterator[None]:
    """A daemon holds the state directory."""
    with FileLock(location.lock_file).acquire(Owner.me("run")):
        yield


def add(database: Database, kind: str, outcome: str, at: float, **counts: Any) -> None:
    """Record a run."""
    with database.write() as connection:
        runs.add(connection, runs.Run(kind, at, 0.0, outcome, counts))


def told(location: Location) -> tuple[dict[str, Any], str]:
    """The snapshot, and the page for people."""
    found = snapshot(location, 1_000.0)
    return found, page(found).plain()


@pytest.mark.usefixtures("database")
def test_watchers_that_were_never_lost_are_not_worth_a_line(location: Location) -> None:
    """Scripts find a zero, people find nothing."""
    found, text = told(location)
    assert found["watcher"] == {"lost": 0, "last_reason": None, "last_at": None}
    assert "  watcher  " not in text


def test_losses_are_counted_and_the_last_one_is_explained(
    location: Location, database: Database
) -> None:
    """Whatever was recorded since, and however many runs are listed."""
    add(database, "watcher", "overflow", 100.0, reason="overflow")
    add(database, "watcher", "reader died: KeyErro", 940.0, reason="reader died: KeyError(7)")
    for at in range(10):
        add(database, "reconcile", "done", 950.0 + at, seen=1)
    found, text = told(location)
    assert found["watcher"] == {
        "lost": 2,
        "last_reason": "reader died: KeyError(7)",
        "last_at": 940.0,
    }
    assert len(found["runs"]) == 5
    assert "lost 2 times" in text
    assert "reader died: KeyError(7)" in text


def test_how_a_source_is_followed(location: Location, database: Database, tmp_path: Path) -> None:
    """A source that is polled says so and why; one that is followed by events has no need to."""
    with database.write() as connection:
        for name, how in (("near", "events"), ("far", "polling: nfs4 tells of no change")):
            row = sources.ensure(connection, name, os.fsencode(tmp_path / name), "c", "{}")
            sources.set_watching(connection, row.id, how)
    found, text = told(location)
    assert {source["name"]: source["watching"] for source in found["sources"]} == {
        "near": "events",
        "far": "polling: nfs4 tells of no change",
    }
    assert "polling: nfs4 tells of no change" in text
    assert "events" not in text


@pytest.mark.usefixtures("running")
def test_a_daemon_that_waits_says_for_what(location: Location, database: Database) -> None:
    """From the beginning of a pause to its end."""
    add(database, "pause", "disk_full", 900.0, error="10 MB are left", hint="Make room.")
    found, text = told(location)
    assert found["paused"] == {
        "code": "disk_full",
        "error": "10 MB are left",
        "hint": "Make room.",
        "since": 900.0,
    }
    assert "10 MB are left (Make room.)" in text
    add(database, "resume", "disk_full", 950.0)
    found, text = told(location)
    assert found["paused"] is None
    assert "10 MB" not in text.split("Last runs", 1)[0]


def test_a_daemon_that_has_ended_waits_for_nothing(location: Location, database: Database) -> None:
    """A pause that was never ended is over with its daemon."""
    add(database, "pause", "store", 900.0, error="no answer", hint="")
    assert told(location)[0]["paused"] is None


@pytest.mark.usefixtures("running")
def test_a_long_document_in_hand_says_how_far_it_is(location: Location, database: Database) -> None:
    """Documents in hand that take no time are not worth a line."""
    with database.write() as connection:
        home = sources.ensure(connection, "docs", b"/docs", "c", "{}")
        for path in (b"long.txt", b"short.txt"):
            key = changes.add(connection, (home.id, "docs"), path, (1, 2, 3, 4, 5), now=900.0)
            due.claim(connection, 1_000.0, [home.id], limit=9, limit_bytes=1 << 40)
            if path == b"long.txt":
                work.note(connection, key, "500 of 9,000 chunks are written")
    found, text = told(location)
    assert found["in_hand"] == [
        {"source": "docs", "path": "/docs/long.txt", "progress": "500 of 9,000 chunks are written"}
    ]
    assert "500 of 9,000 chunks are written" in text
    assert "short.txt" not in text


@pytest.mark.usefixtures("database", "running")
def test_memory_is_told_without_the_daemons_help(location: Location) -> None:
    """Who answers at no socket is measured all the same; only the marks are not known."""
    found, text = told(location)
    memory = found["memory"]
    assert (memory["state"], memory["high"], memory["max"]) == (None, None, None)
    assert memory["processes"][0]["role"] == "daemon"
    assert memory["processes"][0]["pid"] == os.getpid()
    assert memory["bytes"] == sum(process["bytes"] for process in memory["processes"]) > 0
    assert found["gauges"] == []
    assert re.search(r"[MG]iB daemon", text)


@pytest.mark.usefixtures("database")
def test_no_daemon_takes_no_memory(location: Location) -> None:
    """Then there is nothing to measure."""
    found, text = told(location)
    assert found["memory"] is None
    assert "  memory  " not in text


@pytest.mark.usefixtures("database", "running")
@pytest.mark.parametrize(
    ("state", "words"),
    [(0, ""), (1, "it is being given back"), (2, "no new work is begun until it is less")],
)
def test_marks_are_told_by_the_daemon(
    location: Location, monkeypatch: pytest.MonkeyPatch, state: int, words: str
) -> None:
    """What the marks are, and what it does about them, only it knows."""
    values = {"memory_state": state, "memory_high_bytes": 2**30, "memory_max_bytes": 2**31}
    answer = [{"name": name, "value": value} for name, value in values.items()]
    monkeypatch.setattr(live, "gauges", lambda _location: answer)
    found, text = told(location)
    assert found["memory"]["state"] == ("ok", "high", "max")[state]
    assert (found["memory"]["high"], found["memory"]["max"]) == (2**30, 2**31)
    assert "(high 1.0 GiB, max 2.0 GiB)" in text
    assert words in text


def test_gauges_come_over_the_socket(tmp_path: Path) -> None:
    """Asked for as HTTP; what is no answer of the daemon is none."""
    location = Location(None, tmp_path, tmp_path, "sqlite://")
    assert live.gauges(location) == []
    answers = [
        _answer(b'{"gauges": [{"name": "a_bytes"}]}'),
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops",
        b"nonsense\r\n\r\n",
    ]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    asked = connection.recv(4096)
                    assert asked.startswith(b"GET /v1/gauges HTTP/1.1")
                    connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        found = [live.gauges(location) for _ in answers]
        server.join()
    assert found == [[{"name": "a_bytes"}], [], [], []]


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
