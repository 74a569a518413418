"""What ``status`` tells of the watchers and of a daemon that waits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.cli.status import snapshot
from ingestd.cli.status_page import page
from ingestd.location import Location
from ingestd.lock import FileLock, Owner
from ingestd_state import runs, sources

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
