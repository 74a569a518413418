"""Changes of many documents: in slices, each of which may be the last before a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from ingestd_state import bulk, changes, chunks, documents, due, failpoint, orphans, sources
from ingestd_state.chunks import Slot
from ingestd_state.engine import Database
from ingestd_state.schema import documents as table
from ingestd_state.status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

NOW = 1_000.0
KEY = (1, 2, 3, 4, 5)
S = DocumentStatus
SLICES = 3
"""Of two documents each, where there are five."""


class KilledError(BaseException):
    """The process ends: nobody tidies up."""


@pytest.fixture
def home(database: Database) -> int:
    """The id of a source."""
    with database.write() as connection:
        return sources.ensure(connection, "docs", b"/docs", "ingestd", "{}").id


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows are a slice."""
    monkeypatch.setattr(bulk, "SLICE", 2)


def add(connection: Connection, home: int, path: bytes, status: S, **values: object) -> str:
    """A document in a status."""
    key = changes.add(connection, (home, "docs"), path, KEY, now=NOW)
    changed = {"status": status.value, **values}
    connection.execute(update(table).where(table.c.id == key).values(**changed))
    return key


def statuses(database: Database) -> dict[bytes, str]:
    """Statuses by path."""
    with database.read() as connection:
        return {row.path: row.status for row in connection.execute(select(table))}


def flags(database: Database, path: bytes) -> tuple[str, bool, bool]:
    """Status, and whether a document is to be rewritten or relabelled."""
    with database.read() as connection:
        (found,) = documents.by_path(connection, table.c.path == path)
    return found.status.value, found.forced, found.relabel


def dies_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Die when a place is reached for the n-th time."""
    reached = 0

    def reach(_name: str) -> None:
        nonlocal reached
        reached += 1
        if reached == number:
            raise KilledError

    monkeypatch.setattr(failpoint, "reached", reach)


def missing(database: Database, home: int, *, since: float = NOW) -> dict[str, bytes]:
    """Five documents that are missing, and two that are not; paths by id."""
    paths = [f"{number}.md".encode() for number in range(7)]
    with database.write() as connection:
        found = {add(connection, home, path, S.INDEXED): path for path in paths}
        changes.mark_missing(connection, list(found)[:5], now=since)
    return found


def bury(database: Database, home: int, **judged: object) -> int:
    """Bury what is missing."""
    arguments: dict[str, object] = {"most": 5, "until": NOW, "now": NOW, **judged}
    return bulk.bury_missing(database, home, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", sorted(set(S) - {S.DELETED}))
def test_the_missing_are_buried_from_every_status(database: Database, home: int, status: S) -> None:
    """A tombstone is made of what is missing, is due at once, and of nothing else."""
    with database.write() as connection:
        gone = add(connection, home, b"gone", status, retry_at=NOW + 99, missing_since=NOW)
        add(connection, home, b"there", S.PENDING)
    assert bury(database, home) == 1
    assert bury(database, home) == 0
    assert statuses(database) == {b"gone": "deleted", b"there": "pending"}
    with database.write() as connection:
        assert documents.total(connection, home) == 1
        taken = due.claim(connection, NOW, [home], limit=9, limit_bytes=1 << 30)
    assert next(entry.id for entry in taken) == gone


@pytest.mark.usefixtures("sliced")
def test_a_burial_stays_within_what_was_judged(database: Database, home: int) -> None:
    """What went missing later stays, what is kept stays, and no more go than were judged."""
    found = missing(database, home)
    ids = list(found)
    with database.write() as connection:
        changes.mark_missing(connection, ids[5:6], now=NOW + 1)
        other = sources.ensure(connection, "other", b"/other", "ingestd", "{}").id
        add(connection, other, b"x", S.INDEXED, missing_since=NOW)
    assert bury(database, home, most=2, kept={ids[0]}) == 2
    assert bury(database, home, kept={ids[0]}) == 2
    left = {path for path, status in statuses(database).items() if status != "deleted"}
    assert left == {found[ids[0]], found[ids[5]], found[ids[6]], b"x"}
    assert bury(database, home, most=0) == 0


@pytest.mark.usefixtures("sliced")
@pytest.mark.parametrize("number", range(1, SLICES + 1))
def test_a_burial_that_is_killed_is_begun_again(
    database: Database, home: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What is buried is buried, what is not is still missing, and the rest goes on as before."""
    found = missing(database, home)
    dies_at(monkeypatch, number)
    with pytest.raises(KilledError):
        bury(database, home)
    monkeypatch.undo()
    buried = min(2 * number, 5)
    with database.read() as connection:
        assert changes.count_missing(connection, home) == 5 - buried
    assert bury(database, home) == 5 - buried
    gone = {path for path, status in statuses(database).items() if status == "deleted"}
    assert gone == set(list(found.values())[:5])


