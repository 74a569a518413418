"""The threads of the embed job, each as long-lived as the process, and the line before each.

Reading, encoding and storing go on at the same time, each for another batch. Who is urgent goes to
the head of the line; who has a thread for long asks now and then whether somebody urgent waits.
"""

from __future__ import annotations

import asyncio
import heapq
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

T = TypeVar("T")

URGENT = 0
"""The place in a line of those for whom somebody waits. Others have a number; lower is first."""


class Stage:
    """One thread, and the line before it."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)
        self._line: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._taken = False
        self._urgent = 0

    @property
    def pressed(self) -> bool:
        """Whether somebody urgent waits; any thread may ask."""
        return self._urgent > 0

    async def run(self, function: Callable[[], T], place: int = URGENT) -> T:
        """Call a function in the thread, when it is its turn."""
        async with self.turn(place):
            return await self.call(function)

    @asynccontextmanager
    async def turn(self, place: int = URGENT) -> AsyncIterator[None]:
        """Have the thread for oneself; those of the same place come one after the other."""
        if self._taken:
            await self._wait(place)
        self._taken = True
        try:
            yield
        finally:
            self._next()

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread, for who has the turn."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def close(self, *, wait: bool) -> None:
        """End the thread, when it is done with what it has in hand."""
        self._executor.shutdown(wait=wait, cancel_futures=True)

    async def _wait(self, place: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._line, (place, next(self._numbers), turn))
        self._urgent += place == URGENT
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # it was ours already
            raise
        finally:
            self._urgent -= place == URGENT

    def _next(self) -> None:
        """Give the turn to the first who still waits."""
        while self._line:
            _, _, turn = heapq.heappop(self._line)
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


class HaltedError(Exception):
    """Nothing more is written: what broke off is settled first."""


class Stages:
    """The threads.

    Args:
        lock: held while something is written to a collection, and only then.

    Attributes:
        read: reads files.
        scan: reads those with pictures of text.
        encode: uses the model: always the same thread, because the model keeps memory for each.
        tables: reads and writes the state table, when nothing else is done with it.
        halted: a write may have broken off: none is begun.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        self.read = Stage("read")
        self.scan = Stage("scan")
        self.encode = Stage("encode")
        self.tables = Stage("tables")
        self._store = Stage("store")
        self._lock = lock
        self._places = count(1)
        self.halted = False

    def place(self) -> int:
        """A place in the lines behind all that were given away."""
        return next(self._places)

    async def store(self, function: Callable[[], T], place: int = URGENT) -> T:
        """Run what writes to the collections: nobody else does meanwhile.

        Raises:
            HaltedError: nothing may be written any more.
        """
        async with self._store.turn(place), self._lock:
            if self.halted:
                raise HaltedError
            return await self._store.call(function)

    def close(self, *, wait: bool) -> None:
        """End the threads, when they are done with what they have in hand."""
        for stage in (self.read, self.scan, self.encode, self._store, self.tables):
            stage.close(wait=wait)
