"""The queue: what is due, in which order, and how attempts end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, true, update

from ingestd_state import changes, chunks, documents, due, sources, work
from ingestd_state.chunks import Slot
from ingestd_state.schema import documents as table
from ingestd_state.status import ALLOWED, ChunkStatus, DocumentStatus, SourceStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

NOW = 1_000.0
S = DocumentStatus


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A write transaction on a table with one source, of id 1."""
    with database.write() as connection:
        assert sources.ensure(connection, "docs", b"/docs", "ingestd", "{}").id == 1
        yield connection


def make(connection: Connection, path: bytes, status: S = S.PENDING, **values: object) -> str:
    """A document in a status."""
    size = values.pop("size", 10)
    key = changes.add(connection, (1, "docs"), path, (1, 2, size, 4, 5), now=NOW)  # type: ignore[arg-type]
    values["status"] = status.value
    connection.execute(update(table).where(table.c.id == key).values(**values))
    return key


def read(connection: Connection, key: str) -> Document:
    """The document."""
    found = documents.by_id(connection, key)
    assert found is not None
    return found


def claim(connection: Connection, now: float = NOW, limit: int = 100) -> list[bytes]:
    """Take documents in hand; their paths."""
    taken = due.claim(connection, now, [1], limit=limit, limit_bytes=1 << 40)
    return [entry.path for entry in taken]


def test_due_order_is_priority_then_age(connection: Connection) -> None:
    """The most urgent come first, and among equals the one that waits longest."""
    make(connection, b"late", changed_at=NOW - 1)
    make(connection, b"early", changed_at=NOW - 9)
    make(connection, b"backfill", changed_at=NOW - 99, priority=-1)
    make(connection, b"person", changed_at=NOW, priority=changes.INTERACTIVE)
    assert claim(connection, limit=3) == [b"person", b"early", b"late"]
    assert claim(connection) == [b"backfill"]


@pytest.mark.parametrize(
    ("status", "values", "waits"),
    [
        (S.PENDING, {}, True),
        (S.PENDING, {"retry_at": NOW}, True),
        (S.PENDING, {"retry_at": NOW + 1}, False),
        (S.PENDING, {"missing_since": NOW - 5}, False),
        (S.WORKING, {}, False),
        (S.INDEXED, {}, False),
        (S.INDEXED, {"recheck_at": NOW}, True),
        (S.INDEXED, {"recheck_at": NOW + 1}, False),
        (S.INDEXED, {"recheck_at": NOW, "missing_since": NOW}, False),
        (S.SKIPPED, {}, False),
        (S.SKIPPED, {"recheck_at": NOW}, True),
        (S.FAILED, {}, False),
        (S.FAILED, {"retry_at": NOW}, True),
        (S.FAILED, {"retry_at": NOW + 1}, False),
        (S.DEAD, {}, False),
        (S.DEAD, {"retry_at": NOW}, False),
        (S.DELETED, {}, True),
        (S.DELETED, {"missing_since": NOW - 5}, True),
        (S.DELETED, {"retry_at": NOW + 1}, False),
    ],
)
def test_what_is_due(
    connection: Connection, status: S, values: dict[str, object], *, waits: bool
) -> None:
    """Each status is due at its own time; what is in hand is still open."""
    make(connection, b"a", status, **values)
    assert due.is_due(connection, NOW, [1]) is waits
    assert due.count_open(connection, NOW, [1]) == int(waits or status is S.WORKING)
    assert claim(connection) == ([b"a"] if waits else [])


def test_other_sources_are_left_alone(connection: Connection) -> None:
    """A process claims only what belongs to the sources that it serves."""
    other = sources.ensure(connection, "other", b"/other", "ingestd", "{}").id
    changes.add(connection, (other, "other"), b"x", (1, 2, 3, 4, 5), now=NOW)
    assert not due.is_due(connection, NOW, [1])
    assert claim(connection) == []
    assert due.claim(connection, NOW, [], limit=9, limit_bytes=9) == []


