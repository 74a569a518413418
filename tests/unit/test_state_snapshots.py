"""Copies of a database that others write to meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ingestd_state import migrate, snapshots, vectors
from ingestd_state.engine import DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd_state.engine import Database


def test_a_copy_is_of_one_moment(database: Database, cache: Database, tmp_path: Path) -> None:
    """What is written between the parts of a copy is not in it, and waits for nothing."""
    rows = [(number.to_bytes(32), b"\1" * 1_536) for number in range(4_000)]
    with cache.write() as connection:
        vectors.put(connection, "m", rows, now=1)
    parts = []

    def write(done: int, all_: int) -> None:
        parts.append((done, all_))
        with cache.write() as connection:
            vectors.put(connection, "m", [(bytes([len(parts)]) * 32, b"new")], now=1)

    with snapshots.pinned(database, cache) as (_, connection):
        size = snapshots.page_bytes(connection)
        snapshots.copy(connection, tmp_path / "copy.db", write)
    assert len(parts) > 1
    assert parts[-1][0] == parts[-1][1]
    assert (tmp_path / "copy.db").stat().st_size == size
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copied:
        assert copied.execute("SELECT count(*) FROM vectors_1").fetchone() == (4_000,)
    with cache.read() as connection:
        assert vectors.count(connection) == 4_000 + len(parts)
    assert sorted(path.name for path in tmp_path.glob("copy.db*")) == ["copy.db"]


def test_both_are_pinned_at_once(database: Database, cache: Database, tmp_path: Path) -> None:
    """What comes into the cache after both were opened is not copied, however late it is read."""
    with snapshots.pinned(database, cache) as (_, connection):
        with cache.write() as writing:
            vectors.put(writing, "m", [(b"x" * 32, b"late")], now=1)
        snapshots.copy(connection, tmp_path / "copy.db", lambda _done, _all: None)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copied:
        assert copied.execute("SELECT count(*) FROM vectors_1").fetchone() == (0,)


def test_chunks_without_a_vector_are_counted(
    database: Database, cache: Database, tmp_path: Path
) -> None:
    """A chunk counts when the model in use has no vector of it; those of others do not help."""
    with database.write() as connection:
        run = connection.exec_driver_sql
        run(
            "INSERT INTO sources (name, path, collection, status) "
            "VALUES ('a', x'62', 'c', 'online')"
        )
        run(
            "INSERT INTO documents (id, source_id, path, directory, status, changed_at) "
            "VALUES ('d', 1, 'p', '', 'indexed', 0)"
        )
        for number, status in enumerate(("live", "live", "live", "doomed")):
            run(
                'INSERT INTO chunks (slot, document_id, ordinal, start, "end", digest, status) '
                "VALUES (?, 'd', ?, 0, 1, ?, ?)",
                (str(number), number, bytes([number]) * 32, status),
            )
    with cache.write() as connection:
        vectors.put(connection, "m", [(b"\0" * 32, b"v")], now=1)
        vectors.put(connection, "other", [(b"\1" * 32, b"v")], now=1)
    state, copy = tmp_path / "state-copy.db", tmp_path / "cache-copy.db"
    with snapshots.pinned(database, cache) as (table, embeddings):
        snapshots.copy(table, state, lambda _done, _all: None)
        snapshots.copy(embeddings, copy, lambda _done, _all: None)
        assert snapshots.sources_of(table) == [("a", b"b", "c")]
    counted = {"documents": 1, "chunks": 3, "vectors": 2}
    assert snapshots.figures(state, copy, "m") == {**counted, "without_vector": 2}
    assert snapshots.figures(state, copy, "") == {**counted, "without_vector": 1}
    assert snapshots.figures(state, None, "m") == {**counted, "vectors": 0, "without_vector": 3}
    assert snapshots.revision_of(state) == migrate.HEAD


def test_a_copy_that_is_none(tmp_path: Path) -> None:
    """A file that is no database is told as such."""
    (tmp_path / "copy.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(DatabaseError):
        snapshots.revision_of(tmp_path / "copy.db")
