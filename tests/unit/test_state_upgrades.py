"""Every earlier schema, with rows in it, comes to the newest one with nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ingestd_state import chunks, collections, documents, migrate, orphans, sources, work
from ingestd_state.engine import Database
from ingestd_state.schema import metadata

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

Row = dict[str, Any]

ROWS: dict[str, dict[str, Row]] = {
    "0001": {
        "sources": {
            "id": 7,
            "name": "handbook",
            "path": b"/srv/hand\xffbook",
            "collection": "docs",
            "status": "held",
            "reason": "40 of 50 documents are gone at once",
            "rules": '{"include": ["*.md"]}',
            "device": 2_049,
            "seen_nonempty": 1,
            "last_scan_at": 1_700_000_000.5,
        },
        "documents": {
            "id": "d1",
            "source_id": 7,
            "path": b"deep/\xffname.md",
            "directory": b"deep",
            "status": "failed",
            "reason": "too big",
            "device": 2_049,
            "inode": 2**40,
            "size": 5_000_000_000,
            "mtime_ns": 1_700_000_000_123_456_789,
            "ctime_ns": 1_700_000_000_123_456_788,
            "digest": b"\x01" * 32,
            "pipeline": "p1",
            "mime": "text/markdown",
            "chunk_count": 2,
            "next_slot": 5,
            "forced": 1,
            "relabel": 1,
            "priority": 3,
            "attempts": 4,
            "retry_at": 1_700_000_100.25,
            "recheck_at": 1_700_000_200.25,
            "missing_since": 1_700_000_300.25,
            "error_code": "extraction",
            "error_text": "damaged",
            "changed_at": 1_700_000_400.25,
            "indexed_at": 1_700_000_500.25,
        },
        "chunks": {
            "slot": "d1-4",
            "document_id": "d1",
            "ordinal": 1,
            "start": 10,
            "end": 2**40,
            "digest": b"\x02" * 32,
            "status": "live",
        },
        "runs": {
            "id": 3,
            "kind": "drain",
            "started_at": 1_700_000_000.0,
            "seconds": 1.5,
            "outcome": "done",
            "counts": '{"embedded": 2}',
        },
    },
    "0002": {
        "sources": {"watching": "polling: a share"},
        "collections": {"name": "docs", "refill_since": 1_700_000_000.5, "reason": "torn"},
        "orphans": {"collection": "docs", "slot": "x-1"},
    },
    "0003": {},
}
"""What each migration brings: a table with a row of it, or more columns of one.

A new migration needs its own entry here; one that only changes indexes has an empty one.
"""
ADDED: dict[str, dict[str, Row]] = {"0002": {"sources": {"watching": ""}}, "0003": {}}
"""What an old row holds in the columns that a migration adds."""


def rows_at(revision: str) -> dict[str, Row]:
    """A row of each table that there is at a revision, with all of its columns."""
    found: dict[str, Row] = {}
    for number in sorted(ROWS):
        if number <= revision:
            for table, values in ROWS[number].items():
                found[table] = {**found.get(table, {}), **values}
    return found


def made(file: Path, revision: str) -> Database:
    """A database as the version with this schema left it, with its rows."""
    database = Database(f"sqlite:///{file}")
    config = migrate.check_known(None, "")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, values in rows_at(revision).items():
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join(f":{name}" for name in values)
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - all ours
            connection.execute(text(insert), values)
    return database


def row_of(connection: Connection, table: str) -> Row:
    """The one row of a table."""
    return dict(connection.execute(text(f"SELECT * FROM {table}")).mappings().one())  # noqa: S608 - ours


def tables_of(connection: Connection) -> dict[str, Row]:
    """All rows, by table."""
    names = connection.execute(
        text(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' "
            "AND name <> 'alembic_version'"
        )
    ).scalars()
    return {name: row_of(connection, name) for name in names}


def revisions() -> list[str]:
    """All that there are, the oldest first."""
    script = ScriptDirectory.from_config(migrate.check_known(None, ""))
    return sorted(one.revision for one in script.walk_revisions())


def test_every_migration_has_its_rows() -> None:
    """A new migration without rows to try it on fails here."""
    assert sorted(ROWS) == revisions()
    assert ["0001", *sorted(ADDED)] == revisions()


@pytest.mark.parametrize("revision", revisions())
def test_the_rows_fill_every_column(tmp_path: Path, revision: str) -> None:
    """At each revision every table has a row, and no value that a default could have put there."""
    database = made(tmp_path / "old.db", revision)
    with database.read() as connection:
        found = tables_of(connection)
    assert found == rows_at(revision)
    assert all(value not in (None, "") for row in found.values() for value in row.values())


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_an_upgrade_keeps_every_value(tmp_path: Path, revision: str) -> None:
    """From each earlier schema, rows stay as they are; new columns have their defaults."""
    database = made(tmp_path / "old.db", revision)
    expected = rows_at(revision)
    for later in (number for number in ADDED if number > revision):
        for table, values in ADDED[later].items():
            expected[table] |= values
    assert migrate.upgrade(database) is True
    with database.read() as connection:
        assert {table: row_of(connection, table) for table in expected} == expected
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(text("PRAGMA foreign_key_check")).fetchall() == []
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_what_was_old_is_of_use(tmp_path: Path, revision: str) -> None:
    """The queries of today read old rows, and write to them."""
    database = made(tmp_path / "old.db", revision)
    migrate.upgrade(database)
    with database.write() as connection:
        [source] = sources.all_sources(connection)
        sources.set_watching(connection, source.id, "events")
        collections.flag(connection, "docs", "it is empty", now=1.0)
        assert work.collections_of(connection) == ["docs"]
        assert documents.total(connection, source.id) == 1
        assert chunks.unsettled(connection) == []
        assert [one.name for one in collections.flagged(connection)] == ["docs"]
        assert orphans.count(connection) == (0 if revision == "0001" else 1)
