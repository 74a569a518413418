"""Sources and runs in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd_state import runs, sources
from ingestd_state.runs import Run
from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ingestd_state.engine import Database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A write transaction on a table with one source."""
    with database.write() as connection:
        sources.ensure(connection, "docs", b"/docs", "ingestd", "{}")
        yield connection


def test_a_source_is_made_once(connection: Connection) -> None:
    """The same name is the same source; new rules are written."""
    again = sources.ensure(connection, "docs", b"/docs", "ingestd", '{"exclude": []}')
    assert (again.id, again.status, again.rules) == (1, SourceStatus.ONLINE, '{"exclude": []}')
    assert len(sources.all_sources(connection)) == 1


def test_a_source_that_is_not_configured_is_detached(connection: Connection) -> None:
    """It is told once, keeps its documents, and comes back online when it is configured again."""
    sources.ensure(connection, "other", b"/other", "ingestd", "{}")
    assert sources.detach_others(connection, ["docs"]) == ["other"]
    assert sources.detach_others(connection, ["docs"]) == []
    assert [s.status for s in sources.all_sources(connection)] == ["online", "detached"]
    back = sources.ensure(connection, "other", b"/other", "ingestd", "{}")
    assert (back.status, back.reason) == (SourceStatus.ONLINE, "")


def test_a_scan_beside_the_daemon_does_not_attach_a_source(connection: Connection) -> None:
    """Only the configuration brings a detached source back, not a verb that began before."""
    sources.detach_others(connection, [])
    sources.set_status(connection, 1, SourceStatus.ONLINE, "")
    assert [s.status for s in sources.all_sources(connection)] == [SourceStatus.DETACHED]


def test_a_configured_source_stays_held(connection: Connection) -> None:
    """A restart does not release deletions that wait for a person."""
    sources.set_status(connection, 1, SourceStatus.HELD, "much is gone")
    again = sources.ensure(connection, "docs", b"/docs", "ingestd", "{}")
    assert (again.status, again.reason) == (SourceStatus.HELD, "much is gone")


def test_a_scan_is_remembered(connection: Connection) -> None:
    """The device, the time, and for ever that the root once had something in it."""
    sources.record_scan(connection, 1, device=7, nonempty=True, at=10.0)
    sources.record_scan(connection, 1, device=8, nonempty=False, at=20.0)
    (found,) = sources.all_sources(connection)
    assert (found.device, found.seen_nonempty, found.last_scan_at) == (8, True, 20.0)


def test_runs_come_newest_first_and_are_bounded(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last runs are kept with their counts; older ones are forgotten."""
    monkeypatch.setattr(runs, "KEPT", 3)
    assert runs.last(connection) == []
    for number in range(5):
        runs.add(connection, Run("drain", float(number), 0.5, "done", {"documents": number}))
    found = runs.last(connection, limit=10)
    assert [run.counts["documents"] for run in found] == [4, 3, 2]
    assert found[0] == Run("drain", 4.0, 0.5, "done", {"documents": 4})
    assert len(runs.last(connection, limit=1)) == 1
