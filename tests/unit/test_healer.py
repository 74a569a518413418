"""Healing a collection in memory: what is written, what is taken up again, what is flagged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingestd.embed import refill as refill_module
from ingestd.embed.chroma.calls import Caller
from ingestd.embed.chroma.memory import MemoryCollection
from ingestd.embed.heal import Healer
from ingestd.embed.refill import Refiller
from ingestd.errors import StoreError
from ingestd_state import changes, chunks, collections, documents, runs, vectors
from ingestd_state.chunks import Slot
from ingestd_state.schema import documents as table
from ingestd_state.status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.ports import Vectors
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

MODEL = "m"
PAGE = 10
LIVE, PLANNED, DOOMED = ChunkStatus.LIVE, ChunkStatus.PLANNED, ChunkStatus.DOOMED


class Lossy(MemoryCollection):
    """A collection whose index can be lost, and which may be away."""

    away = False

    def lose(self) -> None:
        """Forget every embedding."""
        for slot, record in self._slots.items():
            self._slots[slot] = type(record)(slot, record.text, record.metadata, [0.0, 0.0])

    def empty(self) -> None:
        """Forget everything."""
        self._slots.clear()

    def refill(self, ids: Sequence[str], embeddings: Vectors) -> None:
        """Write embeddings, when it is there."""
        if self.away:
            raise StoreError("away")
        super().refill(ids, embeddings)


class World:
    """A table, a cache, and a collection with so many documents of two chunks."""

    def __init__(self, database: Database, cache: Database, source: WatchedSource) -> None:
        self.database, self.cache, self.source = database, cache, source
        self.collection = Lossy("ingestd")
        self.ids: list[str] = []
        self.caller = Caller(1)
        self.healer = Healer(
            database,
            Refiller(database, cache, model=MODEL, clock=lambda: 9.0),
            opened=lambda _name: self.collection,
            names=["ingestd"],
            call=self.caller,
            server=None,
        )

    def add(self, number: int, *, status: ChunkStatus = LIVE, written: bool = True) -> str:
        """Add a document; its two texts have the digests that `digest` tells."""
        with self.database.write() as connection:
            path = b"%d.md" % number
            key = (1, number, 1, 1, 1)
            name = (self.source.id, self.source.name)
            document = changes.add(connection, name, path, key, now=1.0)
            rows = [
                Slot(f"{document}-{place}", document, place, 0, 1, digest(number, place), status)
                for place in range(2)
            ]
            chunks.plan(connection, rows)
            connection.execute(
                table.update().where(table.c.id == document).values(status="indexed")
            )
        with self.cache.write() as connection:
            known = [(digest(number, place), vector(number, place)) for place in range(2)]
            vectors.put(connection, MODEL, [(key, row.tobytes()) for key, row in known], now=1.0)
        if written:
            self.collection.upsert(
                [row.slot for row in rows],
                np.stack([row for _, row in known]),
                ["text", "text"],
                [{"chunk_digest": key.hex()} for key, _ in known],
            )
        self.ids.append(document)
        return document

    def forget(self, *digests: bytes) -> None:
        """Take vectors out of the cache."""
        with self.cache.write() as connection:
            for one in digests:
                connection.exec_driver_sql("DELETE FROM vectors_1 WHERE digest = ?", (one,))

    def flag(self, reason: str = "torn") -> None:
        """Have the collection filled anew."""
        with self.database.write() as connection:
            collections.flag(connection, "ingestd", reason, now=1.0)

    def flagged(self) -> list[str]:
        """Reasons of what is to be filled anew."""
        with self.database.read() as connection:
            return [refill.reason for refill in collections.flagged(connection)]

    def pending(self) -> set[str]:
        """Documents that are taken up again, whatever their files are like."""
        with self.database.read() as connection:
            rows = list(documents.by_path(connection, table.c.forced, limit=10_000))
        assert all(row.status is DocumentStatus.PENDING for row in rows)
        return {row.id for row in rows}

    def vector_of(self, document: str, place: int) -> list[float]:
        """The embedding of a slot."""
        (record,) = self.collection.get([f"{document}-{place}"], embeddings=True)
        return list(record.embedding)

    def heal(self) -> int:
        """Heal, as the daemon does."""
        return asyncio.run(self.healer.heal(asyncio.Lock()))


def digest(number: int, place: int) -> bytes:
    """The digest of a text."""
    return number.to_bytes(16, "big") + place.to_bytes(16, "big")


def vector(number: int, place: int) -> Vectors:
    """The embedding of a text."""
    return np.array([number + 1, place + 1], "<f4")


@pytest.fixture
def world(
    database: Database,
    cache: Database,
    source: Callable[..., WatchedSource],
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """An empty world, with small pages."""
    monkeypatch.setattr(refill_module, "PAGE", PAGE)
    return World(database, cache, source())


def test_nothing_is_done_when_nothing_is_flagged(world: World) -> None:
    """Without a flag a heal is one look at the table."""
    world.add(1)
    world.collection.lose()
    assert world.heal() == 0
    assert world.vector_of(world.ids[0], 0) == [0, 0]


def test_an_index_is_filled_from_the_cache(world: World) -> None:
    """Every slot has its vector again, nothing is taken up, the flag is gone, the run is noted."""
    for number in range(PAGE):
        world.add(number)
    world.collection.lose()
    world.flag()
    assert world.heal() == 2 * PAGE
    assert all(
        world.vector_of(name, place) == vector(number, place).tolist()
        for number, name in enumerate(world.ids)
        for place in range(2)
    )
    assert world.pending() == set()
    assert world.flagged() == []
    with world.database.read() as connection:
        run = runs.last(connection, 1)[0]
    assert (run.kind, run.counts["slots"], run.counts["lost"]) == ("refill", 2 * PAGE, 0)


def test_lost_vectors_are_made_again_and_no_others(world: World) -> None:
    """A document one of whose vectors left the cache is taken up again; its other slots are in."""
    first, second = world.add(1), world.add(2)
    world.collection.lose()
    world.forget(digest(1, 1))
    world.flag()
    assert world.heal() == 3
    assert world.pending() == {first}
    assert world.vector_of(first, 0) == vector(1, 0).tolist()
    assert world.vector_of(second, 1) == vector(2, 1).tolist()
    assert world.flagged() == []


def test_lost_slots_are_never_made_without_text(world: World) -> None:
    """A slot that the collection does not hold, or holds with another text, is written anew."""
    absent, other = world.add(1, written=False), world.add(2)
    world.collection.relabel([f"{other}-0"], [{"chunk_digest": digest(9, 9).hex()}])
    world.flag()
    assert world.heal() == 1
    assert world.pending() == {absent, other}
    assert world.collection.count() == 2


def test_what_is_in_motion(world: World) -> None:
    """A planned or doomed slot gets the vector of the text that it still holds, or none."""
    planned = world.add(1, status=PLANNED)
    world.collection.relabel([f"{planned}-0"], [{"chunk_digest": digest(7, 0).hex()}])
    with world.cache.write() as connection:
        vectors.put(connection, MODEL, [(digest(7, 0), vector(7, 0).tobytes())], now=1.0)
    doomed, unwritten = world.add(2, status=DOOMED), world.add(3, status=PLANNED, written=False)
    world.collection.lose()
    world.flag()
    assert world.heal() == 4
    assert world.vector_of(planned, 0) == vector(7, 0).tolist()
    assert world.vector_of(doomed, 1) == vector(2, 1).tolist()
    assert world.collection.get([f"{unwritten}-0"]) == []
    assert world.pending() == set()


def test_tombstones_stay_tombstones(world: World) -> None:
    """A document that is to go is not taken up again, whatever of it is lost."""
    name = world.add(1, written=False)
    with world.database.write() as connection:
        connection.execute(table.update().where(table.c.id == name).values(status="deleted"))
    world.flag()
    assert world.heal() == 0
    assert world.pending() == set()


def test_a_store_that_is_away(world: World) -> None:
    """The error passes, the flag stays, and the next heal does it all."""
    name = world.add(1)
    world.collection.lose()
    world.flag()
    world.collection.away = True
    with pytest.raises(StoreError):
        world.heal()
    assert world.flagged() == ["torn"]
    world.collection.away = False
    assert world.heal() == 2
    assert world.vector_of(name, 0) == vector(1, 0).tolist()


def test_a_stop_breaks_off(world: World) -> None:
    """After a stop the page in hand is the last, and the flag stays for the next start."""
    for number in range(PAGE):
        world.add(number)
    world.flag()
    world.caller.stop()
    assert world.heal() == PAGE
    assert world.flagged() == ["torn"]


async def test_a_cancelled_heal_waits_for_the_page_in_hand(world: World) -> None:
    """Nobody writes to the store any more when the heal has ended, however it ended."""
    for number in range(PAGE):
        world.add(number)
    world.flag()
    lock = asyncio.Lock()
    task = asyncio.create_task(world.healer.heal(lock))
    while not lock.locked():  # noqa: ASYNC110 - a lock tells nobody that it was taken
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not lock.locked()
    assert world.flagged() == ["torn"]


async def test_an_empty_collection_is_written_anew(world: World) -> None:
    """A collection that should hold something and is empty is flagged, and all is taken up."""
    names = {world.add(number) for number in range(3)}
    await world.healer.look()
    assert world.flagged() == []
    world.collection.empty()
    await world.healer.check()
    assert world.flagged() == ["it is empty"]
    assert await world.healer.heal(asyncio.Lock()) == 0
    assert world.pending() == names


async def test_what_was_never_written_is_not_missed(world: World) -> None:
    """After a crash before the very first write the collection is empty, and rightly so."""
    world.add(1, status=PLANNED, written=False)
    await world.healer.look()
    assert world.flagged() == []


async def test_other_differences_are_only_told(world: World) -> None:
    """Some slots more or less are for a check to look into."""
    world.add(1)
    world.add(2, written=False)
    await world.healer.look()
    assert world.flagged() == []


def test_progress_is_told(world: World) -> None:
    """After each page: which collection, how far, of how much."""
    for number in range(PAGE):
        world.add(number)
    told: list[tuple[str, int, int]] = []
    world.healer.progress = lambda name, done, total: told.append((name, done, total))
    world.flag()
    world.heal()
    assert told == [("ingestd", PAGE, 2 * PAGE), ("ingestd", 2 * PAGE, 2 * PAGE)]
    assert world.healer.filled.slots == 2 * PAGE
