"""Replaces the watchers, one replacement at a time, when they are lost or have to be others."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from .errors import IngestdError
from .watch.kernel import READABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .bulletin import Bulletin
    from .watchers import Watchers

log = structlog.get_logger(__name__)

PAUSE_S = 1.0
"""Between two replacements: a storm that overflows every queue shall not take a processor."""


class Renewals:
    """New watchers in the place of the old.

    Args:
        loop: which the tasks run in.
        spawn: starts a task of that name, and keeps it alive.
        on_renewed: called when there are new watchers: what happened meanwhile, nobody heard.

    Attributes:
        count: how often the watchers were replaced. Who finds a reason remembers it as `seen`:
            if it is higher when the turn comes, the reason may be mended already.
        lost: how often because events were lost, or may have been.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        watchers: Watchers,
        bulletin: Bulletin,
        *,
        spawn: Callable[[Coroutine[None, None, None], str], None],
        on_renewed: Callable[[], None],
    ) -> None:
        self.count = 0
        self.lost = 0
        self._loop = loop
        self._watchers = watchers
        self._bulletin = bulletin
        self._spawn = spawn
        self._on_renewed = on_renewed
        self._stopped = False
        self._one_at_a_time = asyncio.Lock()
        self._pending: tuple[str, int | None, bool] | None = None
        self._renewing = False

    def under_way(self) -> bool:
        """Whether new watchers are being made at the moment."""
        return self._one_at_a_time.locked()

    def stop(self) -> None:
        """No more of them; what is under way leaves no watchers behind. From any thread."""
        self._stopped = True

    async def replace(self, reason: str, *, lost: bool = True, seen: int | None = None) -> None:
        """Make new watchers.

        Args:
            reason: why, for people.
            lost: events were lost, or may have been; else the watches only have to be others.
            seen: `count` when the reason was found.
        """
        async with self._one_at_a_time:
            if self._outdated(seen):
                return
            self._watchers.distrust()
            self.count += 1
            if lost:
                self.lost += 1
                log.warning("watcher_lost", reason=reason, times=self.lost)
                await asyncio.to_thread(self._bulletin.loss, reason)
            else:
                log.info("watcher_renewed", reason=reason)
            await asyncio.to_thread(self._renew)
            self._on_renewed()

    def soon(self, reason: str, seen: int | None = None, *, lost: bool) -> None:
        """Make new watchers in a task, once for all reasons that come meanwhile."""
        if self._outdated(seen):
            return
        if self._pending is None or lost:
            self._pending = (reason, seen, lost)
        if not self._renewing:
            self._renewing = True
            self._spawn(self._renew_pending(), "replace-watchers")

    def on_lost(self, reason: str) -> None:
        """Called in a thread of the watchers, which are about to be replaced."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
            self._loop.call_soon_threadsafe(self._after_loss, reason, self.count)

    def _after_loss(self, reason: str, seen: int) -> None:
        self.soon(reason, seen, lost=reason != READABLE)

    def _outdated(self, seen: int | None) -> bool:
        return self._stopped or seen not in (None, self.count)

    async def _renew_pending(self) -> None:
        """Replace the watchers; once more when the new ones were lost meanwhile."""
        try:
            while self._pending is not None:
                (reason, seen, lost), self._pending = self._pending, None
                await self.replace(reason, lost=lost, seen=seen)
                await asyncio.sleep(PAUSE_S if self._pending else 0)
        finally:
            self._renewing = False

    def _renew(self) -> None:
        try:
            self._watchers.disarm()
        except Exception as error:  # noqa: BLE001 - whatever the old ones died of, new ones are due
            log.warning("watcher_not_stopped", error=repr(error))
        try:
            self._watchers.arm()
        except (OSError, IngestdError) as error:  # the next check tries again
            log.warning("watcher_not_replaced", error=str(error))
        if self._stopped:
            self._watchers.disarm()
        self._bulletin.modes(self._watchers.modes)