def test_a_claim_takes_in_hand_once(connection: Connection) -> None:
    """What is in hand is not due; a tombstone comes along as it is."""
    key, stone = make(connection, b"a"), make(connection, b"b", S.DELETED)
    taken = due.claim(connection, NOW, [1], limit=9, limit_bytes=1 << 40)
    assert {entry.id for entry in taken} == {key, stone}
    assert read(connection, key).status is S.WORKING
    assert read(connection, stone).status is S.DELETED
    assert claim(connection) == [b"b"]


def test_a_claim_is_an_allowed_transition(connection: Connection) -> None:
    """Only from a status that may go to `working` is a document taken in hand."""
    for status in S:
        make(connection, status.encode(), status, retry_at=NOW, recheck_at=NOW)
    taken = due.claim(connection, NOW, [1], limit=99, limit_bytes=1 << 40)
    alive = {S(entry.path.decode()) for entry in taken} - {S.DELETED}
    assert alive == {status for status in S if S.WORKING in ALLOWED[status]}


@pytest.mark.parametrize(
    ("sizes", "limit_bytes", "count"),
    [
        ([10, 10, 10], 20, 2),
        ([100, 10], 20, 1),
        ([10, 100], 20, 1),
        ([0, 0, 5], 1, 3),
        ([10, 10, 10], 1, 1),
    ],
)
def test_a_claim_is_bounded_in_bytes(
    connection: Connection, sizes: list[int], limit_bytes: int, count: int
) -> None:
    """Files come while they fit together; the first one comes whatever its size."""
    for number, size in enumerate(sizes):
        make(connection, b"%d" % number, size=size, changed_at=NOW + number)
    taken = due.claim(connection, NOW, [1], limit=9, limit_bytes=limit_bytes)
    assert [entry.path for entry in taken] == [b"%d" % number for number in range(count)]


def test_finish_clears_what_is_over(connection: Connection) -> None:
    """A finished document has no wish, failure or wait left, and what was learned is written."""
    make(
        connection,
        b"a",
        forced=True,
        relabel=True,
        attempts=3,
        error_code="x",
        error_text="y",
        reason="z",
        priority=9,
    )
    (taken,) = due.claim(connection, NOW, [1], limit=1, limit_bytes=1)
    learned = {"digest": b"d" * 32}
    assert work.finish(connection, taken.id, S.INDEXED, learned=learned, recheck_at=NOW + 2)
    found = read(connection, taken.id)
    assert found.status is S.INDEXED
    assert (found.digest, found.recheck_at) == (b"d" * 32, NOW + 2)
    assert (found.forced, found.relabel, found.attempts, found.priority) == (False, False, 0, 0)
    assert (found.error_code, found.error_text, found.reason) == ("", "", "")


def test_finish_does_not_overwrite_a_change_seen_meanwhile(connection: Connection) -> None:
    """A document that changed while it was in hand stays due; only what was learned is written."""
    key = make(connection, b"a")
    claim(connection)
    changes.mark_changed(connection, [key], now=NOW + 1, forced=True)
    assert not work.finish(connection, key, S.INDEXED, learned={"size": 99}, recheck_at=NOW + 9)
    found = read(connection, key)
    assert found.status is S.PENDING
    assert (found.size, found.forced, found.recheck_at) == (99, True, None)
    assert claim(connection, NOW + 1) == [b"a"]


def test_finish_does_not_overwrite_a_move_or_a_deletion(connection: Connection) -> None:
    """A move keeps its wish to be relabelled, and a tombstone stays one."""
    moved, buried = make(connection, b"moved"), make(connection, b"buried")
    claim(connection)
    changes.move(connection, moved, b"elsewhere", now=NOW)
    connection.execute(update(table).where(table.c.id == buried).values(status=S.DELETED.value))
    for key in (moved, buried):
        assert not work.finish(connection, key, S.INDEXED, learned={})
    assert (read(connection, moved).status, read(connection, moved).relabel) == (S.PENDING, True)
    assert read(connection, buried).status is S.DELETED


def test_release_gives_back(connection: Connection) -> None:
    """What is released is due again, at once or later; what changed meanwhile is due at once."""
    now, later, changed = (make(connection, name) for name in (b"now", b"later", b"changed"))
    stone = make(connection, b"stone", S.DELETED)
    claim(connection)
    changes.mark_changed(connection, [changed], now=NOW)
    work.release(connection, [])
    work.release(connection, [now])
    work.release(connection, [later, changed, stone], retry_at=NOW + 60)
    assert set(claim(connection)) == {b"now", b"changed"}
    assert set(claim(connection, NOW + 60)) == {b"later", b"stone"}


