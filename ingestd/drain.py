"""Drains the queue, come what may: tells what hinders it, rests, and goes on when it can.

Whatever the store, the tables, the disk or the model do, the daemon keeps recording changes. Only
a damaged state table and an error that nobody foresaw end it: waiting would not mend those.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state import collections, runs
from ingestd_state.engine import DamagedError, DatabaseError

from .errors import DiskFullError, IngestdError, StoreError
from .memory.gate import Gate, ShutError
from .pause import Pause
from .space import Space
from .tables import StateDamagedError, as_told, remake_cache

if TYPE_CHECKING:
    from .instance import Instance

log = structlog.get_logger(__name__)

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
ABANDON_S = 1.0
"""How long a task may take to end when it is not waited for any more."""
EVENTS = {"store": "store_unavailable", "disk_full": "disk_full"}
"""How a pause is called in the log, by what causes it."""


class Drain:
    """The embed job, and what it waits for.

    Args:
        instance: what it drains.
        gate: shut, it takes up no more work; asked between two batches.

    Attributes:
        trouble: error code, message and hint of what hinders it; None when nothing does.
    """

    trouble: tuple[str, str, str] | None = None

    def __init__(self, instance: Instance, gate: Gate | None = None) -> None:
        self._instance = instance
        self._gate = gate or Gate()
        self._pause = Pause()
        self._space = Space.of(instance.location, instance.settings.limits.free_bytes)
        self._stopping = False

    async def once(self) -> int:
        """Deal with everything that is due; returns how many documents that were.

        Raises:
            IngestdError: what hinders it. Nothing is lost: what was in hand is due again.
            Exception: an error that nobody foresaw.
        """
        remade = False
        while True:
            try:
                await self._heal()
                return await self._instance.job.drain(self._ready)
            except DamagedError as error:
                if error.url != self._instance.cache.url:
                    raise as_told(error) from error
                if remade:
                    message = f"the vectors cache is damaged again: {error}"
                    raise StateDamagedError(message, hint="Check the disk.") from error
                await asyncio.to_thread(remake_cache, self._instance.cache, error)
                remade = True
            except Exception as error:
                told = await asyncio.to_thread(_told, error, self._space)
                if told is None or told is error:
                    raise
                raise told from error

    async def attempt(self) -> bool:
        """The same for a daemon: what hinders is logged, and the next tries are put off.

        Returns:
            Whether everything that is due was dealt with; False also while it rests.

        Raises:
            StateDamagedError: nothing can be recorded any more.
            Exception: an error that nobody foresaw.
        """
        if self._pause.resting or not self._gate.is_open:
            return False
        try:
            await self.once()
        except ShutError:
            return False  # who shut the gate says why, and has us called when it is open
        except StateDamagedError:
            raise
        except IngestdError as error:
            if self._stopping:
                log.warning("left_for_next_start", error=error.message)
            else:
                await self._rest(error)
            return False
        self.trouble = None
        after_s, code = self._pause.succeeded()
        if after_s is not None:
            log.info("resumed", after_s=round(after_s, 1))
            await asyncio.to_thread(self._record, "resume", code, after_s, {})
        return True

    async def look_after(self) -> None:
        """Ask the store for real answers while nothing is written.

        A server that hangs, and an index that breaks, would else be met by readers only.
        """
        job = self._instance.job
        server = self._instance.server
        if server is not None and not server.up:
            return  # it is being started
        if job.busy or job.lock.locked() or self._pause.resting or self._stopping:
            return  # who writes finds out by himself
        async with job.lock:
            await self._check()

    async def finish(self, task: asyncio.Task[Any]) -> None:
        """Let the task that drains finish what is in hand, within ``limits.stop_s``.

        What is not finished by then is left as after a crash: the next start settles it.
        """
        self._stopping = True
        self._instance.job.stop()
        self._instance.store.call.stop()  # a server that is away shall not use up its attempts
        limit_s = self._instance.settings.limits.stop_s
        done, _ = await asyncio.wait([task], timeout=limit_s)
        if not done:
            log.warning("stop_forced", after_s=limit_s)
            await self.abandon(task)

    async def abandon(self, task: asyncio.Task[Any]) -> None:
        """End the task that drains at once, whatever it does."""
        self._stopping = True
        self._instance.job.abandon()
        self._instance.store.call.stop()
        task.cancel()
        await asyncio.wait([task], timeout=ABANDON_S)

    def _ready(self) -> None:
        self._gate.check()
        self._space.check()

    async def _heal(self) -> None:
        await asyncio.to_thread(self._check_before_refill)
        await self._instance.healer.heal(self._instance.job.lock)

    def _check_before_refill(self) -> None:
        with self._instance.database.read() as connection:
            flagged = collections.flagged(connection)
        if flagged:
            self._space.check()

    async def _rest(self, error: IngestdError) -> None:
        """Put the next try off, and say so; have a store looked at that does not answer."""
        self.trouble = (error.code, error.message, error.hint)
        wait_s, news = self._pause.failed(error.code)
        event = EVENTS.get(error.code, "paused")
        log.error(event, error=error.message, hint=error.hint, next_try_in_s=wait_s)
        if news:
            values = {"error": error.message, "hint": error.hint}
            await asyncio.to_thread(self._record, "pause", error.code, 0.0, values)
        if isinstance(error, StoreError) and not isinstance(error, DiskFullError):
            await self._check()

    async def _check(self) -> None:
        """Have the store looked at; what cannot be found out now is told."""
        try:
            await self._instance.healer.check()
        except (IngestdError, DatabaseError, OSError) as failure:
            log.error("store_check_failed", error=str(failure))  # noqa: TRY400 - it says it all

    def _record(self, kind: str, outcome: str, seconds: float, counts: dict[str, str]) -> None:
        """Leave word for `ingestd status`, if the table takes it."""
        run = runs.Run(kind, time.time() - seconds, seconds, outcome[:20], counts)
        with contextlib.suppress(DatabaseError), self._instance.database.write() as connection:
            runs.add(connection, run)


def _told(error: Exception, space: Space) -> IngestdError | None:
    """What can be waited for, as a person is told of it; None for what nobody foresaw."""
    told: IngestdError
    match error:
        case IngestdError():
            told = error
        case DatabaseError():
            told = as_told(error)
        case MemoryError():
            told = IngestdError("there is not enough memory")
        case OSError() if error.errno in NO_SPACE:
            told = DiskFullError(str(error))
        case OSError():
            told = IngestdError(f"{type(error).__name__}: {error}")
        case _:
            return None
    # A full disk speaks in many tongues: an I/O error, a server that ended, a lost answer.
    if not isinstance(told, DiskFullError | StateDamagedError) and space.is_full():
        return DiskFullError(f"no space is left on the disk: {told.message}")
    return told
