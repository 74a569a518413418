"""Finding, listing and counting documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from ingestd_state import changes, documents, sources
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ingestd_state.engine import Database

NAMES = (b"a", b"a-b", b"a/b", b"a/b/c", b"a0", b"a/\xff", b"a\xff", b"b/a", b"z")


@pytest.fixture
def home(database: Database) -> int:
    """The id of a source with `NAMES` in it."""
    with database.write() as connection:
        source_id = sources.ensure(connection, "docs", b"/docs", "ingestd", "{}").id
        for number, name in enumerate(NAMES):
            key = (1, number, 3, 4, 5)
            changes.add(connection, (source_id, "docs"), name, key, now=100.0 + number)
    return source_id


def below(connection: Connection, path: bytes) -> set[bytes]:
    """The paths at and below a path."""
    return {entry.path for entry in documents.by_path(connection, documents.below(path))}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", set(NAMES)),
        (b"a", {b"a", b"a/b", b"a/b/c", b"a/\xff"}),
        (b"a/b", {b"a/b", b"a/b/c"}),
        (b"a-b", {b"a-b"}),
        (b"a/\xff", {b"a/\xff"}),
        (b"b", {b"b/a"}),
        (b"%", set()),
        (b"a_b", set()),
    ],
)
def test_below_is_the_tree_of_a_path(
    database: Database, home: int, path: bytes, expected: set[bytes]
) -> None:
    """A path selects itself and its tree, by bytes: no neighbour, no pattern."""
    with database.read() as connection:
        assert below(connection, path) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    top=st.binary(min_size=1, max_size=4).filter(lambda path: b"\0" not in path),
    rest=st.lists(st.binary(min_size=1, max_size=4), max_size=6),
)
def test_below_agrees_with_its_definition(
    database: Database, top: bytes, rest: list[bytes]
) -> None:
    """For any bytes: below are the path itself and what begins with the path and a slash."""
    names = {top, top + b"/x", top + b"0", top + b"-", *rest, *(top + b"/" + r for r in rest)}
    with database.read() as connection:  # rolled back: each example begins with nothing
        source_id = connection.execute(
            sources.sources.insert().values(
                name="s", path=b"/s", collection="ingestd", status="online"
            )
        ).inserted_primary_key
        assert source_id is not None
        for name in names:
            changes.add(connection, (source_id[0], "s"), name, (1, 2, 3, 4, 5), now=0.0)
        expected = {name for name in names if name == top or name.startswith(top + b"/")}
        assert below(connection, top) == expected


def test_a_list_ends_at_its_limit(database: Database, home: int) -> None:
    """It is in the order of the paths as bytes."""
    with database.read() as connection:
        for limit in range(len(NAMES) + 2):
            paths = [entry.path for entry in documents.by_path(connection, limit=limit)]
            assert paths == sorted(NAMES)[:limit]


def test_reading_a_list_leaves_the_connection_as_it_was(database: Database, home: int) -> None:
    """A streamed list does not turn every later query of its transaction into a stream."""
    with database.read() as connection:
        before = dict(connection.get_execution_options())
        list(documents.by_path(connection))
        list(documents.directories(connection, home))
        assert dict(connection.get_execution_options()) == before


def test_a_directory_knows_its_own_files_only(database: Database, home: int) -> None:
    """What a scan compares a directory with is what lies right in it."""
    with database.read() as connection:
        top = {row.path for row in documents.known_in(connection, home, b"")}
        inner = {row.path for row in documents.known_in(connection, home, b"a")}
        one = {row.path for row in documents.known_at(connection, home, b"a/b/c")}
    assert top == {b"a", b"a-b", b"a0", b"a\xff", b"z"}
    assert inner == {b"a/b", b"a/\xff"}
    assert one == {b"a/b/c"}


def test_a_directory_is_streamed_by_path(database: Database, home: int) -> None:
    """The same rows, in the order of their paths as bytes; a stream leaves no trace."""
    with database.read() as connection:
        streamed = list(documents.stream_in(connection, home, b""))
        assert streamed == list(documents.known_in(connection, home, b""))
        paths = [row.path for row in streamed]
        assert paths == sorted(paths)
        assert connection.get_execution_options().get("yield_per") is None


def test_who_is_present_in_a_directory(database: Database, home: int) -> None:
    """So many at a time, and those that are marked as missing are out."""
    with database.write() as connection:
        inner = {row.id for row in documents.known_in(connection, home, b"a")}
        (one,) = documents.known_at(connection, home, b"a/b")
        assert set(documents.present_in(connection, home, b"a", at=b"", limit=9)) == inner
        assert len(documents.present_in(connection, home, b"a", at=b"", limit=1)) == 1
        assert documents.present_in(connection, home, b"a", at=b"a/b", limit=9) == [one.id]
        changes.mark_missing(connection, [one.id], now=1.0)
        assert one.id not in documents.present_in(connection, home, b"a", at=b"", limit=9)


def test_directories_are_distinct_and_within_a_path(database: Database, home: int) -> None:
    """Each directory that holds documents is named once; below a path, those of its tree."""
    with database.read() as connection:
        assert list(documents.directories(connection, home)) == [b"", b"a", b"a/b", b"b"]
        assert list(documents.directories(connection, home, b"a/b")) == [b"a", b"a/b"]


def test_a_file_is_found_by_path_id_and_inode(database: Database, home: int) -> None:
    """The three ways to one document agree; what is not there is None."""
    with database.read() as connection:
        found = documents.get(connection, home, b"a/\xff")
        assert found is not None
        assert documents.by_id(connection, found.id) == found
        assert found.inode is not None
        assert documents.with_inode(connection, 1, found.inode) == [found]
        assert documents.with_inode(connection, 2, found.inode) == []
        assert documents.get(connection, home, b"nothing") is None
        assert documents.get(connection, home + 1, b"a") is None
        assert documents.by_id(connection, "nothing") is None


def test_counts_name_every_status(database: Database, home: int) -> None:
    """Statuses that no document has are counted as 0."""
    with database.write() as connection:
        connection.execute(
            update(table).where(table.c.path == b"z").values(status=DocumentStatus.DELETED.value)
        )
        found = documents.counts(connection)
        assert documents.total(connection, home) == len(NAMES) - 1
        assert sources.counts(connection) == {home: {"pending": len(NAMES) - 1, "deleted": 1}}
    assert set(found) == {status.value for status in DocumentStatus}
    assert (found["pending"], found["deleted"], found["dead"]) == (len(NAMES) - 1, 1, 0)


def test_what_is_missing_makes_no_backlog(database: Database, home: int) -> None:
    """The oldest waiting change is one that can be dealt with: its file is there."""
    with database.write() as connection:
        assert documents.oldest_pending(connection) == 100.0
        changes.mark_missing_below(connection, home, b"a", now=200.0)
        assert documents.oldest_pending(connection) == 101.0  # a-b
        changes.mark_missing_below(connection, home, b"", now=200.0)
        assert documents.oldest_pending(connection) is None
