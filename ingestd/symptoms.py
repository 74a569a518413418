"""Looks at a running daemon for what is wrong; on demand, and seldom at what costs something."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from ingestd_state import due, sources
from ingestd_state.engine import DatabaseError
from ingestd_state.status import SourceStatus

from .alive import why_dead
from .embed.chroma.heartbeat import why_silent
from .errors import DiskFullError
from .health import Code, Health, Problem, Signs, judge
from .memory.marks import State
from .space import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from .drain import Drain
    from .follow import Follower
    from .instance import Instance
    from .memory.guard import MemoryGuard
    from .vitals import Vitals

FRESH_S = 2.0
"""How long a look serves those who ask."""
SHARE = 20
"""The table takes at most one such part of the time, however often somebody asks."""
MIB = 1024**2
NOT_YET = Health((Problem(Code.STARTING, "nobody has looked yet"),))


class Symptoms:
    """Knows how the daemon is.

    Args:
        instance: its parts.
        follower: follows the sources.
        drain: waits where it must.
        guard: of memory.
        vitals: signs of life.
        clock: seconds, never going back.

    Attributes:
        started: the watchers are armed.
        stopping: a stop was asked for.
        last: what was found last.
    """

    def __init__(
        self,
        instance: Instance,
        follower: Follower,
        drain: Drain,
        guard: MemoryGuard,
        vitals: Vitals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.started = False
        self.stopping = False
        self.last = NOT_YET
        self._instance = instance
        self._follower = follower
        self._drain = drain
        self._guard = guard
        self._vitals = vitals
        self._clock = clock
        self._space = Space.of(instance.location, instance.settings.limits.free_bytes)
        self._again_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def look(self, patience_s: float | None = None) -> Health:
        """How it is now, or was a moment ago. On the event loop.

        Args:
            patience_s: a look that takes longer goes on, and what was found before it serves.
        """
        if self._clock() >= self._again_at and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(), name="symptoms")
        if self._looking is not None:
            done, _ = await asyncio.wait([self._looking], timeout=patience_s)
            for task in done:
                task.result()
        return self.last

    async def _look(self) -> None:
        signs, table_s = await self._signs()
        limit_s = self._instance.settings.limits.backlog_s
        self.last = judge(signs, backlog_s=limit_s)
        self._again_at = self._clock() + max(FRESH_S, SHARE * table_s)

    def alive(self) -> str:
        """Why only a restart helps; empty while it does not. Costs nothing."""
        return why_dead(self._vitals.observe(), stuck_s=self._instance.settings.limits.stuck_s)

    async def _signs(self) -> tuple[Signs, float]:
        """What is seen, and how many seconds the table took."""
        store = asyncio.ensure_future(self._store())
        started = self._clock()
        from_table = await asyncio.to_thread(self._table)
        table_s = self._clock() - started
        signs = Signs(
            starting=not self.started,
            stopping=self.stopping,
            stuck=self.alive(),
            watchers=self._watchers(),
            disk=await asyncio.to_thread(self._disk),
            store=await store,
            memory=self._memory(),
            paused=self._drain.trouble,
            polled=self._follower.short(),
            **from_table,
        )
        return signs, table_s

    def _watchers(self) -> str:
        dead = self._follower.dead()
        return f"the watchers do not hear: {dead}" if dead else ""

    def _disk(self) -> str:
        try:
            self._space.check()
        except DiskFullError as error:
            return error.message
        return ""

    async def _store(self) -> str:
        server, url = self._instance.server, self._instance.store_url
        if server is not None and not server.up:
            return "the Chroma server is being started"
        if not url:
            return ""
        return await why_silent(url, self._instance.settings.store.headers)

    def _memory(self) -> str:
        guard = self._guard
        if guard.state is not State.MAX:
            return ""
        most = f", the mark is {guard.marks.max / MIB:,.0f} MiB" if guard.marks.max else ""
        return f"{guard.bytes / MIB:,.0f} MiB are taken{most}: no new work is begun"

    def _table(self) -> dict[str, Any]:
        instance = self._instance
        now, served = instance.clock(), [source.id for source in instance.sources.values()]
        try:
            with instance.database.read() as connection:
                oldest = due.oldest(connection, now, served)
                rows = sources.all_sources(connection)
        except DatabaseError as error:
            return {"state": f"the state table cannot be read: {error}"}
        wrong = {
            row.name: (row.status.value, row.reason)
            for row in rows
            if row.id in served and row.status is not SourceStatus.ONLINE
        }
        return {"oldest_s": None if oldest is None else max(0.0, now - oldest), "sources": wrong}
