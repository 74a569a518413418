"""Which tick runs when: the only user of APScheduler.

A tick only asks for work; the work itself runs in tasks of the service, because APScheduler
cancels its own jobs when it is shut down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DRAIN_S = 1
"""Between two looks at the queue: what another process put there is taken up this soon."""
MAINTAIN_HOUR = 4
"""UTC; a time that exists once on every day, whatever the time zone does."""


class Schedule:
    """The clock of the service."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(
        self, seconds: float, name: str, tick: Callable[[], Awaitable[None]], *, jitter_s: float = 0
    ) -> None:
        """Call ``tick`` at an interval."""
        self._scheduler.add_job(
            tick, "interval", seconds=seconds, jitter=jitter_s or None, id=name, name=name
        )

    def nightly(self, name: str, tick: Callable[[], Awaitable[None]]) -> None:
        """Call ``tick`` once a day, in the quiet hours."""
        self._scheduler.add_job(tick, "cron", hour=MAINTAIN_HOUR, jitter=1_800, id=name, name=name)

    def start(self) -> None:
        """Begin to tick, on the running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Tick no more."""
        if self._scheduler.running:
            self._scheduler.pause()
            self._scheduler.shutdown(wait=False)
