"""Keeps the collections whole: fills flagged ones anew, and finds out which ones need it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from ingestd_state import chunks, collections, failpoint, orphans, projection, runs
from ingestd_state.status import ChunkStatus

from .refill import Filled, Refiller
from .threads import in_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from ingestd.ports import Collection
    from ingestd_state.collections import Refill
    from ingestd_state.engine import Database

    from .chroma.calls import Caller
    from .chroma.server import ManagedServer

log = structlog.get_logger(__name__)

TELL_S = 5.0
"""Between two lines in the log about the progress of a refill."""


class Healer:
    """Heals the collections of one instance.

    Args:
        database: the state table.
        refiller: fills collections anew.
        opened: opens a collection of this name, or makes it anew.
        names: the collections that this instance writes to.
        call: makes the calls to Chroma; when it is stopped, a refill breaks off.
        server: the managed server; None where there is none.

    Attributes:
        filled: all that was done so far.
        progress: called after each page with the name of the collection, its slots that are
            dealt with, and how many there are.
    """

    def __init__(
        self,
        database: Database,
        refiller: Refiller,
        *,
        opened: Callable[[str], Collection],
        names: Iterable[str],
        call: Caller,
        server: ManagedServer | None,
    ) -> None:
        self._database = database
        self._refiller = refiller
        self._opened = opened
        self._names = frozenset(names)
        self._call = call
        self._server = server
        self._looked = False
        self.filled = Filled()
        self.progress: Callable[[str, int, int], None] = lambda _name, _done, _total: None

    async def look(self) -> None:
        """Flag the collections that are empty though they should not be; tell what differs.

        Raises:
            StoreError: Chroma does not answer.
            DatabaseError: the state table cannot be read or written.
        """
        self._looked = False
        await in_thread(self._look)
        self._looked = True

    async def heal(self, lock: asyncio.Lock) -> int:
        """Fill every flagged collection anew; quick when none is.

        Args:
            lock: of the embed job: nobody else writes meanwhile. Readers find what is in already.

        Returns:
            Slots written with their vectors. What is lost beside them is due again.

        Raises:
            StoreError: Chroma cannot be written. The flag stays, and the next call starts over.
            DatabaseError: a table cannot be read or written; the same.
        """
        if not self._looked:  # it was away when it was last looked for
            await self.look()
        if not await in_thread(self._flagged):
            return 0
        written = 0
        async with lock:
            for refill in await in_thread(self._flagged):
                written += await self._fill(refill)
        return written

    async def check(self) -> None:
        """Look after a store that did not answer: replace a server that hangs, flag what is gone.

        Raises:
            StoreError: it cannot be found out now.
            DatabaseError: the state table cannot be written.
        """
        if self._server is not None:
            await self._server.check()
            if self._server.pid is None:
                return  # it is being started again
        await self.look()

    async def _fill(self, refill: Refill) -> int:
        started, told = time.monotonic(), time.monotonic()
        collection = await in_thread(lambda: self._opened(refill.name))
        total = await in_thread(lambda: projection.count(self._database, refill.name))
        log.warning("store_refilling", collection=refill.name, slots=total, reason=refill.reason)
        pages, filled = self._refiller.fill(collection), Filled()
        try:
            while page := await in_thread(lambda: next(pages, None)):
                filled = page
                self.progress(refill.name, filled.done, total)
                if time.monotonic() - told > TELL_S:
                    told = time.monotonic()
                    log.info(
                        "store_refilling", collection=refill.name, done=filled.done, slots=total
                    )
                if self._call.stopping:
                    log.warning("left_for_next_start", collection=refill.name, done=filled.done)
                    return filled.slots
        finally:
            await in_thread(pages.close)
        failpoint.reached("refill.done")
        seconds = time.monotonic() - started
        await in_thread(lambda: self._done(refill, filled, seconds))
        return filled.slots

    def _done(self, refill: Refill, filled: Filled, seconds: float) -> None:
        counts = {"slots": filled.slots, "lost": filled.lost}
        with self._database.write() as connection:
            collections.unflag(connection, refill.name)
            run = runs.Run(
                "refill", time.time() - seconds, seconds, "done", {**counts, "name": refill.name}
            )
            runs.add(connection, run)
        self.filled.slots += filled.slots
        self.filled.lost += filled.lost
        self.filled.moving += filled.moving
        log.warning(
            "store_refilled",
            collection=refill.name,
            seconds=round(seconds, 2),
            embedded=0,
            **counts,
        )

    def _flagged(self) -> list[Refill]:
        with self._database.read() as connection:
            found = collections.flagged(connection)
        return [refill for refill in found if refill.name in self._names]

    def _look(self) -> None:
        flagged = {refill.name for refill in self._flagged()}
        for name in sorted(self._names - flagged):
            collection = self._opened(name)
            wanted = projection.count(self._database, name)
            found = collection.count() if wanted else 0
            if wanted and not found and self._has_live(name):
                with self._database.write() as connection:
                    collections.flag(connection, name, "it is empty", now=time.time())
                log.error("store_emptied", collection=name, slots=wanted, next="written anew")
            elif wanted and found != wanted and not self._in_motion():
                log.warning(
                    "store_differs",
                    collection=name,
                    slots=found,
                    expected=wanted,
                    next="`ingestd check` tells what differs",
                )

    def _has_live(self, name: str) -> bool:
        """Whether any slot was ever written whole; one page of the table, seldom more."""
        return any(
            expected.status is ChunkStatus.LIVE
            for expected in projection.walk(self._database, name)
        )

    def _in_motion(self) -> bool:
        """Whether slots are on their way in or out, so that nobody can say how many there are."""
        with self._database.read() as connection:
            return bool(
                orphans.count(connection)
                or chunks.unsettled(connection)
                or chunks.doomed(connection, 1)
            )
