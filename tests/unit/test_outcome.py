"""How attempts end in the table: retries, failures, second looks, and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from ingestd.embed.extract import extras
from ingestd.embed.outcome import BUSY_WAIT_S, Recorder
from ingestd.embed.prepare import RACY_S
from ingestd.embed.prepared import Outcome, Prepared
from ingestd.embed.totals import Totals
from ingestd.errors import ChangedWhileReadError, UnreadableError
from ingestd.ports import Fingerprint
from ingestd.settings.running import LimitSettings
from ingestd_state import changes, chunks, documents, due, runs, work
from ingestd_state.chunks import Slot
from ingestd_state.schema import documents as table
from ingestd_state.status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

NOW = 1_000.0
READ = Fingerprint(9, 8, 7, 6, 5)
S = DocumentStatus


class Desk:
    """A source with one document in hand, and a recorder."""

    def __init__(self, database: Database, source: WatchedSource, **limits: Any) -> None:
        self.database = database
        self.source = source
        self.totals = Totals()
        self.limits = LimitSettings(**limits)
        self.recorder = Recorder(
            database, self.limits, pipeline="p1", totals=self.totals, clock=lambda: NOW
        )
        with database.write() as connection:
            self.id = changes.add(
                connection, (source.id, source.name), b"a", (1, 2, 3, 4, 5), now=NOW
            )

    def claim(self, now: float = NOW, **columns: object) -> Document:
        """Take the document in hand, with columns as given."""
        with self.database.write() as connection:
            if columns:
                connection.execute(update(table).where(table.c.id == self.id).values(**columns))
            (taken,) = due.claim(connection, now, [self.source.id], limit=1, limit_bytes=1)
        return taken

    def record(self, outcome: Outcome, *, document: Document | None = None, **how: Any) -> Document:
        """Record an outcome of the document in hand; the document after that."""
        entry = Prepared(document or self.claim(), self.source, outcome, fingerprint=READ, **how)
        self.recorder.record([entry])
        return self.read()

    def read(self) -> Document:
        """The document."""
        with self.database.read() as connection:
            found = documents.by_id(connection, self.id)
        assert found is not None
        return found


@pytest.fixture
def desk(database: Database, source: Callable[..., WatchedSource]) -> Desk:
    """A desk with the usual limits."""
    return Desk(database, source())


def test_the_same_bytes_are_indexed_with_their_new_fingerprint(desk: Desk) -> None:
    """A touched document is indexed again at once; a fresh one is looked at once more."""
    found = desk.record(Outcome.SAME)
    assert (found.status, found.recheck_at) == (S.INDEXED, None)
    assert found.fingerprint == (9, 8, 7, 6, 5)
    desk.claim(status=S.PENDING.value)
    with desk.database.write() as connection:
        work.release(connection, [desk.id])
    found = desk.record(Outcome.SAME, recheck_at=NOW + RACY_S)
    assert found.recheck_at == NOW + RACY_S
    assert desk.totals.documents["unchanged"] == 2


def test_a_skipped_document_has_a_reason(desk: Desk) -> None:
    """It has nothing in the collection, and waits for a change or for its second look."""
    found = desk.record(
        Outcome.SKIPPED, reason="binary: ELF", digest=b"d" * 32, recheck_at=NOW + RACY_S
    )
    assert (found.status, found.reason) == (S.SKIPPED, "binary: ELF")
    assert (found.digest, found.pipeline, found.chunk_count) == (b"d" * 32, "p1", 0)
    assert found.recheck_at == NOW + RACY_S
    assert desk.claim(NOW + RACY_S).id == desk.id


def test_a_skipped_document_that_was_not_read_has_no_digest(desk: Desk) -> None:
    """A file that is too big is known by its size alone."""
    assert desk.record(Outcome.SKIPPED, reason="too big: 99 MiB").digest is None


def test_failures_wait_longer_and_longer_until_the_last(
    database: Database, source: Callable[..., WatchedSource]
) -> None:
    """The wait doubles up to its limit; after the last attempt the document is dead."""
    desk = Desk(database, source(), attempts=5, retry_s=10.0, retry_max_s=35.0)
    waits = []
    for attempt in range(1, 6):
        document = desk.claim(NOW + 1_000)
        error = UnreadableError(f"no {attempt}")
        found = desk.record(Outcome.FAILED, document=document, error=error)
        assert (found.attempts, found.error_code, found.error_text) == (
            attempt,
            "unreadable",
            f"no {attempt}",
        )
        waits.append(found.retry_at and found.retry_at - NOW)
    assert waits == [10.0, 20.0, 35.0, 35.0, None]
    assert found.status is S.DEAD
    assert desk.totals.documents["failed"] == 5


def test_any_number_of_attempts_can_be_counted(
    database: Database, source: Callable[..., WatchedSource]
) -> None:
    """A wait that doubled a thousand times is still the longest wait."""
    desk = Desk(database, source(), attempts=10_000)
    document = desk.claim(attempts=5_000)
    found = desk.record(Outcome.FAILED, document=document, error=UnreadableError("no"))
    assert found.retry_at == NOW + desk.limits.retry_max_s


def test_a_failure_keeps_what_was_asked_for(desk: Desk) -> None:
    """A forced pass, or new labels, are still to come when the next attempt succeeds."""
    document = desk.claim(forced=True, relabel=True, digest=b"d" * 32, chunk_count=3)
    found = desk.record(Outcome.FAILED, document=document, error=UnreadableError("no"))
    assert (found.forced, found.relabel) == (True, True)
    assert (found.digest, found.chunk_count) == (b"d" * 32, 3)


def test_a_failure_that_learned_another_time_asks_for_labels(desk: Desk) -> None:
    """The chunks still bear the old time: the next success must not take it for the new."""
    document = desk.claim(mtime_ns=READ.mtime_ns + 1)
    found = desk.record(Outcome.FAILED, document=document, error=UnreadableError("no"))
    assert (found.mtime_ns, found.relabel) == (READ.mtime_ns, True)


def test_a_busy_file_is_read_again_soon(desk: Desk) -> None:
    """It waits a moment as it was; what it learned from half a read is nothing."""
    document = desk.claim(forced=True, priority=10)
    found = desk.record(Outcome.BUSY, document=document, error=ChangedWhileReadError("busy"))
    assert (found.status, found.retry_at, found.attempts) == (S.PENDING, NOW + BUSY_WAIT_S, 1)
    assert (found.forced, found.priority) == (True, 10)
    assert found.fingerprint == (1, 2, 3, 4, 5)


def test_a_file_that_is_gone_waits_for_a_decision(desk: Desk) -> None:
    """It is missing, not deleted, and not tried again and again meanwhile."""
    document = desk.claim(attempts=2, forced=True, chunk_count=3)
    found = desk.record(Outcome.GONE, document=document)
    assert (found.status, found.missing_since) == (S.PENDING, NOW)
    assert (found.attempts, found.forced, found.chunk_count) == (2, True, 3)
    with desk.database.write() as connection:
        assert not due.is_due(connection, NOW + 1e6, [desk.source.id])
        changes.mark_found(connection, [desk.id])
        assert due.is_due(connection, NOW, [desk.source.id])


def test_a_file_that_moved_meanwhile_is_not_missing(desk: Desk) -> None:
    """It is gone from where it was read; its document knows better."""
    document = desk.claim()
    with desk.database.write() as connection:
        changes.move(connection, desk.id, b"b", now=NOW)
    found = desk.record(Outcome.GONE, document=document)
    assert (found.path, found.missing_since, found.relabel) == (b"b", None, True)


@pytest.mark.parametrize("outcome", [Outcome.SAME, Outcome.SKIPPED, Outcome.FAILED, Outcome.BUSY])
def test_a_change_seen_meanwhile_stays_due(desk: Desk, outcome: Outcome) -> None:
    """However the attempt ended, it was about an older version."""
    document = desk.claim()
    with desk.database.write() as connection:
        changes.mark_changed(connection, [desk.id], now=NOW + 1)
    found = desk.record(outcome, document=document, reason="x")
    assert (found.status, found.retry_at, found.attempts) == (S.PENDING, None, 0)


def test_a_failure_that_was_overtaken_leaves_the_labels_due(desk: Desk) -> None:
    """The new time of the file is known from the failed read, and its chunks do not bear it yet."""
    document = desk.claim()
    with desk.database.write() as connection:
        changes.mark_changed(connection, [desk.id], now=NOW + 1)
    found = desk.record(Outcome.FAILED, document=document)
    assert (found.status, found.mtime_ns, found.relabel) == (S.PENDING, 6, True)


def test_a_new_process_takes_up_again_what_was_left_unsettled(desk: Desk) -> None:
    """What was in hand is given back, and what has planned slots is due."""
    desk.claim()
    slot = Slot(f"{desk.id}-0", desk.id, 0, 0, 1, b"d" * 32, ChunkStatus.PLANNED)
    with desk.database.write() as connection:
        chunks.plan(connection, [slot])
    assert desk.recorder.recover() == 1
    assert (desk.read().status, desk.read().forced) == (S.PENDING, False)
    assert desk.recorder.recover() == 0


def test_a_new_pipeline_makes_a_backfill(desk: Desk) -> None:
    """What another version indexed is due, after everything that a person did."""
    desk.record(Outcome.SKIPPED, reason="binary")
    desk.recorder.outdate()
    assert desk.read().status is S.SKIPPED
    later = Recorder(
        desk.database, desk.limits, pipeline="p2", totals=desk.totals, clock=lambda: NOW
    )
    later.outdate()
    assert (desk.read().status, desk.read().priority) == (S.PENDING, -1)


def test_an_extra_that_is_installed_takes_up_its_documents(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was skipped for want of it is due; while it is missing it stays as it is."""
    desk.record(Outcome.SKIPPED, reason="needs ingestd[hwp]: a document of Hangul 5")
    monkeypatch.setitem(extras.EXTRAS, "hwp", "no-such-package")
    desk.recorder.unlock()
    assert desk.read().status is S.SKIPPED
    monkeypatch.setitem(extras.EXTRAS, "hwp", "sqlalchemy")
    desk.recorder.unlock()
    assert desk.read().status is S.PENDING


@pytest.mark.parametrize(("whole", "outcome"), [(True, "done"), (False, "broken off")])
def test_a_drain_is_remembered(desk: Desk, whole: bool, outcome: str) -> None:  # noqa: FBT001 - pytest gives it by name
    """The run table tells how many documents, how long, and whether that was all."""
    desk.recorder.drained(3, 1.5, whole=whole)
    with desk.database.read() as connection:
        (run,) = runs.last(connection)
    assert (run.kind, run.started_at, run.seconds) == ("drain", NOW - 1.5, 1.5)
    assert (run.outcome, run.counts["documents"]) == (outcome, 3)
