"""How SQLite finds rows: what is small shall not cost as much as the table is large."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, true

from ingestd_state import bulk, changes, chunks, documents, owned, pages, schema, sources, work
from ingestd_state.selection import Selection, mark_again, walk
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from ingestd_state.engine import Database

ROWS = schema.documents.c
IDS = [f"none{number}" for number in range(500)]


@contextmanager
def plans(database: Database) -> Iterator[list[str]]:
    """The lines of the query plans of whatever is executed meanwhile."""
    found: list[str] = []

    def explain(_c: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            found.extend(f"{row[3]} FOR {statement[:60]}" for row in plan)

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: changes.mark_changed(c, IDS, now=1.0),
        lambda c: changes.mark_missing(c, IDS, now=1.0),
        lambda c: changes.mark_found(c, IDS),
        lambda c: work.due_again(c, IDS),
        lambda c: work.release(c, IDS),
        lambda c: work.tombstones(c, IDS),
        lambda c: work.forget(c, IDS),
        lambda c: chunks.in_motion(c, IDS),
        lambda c: chunks.make_live(c, IDS),
        lambda c: chunks.doom(c, IDS),
        lambda c: chunks.forget(c, IDS),
    ],
)
def test_rows_are_found_by_their_ids(
    database: Database, change: Callable[[Connection], Any]
) -> None:
    """Not by their status: there may be a million in the same one."""
    with database.write() as connection, plans(database) as found:
        change(connection)
    assert found
    assert not [line for line in found if "(status=?)" in line or line.startswith("SCAN")]


@pytest.mark.parametrize(
    "read",
    [
        lambda c: list(documents.directories(c, 1, b"new")),
        lambda c: documents.present_in(c, 1, b"new/folder", at=b"new", limit=9),
        lambda c: list(documents.by_path(c, ROWS.source_id == 1, documents.below(b"new"))),
    ],
)
def test_a_folder_does_not_cost_what_the_source_holds(
    database: Database, read: Callable[[Connection], Any]
) -> None:
    """With hundreds of new folders and thousands of files, that would be millions of rows."""
    with database.read() as connection, plans(database) as found:
        read(connection)
    assert found
    assert not [line for line in found if "(source_id=?)" in line or line.startswith("SCAN")]


@pytest.mark.parametrize(
    "read",
    [
        lambda d: list(pages.ids(d, true(), size=2)),
        lambda d: list(walk(d, Selection(1))),
        lambda d: list(walk(d, Selection(statuses=frozenset({DocumentStatus.FAILED})))),
        lambda d: mark_again(d, Selection(1), now=1.0, forced=True, priority=0),
        lambda d: bulk.mark_outdated(d, "new", now=1.0),
        lambda d: bulk.bury_missing(d, 1, most=9, until=9.0, now=1.0),
        lambda d: bulk.register(d, "docs", b"/docs", "second", "{}"),
        lambda d: list(owned.of_source(d, 1)),
    ],
)
def test_pages_are_read_in_the_order_of_an_index(
    database: Database, monkeypatch: pytest.MonkeyPatch, read: Callable[[Database], Any]
) -> None:
    """Nothing is sorted for a page, and each begins where the last one ended."""
    monkeypatch.setattr(bulk, "SLICE", 2)
    with database.write() as connection:
        home = sources.ensure(connection, "docs", b"/docs", "ingestd", "{}").id
        for number in range(5):
            key = (1, number, 3, 4, 5)
            path = b"%d" % number
            changes.add(connection, (home, "docs"), path, key, now=1.0)
        changes.mark_missing_below(connection, home, b"1", now=1.0)
    with plans(database) as found:
        read(database)
    searches = [line for line in found if "SEARCH documents" in line and "SELECT" in line]
    assert all("(source_id=? AND path>?)" in line or "id=?" in line for line in searches)
    assert not [line for line in found if "TEMP B-TREE" in line or "SCAN documents" in line]