def test_recover_gives_back_what_a_dead_process_had(connection: Connection) -> None:
    """What was in hand when the process died is due again."""
    make(connection, b"a")
    make(connection, b"b", S.INDEXED)
    claim(connection)
    assert work.recover(connection) == 1
    assert work.recover(connection) == 0
    assert claim(connection) == [b"a"]


def test_what_is_due_again_is_not_brought_back_to_life(connection: Connection) -> None:
    """A tombstone stays one, and what is missing stays missing, whatever was planned for them."""
    stone = make(connection, b"stone", S.DELETED, missing_since=NOW)
    lost = make(connection, b"lost", S.INDEXED, missing_since=NOW)
    there = make(connection, b"there", S.INDEXED)
    work.due_again(connection, [stone, lost, there])
    found = [
        (read(connection, key).status, read(connection, key).missing_since)
        for key in (stone, lost, there)
    ]
    assert found == [(S.DELETED, NOW), (S.PENDING, NOW), (S.PENDING, None)]


def test_a_tombstone_is_forgotten_when_its_slots_are_gone(connection: Connection) -> None:
    """The row goes last: not while it has slots, and not when the file came back."""
    bare, holding, back = (
        make(connection, name, S.DELETED) for name in (b"bare", b"holding", b"back")
    )
    slot = Slot(f"{holding}-0", holding, 0, 0, 1, b"d" * 32, ChunkStatus.DOOMED)
    chunks.plan(connection, [slot])
    changes.mark_changed(connection, [back], now=NOW)
    assert work.tombstones(connection, [bare, holding, back]) == {bare, holding}
    work.forget(connection, [])
    work.forget(connection, [bare, holding, back])
    assert documents.by_id(connection, bare) is None
    assert read(connection, holding).status is S.DELETED
    assert read(connection, back).status is S.PENDING


def test_collections_are_those_of_attached_sources(connection: Connection) -> None:
    """A source that is no longer configured asks for no collection."""
    other = sources.ensure(connection, "other", b"/other", "second", "{}").id
    assert work.collections_of(connection) == ["ingestd", "second"]
    sources.set_status(connection, other, SourceStatus.DETACHED, "")
    assert work.collections_of(connection) == ["ingestd"]


def test_beside_long_documents_only_small_ones_are_claimed(connection: Connection) -> None:
    """Neither large files, nor what had many chunks, nor what is in hand; a tombstone has no size.

    What is in hand may be due again: it changed since.
    """
    make(connection, b"small", size=50, chunk_count=9)
    make(connection, b"large", size=51)
    make(connection, b"many", size=1, chunk_count=10)
    make(connection, b"unknown", size=None)
    held = make(connection, b"held", size=1)
    make(connection, b"gone", S.DELETED, size=99, chunk_count=9)
    make(connection, b"long gone", S.DELETED, size=99, chunk_count=10)
    beside = due.Beside([held], most_chunks=9)
    taken = due.claim(connection, NOW, [1], limit=99, limit_bytes=50, beside=beside)
    assert {entry.path for entry in taken} <= {b"small", b"unknown", b"gone"}
    assert len(taken) >= 2
    again = due.claim(connection, NOW, [1], limit=99, limit_bytes=50, beside=beside)
    assert {entry.path for entry in (*taken, *again)} == {b"small", b"unknown", b"gone"}


def test_of_what_is_urgent_the_last_change_comes_first(connection: Connection) -> None:
    """And nothing that nobody waits for; what is in hand is passed over, though it is due again."""
    for age in range(4):
        make(connection, b"%d" % age, changed_at=NOW - age, priority=changes.INTERACTIVE)
    make(connection, b"backfill", changed_at=NOW)
    held = make(connection, b"held", changed_at=NOW, priority=changes.INTERACTIVE)
    taken = due.claim(
        *(connection, NOW, [1]),
        limit=3,
        limit_bytes=99,
        beside=due.Beside({held}),
        urgent=True,
    )
    assert [entry.path for entry in taken] == [b"0", b"1", b"2"]
    assert claim(connection) == [b"3", b"held", b"backfill"]


