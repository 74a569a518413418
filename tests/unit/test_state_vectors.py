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


def trim(connection: Connection, room: int, live: list[int]) -> tuple[int, int]:
    """Cut to a number of embeddings of 80 bytes; returns how many dead and live ones went."""
    pages = [[digest(number)] * 2 for number in live]
    limit = room * (80 + ROW_OVERHEAD_BYTES)
    trimmed = vectors.trim(connection, limit, model="m", live=pages)
    return trimmed.dead, trimmed.live


def test_what_no_chunk_uses_leaves_first(connection: Connection) -> None:
    """However long ago a live embedding was used: a collection may have to be filled from it."""
    for number in range(10):
        put(connection, number, now=float(number))
    assert trim(connection, 4, live=[0, 1, 2, 77]) == (6, 0)
    assert kept(connection, range(10)) == [0, 1, 2, 9]
    assert trim(connection, 4, live=[]) == (0, 0)


def test_embeddings_of_another_model_are_dead(connection: Connection) -> None:
    """No chunk needs them, though it has their text."""
    put(connection, 1, 2)
    vectors.put(connection, "other", [(digest(1), bytes(80))], now=9.0)
    assert trim(connection, 2, live=[1, 2]) == (1, 0)
    assert kept(connection, range(5)) == [1, 2]


def test_a_bound_that_is_smaller_than_the_live_set_holds(connection: Connection) -> None:
    """Then the least recently used of the live leave, too, and it is told."""
    for number in range(10):
        put(connection, number, now=float(number))
    assert trim(connection, 3, live=list(range(8))) == (2, 5)
    assert kept(connection, range(10)) == [5, 6, 7]
    assert vectors.size(connection) == (3, 3 * (80 + ROW_OVERHEAD_BYTES))
    assert trim(connection, 0, live=list(range(8))) == (0, 3)


def test_a_cache_that_fits_asks_for_nothing(connection: Connection) -> None:
    """Walking all chunks is for when something must leave."""
    put(connection, 1)

    def live() -> Iterator[list[bytes]]:
        raise AssertionError
        yield []

    assert vectors.trim(connection, 10_000, model="m", live=live()) == vectors.Trimmed()


def test_the_cache_stays_below_its_bound_over_many_rounds(cache: Database) -> None:
    """New texts come all the time, half of them stay in use: the bound holds after each round."""
    limit = 40 * (80 + ROW_OVERHEAD_BYTES)
    live: list[int] = []
    for round_ in range(30):
        new = list(range(round_ * 10, round_ * 10 + 10))
        live = [*live, *new[::2]][-20:]
        with cache.write() as connection:
            put(connection, *new, now=round_ * 100.0)
            vectors.trim(connection, limit, model="m", live=[[digest(entry) for entry in live]])
            assert vectors.size(connection)[1] <= limit
            assert kept(connection, range(300))[-1] == new[-1]
            assert set(live) <= set(kept(connection, range(300)))


def test_a_use_within_the_minute_is_not_written_again(connection: Connection) -> None:
    """A document that is edited all day long does not have all its rows written each time."""
    put(connection, 1, now=100.0)
    for now, expected in ((130.0, 100), (161.0, 161), (200.0, 161)):
        vectors.touch(connection, "m", [digest(1)], now=now)
        assert connection.execute(vectors.vectors.select()).one().used_at == expected
