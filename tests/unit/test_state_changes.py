"""What the disk says, written down: new, changed, moved, missing, buried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from ingestd_state import changes, chunks, documents, due, migrate, sources, work
from ingestd_state.chunks import Slot
from ingestd_state.engine import Database
from ingestd_state.schema import documents as table
from ingestd_state.status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from ingestd_state.documents import Document

NOW = 1_000.0
KEY = (1, 2, 3, 4, 5)


@pytest.fixture
def home(database: Database) -> int:
    """The id of a source."""
    with database.write() as connection:
        return sources.ensure(connection, "docs", b"/docs", "ingestd", "{}").id


def add(connection: Connection, home: int, path: bytes, *, priority: int = 0) -> str:
    """Record a file."""
    return changes.add(connection, (home, "docs"), path, KEY, now=NOW, priority=priority)


def put(connection: Connection, document_id: str, status: DocumentStatus, **values: object) -> None:
    """Bring a document into a status by force."""
    connection.execute(
        update(table).where(table.c.id == document_id).values(status=status.value, **values)
    )


def read(connection: Connection, document_id: str) -> Document:
    """The document."""
    found = documents.by_id(connection, document_id)
    assert found is not None
    return found


def test_a_new_file_is_pending(database: Database, home: int) -> None:
    """A new document waits to be read, and knows the fingerprint that the scan saw."""
    with database.write() as connection:
        found = read(connection, add(connection, home, b"a/b.md", priority=3))
    assert found.status is DocumentStatus.PENDING
    assert (found.path, found.fingerprint, found.priority) == (b"a/b.md", KEY, 3)
    assert (found.changed_at, found.digest, found.chunk_count) == (NOW, None, 0)


def test_two_cold_runs_agree_on_ids(database: Database, home: int, tmp_path: Path) -> None:
    """The id of a document follows from its source and first path, not from chance or order."""
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    migrate.upgrade(other)
    with other.write() as connection:
        twin = sources.ensure(connection, "docs", b"/elsewhere", "ingestd", "{}").id
        second = {path: add(connection, twin, path) for path in (b"b", b"\xff", b"a")}
    with database.write() as connection:
        first = {path: add(connection, home, path) for path in (b"a", b"b", b"\xff")}
    assert first == second
    assert len(set(first.values())) == 3


def test_an_id_in_use_is_not_given_again(database: Database, home: int) -> None:
    """A file that takes the place of a moved one gets an id of its own."""
    with database.write() as connection:
        first = add(connection, home, b"a")
        changes.move(connection, first, b"b", now=NOW)
        assert add(connection, home, b"a") != first


def test_an_id_whose_slot_lives_on_elsewhere_is_not_given_again(
    database: Database, home: int
) -> None:
    """A file that comes back does not get the slots that another document took over from it."""
    with database.write() as connection:
        gone, heir = add(connection, home, b"gone"), add(connection, home, b"heir")
        inherited = Slot(f"{gone}-12", heir, 0, 0, 1, b"d" * 32, ChunkStatus.LIVE)
        chunks.plan(connection, [inherited])
        put(connection, gone, DocumentStatus.DELETED)
        work.forget(connection, [gone])
        assert documents.by_id(connection, gone) is None
        assert add(connection, home, b"gone") != gone


@pytest.mark.parametrize("status", DocumentStatus)
def test_a_change_makes_every_document_pending(
    database: Database, home: int, status: DocumentStatus
) -> None:
    """Whatever was known of a file: once it changed it is due, and old failures are forgotten."""
    with database.write() as connection:
        key = add(connection, home, b"a")
        put(
            connection,
            key,
            status,
            attempts=4,
            retry_at=NOW + 99,
            recheck_at=NOW + 99,
            missing_since=NOW,
            error_code="x",
            error_text="y",
        )
        changes.mark_changed(connection, [key], now=NOW + 5)
        found = read(connection, key)
        assert [entry.id for entry in due.claim(connection, NOW + 5, [home], **ROOMY)] == [key]
    assert found.status is DocumentStatus.PENDING
    assert (found.attempts, found.retry_at, found.recheck_at) == (0, None, None)
    assert (found.missing_since, found.error_code, found.error_text) == (None, "", "")


ROOMY = {"limit": 100, "limit_bytes": 1 << 40}


def test_the_age_of_a_change_is_that_of_its_first_sight(database: Database, home: int) -> None:
    """A file that changes again while it waits does not go to the end of the queue."""
    with database.write() as connection:
        waiting, done = add(connection, home, b"waiting"), add(connection, home, b"done")
        put(connection, done, DocumentStatus.INDEXED)
        changes.mark_changed(connection, [waiting, done], now=NOW + 9)
        assert read(connection, waiting).changed_at == NOW
        assert read(connection, done).changed_at == NOW + 9


def test_a_change_that_becomes_urgent_is_new(database: Database, home: int) -> None:
    """A save of a file that waits since the first scan is as young as any other save."""
    with database.write() as connection:
        key = add(connection, home, b"a")
        changes.mark_changed(connection, [key], now=NOW + 50)
        assert read(connection, key).changed_at == NOW
        for later in (60, 70):
            changes.mark_changed(connection, [key], now=NOW + later, priority=changes.INTERACTIVE)
        assert read(connection, key).changed_at == NOW + 60
        changes.mark_changed(connection, [key], now=NOW + 80)
        assert read(connection, key).changed_at == NOW + 60


def test_a_priority_is_kept_unless_another_is_given(database: Database, home: int) -> None:
    """A scan does not take the priority from what a person just changed."""
    with database.write() as connection:
        key = add(connection, home, b"a", priority=changes.INTERACTIVE)
        changes.mark_changed(connection, [key], now=NOW)
        assert read(connection, key).priority == changes.INTERACTIVE
        changes.mark_changed(connection, [key], now=NOW, priority=77)
        assert read(connection, key).priority == 77


def test_forced_stays_until_it_is_done(database: Database, home: int) -> None:
    """An ordinary change does not take back that a person asked for a rewrite."""
    with database.write() as connection:
        key = add(connection, home, b"a")
        changes.mark_changed(connection, [key], now=NOW, forced=True)
        changes.mark_changed(connection, [key], now=NOW)
        assert read(connection, key).forced


def test_more_changes_than_variables_in_a_statement(database: Database, home: int) -> None:
    """A directory with more files than SQLite takes variables can change, go and come back."""
    with database.write() as connection:
        keys = [add(connection, home, b"a"), *(f"none{n}" for n in range(40_000))]
        keys.append(add(connection, home, b"z"))
        changes.mark_changed(connection, keys, now=NOW)
        changes.mark_missing(connection, keys, now=NOW)
        assert changes.count_missing(connection, home) == 2
        changes.mark_found(connection, keys)
        assert changes.count_missing(connection, home) == 0


def test_nothing_is_changed_by_nothing(database: Database, home: int) -> None:
    """Empty lists are no error and touch nothing."""
    with database.write() as connection:
        key = add(connection, home, b"a")
        put(connection, key, DocumentStatus.INDEXED)
        changes.mark_changed(connection, [], now=NOW)
        changes.mark_missing(connection, [], now=NOW)
        changes.mark_found(connection, [])
        assert read(connection, key).status is DocumentStatus.INDEXED


def test_a_move_keeps_id_slots_and_what_is_indexed(database: Database, home: int) -> None:
    """A renamed file has its old document, its slots and its digest, and is to be relabelled."""
    slot = b"d" * 32
    with database.write() as connection:
        key = add(connection, home, b"old/a.md")
        chunks.plan(connection, [Slot(f"{key}-0", key, 0, 0, 1, slot, ChunkStatus.LIVE)])
        put(connection, key, DocumentStatus.INDEXED, digest=b"x" * 32, missing_since=NOW)
        changes.move(connection, key, b"new/b.md", now=NOW)
        found = documents.get(connection, home, b"new/b.md")
        assert found is not None
        assert found.id == key
        assert found.status is DocumentStatus.PENDING
        assert (found.digest, found.relabel, found.missing_since) == (b"x" * 32, True, None)
        assert documents.get(connection, home, b"old/a.md") is None
        assert [row.id for row in documents.known_in(connection, home, b"new")] == [key]
        assert [s.slot for s in chunks.of_documents(connection, [key])[key]] == [f"{key}-0"]


def test_a_tombstone_can_move(database: Database, home: int) -> None:
    """A file that was thought deleted and turns up elsewhere lives on."""
    with database.write() as connection:
        key = add(connection, home, b"a")
        put(connection, key, DocumentStatus.DELETED, missing_since=NOW)
        changes.move(connection, key, b"b", now=NOW)
        assert read(connection, key).status is DocumentStatus.PENDING


def test_missing_is_not_deleted(database: Database, home: int) -> None:
    """A file that was not found keeps its status until somebody decides."""
    with database.write() as connection:
        key, other = add(connection, home, b"a"), add(connection, home, b"b")
        put(connection, key, DocumentStatus.INDEXED)
        changes.mark_missing(connection, [key], now=NOW)
        changes.mark_missing(connection, [key], now=NOW + 50)
        assert read(connection, key).status is DocumentStatus.INDEXED
        assert read(connection, key).missing_since == NOW
        assert changes.count_missing(connection, home) == 1
        assert [entry.id for entry in changes.missing(connection, home)] == [key]
        assert changes.last_missed(connection, home) == NOW
        changes.mark_missing(connection, [other], now=NOW + 70)
        assert changes.last_missed(connection, home) == NOW + 70
        changes.mark_found(connection, [key, other])
        assert changes.count_missing(connection, home) == changes.last_missed(connection, home) == 0


def test_missing_below_takes_the_whole_tree_and_nothing_beside_it(
    database: Database, home: int
) -> None:
    """A directory that is gone takes what is below it, not its neighbours in byte order."""
    names = [b"a", b"a-b", b"a/b", b"a/b/c", b"a0", b"a.md", b"b", b"a/\xff\xfe", b"A/b"]
    with database.write() as connection:
        for name in names:
            add(connection, home, name)
        changes.mark_missing_below(connection, home, b"a", now=NOW)
        found = {entry.path for entry in changes.missing(connection, home)}
    assert found == {b"a", b"a/b", b"a/b/c", b"a/\xff\xfe"}


def test_missing_below_stays_within_its_source(database: Database, home: int) -> None:
    """Another source with the same paths loses nothing."""
    with database.write() as connection:
        other = sources.ensure(connection, "other", b"/other", "ingestd", "{}").id
        add(connection, home, b"a")
        changes.add(connection, (other, "other"), b"a", KEY, now=NOW)
        changes.mark_missing_below(connection, home, b"", now=NOW)
        assert changes.count_missing(connection, home) == 1
        assert changes.count_missing(connection, other) == 0
