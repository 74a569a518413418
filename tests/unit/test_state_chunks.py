"""Slots in the table: planned, live, doomed, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd_state import changes, chunks, documents, owned, sources
from ingestd_state.chunks import Slot
from ingestd_state.status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ingestd_state.engine import Database

LIVE, PLANNED, DOOMED = ChunkStatus.LIVE, ChunkStatus.PLANNED, ChunkStatus.DOOMED


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A write transaction on a table with one source."""
    with database.write() as connection:
        sources.ensure(connection, "docs", b"/docs", "ingestd", "{}")
        yield connection


def make(connection: Connection, path: bytes, *statuses: ChunkStatus) -> str:
    """A document with slots in these states."""
    key = changes.add(connection, (1, "docs"), path, (1, 2, 3, 4, 5), now=0.0)
    chunks.plan(connection, [slot(key, n, status) for n, status in enumerate(statuses)])
    return key


def slot(key: str, number: int, status: ChunkStatus) -> Slot:
    """A slot of a document."""
    return Slot(f"{key}-{number}", key, number, 0, 1, b"d" * 32, status)


def states(connection: Connection, key: str) -> list[ChunkStatus]:
    """The states of a document's slots, in order."""
    return [entry.status for entry in chunks.of_documents(connection, [key])[key]]


def test_slots_come_in_order_of_their_ordinals(connection: Connection) -> None:
    """Each document has a list, in reading order; one without slots has an empty one."""
    key, bare = make(connection, b"a"), make(connection, b"b")
    chunks.plan(connection, [slot(key, n, LIVE) for n in (2, 0, 1)])
    found = chunks.of_documents(connection, [key, bare])
    assert [entry.ordinal for entry in found[key]] == [0, 1, 2]
    assert found[bare] == []


def test_a_plan_replaces_the_row_of_its_slot(connection: Connection) -> None:
    """A slot that another document takes over belongs to that one alone."""
    giver, taker = make(connection, b"a", LIVE, LIVE), make(connection, b"b")
    chunks.plan(connection, [Slot(f"{giver}-1", taker, 0, 5, 9, b"e" * 32, PLANNED)])
    found = chunks.of_documents(connection, [giver, taker])
    assert [entry.slot for entry in found[giver]] == [f"{giver}-0"]
    assert [(e.slot, e.status, e.digest) for e in found[taker]] == [
        (f"{giver}-1", PLANNED, b"e" * 32)
    ]


def test_a_plan_may_have_more_rows_than_a_statement_takes(connection: Connection) -> None:
    """A document of a thousand chunks is planned whole, and again."""
    key = make(connection, b"a")
    for _ in range(2):
        chunks.plan(connection, [slot(key, n, PLANNED) for n in range(1_201)])
    assert len(states(connection, key)) == 1_201


def test_begin_forgets_what_is_indexed(connection: Connection) -> None:
    """Once slots are in motion nobody can say that these bytes are indexed."""
    key = make(connection, b"a")
    connection.execute(chunks.documents.update().values(digest=b"x" * 32, chunk_count=2))
    chunks.begin(connection, key, next_slot=7, holds=0)
    found = documents.by_id(connection, key)
    assert found is not None
    assert (found.digest, found.next_slot, found.chunk_count) == (None, 7, 2)
    chunks.begin(connection, key, next_slot=9, holds=5)
    found = documents.by_id(connection, key)
    assert found is not None
    assert (found.next_slot, found.chunk_count) == (9, 5)
    assert chunks.next_slots(connection, [key, "nothing"]) == {key: 9}


def test_planned_becomes_live(connection: Connection) -> None:
    """Only these slots, and of them only the planned ones."""
    key, other = make(connection, b"a", LIVE, PLANNED, DOOMED), make(connection, b"b", PLANNED)
    chunks.make_live(connection, [f"{key}-{n}" for n in range(1_000)])
    assert states(connection, key) == [LIVE, LIVE, DOOMED]
    assert states(connection, other) == [PLANNED]
    assert chunks.count_live(connection) == 2


def test_the_doomed_come_with_their_collection(connection: Connection) -> None:
    """Slots to delete are listed up to a limit, each with where it is."""
    make(connection, b"b", LIVE)
    assert chunks.doomed(connection, 10) == []
    key = make(connection, b"a", DOOMED, DOOMED)
    assert chunks.doomed(connection, 10) == [(f"{key}-0", "ingestd"), (f"{key}-1", "ingestd")]
    assert chunks.doomed(connection, 1) == [(f"{key}-0", "ingestd")]


