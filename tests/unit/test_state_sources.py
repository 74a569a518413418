"""Sources and runs in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from ingestd_state import changes, chunks, documents, orphans, runs, sources
from ingestd_state.chunks import Slot
from ingestd_state.runs import Run
from ingestd_state.schema import documents as table
from ingestd_state.status import ChunkStatus, DocumentStatus, SourceStatus

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


def make(connection: Connection, path: bytes, status: DocumentStatus) -> str:
    """A document in a status."""
    key = changes.add(connection, (1, "docs"), path, (1, 2, 3, 4, 5), now=0.0)
    connection.execute(update(table).where(table.c.id == key).values(status=status.value))
    return key


def flags(connection: Connection, key: str) -> tuple[str, bool, bool]:
    """Status, and whether a document is to be rewritten or relabelled."""
    found = documents.by_id(connection, key)
    assert found is not None
    return found.status.value, found.forced, found.relabel


def test_a_source_is_made_once(connection: Connection) -> None:
    """The same name is the same source; new rules are written, nothing is taken up again."""
    key = make(connection, b"a", DocumentStatus.INDEXED)
    again = sources.ensure(connection, "docs", b"/docs", "ingestd", '{"exclude": []}')
    assert (again.id, again.status, again.rules) == (1, SourceStatus.ONLINE, '{"exclude": []}')
    assert len(sources.all_sources(connection)) == 1
    assert flags(connection, key) == ("indexed", False, False)


def test_another_collection_gets_every_chunk(connection: Connection) -> None:
    """A source that is sent to another collection writes everything there."""
    keys = {status: make(connection, status.encode(), status) for status in DocumentStatus}
    sources.ensure(connection, "docs", b"/docs", "second", "{}")
    for status in (DocumentStatus.INDEXED, DocumentStatus.DEAD, DocumentStatus.FAILED):
        assert flags(connection, keys[status]) == ("pending", True, False)
    for status in (DocumentStatus.DELETED, DocumentStatus.SKIPPED):
        assert flags(connection, keys[status]) == (status.value, False, False)


def test_another_collection_takes_the_slots_from_the_old_one(connection: Connection) -> None:
    """What a source had in its old collection is to be deleted there, and nothing else is.

    Going back before that was done takes it back: the slots have an owner again.
    """
    key = make(connection, b"a", DocumentStatus.INDEXED)
    slots = [f"{key}-{number}" for number in range(3)]
    for number, slot in enumerate(slots):
        row = Slot(slot, key, number, 0, 1, bytes(32), ChunkStatus.LIVE)
        chunks.plan(connection, [row])
    assert orphans.unknown(connection, "ingestd", [*slots, "alien"]) == ["alien"]
    sources.ensure(connection, "docs", b"/docs", "second", "{}")
    assert orphans.due(connection, 10) == [(slot, "ingestd") for slot in slots]
    assert orphans.unknown(connection, "ingestd", slots) == slots
    assert orphans.unknown(connection, "second", slots) == []
    sources.ensure(connection, "docs", b"/docs", "ingestd", "{}")
    assert orphans.unknown(connection, "ingestd", slots) == []
    assert orphans.unknown(connection, "second", slots) == slots


def test_another_root_relabels_every_chunk(connection: Connection) -> None:
    """A folder that was moved keeps its documents; their chunks name the new place."""
    key = make(connection, b"a", DocumentStatus.INDEXED)
    sources.ensure(connection, "docs", b"/moved", "ingestd", "{}")
    assert flags(connection, key) == ("pending", False, True)


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
