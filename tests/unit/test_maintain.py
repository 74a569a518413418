"""When the daemon compacts: much was deleted, it is night, or somebody orders it."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.config import Settings
from ingestd.embed.chroma.growth import Growth
from ingestd.embed.compacted import Compacted
from ingestd.embed.ground import CompactionStoppedError
from ingestd.embed.totals import Totals
from ingestd.errors import BusyError, StoreError
from ingestd.maintain import LOOK_DELETED, Maintainer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

DONE = Compacted([], [], ["big"], 10, 0, database=True, seconds=1.0, paused_s=0.5, away_s=0.1)
BIG, SMALL = Growth("big", 100, 5_000, 1, 1, 0), Growth("small", 100, 100, 1, 1, 0)


class Compactor:
    """Remembers what it was asked for; as slow, and as faulty, as it is told to be."""

    ground = None

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.measured = 0
        self.busy = False
        self.error: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()

    async def growth(self) -> list[Growth]:
        """Two collections, one of them bloated."""
        self.measured += 1
        return [BIG, SMALL]

    async def compact(self, _lock: Any, names: Iterable[str], **_: Any) -> Compacted:
        """Take a while."""
        self.asked.append(list(names))
        self.busy = True
        try:
            await self.go.wait()
        finally:
            self.busy = False
        if self.error:
            raise self.error
        return DONE

    def stop(self) -> None:
        """Nothing to break off."""


class World:
    """A maintainer at work."""

    def __init__(self, **memory: Any) -> None:
        self.compactor = Compactor()
        self.totals = Totals()
        settings = Settings(memory=memory) if memory else Settings()
        instance: Any = SimpleNamespace(
            compactor=self.compactor,
            totals=self.totals,
            settings=settings,
            job=SimpleNamespace(lock=asyncio.Lock()),
        )
        self.maintainer = Maintainer(instance)

    async def until(self, condition: Any) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One whose task runs."""
    world = World()
    task = asyncio.create_task(world.maintainer.run())
    yield world
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_it_measures_when_enough_was_deleted(world: World) -> None:
    """At the first time, and then after so many deletions; only what is bloated is compacted."""
    world.maintainer.soon()
    await world.until(lambda: world.compactor.asked == [["big"]])
    world.totals.chunks["deleted"] += LOOK_DELETED - 1
    world.maintainer.soon()
    await asyncio.sleep(0)
    assert world.compactor.measured == 1
    world.totals.chunks["deleted"] += 1
    world.maintainer.soon()
    await world.until(lambda: world.compactor.measured == 2)


async def test_a_failure_is_not_repeated_at_once(world: World) -> None:
    """What stands in the way is logged, and tried again by night, or later."""
    world.compactor.error = StoreError("no room")
    world.maintainer.soon()
    await world.until(lambda: len(world.compactor.asked) == 1 and not world.compactor.busy)
    await asyncio.sleep(0)
    world.totals.chunks["deleted"] += 10 * LOOK_DELETED
    world.maintainer.soon()
    await asyncio.sleep(0)
    assert world.compactor.measured == 1


async def test_an_order(world: World) -> None:
    """All collections, or one, worth it or not; and how far it is can be asked for."""
    assert (await world.maintainer.order({}))["built"] == ["big"]
    await world.maintainer.order({"collection": "small"})
    assert world.compactor.asked[0] == ["big", "small"]
    assert ["small"] in world.compactor.asked
    state = await world.maintainer.state({})
    assert [one["bloat"] for one in state["collections"]] == [50.0, 1.0]
    assert not state["busy"]


async def test_an_order_that_fails(world: World) -> None:
    """The error goes to who ordered, and the next order is carried out."""
    world.compactor.error = StoreError("no room")
    with pytest.raises(StoreError, match="no room"):
        await world.maintainer.order({})
    world.compactor.error = None
    assert await world.maintainer.order({})


async def test_one_at_a_time(world: World) -> None:
    """A second order is refused while one is under way."""
    world.compactor.go.clear()
    first = asyncio.create_task(world.maintainer.order({}))
    await world.until(lambda: world.compactor.busy)
    with pytest.raises(BusyError):
        await world.maintainer.order({})
    world.compactor.go.set()
    assert await first


async def test_an_order_at_a_stop() -> None:
    """Who ordered is told that the daemon stops."""
    world = World()
    task = asyncio.create_task(world.maintainer.run())
    world.compactor.go.clear()
    order = asyncio.create_task(world.maintainer.order({}))
    await world.until(lambda: world.compactor.busy)
    task.cancel()
    with pytest.raises(CompactionStoppedError):
        await order


async def test_a_second_index_must_fit_into_memory() -> None:
    """Where `memory.max` leaves no room for one, nothing is begun."""
    world = World(max=128 * 1024**2)
    task = asyncio.create_task(world.maintainer.run())
    with pytest.raises(StoreError, match=r"memory\.max"):
        await world.maintainer.order({})
    assert world.compactor.asked == []
    task.cancel()
