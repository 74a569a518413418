"""The vectors cache: what is in it, what was used last, and how it stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd_state import vectors
from ingestd_state.vectors import ROW_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ingestd_state.engine import Database


@pytest.fixture
def connection(cache: Database) -> Iterator[Connection]:
    """A write transaction on an empty cache."""
    with cache.write() as connection:
        yield connection


def digest(number: int) -> bytes:
    """A digest."""
    return number.to_bytes(32, "big")


def put(connection: Connection, *numbers: int, now: float = 0.0, size: int = 80) -> None:
    """Store embeddings of a size in bytes."""
    rows = [(digest(number), bytes([number % 256]) * size) for number in numbers]
    vectors.put(connection, "m", rows, now=now)


def kept(connection: Connection, numbers: range) -> list[int]:
    """Which of the embeddings are there."""
    absent = vectors.missing(connection, "m", map(digest, numbers))
    return [number for number in numbers if digest(number) not in absent]


def test_what_was_put_is_got(connection: Connection) -> None:
    """Embeddings come back as they were put; absent ones are left out, repeats come once."""
    vectors.put(connection, "m", [], now=0.0)
    put(connection, 1, 2)
    asked = [digest(1), digest(3), digest(1)]
    assert vectors.get(connection, "m", asked) == {digest(1): b"\x01" * 80}
    assert vectors.missing(connection, "m", asked) == {digest(3)}
    assert vectors.missing(connection, "m", []) == set()
    assert vectors.count(connection) == 2


def test_models_do_not_share_embeddings(connection: Connection) -> None:
    """What one model embedded is missing for another."""
    put(connection, 1)
    assert vectors.missing(connection, "other", [digest(1)]) == {digest(1)}
    assert vectors.get(connection, "other", [digest(1)]) == {}


def test_what_is_there_stays(connection: Connection) -> None:
    """Putting a text again changes nothing: a repeat after a crash is safe."""
    put(connection, 1)
    vectors.put(connection, "m", [(digest(1), b"other"), (digest(2), b"new")], now=9.0)
    found = vectors.get(connection, "m", [digest(1), digest(2)])
    assert found == {digest(1): b"\x01" * 80, digest(2): b"new"}


def test_more_digests_than_fit_in_a_statement(connection: Connection) -> None:
    """Thousands are asked for, got and touched at once."""
    put(connection, *range(1_300))
    many = [digest(number) for number in range(40_000)]
    assert len(vectors.missing(connection, "m", many)) == 38_700
    assert len(vectors.get(connection, "m", many)) == 1_300
    vectors.touch(connection, "m", many, now=5.0)


def test_the_least_recently_used_leave_first(connection: Connection) -> None:
    """A cache that is too big loses what was not used for longest, and no more than it must."""
    for number in range(10):
        put(connection, number, now=float(number))
    vectors.touch(connection, "m", [digest(0)], now=100.0)
    room = 4 * (80 + ROW_OVERHEAD_BYTES)
    assert vectors.prune(connection, room) == 6
    assert kept(connection, range(10)) == [0, 7, 8, 9]
    assert vectors.prune(connection, room) == 0
    assert vectors.size(connection) == (4, room)


@pytest.mark.parametrize("limit", [0, 199, 1_000, 30_000, 10**9])
def test_a_pruned_cache_is_within_its_bound(connection: Connection, limit: int) -> None:
    """Also where embeddings differ in size: old small ones, new large ones."""
    put(connection, *range(50), size=8)
    put(connection, *range(50, 60), size=16_000, now=5.0)
    put(connection, *range(60, 90), size=8, now=9.0)
    before = vectors.size(connection)[0]
    pruned = vectors.prune(connection, limit)
    number, total = vectors.size(connection)
    assert total <= limit
    assert number == before - pruned


def test_an_empty_cache_takes_no_room(connection: Connection) -> None:
    """Nothing is there, nothing is pruned."""
    assert vectors.size(connection) == (0, 0)
    assert vectors.prune(connection, 0) == 0