def test_the_doomed_wait_for_their_document(connection: Connection) -> None:
    """The rest of an old version is not deleted before the new version is wholly in."""
    key = make(connection, b"a", PLANNED, DOOMED)
    assert chunks.doomed(connection, 10) == []
    assert chunks.unsettled(connection) == [(key, "ingestd")]
    chunks.make_live(connection, [f"{key}-0"])
    assert chunks.doomed(connection, 10) == [(f"{key}-1", "ingestd")]
    assert chunks.unsettled(connection) == []


def test_forget_spares_a_slot_that_was_taken_over(connection: Connection) -> None:
    """Only doomed rows are removed: somebody may have taken a slot over meanwhile."""
    key = make(connection, b"a", DOOMED, PLANNED, LIVE)
    chunks.forget(connection, [f"{key}-{n}" for n in range(1_000)])
    assert states(connection, key) == [PLANNED, LIVE]


def test_a_document_is_walked_page_by_page(database: Database) -> None:
    """In order and each slot once, also where ordinals occur twice, and others change meanwhile."""
    with database.write() as connection:
        sources.ensure(connection, "docs", b"/docs", "ingestd", "{}")
        key, other = make(connection, b"a"), make(connection, b"b", LIVE)
        rows = [slot(key, number, LIVE) for number in range(10)]
        twins = [Slot(f"{key}-x{n}", key, 4, 0, 1, b"d" * 32, DOOMED) for n in range(5)]
        chunks.plan(connection, [*twins, *rows])
        whole = chunks.of_documents(connection, [key])[key]
    seen: list[Slot] = []
    for page in chunks.walk(database, key, page=3):
        assert len(page) <= 3
        seen += page
        with database.write() as connection:
            chunks.plan(connection, [slot(key, entry.ordinal, PLANNED) for entry in page[:1]])
            chunks.doom(connection, [f"{other}-0"])
    assert seen == whole
    assert [entry.slot for page in chunks.walk(database, other) for entry in page] == [f"{other}-0"]
    assert list(chunks.walk(database, "nobody")) == []


def test_what_is_in_motion_is_planned_or_doomed(connection: Connection) -> None:
    """Of these documents only; live slots hold what their rows say."""
    key, other = make(connection, b"a", LIVE, PLANNED, DOOMED), make(connection, b"b", PLANNED)
    assert {entry.slot for entry in chunks.in_motion(connection, [key])} == {
        f"{key}-1",
        f"{key}-2",
    }
    assert len(chunks.in_motion(connection, [key, other])) == 3
    assert chunks.in_motion(connection, []) == []


def test_doom_is_for_these_slots(connection: Connection) -> None:
    """Whatever their status was."""
    key = make(connection, b"a", LIVE, LIVE, PLANNED, LIVE)
    chunks.doom(connection, [f"{key}-{n}" for n in (1, 2)])
    assert states(connection, key) == [LIVE, DOOMED, DOOMED, LIVE]
    assert owned.held(connection, [key]) == 4
    assert owned.held(connection, ["nobody"]) == 0


@pytest.mark.parametrize(
    ("there", "used", "following"),
    [([], 0, 0), ([], 1_300, 0), ([0, 1, 2], 3, 3), ([0, 5], 2_000, 6), ([1_499], 1_500, 1_500)],
)
def test_a_plan_that_is_taken_back_frees_its_numbers(
    connection: Connection, there: list[int], used: int, following: int
) -> None:
    """The next fresh slot follows the last that is there, however many were planned after it."""
    key, taker = make(connection, b"a"), make(connection, b"b")
    # The last one is in the hands of another document.
    rows = [slot(key, number, LIVE) for number in there[:-1]]
    rows += [Slot(f"{key}-{number}", taker, 0, 0, 1, b"d" * 32, LIVE) for number in there[-1:]]
    chunks.plan(connection, rows)
    chunks.begin(connection, key, next_slot=used, holds=9)
    chunks.withdraw(connection, key)
    found = documents.by_id(connection, key)
    assert found is not None
    assert (found.next_slot, found.chunk_count) == (following, len(there[:-1]))