def test_a_claim_is_bounded_in_chunks(connection: Connection) -> None:
    """Of what leaves, so much is taken up that it is soon deleted; a large one comes alone."""
    for number in range(5):
        make(connection, b"%d" % number, S.DELETED, chunk_count=9, changed_at=NOW + number)
    taken = due.claim(connection, NOW, [1], limit=9, limit_bytes=9, limit_chunks=20)
    assert [entry.path for entry in taken] == [b"0", b"1"]
    taken = due.claim(connection, NOW, [1], limit=9, limit_bytes=9, limit_chunks=2)
    assert len(taken) == 1


def test_what_is_due_is_found_by_an_index(connection: Connection) -> None:
    """No kind of being due makes SQLite go through all documents, or through all of a source."""
    for kind in due._kinds(NOW, [1]):  # noqa: SLF001 - each statement that asks for one
        for level in (true(), due.LEVELS[1]):
            statement = select(table.c.id).where(kind, level)
            sql = statement.compile(connection, compile_kwargs={"literal_binds": True})
            explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(row[3] for row in explained)
            assert "SCAN" not in plan
            assert "ix_documents_status_priority" in plan or "ix_documents_recheck_at" in plan


def test_a_remark_is_for_what_is_in_hand(connection: Connection) -> None:
    """It is over when the attempt ends; what is learned is true in any case."""
    working, pending = make(connection, b"a", S.WORKING), make(connection, b"b")
    for key in (working, pending):
        work.note(connection, key, "half of it")
        work.learn(connection, key, {"size": 77})
        work.learn(connection, key, {})
    assert (read(connection, working).reason, read(connection, pending).reason) == (
        "half of it",
        "",
    )
    assert (read(connection, working).size, read(connection, pending).size) == (77, 77)
    work.finish(connection, working, S.INDEXED, learned={})
    assert read(connection, working).reason == ""


def test_many_documents_are_released_and_forgotten(connection: Connection) -> None:
    """More than fit into one statement's list."""
    ids = [make(connection, b"%d" % n, S.WORKING) for n in range(600)]
    dead = [make(connection, b"d%d" % n, S.DELETED) for n in range(600)]
    work.release(connection, [*ids, *dead], retry_at=NOW + 9)
    assert {read(connection, key).status for key in (ids[0], ids[-1])} == {S.PENDING}
    assert work.tombstones(connection, [*ids, *dead]) == set(dead)
    assert read(connection, dead[-1]).retry_at == NOW + 9
    work.forget(connection, [*ids, *dead])
    assert work.tombstones(connection, dead) == set()


def test_what_was_put_off_waits_until_somebody_asks_for_it(connection: Connection) -> None:
    """One at a time, the first first; and it stays put off when it is given back."""
    first = make(connection, b"a.pdf", priority=due.PUT_OFF, changed_at=NOW - 9)
    make(connection, b"b.pdf", priority=due.PUT_OFF, changed_at=NOW - 1)
    make(connection, b"c.pdf", priority=due.PUT_OFF, retry_at=NOW + 1)
    make(connection, b"backfill", priority=-1)
    assert due.is_due(connection, NOW, [1])
    assert due.count_open(connection, NOW, [1]) == 3
    assert claim(connection) == [b"backfill"]
    assert claim(connection) == []
    taken = due.claim_put_off(connection, NOW, [1], [])
    assert [entry.path for entry in taken] == [b"a.pdf"]
    assert read(connection, first).status is S.WORKING
    work.release(connection, [first])
    assert (read(connection, first).status, read(connection, first).priority) == (
        S.PENDING,
        due.PUT_OFF,
    )
    assert [one.path for one in due.claim_put_off(connection, NOW, [1], [first])] == [b"b.pdf"]
    assert [one.path for one in due.claim_put_off(connection, NOW, [1], [])] == [b"a.pdf"]
    assert due.claim_put_off(connection, NOW, [1], []) == []
    assert due.claim_put_off(connection, NOW, [2], []) == []
