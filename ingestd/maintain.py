"""Keeps what grows within its bounds: the vectors cache, the logs, and Chroma.

Nightly; Chroma also soon after much was deleted, and on order. What cannot be done now is no harm:
the next time will do.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state import chunks, vectors
from ingestd_state.engine import DatabaseError

from .embed.chroma.aside import forget_old
from .embed.chroma.growth import orphan_bytes
from .embed.chroma.recycle import recycle
from .embed.compacted import as_json, due
from .embed.ground import CompactionStoppedError
from .embed.threads import in_thread
from .errors import BusyError, IngestdError, StoreError
from .memory import cgroup, heap, marks, processes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .embed.chroma.growth import Growth
    from .embed.compacted import Compacted
    from .instance import Instance

log = structlog.get_logger(__name__)

LOOK_DELETED = 500
"""Deleted slots after which the collections are measured again."""
RETRY_S = 3_600.0
"""How long a compaction that failed is not tried again, but at night or on order."""
ASIDE_DAYS = 7
"""How long a broken index that was set aside is kept, for those who ask why."""
ORPHANS_BYTES = 64 * 1024**2
"""Folders of deleted collections that are worth a restart of Chroma."""
PROCESS_BYTES = 120 * 1024**2
"""Memory of the process that builds an index, without vectors."""
LINKS = 1.4
"""Memory of an index over its bytes on the disk."""


class Maintainer:
    """Maintains one instance.

    Attributes:
        doing: what a compaction is doing, how far it is, and how far it goes.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._wake = asyncio.Event()
        self._night = False
        self._looked_at = -LOOK_DELETED  # what an earlier process left shows at the first look
        self._not_before = 0.0
        self._order: tuple[str | None, asyncio.Future[Compacted]] | None = None
        self.doing: tuple[str, int, int] = ("", 0, 0)

    async def nightly(self) -> None:
        """Have everything done."""
        self._night = True
        self._wake.set()

    def soon(self) -> None:
        """Have the collections measured, if enough was deleted since the last time."""
        deleted = self._instance.totals.chunks["deleted"]
        if deleted - self._looked_at >= LOOK_DELETED and time.monotonic() >= self._not_before:
            self._looked_at = deleted
            self._wake.set()

    async def run(self) -> None:
        """Do what is due, or ordered, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._carry_out()
                night, self._night = self._night, False
                if night:
                    await asyncio.to_thread(maintain, self._instance)
                await self.compact_due()
                if night:
                    await self._tidy()
        finally:
            if self._order is not None:
                self._order[1].cancel()

    def stop(self) -> None:
        """Break a compaction off: nothing is changed then."""
        self._instance.compactor.stop()

    async def compact_due(self) -> Compacted | None:
        """Compact what is worth it; what stands in the way is logged."""
        compactor = self._instance.compactor
        try:
            growth = await compactor.growth()
            names = due(growth, self._instance.settings.store.compact_at)
            if names is None or compactor.busy:
                return None
            return await self._compact(growth, names)
        except (IngestdError, DatabaseError, OSError) as error:
            self._not_before = time.monotonic() + RETRY_S
            log.warning("not_compacted", error=str(error), hint=getattr(error, "hint", ""))
            return None

    async def order(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Compact on order, whether it is worth it or not.

        Args:
            values: ``collection``, for one only.

        Raises:
            BusyError: a compaction is under way already.
            CompactionStoppedError: the daemon stops.
            IngestdError: it cannot be done.
        """
        if self._order is not None or self._instance.compactor.busy:
            raise BusyError("a compaction is under way", hint="Wait for it to end.")
        # Not here, in a request, which ends when its client does.
        future: asyncio.Future[Compacted] = asyncio.get_running_loop().create_future()
        self._order = (values.get("collection"), future)
        self._wake.set()
        await asyncio.wait([future])
        if future.cancelled():
            raise CompactionStoppedError("the daemon stops")
        return future.result().as_json()

    async def _carry_out(self) -> None:
        """Do what is ordered, if anything is."""
        if self._order is None:
            return
        wanted, future = self._order
        try:
            growth = await self._instance.compactor.growth()
            names = [one.collection for one in growth if wanted in {None, one.collection}]
            future.set_result(await self._compact(growth, names))
        except (IngestdError, DatabaseError, OSError) as error:
            told = error if isinstance(error, IngestdError) else IngestdError(str(error))
            future.set_exception(told)
        except BaseException:
            future.cancel()
            raise
        finally:
            self._order = None

    async def state(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        """How the collections are, and how far a compaction is."""
        what, at, total = self.doing
        growth = await self._instance.compactor.growth()
        return {
            "busy": self._instance.compactor.busy,
            "what": what,
            "done": at,
            "total": total,
            "collections": [as_json(one) for one in growth],
        }

    async def _compact(self, growth: list[Growth], names: list[str]) -> Compacted:
        await in_thread(lambda: self._check_memory(growth, names))
        instance = self._instance
        try:
            return await instance.compactor.compact(instance.job.lock, names, tell=self._tell)
        finally:
            self._tell("", 0, 0)
            await in_thread(heap.collect)

    def _tell(self, what: str, done: int, total: int) -> None:
        self.doing = (what, done, total)

    def _check_memory(self, growth: list[Growth], names: list[str]) -> None:
        """See that an index fits into memory beside the one in use."""
        settings = self._instance.settings.memory
        most = marks.resolve(settings.high, settings.max, cgroup.allowed()).max
        if most is None:
            return
        sizes = [one.index_bytes / one.bloat for one in growth if one.collection in names]
        needed = int(PROCESS_BYTES + LINKS * max(sizes, default=0))
        taken = sum(process.pss for process in processes.tree(os.getpid()))
        if taken + needed > most:
            raise StoreError(
                f"to compact takes {needed / 1024**2:,.0f} MiB of memory for a while, which "
                f"`memory.max` does not leave",
                hint="Raise `memory.max`; or `ingestd rebuild`, which needs the daemon stopped.",
            )

    async def _tidy(self) -> None:
        """Remove what is kept for a while, and what deleted collections leave."""
        ground, instance = self._instance.compactor.ground, self._instance
        if ground is None:
            return
        try:
            await in_thread(lambda: forget_old(ground.directory, days=ASIDE_DAYS))
            if await in_thread(lambda: orphan_bytes(ground.directory)) >= ORPHANS_BYTES:
                await recycle(instance.store, instance.server, instance.job.lock)
        except (IngestdError, DatabaseError, OSError) as error:
            log.warning("not_tidied", error=str(error))


def maintain(instance: Instance) -> None:
    """Keep the caches within their bounds, and cut the write-ahead logs; blocking."""
    try:
        pruned = _prune(instance)
        instance.cache.checkpoint()
        instance.database.checkpoint()
    except DatabaseError as error:
        log.warning("maintain_failed", error=str(error))
        return
    if pruned.live:
        log.warning(
            "vectors_short",
            pruned=pruned.live,
            hint="The cache does not hold all that is indexed: raise `limits.vectors_bytes`.",
        )
    log.info("maintained", vectors_pruned=pruned.dead + pruned.live)


def _prune(instance: Instance) -> vectors.Trimmed:
    limit = instance.settings.limits.vectors_bytes
    model = instance.spec.fingerprint
    with instance.database.read() as table, instance.cache.write() as connection:
        return vectors.trim(connection, limit, model=model, live=chunks.digests(table))
