"""What the daemon tells its service manager from start to end, and when it tells nothing any more.

Time to start and to stop is asked for in small pieces while the event loop turns, within a bound: a
migration of a large table may take long, and a start that hangs must end all the same. Signs of
life are sent from the event loop, and only while nothing is stuck for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog

from .alive import Observed, why_dead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .notify import Notifier
    from .reload import Reload

log = structlog.get_logger(__name__)

EXTEND_S = 30.0
EXTEND_EVERY_S = 5.0
START_BOUND_S = 7_200.0
STOP_BOUND_S = 300.0
STATUS_EVERY_S = 2.0
STATUS_SHARE = 20
"""Counting takes at most one such part of the time."""


class Herald:
    """Speaks for the daemon.

    Args:
        notifier: to the service manager.
        reload: what a SIGHUP asks for.
        asked: set by a SIGHUP.
    """

    def __init__(self, notifier: Notifier, reload: Reload, asked: asyncio.Event) -> None:
        self._notifier = notifier
        self._reload = reload
        self._asked = asked
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._note = ""
        self._ill = ""

    @contextlib.asynccontextmanager
    async def lifetime(self) -> AsyncIterator[None]:
        """Ask for more time for as long as the block starts and stops."""
        if not self._notifier.listened:
            yield
            return
        self._notifier.status("opening")
        extending = asyncio.create_task(self._extend(), name="extend")
        try:
            yield
        finally:
            extending.cancel()

    async def _extend(self) -> None:
        """Until it is ready, and again from when it stops."""
        for over, bound_s in ((self._ready, START_BOUND_S), (asyncio.Event(), STOP_BOUND_S)):
            end = time.monotonic() + bound_s
            while not over.is_set() and time.monotonic() < end:
                self._notifier.extend(EXTEND_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), EXTEND_EVERY_S)
            await self._stopping.wait()

    def ready(self, text: str) -> None:
        """The table is open and the watchers are armed."""
        self._ready.set()
        self._notifier.status(text, "READY=1")

    def stopping(self) -> None:
        """A stop begins."""
        self._notifier.status("stopping", "STOPPING=1")
        self._stopping.set()

    async def tell(self, progress: Callable[[], Awaitable[str]]) -> None:
        """Tell how far the work is, for as long as somebody listens."""
        if not self._notifier.listened:
            await asyncio.Event().wait()
        while True:
            started = time.monotonic()
            text = await progress()
            line = f"{self._ill}; {text}" if self._ill else text
            self._notifier.status(f"{line} · {self._note}" if self._note else line)
            took_s = time.monotonic() - started
            await asyncio.sleep(max(STATUS_EVERY_S, STATUS_SHARE * took_s))

    async def pulse(self, observe: Callable[[], Observed], *, stuck_s: float) -> None:
        """Give signs of life, two for each that is waited for, while the daemon is alive."""
        if not self._notifier.watchdog_s:
            await asyncio.Event().wait()
        while True:
            why = why_dead(observe(), stuck_s=stuck_s)
            if why and not self._ill:
                log.error("not_alive", reason=why, next="the service manager starts it anew")
            self._ill = why
            if not why:
                self._notifier.send("WATCHDOG=1")
            await asyncio.sleep(self._notifier.watchdog_s / 2)

    async def obey(self) -> None:
        """Read the configuration again, each time that is asked for."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._notifier.reloading()
            self._note = "reload failed"
            try:
                self._note = await asyncio.to_thread(self._reload.reload)
            finally:
                self._notifier.status(self._note, "READY=1")
