"""Many new files at once are recorded as each would be alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd_state import arrivals, changes, documents, sources
from ingestd_state.schema import chunks
from ingestd_state.schema import documents as table

if TYPE_CHECKING:
    from ingestd_state.engine import Database

KEY = (1, 2, 3, 4, 5)
FILES = [(b"%d/%d.md" % (number % 7, number), (1, number, 3, 4, 5)) for number in range(1_200)]


@pytest.fixture
def home(database: Database) -> int:
    """A source."""
    with database.write() as connection:
        return sources.ensure(connection, "docs", b"/docs", "c", "{}").id


def rows(database: Database) -> list[documents.Document]:
    """Every document, by path."""
    with database.read() as connection:
        return list(documents.by_path(connection))


def test_as_one_by_one(database: Database, home: int) -> None:
    """The rows are those that single calls make, ids included."""
    with database.write() as connection:
        arrivals.add_all(connection, (home, "docs"), FILES, now=7.0, priority=3)
    together = rows(database)
    assert len(together) == len(FILES)
    with database.write() as connection:
        connection.execute(table.delete())
        for path, key in FILES:
            changes.add(connection, (home, "docs"), path, key, now=7.0, priority=3)
    assert rows(database) == together


def test_ids_that_are_taken_are_not_given_out(database: Database, home: int) -> None:
    """Neither that of a document which moved away, nor one whose slot another one took over."""
    moved, inherited = (changes.first_id("docs", path) for path, _ in FILES[:2])
    with database.write() as connection:
        for document_id, path in ((moved, b"elsewhere"), ("heir", b"heir")):
            row = changes.new_row(document_id, home, path, KEY, now=1.0, priority=0)
            connection.execute(table.insert().values(**row))
        slot = {"slot": f"{inherited}-17", "document_id": "heir", "ordinal": 0, "digest": b"d"}
        connection.execute(chunks.insert().values(start=0, end=1, status="live", **slot))
        arrivals.add_all(connection, (home, "docs"), FILES[:4], now=1.0)
    ids = {document.path: document.id for document in rows(database)}
    assert len(set(ids.values())) == 6
    for path, _ in FILES[:2]:
        assert ids[path] == changes.first_id("docs", path, 1)
    for path, _ in FILES[2:4]:
        assert ids[path] == changes.first_id("docs", path)


def test_what_is_known(database: Database, home: int) -> None:
    """Paths are known by their source, files by device and inode together."""
    with database.write() as connection:
        other = sources.ensure(connection, "other", b"/other", "c", "{}").id
        arrivals.add_all(connection, (home, "docs"), FILES, now=1.0)
    with database.read() as connection:
        paths = [path for path, _ in FILES]
        assert arrivals.known_paths(connection, home, [*paths, b"new"]) == set(paths)
        assert arrivals.known_paths(connection, other, paths) == set()
        asked = [(1, 5), (1, 1_199), (1, 1_200), (2, 5)]
        assert arrivals.known_files(connection, asked) == {(1, 5), (1, 1_199)}
        assert arrivals.known_files(connection, []) == set()