@pytest.mark.usefixtures("sliced")
def test_a_file_that_comes_back_between_two_slices_lives(
    database: Database, home: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slice looks at its documents anew."""
    found = missing(database, home)
    last = list(found)[4]

    def reach(_name: str) -> None:
        with database.write() as connection:
            changes.mark_found(connection, [last])

    monkeypatch.setattr(failpoint, "reached", reach)
    assert bury(database, home) == 4
    assert statuses(database)[found[last]] == "indexed"


def test_a_new_pipeline_takes_up_what_the_old_one_made(database: Database, home: int) -> None:
    """What another version indexed, skipped or gave up is due again; what waits is left alone."""
    old = {"pipeline": "old", "attempts": 5}
    with database.write() as connection:
        for status in S:
            add(connection, home, status.encode(), status, **old)
        add(connection, home, b"current", S.INDEXED, pipeline="new")
        add(connection, home, b"never", S.DEAD)
        other = sources.ensure(connection, "other", b"/other", "ingestd", "{}").id
        add(connection, other, b"elsewhere", S.INDEXED, **old)
    before = statuses(database)
    assert bulk.mark_outdated(database, "new", now=NOW) == 4
    taken_up = dict.fromkeys([b"indexed", b"skipped", b"dead", b"elsewhere"], "pending")
    assert statuses(database) == before | taken_up


def test_what_was_skipped_for_a_reason_is_taken_up(database: Database, home: int) -> None:
    """Only by the beginning of the reason, letter by letter, and only what was skipped."""
    with database.write() as connection:
        add(connection, home, b"a", S.SKIPPED, reason="needs x_[y]: a document")
        add(connection, home, b"b", S.SKIPPED, reason="needs xz[y]")
        add(connection, home, b"c", S.SKIPPED, reason="binary: needs x_[y]")
        add(connection, home, b"d", S.INDEXED, reason="needs x_[y]")
    before = statuses(database)
    assert bulk.mark_skipped(database, ["needs x_[y]", "never"], now=NOW) == 1
    assert statuses(database) == before | {b"a": "pending"}


@pytest.mark.usefixtures("sliced")
@pytest.mark.parametrize("number", range(1, SLICES + 1))
@pytest.mark.parametrize("then", ["new", "old"])
def test_a_backfill_that_is_killed_goes_on(
    database: Database, home: int, monkeypatch: pytest.MonkeyPatch, number: int, then: str
) -> None:
    """The next start takes up the rest, or leaves it alone when the old version is back."""
    with database.write() as connection:
        for path in range(5):
            add(connection, home, b"%d" % path, S.INDEXED, pipeline="old")
    dies_at(monkeypatch, number)
    with pytest.raises(KilledError):
        bulk.mark_outdated(database, "new", now=NOW)
    monkeypatch.undo()
    marked = min(2 * number, 5)
    assert sorted(statuses(database).values()).count("pending") == marked
    assert bulk.mark_outdated(database, then, now=NOW) == (5 - marked if then == "new" else 0)


def register(database: Database, path: bytes = b"/docs", collection: str = "ingestd") -> int:
    """Register the source, perhaps elsewhere."""
    return bulk.register(database, "docs", path, collection, "{}").id


def own(database: Database, home: int, number: int = 5) -> list[str]:
    """Make documents of one chunk each; returns the slots."""
    slots = []
    with database.write() as connection:
        for path in range(number):
            key = add(connection, home, b"%d" % path, S.INDEXED)
            slots.append(f"{key}-0")
            chunks.plan(connection, [Slot(f"{key}-0", key, 0, 0, 1, bytes(32), ChunkStatus.LIVE)])
    return sorted(slots)


def test_a_source_is_registered_once(database: Database) -> None:
    """As it is configured, nothing is taken up again."""
    home = register(database)
    own(database, home)
    assert register(database) == home
    assert flags(database, b"0") == ("indexed", False, False)


def test_another_collection_gets_every_chunk(database: Database, home: int) -> None:
    """A source that is sent to another collection writes everything there."""
    with database.write() as connection:
        for status in S:
            add(connection, home, status.encode(), status)
    register(database, collection="second")
    for status in (S.INDEXED, S.DEAD, S.FAILED):
        assert flags(database, status.encode()) == ("pending", True, False)
    for status in (S.DELETED, S.SKIPPED):
        assert flags(database, status.encode()) == (status.value, False, False)


@pytest.mark.usefixtures("sliced")
def test_another_collection_takes_the_slots_from_the_old_one(database: Database, home: int) -> None:
    """What a source had in its old collection is to be deleted there, and nothing else is.

    Going back before that was done takes it back: the slots have an owner again.
    """
    slots = own(database, home)
    with database.write() as connection:
        other = sources.ensure(connection, "other", b"/other", "ingestd", "{}").id
        key = add(connection, other, b"x", S.INDEXED)
        chunks.plan(connection, [Slot("x-0", key, 0, 0, 1, bytes(32), ChunkStatus.LIVE)])
        assert orphans.unknown(connection, "ingestd", [*slots, "alien"]) == ["alien"]
    register(database, collection="second")
    with database.read() as connection:
        assert orphans.due(connection, 10) == [(slot, "ingestd") for slot in slots]
        assert orphans.unknown(connection, "ingestd", slots) == slots
        assert orphans.unknown(connection, "second", slots) == []
    register(database)
    with database.read() as connection:
        assert orphans.unknown(connection, "ingestd", slots) == []
        assert orphans.unknown(connection, "second", slots) == slots


@pytest.mark.usefixtures("sliced")
def test_another_root_relabels_every_chunk(database: Database, home: int) -> None:
    """A folder that was moved keeps its documents; their chunks name the new place."""
    own(database, home)
    register(database, path=b"/moved")
    assert flags(database, b"4") == ("pending", False, True)
    with database.read() as connection:
        assert orphans.count(connection) == 0


@pytest.mark.usefixtures("sliced")
@pytest.mark.parametrize("number", range(1, 2 * SLICES + 1))
def test_a_source_whose_way_elsewhere_is_killed(
    database: Database, home: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is where it was, and owns its slots; registered again, it is all there."""
    slots = own(database, home)
    dies_at(monkeypatch, number)
    with pytest.raises(KilledError):
        register(database, collection="second")
    monkeypatch.undo()
    with database.read() as connection:
        assert [one.collection for one in sources.all_sources(connection)] == ["ingestd"]
        assert orphans.unknown(connection, "ingestd", slots) == []
    register(database, collection="second")
    with database.read() as connection:
        assert orphans.due(connection, 10) == [(slot, "ingestd") for slot in slots]
    assert {flags(database, b"%d" % path) for path in range(5)} == {("pending", True, False)}


@pytest.fixture
def beside(database: Database, tmp_path: Path) -> Iterator[Database]:
    """Another process's way to the same table."""
    other = Database(f"sqlite:///{tmp_path / 'state.db'}")
    yield other
    other.close()


@pytest.mark.usefixtures("sliced")
@pytest.mark.parametrize(
    "change",
    [
        bury,
        lambda database, _home: bulk.mark_outdated(database, "new", now=NOW),
        lambda database, _home: register(database, collection="second"),
    ],
)
def test_others_write_between_two_slices(
    database: Database,
    beside: Database,
    home: int,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Database, int], int],
) -> None:
    """Nobody has to wait for all of it, and no transaction changes more than a slice."""
    own(database, home)
    with database.write() as connection:
        connection.execute(update(table).values(pipeline="old", missing_since=NOW))
    wrote: list[str] = []

    def reach(name: str) -> None:
        with beside.write() as connection:
            sources.set_watching(connection, home, f"events {len(wrote)}")
        wrote.append(name)

    monkeypatch.setattr(failpoint, "reached", reach)
    change(database, home)
    assert len(wrote) >= SLICES
